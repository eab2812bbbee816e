/** Actions with parameters in parentheses: ct, learn, multipath, bundle, sample, encap and their kin. */

import { type Ip, parseIpv4, parseIpv6 } from '../../base/addresses.js'
import { widthOf } from '../match.js'
import { fieldByName } from '../oxm.js'
import type { Known } from '../prerequisites.js'
import type {
  Action,
  CtAction,
  EncapProperty,
  HashName,
  LearnSpec,
  NatAction,
  Subfield,
} from '../values.js'
import type { PortNames } from './parse-value.js'
import { findNamedField, parseBits, parsePort, parseSubfield } from './parse-value.js'
import { FlowTextError, parseDecimal, parseNumber, parseSmall, splitWords } from './parse-words.js'

type Editable<T> = { -readonly [K in keyof T]: T[K] }

export interface ActionContext {
  readonly ports?: PortNames
  /** What the match says; some actions are written differently for TCP and for UDP. */
  readonly known: Known
  /** The packet has a VLAN tag where we are. */
  hasVlan: boolean
  /** Gathers what has a word of its own and is a `set_field` on the wire: an action set takes it for any packet. */
  readonly lenient?: Set<Action>
  /** In `ct(exec(...))`, where mark and label may be set and nothing else. */
  readonly isInCt?: boolean
}

type ParseActions = (text: string, context: ActionContext) => Action[]

/** `value->destination`; the arrow may stand behind a closing parenthesis. */
export const splitArrow = (value: string, what: string): [string, string] => {
  const at = value.lastIndexOf('->')
  if (at < 0) throw new FlowTextError(`${value}: missing \`->' in ${what}`)
  return [value.slice(0, at), value.slice(at + 2)]
}

/**
 * The action of this name; undefined when it is none of these.
 *
 * @param parseActions reads a list of actions that another one holds
 */
export const parseNested = (
  name: string,
  value: string,
  context: ActionContext,
  parseActions: ParseActions,
): Action | undefined => {
  switch (name) {
    case 'ct':
      return parseCt(value, context, parseActions)
    case 'learn':
      return parseLearn(value, context)
    case 'conjunction':
      return parseConjunction(value)
    case 'multipath':
      return parseMultipath(value)
    case 'bundle':
    case 'bundle_load':
      return parseBundle(value, name === 'bundle_load', context)
    case 'fin_timeout':
      return parseFinTimeout(value)
    case 'sample':
      return parseSample(value, context)
    case 'check_pkt_larger':
      return parseCheckLarger(value)
    case 'encap':
      return parseEncap(value)
    case 'decap':
      return parseDecap(value)
    default:
      return undefined
  }
}

const unknownKey = (key: string, action: string): FlowTextError =>
  new FlowTextError(`invalid key "${key}" in ${action} argument`)

const algs: Readonly<Record<string, number>> = { ftp: 21, tftp: 69 }

const parseCt = (text: string, context: ActionContext, parseActions: ParseActions): CtAction => {
  const value: Editable<CtAction> = { kind: 'ct', zone: 0 }
  for (const { key, value: given } of splitWords(text)) {
    if (key === 'commit') value.commit = true
    else if (key === 'force') value.force = true
    else if (key === 'table') value.table = parseCtTable(given)
    else if (key === 'zone') value.zone = parseZone(given)
    else if (key === 'alg') value.alg = algs[given] ?? parseSmall(given, 16, 'alg')
    else if (key === 'nat') {
      value.nat = parseNat(given)
      if (value.exec?.length) value.isNatLast = true
    } else if (key === 'exec') {
      const actions = parseActions(given, { ...context, isInCt: true })
      const other = actions.find(({ kind }) => !['set_field', 'load', 'move'].includes(kind))
      if (other) throw new FlowTextError(`ct action doesn't support nested action ${other.kind}`)
      if (actions.length > 0) value.exec = actions
    } else throw new FlowTextError(`invalid argument to ct action: \`${key}'`)
  }
  if (value.force && !value.commit) throw new FlowTextError('"force" flag requires "commit" flag.')
  return value
}

const parseCtTable = (text: string): number => {
  const table = parseSmall(text, 8, 'recirc table')
  if (table === 0xff) throw new FlowTextError('invalid table 0xff')
  return table
}

const parseZone = (text: string): number | Subfield => {
  if (/^[0-9]/.test(text)) return parseSmall(text, 16, 'zone')
  const zone = parseSubfield(text)
  if (zone.size > 16)
    throw new FlowTextError(`field for ct zone has ${zone.size} bits, may have 16`)
  return zone
}

const parseNat = (text: string): NatAction => {
  const nat: Editable<NatAction> = { kind: 'nat' }
  for (const { key, value } of splitWords(text)) {
    if (key === 'src' || key === 'dst') {
      if (nat.type !== undefined) throw new FlowTextError('May only specify one of "src" or "dst".')
      nat.type = key
      if (value !== '') parseNatRange(nat, value)
    } else if (key === 'persistent') nat.persistent = true
    else if (key === 'hash') nat.hash = true
    else if (key === 'random') nat.random = true
    else throw new FlowTextError(`invalid key "${key}" in "nat" argument`)
  }
  if (nat.hash && nat.random)
    throw new FlowTextError('Both "hash" and "random" are not allowed in "nat" argument')
  if (nat.type === undefined && (nat.persistent || nat.hash || nat.random))
    throw new FlowTextError('Flags allowed only with "src" or "dst".')
  return nat
}

/** `10.0.0.1-10.0.0.9:1024-2048`, `[fd00::1]-[fd00::9]:80`, `fd00::1` */
const parseNatRange = (nat: Editable<NatAction>, text: string): void => {
  const found =
    /^(?:\[([^\]]+)\](?:-\[([^\]]+)\])?|([0-9.]+)(?:-([0-9.]+))?)(?::(\d+)(?:-(\d+))?)?$/.exec(
      text,
    ) ?? /^()()([0-9a-fA-F:.]+)(?:-([0-9a-fA-F:.]+))?()()$/.exec(text)
  if (found === null) throw new FlowTextError(`garbage (${text}) in nat range`)
  const [, bracketMin, bracketMax, plainMin, plainMax, portMin, portMax] = found
  const least = natAddress(bracketMin || plainMin || '', text)
  // The address of zeros, as port 0, stands for none.
  if (BigInt(parseIpv4(least) ?? parseIpv6(least) ?? 0) !== 0n) nat.addressMin = least
  const most = bracketMax || plainMax
  if (most) nat.addressMax = natAddress(most, text)
  if (portMin && Number(portMin) !== 0) nat.portMin = parseSmall(portMin, 16, 'port')
  if (portMax && nat.portMin !== undefined) nat.portMax = parseSmall(portMax, 16, 'port')
  if (most && !isRising(least, most)) throw new FlowTextError(`invalid nat range "${text}"`)
  if (nat.portMax !== undefined && nat.portMax < nat.portMin!)
    throw new FlowTextError(`invalid port range ${text}`)
}

const isRising = (least: string, most: string): boolean =>
  BigInt(parseIpv4(least) ?? parseIpv6(least) ?? 0) <=
  BigInt(parseIpv4(most) ?? parseIpv6(most) ?? 0)

const natAddress = (text: string, whole: string): Ip => {
  if (parseIpv4(text) === undefined && parseIpv6(text) === undefined)
    throw new FlowTextError(`unable to parse IP address in nat range "${whole}"`)
  return text as Ip
}

const parseConjunction = (text: string): Action => {
  const found = /^\s*([^,\s]+)\s*,\s*(\d+)\s*\/\s*(\d+)\s*$/.exec(text)
  if (found === null) throw new FlowTextError('conjunction syntax is id,k/n')
  const clause = Number(found[2])
  const clauseCount = Number(found[3])
  if (clauseCount < 2 || clauseCount > 64)
    throw new FlowTextError(
      `${clauseCount}: conjunction must have at least 2 clauses and at most 64`,
    )
  if (clause < 1 || clause > clauseCount)
    throw new FlowTextError(`${text}: clause must be between 1 and number of clauses`)
  return {
    kind: 'conjunction',
    id: parseSmall(found[1]!, 32, 'conjunction id'),
    clause: clause - 1,
    clauseCount,
  }
}

const hashNames: readonly HashName[] = [
  'eth_src',
  'symmetric_l4',
  'symmetric_l3l4',
  'symmetric_l3l4+udp',
  'nw_src',
  'nw_dst',
  'symmetric_l3',
]

const hashName = (text: string): HashName => {
  const name = hashNames.find(one => one === text)
  if (name === undefined) throw new FlowTextError(`unknown fields \`${text}'`)
  return name
}

const pick = <T extends string>(words: readonly T[], text: string, what: string): T => {
  const word = words.find(one => one === text)
  if (word === undefined) throw new FlowTextError(`unknown ${what} \`${text}'`)
  return word
}

const parseMultipath = (text: string): Action => {
  const parts = text.split(',').map(part => part.trim())
  if (parts.length !== 6)
    throw new FlowTextError(`${text}: not enough arguments to multipath action`)
  const linkCount = parseSmall(parts[3]!, 32, 'n_links')
  if (linkCount < 1 || linkCount > 65536)
    throw new FlowTextError(`${text}: n_links ${linkCount} is not in valid range 1 to 65536`)
  const to = parseSubfield(parts[5]!)
  if (to.size < 16 && linkCount > 2 ** to.size)
    throw new FlowTextError(
      `${text}: ${to.size}-bit destination field has ${2 ** to.size} possible values, less than specified n_links ${linkCount}`,
    )
  return {
    kind: 'multipath',
    hash: { fields: hashName(parts[0]!), basis: parseSmall(parts[1]!, 16, 'basis') },
    algorithm: pick(['modulo_n', 'hash_threshold', 'hrw', 'iter_hash'], parts[2]!, 'algorithm'),
    linkCount,
    argument: parseSmall(parts[4]!, 32, 'arg'),
    to,
  }
}

const parseBundle = (text: string, isLoad: boolean, context: ActionContext): Action => {
  const found = /^(.*?)(?:slaves|members):\s*\[?([^\]]*)\]?\s*$/.exec(text)
  if (found === null) throw new FlowTextError(`${text}: not enough arguments to bundle action`)
  const head = found[1]!
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
  if (head.length !== (isLoad ? 5 : 4))
    throw new FlowTextError(`${text}: not enough arguments to bundle action`)
  if (head[3] !== 'ofport') throw new FlowTextError(`${text}: unknown member_type \`${head[3]}'`)
  const members = found[2]!
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
  return {
    kind: 'bundle',
    hash: { fields: hashName(head[0]!), basis: parseSmall(head[1]!, 16, 'basis') },
    algorithm: pick(['active_backup', 'hrw'], head[2]!, 'algorithm'),
    ports: members.map(port => parsePort(port, context.ports)),
    ...(isLoad ? { to: parseSubfield(head[4]!) } : {}),
  }
}

const parseFinTimeout = (text: string): Action => {
  const action = { kind: 'fin_timeout' as const, idleTimeout: 0, hardTimeout: 0 }
  for (const { key, value } of splitWords(text)) {
    if (key === 'idle_timeout') action.idleTimeout = parseSmall(value, 16, key)
    else if (key === 'hard_timeout') action.hardTimeout = parseSmall(value, 16, key)
    else throw unknownKey(key, 'fin_timeout')
  }
  return action
}

const parseSample = (text: string, context: ActionContext): Action => {
  const action: Editable<Extract<Action, { kind: 'sample' }>> = {
    kind: 'sample',
    probability: 0,
    collectorSet: 0,
    observationDomain: 0,
    observationPoint: 0,
  }
  for (const { key, value } of splitWords(text)) {
    if (key === 'probability') action.probability = parseSmall(value, 16, key)
    else if (key === 'collector_set_id') action.collectorSet = parseSmall(value, 32, key)
    else if (key === 'obs_domain_id') action.observationDomain = parseSmall(value, 32, key)
    else if (key === 'obs_point_id') action.observationPoint = parseSmall(value, 32, key)
    else if (key === 'sampling_port') action.samplingPort = parsePort(value, context.ports)
    else if (key === 'ingress' || key === 'egress') action.direction = key
    else throw unknownKey(key, 'sample')
  }
  if (action.probability === 0)
    throw new FlowTextError('non-zero "probability" must be specified on sample')
  return action
}

/** The value is `N)->field`, as the word is cut behind its arrow. */
const parseCheckLarger = (text: string): Action => {
  const [size, field] = splitArrow(text, 'check_pkt_larger')
  const to = parseSubfield(field)
  if (to.size !== 1) throw new FlowTextError('Only 1-bit destination field is allowed')
  return {
    kind: 'check_pkt_larger',
    size: parseSmall(size.replace(/[()]/g, '').trim(), 16, 'size'),
    to,
  }
}

// biome-ignore format: a table
const packetTypes: Readonly<Record<string, number>> = { ethernet: 0, nsh: 0x0001894f, mpls: 0x00018847, mpls_mc: 0x00018848 }
const nshClass = 0x0004

const parseEncap = (text: string): Action => {
  const [word, ...rest] = splitWords(text)
  const packetType = word && packetTypes[word.key]
  if (word === undefined || packetType === undefined || rest.length > 0)
    throw new FlowTextError(`Encap hdr not supported: ${text}`)
  return {
    kind: 'encap',
    packetType,
    properties: splitWords(word.value).map(({ key, value }) => encapProperty(key, value)),
  }
}

const encapProperty = (key: string, value: string): EncapProperty => {
  if (key === 'md_type') {
    const type = parseSmall(value, 8, 'md_type')
    if (type !== 1 && type !== 2) throw new FlowTextError(`invalid md_type: ${value}`)
    return { class: nshClass, type: 1, data: Uint8Array.of(type) }
  }
  if (key !== 'tlv') throw new FlowTextError(`Invalid property: ${key}`)
  const [optionClass = '', type = '', data = ''] = value.split(',').map(part => part.trim())
  const digits = data.replace(/^0x/, '')
  if (digits === '') throw new FlowTextError(`Invalid NSH TLV header: ${value}`)
  const octets = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex')
  const head = parseSmall(optionClass, 16, 'tlv_class')
  const parts = [head >>> 8, head & 255, parseSmall(type, 8, 'tlv_type'), octets.length, ...octets]
  // With the four octets of its own head the property fills whole words of eight.
  while (parts.length % 8 !== 4) parts.push(0)
  return { class: nshClass, type: 2, data: Uint8Array.from(parts) }
}

const nextProtocol = 0x0000fffe

const parseDecap = (text: string): Action => {
  if (text.trim() === '') return { kind: 'decap', packetType: nextProtocol }
  const [word] = splitWords(text)
  if (word?.key !== 'packet_type') throw new FlowTextError(`Invalid decap argument: ${text}`)
  const given = new Map(splitWords(word.value).map(part => [part.key, part.value]))
  const space = parseSmall(given.get('ns') ?? '', 16, 'ns')
  return {
    kind: 'decap',
    packetType: space * 0x10000 + parseSmall(given.get('type') ?? '', 16, 'type'),
  }
}

const learnFlags: Readonly<Record<string, number>> = { send_flow_rem: 1, delete_learned: 2 }

// biome-ignore format: a table
const learnNumbers: Readonly<Record<string, readonly [name: string, bits: number]>> = {
  table: ['table', 8], priority: ['priority', 16], idle_timeout: ['idleTimeout', 16], hard_timeout: ['hardTimeout', 16],
  fin_idle_timeout: ['finIdleTimeout', 16], fin_hard_timeout: ['finHardTimeout', 16], limit: ['limit', 32],
}

const parseLearn = (text: string, context: ActionContext): Action => {
  const action: Record<string, unknown> = { kind: 'learn', priority: 0x8000, table: 1 }
  const specs: LearnSpec[] = []
  for (const { key, value } of splitWords(text)) {
    const number = learnNumbers[key]
    const flag = learnFlags[key]
    if (number !== undefined)
      action[number[0]] = (key === 'table' ? parseDecimal : parseSmall)(value, number[1], key)
    else if (flag !== undefined) action.flags = Number(action.flags ?? 0) | flag
    else if (key === 'cookie') action.cookie = parseNumber(value, 64, key)
    else if (key === 'result_dst') action.result = parseSubfield(value)
    else specs.push(parseSpec(key, value, context))
  }
  for (const name of Object.keys(action))
    if (action[name] === 0 && name !== 'table' && name !== 'priority') delete action[name]
  if (action.table === 0xff) throw new FlowTextError("table id 255 not valid for `learn' action")
  return { ...action, specs } as unknown as Action
}

const bitsOf = ({ field, offset }: Subfield) => ({ field, offset })

const parseSpec = (key: string, value: string, context: ActionContext): LearnSpec => {
  if (key === 'output') {
    const from = parseSubfield(value)
    return { to: 'output', from: bitsOf(from), size: from.size }
  }
  if (key === 'load') return parseLoadSpec(value)
  if (!key.includes('[') && findNamedField(key) !== undefined)
    return parseFieldSpec(key, value, context)
  const destination = parseSubfield(key)
  if (value === '')
    return {
      to: 'match',
      from: bitsOf(destination),
      destination: bitsOf(destination),
      size: destination.size,
    }
  if (/^(?:0x[0-9a-f]+|\d+)$/i.test(value))
    return constantSpec('match', parseNumber(value, destination.size, key), destination)
  return fieldSpec('match', parseSubfield(value), destination, `${key}=${value}`)
}

const fieldSpec = (
  to: 'match' | 'load',
  from: Subfield,
  destination: Subfield,
  text: string,
): LearnSpec => {
  if (from.size !== destination.size)
    throw new FlowTextError(`bit widths of ${text} (${from.size} and ${destination.size}) differ`)
  return { to, from: bitsOf(from), destination: bitsOf(destination), size: from.size }
}

const constantSpec = (to: 'match' | 'load', value: bigint, destination: Subfield): LearnSpec => ({
  to,
  from: { value },
  destination: bitsOf(destination),
  size: destination.size,
})

const parseLoadSpec = (text: string): LearnSpec => {
  const [source, target] = splitArrow(text, 'load')
  const destination = parseSubfield(target)
  if (source.includes('[') || /^[A-Za-z_]\w*$/.test(source))
    return fieldSpec('load', parseSubfield(source), destination, text)
  const field = fieldByName.get(destination.field)!
  const value = /^(?:0x[0-9a-f]+|\d+)$/i.test(source)
    ? parseNumber(source, 1024, 'value')
    : parseBits(field, source).value
  if (value >> BigInt(destination.size) !== 0n)
    throw new FlowTextError(`${text}: value does not fit into ${destination.size} bits`)
  return constantSpec('load', value, destination)
}

/** `eth_type=0x800`, `nw_proto=6`, `eth_dst=eth_src` */
const parseFieldSpec = (key: string, value: string, context: ActionContext): LearnSpec => {
  const destination = parseSubfield(key)
  const field = fieldByName.get(destination.field)!
  let constant: bigint
  try {
    constant = parseBits(field, value, context.ports).value
  } catch (error) {
    if (!(error instanceof FlowTextError)) throw error
    // No value of the field: then it must be another field.
    return fieldSpec(
      'match',
      parseSubfield(value),
      { ...destination, size: widthOf(field) },
      `${key}=${value}`,
    )
  }
  return constantSpec('match', constant, destination)
}
