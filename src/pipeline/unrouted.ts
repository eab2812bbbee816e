/** Undoes what a router does to a packet on its way to the rules, so that it can go in once more. */
import { checksum, etherTypes, readPacket } from './packet.js'

/** A copy to the router's MAC, with the time to live that it had. @param mac 48 bits */
export const unrouted = (frame: Uint8Array, mac: number): Uint8Array => {
  // Not `slice`: of a Buffer it would be a view into what was received.
  const copy = new Uint8Array(frame)
  const view = new DataView(copy.buffer)
  view.setUint16(0, Math.floor(mac / 2 ** 32))
  view.setUint32(2, mac % 2 ** 32)
  const { fields, l3 } = readPacket(copy)
  if (fields.eth_type === etherTypes.ipv6) view.setUint8(l3 + 7, view.getUint8(l3 + 7) + 1)
  if (fields.eth_type !== etherTypes.ipv4) return copy
  view.setUint8(l3 + 8, view.getUint8(l3 + 8) + 1)
  view.setUint16(l3 + 10, 0)
  view.setUint16(l3 + 10, checksum(copy.subarray(l3, l3 + 4 * (view.getUint8(l3) & 15))))
  return copy
}
