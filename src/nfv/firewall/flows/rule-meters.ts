/**
 * Meters that bound what each rule sends to the controller: one for each rule and reason, so that a flood on one
 * rule cannot hide what another has to say.
 *
 * The number comes from the rule's id, and on from there where it is taken, in the order of the rules. Of
 * one reason there are 4,096 numbers; rules beyond that share one with a rule of the same last twelve bits.
 */
import { type Meter, meterNumber, type Origin } from '../../../pipeline/program.js'
import type { ResolvedRule } from '../meaning/resolved.js'
import { maxAdmissionsPerSecond, perSecond } from '../text/rule.js'

/** Why a rule sends a packet up. */
export type Report = 'log' | 'reject' | 'admit'

/** Lines of a rule that says no rate, on each switch. */
const linesPerSecond = 100
const rejectionsPerSecond = 2_000
/** Of rules that count connections and do not limit their rate. */
const openingsPerSecond = 500

const numbersEach = 0x1000

export class RuleMeters {
  readonly #meters = new Map<number, Meter>()
  readonly #counts = { log: 0, reject: 0, admit: 0 }

  /** The number of the rule's meter. */
  take(report: Report, rule: ResolvedRule): number {
    let id = meterNumber(report, rule.id)
    const isFull = this.#counts[report] >= numbersEach
    for (let next = rule.id + 1; !isFull && this.#meters.has(id); next++)
      id = meterNumber(report, next)
    if (isFull) return id
    this.#counts[report]++
    const rate = rateOf(report, rule)
    this.#meters.set(id, {
      id,
      unit: 'pktps',
      bands: [{ type: 'drop', rate, burstSize: rate }],
      because: because[report],
      origin: originOf(rule),
    })
    return id
  }

  /** By number. */
  all(): readonly Meter[] {
    return [...this.#meters.values()].sort((a, b) => a.id - b.id)
  }
}

const because = {
  log: 'log lines that the rule may cause each second',
  reject: 'rejections that are answered each second',
  admit: 'connections that ask to be admitted each second',
} as const

const originOf = (rule: ResolvedRule): Origin => ({
  kind: 'policy',
  name: `${rule.policy}/${rule.name}`,
})

/** Whole packets a second, at least one: what is slower, and what is asked over all switches, the controller counts. */
const rateOf = (report: Report, rule: ResolvedRule): number => {
  if (report === 'reject') return rejectionsPerSecond
  if (report === 'log')
    return rule.log?.rate ? Math.max(1, Math.ceil(perSecond(rule.log.rate))) : linesPerSecond
  if (rule.limit === undefined) return openingsPerSecond
  return Math.min(maxAdmissionsPerSecond, Math.max(100, Math.ceil(2 * perSecond(rule.limit.rate))))
}
