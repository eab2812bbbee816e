/**
 * Octets from one switch, worked off in slices so that a busy switch leaves others their turn: at
 * most 64 messages or 2 ms, then everybody else, then on.
 */
import type { Cancel, Clock, Connection, Timers } from '../../base/env/env.js'
import { decode, xidOf } from '../codec.js'
import type { Received } from '../messages/index.js'
import { DecodeError } from '../wire/decode-error.js'
import { Framer } from '../wire/framing.js'

export interface InboxLimits {
  readonly sliceMessages: number
  readonly sliceMillis: number
  /** Octets that may wait before we stop reading from the socket. */
  readonly waitingSize: number
}

export const inboxLimits: InboxLimits = {
  sliceMessages: 64,
  sliceMillis: 2,
  waitingSize: 128 * 1024,
}

/** Octets of messages that are handled without a look at the clock. */
const largeSize = 4_096

export interface InboxHandlers {
  message(message: Received, size: number): void
  /** One message cannot be understood; the stream goes on behind it. */
  malformed(error: DecodeError, xid: number, bytes: Uint8Array): void
  /** The stream itself is broken: nothing behind this makes sense. */
  broken(error: DecodeError): void
}

export class Inbox {
  readonly #connection: Pick<Connection, 'pause' | 'resume'>
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #handlers: InboxHandlers
  readonly #limits: InboxLimits
  readonly #framer = new Framer()
  #next: Cancel | undefined
  #isPaused = false
  #isClosed = false

  constructor(
    connection: Pick<Connection, 'pause' | 'resume'>,
    { clock, timers }: { readonly clock: Clock; readonly timers: Timers },
    handlers: InboxHandlers,
    limits: InboxLimits = inboxLimits,
  ) {
    this.#connection = connection
    this.#clock = clock
    this.#timers = timers
    this.#handlers = handlers
    this.#limits = limits
  }

  push(chunk: Uint8Array): void {
    if (this.#isClosed) return
    this.#framer.push(chunk)
    if (this.#next === undefined) this.#slice()
  }

  close(): void {
    this.#isClosed = true
    this.#next?.()
  }

  #slice(): void {
    this.#next = undefined
    const endMillis = this.#clock.nowMillis() + this.#limits.sliceMillis
    let before = this.#framer.size
    let unlooked = 0
    for (let count = 0; count < this.#limits.sliceMessages; count++) {
      if (this.#isClosed || !this.#one()) return this.#rest()
      // Reading the clock costs more than a small message does, and nothing beside a large one.
      unlooked += before - this.#framer.size
      before = this.#framer.size
      if (count % 8 !== 7 && unlooked < largeSize) continue
      unlooked = 0
      if (this.#clock.nowMillis() >= endMillis) break
    }
    if (this.#isClosed) return
    this.#next = this.#timers.soon(() => this.#slice())
    if (!this.#isPaused && this.#framer.size > this.#limits.waitingSize) {
      this.#isPaused = true
      this.#connection.pause()
    }
  }

  #rest(): void {
    if (!this.#isPaused || this.#isClosed) return
    this.#isPaused = false
    this.#connection.resume()
  }

  /** Handles one message; false when no whole one is there. */
  #one(): boolean {
    let bytes: Uint8Array | undefined
    try {
      bytes = this.#framer.next()
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.#handlers.broken(error)
      return false
    }
    if (bytes === undefined) return false
    let message: Received
    try {
      message = decode(bytes, true)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.#handlers.malformed(error, xidOf(bytes), bytes)
      return true
    }
    this.#handlers.message(message, bytes.length)
    return true
  }
}
