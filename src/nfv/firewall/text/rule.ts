/**
 * What an operator can say: the statements of a rule file as values. Text, JSON and programs all
 * meet here; `parse.ts` makes it from text, `format.ts` writes it back.
 */
import type { Cidr } from '../../../base/addresses.js'
import type { RejectCode } from '../../../pipeline/answers.js'

export { type RejectCode, rejectCodes } from '../../../pipeline/answers.js'

export const verbs = ['allow', 'allow-stateless', 'drop', 'reject', 'pass'] as const
export type Verb = (typeof verbs)[number]

/** The tiers in the order they are asked; `pass` goes to the next one. */
export const tiers = ['admin', 'main', 'application', 'baseline'] as const
export type TierName = (typeof tiers)[number]

/** Both ends belong to it; 0 to 65535. */
export interface PortRange {
  readonly from: number
  readonly to: number
}

/** Where a name stands in the text of its statement, counted from 0, so that a complaint can point at it. */
interface Spot {
  readonly at?: number
}

/** One thing that addresses are taken from. */
export type Member =
  | { readonly kind: 'any' }
  | { readonly kind: 'cidr'; readonly cidr: Cidr }
  | {
      readonly kind: 'range'
      readonly version: 4 | 6
      readonly first: number | bigint
      readonly last: number | bigint
    }
  | (Spot & { readonly kind: 'zone' | MemberKind; readonly name: string })

/** What the network knows the addresses of. A VLAN is named by its number, a MAC as `readMacPrefix` reads it. */
export const memberKinds = ['host', 'network', 'vlan', 'port', 'mac'] as const
export type MemberKind = (typeof memberKinds)[number]

/** All of `of`, without what is also in `except`. */
export interface Selection {
  readonly of: readonly Member[]
  readonly except: readonly Member[]
}

/** Transports with ports, by their IP protocol number. */
export const transports = { tcp: 6, udp: 17, sctp: 132 } as const
export type Transport = keyof typeof transports

/** Protocols that switches read, to know the connections that they agree upon. */
export const helpers = ['ftp'] as const
export type Helper = (typeof helpers)[number]

export type ServiceMember =
  | { readonly kind: 'any' }
  | (Spot & { readonly kind: 'service'; readonly name: string })
  /** No ports means every port. */
  | {
      readonly kind: 'ports'
      readonly transport: Transport
      readonly ports: readonly PortRange[]
      /** Of those, without these; absent: all of them. */
      readonly exceptPorts?: readonly PortRange[]
      readonly sourcePorts: readonly PortRange[]
      /** Connections that the protocol agrees upon are let in with the one that agreed. */
      readonly helper?: Helper
    }
  | {
      readonly kind: 'icmp'
      readonly version: 4 | 6
      readonly type?: number
      readonly code?: number
    }
  | { readonly kind: 'protocol'; readonly number: number }

export interface Rate {
  readonly count: number
  readonly per: 'second' | 'minute' | 'hour'
}

/** One line to the log for each connection that is judged, not for each packet. */
export interface LogWish {
  readonly rate?: Rate
  readonly text?: string
}

export interface Limit {
  readonly rate: Rate
  readonly isPerSource: boolean
}

/** How many connections that a rule allowed may be there at once. */
export interface Cap {
  readonly count: number
  /** `half-open`: TCP that has begun and is not answered and confirmed yet. */
  readonly of: 'connections' | 'half-open'
  readonly isPerSource: boolean
}

/** What the controller can count and admit; more is refused. */
export const maxCap = 65_535
export const maxAdmissionsPerSecond = 1_000

export const perSecond = ({ count, per }: Rate): number =>
  count / { second: 1, minute: 60, hour: 3_600 }[per]

export const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
export type Day = (typeof days)[number]

/** A part of the week; `to` before `from` runs over midnight. Minutes since midnight. */
export interface Schedule {
  readonly days: readonly Day[]
  readonly from: number
  readonly to: number
  /** An IANA name. */
  readonly timeZone: string
}

export interface Rule {
  readonly kind: 'rule'
  /** Absent: named by a hash of its text. */
  readonly name?: string
  readonly verb: Verb
  /** Counts and logs what `verb` would have done, and falls on to the rules below. */
  readonly isAudit: boolean
  readonly services: readonly ServiceMember[]
  readonly from: Selection
  readonly to: Selection
  /** Of `reject`; absent: a reset for TCP, `admin-prohibited` for the rest. */
  readonly answer?: RejectCode
  /** Of `allow-stateless`: code points of its packets, sorted; absent: any. */
  readonly dscp?: readonly number[]
  readonly log?: LogWish
  readonly limit?: Limit
  /** At most one of each kind. */
  readonly caps?: readonly Cap[]
  readonly via?: Spot & { readonly name: string }
  /** Milliseconds since 1970 from which the rule is no more. */
  readonly until?: number
  readonly schedule?: Schedule
}

/** What happens to what no rule speaks for; with `from` and `to` only between these. */
export interface Default {
  readonly kind: 'default'
  readonly verb: 'allow' | 'drop' | 'reject'
  readonly from: Selection
  readonly to: Selection
  readonly answer?: RejectCode
  readonly log?: LogWish
}

/** Rules below it that name no end, or log, of their own have these, up to the next section, tier or `end`. */
export interface Section {
  readonly kind: 'section'
  readonly from?: Selection
  readonly to?: Selection
  readonly log?: LogWish
}

/** `test "people may browse" 10.1.0.7 -> 10.2.0.10 tcp 443 allow by browse` */
export interface Test {
  readonly kind: 'test'
  readonly title: string
  readonly from: Member
  readonly to: Member
  readonly service: ServiceMember
  /** Of the packet; absent: 0. */
  readonly dscp?: number
  readonly verdict: 'allow' | 'drop' | 'reject'
  /** The rule that must have decided, or `default`. */
  readonly by?: string
  /** When; absent: with every schedule on, and every rule that ends in force. */
  readonly at?: Moment
}

/** A minute, as a clock somewhere shows it. */
export interface Moment {
  /** Since 1970. */
  readonly millis: number
  /** An IANA name. */
  readonly timeZone: string
}

export const natActions = ['masquerade', 'source', 'forward', 'one-to-one', 'none'] as const
export type NatAction = (typeof natActions)[number]

/** One address, or the first and the last of several. */
export interface AddressRange {
  readonly version: 4 | 6
  readonly first: number | bigint
  readonly last: number | bigint
}

/** Where connections to a published address go. */
export interface NatTarget {
  /** One address, or a host by its name. */
  readonly member: Member
  /** Absent: the port that was asked for. */
  readonly port?: number
}

/**
 * Translates addresses. Source: `masquerade`, `source`, and `none` without an address; destination: `forward`, and `none`
 * with one; `one-to-one` is both. The first that matches wins, of each of the two separately.
 */
export interface Nat {
  readonly kind: 'nat'
  readonly action: NatAction
  /** Of `forward`, and of `none` with an address: what is published, or is not. */
  readonly services?: readonly ServiceMember[]
  /** Who opens the connection. */
  readonly from: Selection
  /** With whom, of source statements. */
  readonly to: Selection
  /** The network by which it leaves. */
  readonly out?: Spot & { readonly name: string }
  /** Of `source` what is taken, of the others the address that is published; `masquerade` takes the router's own. */
  readonly at?: AddressRange
  /** Those that connections get outside; absent: the usual ones. */
  readonly ports?: PortRange
  readonly target?: NatTarget
}

/** Ports that translated connections get where nothing else is said: those of Linux for its own connections. */
export const usualNatPorts: PortRange = { from: 32_768, to: 60_999 }

export type Statement =
  | {
      readonly kind: 'zone'
      readonly name: string
      readonly members: Selection
    }
  | {
      readonly kind: 'service'
      readonly name: string
      readonly members: readonly ServiceMember[]
      /** Seconds for which its connections may be silent before switches forget them. */
      readonly timeout?: number
    }
  | (Spot & { readonly kind: 'include'; readonly path: string })
  | { readonly kind: 'tier'; readonly tier: TierName; readonly isAudit?: true }
  | Section
  /** Rules below it are in no section any more. */
  | { readonly kind: 'end' }
  /** Nothing in this file, nor in what it includes, is enforced. */
  | { readonly kind: 'file-audit' }
  /** Words that stand for `$NAME` further down in this file. */
  | { readonly kind: 'let'; readonly name: string; readonly value: string }
  | Default
  | Rule
  | Nat
  | Test
  /** An empty line, or one with a comment only. */
  | { readonly kind: 'blank' }

/** A statement where it stands. */
export interface Line<S extends Statement = Statement> {
  readonly statement: S
  /** Without the `#`; that of a `blank` is the whole line. */
  readonly comment?: string
  readonly file: string
  /** Counted from 1. */
  readonly line: number
  /** The text it was read from, more than one line where it goes on. */
  readonly text: string
  /** The tier it stands in. */
  readonly tier: TierName
  /** The whole tier or file around it is audited only. */
  readonly audit?: 'tier' | 'file'
}

/** A mistake in a rule file: a value of the trade, not an exception. Line and column count from 1. */
export interface RuleError {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly length?: number
  readonly message: string
  readonly hint: string
}

export const any: Selection = { of: [{ kind: 'any' }], except: [] }

export const isAny = (selection: Selection): boolean =>
  selection.except.length === 0 && selection.of.some(member => member.kind === 'any')
