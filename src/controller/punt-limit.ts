/**
 * How many packets of one switch are looked at each second, so that a switch, or a host behind one without
 * meters, cannot take the time of all others (M7). Discovery has a bucket of its own: a flood takes no link away.
 */
import type { Clock } from '../base/env.js'
import { RateLimit } from './rate-limit.js'

export interface PuntLimits {
  /** Packets that teach, ask, log or reject, a second and switch; as many may come at once. */
  readonly packetsPerSecond: number
  /** Discovery frames, a second and switch. */
  readonly probesPerSecond: number
}

export const puntLimits: PuntLimits = { packetsPerSecond: 4_000, probesPerSecond: 4_000 }

const tellPauseMillis = 10_000

export class PuntLimit {
  readonly #clock: Clock
  readonly #packets: RateLimit
  readonly #probes: RateLimit
  readonly #tell: (dropped: number) => void
  #dropped = 0
  #toldMillis = Number.NEGATIVE_INFINITY

  /** @param tell how many were dropped since it was told last; at most once in ten seconds */
  constructor(clock: Clock, limits: PuntLimits, tell: (dropped: number) => void) {
    this.#clock = clock
    this.#packets = new RateLimit(clock, limits.packetsPerSecond, limits.packetsPerSecond)
    this.#probes = new RateLimit(clock, limits.probesPerSecond, limits.probesPerSecond)
    this.#tell = tell
  }

  /** False when this one is too many. */
  take(isProbe: boolean): boolean {
    if ((isProbe ? this.#probes : this.#packets).take()) return true
    this.#dropped++
    const now = this.#clock.nowMillis()
    if (now - this.#toldMillis >= tellPauseMillis) {
      this.#toldMillis = now
      this.#tell(this.#dropped)
      this.#dropped = 0
    }
    return false
  }
}
