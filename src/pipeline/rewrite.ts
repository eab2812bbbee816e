/**
 * Puts changed fields back into the octets of a frame, as a datapath does: checksums are adjusted by
 * what changed (RFC 1624), never computed anew, so that a wrong one stays wrong.
 *
 * One VLAN tag is known, and those that were pushed before it; what else is behind the first is payload.
 */
import type { FieldName } from '../openflow/oxm.js'
import type { FieldValue } from '../openflow/values.js'
import { etherTypes, type Fields, ipProtocols, type Packet, type Tag } from './packet.js'

/**
 * @param packet what the frame was read as
 * @param after the fields it is to have
 * @param under tags behind the outermost, which stands last in the fields
 * @returns the frame itself when nothing changed, else a new one
 */
export const rewriteFrame = (
  frame: Uint8Array,
  packet: Packet,
  after: Fields,
  under: readonly Tag[] = [],
): Uint8Array => {
  const [innermost, ...pushed] = under
  if (innermost !== undefined)
    return [...pushed, after].reduce(
      withOuterTag,
      rewriteFrame(frame, packet, { ...after, ...innermost }),
    )
  if (!differs(packet.fields, after)) return frame
  const { bytes, shift } = retag(frame, packet.fields, after)
  const edit = new Edit(bytes, packet, shift)
  edit.mac(0, 'eth_dst', after)
  edit.mac(6, 'eth_src', after)
  const l3 = packet.l3 + shift
  if (packet.fields.arp_op !== undefined) arp(edit, l3, after)
  else if (packet.fields.ip_src !== undefined) ipv4(edit, l3, after)
  else if (packet.fields.ipv6_src !== undefined) ipv6(edit, l3, after)
  if (packet.l4 !== undefined) transport(edit, packet.l4 + shift, after)
  return bytes
}

// biome-ignore format: a table
const written: readonly FieldName[] = [
  'vlan_vid', 'vlan_pcp', 'eth_dst', 'eth_src',
  'arp_op', 'arp_sha', 'arp_spa', 'arp_tha', 'arp_tpa',
  'ip_src', 'ip_dst', 'ipv6_src', 'ipv6_dst', 'ip_dscp', 'ip_ecn', 'nw_ttl',
  'tcp_src', 'tcp_dst', 'udp_src', 'udp_dst',
  'icmp_type', 'icmp_code', 'icmpv6_type', 'icmpv6_code', 'nd_target', 'nd_sll', 'nd_tll',
  'nd_reserved', 'nd_options_type',
]

const differs = (before: Fields, after: Fields): boolean => {
  for (const name of written) if (before[name] !== after[name]) return true
  return false
}

const isTagged = (fields: Fields): boolean => (Number(fields.vlan_vid ?? 0) & 0x1000) !== 0

const withOuterTag = (frame: Uint8Array, { vlan_vid, vlan_pcp }: Tag): Uint8Array => {
  const bytes = new Uint8Array(frame.length + 4)
  bytes.set(frame.subarray(0, 12))
  bytes.set(frame.subarray(12), 16)
  const view = new DataView(bytes.buffer)
  view.setUint16(12, etherTypes.vlan)
  view.setUint16(14, (Number(vlan_pcp ?? 0) << 13) | (Number(vlan_vid) & 0xfff))
  return bytes
}

/** A copy with the tag it is to have; `shift`: by how much everything behind it moved. */
const retag = (frame: Uint8Array, before: Fields, after: Fields) => {
  const was = isTagged(before)
  const is = isTagged(after)
  const shift = (is ? 4 : 0) - (was ? 4 : 0)
  const bytes = new Uint8Array(frame.length + shift)
  bytes.set(frame.subarray(0, 12))
  bytes.set(frame.subarray(was ? 16 : 12), is ? 16 : 12)
  if (is) {
    const view = new DataView(bytes.buffer)
    if (was) bytes.set(frame.subarray(12, 14), 12)
    else view.setUint16(12, etherTypes.vlan)
    const dei = was ? ((frame[14] ?? 0) & 0x10) << 8 : 0
    view.setUint16(14, (Number(after.vlan_pcp ?? 0) << 13) | dei | (Number(after.vlan_vid) & 0xfff))
  }
  return { bytes, shift }
}

/** Writes words and keeps the checksums that cover them right. */
class Edit {
  readonly before: Fields
  readonly #view: DataView
  /** Where the checksum of the IPv4 header is. */
  readonly #headerSum: number | undefined
  /** Where the checksum of the transport is; absent when there is none to keep. */
  readonly #transportSum: number | undefined
  /** True when the transport's checksum covers addresses. */
  readonly #hasPseudo: boolean

  constructor(bytes: Uint8Array, packet: Packet, shift: number) {
    this.before = packet.fields
    this.#view = new DataView(bytes.buffer)
    this.#headerSum = packet.fields.ip_src === undefined ? undefined : packet.l3 + shift + 10
    this.#hasPseudo = packet.fields.ip_proto !== ipProtocols.icmp
    this.#transportSum = this.#sumPlace(packet, shift)
  }

  #sumPlace({ fields, l4 }: Packet, shift: number): number | undefined {
    if (l4 === undefined) return undefined
    const offset = { 1: 2, 6: 16, 17: 6, 58: 2 }[Number(fields.ip_proto)]
    if (offset === undefined) return undefined
    const at = l4 + shift + offset
    if (at + 2 > this.#view.byteLength) return undefined
    // A UDP checksum of 0 says that there is none.
    if (fields.ip_proto === ipProtocols.udp && this.#view.getUint16(at) === 0) return undefined
    return at
  }

  mac(at: number, name: FieldName, after: Fields): void {
    const value = this.#changed(name, after)
    if (value === undefined) return
    this.#view.setUint16(at, Math.floor(Number(value) / 0x100000000))
    this.#view.setUint32(at + 2, Number(value) % 0x100000000)
  }

  plain(at: number, octets: 2 | 4, name: FieldName, after: Fields): void {
    const value = this.#changed(name, after)
    if (value === undefined) return
    if (octets === 2) this.#view.setUint16(at, Number(value))
    else this.#view.setUint32(at, Number(value))
  }

  /** Bits of a 16-bit word of the IP header. */
  header(at: number, name: FieldName, shift: number, bits: number, after: Fields): void {
    const value = this.#changed(name, after)
    if (value === undefined) return
    const mask = ((1 << bits) - 1) << shift
    const word = (this.#view.getUint16(at) & ~mask) | ((Number(value) << shift) & mask)
    this.#word(at, word, this.#headerSum)
  }

  address(at: number, octets: 4 | 16, name: FieldName, after: Fields): void {
    const value = this.#changed(name, after)
    if (value === undefined) return
    const sums = [this.#headerSum, this.#hasPseudo ? this.#transportSum : undefined]
    this.#wide(at, octets, BigInt(value), sums)
  }

  /** Octets of the transport, covered by its checksum only. */
  segment(at: number, octets: 2 | 4 | 6 | 16, name: FieldName, after: Fields): void {
    const value = this.#changed(name, after)
    if (value !== undefined) this.#wide(at, octets, BigInt(value), [this.#transportSum])
  }

  segmentBits(at: number, name: FieldName, shift: number, after: Fields): void {
    const value = this.#changed(name, after)
    if (value === undefined) return
    const word = (this.#view.getUint16(at) & ~(0xff << shift)) | (Number(value) << shift)
    this.#word(at, word, this.#transportSum)
  }

  /** Where an option of neighbour discovery has its address. */
  ndOption(l4: number, type: number): number | undefined {
    for (let at = l4 + 24; at + 8 <= this.#view.byteLength; ) {
      if (this.#view.getUint8(at) === type) return at + 2
      const size = this.#view.getUint8(at + 1) * 8
      if (size === 0) return undefined
      at += size
    }
    return undefined
  }

  #changed(name: FieldName, after: Fields): FieldValue | undefined {
    const value = after[name]
    return value === this.before[name] ? undefined : value
  }

  #wide(at: number, octets: number, value: bigint, sums: readonly (number | undefined)[]): void {
    for (let index = 0; index < octets; index += 2) {
      const word = Number((value >> BigInt(8 * (octets - 2 - index))) & 0xffffn)
      this.#word(at + index, word, ...sums)
    }
  }

  #word(at: number, word: number, ...sums: readonly (number | undefined)[]): void {
    const old = this.#view.getUint16(at)
    this.#view.setUint16(at, word)
    for (const sumAt of sums) if (sumAt !== undefined) this.#adjust(sumAt, old, word)
  }

  /** RFC 1624, equation 3. */
  #adjust(at: number, old: number, word: number): void {
    let sum = (~this.#view.getUint16(at) & 0xffff) + (~old & 0xffff) + word
    sum = (sum & 0xffff) + (sum >>> 16)
    sum = (sum & 0xffff) + (sum >>> 16)
    const isUdp = this.before.ip_proto === ipProtocols.udp && at === this.#transportSum
    this.#view.setUint16(at, isUdp && sum === 0xffff ? 0xffff : ~sum & 0xffff)
  }
}

const arp = (edit: Edit, l3: number, after: Fields): void => {
  edit.plain(l3 + 6, 2, 'arp_op', after)
  edit.mac(l3 + 8, 'arp_sha', after)
  edit.plain(l3 + 14, 4, 'arp_spa', after)
  edit.mac(l3 + 18, 'arp_tha', after)
  edit.plain(l3 + 24, 4, 'arp_tpa', after)
}

const ipv4 = (edit: Edit, l3: number, after: Fields): void => {
  edit.header(l3, 'ip_dscp', 2, 6, after)
  edit.header(l3, 'ip_ecn', 0, 2, after)
  edit.header(l3 + 8, 'nw_ttl', 8, 8, after)
  edit.address(l3 + 12, 4, 'ip_src', after)
  edit.address(l3 + 16, 4, 'ip_dst', after)
}

const ipv6 = (edit: Edit, l3: number, after: Fields): void => {
  edit.header(l3, 'ip_dscp', 6, 6, after)
  edit.header(l3, 'ip_ecn', 4, 2, after)
  edit.header(l3 + 6, 'nw_ttl', 0, 8, after)
  edit.address(l3 + 8, 16, 'ipv6_src', after)
  edit.address(l3 + 24, 16, 'ipv6_dst', after)
}

const transport = (edit: Edit, l4: number, after: Fields): void => {
  const protocol = edit.before.ip_proto
  if (protocol === ipProtocols.tcp) {
    edit.segment(l4, 2, 'tcp_src', after)
    edit.segment(l4 + 2, 2, 'tcp_dst', after)
  } else if (protocol === ipProtocols.udp) {
    edit.segment(l4, 2, 'udp_src', after)
    edit.segment(l4 + 2, 2, 'udp_dst', after)
  } else if (protocol === ipProtocols.icmp) {
    edit.segmentBits(l4, 'icmp_type', 8, after)
    edit.segmentBits(l4, 'icmp_code', 0, after)
  } else if (protocol === ipProtocols.icmpv6) {
    neighbour(edit, l4, after)
    edit.segmentBits(l4, 'icmpv6_type', 8, after)
    edit.segmentBits(l4, 'icmpv6_code', 0, after)
  }
}

/** A solicitation becomes an advertisement by its type, flags and the type of its first option. */
const neighbour = (edit: Edit, l4: number, after: Fields): void => {
  if (edit.before.nd_target === undefined) return
  const source = edit.ndOption(l4, 1)
  const target = after.nd_options_type === 2 ? source : edit.ndOption(l4, 2)
  edit.segment(l4 + 8, 16, 'nd_target', after)
  edit.segment(l4 + 4, 4, 'nd_reserved', after)
  if (source !== undefined) edit.segment(source, 6, 'nd_sll', after)
  if (target !== undefined) edit.segment(target, 6, 'nd_tll', after)
  if (source === l4 + 26) edit.segmentBits(l4 + 24, 'nd_options_type', 8, after)
}
