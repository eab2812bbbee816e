/**
 * Damps what flaps, as RFC 2439 does for routes: each fall adds to a penalty that halves with time. Above
 * one mark the thing is held back, below a lower one it is let go again; no longer than a limit in any case.
 */
export interface FlapOptions {
  /** A fall adds 1. */
  readonly suppressAt: number
  readonly reuseAt: number
  readonly halfLifeMillis: number
  readonly limitMillis: number
}

/** From the fourth fall within a few seconds a link is damped, for 15 to 60 s. */
export const defaultFlaps: FlapOptions = {
  suppressAt: 3.5,
  reuseAt: 1.5,
  halfLifeMillis: 15_000,
  limitMillis: 60_000,
}

interface Record {
  penalty: number
  atMillis: number
  heldSinceMillis: number | undefined
}

export class Flaps {
  readonly #options: FlapOptions
  readonly #records = new Map<string, Record>()

  constructor(options: FlapOptions = defaultFlaps) {
    this.#options = options
  }

  /** It fell. Returns true when it is held back from now on. */
  fell(key: string, nowMillis: number): boolean {
    const record = this.#decayed(key, nowMillis) ?? {
      penalty: 0,
      atMillis: nowMillis,
      heldSinceMillis: undefined,
    }
    record.penalty += 1
    this.#records.set(key, record)
    if (record.heldSinceMillis !== undefined || record.penalty < this.#options.suppressAt)
      return false
    record.heldSinceMillis = nowMillis
    return true
  }

  isHeld(key: string): boolean {
    return this.#records.get(key)?.heldSinceMillis !== undefined
  }

  /** Those that are let go now. */
  released(nowMillis: number): string[] {
    const { reuseAt, limitMillis } = this.#options
    const free: string[] = []
    for (const key of this.#records.keys()) {
      const record = this.#decayed(key, nowMillis)!
      const { heldSinceMillis } = record
      const isOver =
        heldSinceMillis !== undefined &&
        (record.penalty < reuseAt || nowMillis - heldSinceMillis >= limitMillis)
      if (isOver) {
        free.push(key)
        record.heldSinceMillis = undefined
        record.penalty = Math.min(record.penalty, reuseAt)
      } else if (heldSinceMillis === undefined && record.penalty < 0.1) this.#records.delete(key)
    }
    return free
  }

  #decayed(key: string, nowMillis: number): Record | undefined {
    const record = this.#records.get(key)
    if (record === undefined) return undefined
    record.penalty *= 0.5 ** ((nowMillis - record.atMillis) / this.#options.halfLifeMillis)
    record.atMillis = nowMillis
    return record
  }
}
