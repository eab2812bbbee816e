/**
 * What is legal and yet most likely a mistake: rules that can never speak, rules that change nothing,
 * rules whose order matters silently, rules that allow too much, names that nobody uses.
 */
import type { Facts } from '../environment.js'
import { type IsOver, maxLintSteps } from '../limits.js'
import type { PolicyInput } from '../load.js'
import type { Resolved } from '../resolved.js'
import { lintDefaults, lintNames } from './names.js'
import { lintOverlaps } from './overlaps.js'
import { byPlace, type Remark } from './remark.js'
import { lintUnseen } from './unseen.js'
import { lintWide } from './wide.js'

export { lintHits } from './hits.js'
export { formatRemark, type Remark, type RemarkKind } from './remark.js'

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
    ...lintOverlaps(resolved, facts, maxLintSteps, isOver),
    ...lintUnseen(resolved),
    ...lintWide(resolved),
  ].sort(byPlace)
