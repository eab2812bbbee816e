/**
 * An Ethernet frame as the fields that flows match on (the names of `openflow/oxm.ts`), and back.
 *
 * Reading never throws: a field that the frame is too short for is absent, exactly as a switch
 * treats it. Sources: IEEE 802.3/802.1Q, RFC 826 (ARP), 791 (IPv4), 8200 (IPv6), 9293 (TCP), 768 (UDP),
 * 792 (ICMP), 4443 (ICMPv6), 4861 (neighbour discovery).
 */
import type { FieldName } from '../openflow/oxm.js'
import type { FieldValue } from '../openflow/values.js'

/** Fields that are absent have no value in this packet; registers and ct fields then count as 0. */
export type Fields = { [name in FieldName]?: FieldValue }

export interface Packet {
  readonly fields: Fields
  /** Where the layer-3 header begins, in octets. */
  readonly l3: number
  /** Where the layer-4 header begins, in octets; absent in later fragments and unknown protocols. */
  readonly l4?: number
  /** Where the payload behind the last header that was understood begins. */
  readonly payload: number
  /** Tags that were there before others were pushed, the outermost last. */
  readonly under?: readonly Tag[]
  /** The packet that an ICMP or ICMPv6 error quotes. */
  readonly quoted?: Packet
  /** Of a TCP segment; no flow can match it. */
  readonly sequence?: number
  /** Of an ICMP echo or timestamp, and its answer; no flow can match it. */
  readonly identifier?: number
  /** What connection tracking has found last, and where: kept while the packet is in the switch. */
  tracked?: Tracked
}

/** A connection that was found in a zone, and the direction of the packet in it. */
export interface Tracked {
  readonly zone: number
  readonly connection: object
  readonly isReply: boolean
}

/** A tag as `push_vlan` leaves it under the one that it puts on. */
export type Tag = Pick<Fields, 'vlan_vid' | 'vlan_pcp'>

export const etherTypes = {
  ipv4: 0x0800,
  arp: 0x0806,
  vlan: 0x8100,
  ipv6: 0x86dd,
  lldp: 0x88cc,
} as const
export const ipProtocols = {
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  icmpv6: 58,
  fragment: 44,
  sctp: 132,
} as const

/** Fragment bits of `ip_frag`: any piece, and a piece that is not the first. */
export const fragBits = { any: 1, later: 2 } as const

export const readPacket = (bytes: Uint8Array): Packet => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const fields: Fields = { vlan_vid: 0 }
  if (bytes.length < 14) return { fields, l3: bytes.length, payload: bytes.length }
  fields.eth_dst = mac(view, 0)
  fields.eth_src = mac(view, 6)
  let at = 12
  let type = view.getUint16(at)
  if ((type === etherTypes.vlan || type === 0x88a8) && bytes.length >= 18) {
    const tag = view.getUint16(at + 2)
    fields.vlan_vid = 0x1000 | (tag & 0xfff)
    fields.vlan_pcp = tag >> 13
    at += 4
    type = view.getUint16(at)
  }
  let l3 = at + 2
  if (type < lowestType) {
    type = snapType(view, l3) ?? llc
    if (type !== llc) l3 += snapSize
  }
  fields.eth_type = type
  if (type === etherTypes.arp) return readArp(view, l3, fields)
  if (type === etherTypes.ipv4) return readIpv4(view, l3, fields)
  if (type === etherTypes.ipv6) return readIpv6(view, l3, fields)
  return { fields, l3, payload: l3 }
}

/** Below it stands a length, IEEE 802.3 clause 3.2.6. */
const lowestType = 0x600
/** `eth_type` of frames with a length that have no ethertype further in. */
const llc = 0x05ff
const snapSize = 8

/** The ethertype in a SNAP header of RFC 1042, which a switch reads as if it stood in the Ethernet header. */
const snapType = (view: DataView, at: number): number | undefined => {
  if (view.byteLength < at + snapSize) return undefined
  if (view.getUint32(at) !== 0xaaaa0300 || view.getUint16(at + 4) !== 0) return undefined
  const type = view.getUint16(at + 6)
  return type < lowestType ? undefined : type
}

const mac = (view: DataView, at: number): number =>
  view.getUint16(at) * 0x100000000 + view.getUint32(at + 2)

const readArp = (view: DataView, l3: number, fields: Fields): Packet => {
  if (view.byteLength < l3 + 28 || view.getUint16(l3 + 4) !== 0x0604)
    return { fields, l3, payload: l3 }
  fields.arp_op = view.getUint16(l3 + 6)
  fields.arp_sha = mac(view, l3 + 8)
  fields.arp_spa = view.getUint32(l3 + 14)
  fields.arp_tha = mac(view, l3 + 18)
  fields.arp_tpa = view.getUint32(l3 + 24)
  return { fields, l3, payload: l3 + 28 }
}

const readIpv4 = (view: DataView, l3: number, fields: Fields): Packet => {
  if (view.byteLength < l3 + 20) return { fields, l3, payload: l3 }
  const headerSize = (view.getUint8(l3) & 15) * 4
  const tos = view.getUint8(l3 + 1)
  const fragment = view.getUint16(l3 + 6)
  const isLater = (fragment & 0x1fff) !== 0
  fields.ip_dscp = tos >> 2
  fields.ip_ecn = tos & 3
  fields.nw_ttl = view.getUint8(l3 + 8)
  fields.ip_proto = view.getUint8(l3 + 9)
  fields.ip_src = view.getUint32(l3 + 12)
  fields.ip_dst = view.getUint32(l3 + 16)
  fields.ip_frag = isLater ? fragBits.any | fragBits.later : fragment & 0x2000 ? fragBits.any : 0
  const l4 = l3 + headerSize
  if (isLater || headerSize < 20) return { fields, l3, payload: l4 }
  return readTransport(view, l3, l4, fields)
}

const wide = (view: DataView, at: number): bigint =>
  (view.getBigUint64(at) << 64n) | view.getBigUint64(at + 8)

/** Headers that may stand between an IPv6 header and its transport, RFC 8200 section 4. */
const ipv6Extensions = new Set([0, 43, 60])

const readIpv6 = (view: DataView, l3: number, fields: Fields): Packet => {
  if (view.byteLength < l3 + 40) return { fields, l3, payload: l3 }
  const first = view.getUint32(l3)
  fields.ip_dscp = (first >>> 22) & 63
  fields.ip_ecn = (first >>> 20) & 3
  fields.ipv6_label = first & 0xfffff
  fields.nw_ttl = view.getUint8(l3 + 7)
  fields.ipv6_src = wide(view, l3 + 8)
  fields.ipv6_dst = wide(view, l3 + 24)
  fields.ip_frag = 0
  let protocol = view.getUint8(l3 + 6)
  let at = l3 + 40
  while (
    view.byteLength >= at + 8 &&
    (ipv6Extensions.has(protocol) || protocol === ipProtocols.fragment)
  ) {
    const isFragment = protocol === ipProtocols.fragment
    if (isFragment) {
      const isLater = view.getUint16(at + 2) >> 3 !== 0
      fields.ip_frag = isLater ? fragBits.any | fragBits.later : fragBits.any
    }
    protocol = view.getUint8(at)
    at += isFragment ? 8 : (view.getUint8(at + 1) + 1) * 8
    if (isFragment && Number(fields.ip_frag) & fragBits.later) {
      // Open vSwitch tells of no protocol behind the header of a later fragment (lib/flow.c).
      fields.ip_proto = ipProtocols.fragment
      return { fields, l3, payload: at }
    }
  }
  fields.ip_proto = protocol
  return readTransport(view, l3, at, fields)
}

const readTransport = (view: DataView, l3: number, l4: number, fields: Fields): Packet => {
  const room = view.byteLength - l4
  const protocol = fields.ip_proto
  if (protocol === ipProtocols.tcp && room >= 20) {
    fields.tcp_src = view.getUint16(l4)
    fields.tcp_dst = view.getUint16(l4 + 2)
    fields.tcp_flags = view.getUint16(l4 + 12) & 0xfff
    const sequence = view.getUint32(l4 + 4)
    return { fields, l3, l4, payload: l4 + (view.getUint8(l4 + 12) >> 4) * 4, sequence }
  }
  if (protocol === ipProtocols.udp && room >= 8) {
    fields.udp_src = view.getUint16(l4)
    fields.udp_dst = view.getUint16(l4 + 2)
    return { fields, l3, l4, payload: l4 + 8 }
  }
  if (protocol === ipProtocols.sctp && room >= 12) {
    fields.sctp_src = view.getUint16(l4)
    fields.sctp_dst = view.getUint16(l4 + 2)
    return { fields, l3, l4, payload: l4 + 12 }
  }
  if (protocol === ipProtocols.icmp && fields.ip_src !== undefined && room >= 8) {
    fields.icmp_type = view.getUint8(l4)
    fields.icmp_code = view.getUint8(l4 + 1)
    const quoted = isIcmpError(fields.icmp_type)
      ? quotedPacket(view, l4 + 8, etherTypes.ipv4)
      : undefined
    const identifier = quoted ? {} : { identifier: view.getUint16(l4 + 4) }
    return { fields, l3, l4, payload: l4 + 8, ...(quoted && { quoted }), ...identifier }
  }
  if (protocol === ipProtocols.icmpv6 && fields.ipv6_src !== undefined && room >= 4)
    return readIcmpv6(view, l3, l4, fields)
  return { fields, l3, payload: l4 }
}

const isIcmpError = (type: number): boolean =>
  type === 3 || type === 4 || type === 5 || type === 11 || type === 12

const readIcmpv6 = (view: DataView, l3: number, l4: number, fields: Fields): Packet => {
  const type = view.getUint8(l4)
  fields.icmpv6_type = type
  fields.icmpv6_code = view.getUint8(l4 + 1)
  if ((type === 135 || type === 136) && view.byteLength >= l4 + 24) {
    fields.nd_target = wide(view, l4 + 8)
    // Open vSwitch matches an option that is not there as zero.
    fields[type === 135 ? 'nd_sll' : 'nd_tll'] = 0
    readNdOptions(view, l4 + 24, type, fields)
  }
  const quoted = type < 128 ? quotedPacket(view, l4 + 8, etherTypes.ipv6) : undefined
  const isEcho = (type === 128 || type === 129) && view.byteLength >= l4 + 8
  const identifier = isEcho ? { identifier: view.getUint16(l4 + 4) } : {}
  return { fields, l3, l4, payload: l4 + 8, ...(quoted && { quoted }), ...identifier }
}

const readNdOptions = (view: DataView, from: number, type: number, fields: Fields): void => {
  for (let at = from; at + 8 <= view.byteLength; ) {
    const size = view.getUint8(at + 1) * 8
    if (size === 0) return
    const option = view.getUint8(at)
    if (option === 1 && type === 135) fields.nd_sll = mac(view, at + 2)
    if (option === 2 && type === 136) fields.nd_tll = mac(view, at + 2)
    at += size
  }
}

const quotedPacket = (view: DataView, at: number, type: number): Packet | undefined => {
  if (view.byteLength < at + 20) return undefined
  // A quoted header has no Ethernet header of its own, and may be cut after 8 octets of transport.
  const fields: Fields = { eth_type: type }
  const padded = new Uint8Array(Math.max(view.byteLength - at, 64))
  padded.set(new Uint8Array(view.buffer, view.byteOffset + at, view.byteLength - at))
  const inner = new DataView(padded.buffer)
  return type === etherTypes.ipv4 ? readIpv4(inner, 0, fields) : readIpv6(inner, 0, fields)
}

/** The ones-complement sum of RFC 1071 over some octets, ready to be stored. */
export const checksum = (bytes: Uint8Array, start = 0): number => {
  let sum = start
  for (let at = 0; at + 1 < bytes.length; at += 2) sum += (bytes[at]! << 8) | bytes[at + 1]!
  if (bytes.length % 2) sum += bytes[bytes.length - 1]! << 8
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return ~sum & 0xffff
}

/** The octets of a frame that is written in hex digits, with or without spaces and colons. @throws {Error} when it is not made of pairs of hex digits */
export const readFrame = (hex: string): Uint8Array => {
  const digits = hex.replace(/[\s:]/g, '')
  if (!/^([0-9a-fA-F]{2})+$/.test(digits))
    throw new Error('a frame is written as pairs of hex digits, beginning with its destination MAC')
  return Uint8Array.from(digits.match(/../g)!, pair => Number.parseInt(pair, 16))
}
