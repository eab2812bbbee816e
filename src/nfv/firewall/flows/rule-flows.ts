/**
 * One rule to flows: its sources, destinations and services either multiplied out, or as a
 * conjunction where that takes fewer flows.
 *
 * A conjunction names its sets one after the other, each row saying "clause 2 of 3 of rule 7"; a
 * packet that has every clause then meets the row for `conj_id=7`. All rows of a rule share its priority.
 */

import type { Cidr } from '../../../base/addresses.js'
import { ipv4Mask, ipv6Mask } from '../../../base/addresses.js'
import { type FieldName, fields } from '../../../openflow/oxm.js'
import type { Action, FieldValue, Masked, Match } from '../../../openflow/values.js'
import { ipProtocols } from '../../../pipeline/packet.js'
import { cookieOf, type Flow, flow, type Origin } from '../../../pipeline/program.js'
import { registers } from '../../../pipeline/registers.js'
import type { TableName } from '../../../pipeline/tables.js'
import {
  type AddressSet,
  cidrsV4,
  cidrsV6,
  isEveryAddress,
  prefixCount,
} from '../meaning/address-set.js'
import {
  classKey,
  keyOfPorts,
  masksOf,
  masksOfRange,
  type PortClasses,
  type PortNeed,
  type PortSide,
} from '../meaning/ports.js'
import { hasPortsInPieces, ofPieces, type ResolvedRule, type Term } from '../meaning/resolved.js'
import type { PortRange } from '../text/rule.js'
import { firstPiece } from './pieces.js'
import { ipVersions, isTracked } from './tables.js'

export interface Placement {
  readonly table: TableName
  readonly priority: number
  readonly then: { readonly actions?: readonly Action[]; readonly goto?: TableName }
  readonly origin: Origin
  /** Stateless rules match the packet itself, before it is tracked. */
  readonly isStateless: boolean
  readonly classes: PortClasses
  /** For an audit rule its number, counted from 1 in the order of asking; else 0. */
  readonly auditNumber: number
  /** Of a rule in a file that is audited whole: the flag that the file has spoken. */
  readonly fileBit?: number | undefined
}

/** Rows that each stand for a part of one dimension. */
type Dimension = readonly Match[]

interface Block {
  /** What every row of the block matches. */
  readonly common: Match
  readonly dimensions: readonly Dimension[]
  /** Names the block's conjunction. */
  readonly conjunction: number
}

export const ruleFlows = (rule: ResolvedRule, placement: Placement): Flow[] =>
  blocksOf(rule, placement).flatMap(block => blockFlows(rule, placement, block))

const blocksOf = (rule: ResolvedRule, placement: Placement): Block[] => {
  const audit = auditDimension(placement.auditNumber)
  const dscp = rule.dscp?.map((point): Match => ({ ip_dscp: point })) ?? [{}]
  const base: Match = placement.isStateless
    ? {}
    : { ct_state: isTracked, ...fileMatch(placement.fileBit), ...pieceMatch(rule) }
  const isEverywhere = isEveryAddress(rule.from) && isEveryAddress(rule.to)
  // Rules for every address need no type of frame: only IP comes here. (A stateless one does, and one of pieces.)
  const isShared = isEverywhere && !placement.isStateless && !rule.isOfPieces
  const blocks: Block[] = []
  const add = (version: 4 | 6 | undefined, terms: readonly Term[], sets: Dimension[]) => {
    const services = unique([
      ...terms.flatMap(term => termMatches(term, version, placement)),
      ...(rule.isGuard ? guardedPieces(terms, version) : []),
    ])
    const common = version === undefined ? base : { ...base, eth_type: ipVersions[version] }
    const conjunction = version === 6 ? (rule.id ^ 0x80000000) >>> 0 : rule.id
    const dimensions = [...sets, services, dscp, audit]
    if (dimensions.every(d => d.length > 0)) blocks.push({ common, dimensions, conjunction })
  }
  if (isShared)
    add(
      undefined,
      rule.terms.filter(term => term.version === undefined),
      [],
    )
  for (const version of [4, 6] as const) {
    const terms = rule.terms.filter(term =>
      isShared ? term.version === version : (term.version ?? version) === version,
    )
    const names = placement.isStateless ? packetFields[version] : tupleFields[version]
    const from = addressMatches(rule.from, version, names.source)
    const to = addressMatches(rule.to, version, names.destination)
    add(version, terms, [from, to])
  }
  return blocks
}

/**
 * How many flows a rule takes at most, without making them.
 *
 * @param classes sets of ports that have a bit; absent: none has
 * @param most where counting ends
 */
export const flowCount = (rule: ResolvedRule, most: number, classes?: PortClasses): number => {
  const isUntracked = rule.isGuard === true || (rule.verb === 'allow-stateless' && !rule.isAudit)
  const isShared = !isUntracked && isEveryAddress(rule.from) && isEveryAddress(rule.to)
  const times = rule.isAudit ? mostAuditMasks : isUntracked && ofPieces(rule, true) ? 2 : 1
  const rows = (version: 4 | 6 | undefined, ends: readonly number[]): number => {
    let services = 0
    for (const term of rule.terms)
      if (version === undefined || (term.version ?? version) === version)
        services += termCount(term, isUntracked ? undefined : classes)
    const wide = [...ends, services, rule.dscp?.length ?? 1, times]
    const product = wide.reduce((count, one) => count * one, 1)
    return Math.min(
      product,
      wide.reduce((count, one) => count + one, 1),
    )
  }
  if (isShared) return Math.min(most, rows(undefined, []))
  const ofVersion = (version: 4 | 6) => {
    const [from, to] = version === 4 ? [rule.from.v4, rule.to.v4] : [rule.from.v6, rule.to.v6]
    if (from.length === 0 || to.length === 0) return 0
    return rows(version, [prefixesOf(from, most), prefixesOf(to, most)])
  }
  return Math.min(most, ofVersion(4) + ofVersion(6))
}

/** Masks of the number of an audit rule. */
const mostAuditMasks = 6

const termCount = ({ protocol, source, destination }: Term, classes?: PortClasses): number => {
  if (protocol === undefined) return 1
  const side = (set: readonly PortRange[] | undefined, name: PortSide): number => {
    if (set === undefined) return 1
    if (set.length === 1 && set[0]!.from === set[0]!.to) return 1
    const hasBit = classes?.has(classKey(name, protocol, keyOfPorts(set)))
    return hasBit ? 1 : masksOf(set).length
  }
  return side(source, 'source') * side(destination, 'destination')
}

const prefixCounts = new WeakMap<object, number>()

const prefixesOf = (ranges: AddressSet['v4'] | AddressSet['v6'], most: number): number => {
  if (ranges.length === 1 && ranges[0]!.first === ranges[0]!.last) return 1
  let count = prefixCounts.get(ranges)
  if (count === undefined) {
    count = prefixCount(ranges, most)
    if (count < most) prefixCounts.set(ranges, count)
  }
  return count
}

/** Two services may come to one match: `icmp` and `proto icmp`. */
const unique = (dimension: Dimension): Dimension => {
  if (dimension.length < 2) return dimension
  return [...new Map(dimension.map(match => [JSON.stringify(match), match])).values()]
}

const tupleFields = {
  4: { source: 'ct_nw_src', destination: 'ct_nw_dst' },
  6: { source: 'ct_ipv6_src', destination: 'ct_ipv6_dst' },
} as const
const packetFields = {
  4: { source: 'ip_src', destination: 'ip_dst' },
  6: { source: 'ipv6_src', destination: 'ipv6_dst' },
} as const

const cidrCache = new WeakMap<object, readonly Cidr[]>()

const addressMatches = (set: AddressSet, version: 4 | 6, field: FieldName): Dimension => {
  const ranges = version === 4 ? set.v4 : set.v6
  let cidrs = cidrCache.get(ranges)
  if (cidrs === undefined) {
    cidrs = version === 4 ? cidrsV4(set.v4) : cidrsV6(set.v6)
    cidrCache.set(ranges, cidrs)
  }
  return cidrs.map(cidr => (cidr.length === 0 ? {} : { [field]: cidrMatch(cidr) }))
}

const cidrMatch = ({ version, address, length }: Cidr): FieldValue | Masked => {
  if (length === (version === 4 ? 32 : 128)) return address
  return { value: address, mask: version === 4 ? ipv4Mask(length) : ipv6Mask(length) }
}

/**
 * Pieces of datagrams that a guard may mean: before they are tracked they have no ports, and those of IPv6 not even a
 * protocol (timeout-rows.ts). All of them are tracked, and asked about as whole datagrams.
 */
const guardedPieces = (terms: readonly Term[], version: 4 | 6 | undefined): Dimension => {
  if (!terms.some(hasPortsInPieces)) return []
  return [{ ...(version === 4 && { ip_proto: ipProtocols.udp }), ip_frag: { value: 1, mask: 1 } }]
}

/** Rules are asked about the first piece only (pieces.ts). */
const pieceMatch = (rule: ResolvedRule): Match => (rule.isOfPieces ? { ip_frag: firstPiece } : {})

/** Only packets about which the file has not spoken. */
const fileMatch = (bit: number | undefined): Match => {
  if (bit === undefined) return {}
  const { field, offset } = registers.auditedFiles
  return { [field]: { value: 0, mask: 2 ** (offset + bit) } }
}

/** Only packets that no audit rule from this one on has seen; the lower bits of the register count them. */
const auditDimension = (number: number): Dimension =>
  number === 0
    ? [{}]
    : masksOfRange(0, number - 1, registers.audited.size).map(mask => ({
        [registers.audited.field]: mask,
      }))

/** The protocol and ports of a term; ICMP has its type as source and its code as destination port. */
const termMatches = (
  term: Term,
  version: 4 | 6 | undefined,
  { isStateless, classes }: Placement,
): Dimension => {
  if (term.protocol === undefined) return [{}]
  const { protocol } = term
  const fieldsOf = isStateless ? packetPorts(protocol, version) : tuplePorts
  const common: Match = isStateless ? { ip_proto: protocol } : { ct_nw_proto: protocol }
  const side = (set: readonly PortRange[] | undefined, name: PortSide): Dimension => {
    if (set === undefined) return [{}]
    const bit = isStateless ? undefined : classes.get(classKey(name, protocol, keyOfPorts(set)))
    if (bit !== undefined) return [bitMatch(name, bit)]
    const field = fieldsOf[name]
    const isOctet = field.startsWith('icmp')
    if (isOctet) return set.flatMap(range => octets(range).map(value => ({ [field]: value })))
    return masksOf(set).map(mask => ({
      [field]: mask.mask === 0xffff ? mask.value : mask,
    }))
  }
  const sources = side(term.source, 'source')
  return side(term.destination, 'destination').flatMap(destination =>
    sources.map(source => ({ ...common, ...source, ...destination })),
  )
}

const tuplePorts = { source: 'ct_tp_src', destination: 'ct_tp_dst' } as const

type PortFields = Readonly<Record<PortSide, FieldName>>
// biome-ignore format: a table
const packetPorts = (protocol: number, version: 4 | 6 | undefined): PortFields => {
  if (protocol === 1 && version === 4)  return { source: 'icmp_type',   destination: 'icmp_code' }
  if (protocol === 58 && version === 6) return { source: 'icmpv6_type', destination: 'icmpv6_code' }
  if (protocol === 6)                   return { source: 'tcp_src',     destination: 'tcp_dst' }
  if (protocol === 132)                 return { source: 'sctp_src',    destination: 'sctp_dst' }
  return { source: 'udp_src', destination: 'udp_dst' }
}

const octets = ({ from, to }: PortRange): number[] =>
  Array.from({ length: Math.min(to, 255) - from + 1 }, (_, index) => from + index)

const bitMatch = (side: PortSide, bit: number): Match => {
  const register = side === 'source' ? registers.sourcePortClass : registers.destinationPortClass
  const mask = 2 ** bit
  return { [register.field]: { value: mask, mask } }
}

const blockFlows = (rule: ResolvedRule, placement: Placement, block: Block): Flow[] => {
  const wide = block.dimensions.filter(dimension => dimension.length > 1)
  const common = Object.assign(
    {},
    block.common,
    ...block.dimensions.filter(dimension => dimension.length === 1).flat(),
  ) as Match
  const product = wide.reduce((count, dimension) => count * dimension.length, 1)
  const clauses = wide.reduce((count, dimension) => count + dimension.length, 1)
  const who = `${rule.policy}/${rule.name}`
  const row = (match: Match, then: Placement['then'], because: string) =>
    flow(
      placement.table,
      placement.priority,
      inWireOrder(match),
      // What a guard sees is not of its rule yet: it does not count there.
      { ...then, cookie: cookieOf(rule.isGuard ? 'base' : 'policy', rule.id) },
      because,
      placement.origin,
    )
  const says = rule.isGuard
    ? `${who} stands above stateless rules: all rules are asked`
    : rule.isOfPieces
      ? `allow-stateless by ${who}, of datagrams in pieces`
      : `${rule.isAudit ? 'audit of ' : ''}${rule.verb} by ${who}`
  if (wide.length < 2 || product <= clauses)
    return multiply(wide, common).map(match => row(match, placement.then, says))
  const rows = wide.flatMap((dimension, clause) => {
    const action: Action = {
      kind: 'conjunction',
      id: block.conjunction,
      clause,
      clauseCount: wide.length,
    }
    const because = `clause ${clause + 1} of ${wide.length} of ${who}`
    return dimension.map(part => row({ ...common, ...part }, { actions: [action] }, because))
  })
  const { ct_state } = block.common
  const whole: Match = { conj_id: block.conjunction, ...(ct_state !== undefined && { ct_state }) }
  return [...rows, row(whole, placement.then, says)]
}

const multiply = (dimensions: readonly Dimension[], common: Match): Match[] =>
  dimensions.reduce<Match[]>(
    (matches, dimension) =>
      matches.flatMap(match => dimension.map(part => ({ ...match, ...part }))),
    [common],
  )

const order = new Map<string, number>(fields.map((field, index) => [field.name, index]))

export const inWireOrder = (match: Match): Match => {
  const names = Object.keys(match) as FieldName[]
  if (names.length < 2) return match
  names.sort((a, b) => order.get(a)! - order.get(b)!)
  const sorted: { [name in FieldName]?: FieldValue | Masked } = {}
  for (const name of names) sorted[name] = match[name]!
  return sorted
}

/**
 * The sets of ports for which a bit would save this rule something: rows, where they take more than one mask; and of
 * source ports, that Open vSwitch looks at each of them before it caches a decision.
 */
export const portNeeds = (rule: ResolvedRule): readonly PortNeed[] => {
  let needs: PortNeed[] | undefined
  for (const term of rule.terms)
    for (const side of ['source', 'destination'] as const) {
      const set = term[side]
      if (set === undefined || term.protocol === undefined) continue
      const shares = side === 'source' && hasPorts.has(term.protocol) ? sharingWorth(rule) : 0
      if (shares === 0 && set.length === 1 && set[0]!.from === set[0]!.to) continue
      const saves = masksOf(set).length - 1 + shares
      if (saves === 0) continue
      needs ??= []
      needs.push({ side, protocol: term.protocol, set, key: keyOfPorts(set), saves })
    }
  return needs ?? noNeeds
}

/** TCP, UDP and SCTP; others have no ports of clients. */
const hasPorts: ReadonlySet<number> = new Set([6, 17, 132])

/** So many rows are paid for decisions that many connections share; most where everybody's are looked at. */
const sharingWorth = ({ policy, from, to }: ResolvedRule): number => {
  // Of DHCP only what no rule speaks for is asked.
  if (policy === 'built-in') return 0
  return isEveryAddress(from) && isEveryAddress(to) ? 8 : 2
}

const noNeeds: readonly PortNeed[] = []
