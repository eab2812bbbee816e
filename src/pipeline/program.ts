/**
 * A program: all flows, groups and meters of one switch, each row saying why it is there.
 *
 * A program is made of sections, the unit of change: a compiler that finds its inputs unchanged
 * hands out the *same* section object again, so that comparing two programs costs only what changed.
 */
import type { Dpid } from '../base/addresses.js'
import type { Action, Bucket, GroupType, Match, MeterBand } from '../openflow/values.js'
import { type TableName, tableId } from './tables.js'

/** The object, file and line that a row comes from. */
export interface Origin {
  /** `base`, `switch`, `host`, `network`, `policy`, `chain`, ... */
  readonly kind: OwnerKind
  readonly name: string
  readonly file?: string
  readonly line?: number
}

export interface Flow {
  readonly table: TableName
  readonly priority: number
  readonly match: Match
  /** Applied in order; none and no `goto` is a drop. */
  readonly actions: readonly Action[]
  readonly goto?: TableName
  readonly cookie: bigint
  /** Why the row exists, for people. */
  readonly because: string
  readonly origin: Origin
  readonly idleTimeoutSeconds?: number
}

export interface Group {
  readonly id: number
  readonly type: GroupType
  readonly buckets: readonly Bucket[]
  readonly because: string
  readonly origin: Origin
}

export interface Meter {
  readonly id: number
  readonly unit: 'kbps' | 'pktps'
  readonly bands: readonly MeterBand[]
  readonly because: string
  readonly origin: Origin
}

export interface Section {
  readonly name: string
  readonly flows: readonly Flow[]
  readonly groups: readonly Group[]
  readonly meters: readonly Meter[]
}

export interface Program {
  readonly dpid: Dpid
  readonly sections: readonly Section[]
}

export const section = (
  name: string,
  parts: { flows?: readonly Flow[]; groups?: readonly Group[]; meters?: readonly Meter[] },
): Section => ({
  name,
  flows: parts.flows ?? [],
  groups: parts.groups ?? [],
  meters: parts.meters ?? [],
})

/**
 * Cookies: `[16 namespace][16 owner kind][32 hash of the origin]`. Rows without our namespace
 * are somebody else's: shown, never touched.
 */
export const cookieNamespace = 0x5147n
export const cookieNamespaceMask = 0xffff_0000_0000_0000n

/**
 * Groups and meters carry no cookie: ours are those in a range of numbers. Group `0x51000000` and up, 24 bits
 * are free; meters 0x1000 to 0xffff. Others are somebody else's.
 */
export const groupNumber = (kind: keyof typeof groupKinds, number: number): number =>
  0x51000000 + groupKinds[kind] * 0x10_0000 + (number & 0xf_ffff)
export const isOurGroup = (id: number): boolean => id >>> 24 === 0x51
export const meterNumber = (kind: keyof typeof meterKinds, number = 0): number =>
  meterKinds[kind] + (number & 0xfff)
export const isOurMeter = (id: number): boolean => id >= 0x1000 && id <= 0xffff

// biome-ignore format: a table
const groupKinds = { egress: 0, flood: 1, intent: 2, chain: 3, multicast: 4, share: 5, floodPart: 6, multicastPart: 7 } as const
// biome-ignore format: a table
const meterKinds = { teach: 0x1000, seek: 0x2000, log: 0x3000, reject: 0x4000, rule: 0x5000, discover: 0x6000, learn: 0x7000, admit: 0x8000, asked: 0x9000, invalid: 0xa000, router: 0xb000, nat: 0xc000, dhcp: 0xd000, dns: 0xe000 } as const

// biome-ignore format: a table
export const ownerNumbers = {
  base: 1, switch: 2, host: 3, network: 4, policy: 5, chain: 6, function: 7, intent: 8, store: 9,
} as const
export type OwnerKind = keyof typeof ownerNumbers

export const cookieOf = (kind: OwnerKind, number: number): bigint =>
  (cookieNamespace << 48n) | (BigInt(ownerNumbers[kind]) << 32n) | BigInt(number >>> 0)

/** FNV-1a, 32 bits: stable numbers for names. */
export const hash32 = (text: string): number => {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash ^= text.charCodeAt(index)
    hash = Math.imul(hash, 0x01000193)
  }
  return hash >>> 0
}

/** A row of a table; the cookie comes from the origin unless given. */
export const flow = (
  table: TableName,
  priority: number,
  match: Match,
  then: { actions?: readonly Action[]; goto?: TableName; cookie?: bigint },
  because: string,
  origin: Origin,
): Flow => {
  if (then.goto !== undefined && tableId[then.goto] <= tableId[table])
    throw new RangeError(`a row of ${table} cannot go back to ${then.goto}`)
  return {
    table,
    priority,
    match,
    actions: then.actions ?? [],
    ...(then.goto === undefined ? {} : { goto: then.goto }),
    cookie: then.cookie ?? cookieOf(origin.kind, hash32(`${origin.kind}/${origin.name}`)),
    because,
    origin,
  }
}

/** What a switch would not take of somebody's rows. */
export interface Refusal {
  readonly origin: Origin
  /** OpenFlow's own name of the error. */
  readonly error: string
  /** What was refused, as `ovs-ofctl` writes it. */
  readonly request: string
}
