/** Two ends of a stream of bytes in memory, with latency, cuts between chunks, and back-pressure. */
import type { Connection, Random, Timers } from './env.js'

export interface PairOptions {
  readonly timers: Timers
  readonly random: Random
  readonly latencyMillis: number
  readonly cutsChunks: boolean
  readonly windowSize: number
}

export interface SimulatedLink {
  /** The end of whoever called. */
  readonly near: Connection
  /** The end of whoever was called. */
  readonly far: Connection
  /** Both ends learn of an error; what travels is lost. */
  cut(): void
}

/**
 * @param farName how the caller names the other end
 * @param nearName how the called one does
 */
export const connectionPair = (
  farName: string,
  nearName: string,
  options: PairOptions,
): SimulatedLink => {
  const near = new End(farName, options)
  const far = new End(nearName, options)
  near.peer = far
  far.peer = near
  return {
    near,
    far,
    cut() {
      near.fail(new Error('the link was cut'))
      far.fail(new Error('the link was cut'))
    },
  }
}

class End implements Connection {
  readonly remote: string
  readonly peerName = undefined
  readonly #options: PairOptions
  peer!: End
  /** Arrived here and not yet handed to the reader. */
  #arrived: Uint8Array[] = []
  #arrivedSize = 0
  /** Sent from here and kept, since the reader has enough. */
  #kept: Uint8Array[] = []
  #keptSize = 0
  #hasToKeep = false
  #isPaused = false
  #isEnding = false
  #isClosed = false
  #read: (chunk: Uint8Array) => void = () => undefined
  #closed: (error: Error | undefined) => void = () => undefined
  #drained: () => void = () => undefined

  constructor(remote: string, options: PairOptions) {
    this.remote = remote
    this.#options = options
  }

  get unsentSize(): number {
    return this.#keptSize
  }

  send(bytes: Uint8Array): void {
    if (this.#isClosed || this.#isEnding) return
    this.#kept.push(bytes)
    this.#keptSize += bytes.length
    this.#push()
  }

  onBytes(handler: (chunk: Uint8Array) => void): void {
    this.#read = handler
  }

  onClose(handler: (error: Error | undefined) => void): void {
    this.#closed = handler
  }

  onDrain(handler: () => void): void {
    this.#drained = handler
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#options.timers.soon(() => this.#deliver())
  }

  end(): void {
    this.#isEnding = true
    this.#push()
  }

  destroy(): void {
    if (this.#isClosed) return
    this.fail(undefined)
    this.#options.timers.after(this.#options.latencyMillis, () => this.peer.fail(undefined))
  }

  fail(error: Error | undefined): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#kept = []
    this.#keptSize = 0
    this.#arrived = []
    this.#options.timers.soon(() => this.#closed(error))
  }

  /** Lets go as much as the reader's window takes. */
  #push(): void {
    while (this.#kept.length > 0 && this.peer.#arrivedSize < this.#options.windowSize) {
      const chunk = this.#kept.shift()!
      this.#keptSize -= chunk.length
      for (const piece of this.#cut(chunk)) this.#travel(piece)
    }
    const hadToKeep = this.#hasToKeep
    this.#hasToKeep = this.#kept.length > 0
    if (this.#hasToKeep) return
    if (hadToKeep) this.#options.timers.soon(() => this.#isClosed || this.#drained())
    if (this.#isEnding && !this.#isClosed)
      this.#options.timers.after(this.#options.latencyMillis, () => {
        this.peer.fail(undefined)
        this.fail(undefined)
      })
  }

  #cut(chunk: Uint8Array): Uint8Array[] {
    if (!this.#options.cutsChunks || chunk.length < 2) return [chunk]
    const at = 1 + (this.#options.random.uint32() % (chunk.length - 1))
    return [chunk.subarray(0, at), chunk.subarray(at)]
  }

  #travel(piece: Uint8Array): void {
    this.peer.#arrivedSize += piece.length
    this.#options.timers.after(this.#options.latencyMillis, () => {
      this.peer.#arrived.push(piece)
      this.peer.#deliver()
    })
  }

  #deliver(): void {
    while (this.#arrived.length > 0 && !this.#isPaused && !this.#isClosed) {
      const chunk = this.#arrived.shift()!
      this.#arrivedSize -= chunk.length
      this.#read(chunk)
    }
    this.peer.#push()
  }
}
