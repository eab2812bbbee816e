/** What this process costs, and how late its event loop is. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Cancel, Timers } from './env.js'

export interface ProcessFigures {
  readonly cpuSeconds: number
  readonly residentBytes: number
  readonly heapBytes: number
  /** Seconds that a timer came late, in the last ten that are over: half of them, 99 of 100, the worst. */
  readonly delays: { readonly half: number; readonly most: number; readonly worst: number }
}

const windowMillis = 10_000
const nano = 1e9

export class ProcessWatch {
  readonly #histogram = monitorEventLoopDelay({ resolution: 10 })
  readonly #cancel: Cancel
  #delays = { half: 0, most: 0, worst: 0 }

  constructor(timers: Pick<Timers, 'every'>) {
    this.#histogram.enable()
    this.#cancel = timers.every(windowMillis, () => {
      this.#delays = {
        half: this.#histogram.percentile(50) / nano,
        most: this.#histogram.percentile(99) / nano,
        worst: this.#histogram.max / nano,
      }
      this.#histogram.reset()
    })
  }

  get figures(): ProcessFigures {
    const { user, system } = process.cpuUsage()
    const { rss, heapUsed } = process.memoryUsage()
    return {
      cpuSeconds: (user + system) / 1e6,
      residentBytes: rss,
      heapBytes: heapUsed,
      delays: this.#delays,
    }
  }

  stop(): void {
    this.#cancel()
    this.#histogram.disable()
  }
}
