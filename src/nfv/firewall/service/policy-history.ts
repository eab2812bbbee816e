/** Every change of the policies with who made it, when and why, and with what it takes to take it back. */
import { createHash } from 'node:crypto'
import { Failure } from '../../../base/failures.js'
import { listAll, type Op, type Store } from '../../../base/store.js'
import type { Policy } from './policy.js'

/** Who asks, and why. */
export interface Reason {
  /** As it was proven, by a token or a certificate. */
  readonly by?: string
  /** As they say themselves. */
  readonly who?: string
  readonly why?: string
  /** Taken back by itself after so long, unless it is confirmed. */
  readonly confirmSeconds?: number
  /** The number of the change that this one takes back. */
  readonly undoOf?: number
}

/** A policy before, and a hash of what it became: the text is the next entry's, or the policy's. */
export interface PolicyChange {
  readonly name: string
  /** Absent where it was not. */
  readonly before?: Policy
  /** Absent where it is no more. */
  readonly after?: string
}

export interface HistoryEntry {
  readonly number: number
  /** ISO 8601. */
  readonly time: string
  /** As it was proven. */
  readonly by?: string
  /** As they say themselves. */
  readonly who?: string
  readonly why?: string
  readonly changes: readonly PolicyChange[]
  /** The number of the change that this one took back. */
  readonly undoOf?: number
}

/** A change that waits to be confirmed. */
export interface Unconfirmed {
  readonly number: number
  readonly deadlineMillis: number
}

const prefix = '/policy-history/'
const unconfirmedKey = '/policy-unconfirmed'
/** Entries hold whole rule files: there is an end to how many, and to how long they are together. */
const kept = 50
const keptSize = 32_000_000

/** Characters of the texts that an entry holds. */
const sizeOf = ({ changes }: HistoryEntry): number =>
  changes.reduce((sum, { before }) => {
    const texts = before ? [before.source, ...Object.values(before.includes ?? {})] : []
    return sum + texts.reduce((size, { length }) => size + length, 0)
  }, 0)

const keyOf = (number: number): string => `${prefix}${String(number).padStart(12, '0')}`

export class PolicyHistory {
  readonly #entries: HistoryEntry[]
  unconfirmed: Unconfirmed | undefined

  private constructor(entries: HistoryEntry[], unconfirmed: Unconfirmed | undefined) {
    this.#entries = entries
    this.unconfirmed = unconfirmed
  }

  static async load(store: Store): Promise<PolicyHistory> {
    const entries = (await listAll(store, prefix)).map(([, value]) => value as HistoryEntry)
    const unconfirmed = (await store.get(unconfirmedKey))?.value as Unconfirmed | undefined
    return new PolicyHistory(entries, unconfirmed)
  }

  /** Oldest first. */
  list(): readonly HistoryEntry[] {
    return this.#entries
  }

  /** @throws {Failure} `not-found` */
  get(number: number): HistoryEntry {
    const entry = this.#entries.find(each => each.number === number)
    if (entry === undefined)
      throw new Failure('not-found', {
        what: 'change',
        name: String(number),
        list: '"sluice history"',
      })
    return entry
  }

  /**
   * The last change that is still there: none that took another back, and none that was taken back, unless that was
   * itself taken back.
   *
   * @throws {Failure} `nothing-to-undo`
   */
  last(): HistoryEntry {
    const undone = new Set<number>()
    for (const entry of this.#entries.toReversed()) {
      if (undone.has(entry.number)) continue
      if (entry.undoOf === undefined) return entry
      undone.add(entry.undoOf)
    }
    throw new Failure('nothing-to-undo')
  }

  /** @throws {Failure} `not-confirmed` while a change waits for a word */
  mustBeConfirmed(): void {
    if (this.unconfirmed !== undefined)
      throw new Failure('not-confirmed', { number: this.unconfirmed.number })
  }

  /** The next entry, and what must be written with the change that it tells of. */
  entryOf(
    changes: readonly PolicyChange[],
    { by, who, why, confirmSeconds, undoOf }: Reason,
    wallMillis: number,
  ): { entry: HistoryEntry; unconfirmed: Unconfirmed | undefined; ops: Op[] } {
    const number = (this.#entries.at(-1)?.number ?? 0) + 1
    const entry: HistoryEntry = {
      number,
      time: new Date(wallMillis).toISOString(),
      ...(by !== undefined && { by }),
      ...(who !== undefined && { who }),
      ...(why !== undefined && { why }),
      ...(undoOf !== undefined && { undoOf }),
      changes,
    }
    const unconfirmed =
      confirmSeconds === undefined
        ? undefined
        : { number, deadlineMillis: wallMillis + confirmSeconds * 1_000 }
    return {
      entry,
      unconfirmed,
      ops: [
        { op: 'put', key: keyOf(number), value: entry },
        ...this.#beyond(entry).map((old): Op => ({ op: 'delete', key: keyOf(old.number) })),
        unconfirmed
          ? { op: 'put', key: unconfirmedKey, value: unconfirmed }
          : { op: 'delete', key: unconfirmedKey },
      ],
    }
  }

  /** The oldest, for which there is no room beside a new one. */
  #beyond(next: HistoryEntry): readonly HistoryEntry[] {
    let size = sizeOf(next)
    let first = this.#entries.length
    while (first > 0 && this.#entries.length - first + 1 < kept) {
      size += sizeOf(this.#entries[first - 1]!)
      if (size > keptSize) break
      first--
    }
    return this.#entries.slice(0, first)
  }

  /** The entry is in the store now. */
  note(entry: HistoryEntry, unconfirmed: Unconfirmed | undefined): void {
    this.#entries.splice(0, this.#beyond(entry).length)
    this.#entries.push(entry)
    this.unconfirmed = unconfirmed
  }

  /** @throws {Failure} `nothing-waits` */
  async confirm(store: Store): Promise<HistoryEntry> {
    if (this.unconfirmed === undefined) throw new Failure('nothing-waits')
    const entry = this.get(this.unconfirmed.number)
    await store.txn({ if: [], then: [{ op: 'delete', key: unconfirmedKey }] })
    this.unconfirmed = undefined
    return entry
  }
}

/** What somebody asked for, whenever that was. */
const wishOf = ({ source, order, file, watch, includes = {} }: Policy) =>
  JSON.stringify([source, order, file, watch, includes])

export const isSamePolicy = (a: Policy, b: Policy): boolean =>
  a.source === b.source && wishOf(a) === wishOf(b)

/** Equal when, and only when, the same is asked for. */
export const digestOf = (policy: Policy): string =>
  createHash('sha256').update(wishOf(policy)).digest('base64url')
