/** ICMP errors for simulated hosts: RFC 792 and RFC 4443. */
import { buildFrame } from '../pipeline/build.js'
import { etherTypes, type Fields, ipProtocols, type Packet } from '../pipeline/packet.js'

/** As much of a packet as an error quotes: its IP header and what follows of the transport. */
const quotedSize = 28
const quotedSizeIpv6 = 48

/** The error `port unreachable` for a packet that nobody waits for. */
export const portUnreachable = (frame: Uint8Array, packet: Packet): Uint8Array => {
  const { fields, l3 } = packet
  const isIpv4 = fields.eth_type === etherTypes.ipv4
  const quoted = frame.subarray(l3, l3 + (isIpv4 ? quotedSize : quotedSizeIpv6))
  // Four octets that mean nothing stand before the quoted packet.
  const payload = new Uint8Array(4 + quoted.length)
  payload.set(quoted, 4)
  const common: Fields = {
    eth_src: fields.eth_dst ?? 0,
    eth_dst: fields.eth_src ?? 0,
    eth_type: fields.eth_type ?? 0,
  }
  return isIpv4
    ? buildFrame(
        {
          ...common,
          ip_src: fields.ip_dst ?? 0,
          ip_dst: fields.ip_src ?? 0,
          ip_proto: ipProtocols.icmp,
          icmp_type: 3,
          icmp_code: 3,
        },
        payload,
      )
    : buildFrame(
        {
          ...common,
          ipv6_src: fields.ipv6_dst ?? 0n,
          ipv6_dst: fields.ipv6_src ?? 0n,
          ip_proto: ipProtocols.icmpv6,
          icmpv6_type: 1,
          icmpv6_code: 4,
        },
        payload,
      )
}

/** True for errors that end an attempt: destination unreachable, of either version. */
export const isUnreachable = ({ icmp_type, icmpv6_type }: Fields): boolean =>
  icmp_type === 3 || icmpv6_type === 1
