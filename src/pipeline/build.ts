/**
 * Frames made from fields: what the controller sends (discovery, ARP, resets) and what tests and
 * simulated hosts send. Checksums are always complete, since nothing behind us will finish them.
 */
import type { FieldValue } from '../openflow/values.js'
import { checksum, etherTypes, type Fields, ipProtocols } from './packet.js'

export interface TcpNumbers {
  readonly sequence: number
  readonly acknowledgement: number
}

/** A frame with these fields; headers follow from `eth_type` and `ip_proto`. */
export const buildFrame = (
  fields: Fields,
  payload: Uint8Array = new Uint8Array(),
  tcp: TcpNumbers = { sequence: 0, acknowledgement: 0 },
): Uint8Array => {
  const l3 = buildL3(fields, payload, tcp)
  const isTagged = (Number(fields.vlan_vid ?? 0) & 0x1000) !== 0
  const head = new Uint8Array(isTagged ? 18 : 14)
  const view = new DataView(head.buffer)
  putMac(view, 0, fields.eth_dst)
  putMac(view, 6, fields.eth_src)
  if (isTagged) {
    view.setUint16(12, etherTypes.vlan)
    view.setUint16(14, (Number(fields.vlan_pcp ?? 0) << 13) | (Number(fields.vlan_vid) & 0xfff))
  }
  view.setUint16(head.length - 2, Number(fields.eth_type ?? 0))
  return join(head, l3)
}

const join = (...parts: readonly Uint8Array[]): Uint8Array => {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

const putMac = (view: DataView, at: number, value: FieldValue | undefined): void => {
  const number = Number(value ?? 0)
  view.setUint16(at, Math.floor(number / 0x100000000))
  view.setUint32(at + 2, number % 0x100000000)
}

const putWide = (view: DataView, at: number, value: FieldValue | undefined): void => {
  const number = BigInt(value ?? 0)
  view.setBigUint64(at, number >> 64n)
  view.setBigUint64(at + 8, number & 0xffff_ffff_ffff_ffffn)
}

const buildL3 = (fields: Fields, payload: Uint8Array, tcp: TcpNumbers): Uint8Array => {
  if (fields.eth_type === etherTypes.arp) return buildArp(fields)
  if (fields.eth_type === etherTypes.ipv4) return buildIpv4(fields, payload, tcp)
  if (fields.eth_type === etherTypes.ipv6) return buildIpv6(fields, payload, tcp)
  return payload
}

const buildArp = (fields: Fields): Uint8Array => {
  const bytes = new Uint8Array(28)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, 1)
  view.setUint16(2, etherTypes.ipv4)
  view.setUint16(4, 0x0604)
  view.setUint16(6, Number(fields.arp_op ?? 1))
  putMac(view, 8, fields.arp_sha)
  view.setUint32(14, Number(fields.arp_spa ?? 0))
  putMac(view, 18, fields.arp_tha)
  view.setUint32(24, Number(fields.arp_tpa ?? 0))
  return bytes
}

const buildIpv4 = (fields: Fields, payload: Uint8Array, tcp: TcpNumbers): Uint8Array => {
  const head = new Uint8Array(20)
  const view = new DataView(head.buffer)
  const transport = buildTransport(fields, payload, pseudoIpv4(fields), tcp)
  view.setUint8(0, 0x45)
  view.setUint8(1, (Number(fields.ip_dscp ?? 0) << 2) | Number(fields.ip_ecn ?? 0))
  view.setUint16(2, 20 + transport.length)
  view.setUint16(6, 0x4000)
  view.setUint8(8, Number(fields.nw_ttl ?? 64))
  view.setUint8(9, Number(fields.ip_proto ?? 0))
  view.setUint32(12, Number(fields.ip_src ?? 0))
  view.setUint32(16, Number(fields.ip_dst ?? 0))
  view.setUint16(10, checksum(head))
  return join(head, transport)
}

const buildIpv6 = (fields: Fields, payload: Uint8Array, tcp: TcpNumbers): Uint8Array => {
  const head = new Uint8Array(40)
  const view = new DataView(head.buffer)
  const transport = buildTransport(fields, payload, pseudoIpv6(fields), tcp)
  const trafficClass = (Number(fields.ip_dscp ?? 0) << 2) | Number(fields.ip_ecn ?? 0)
  view.setUint32(0, ((6 << 28) | (trafficClass << 20) | Number(fields.ipv6_label ?? 0)) >>> 0)
  view.setUint16(4, transport.length)
  view.setUint8(6, Number(fields.ip_proto ?? 59))
  view.setUint8(7, Number(fields.nw_ttl ?? usualHops(Number(fields.icmpv6_type ?? 0))))
  putWide(view, 8, fields.ipv6_src)
  putWide(view, 24, fields.ipv6_dst)
  return join(head, transport)
}

/** The pseudo header without its length, RFC 9293 section 3.1. */
const pseudoIpv4 = (fields: Fields): Uint8Array => {
  const bytes = new Uint8Array(10)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, Number(fields.ip_src ?? 0))
  view.setUint32(4, Number(fields.ip_dst ?? 0))
  view.setUint16(8, Number(fields.ip_proto ?? 0))
  return bytes
}

/** RFC 8200 section 8.1. */
const pseudoIpv6 = (fields: Fields): Uint8Array => {
  const bytes = new Uint8Array(36)
  const view = new DataView(bytes.buffer)
  putWide(view, 0, fields.ipv6_src)
  putWide(view, 16, fields.ipv6_dst)
  view.setUint32(32, Number(fields.ip_proto ?? 0))
  return bytes
}

const buildTransport = (
  fields: Fields,
  payload: Uint8Array,
  pseudo: Uint8Array,
  tcp: TcpNumbers,
): Uint8Array => {
  const head = transportHead(fields, payload, tcp)
  const segment = join(head.bytes, payload)
  if (head.checksumAt === undefined) return segment
  const size = new Uint8Array([segment.length >> 8, segment.length & 255])
  const sum = checksum(head.hasPseudo ? join(pseudo, size, segment) : segment)
  const isUdp = fields.ip_proto === ipProtocols.udp
  new DataView(segment.buffer).setUint16(head.checksumAt, isUdp && sum === 0 ? 0xffff : sum)
  return segment
}

interface TransportHead {
  readonly bytes: Uint8Array
  readonly checksumAt?: number
  readonly hasPseudo?: boolean
}

const transportHead = (fields: Fields, payload: Uint8Array, tcp: TcpNumbers): TransportHead => {
  switch (fields.ip_proto) {
    case ipProtocols.tcp:
      return { bytes: tcpHead(fields, tcp), checksumAt: 16, hasPseudo: true }
    case ipProtocols.udp: {
      const bytes = new Uint8Array(8)
      const view = new DataView(bytes.buffer)
      view.setUint16(0, Number(fields.udp_src ?? 0))
      view.setUint16(2, Number(fields.udp_dst ?? 0))
      view.setUint16(4, 8 + payload.length)
      return { bytes, checksumAt: 6, hasPseudo: true }
    }
    case ipProtocols.icmp: {
      const bytes = new Uint8Array([
        Number(fields.icmp_type ?? 8),
        Number(fields.icmp_code ?? 0),
        0,
        0,
      ])
      return { bytes, checksumAt: 2, hasPseudo: false }
    }
    case ipProtocols.icmpv6:
      return { bytes: icmpv6Head(fields), checksumAt: 2, hasPseudo: true }
    default:
      return { bytes: new Uint8Array() }
  }
}

const tcpHead = (fields: Fields, tcp: TcpNumbers): Uint8Array => {
  const bytes = new Uint8Array(20)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, Number(fields.tcp_src ?? 0))
  view.setUint16(2, Number(fields.tcp_dst ?? 0))
  view.setUint32(4, tcp.sequence >>> 0)
  view.setUint32(8, tcp.acknowledgement >>> 0)
  view.setUint16(12, (5 << 12) | Number(fields.tcp_flags ?? 2))
  view.setUint16(14, 0xffff)
  return bytes
}

const icmpv6Head = (fields: Fields): Uint8Array => {
  const type = Number(fields.icmpv6_type ?? 128)
  const link = type === 135 ? fields.nd_sll : type === 136 ? fields.nd_tll : undefined
  const isNd = type === 135 || type === 136
  const bytes = new Uint8Array(isNd ? (link ? 32 : 24) : 4)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, type)
  view.setUint8(1, Number(fields.icmpv6_code ?? 0))
  if (!isNd) return bytes
  // An advertisement that overrides; one to all was not solicited (RFC 4861 section 4.4).
  const isToAll = BigInt(fields.ipv6_dst ?? 0) >> 120n === 0xffn
  if (type === 136) view.setUint32(4, isToAll ? 0x20000000 : 0x60000000)
  putWide(view, 8, fields.nd_target)
  if (link) {
    view.setUint8(24, type === 135 ? 1 : 2)
    view.setUint8(25, 1)
    putMac(view, 26, link)
  }
  return bytes
}

/** The hop limit that a message of ICMPv6 needs to be taken (RFC 4861, RFC 2710, RFC 3810); of other types that of most hosts. */
export const usualHops = (icmpv6Type: number): number =>
  icmpv6Type >= 133 && icmpv6Type <= 137
    ? 255
    : (icmpv6Type >= 130 && icmpv6Type <= 132) || icmpv6Type === 143
      ? 1
      : 64
