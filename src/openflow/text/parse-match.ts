/**
 * Matches in `ovs-ofctl`'s syntax. As in Open vSwitch, names that share a place in its flow key
 * (`tp_dst` of TCP and UDP, the type of ICMP) share one here; which field goes on the wire follows
 * from the protocol, and what the protocol does not have is left away. The order is Open vSwitch's.
 */
import { widthOf } from '../match.js'
import { type Field, type FieldName, fieldByName } from '../oxm.js'
import type { FieldValue, Masked, Match } from '../values.js'
import {
  allOnes,
  asFieldValue,
  type Bits,
  findNamedField,
  findSymbol,
  type PortNames,
  parseBits,
} from './parse-value.js'
import { FlowTextError, isNumber, parseNumber, parseSmall, type Word } from './parse-words.js'

/** Words that say EtherType and protocol at once. */
// biome-ignore format: a table
const protocols: Readonly<Record<string, readonly [number, number?]>> = {
  ip: [0x0800], ipv4: [0x0800], ip4: [0x0800], arp: [0x0806], icmp: [0x0800, 1], tcp: [0x0800, 6], udp: [0x0800, 17],
  sctp: [0x0800, 132], ipv6: [0x86dd], ip6: [0x86dd], icmp6: [0x86dd, 58], tcp6: [0x86dd, 6], udp6: [0x86dd, 17],
  sctp6: [0x86dd, 132], rarp: [0x8035], mpls: [0x8847], mplsm: [0x8848],
}

/** Where a field's value is kept, when that is not under its own name. */
// biome-ignore format: a table
const places: Readonly<Record<string, string>> = {
  tcp_src: 'tp_src', udp_src: 'tp_src', sctp_src: 'tp_src', icmp_type: 'tp_src', icmpv6_type: 'tp_src',
  tcp_dst: 'tp_dst', udp_dst: 'tp_dst', sctp_dst: 'tp_dst', icmp_code: 'tp_dst', icmpv6_code: 'tp_dst',
  ip_src: 'nw_src', arp_spa: 'nw_src', ip_dst: 'nw_dst', arp_tpa: 'nw_dst', ip_proto: 'nw_proto', arp_op: 'nw_proto',
  nd_sll: 'arp_sha', nd_tll: 'arp_tha', nd_options_type: 'tcp_flags',
}

const vlanPresent = 0x1000n

export class FlowKey {
  readonly #bits = new Map<string, Bits>()
  /** Some word was about an Ethernet frame: then the match is about frames alone. */
  #isFrame = false
  #optionOctets = 0

  /** True when the word belongs to a match. */
  add({ key, value }: Word, portNumbers?: PortNames): boolean {
    const protocol = Object.hasOwn(protocols, key) ? protocols[key] : undefined
    if (protocol !== undefined) {
      this.#isFrame = true
      this.#set('eth_type', BigInt(protocol[0]), 0xffffn)
      if (protocol[1] !== undefined) this.#set('nw_proto', BigInt(protocol[1]), 0xffn)
      return true
    }
    if (key === 'eth') {
      this.#isFrame = true
      return true
    }
    if (key === 'dl_vlan') return this.#addVlan(value)
    if (key.includes('[')) return this.#addPart(key, value)
    const field = findNamedField(key)
    if (field === undefined) return false
    this.#addField(field, parseBits(field, value === '' ? '0/0' : value, portNumbers), value === '')
    return true
  }

  #set(place: string, value: bigint, mask: bigint): void {
    if (mask === 0n) this.#bits.delete(place)
    else this.#bits.set(place, { value: value & mask, mask })
  }

  #merge(place: string, value: bigint, mask: bigint): void {
    const before = this.#bits.get(place) ?? { value: 0n, mask: 0n }
    this.#set(place, (before.value & ~mask) | (value & mask), before.mask | mask)
  }

  #replaceVlan(value: bigint, mask: bigint): void {
    const before = this.#bits.get('vlan_tci') ?? { value: 0n, mask: 0n }
    this.#set('vlan_tci', (before.value & 0xe000n) | value, (before.mask & 0xe000n) | mask)
  }

  #addVlan(text: string): boolean {
    this.#isFrame = true
    const vid = parseSmall(text, 16, 'dl_vlan')
    if (vid === 0xffff) this.#set('vlan_tci', 0n, 0xffffn)
    else this.#merge('vlan_tci', BigInt(vid & 0xfff) | vlanPresent, 0x1fffn)
    return true
  }

  /** `NXM_NX_REG0[0..7]=3` */
  #addPart(key: string, text: string): boolean {
    const found = /^([^[]+)\[(?:(\d+)(?:\.\.(\d+))?)?\]$/.exec(key)
    const field = found && (findSymbol(found[1]!) ?? findNamedField(found[1]!))
    if (!field) throw new FlowTextError(`unknown field in ${key}`)
    const first = Number(found[2] ?? 0)
    const last = Number(found[3] ?? (found[2] === undefined ? widthOf(field) - 1 : first))
    if (first > last || last >= widthOf(field)) throw new FlowTextError(`${key}: no such bits`)
    const size = last - first + 1
    const value = isNumber(text) ? parseNumber(text, 1024, key) : parseBits(field, text).value
    if (value >> BigInt(size) !== 0n)
      throw new FlowTextError(`${key}: value ${text} does not fit into ${size} bits`)
    const shift = BigInt(first)
    this.#addField(field, { value: value << shift, mask: allOnes(size) << shift }, false)
    return true
  }

  #addField(field: Field, { value, mask }: Bits, isEmpty: boolean): void {
    const { name } = field
    if (!field.isMaskable && mask !== 0n && mask !== allOnes(field.bits))
      throw new FlowTextError(`${name}: invalid mask for field`)
    if (isOfFrame(field)) this.#isFrame = true
    if (name === 'packet_type' && value === 0n) {
      this.#isFrame = true
      return
    }
    if (
      name === 'ct_state' &&
      ((value | (mask === allOnes(32) ? 0n : mask)) & ~knownCtState) !== 0n
    )
      throw new FlowTextError(`${name} has the states 0x01 to 0x80 and no others`)
    if (name === 'ct_state') return this.#set(name, value, mask & knownCtState)
    if (name === 'arp_op' && value > 0xffn)
      throw new FlowTextError(`arp_op ${value} does not fit in 8 bits`)
    if (name === 'vlan_vid') return this.#replaceVlan(value, mask & 0x1fffn)
    if (name === 'vlan_tci') return this.#set('vlan_tci', value, mask)
    if (name === 'vlan_pcp' && mask !== 0n)
      return this.#merge('vlan_tci', (value << 13n) | vlanPresent, 0xf000n)
    if (name === 'nw_tos') return this.#set('ip_dscp', value >> 2n, mask === 0n ? 0n : 0x3fn)
    if (name.startsWith('xxreg'))
      return this.#addRegisters(4 * Number(name.slice(5)), 4, value, mask)
    if (name.startsWith('xreg'))
      return this.#addRegisters(2 * Number(name.slice(4)), 2, value, mask)
    if (field.isVariable) return this.#addOption(field, value, mask, isEmpty)
    const isType = types.has(name) && mask === allOnes(field.bits)
    this.#set(places[name] ?? name, value, isType ? 0xffffn : mask)
  }

  #addRegisters(first: number, count: number, value: bigint, mask: bigint): void {
    for (let index = 0; index < count; index++) {
      const shift = BigInt(32 * (count - 1 - index))
      this.#set(
        `reg${first + index}`,
        (value >> shift) & 0xffffffffn,
        (mask >> shift) & 0xffffffffn,
      )
    }
  }

  /** An option of a tunnel without a value must only be there. */
  #addOption({ name }: Field, value: bigint, mask: bigint, isEmpty: boolean): void {
    if (this.#bits.has(name)) throw new FlowTextError(`field ${name} set multiple times`)
    const bits = isEmpty ? { value: 0n, mask: 0n } : { value: value & mask, mask }
    const size = sizeOfOption(bits)
    if (this.#optionOctets + size >= optionOctetsAtMost)
      throw new FlowTextError(
        `field ${name} exceeds maximum size for tunnel metadata (used ${this.#optionOctets}, max ${optionOctetsAtMost})`,
      )
    this.#optionOctets += size
    this.#bits.set(name, bits)
  }

  /** What is known of packets that match, for the checks of actions. */
  get etherType(): number | undefined {
    const packet = this.#bits.get('packet_type')
    if (packet && packet.value >> 16n === 1n) return Number(packet.value & 0xffffn)
    const bits = this.#bits.get('eth_type')
    return bits && Number(bits.value)
  }

  toMatch(): Match {
    // Both places say the same.
    if (this.#bits.has('eth_type')) this.#set('eth_type', BigInt(this.etherType!), 0xffffn)
    const match: Record<string, FieldValue | Masked> = {}
    const put = (name: FieldName, place: string = name): void => {
      const bits = this.#bits.get(place)
      const condition = bits && conditionOf(fieldByName.get(name)!, bits)
      if (condition !== undefined) match[name] = condition
    }
    for (const name of beforeEthernet) put(name)
    this.#putVlan(match)
    this.#putNetwork(put)
    for (const name of behindNetwork) put(name)
    return (this.#needsPacketType(match) ? { packet_type: 0, ...match } : match) as Match
  }

  /** When no field on the wire says that it is about Ethernet frames. */
  #needsPacketType(match: Record<string, unknown>): boolean {
    return (
      this.#isFrame &&
      match.packet_type === undefined &&
      !Object.keys(match).some(name => isOfFrame(fieldByName.get(name)!))
    )
  }

  #putVlan(match: Record<string, FieldValue | Masked>): void {
    const tci = this.#bits.get('vlan_tci')
    if (tci === undefined) return
    const vid = Number(tci.value & 0x1fffn)
    const mask = Number(tci.mask & 0x1fffn)
    if (mask !== 0) match.vlan_vid = mask === 0x1fff ? vid : { value: vid, mask }
    if (vid !== 0 && (tci.mask & 0xe000n) !== 0n) match.vlan_pcp = Number(tci.value >> 13n)
  }

  #putNetwork(put: (name: FieldName, place?: string) => void): void {
    switch (this.etherType) {
      case 0x8847:
      case 0x8848:
        for (const name of ['mpls_tc', 'mpls_bos', 'mpls_ttl', 'mpls_label'] as const) put(name)
        break
      case 0x0800:
        put('ip_src', 'nw_src')
        put('ip_dst', 'nw_dst')
        this.#putTransport(put)
        break
      case 0x86dd:
        put('ipv6_src')
        put('ipv6_dst')
        this.#putTransport(put)
        break
      case 0x0806:
      case 0x8035:
        put('arp_op', 'nw_proto')
        put('arp_spa', 'nw_src')
        put('arp_tpa', 'nw_dst')
        put('arp_sha')
        put('arp_tha')
        break
      default:
    }
  }

  #putTransport(put: (name: FieldName, place?: string) => void): void {
    const isVersion6 = this.etherType === 0x86dd
    put('ip_frag')
    put('ip_dscp')
    put('ip_ecn')
    put('nw_ttl')
    put('ipv6_label')
    put('ip_proto', 'nw_proto')
    const protocol = Number(this.#bits.get('nw_proto')?.value ?? -1n)
    const names = ({ 6: 'tcp', 17: 'udp', 132: 'sctp' } as const)[protocol]
    if (names !== undefined) {
      put(`${names}_src`, 'tp_src')
      put(`${names}_dst`, 'tp_dst')
      if (names === 'tcp') put('tcp_flags')
    } else if (protocol === 1 && !isVersion6) {
      put('icmp_type', 'tp_src')
      put('icmp_code', 'tp_dst')
    } else if (protocol === 58 && isVersion6) this.#putIcmpv6(put)
  }

  #putIcmpv6(put: (name: FieldName, place?: string) => void): void {
    put('icmpv6_type', 'tp_src')
    put('icmpv6_code', 'tp_dst')
    const type = Number(this.#bits.get('tp_src')?.value ?? 0n)
    const code = Number(this.#bits.get('tp_dst')?.value ?? 0n)
    if (code !== 0 || (type !== 135 && type !== 136)) return
    put('nd_reserved')
    put('nd_target')
    put('nd_options_type', 'tcp_flags')
    if (type === 135) put('nd_sll', 'arp_sha')
    else put('nd_tll', 'arp_tha')
  }
}

const knownCtState = 0xffn

/** Fields of Ethernet frames and what they carry; the others belong to any packet. */
const isOfFrame = ({ name, prerequisite }: Field): boolean =>
  name.startsWith('eth_') ||
  name.startsWith('vlan_') ||
  (prerequisite !== 'none' && prerequisite !== 'in-port')

const beforeEthernet: readonly FieldName[] = [
  'packet_type',
  'dp_hash',
  'recirc_id',
  'conj_id',
  'in_port',
  'actset_output',
  'eth_src',
  'eth_dst',
  'eth_type',
]

const numbered = (prefix: 'reg' | 'tun_metadata', count: number): readonly FieldName[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}` as FieldName)

// biome-ignore format: a table
const behindNetwork: readonly FieldName[] = [
  'tun_id', 'tun_flags', 'tun_src', 'tun_dst', 'tun_ipv6_src', 'tun_ipv6_dst', 'tun_gbp_id', 'tun_gbp_flags',
  ...numbered('tun_metadata', 64),
  'tun_erspan_idx', 'tun_erspan_ver', 'tun_erspan_dir', 'tun_erspan_hwid', 'tun_gtpu_flags', 'tun_gtpu_msgtype',
  'nsh_flags', 'nsh_ttl', 'nsh_mdtype', 'nsh_np', 'nsh_spi', 'nsh_si', 'nsh_c1', 'nsh_c2', 'nsh_c3', 'nsh_c4',
  ...numbered('reg', 16),
  'pkt_mark', 'ct_state', 'ct_zone', 'ct_mark', 'ct_label', 'ct_nw_src', 'ct_ipv6_src', 'ct_nw_dst', 'ct_ipv6_dst',
  'ct_nw_proto', 'ct_tp_src', 'ct_tp_dst', 'metadata',
]

/** Open vSwitch 3.1 sends these with the value in place of the mask. */
const selfMasked = new Set<string>([
  'tun_erspan_ver',
  'tun_erspan_dir',
  'tun_erspan_hwid',
  'tun_gtpu_flags',
  'tun_gtpu_msgtype',
])
/** They fill a place that is wider than they are. */
const types = new Set<string>([
  'icmp_type',
  'icmp_code',
  'icmpv6_type',
  'icmpv6_code',
  'nd_options_type',
])

/** Fields that share their place with wider ones and take no mask. */
const narrow = new Set<string>([...types, 'arp_op', 'ip_proto'])

/** Octets that a number needs; none for zero. */
const sizeOf = (value: bigint): number =>
  value === 0n ? 0 : Math.ceil(value.toString(16).length / 2)

/** What Open vSwitch has room for, in all the options of a match. */
const optionOctetsAtMost = 256

const sizeOfOption = ({ value, mask }: Bits): number => sizeOf(mask === allOnes(992) ? value : mask)

const conditionOf = (field: Field, { value, mask }: Bits): FieldValue | Masked | undefined => {
  if (field.isVariable) {
    if (mask === 0n) return { value: 0n, mask: 0n, size: 0, isMasked: true }
    const isExact = mask === allOnes(992)
    const size = sizeOfOption({ value, mask })
    return isExact
      ? { value, mask: allOnes(8 * size), size }
      : { value, mask, size, isMasked: true }
  }
  if (selfMasked.has(field.name) && value === 0n) return undefined
  if (selfMasked.has(field.name) && value !== allOnes(8 * field.size))
    return { value: asFieldValue(field, value), mask: asFieldValue(field, value) }
  const full = allOnes(field.bits)
  const isExact = (mask & full) === full && field.name !== 'tun_flags'
  if (isExact || narrow.has(field.name)) return asFieldValue(field, value & allOnes(field.bits))
  return { value: asFieldValue(field, value), mask: asFieldValue(field, mask) }
}
