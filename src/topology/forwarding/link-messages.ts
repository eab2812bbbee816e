/**
 * Messages of the link itself, which pass before any rule is asked: neighbour discovery, listener reports, membership of
 * groups. Only as their standards let a receiver take them; anything else of their types is a packet like any other.
 */
import type { Match } from '../../openflow/values.js'
import { etherTypes, ipProtocols } from '../../pipeline/packet.js'

const icmpv6 = { eth_type: etherTypes.ipv6, ip_proto: ipProtocols.icmpv6 } as const

/** No router has passed it on: RFC 4861 sections 6.1, 7.1 and 8.1. */
export const onLink = { nw_ttl: 255 } as const

/** Router and neighbour solicitations and advertisements, redirects: RFC 4861. */
const discoveryTypes = [133, 134, 135, 136, 137]
/** Queries, reports and leavings of listeners: RFC 2710, RFC 3810. */
const listenerTypes = [130, 131, 132, 143]
const [linkLocal, unspecified] = [{ value: 0xfe80n << 112n, mask: 0xffc0n << 112n }, 0n]
const groups = {
  ipv4: { value: 0xe0000000, mask: 0xf0000000 },
  ipv6: { value: 0xffn << 120n, mask: 0xffn << 120n },
} as const

export const discoveryMessages: readonly Match[] = discoveryTypes.map(icmpv6_type => ({
  ...icmpv6,
  icmpv6_type,
  ...onLink,
}))

/** From an address of the link, or none yet, to a group, with a hop limit of 1: RFC 2710 section 3, RFC 3810 section 5. */
export const listenerMessages: readonly Match[] = listenerTypes.flatMap(icmpv6_type =>
  [linkLocal, unspecified].map(ipv6_src => ({
    ...icmpv6,
    icmpv6_type,
    nw_ttl: 1,
    ipv6_src,
    ipv6_dst: groups.ipv6,
  })),
)

/** To a group: RFC 3376 section 4, RFC 2236 section 2. */
export const membershipMessage: Match = {
  eth_type: etherTypes.ipv4,
  ip_proto: ipProtocols.igmp,
  ip_dst: groups.ipv4,
}
