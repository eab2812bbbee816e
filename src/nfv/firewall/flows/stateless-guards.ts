/**
 * Stateless rules are asked before all others, since their packets are never tracked. So that the first rule that
 * matches wins all the same, rules above them that shut, or that pass to the next tier, have *guards* among them: what a
 * guard matches is tracked, and asks all rules but the stateless ones.
 */
import { type AddressSet, overlap, rangeCount } from '../meaning/address-set.js'
import { isStateless, type PlacedRule, type ResolvedRule, type Term } from '../meaning/resolved.js'
import type { Effort } from '../text/limits.js'

/** The same guard for the same rule. */
export class Guards {
  readonly #guards = new WeakMap<ResolvedRule, ResolvedRule>()

  /**
   * The stateless rules in their order, each below the guards of what it may meet.
   *
   * @param effort what may be compared; when it is spent, the list is of no use
   */
  among(tiers: readonly (readonly PlacedRule[])[], effort?: Effort): readonly PlacedRule[] {
    if (!tiers.some(rules => rules.some(({ rule }) => isStateless(rule)))) return []
    const list: PlacedRule[] = []
    let above: PlacedRule[] = []
    for (const rules of tiers) {
      for (const placed of rules) {
        if (shuts(placed.rule)) above.push(placed)
        if (!isStateless(placed.rule)) continue
        if (effort?.spend(costOf(placed.rule) * (1 + above.length)) === false) return []
        const [met, rest] = parted(above, one => mayMeet(one.rule, placed.rule))
        for (const one of met) list.push({ ...one, rule: this.#guardOf(one.rule) })
        list.push(placed)
        above = rest
      }
      above = above.filter(({ rule }) => rule.verb !== 'pass')
    }
    return list
  }

  #guardOf(rule: ResolvedRule): ResolvedRule {
    let guard = this.#guards.get(rule)
    if (guard === undefined) {
      const { log: _, ...rest } = rule
      guard = { ...rest, verb: 'pass', isGuard: true }
      this.#guards.set(rule, guard)
    }
    return guard
  }
}

const shuts = ({ verb, isAudit }: ResolvedRule): boolean =>
  !isAudit && (verb === 'drop' || verb === 'reject' || verb === 'pass')

const parted = <T>(list: readonly T[], isMeant: (one: T) => boolean): [T[], T[]] => {
  const parts: [T[], T[]] = [[], []]
  for (const one of list) parts[isMeant(one) ? 0 : 1].push(one)
  return parts
}

/** About how many steps it takes to compare it with another. */
const costOf = ({ from, to, terms }: ResolvedRule): number =>
  1 +
  Math.ceil(
    (rangeCount(from) + rangeCount(to)) / 16 +
      terms.reduce(
        (sum, { source, destination }) =>
          sum + 1 + ((source?.length ?? 0) + (destination?.length ?? 0)) / 4,
        0,
      ),
  )

/** False only when no packet can be of both. */
const mayMeet = (a: ResolvedRule, b: ResolvedRule): boolean =>
  meet(a.from, b.from) &&
  meet(a.to, b.to) &&
  a.terms.some(term => b.terms.some(other => termsMeet(term, other)))

const meet = (a: AddressSet, b: AddressSet): boolean =>
  a === b || overlap(a.v4, b.v4) || overlap(a.v6, b.v6)

const termsMeet = (a: Term, b: Term): boolean =>
  (a.version ?? b.version) === (b.version ?? a.version) &&
  (a.protocol ?? b.protocol) === (b.protocol ?? a.protocol) &&
  portsMeet(a.source, b.source) &&
  portsMeet(a.destination, b.destination)

const portsMeet = (a: Term['source'], b: Term['source']): boolean =>
  a === undefined ||
  b === undefined ||
  a.some(one => b.some(other => one.from <= other.to && one.to >= other.from))
