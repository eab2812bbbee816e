/** What happened, numbered, kept for a while, told to whoever listens. */
import { EventEmitter } from 'node:events'
import type { Clock } from '../base/env.js'
import type { Log } from '../base/log.js'
import type { NetworkEvent } from '../topology/topology.js'

export interface JournalEntry extends NetworkEvent {
  /** Grows by one with each event; behind a restart it goes on from a higher number. */
  readonly sequence: number
  /** ISO 8601, for people. */
  readonly time: string
}

const kept = 10_000

/** Kinds of events that are more than the life of the network, and how loud they are in the log. */
const levels: Readonly<Record<string, 'warn' | 'error'>> = {
  'audit-lost': 'error',
  'audit-dropped': 'warn',
  'checksum-offload': 'warn',
  'router-address-in-use': 'warn',
  'foreign-flow': 'warn',
  'mastership-lost': 'warn',
  'name-ambiguous': 'warn',
  'rules-refused': 'error',
  'store-damaged': 'error',
  'store-lost': 'error',
  'store-read-only': 'error',
  'switch-not-adopted': 'error',
  'token-refused': 'warn',
  'request-refused': 'warn',
  'trace-mismatch': 'error',
}

/** Who speaks: of rules each one by itself. */
const speakerOf = (entry: JournalEntry): string => `${entry.kind} ${entry.policy} ${entry.rule}`

/** The last `size` entries at most; who speaks most loses most, so that a flood of one hides no other. */
export const fairly = (entries: readonly JournalEntry[], size: number): JournalEntry[] => {
  const counts = new Map<string, number>()
  for (const entry of entries) {
    const speaker = speakerOf(entry)
    counts.set(speaker, (counts.get(speaker) ?? 0) + 1)
  }
  const share = shareOf([...counts.values()], size)
  return entries.filter(entry => {
    const speaker = speakerOf(entry)
    const left = counts.get(speaker)!
    counts.set(speaker, left - 1)
    return left <= share
  })
}

/** How many each may keep so that all together keep `size` at most: who has fewer leaves the rest to the others. */
const shareOf = (counts: readonly number[], size: number): number => {
  let left = size
  const sorted = [...counts].sort((a, b) => a - b)
  for (const [index, count] of sorted.entries()) {
    const share = Math.floor(left / (sorted.length - index))
    if (count > share) return share
    left -= count
  }
  return size
}

/** Between two starts of the controller, so that numbers go on: more events than a life has. */
export const numbersOfLife = 10_000_000_000

export class Journal extends EventEmitter<{ event: [entry: JournalEntry] }> {
  readonly #clock: Clock
  readonly #log: Log
  /** The number before the first of this life. */
  readonly #base: number
  #entries: JournalEntry[] = []
  #sequence: number

  /** @param life how often the controller was started on these data; its numbers begin behind `life` * 10^10 */
  constructor(clock: Clock, log: Log, life = 0) {
    super()
    this.#clock = clock
    this.#log = log
    this.#base = life * numbersOfLife
    this.#sequence = this.#base
    this.setMaxListeners(0)
  }

  add(event: NetworkEvent): void {
    const entry: JournalEntry = {
      sequence: ++this.#sequence,
      time: new Date(this.#clock.wallMillis()).toISOString(),
      ...event,
    }
    this.#entries.push(entry)
    if (this.#entries.length > kept * 1.1) this.#entries = fairly(this.#entries, kept)
    const { kind, ...fields } = event
    this.#log[levels[kind] ?? 'info'](fields, kind.replaceAll('-', ' '))
    this.emit('event', entry)
  }

  /**
   * What is kept behind `after`, oldest first. Where something is missing there is an entry of kind `gap` in its place,
   * with the number of the last that is missing. Behind 0 is all that is kept.
   */
  since(after: number, limit = 1_000): readonly JournalEntry[] {
    const isUnknown = after > this.#sequence
    const from = isUnknown ? 0 : this.#indexBehind(after)
    const found = this.#entries.slice(from, from + limit)
    const told: JournalEntry[] = []
    let last = after === 0 ? (found[0]?.sequence ?? 1) - 1 : after
    for (const entry of found) {
      if (entry.sequence !== last + 1) told.push(this.#gap(last, entry.sequence - 1))
      told.push(entry)
      last = entry.sequence
    }
    if (found.length === 0 && after !== 0 && after !== this.#sequence)
      told.push(this.#gap(after, this.#sequence))
    return told
  }

  get last(): number {
    return this.#sequence
  }

  #gap(after: number, sequence: number): JournalEntry {
    const reason =
      after > this.#sequence
        ? 'this controller has not given that number'
        : after < this.#base
          ? 'the controller was started again'
          : 'too much happened to keep all of it'
    const time = new Date(this.#clock.wallMillis()).toISOString()
    return { sequence, time, kind: 'gap', after, reason }
  }

  /** Where the entries behind a number begin; numbers only grow. */
  #indexBehind(after: number): number {
    let [low, high] = [0, this.#entries.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#entries[middle]!.sequence > after) high = middle
      else low = middle + 1
    }
    return low
  }
}
