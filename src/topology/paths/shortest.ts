/** Shortest distances to one switch, and the equal-cost next hops that lead there. */
import type { Graph } from '../graph.js'
import { Heap } from './heap.js'

/**
 * The distance of every node *to* `to`.
 *
 * @returns by node index; Infinity where there is no way. O(E log V)
 */
export const distancesTo = (graph: Graph, to: number): Float64Array => {
  const distance = new Float64Array(graph.nodes.length).fill(Number.POSITIVE_INFINITY)
  const heap = new Heap(graph.nodes.length)
  distance[to] = 0
  heap.push(to, 0)
  for (let node = heap.pop(); node >= 0; node = heap.pop()) {
    const here = distance[node]!
    const end = graph.firstArriving[node + 1]!
    for (let at = graph.firstArriving[node]!; at < end; at++) {
      const link = graph.arriving[at]!
      const through = here + graph.cost[link]!
      const before = graph.source[link]!
      if (through < distance[before]!) {
        distance[before] = through
        heap.push(before, through)
      }
    }
  }
  return distance
}

/** Sums of fractional costs differ by rounding, not by meaning. */
const tolerance = 1e-9

/** Indexes of the links of `node` that lie on a shortest path, in the order of their ports. */
export const nextHops = (graph: Graph, distance: Float64Array, node: number): number[] => {
  const found: number[] = []
  const here = distance[node]!
  if (here === 0 || here === Number.POSITIVE_INFINITY) return found
  for (let link = graph.first[node]!; link < graph.first[node + 1]!; link++)
    if (distance[graph.target[link]!]! + graph.cost[link]! <= here + tolerance) found.push(link)
  return found
}

/** One shortest path as link indexes, the lowest port winning a tie; undefined when there is none. */
export const shortestPath = (graph: Graph, from: number, to: number): number[] | undefined => {
  const distance = distancesTo(graph, to)
  const path: number[] = []
  for (let node = from; node !== to; ) {
    const link = nextHops(graph, distance, node)[0]
    if (link === undefined) return undefined
    path.push(link)
    node = graph.target[link]!
  }
  return path
}
