/**
 * Matches as `ovs-ofctl` prints them: its own order, its shorthands (`tcp`, `dl_vlan`, `tp_dst`), and
 * a field with a mask where it is not exact.
 */
import { formatIpv4, formatIpv6, formatMac, ipv4Mask, ipv6Mask } from '../../base/addresses.js'
import { type Field, fieldByName, fields } from '../oxm.js'
import { type FieldValue, type Masked, type Match, ports } from '../values.js'

/** `tcp,nw_src=10.0.0.0/8,tp_dst=80`; the empty text when every packet matches. */
export const formatMatch = (match: Match): string => matchParts(match).join(',')

/** Value and mask of a field; the mask is undefined when all its bits count. */
interface Condition {
  readonly value: FieldValue
  readonly mask: FieldValue | undefined
}

export const conditionOf = (
  field: Field,
  given: FieldValue | Masked | undefined,
): Condition | undefined => {
  if (given === undefined) return undefined
  if (typeof given !== 'object') return { value: given, mask: undefined }
  const full = given.size === undefined ? fullMask(field) : (1n << BigInt(8 * given.size)) - 1n
  return { value: given.value, mask: given.mask === full && full !== 0n ? undefined : given.mask }
}

const fullMask = ({ bits, size, name }: Field): FieldValue => {
  if (bits > 48) return (1n << BigInt(bits)) - 1n
  return name === 'vlan_vid' ? 0x1fff : 2 ** Math.min(bits, 8 * size) - 1
}

const ethTypes = {
  ipv4: 0x0800,
  arp: 0x0806,
  rarp: 0x8035,
  ipv6: 0x86dd,
  mpls: 0x8847,
  mplsMulticast: 0x8848,
  nsh: 0x894f,
} as const

// biome-ignore format: a table
const ipv4Words: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 132: 'sctp' }
// biome-ignore format: a table
const ipv6Words: Readonly<Record<number, string>> = { 6: 'tcp6', 17: 'udp6', 58: 'icmp6', 132: 'sctp6' }
// biome-ignore format: a table
const typeWords: Readonly<Record<number, string>> = {
  [ethTypes.ipv4]: 'ip', [ethTypes.ipv6]: 'ipv6', [ethTypes.arp]: 'arp', [ethTypes.rarp]: 'rarp',
  [ethTypes.mpls]: 'mpls', [ethTypes.mplsMulticast]: 'mplsm',
}

/** What `ovs-ofctl` calls fields in a match, where that is not their name. */
const matchNames: Readonly<Record<string, string>> = {
  in_port16: 'in_port',
  eth_src: 'dl_src',
  eth_dst: 'dl_dst',
  ip_src: 'nw_src',
  ip_dst: 'nw_dst',
  ip_ecn: 'nw_ecn',
  ip_frag: 'nw_frag',
  tcp_src: 'tp_src',
  tcp_dst: 'tp_dst',
  udp_src: 'tp_src',
  udp_dst: 'tp_dst',
  sctp_src: 'tp_src',
  sctp_dst: 'tp_dst',
  icmpv6_type: 'icmp_type',
  icmpv6_code: 'icmp_code',
  tun_gtpu_flags: 'gtpu_flags',
  tun_gtpu_msgtype: 'gtpu_msgtype',
}

const names = (...list: readonly string[]): readonly string[] => list
const numbered = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`)

const beforeType = names('pkt_mark', 'recirc_id', 'dp_hash', 'conj_id', 'actset_output')
const connection = names('ct_state', 'ct_zone', 'ct_mark', 'ct_label')
const original = names(
  'ct_nw_src',
  'ct_ipv6_src',
  'ct_nw_dst',
  'ct_ipv6_dst',
  'ct_nw_proto',
  'ct_tp_src',
  'ct_tp_dst',
)
const registers = numbered('reg', 16)
const tunnel = [
  ...names(
    'tun_id',
    'tun_src',
    'tun_dst',
    'tun_ipv6_src',
    'tun_ipv6_dst',
    'tun_gbp_id',
    'tun_gbp_flags',
  ),
  ...names(
    'tun_erspan_ver',
    'tun_erspan_idx',
    'tun_erspan_dir',
    'tun_erspan_hwid',
    'tun_gtpu_flags',
    'tun_gtpu_msgtype',
  ),
  'tun_flags',
  ...numbered('tun_metadata', 64),
]
const nsh = names(
  'nsh_flags',
  'nsh_ttl',
  'nsh_mdtype',
  'nsh_np',
  'nsh_spi',
  'nsh_si',
  'nsh_c1',
  'nsh_c2',
  'nsh_c3',
  'nsh_c4',
)

const matchParts = (match: Match): string[] => {
  const whole = joinRegisters(match)
  const parts: string[] = []
  const put = (list: readonly string[]) => {
    for (const name of list) {
      const text = formatCondition(whole, name)
      if (text !== undefined) parts.push(text)
    }
  }
  const type = exact(match.eth_type)
  const protocol = exact(match.ip_proto)
  const word = shorthand(type, protocol)
  put(beforeType)
  put(connection)
  put(original)
  if (match.packet_type !== undefined) parts.push(...formatPacketType(match.packet_type))
  if (word) parts.push(word.text)
  put(registers)
  put(tunnel)
  put(['metadata', 'in_port', 'in_port16', 'in_phy_port'])
  parts.push(...vlanParts(match))
  put(['eth_src', 'eth_dst'])
  if (type !== undefined && !word) parts.push(`dl_type=0x${type.toString(16).padStart(4, '0')}`)
  put(
    type === ethTypes.ipv6
      ? ['ipv6_src', 'ipv6_dst', 'ipv6_label', 'ipv6_exthdr']
      : ['arp_spa', 'arp_tpa'],
  )
  put(nsh)
  put(['ip_src', 'ip_dst'])
  if (protocol !== undefined && !word?.hasProtocol) parts.push(`nw_proto=${protocol}`)
  put(['arp_op', 'arp_sha', 'arp_tha'])
  put([
    'nw_tos',
    'ip_dscp',
    'ip_ecn',
    'nw_ttl',
    'mpls_label',
    'mpls_tc',
    'mpls_ttl',
    'mpls_bos',
    'pbb_isid',
    'ip_frag',
  ])
  put([
    'icmp_type',
    'icmp_code',
    'icmpv6_type',
    'icmpv6_code',
    'nd_target',
    'nd_sll',
    'nd_tll',
    'nd_reserved',
    'nd_options_type',
  ])
  put(['tcp_src', 'tcp_dst', 'udp_src', 'udp_dst', 'sctp_src', 'sctp_dst', 'tcp_flags'])
  for (const bytes of match.unknown ?? [])
    parts.push(`unknown=${Buffer.from(bytes).toString('hex')}`)
  return parts
}

const exact = (given: FieldValue | Masked | undefined): number | undefined =>
  typeof given === 'number' ? given : undefined

const shorthand = (
  type: number | undefined,
  protocol: number | undefined,
): { text: string; hasProtocol: boolean } | undefined => {
  if (type === undefined) return undefined
  const words = type === ethTypes.ipv4 ? ipv4Words : type === ethTypes.ipv6 ? ipv6Words : {}
  const text = protocol === undefined ? undefined : words[protocol]
  if (text !== undefined) return { text, hasProtocol: true }
  const plain = typeWords[type]
  return plain === undefined ? undefined : { text: plain, hasProtocol: false }
}

/** Long registers are pairs and quadruples of the short ones, the first being the highest. */
const joinRegisters = (match: Match): Match => {
  const found: Record<string, FieldValue | Masked> = {}
  for (const [prefix, count, each] of [
    ['xreg', 8, 2],
    ['xxreg', 4, 4],
  ] as const)
    for (let index = 0; index < count; index++) {
      const field = fieldByName.get(`${prefix}${index}`)!
      const condition = conditionOf(field, match[field.name])
      if (condition) splitRegister(found, condition, index * each, each)
    }
  return Object.keys(found).length === 0 ? match : { ...found, ...match }
}

const splitRegister = (
  found: Record<string, FieldValue | Masked>,
  { value, mask }: Condition,
  first: number,
  count: number,
): void => {
  for (let index = 0; index < count; index++) {
    const shift = BigInt(32 * (count - 1 - index))
    const part = (whole: FieldValue) => Number((BigInt(whole) >> shift) & 0xffffffffn)
    const partMask = mask === undefined ? 0xffffffff : part(mask)
    if (partMask === 0) continue
    const name = `reg${first + index}`
    found[name] = partMask === 0xffffffff ? part(value) : { value: part(value), mask: partMask }
  }
}

const vlanPresent = 0x1000

/** OpenFlow 1.3's two fields as the one tag that `ovs-ofctl` prints. */
const vlanParts = (match: Match): string[] => {
  const vid = conditionOf(fieldByName.get('vlan_vid')!, match.vlan_vid)
  const tci = conditionOf(fieldByName.get('vlan_tci')!, match.vlan_tci)
  const pcp = exact(match.vlan_pcp)
  const value = Number(tci?.value ?? vid?.value ?? 0) | ((pcp ?? 0) << 13)
  const mask =
    Number(tci ? (tci.mask ?? 0xffff) : vid ? (vid.mask ?? 0x1fff) : 0) |
    (pcp === undefined ? 0 : 0xe000)
  if (mask === 0) return []
  const vidMask = mask & 0xfff
  const pcpMask = mask & 0xe000
  const isPlain =
    (mask & vlanPresent) !== 0 &&
    (value & vlanPresent) !== 0 &&
    (vidMask === 0 || vidMask === 0xfff) &&
    (pcpMask === 0 || pcpMask === 0xe000)
  if (isPlain && (vidMask !== 0 || pcpMask !== 0)) {
    const parts = vidMask ? [`dl_vlan=${value & 0xfff}`] : []
    return pcpMask ? [...parts, `dl_vlan_pcp=${value >>> 13}`] : parts
  }
  const hex = (number: number) => `0x${number.toString(16).padStart(4, '0')}`
  return [mask === 0xffff ? `vlan_tci=${hex(value)}` : `vlan_tci=${hex(value)}/${hex(mask)}`]
}

/** Ethernet frames are the usual thing and not mentioned. */
const formatPacketType = (given: FieldValue | Masked): string[] => {
  const value = Number(exact(given) ?? 0)
  if (value === 0) return []
  return [`packet_type=(${value >>> 16},0x${(value & 0xffff).toString(16)})`]
}

/** `nw_src=10.0.0.0/8` for a field of the match; undefined when it may be anything. */
const formatCondition = (match: Match, name: string): string | undefined => {
  const field = fieldByName.get(name)!
  const condition = conditionOf(field, match[field.name])
  if (condition === undefined) return undefined
  // Metadata of a tunnel without octets: the option must be there.
  const given = match[field.name]
  if (field.isVariable && condition.mask === 0n)
    return typeof given === 'object' && given.isMasked ? field.name : `${field.name}=0`
  if (condition.mask === 0 || condition.mask === 0n) return undefined
  if (erspan[name] !== undefined && !isErspan(match, erspan[name])) return undefined
  if (isPlain.has(name))
    return `${matchNames[name] ?? name}=${formatValue(field, condition.value, undefined)}`
  if (name === 'tun_flags')
    return `tun_flags=${formatFlags(Number(condition.value), 1, ['oam'], 0)}`
  if (name === 'ipv6_label') return `ipv6_label=${formatLabel(condition)}`
  if (name === 'recirc_id') return `recirc_id=${hex(condition.value)}`
  if (name === 'nsh_spi') return `nsh_spi=0x${condition.value.toString(16)}`
  if (name === 'ip_dscp') return `nw_tos=${Number(condition.value) << 2}`
  return `${matchNames[name] ?? name}=${formatValue(field, condition.value, condition.mask)}`
}

/** Printed without their mask. */
const isPlain = new Set([
  'tun_gbp_flags',
  'tun_erspan_idx',
  'tun_erspan_ver',
  'tun_erspan_dir',
  'tun_erspan_hwid',
  'tun_gtpu_flags',
  'tun_gtpu_msgtype',
])
/** What only one version of ERSPAN has. */
const erspan: Readonly<Record<string, number>> = {
  tun_erspan_idx: 1,
  tun_erspan_dir: 2,
  tun_erspan_hwid: 2,
}

const isErspan = (match: Match, version: number): boolean => {
  const given = match.tun_erspan_ver
  return Number(typeof given === 'object' ? given.value : (given ?? 0)) === version
}

const formatLabel = ({ value, mask }: Condition): string => {
  const padded = (number: FieldValue) => `0x${number.toString(16).padStart(5, '0')}`
  return padded(value) + (mask === undefined ? '' : `/${padded(mask)}`)
}

export const hex = (value: FieldValue): string =>
  Number(value) === 0 ? '0' : `0x${value.toString(16)}`

/** IPv4 addresses within IPv6 are written with dots. */
export const formatIpv6Text = (value: bigint): string => {
  const upper = value >> 32n
  const last = () => formatIpv4(Number(value & 0xffffffffn))
  if (upper === 0xffffn) return `::ffff:${last()}`
  return upper === 0n && value > 0xffffn ? `::${last()}` : formatIpv6(value)
}

/** A value as people write it, with its mask when it has one. */
export const formatValue = (
  field: Field,
  value: FieldValue,
  mask: FieldValue | undefined,
): string => {
  switch (field.format) {
    case 'mac':
      return formatMac(Number(value)) + (mask === undefined ? '' : `/${formatMac(Number(mask))}`)
    case 'ipv4':
      return (
        formatIpv4(Number(value)) + (mask === undefined ? '' : `/${formatIpv4Mask(Number(mask))}`)
      )
    case 'ipv6':
      return (
        formatIpv6Text(BigInt(value)) +
        (mask === undefined ? '' : `/${formatIpv6Mask(BigInt(mask))}`)
      )
    case 'port':
      return formatPort(field.bits === 16 ? wholePort(Number(value)) : Number(value))
    case 'ct-state':
      return formatFlags(
        Number(value),
        mask === undefined ? undefined : Number(mask),
        ctStateNames,
        0xff,
      )
    case 'tcp-flags':
      return formatFlags(
        Number(value),
        mask === undefined ? undefined : Number(mask),
        tcpFlagNames,
        0xfff,
      )
    case 'tun-flags':
      return formatFlags(Number(value), mask === undefined ? undefined : Number(mask), ['oam'], 1)
    case 'frag':
      return formatFragment(Number(value), mask === undefined ? 3 : Number(mask))
    case 'packet-type':
      return `(${Number(value) >>> 16},0x${(Number(value) & 0xffff).toString(16)})`
    default:
      return formatNumber(field, value, mask)
  }
}

const formatNumber = (field: Field, value: FieldValue, mask: FieldValue | undefined): string => {
  if (mask !== undefined && field.format === 'decimal') {
    const digits = field.name === 'nsh_flags' ? 2 : 1
    const padded = (number: FieldValue) => `0x${number.toString(16).padStart(digits, '0')}`
    return `${padded(value)}/${padded(mask)}`
  }
  if (mask !== undefined) return `${hex(value)}/${hex(mask)}`
  return field.format === 'decimal' || field.name === 'ct_zone' ? String(value) : hex(value)
}

/** Prefix lengths where the mask is one. */
const formatIpv4Mask = (mask: number): string => {
  const length = Math.clz32(~mask)
  return ipv4Mask(length) === mask ? String(length) : formatIpv4(mask)
}

const formatIpv6Mask = (mask: bigint): string => {
  const length = mask.toString(2).replace(/0+$/, '').length
  return mask !== 0n && ipv6Mask(length) === mask ? String(length) : formatIpv6Text(mask)
}

// biome-ignore format: a table
export const portNames: ReadonlyMap<number, string> = new Map([
  [ports.inPort, 'IN_PORT'], [ports.table, 'TABLE'], [ports.normal, 'NORMAL'], [ports.flood, 'FLOOD'],
  [ports.all, 'ALL'], [ports.controller, 'CONTROLLER'], [ports.local, 'LOCAL'], [ports.any, 'ANY'],
  [0xfffffff7, 'UNSET'],
])

/** The last 256 ports of 16 bits are the reserved ones. */
const wholePort = (port: number): number => (port >= 0xff00 ? 0xffff0000 + port : port)

export const formatPort = (port: number): string =>
  portNames.get(port) ?? String(port >= 0xffffff00 ? port & 0xffff : port)

const ctStateNames = ['new', 'est', 'rel', 'rpl', 'inv', 'trk', 'snat', 'dnat']
// biome-ignore format: a table
const tcpFlagNames = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ece', 'cwr', 'ns', '[200]', '[400]', '[800]']

/** `+new-est` for the bits in the mask; `new|trk` when all bits count. */
const formatFlags = (
  value: number,
  mask: number | undefined,
  words: readonly string[],
  full: number,
): string => {
  if (mask === undefined || mask === full) {
    const set = words.filter((_, bit) => (value >>> bit) & 1)
    return set.length === 0 ? '0' : set.join('|')
  }
  return words
    .map((word, bit) => ((mask >>> bit) & 1 ? `${(value >>> bit) & 1 ? '+' : '-'}${word}` : ''))
    .join('')
}

export const formatTcpFlags = (value: number): string =>
  formatFlags(value, undefined, tcpFlagNames, 0xfff)

const formatFragment = (value: number, mask: number): string => {
  if (mask === 3) return ['no', 'first', '<error>', 'later'][value] ?? '<error>'
  if (mask === 1) return value & 1 ? 'yes' : 'no'
  return value & 2 ? 'later' : 'not_later'
}

/** Names of fields with their own `symbol`, for what actions point to. */
export const symbolOf = (name: string): string =>
  fieldByName.get(name)?.symbol ?? fields.find(field => field.name === name)?.name ?? name
