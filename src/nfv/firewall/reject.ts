/**
 * The answer to a rejected packet: a reset for TCP (RFC 9293 section 3.10.7.1), "administratively
 * prohibited" for the rest (RFC 1812 section 5.2.7.1, RFC 4443 section 3.1).
 */
import { buildFrame } from '../../pipeline/build.js'
import {
  etherTypes,
  type Fields,
  fragBits,
  ipProtocols,
  type Packet,
  readPacket,
} from '../../pipeline/packet.js'

const flags = { fin: 1, syn: 2, rst: 4, ack: 16 } as const

/** The frame to send back to where `frame` came from; undefined when no answer is allowed. */
export const rejectionOf = (frame: Uint8Array): Uint8Array | undefined => {
  const packet = readPacket(frame)
  const { fields } = packet
  if (Number(fields.ip_frag ?? 0) & fragBits.later) return undefined
  if (fields.ip_proto === ipProtocols.tcp) return reset(packet, frame)
  if (packet.quoted !== undefined || isMulticast(fields)) return undefined
  return unreachable(packet, frame)
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
  const size = segmentSize(packet, view) + (seen & flags.syn ? 1 : 0) + (seen & flags.fin ? 1 : 0)
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

/** Octets of data in the segment, by the IP header's own length: frames are padded. */
const segmentSize = (packet: Packet, view: DataView): number => {
  const end =
    packet.fields.eth_type === etherTypes.ipv4
      ? packet.l3 + view.getUint16(packet.l3 + 2)
      : packet.l3 + 40 + view.getUint16(packet.l3 + 4)
  return Math.max(0, end - packet.payload)
}

const unreachable = (packet: Packet, frame: Uint8Array): Uint8Array => {
  const { fields, l3 } = packet
  const isIpv4 = fields.eth_type === etherTypes.ipv4
  // As much as fits: 576 octets in all for IPv4, the minimum MTU of 1280 for IPv6.
  const quoted = frame.subarray(l3, l3 + (isIpv4 ? 548 : 1232))
  const body = new Uint8Array(4 + quoted.length)
  body.set(quoted, 4)
  return isIpv4
    ? buildFrame(
        { ...turned(fields), ip_proto: ipProtocols.icmp, icmp_type: 3, icmp_code: 13 },
        body,
      )
    : buildFrame(
        { ...turned(fields), ip_proto: ipProtocols.icmpv6, icmpv6_type: 1, icmpv6_code: 1 },
        body,
      )
}

const isMulticast = (fields: Fields): boolean =>
  (fields.ip_dst !== undefined && Number(fields.ip_dst) >>> 28 >= 14) ||
  (fields.ipv6_dst !== undefined && BigInt(fields.ipv6_dst) >> 120n === 0xffn)
