/**
 * How many packets of one switch are looked at each second, so that a switch, or a host behind one without
 * meters, cannot take the time of all others (M7). Each kind has a bucket of its own: a flood of rejections hides
 * no log line, and takes no link away.
 */
import type { Clock } from '../../base/env/env.js'
import { RateLimit } from '../../base/rate-limit.js'
import { type PuntKind, puntKinds } from '../../nfv/function.js'

export interface PuntLimits {
  /** Of each kind but probes, a second and switch; as many may come at once. */
  readonly packetsPerSecond: number
  /** Discovery frames, a second and switch. */
  readonly probesPerSecond: number
}

export const puntLimits: PuntLimits = { packetsPerSecond: 4_000, probesPerSecond: 4_000 }

const tellPauseMillis = 10_000

export class PuntLimit {
  readonly #clock: Clock
  readonly #buckets: ReadonlyMap<PuntKind, RateLimit>
  readonly #tell: (dropped: number) => void
  #dropped = 0
  #toldMillis = Number.NEGATIVE_INFINITY

  /** @param tell how many were dropped since it was told last; at most once in ten seconds */
  constructor(clock: Clock, limits: PuntLimits, tell: (dropped: number) => void) {
    this.#clock = clock
    const rateOf = (kind: PuntKind) =>
      kind === 'probes' ? limits.probesPerSecond : limits.packetsPerSecond
    this.#buckets = new Map(
      puntKinds.map(kind => [kind, new RateLimit(clock, rateOf(kind), rateOf(kind))]),
    )
    this.#tell = tell
  }

  /** False when this one is too many. */
  take(kind: PuntKind): boolean {
    if (this.#buckets.get(kind)!.take()) return true
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
