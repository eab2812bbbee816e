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

export class Journal extends EventEmitter<{ event: [entry: JournalEntry] }> {
  readonly #clock: Clock
  readonly #log: Log
  readonly #entries: JournalEntry[] = []
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
    if (this.#entries.length > kept * 1.1) this.#entries.splice(0, this.#entries.length - kept)
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
