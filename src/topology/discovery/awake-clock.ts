/**
 * Time that stands still while we do: when a tick comes late, because the machine or the program was busy,
 * answers that came meanwhile are not read yet. Deadlines in this time do not blame the network for that.
 */
import type { Clock } from '../../base/env/env.js'

export class AwakeClock {
  readonly #clock: Clock
  readonly #tickMillis: number
  #lostMillis = 0
  #tickedMillis: number

  constructor(clock: Clock, tickMillis: number) {
    this.#clock = clock
    this.#tickMillis = tickMillis
    this.#tickedMillis = clock.nowMillis()
  }

  /** To be called by the timer, each period. */
  tick(): void {
    const now = this.#clock.nowMillis()
    this.#lostMillis += this.#lateMillis(now)
    this.#tickedMillis = now
  }

  nowMillis(): number {
    const now = this.#clock.nowMillis()
    return now - this.#lostMillis - this.#lateMillis(now)
  }

  /** Half a period late is how timers are. */
  #lateMillis(now: number): number {
    return Math.max(0, now - this.#tickedMillis - 1.5 * this.#tickMillis)
  }
}
