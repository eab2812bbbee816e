/**
 * To which MAC a sender hands a packet: that of its destination, of a group, of everybody, or of a router. How a host
 * routes is known to itself alone; what is assumed of it is said.
 */
import {
  formatMac,
  type Ip,
  ipNumber,
  type Mac,
  macNumber,
  parseCidr,
} from '../../base/addresses.js'
import { type Gateway, type Host, portKey, type Topology } from '../../topology/model.js'

interface Destination {
  readonly source: Ip
  readonly destination: Ip
  /** The host that has the address, in whichever network. */
  readonly to: Host | undefined
  /** What the question says. */
  readonly via: number | undefined
}

/** Where the frame goes; or why the sender has nobody to send it to. */
export type NextHop = { readonly notes: readonly string[] } & (
  | { readonly mac: Mac }
  | { readonly because: string }
)

const everybody = 0xffff_ffff_ffff

export const nextHopOf = (topology: Topology, from: Host, asked: Destination): NextHop => {
  const { source, destination, to, via } = asked
  if (via !== undefined) return { mac: formatMac(via), notes: viaNotes(topology, from, via, to) }
  const group = groupMac(topology, from, destination)
  if (group !== undefined) return { mac: formatMac(group), notes: [] }
  const gateway = topology.gateways.find(
    each => each.network === from.network && speaksVersionOf(each, destination),
  )
  const isOnItsLink = gateway !== undefined && isOnLink(gateway, destination)
  if (gateway !== undefined && (!isOnItsLink || isOwn(gateway, destination)))
    return { mac: gateway.mac, notes: [] }
  const isNear = isOnItsLink || isInSubnetOf(topology, from, source, destination)
  if (to !== undefined && to.network === from.network && isNear !== false)
    return { mac: to.mac, notes: isNear || isAlike(source, destination) ? [] : [straight(from)] }
  // The sender asks for it itself, and nobody answers.
  if (isNear) return nobody(topology, from, asked)
  return byRouter(topology, from, asked)
}

const straight = ({ mac }: Host): string =>
  `as if ${mac} sent it straight to its destination; if a router is on its way, name it with --via`

const viaNotes = (topology: Topology, from: Host, via: number, to: Host | undefined): string[] => {
  const hop = [...topology.hosts.values()].find(
    host => host.network === from.network && macNumber(host.mac) === via,
  )
  if (hop === undefined || hop === to) return []
  return [
    `${nameOf(hop)} is not the end of the way: what it does with the packet is not known here`,
  ]
}

const nobody = (topology: Topology, from: Host, { source, destination, to }: Destination) => ({
  because: `not delivered: ${whyNotStraight(topology, from, source, destination, to)}`,
  notes: [viaHint],
})

const viaHint = 'if a router leads there, name it with --via'

const byRouter = (
  topology: Topology,
  from: Host,
  { source, destination, to }: Destination,
): NextHop => {
  const why = whyNotStraight(topology, from, source, destination, to)
  const routers = [...topology.hosts.values()].filter(
    host =>
      host !== from &&
      host.network === from.network &&
      topology.serving.get(portKey(host.at))?.includes('router') === true,
  )
  const [router] = routers
  if (router && routers.length === 1)
    return {
      mac: router.mac,
      notes: [
        `${why}; it goes to ${nameOf(router)}, the one router that is declared`,
        ...viaNotes(topology, from, macNumber(router.mac), to),
      ],
    }
  const hint =
    routers.length > 1
      ? `several routers are declared, name one with --via: ${routers.map(nameOf).join(', ')}`
      : viaHint
  const broadcast =
    to === undefined && /[.]255$/.test(destination)
      ? [
          `if ${destination} is the broadcast address of a subnet, declare the subnet in its Network, or ask with --via ff:ff:ff:ff:ff:ff`,
        ]
      : []
  return { because: `not delivered: ${why}`, notes: [hint, ...broadcast] }
}

const whyNotStraight = (
  { networks }: Topology,
  from: Host,
  source: Ip,
  destination: Ip,
  to: Host | undefined,
): string => {
  if (to === undefined) return `no host with the address ${destination} is known`
  const name = (number: number) =>
    networks.find(each => each.number === number)?.name ?? String(number)
  if (to.network !== from.network)
    return `${nameOf(from)} is in network ${name(from.network)}, ${nameOf(to)} in ${name(to.network)}, and only a router leads from one to the other`
  return `${source} and ${destination} are in different subnets of network ${name(from.network)}, and only a router leads from one to the other`
}

const nameOf = ({ name, mac }: Host): string => name ?? mac

/** RFC 1112 section 6.4, RFC 2464 section 7; and what is broadcast: RFC 919, and RFC 922 for declared subnets. */
const groupMac = (topology: Topology, from: Host, destination: Ip): number | undefined => {
  const value = ipNumber(destination)
  if (typeof value === 'bigint')
    return value >> 120n === 0xffn ? 0x3333_0000_0000 + Number(value & 0xffff_ffffn) : undefined
  if (value === 0xffff_ffff) return everybody
  if (value >>> 28 === 14) return 0x0100_5e00_0000 + (value & 0x7f_ffff)
  const isBroadcast = subnetsOf(topology, from, 4).some(
    ({ address, length }) => length < 31 && Number(address) + 2 ** (32 - length) - 1 === value,
  )
  return isBroadcast ? everybody : undefined
}

const subnetsOf = ({ networks }: Topology, { network }: Host, version: 4 | 6) =>
  (networks.find(({ number }) => number === network)?.subnets ?? [])
    .map(text => parseCidr(text))
    .filter(cidr => cidr !== undefined)
    .filter(cidr => cidr.version === version)

/** A router with IPv4 addresses only is nobody's gateway in IPv6. */
const speaksVersionOf = ({ addresses }: Gateway, destination: Ip): boolean =>
  addresses.some(({ address }) => typeof address === typeof ipNumber(destination))

/** Whether hosts reach it without the router of their network. */
const isOnLink = ({ addresses }: Gateway, destination: Ip): boolean =>
  destination.startsWith('fe80:') || addresses.some(subnet => isWithin(destination, subnet))

const isOwn = ({ addresses }: Gateway, destination: Ip): boolean =>
  addresses.some(({ address }) => address === ipNumber(destination))

/** Undefined when no subnet of the sender is declared. */
const isInSubnetOf = (
  topology: Topology,
  from: Host,
  source: Ip,
  destination: Ip,
): boolean | undefined => {
  const own = subnetsOf(topology, from, source.includes(':') ? 6 : 4).filter(cidr =>
    isWithin(source, cidr),
  )
  return own.length === 0 ? undefined : own.some(cidr => isWithin(destination, cidr))
}

const isWithin = (ip: Ip, { address, length }: { address: number | bigint; length: number }) => {
  const bits = BigInt((ip.includes(':') ? 128 : 32) - length)
  return BigInt(ipNumber(ip)) >> bits === BigInt(address) >> bits
}

/** What usual subnets have in common: 24 bits of IPv4, 64 of IPv6; link-local reaches nobody else. */
const isAlike = (source: Ip, destination: Ip): boolean => {
  const length = source.includes(':') ? 64 : 24
  return isWithin(source, { address: ipNumber(destination), length })
}
