/** What a link costs, by the choice of whoever asks for a path. */
import { dampedCost, type Link } from '../model.js'
import type { CostKind } from './cost-kinds.js'

/** The lowest latency that counts: a link that is not measured yet is no short cut. */
const leastMillis = 0.01
const unmeasuredMillis = 1

const functions: { readonly [kind in CostKind]: (link: Link) => number } = {
  hops: () => 1,
  latency: link => Math.max(leastMillis, link.latencyMillis ?? unmeasuredMillis),
  // As the delay of a queue grows, 1 / (1 - load), with an end.
  utilisation: link => Math.min(1_000, 1 / Math.max(0.001, 1 - (link.utilisation ?? 0))),
  given: link => link.cost,
}

export const costFunction = (kind: CostKind): ((link: Link) => number) => {
  const cost = functions[kind]
  if (kind === 'given') return cost
  return link => (link.isDamped ? cost(link) + dampedCost : cost(link))
}
