/** Token buckets of rules with `limit`: as many at once as the rate counts, and on at the rate. */
import type { Clock } from '../../../base/env/env.js'
import { RateLimit } from '../../../base/rate-limit.js'
import { type Limit, perSecond } from '../text/rule.js'

/** Sources that are told apart for one rule. When all of them have asked lately, others are refused. */
const maxSources = 8_192

interface Bucket {
  readonly limit: RateLimit
  lastMillis: number
}

interface OfRule {
  /** What the buckets were made for. */
  readonly limit: Limit
  readonly buckets: Map<string, Bucket>
}

export class Rates {
  readonly #clock: Clock
  readonly #rules = new Map<number, OfRule>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** False when this one is too many. */
  take(ruleId: number, limit: Limit, source: string): boolean {
    let rule = this.#rules.get(ruleId)
    if (rule === undefined || !isSame(rule.limit, limit)) {
      rule = { limit, buckets: new Map() }
      this.#rules.set(ruleId, rule)
    }
    return this.#bucket(rule, limit.isPerSource ? source : '')?.limit.take() ?? false
  }

  /** Forgets rules that are no more. */
  keep(isThere: (ruleId: number) => boolean): void {
    for (const id of this.#rules.keys()) if (!isThere(id)) this.#rules.delete(id)
  }

  #bucket({ limit, buckets }: OfRule, source: string): Bucket | undefined {
    const now = this.#clock.nowMillis()
    let bucket = buckets.get(source)
    if (bucket === undefined) {
      if (buckets.size >= maxSources) forgetFull(buckets, limit, now)
      if (buckets.size >= maxSources) return undefined
      const { rate } = limit
      bucket = { limit: new RateLimit(this.#clock, perSecond(rate), rate.count), lastMillis: now }
    }
    // The one that asked last stands last.
    buckets.delete(source)
    buckets.set(source, bucket)
    bucket.lastMillis = now
    return bucket
  }
}

/** A bucket that nobody has taken from for a whole period is full: a new one would be the same. */
const forgetFull = (buckets: Map<string, Bucket>, { rate }: Limit, nowMillis: number): void => {
  const periodMillis = (rate.count / perSecond(rate)) * 1_000
  for (const [source, { lastMillis }] of buckets) {
    if (nowMillis - lastMillis < periodMillis) return
    buckets.delete(source)
  }
}

const isSame = (a: Limit, b: Limit): boolean =>
  a.isPerSource === b.isPerSource && a.rate.count === b.rate.count && a.rate.per === b.rate.per
