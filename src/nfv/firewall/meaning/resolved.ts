/** Rules with every name replaced by what it means: what is compiled, decided and linted. */

import {
  type AddressRange,
  type Cap,
  type Helper,
  type Limit,
  type Line,
  type LogWish,
  type NatAction,
  type PortRange,
  type RejectCode,
  type RuleError,
  transports,
  type Verb,
} from '../text/rule.js'
import type { AddressSet } from './address-set.js'
import { joinPorts } from './ports.js'

/**
 * One kind of packet. For ICMP the source port is the type and the destination port the code,
 * as in the original tuple of a tracked connection.
 */
export interface Term {
  /** Absent: both versions of IP. */
  readonly version?: 4 | 6
  /** Absent: every protocol. */
  readonly protocol?: number
  /** Sorted ranges that do not touch; absent: every port. */
  readonly source?: readonly PortRange[]
  readonly destination?: readonly PortRange[]
  readonly helper?: Helper
}

export interface ResolvedRule {
  /** 32 bits, never 0, the same as long as policy and name stay. Also the rule's bits in cookie and label. */
  readonly id: number
  readonly policy: string
  readonly name: string
  /** 0 to 3, in the order of asking. */
  readonly tier: number
  readonly verb: Verb
  readonly isAudit: boolean
  /** The whole tier or file around it is audited: then only the first rule of it that matches speaks. */
  readonly auditIn?: 'tier' | 'file'
  readonly isDefault: boolean
  /** It stands in for a rule above stateless ones: what that one matches is tracked, and asks all rules. */
  readonly isGuard?: true
  /** It stands in for a stateless one with ports: of datagrams in pieces these are seen behind connection tracking only. */
  readonly isOfPieces?: true
  readonly from: AddressSet
  readonly to: AddressSet
  readonly terms: readonly Term[]
  /** Code points of its packets; absent: any. Only stateless rules have some. */
  readonly dscp?: readonly number[]
  /** What a rejected sender is told; no verdict depends on it. */
  readonly answer?: RejectCode
  readonly log?: LogWish
  readonly limit?: Limit
  readonly caps?: readonly Cap[]
  readonly via?: string
  /** Two hashes of all of the above that decides about packets. */
  readonly digest: readonly [number, number]
}

/** A rule where it stands now; the rule object stays the same when lines above it come or go. */
export interface PlacedRule {
  readonly rule: ResolvedRule
  readonly file: string
  readonly line: number
}

/** A statement where it stands, in the order of asking. */
export interface ResolvedNat {
  readonly policy: string
  readonly file: string
  readonly line: number
  /** The statement as it is written. */
  readonly text: string
  readonly action: NatAction
  readonly from: AddressSet
  readonly to: AddressSet
  /** The network by which they leave, by name; absent: any. */
  readonly out?: string
  readonly at?: AddressRange
  /** Those that connections get outside. */
  readonly ports: PortRange
  /** What is published, or is not. */
  readonly terms?: readonly Term[]
  readonly target?: { readonly addresses: AddressSet; readonly port?: number }
}

export interface Resolved {
  /** Four lists; in each the first rule that matches wins. */
  readonly tiers: readonly (readonly PlacedRule[])[]
  /** Those of them that are stateless, and so asked before all others; among them guards of rules above them that shut. */
  readonly stateless: readonly PlacedRule[]
  /** What no rule speaks for. */
  readonly last: PlacedRule
  /** How long connections may be silent, by their ports; empty: as the network has it. */
  readonly timeouts: readonly Timeout[]
  /** Translation of addresses, in the order of asking; absent: none is asked for. */
  readonly nat?: readonly ResolvedNat[]
  readonly complaints: readonly RuleError[]
  /** There was too much to look at: some of it is missing. */
  readonly isCut?: true
  /** Changes when, and only when, a verdict or the rule behind it may change. */
  readonly hash: string
  /** When a schedule or an expiry may next change the rules. */
  readonly nextChangeMillis?: number
}

export const isStateless = (rule: ResolvedRule): boolean =>
  rule.verb === 'allow-stateless' && !rule.isAudit

/** It looks at packets before they are tracked. */
export const isUntracked = (rule: ResolvedRule): boolean =>
  rule.isGuard === true || isStateless(rule)

/** Before they are tracked, pieces of datagrams have no ports. TCP is not sent in pieces. */
export const hasPortsInPieces = ({ protocol, source, destination }: Term): boolean =>
  protocol === transports.udp && (source !== undefined || destination !== undefined)

/**
 * What a stateless rule says of datagrams in pieces that it cannot say of the packets themselves; undefined: nothing.
 *
 * @param isGuarded pieces are tracked by a guard, which cannot tell those that it means from others: then all of them
 */
export const ofPieces = (rule: ResolvedRule, isGuarded = false): ResolvedRule | undefined => {
  const terms = rule.terms.filter(
    term => hasPortsInPieces(term) || (isGuarded && term.protocol !== transports.tcp),
  )
  return terms.length > 0 ? { ...rule, verb: 'allow', isOfPieces: true, terms } : undefined
}

/** The ports at which the rule lets a helper read, as ranges. */
export const helperPorts = (rule: ResolvedRule): readonly PortRange[] =>
  rule.verb === 'allow' && !rule.isAudit
    ? rule.terms.flatMap(({ helper, destination }) => (helper ? (destination ?? []) : []))
    : []

/** The ports at which any rule does. */
export const helpedPorts = (tiers: Resolved['tiers']): readonly PortRange[] =>
  joinPorts(tiers.flatMap(rules => rules.flatMap(({ rule }) => helperPorts(rule)))) ?? []

/** Each of its connections is admitted one by one, by the controller. */
export const asksToAdmit = (rule: ResolvedRule): boolean =>
  !rule.isAudit && (rule.limit !== undefined || rule.caps !== undefined)

/** Files that may be audited whole at one time. */
export const maxAuditedFiles = 8

/** Rules audited one by one: a packet goes through its table once more for each that it matches, and switches end that at 64. */
export const maxAuditRules = 40

/** Whether both stand in the same audited stretch of a tier. */
export const isSameAudit = (rule: ResolvedRule, before: ResolvedRule | undefined): boolean =>
  rule.auditIn !== undefined && before?.auditIn === rule.auditIn && before.policy === rule.policy

export const ruleById = (resolved: Resolved): ReadonlyMap<number, PlacedRule> =>
  new Map([...resolved.tiers.flat(), resolved.last].map(placed => [placed.rule.id, placed]))

export type TimedProtocol = 'tcp' | 'udp'

export type TimedPorts = Readonly<Partial<Record<TimedProtocol, readonly PortRange[]>>>

export interface Timeout {
  readonly seconds: number
  /** Sorted ranges that do not touch. */
  readonly ports: TimedPorts
}

/** A service whose connections may be silent for so many seconds. */
export interface TimedService {
  readonly line: Line
  readonly seconds: number
  readonly terms: readonly Term[]
}
