/** A token bucket: so many a second on average, so many at once. */
import type { Clock } from './env/env.js'

export class RateLimit {
  readonly #clock: Clock
  readonly #perMillis: number
  readonly #burst: number
  #tokens: number
  #lastMillis: number

  constructor(clock: Clock, perSecond: number, burst: number) {
    this.#clock = clock
    this.#perMillis = perSecond / 1_000
    this.#burst = burst
    this.#tokens = burst
    this.#lastMillis = clock.nowMillis()
  }

  /** False when there was too much of it; what is more than a burst passes when the bucket is full. */
  take(count = 1): boolean {
    const now = this.#clock.nowMillis()
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#lastMillis) * this.#perMillis)
    this.#lastMillis = now
    if (this.#tokens < Math.min(count, this.#burst)) return false
    this.#tokens -= count
    return true
  }
}
