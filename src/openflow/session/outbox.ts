/**
 * What waits to be sent to one switch, bounded in octets. Messages of one turn of the loop leave in
 * one piece. When the switch does not read: packet-outs are dropped first; rather than lose anything else the connection ends.
 */
import type { Connection } from '../../base/env/env.js'

export interface OutboxLimits {
  /** Unsent octets from which on packet-outs are dropped. */
  readonly dropSize: number
  /** Unsent octets that end the connection. */
  readonly closeSize: number
}

export const outboxLimits: OutboxLimits = { dropSize: 1024 * 1024, closeSize: 6 * 1024 * 1024 }

export type Enqueued = 'queued' | 'dropped' | 'overflow'

export class Outbox {
  readonly #connection: Pick<Connection, 'send' | 'unsentSize'>
  readonly #limits: OutboxLimits
  #pieces: Uint8Array[] = []
  #size = 0
  #isFlushScheduled = false
  #isClosed = false

  constructor(
    connection: Pick<Connection, 'send' | 'unsentSize'>,
    limits: OutboxLimits = outboxLimits,
  ) {
    this.#connection = connection
    this.#limits = limits
  }

  get unsentSize(): number {
    return this.#size + this.#connection.unsentSize
  }

  add(bytes: Uint8Array, isDroppable: boolean): Enqueued {
    if (this.#isClosed) return 'dropped'
    const waiting = this.unsentSize
    if (isDroppable && waiting > this.#limits.dropSize) return 'dropped'
    if (waiting + bytes.length > this.#limits.closeSize) return 'overflow'
    this.#append(bytes)
    this.#size += bytes.length
    if (!this.#isFlushScheduled) {
      this.#isFlushScheduled = true
      queueMicrotask(() => this.flush())
    }
    return 'queued'
  }

  /** Messages are cut from one buffer one after the other, so many join without a copy. */
  #append(bytes: Uint8Array): void {
    const last = this.#pieces.at(-1)
    if (
      last !== undefined &&
      last.buffer === bytes.buffer &&
      last.byteOffset + last.length === bytes.byteOffset
    )
      this.#pieces[this.#pieces.length - 1] = new Uint8Array(
        last.buffer,
        last.byteOffset,
        last.length + bytes.length,
      )
    else this.#pieces.push(bytes)
  }

  flush(): void {
    this.#isFlushScheduled = false
    if (this.#isClosed) return
    const [pieces, size] = [this.#pieces, this.#size]
    this.#pieces = []
    this.#size = 0
    if (pieces.length === 0) return
    // Each piece would cost a call of the system, and between the messages of a bundle there are gaps.
    this.#connection.send(pieces.length === 1 ? pieces[0]! : joined(pieces, size))
  }

  /** Sends nothing any more and forgets what waits here. */
  close(): void {
    this.#isClosed = true
    this.#pieces = []
    this.#size = 0
  }
}

const joined = (pieces: readonly Uint8Array[], size: number): Uint8Array => {
  const whole = new Uint8Array(size)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}
