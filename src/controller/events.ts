/** What happened, numbered, kept for a while, told to whoever listens. */
import { EventEmitter } from 'node:events'
import type { Clock } from '../base/env.js'
import type { Log } from '../base/log.js'
import type { NetworkEvent } from '../topology/topology.js'

export interface JournalEntry extends NetworkEvent {
  /** Grows by one with each event. */
  readonly sequence: number
  /** ISO 8601, for people. */
  readonly time: string
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

export class Journal extends EventEmitter<{ event: [entry: JournalEntry] }> {
  readonly #clock: Clock
  readonly #log: Log
  #entries: JournalEntry[] = []
  #sequence = 0

  constructor(clock: Clock, log: Log) {
    super()
    this.#clock = clock
    this.#log = log
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
    this.#log.info(fields, kind.replaceAll('-', ' '))
    this.emit('event', entry)
  }

  /** Entries behind `after`, oldest first. */
  since(after: number, limit = 1_000): readonly JournalEntry[] {
    const first = this.#entries.findIndex(entry => entry.sequence > after)
    return first < 0 ? [] : this.#entries.slice(first, first + limit)
  }

  get last(): number {
    return this.#sequence
  }
}
