/**
 * Connections that have not finished their TLS handshake, or have not said who they are: each has a deadline, and all together no more than their
 * share of descriptors. Beyond it the oldest of the sender that has most of them goes, so that one who opens many hurts
 * no other.
 */
import type { Cancel, Timers } from './env/env.js'

/** A connection that can be ended. */
export interface Unfinished {
  destroy(): void
}

interface Waiting {
  readonly remote: string
  readonly source: string
  readonly socket: Unfinished
  readonly cancel: Cancel
}

export interface HandshakeLimits {
  readonly deadlineMillis: number
  readonly maxWaiting: number
  /** What they have to finish; absent: their TLS handshake. */
  readonly what?: string
}

export class Handshakes {
  readonly #timers: Pick<Timers, 'after'>
  readonly #limits: HandshakeLimits
  readonly #failed: (remote: string, reason: string) => void
  /** By remote address and port. */
  readonly #waiting = new Map<string, Waiting>()
  /** By sender, in the order they came. */
  readonly #bySource = new Map<string, Set<Waiting>>()

  /** @param failed is told of each that did not get through */
  constructor(
    timers: Pick<Timers, 'after'>,
    limits: HandshakeLimits,
    failed: (remote: string, reason: string) => void,
  ) {
    this.#timers = timers
    this.#limits = limits
    this.#failed = failed
  }

  get size(): number {
    return this.#waiting.size
  }

  /** A connection has come. @param remote address and port of the other end */
  began(remote: string, socket: Unfinished): void {
    const source = remote.replace(/:\d+$/, '')
    const { deadlineMillis, maxWaiting, what = 'TLS handshake' } = this.#limits
    const cancel = this.#timers.after(deadlineMillis, () =>
      this.#end(remote, `no ${what} within ${deadlineMillis / 1_000} s`),
    )
    const one: Waiting = { remote, source, socket, cancel }
    this.#waiting.set(remote, one)
    const others = this.#bySource.get(source) ?? new Set()
    this.#bySource.set(source, others.add(one))
    if (this.#waiting.size > maxWaiting) this.#endOne()
  }

  /** It has closed; told when it was not through. */
  closed(remote: string, reason: string): void {
    if (!this.#waiting.has(remote)) return
    this.ended(remote)
    this.#failed(remote, reason)
  }

  /** It is through. */
  ended(remote: string): void {
    const one = this.#waiting.get(remote)
    if (one === undefined) return
    one.cancel()
    this.#waiting.delete(remote)
    const others = this.#bySource.get(one.source)
    others?.delete(one)
    if (others?.size === 0) this.#bySource.delete(one.source)
  }

  #endOne(): void {
    let most: Set<Waiting> | undefined
    for (const each of this.#bySource.values()) if (each.size > (most?.size ?? 0)) most = each
    const [oldest] = most ?? []
    const { what = 'TLS handshake' } = this.#limits
    if (oldest) this.#end(oldest.remote, `too many connections wait for their ${what}`)
  }

  #end(remote: string, reason: string): void {
    const one = this.#waiting.get(remote)
    if (one === undefined) return
    this.ended(remote)
    one.socket.destroy()
    this.#failed(remote, reason)
  }
}
