/** What happened, numbered, kept for a while, told to whoever listens. */
import { EventEmitter } from 'node:events'
import type { Clock } from '../base/env/env.js'
import { eventKinds, type NetworkEvent } from '../base/events.js'
import type { Log } from '../base/log/log.js'

/** What any event is, whatever is known of its kind. */
export interface Told {
  readonly kind: string
}

export interface JournalEntry extends Told {
  /** Grows by one with each event; behind a restart it goes on from a higher number. */
  readonly sequence: number
  /** ISO 8601, for people. */
  readonly time: string
  readonly [member: string]: unknown
}

const kept = 10_000

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

/** @typeParam Event what may be told: usually what the table of kinds has */
export class Journal<Event extends Told = NetworkEvent> extends EventEmitter<{
  event: [entry: JournalEntry]
}> {
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

  add(event: Event): void {
    const sequence = ++this.#sequence
    const time = new Date(this.#clock.wallMillis()).toISOString()
    const entry: JournalEntry = {
      sequence,
      time,
      ...(event as Told & Readonly<Record<string, unknown>>),
    }
    this.#entries.push(entry)
    if (this.#entries.length > kept * 1.1) this.#entries = fairly(this.#entries, kept)
    const { kind, ...fields } = event
    this.#log[eventKinds.get(kind)?.level ?? 'info'](fields, kind.replaceAll('-', ' '))
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
