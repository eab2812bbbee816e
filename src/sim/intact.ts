/** What a network card checks before a host sees a packet: lengths and checksums. */
import { checksum, etherTypes, fragBits, ipProtocols, type Packet } from '../pipeline/packet.js'

/** Where the IP packet of a frame ends; behind it is padding. */
export const endOfIp = (frame: Uint8Array, { l3, fields }: Packet): number => {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const size =
    fields.eth_type === etherTypes.ipv4 ? view.getUint16(l3 + 2) : 40 + view.getUint16(l3 + 4)
  return Math.min(l3 + size, frame.length)
}

/** False when the IPv4 header's checksum or the transport's is wrong. */
export const isIntact = (frame: Uint8Array, packet: Packet): boolean => {
  const { fields, l3, l4 } = packet
  const isIpv4 = fields.eth_type === etherTypes.ipv4
  if (isIpv4) {
    const headerSize = (frame[l3]! & 15) * 4
    if (checksum(frame.subarray(l3, l3 + headerSize)) !== 0) return false
  }
  if (l4 === undefined || Number(fields.ip_frag ?? 0) & fragBits.any) return true
  const segment = frame.subarray(l4, endOfIp(frame, packet))
  if (fields.ip_proto === ipProtocols.icmp) return checksum(segment) === 0
  const isUdp = fields.ip_proto === ipProtocols.udp
  if (isUdp && segment[6] === 0 && segment[7] === 0) return isIpv4
  const isCovered = isUdp || fields.ip_proto === ipProtocols.tcp || !isIpv4
  if (!isCovered) return true
  const addresses = isIpv4 ? frame.subarray(l3 + 12, l3 + 20) : frame.subarray(l3 + 8, l3 + 40)
  const whole = new Uint8Array(addresses.length + 4 + segment.length)
  whole.set(addresses)
  whole.set(
    [0, Number(fields.ip_proto), segment.length >> 8, segment.length & 255],
    addresses.length,
  )
  whole.set(segment, addresses.length + 4)
  return checksum(whole) === 0
}
