/**
 * How routers that share a MAC find out whose it is now: VRRP (RFC 9568), CARP and HSRP. Each must hear the others, also while
 * the MAC counts as that of another; else there are two masters. Such frames of a MAC that lives elsewhere are given back
 * by the controller, and go on as any other; they move nobody.
 */
import type { Match } from '../../openflow/values.js'
import { etherTypes, type Fields, ipProtocols } from '../../pipeline/packet.js'

const vrrp = 112
const udp: Match = { ip_proto: ipProtocols.udp }

// biome-ignore format: a table
export const elections: readonly Match[] = [
  { eth_type: etherTypes.ipv4, ip_proto: vrrp, ip_dst: 0xe0000012 },
  { eth_type: etherTypes.ipv6, ip_proto: vrrp, ipv6_dst: 0xff02_0000_0000_0000_0000_0000_0000_0012n },
  { eth_type: etherTypes.ipv4, ...udp, ip_dst: 0xe0000002, udp_dst: 1985 },
  { eth_type: etherTypes.ipv4, ...udp, ip_dst: 0xe0000066, udp_dst: 1985 },
  { eth_type: etherTypes.ipv6, ...udp, ipv6_dst: 0xff02_0000_0000_0000_0000_0000_0000_0066n, udp_dst: 2029 },
]

export const isElection = (fields: Fields): boolean =>
  elections.some(match =>
    Object.entries(match).every(([name, value]) => fields[name as keyof Fields] === value),
  )
