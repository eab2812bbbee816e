/**
 * What the sender of a packet is told: a reset for TCP (RFC 9293 section 3.10.7.1), an ICMP error for the rest
 * (RFC 792, RFC 1812 section 5.2.7.1, RFC 4443 section 3.1).
 */
import { buildFrame } from './build.js'
import {
  etherTypes,
  type Fields,
  fragBits,
  ipProtocols,
  type Packet,
  readPacket,
} from './packet.js'

/** What a rejected sender is told by ICMP: for IPv6 what comes closest (RFC 4443 section 3.1). */
export const rejectCodes = [
  'admin-prohibited',
  'port-unreachable',
  'host-unreachable',
  'net-unreachable',
] as const
export type RejectCode = (typeof rejectCodes)[number]

const flags = { fin: 1, syn: 2, rst: 4, ack: 16 } as const

/**
 * The frame to send back to where `frame` came from; undefined when no answer is allowed: to a later piece, to an ICMP
 * error, and to or from anybody else than one host (RFC 1122 section 3.2.2, RFC 4443 section 2.4).
 *
 * @param isBroadcast whether an address is the broadcast address of a subnet
 * @param answer what the rule wants to be told, to TCP as well
 */
export const rejectionOf = (
  frame: Uint8Array,
  isBroadcast: (address: number) => boolean = () => false,
  answer?: RejectCode,
): Uint8Array | undefined => {
  const packet = readPacket(frame)
  const { fields } = packet
  if (Number(fields.ip_frag ?? 0) & fragBits.later) return undefined
  if (!isBetweenHosts(fields, isBroadcast)) return undefined
  if (fields.ip_proto === ipProtocols.tcp && answer === undefined) return reset(packet, frame)
  return isIcmpError(fields) ? undefined : unreachable(packet, frame, answer)
}

const turned = (fields: Fields): Fields => ({
  eth_src: fields.eth_dst ?? 0,
  eth_dst: fields.eth_src ?? 0,
  eth_type: fields.eth_type ?? 0,
  vlan_vid: fields.vlan_vid ?? 0,
  ...(fields.ip_dst !== undefined && { ip_src: fields.ip_dst }),
  ...(fields.ip_src !== undefined && { ip_dst: fields.ip_src }),
  ...(fields.ipv6_dst !== undefined && { ipv6_src: fields.ipv6_dst }),
  ...(fields.ipv6_src !== undefined && { ipv6_dst: fields.ipv6_src }),
})

const reset = (packet: Packet, frame: Uint8Array): Uint8Array | undefined => {
  const { fields, l4 } = packet
  const seen = Number(fields.tcp_flags ?? 0)
  if (l4 === undefined || seen & flags.rst) return undefined
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const sequence = view.getUint32(l4 + 4)
  const acknowledgement = view.getUint32(l4 + 8)
  const hasAck = (seen & flags.ack) !== 0
  const size = segmentSize(packet, frame) + (seen & flags.syn ? 1 : 0) + (seen & flags.fin ? 1 : 0)
  return buildFrame(
    {
      ...turned(fields),
      ip_proto: ipProtocols.tcp,
      tcp_src: fields.tcp_dst ?? 0,
      tcp_dst: fields.tcp_src ?? 0,
      tcp_flags: hasAck ? flags.rst : flags.rst | flags.ack,
    },
    new Uint8Array(),
    hasAck
      ? { sequence: acknowledgement, acknowledgement: 0 }
      : { sequence: 0, acknowledgement: (sequence + size) >>> 0 },
  )
}

/** Octets of data in the segment. */
const segmentSize = ({ fields, l3, payload }: Packet, frame: Uint8Array): number =>
  Math.max(0, ipEnd(fields, l3, frame) - payload)

/** Codes of "destination unreachable": RFC 792, RFC 1812 section 5.2.7.1, RFC 4443 section 3.1. */
const codes = {
  'admin-prohibited': { v4: 13, v6: 1 },
  'port-unreachable': { v4: 3, v6: 4 },
  'host-unreachable': { v4: 1, v6: 3 },
  'net-unreachable': { v4: 0, v6: 0 },
} as const satisfies Readonly<Record<RejectCode, unknown>>

const unreachable = (
  packet: Packet,
  frame: Uint8Array,
  answer: RejectCode = 'admin-prohibited',
): Uint8Array => {
  const { v4, v6 } = codes[answer]
  return error(packet, frame, { v4: { type: 3, code: v4 }, v6: { type: 1, code: v6 } })
}

/** An ICMP error: type and code for each version of IP, RFC 792 and RFC 4443. */
export interface IcmpError {
  readonly v4: { readonly type: number; readonly code: number }
  readonly v6: { readonly type: number; readonly code: number }
}

/** As if the destination of the packet sent it. */
const error = (
  { fields, l3 }: Packet,
  frame: Uint8Array,
  { v4, v6 }: IcmpError,
  from: Fields = {},
) => {
  const isIpv4 = fields.eth_type === etherTypes.ipv4
  // As much as fits: 576 octets in all for IPv4, the minimum MTU of 1280 for IPv6.
  const quoted = frame.subarray(l3, Math.min(ipEnd(fields, l3, frame), l3 + (isIpv4 ? 548 : 1232)))
  const body = new Uint8Array(4 + quoted.length)
  body.set(quoted, 4)
  const head = { ...turned(fields), ...from, nw_ttl: 64 }
  return isIpv4
    ? buildFrame(
        { ...head, ip_proto: ipProtocols.icmp, icmp_type: v4.type, icmp_code: v4.code },
        body,
      )
    : buildFrame(
        { ...head, ip_proto: ipProtocols.icmpv6, icmpv6_type: v6.type, icmpv6_code: v6.code },
        body,
      )
}

/** Where the packet in a frame ends, by its own header: frames are padded. */
const ipEnd = (fields: Fields, l3: number, frame: Uint8Array): number => {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  return fields.eth_type === etherTypes.ipv4
    ? l3 + view.getUint16(l3 + 2)
    : l3 + 40 + view.getUint16(l3 + 4)
}

/**
 * What a router tells the sender of a packet that it does not pass on; undefined when it must be silent, as above. Of
 * TCP, too: a router answers nobody's connection (RFC 1812 section 4.3.2.7).
 *
 * @param from the router's own `eth_src`, and `ip_src` or `ipv6_src`
 */
export const icmpErrorOf = (
  frame: Uint8Array,
  kind: IcmpError,
  from: Fields,
  isBroadcast: (address: number) => boolean = () => false,
): Uint8Array | undefined => {
  const packet = readPacket(frame)
  const { fields } = packet
  if (Number(fields.ip_frag ?? 0) & fragBits.later) return undefined
  return isBetweenHosts(fields, isBroadcast) && !isIcmpError(fields)
    ? error(packet, frame, kind, from)
    : undefined
}

const isBetweenHosts = (fields: Fields, isBroadcast: (address: number) => boolean): boolean => {
  const { eth_src, eth_dst, ip_src, ip_dst, ipv6_src, ipv6_dst } = fields
  if (isGroupMac(Number(eth_src)) || isGroupMac(Number(eth_dst))) return false
  if (ip_src !== undefined && ip_dst !== undefined)
    return [ip_src, ip_dst].every(
      address => isHostV4(Number(address)) && !isBroadcast(Number(address)),
    )
  if (ipv6_src !== undefined && ipv6_dst !== undefined)
    return [ipv6_src, ipv6_dst].every(address => isHostV6(BigInt(address)))
  return false
}

const isGroupMac = (mac: number): boolean => Math.floor(mac / 2 ** 40) % 2 === 1

/** Neither "this network" nor loopback, a group, or reserved: RFC 6890. */
const isHostV4 = (address: number): boolean => {
  const first = address >>> 24
  return first !== 0 && first !== 127 && first < 224
}

/** Neither unspecified nor loopback, nor a group: RFC 4291. */
const isHostV6 = (address: bigint): boolean => address > 1n && address >> 120n !== 0xffn

/** By its type: an error may be cut so short that it quotes nothing. */
const isIcmpError = ({ icmp_type, icmpv6_type, ip_proto }: Fields): boolean => {
  if (ip_proto === ipProtocols.icmp)
    return icmp_type === undefined || icmpErrors.has(Number(icmp_type))
  if (ip_proto === ipProtocols.icmpv6) return icmpv6_type === undefined || Number(icmpv6_type) < 128
  return false
}

/** RFC 792; a redirect, too, is none to answer. */
const icmpErrors: ReadonlySet<number> = new Set([3, 4, 5, 11, 12])

/** The frame with other MACs, each of 48 bits. */
export const addressed = (
  frame: Uint8Array,
  { from, to }: { readonly from: number; readonly to: number },
): Uint8Array => {
  const copy = new Uint8Array(frame)
  const view = new DataView(copy.buffer)
  for (const [at, mac] of [
    [0, to],
    [6, from],
  ] as const) {
    view.setUint16(at, Math.floor(mac / 2 ** 32))
    view.setUint32(at + 2, mac % 2 ** 32)
  }
  return copy
}
