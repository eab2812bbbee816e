/**
 * What is legal and yet most likely a mistake: rules that can never speak, rules that change nothing,
 * rules whose order matters silently, rules that allow too much, names that nobody uses.
 */
import type { Facts } from '../meaning/environment.js'
import type { Resolved } from '../meaning/resolved.js'
import { type IsOver, maxLintSteps } from '../text/limits.js'
import type { PolicyInput } from '../text/load.js'
import { knowingSections } from './moves.js'
import { lintDefaults, lintNames, lintPortNames } from './names.js'
import { lintOverlaps } from './overlaps.js'
import { byPlace, type Remark } from './remark.js'
import { lintUnseen } from './unseen.js'
import { lintWide } from './wide.js'

export { lintHits } from './hits.js'
export { formatRemark, type Remark, type RemarkKind } from './remark.js'

/** What a policy says and the switches do not do, or do not do where one may think: told whenever it is applied. */
export const lintEnforced = (policy: PolicyInput, { tiers }: Resolved, facts: Facts): Remark[] => {
  const own = tiers.map(tier => tier.filter(({ rule }) => rule.policy === policy.name))
  return [...lintPortNames(policy, facts), ...lintUnseen({ tiers: own })].sort(byPlace)
}

/** Remarks in the order of the files' lines. Conflicts are told for the first 50 pairs of a tier. */
export const lint = (
  policies: readonly PolicyInput[],
  resolved: Resolved,
  facts: Facts,
  isOver?: IsOver,
): Remark[] =>
  [
    ...policies.flatMap(policy => lintNames(policy, facts)),
    ...lintDefaults(policies),
    ...knowingSections(lintOverlaps(resolved, facts, maxLintSteps, isOver), policies),
    ...lintUnseen(resolved),
    ...lintWide(resolved),
  ].sort(byPlace)
