/** A loop-free alternate, RFC 5286 inequality 1: a neighbour that is nearer to the end than by way of us. */
import { absent, type Graph } from '../graph.js'
import { dampedCost } from '../model.js'

/**
 * The cheapest one, the lowest port among equals; undefined when there is none. Never over a damped link: that
 * comes and goes, and each time the groups would change for nothing.
 *
 * @param cost by link; Infinity leaves it out
 * @param used links that are used
 * @param toEnd distances of all to the end
 * @param toUs distances of all to `from`
 */
export const alternateTo = (
  graph: Graph,
  cost: Float64Array,
  from: number,
  used: readonly number[],
  toEnd: Float64Array,
  toUs: Float64Array,
): number | undefined => {
  const { first, target } = graph
  let best: number | undefined
  let lowest = absent
  for (let link = first[from]!; link < first[from + 1]!; link++) {
    const next = target[link]!
    const through = cost[link]! + toEnd[next]!
    if (used.includes(link) || through >= lowest || cost[link]! >= dampedCost) continue
    if (toEnd[next]! >= toUs[next]! + toEnd[from]!) continue
    best = link
    lowest = through
  }
  return best
}
