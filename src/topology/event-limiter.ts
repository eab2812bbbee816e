/** Events that an attacker can cause at will: the first of a kind is told at once, the others as a number. */
import type { Env } from '../base/env/env.js'
import type { NetworkEvent } from '../base/events.js'

/** Those that say how often they were left out. */
export type LimitedEvent = WithCount<NetworkEvent>
type WithCount<E> = E extends unknown ? ('timesMore' extends keyof E ? E : never) : never

const pauseMillis = 5_000
/** Kinds of events that are remembered at once; one more clears what has no count. */
const maxKinds = 10_000

export class EventLimiter {
  readonly #env: Pick<Env, 'clock'>
  readonly #tell: (event: LimitedEvent) => void
  readonly #held = new Map<string, { event: LimitedEvent; count: number; untilMillis: number }>()

  constructor(env: Pick<Env, 'clock'>, tell: (event: LimitedEvent) => void) {
    this.#env = env
    this.#tell = tell
  }

  add(event: LimitedEvent): void {
    const key = JSON.stringify(event)
    const held = this.#held.get(key)
    if (held) {
      held.count++
      return
    }
    if (this.#held.size >= maxKinds) return
    this.#held.set(key, { event, count: 0, untilMillis: this.#env.clock.nowMillis() + pauseMillis })
    this.#tell(event)
  }

  /** Tells how often what was held back has happened. */
  tick(): void {
    const now = this.#env.clock.nowMillis()
    for (const [key, held] of this.#held) {
      if (held.untilMillis > now) continue
      if (held.count === 0) {
        this.#held.delete(key)
        continue
      }
      this.#tell({ ...held.event, timesMore: held.count })
      held.count = 0
      held.untilMillis = now + pauseMillis
    }
  }
}
