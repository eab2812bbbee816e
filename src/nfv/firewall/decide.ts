/**
 * The reference: what the rules say about one connection, by trying them one after the other.
 * It shares nothing with the compiler but the rules, so that each can be held against the other.
 */
import type { Ip } from '../../base/addresses.js'
import { ipNumber } from '../../base/addresses.js'
import type { AddressSet } from './address-set.js'
import { isStateless, type PlacedRule, type Resolved, type Term } from './resolved.js'
import { type LogWish, type PortRange, type TierName, tiers, type Verb } from './rule.js'

/** The packet that opens a connection. */
export interface Connection {
  readonly source: Ip
  readonly destination: Ip
  /** The IP protocol: 1 ICMP, 6 TCP, 17 UDP, 58 ICMPv6, ... */
  readonly protocol: number
  /** 0 where the protocol has no ports; for ICMP the type. */
  readonly sourcePort: number
  /** For ICMP the code. */
  readonly destinationPort: number
}

export interface Decision {
  readonly verdict: 'allow' | 'drop' | 'reject'
  /** Let through without remembering the connection. */
  readonly isStateless: boolean
  readonly byDefault: boolean
  readonly ruleId: number
  readonly policy: string
  readonly rule: string
  readonly file: string
  readonly line: number
  readonly log?: LogWish
  readonly via?: string
  /** The tiers that were asked: which rule spoke there, and what it said; none: nobody spoke. */
  readonly tierTrail: readonly {
    readonly tier: TierName
    readonly rule?: string
    readonly verb?: Verb
  }[]
  /** Audit rules that matched on the way. */
  readonly audits: readonly PlacedRule[]
}

/** What the rules say. Stateless rules are asked first: their packets are never tracked. */
export const decide = (resolved: Resolved, connection: Connection): Decision => {
  const tierTrail: Decision['tierTrail'][number][] = []
  const audits: PlacedRule[] = []
  const source = ipNumber(connection.source)
  const destination = ipNumber(connection.destination)
  const speaks = ({ rule }: PlacedRule) =>
    isIn(rule.from, source) &&
    isIn(rule.to, destination) &&
    rule.terms.some(term => fits(term, connection, source))
  const end = (placed: PlacedRule) => decision(placed, tierTrail, audits)

  const stateless = resolved.stateless.find(speaks)
  if (stateless) return end(stateless)
  for (const [index, rules] of resolved.tiers.entries()) {
    const matching = rules.filter(placed => !isStateless(placed.rule) && speaks(placed))
    const first = matching.findIndex(placed => !placed.rule.isAudit)
    audits.push(...(first < 0 ? matching : matching.slice(0, first)))
    const winner = matching[first]
    const tier = tiers[index]!
    tierTrail.push(winner ? { tier, rule: winner.rule.name, verb: winner.rule.verb } : { tier })
    if (winner && winner.rule.verb !== 'pass') return end(winner)
  }
  return end(resolved.last)
}

const isIn = (set: AddressSet, address: number | bigint): boolean =>
  typeof address === 'number'
    ? set.v4.some(range => address >= range.first && address <= range.last)
    : set.v6.some(range => address >= range.first && address <= range.last)

const fits = (term: Term, connection: Connection, source: number | bigint): boolean =>
  (term.version === undefined || (term.version === 4) === (typeof source === 'number')) &&
  (term.protocol === undefined || term.protocol === connection.protocol) &&
  isAmong(term.source, connection.sourcePort) &&
  isAmong(term.destination, connection.destinationPort)

const isAmong = (ranges: readonly PortRange[] | undefined, port: number): boolean =>
  ranges === undefined || ranges.some(range => port >= range.from && port <= range.to)

const decision = (
  { rule, file, line }: PlacedRule,
  tierTrail: Decision['tierTrail'],
  audits: readonly PlacedRule[],
): Decision => ({
  verdict: rule.verb === 'drop' || rule.verb === 'reject' ? rule.verb : 'allow',
  isStateless: isStateless(rule),
  byDefault: rule.isDefault,
  ruleId: rule.id,
  policy: rule.policy,
  rule: rule.name,
  file,
  line,
  ...(rule.log && { log: rule.log }),
  ...(rule.via !== undefined && { via: rule.via }),
  tierTrail,
  audits,
})
