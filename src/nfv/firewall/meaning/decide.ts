/**
 * The reference: what the rules say about one connection, by trying them one after the other.
 * It shares nothing with the compiler but the rules, so that each can be held against the other.
 */
import { ipNumber } from '../../../base/addresses.js'
import type { Connection } from '../../../pipeline/connection.js'
import {
  type Cap,
  type Limit,
  type LogWish,
  type PortRange,
  type TierName,
  tiers,
  type Verb,
} from '../text/rule.js'
import { type AddressSet, contains } from './address-set.js'
import {
  isSameAudit,
  isStateless,
  type PlacedRule,
  type Resolved,
  type ResolvedRule,
  type Term,
} from './resolved.js'

/** One tier that was asked; without a rule nobody spoke. */
export interface TierStep {
  readonly tier: TierName
  readonly rule?: string
  readonly verb?: Verb
  readonly policy?: string
  readonly file?: string
  readonly line?: number
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
  /** It allows only so many, or so fast. */
  readonly limit?: Limit
  readonly caps?: readonly Cap[]
  /** The tiers that were asked, in their order, and who spoke there. */
  readonly tierTrail: readonly TierStep[]
  /** Audit rules that matched on the way. */
  readonly audits: readonly PlacedRule[]
}

/** What the rules say. Stateless rules, and guards among them, are asked first: their packets are never tracked. */
export const decide = (resolved: Resolved, connection: Connection): Decision => {
  const tierTrail: TierStep[] = []
  const audits: PlacedRule[] = []
  const source = ipNumber(connection.source)
  const destination = ipNumber(connection.destination)
  const speaks = ({ rule }: PlacedRule) =>
    isIn(rule.from, source) && isIn(rule.to, destination) && isOfService(rule, connection, source)
  const heard = new Set<string>()
  const end = (placed: PlacedRule) => decision(placed, tierTrail, audits)

  const untracked = resolved.stateless.find(speaks)
  if (untracked && !untracked.rule.isGuard) return end(untracked)
  for (const [index, rules] of resolved.tiers.entries()) {
    const winner = firstOf(rules, speaks, heard, audits)
    tierTrail.push(stepOf(tiers[index]!, winner))
    if (winner && winner.rule.verb !== 'pass') return end(winner)
  }
  return end(resolved.last)
}

/**
 * The first rule of a tier that speaks and is enforced; audit rules before it are noted.
 *
 * @param heard policies whose file is audited whole and has spoken
 */
const firstOf = (
  rules: readonly PlacedRule[],
  speaks: (placed: PlacedRule) => boolean,
  heard: Set<string>,
  audits: PlacedRule[],
): PlacedRule | undefined => {
  let before: PlacedRule | undefined
  let hasSpoken = false
  for (const placed of rules) {
    const { rule } = placed
    if (isStateless(rule)) continue
    if (!isSameAudit(rule, before?.rule)) hasSpoken = false
    before = placed
    const isSkipped = rule.auditIn !== undefined && (hasSpoken || heard.has(rule.policy))
    if (isSkipped || !speaks(placed)) continue
    if (!rule.isAudit) return placed
    audits.push(placed)
    hasSpoken = rule.auditIn !== undefined
    if (rule.auditIn === 'file' && rule.verb !== 'pass') heard.add(rule.policy)
  }
  return undefined
}

const stepOf = (tier: TierName, spoke: PlacedRule | undefined): TierStep => {
  if (spoke === undefined) return { tier }
  const { rule, file, line } = spoke
  return { tier, rule: rule.name, verb: rule.verb, policy: rule.policy, file, line }
}

/** Which parts of a rule match, each for itself. */
export const partsMatched = (rule: ResolvedRule, connection: Connection) => {
  const source = ipNumber(connection.source)
  return {
    isFrom: isIn(rule.from, source),
    isTo: isIn(rule.to, ipNumber(connection.destination)),
    isService: isOfService(rule, connection, source),
  }
}

const isOfService = (
  { dscp, terms }: ResolvedRule,
  connection: Connection,
  source: number | bigint,
): boolean =>
  (dscp === undefined || dscp.includes(connection.dscp ?? 0)) &&
  terms.some(term => fits(term, connection, source))

const isIn = (set: AddressSet, address: number | bigint): boolean =>
  typeof address === 'number' ? contains(set.v4, address) : contains(set.v6, address)

const fits = (term: Term, connection: Connection, source: number | bigint): boolean =>
  (term.version === undefined || (term.version === 4) === (typeof source === 'number')) &&
  (term.protocol === undefined || term.protocol === connection.protocol) &&
  isAmong(term.source, connection.sourcePort) &&
  isAmong(term.destination, connection.destinationPort)

const isAmong = (ranges: readonly PortRange[] | undefined, port: number): boolean =>
  ranges === undefined || ranges.some(range => port >= range.from && port <= range.to)

const decision = (
  { rule, file, line }: PlacedRule,
  tierTrail: readonly TierStep[],
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
  ...(rule.verb === 'allow' && rule.limit && { limit: rule.limit }),
  ...(rule.verb === 'allow' && rule.caps && { caps: rule.caps }),
  tierTrail,
  audits,
})
