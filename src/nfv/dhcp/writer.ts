/** Puts leases into the store, those of one turn together; who may use an address is known only when it is durable. */
import type { Timers } from '../../base/env/env.js'
import type { FunctionStore, KeptChange } from '../kept.js'

interface Waiting {
  readonly changes: readonly KeptChange[]
  readonly done: (revision: number | undefined) => void
  readonly failed: (error: unknown) => void
}

/** Changes in one transaction. */
const batchSize = 256

export class LeaseWriter {
  readonly #store: FunctionStore
  readonly #timers: Timers
  #waiting: Waiting[] = []
  #isRunning = false

  constructor(store: FunctionStore, timers: Timers) {
    this.#store = store
    this.#timers = timers
  }

  /**
   * All of the changes or none.
   *
   * @returns the revision; undefined when somebody else has written one of the keys
   * @throws {Failure} `store-failed`
   */
  write(changes: readonly KeptChange[]): Promise<number | undefined> {
    return new Promise((done, failed) => {
      this.#waiting.push({ changes, done, failed })
      if (this.#isRunning) return
      this.#isRunning = true
      this.#timers.soon(() => void this.#run())
    })
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, batchSize)
      // Two that want the same key cannot both be right: the second is asked by itself.
      const keys = new Set<string>()
      const together = batch.filter(({ changes }) => {
        const isFirst = changes.every(({ key }) => !keys.has(key))
        for (const { key } of changes) keys.add(key)
        return isFirst
      })
      const alone = batch.filter(each => !together.includes(each))
      if (!(await this.#put(together))) alone.unshift(...together)
      for (const each of alone) await this.#put([each], true)
    }
    this.#isRunning = false
  }

  /** @returns false when it has to be tried one by one */
  async #put(batch: readonly Waiting[], isLast = batch.length === 1): Promise<boolean> {
    try {
      const revision = await this.#store.write(batch.flatMap(({ changes }) => changes))
      if (revision === undefined && !isLast) return false
      for (const { done } of batch) done(revision)
    } catch (error) {
      for (const { failed } of batch) failed(error)
    }
    return true
  }
}
