/** Completes what offloads left open in a frame that goes back into the network. */
import { checksum, etherTypes, fragBits, ipProtocols, readPacket } from './packet.js'

/**
 * A copy of the frame with its TCP or UDP checksum computed anew. Behind userspace TSO a packet comes to
 * the controller with an unfinished checksum, and nothing behind us would finish it.
 */
export const finishChecksums = (frame: Uint8Array): Uint8Array => {
  const packet = readPacket(frame)
  const { fields, l3, l4 } = packet
  const at = fields.ip_proto === ipProtocols.tcp ? 16 : fields.ip_proto === ipProtocols.udp ? 6 : -1
  if (l4 === undefined || at < 0 || Number(fields.ip_frag ?? 0) & fragBits.any) return frame
  // Not `slice`: of a Buffer it would be a view into what was received.
  const copy = new Uint8Array(frame)
  const view = new DataView(copy.buffer)
  const isUdp = fields.ip_proto === ipProtocols.udp
  if (isUdp && view.getUint16(l4 + at) === 0) return frame
  const end = l3 + ipSize(view, l3, fields.eth_type === etherTypes.ipv4)
  if (end > copy.length || end < l4 + at + 2) return frame
  view.setUint16(l4 + at, 0)
  const addresses =
    fields.eth_type === etherTypes.ipv4
      ? copy.subarray(l3 + 12, l3 + 20)
      : copy.subarray(l3 + 8, l3 + 40)
  const size = end - l4
  const pseudo = new Uint8Array(addresses.length + 4 + size)
  pseudo.set(addresses)
  pseudo.set([0, Number(fields.ip_proto), size >> 8, size & 255], addresses.length)
  pseudo.set(copy.subarray(l4, end), addresses.length + 4)
  const sum = checksum(pseudo)
  view.setUint16(l4 + at, isUdp && sum === 0 ? 0xffff : sum)
  return copy
}

const ipSize = (view: DataView, l3: number, isIpv4: boolean): number =>
  isIpv4 ? view.getUint16(l3 + 2) : 40 + view.getUint16(l3 + 4)
