/** Fields by the names `ovs-ofctl` takes for them, their values with masks, and parts of fields. */
import { parseIpv4, parseIpv6, parseMac } from '../../base/addresses.js'
import { widthOf } from '../match.js'
import { type Field, fieldByName, fields } from '../oxm.js'
import type { FieldValue, Subfield } from '../values.js'
import { portNames } from './format-match.js'
import { FlowTextError, parseNumber, splitMask } from './parse-words.js'

/** Numbers of ports by name, beside the reserved ones. */
export type PortNames = ReadonlyMap<string, number>

/** Other names of fields, ovs-fields(7). */
// biome-ignore format: a table
const otherNames: Readonly<Record<string, string>> = {
  in_port_oxm: 'in_port', dl_src: 'eth_src', dl_dst: 'eth_dst', dl_type: 'eth_type', nw_src: 'ip_src', nw_dst: 'ip_dst',
  nw_proto: 'ip_proto', nw_ecn: 'ip_ecn', nw_frag: 'ip_frag', tp_src: 'tcp_src', tp_dst: 'tcp_dst', tunnel_id: 'tun_id',
  dl_vlan_pcp: 'vlan_pcp', ip_ttl: 'nw_ttl', nw_label: 'ipv6_label',
}

/** The names of OpenFlow for fields that have a Nicira name as their `symbol`. */
// biome-ignore format: a table
const openflowSymbols: Readonly<Record<string, string>> = {
  eth_dst: 'OXM_OF_ETH_DST', eth_src: 'OXM_OF_ETH_SRC', eth_type: 'OXM_OF_ETH_TYPE', ip_ecn: 'OXM_OF_IP_ECN', ip_proto: 'OXM_OF_IP_PROTO',
  ip_src: 'OXM_OF_IPV4_SRC', ip_dst: 'OXM_OF_IPV4_DST', tcp_src: 'OXM_OF_TCP_SRC', tcp_dst: 'OXM_OF_TCP_DST', udp_src: 'OXM_OF_UDP_SRC',
  udp_dst: 'OXM_OF_UDP_DST', icmp_type: 'OXM_OF_ICMPV4_TYPE', icmp_code: 'OXM_OF_ICMPV4_CODE', arp_op: 'OXM_OF_ARP_OP', arp_spa: 'OXM_OF_ARP_SPA',
  arp_tpa: 'OXM_OF_ARP_TPA', arp_sha: 'OXM_OF_ARP_SHA', arp_tha: 'OXM_OF_ARP_THA', ipv6_src: 'OXM_OF_IPV6_SRC', ipv6_dst: 'OXM_OF_IPV6_DST',
  ipv6_label: 'OXM_OF_IPV6_FLABEL', icmpv6_type: 'OXM_OF_ICMPV6_TYPE', icmpv6_code: 'OXM_OF_ICMPV6_CODE', nd_target: 'OXM_OF_IPV6_ND_TARGET',
  nd_sll: 'OXM_OF_IPV6_ND_SLL', nd_tll: 'OXM_OF_IPV6_ND_TLL', tun_id: 'OXM_OF_TUNNEL_ID', tcp_flags: 'OXM_OF_TCP_FLAGS',
}

const fieldBySymbol: ReadonlyMap<string, Field> = new Map([
  ...fields.map(field => [field.symbol, field] as const),
  ...Object.entries(openflowSymbols).map(
    ([name, symbol]) => [symbol, fieldByName.get(name)!] as const,
  ),
  ['ONFOXM_ET_TCP_FLAGS', fieldByName.get('tcp_flags')!] as const,
])

/** The field that `ovs-ofctl` calls so; `in_port16` is ours alone. */
export const findNamedField = (name: string): Field | undefined =>
  name === 'in_port16' ? undefined : fieldByName.get(otherNames[name] ?? name)

export const findSymbol = (symbol: string): Field | undefined =>
  fieldBySymbol.get(symbol) ??
  (symbol.startsWith('NX')
    ? fieldBySymbol.get(symbol.replace('IPV6_FLABEL', 'IPV6_LABEL'))
    : undefined)

/** Actions that load and move work on Nicira's narrow view of the port when it is named so. */
const actionField = (name: string): Field | undefined =>
  findSymbol(name) ?? (name === 'in_port' ? fieldByName.get('in_port16') : findNamedField(name))

/** `NXM_NX_REG0[0..15]`, `reg0[3]`, `reg0[]`, `reg0` */
export const parseSubfield = (text: string): Subfield => {
  const found = /^([^[]+)(?:\[(?:(\d+)(?:\.\.(\d+))?)?\])?$/.exec(text.trim())
  if (found === null)
    throw new FlowTextError(`${text}: no field with bits, such as NXM_NX_REG0[0..15]`)
  const field = actionField(found[1]!.trim())
  if (field === undefined) throw new FlowTextError(`${text}: unknown field \`${found[1]}'`)
  const first = found[2] === undefined ? 0 : Number(found[2])
  const last =
    found[3] === undefined
      ? found[2] === undefined
        ? widthOf(field) - 1
        : first
      : Number(found[3])
  if (first > last)
    throw new FlowTextError(`${text}: starting bit ${first} is after ending bit ${last}`)
  if (last >= widthOf(field))
    throw new FlowTextError(
      `${text}: bits ${first} to ${last} are not valid because width of field is only ${widthOf(field)} bits`,
    )
  return { field: field.name, offset: first, size: last - first + 1 }
}

/** A value with ones in the mask where it counts. */
export interface Bits {
  readonly value: bigint
  readonly mask: bigint
}

export const allOnes = (bits: number): bigint => (1n << BigInt(bits)) - 1n

/** The type a field's values have in `Match`. */
export const asFieldValue = (field: Field, value: bigint): FieldValue =>
  field.bits > 48 ? value : Number(value)

/**
 * A value with or without a mask, as people write it.
 *
 * @throws {FlowTextError}
 */
export const parseBits = (field: Field, text: string, portNumbers?: PortNames): Bits => {
  const full = allOnes(field.isVariable ? 992 : field.bits)
  switch (field.format) {
    case 'mac':
      return masked(text, full, part => parseMacText(part))
    case 'ipv4':
      return parseIpv4Bits(text)
    case 'ipv6':
      return parseIpv6Bits(text)
    case 'port':
      return {
        value: BigInt(parsePort(text, portNumbers)),
        mask: field.bits === 16 ? 0xffffn : 0xffffffffn,
      }
    case 'frag':
      return parseFragment(text)
    case 'ct-state':
      return parseFlags(text, ctStateNames, full)
    case 'tcp-flags':
      return parseFlags(text, tcpFlagNames, full)
    case 'tun-flags':
      return parseFlags(text, ['oam'], full)
    case 'packet-type':
      return parsePacketType(text)
    default:
      return masked(text, full, part =>
        parseNumber(part, Math.min(992, Math.max(field.bits, 1)), field.name),
      )
  }
}

const masked = (text: string, full: bigint, parse: (part: string) => bigint): Bits => {
  const [value, mask] = splitMask(text)
  return {
    value: parse(value),
    mask: mask === undefined ? full : parse(mask),
  }
}

const parseMacText = (text: string): bigint => {
  const padded = text.replace(/\b[0-9a-f]\b/gi, digit => `0${digit}`)
  const value = parseMac(padded)
  if (value === undefined) throw new FlowTextError(`${text}: invalid Ethernet address`)
  return BigInt(value)
}

const parseIpv4Bits = (text: string): Bits => {
  const [host, mask] = splitMask(text)
  const value = parseIpv4(host)
  if (value === undefined) throw new FlowTextError(`${text}: invalid IP address`)
  if (mask === undefined) return { value: BigInt(value), mask: 0xffffffffn }
  const netmask = parseIpv4(mask)
  if (netmask !== undefined) return { value: BigInt(value), mask: BigInt(netmask) }
  const length = prefixLength(text, mask, 32)
  return { value: BigInt(value), mask: (0xffffffffn << BigInt(32 - length)) & 0xffffffffn }
}

const prefixLength = (text: string, digits: string, most: number): number => {
  if (!/^\d{1,3}$/.test(digits) || Number(digits) > most)
    throw new FlowTextError(`${text}: network prefix bits not between 0 and ${most}`)
  return Number(digits)
}

const parseIpv6Bits = (text: string): Bits => {
  const full = allOnes(128)
  const [host, mask] = splitMask(text)
  const value = parseIpv6(host)
  if (value === undefined) throw new FlowTextError(`${text}: invalid IPv6 address`)
  if (mask === undefined) return { value, mask: full }
  const netmask = parseIpv6(mask)
  if (netmask !== undefined) return { value, mask: netmask }
  const length = prefixLength(text, mask, 128)
  return { value, mask: (full << BigInt(128 - length)) & full }
}

const portByName: ReadonlyMap<string, number> = new Map([
  ...[...portNames].map(([number, name]) => [name, number] as const),
  ['NONE', 0xffffffff] as const,
])

/** A number, a reserved name in any case, or the name of a port of the switch. */
export const findPort = (text: string, portNumbers?: PortNames): number | undefined => {
  if (/^\d+$/.test(text)) {
    const number = Number(text)
    if (number > 0xffffffff) return undefined
    // Numbers of OpenFlow 1.0 stand for the reserved ports too.
    if (number >= 0xff00 && number <= 0xffff) return 0xffff0000 + number
    return number > 0xffff && number < 0xffffff00 ? undefined : number
  }
  const quoted = /^"(.*)"$/.exec(text)
  return portNumbers?.get(quoted ? quoted[1]! : text) ?? portByName.get(text.toUpperCase())
}

/** @throws {FlowTextError} when there is no such port */
export const parsePort = (text: string, portNumbers?: PortNames): number => {
  const port = findPort(text, portNumbers)
  if (port === undefined) throw new FlowTextError(`${text}: invalid or unknown port`)
  return port
}

// biome-ignore format: a table
const fragments: Readonly<Record<string, Bits>> = {
  no: { value: 0n, mask: 3n }, yes: { value: 1n, mask: 1n }, first: { value: 1n, mask: 3n },
  later: { value: 3n, mask: 3n }, not_later: { value: 0n, mask: 2n },
}

const parseFragment = (text: string): Bits => {
  const bits = fragments[text.toLowerCase()]
  if (bits === undefined)
    throw new FlowTextError(
      `${text}: unknown fragment type (known types are "no", "yes", "first", "later", "not_later")`,
    )
  return bits
}

const ctStateNames = ['new', 'est', 'rel', 'rpl', 'inv', 'trk', 'snat', 'dnat']
// biome-ignore format: a table
const tcpFlagNames = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ece', 'cwr', 'ns', '[200]', '[400]', '[800]']

/** `+new-est`, `syn|ack`, `0x12/0x3f`, `2` */
const parseFlags = (text: string, words: readonly string[], full: bigint): Bits => {
  if (/^\d/.test(text))
    return masked(text, full, part => parseNumber(part, full.toString(2).length, 'flags'))
  if (!/^[+-]/.test(text)) return parseSetFlags(text, words, full)
  let value = 0n
  let mask = 0n
  if (!/^(?:[+-][a-z0-9[\]]+)+$/.test(text))
    throw new FlowTextError(`${text}: flags begin with + or -`)
  for (const [, sign, word] of text.matchAll(/([+-])([a-z0-9[\]]+)/g)) {
    const bit = flagBit(words, word!, text)
    if ((mask & bit) !== 0n)
      throw new FlowTextError(`${text}: Each flag may only be specified once`)
    mask |= bit
    if (sign === '+') value |= bit
  }
  return { value, mask }
}

const parseSetFlags = (text: string, words: readonly string[], full: bigint): Bits => ({
  value: text.split('|').reduce((sum, word) => sum | flagBit(words, word, text), 0n),
  mask: full,
})

const flagBit = (words: readonly string[], word: string, text: string): bigint => {
  const index = words.indexOf(word)
  if (index < 0) throw new FlowTextError(`${text}: unknown flag ${word}`)
  return 1n << BigInt(index)
}

const parsePacketType = (text: string): Bits => {
  const found = /^\(?([^,()]+),([^,()]+)\)?$/.exec(text)
  if (found === null) throw new FlowTextError(`${text}: packet type is (ns,type)`)
  const space = parseNumber(found[1]!.trim(), 16, 'namespace')
  return { value: (space << 16n) | parseNumber(found[2]!.trim(), 16, 'type'), mask: 0xffffffffn }
}
