/** Completes what offloads left open in a frame that goes back into the network, and tells whether they did. */
import { checksum, etherTypes, fragBits, ipProtocols, readPacket } from './packet.js'

/**
 * A copy of the frame with its TCP or UDP checksum computed anew. Behind userspace TSO a packet comes to
 * the controller with an unfinished checksum, and nothing behind us would finish it.
 */
export const finishChecksums = (frame: Uint8Array): Uint8Array => {
  const place = placeOf(frame)
  if (place === undefined) return frame
  const { at, isUdp } = place
  // Not `slice`: of a Buffer it would be a view into what was received.
  const copy = new Uint8Array(frame)
  const view = new DataView(copy.buffer)
  view.setUint16(at, 0)
  const sum = checksum(pseudoHeader(copy, place, true))
  view.setUint16(at, isUdp && sum === 0 ? 0xffff : sum)
  return copy
}

/**
 * Whether the sender left the TCP or UDP checksum to its network card: where it should be stands the sum of the
 * addresses, the protocol and the size only (RFC 9293 section 3.1). Fragments and frames that are cut say nothing.
 */
export const isUnfinished = (frame: Uint8Array): boolean => {
  const place = placeOf(frame)
  if (place === undefined) return false
  const found = new DataView(frame.buffer, frame.byteOffset).getUint16(place.at)
  if (found !== (~checksum(pseudoHeader(frame, place, false)) & 0xffff)) return false
  // The same number may be right by chance.
  return checksum(pseudoHeader(frame, place, true)) !== 0
}

interface Place {
  /** Of the checksum, in octets. */
  readonly at: number
  readonly l3: number
  readonly l4: number
  readonly end: number
  readonly isIpv4: boolean
  readonly isUdp: boolean
}

/** Where the checksum of a whole TCP or UDP packet stands; undefined where there is none to be looked at. */
const placeOf = (frame: Uint8Array): Place | undefined => {
  const { fields, l3, l4 } = readPacket(frame)
  const isUdp = fields.ip_proto === ipProtocols.udp
  if (l4 === undefined || (!isUdp && fields.ip_proto !== ipProtocols.tcp)) return undefined
  if (Number(fields.ip_frag ?? 0) & fragBits.any) return undefined
  const at = l4 + (isUdp ? 6 : 16)
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  if (isUdp && view.getUint16(at) === 0) return undefined
  const isIpv4 = fields.eth_type === etherTypes.ipv4
  const end = l3 + ipSize(view, l3, isIpv4)
  if (end > frame.length || end < at + 2) return undefined
  return { at, l3, l4, end, isIpv4, isUdp }
}

/** What is summed up: the pseudo header, and behind it the segment itself where it is wanted. */
const pseudoHeader = (
  frame: Uint8Array,
  { l3, l4, end, isIpv4, isUdp }: Place,
  isWhole: boolean,
): Uint8Array => {
  const addresses = isIpv4 ? frame.subarray(l3 + 12, l3 + 20) : frame.subarray(l3 + 8, l3 + 40)
  const size = end - l4
  const pseudo = new Uint8Array(addresses.length + 4 + (isWhole ? size : 0))
  pseudo.set(addresses)
  const protocol = isUdp ? ipProtocols.udp : ipProtocols.tcp
  pseudo.set([0, protocol, size >> 8, size & 255], addresses.length)
  if (isWhole) pseudo.set(frame.subarray(l4, end), addresses.length + 4)
  return pseudo
}

const ipSize = (view: DataView, l3: number, isIpv4: boolean): number =>
  isIpv4 ? view.getUint16(l3 + 2) : 40 + view.getUint16(l3 + 4)
