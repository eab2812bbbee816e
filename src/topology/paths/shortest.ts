/** Shortest distances from or to one switch, and the equal-cost next hops that lead there. */
import type { Graph } from '../graph.js'
import { Heap } from './heap.js'

export interface SearchOptions {
  /** By link, instead of the graph's; Infinity leaves a link out. */
  readonly cost?: Float64Array
  /** The search may end when this node is reached; nodes that lie further away stay wrong or Infinity. */
  readonly until?: number
  /** To use again rather than make anew. */
  readonly heap?: Heap
  readonly into?: Float64Array
}

/**
 * The distance of every node *to* `to`.
 *
 * @returns by node index; Infinity where there is no way. O(E log V)
 */
export const distancesTo = (
  graph: Graph,
  to: number,
  options: SearchOptions = {},
): Float64Array => {
  const { distance, heap, cost } = begin(graph, to, options)
  const { firstArriving, arriving, source } = graph
  for (let node = heap.pop(); node >= 0 && node !== options.until; node = heap.pop()) {
    const here = distance[node]!
    const end = firstArriving[node + 1]!
    for (let at = firstArriving[node]!; at < end; at++) {
      const link = arriving[at]!
      const through = here + cost[link]!
      const before = source[link]!
      if (through < distance[before]!) {
        distance[before] = through
        heap.push(before, through)
      }
    }
  }
  heap.clear()
  return distance
}

/** The distance of every node *from* `from`; otherwise as `distancesTo`. */
export const distancesFrom = (
  graph: Graph,
  from: number,
  options: SearchOptions = {},
): Float64Array => {
  const { distance, heap, cost } = begin(graph, from, options)
  const { first, target } = graph
  for (let node = heap.pop(); node >= 0 && node !== options.until; node = heap.pop()) {
    const here = distance[node]!
    const end = first[node + 1]!
    for (let link = first[node]!; link < end; link++) {
      const through = here + cost[link]!
      const after = target[link]!
      if (through < distance[after]!) {
        distance[after] = through
        heap.push(after, through)
      }
    }
  }
  heap.clear()
  return distance
}

const begin = (graph: Graph, root: number, options: SearchOptions) => {
  const count = graph.nodes.length
  const distance = (options.into ?? new Float64Array(count)).fill(Number.POSITIVE_INFINITY)
  const heap = options.heap ?? new Heap(count)
  distance[root] = 0
  heap.push(root, 0)
  return { distance, heap, cost: options.cost ?? graph.cost }
}

/** Indexes of the links of `node` that lie on a shortest path, in the order of their ports. */
export const nextHops = (
  graph: Graph,
  distance: Float64Array,
  node: number,
  cost = graph.cost,
): number[] => {
  const found: number[] = []
  const here = distance[node]!
  if (here === 0 || here === Number.POSITIVE_INFINITY) return found
  for (let link = graph.first[node]!; link < graph.first[node + 1]!; link++)
    if (distance[graph.target[link]!]! + cost[link]! === here) found.push(link)
  return found
}

/** A way from switch to switch, as indexes of links. */
export interface Path {
  readonly links: readonly number[]
  readonly cost: number
}

/** One shortest path, the lowest port winning a tie; undefined when there is none. */
export const shortestPath = (
  graph: Graph,
  from: number,
  to: number,
  options: SearchOptions = {},
): Path | undefined => {
  const cost = options.cost ?? graph.cost
  const distance = distancesTo(graph, to, { ...options, until: from })
  const total = distance[from]!
  if (total === Number.POSITIVE_INFINITY) return undefined
  const links: number[] = []
  for (let node = from; node !== to; ) {
    const link = lowestNextHop(graph, distance, node, cost)
    links.push(link)
    node = graph.target[link]!
  }
  return { links, cost: total }
}

const lowestNextHop = (
  graph: Graph,
  distance: Float64Array,
  node: number,
  cost: Float64Array,
): number => {
  const here = distance[node]!
  let link = graph.first[node]!
  while (distance[graph.target[link]!]! + cost[link]! !== here) link++
  return link
}

/** First the cheaper, then the one of fewer hops, then the one whose links come first. */
export const comparePaths = (a: Path, b: Path): number => {
  if (a.cost !== b.cost) return a.cost - b.cost
  if (a.links.length !== b.links.length) return a.links.length - b.links.length
  const at = a.links.findIndex((link, index) => link !== b.links[index])
  return at < 0 ? 0 : a.links[at]! - b.links[at]!
}

/** The nodes a path passes, both ends with it. */
export const nodesOf = (graph: Graph, from: number, links: readonly number[]): number[] => [
  from,
  ...links.map(link => graph.target[link]!),
]

export const costOf = (links: readonly number[], cost: Float64Array): number =>
  links.reduce((sum, link) => sum + cost[link]!, 0)
