/**
 * The k shortest paths without loops, after Yen (1971) with Lawler's saving: a path that was found by leaving
 * another one at its n-th switch is itself left only from there on.
 */
import { absent, type Graph } from '../graph.js'
import { Heap } from './heap.js'
import { comparePaths, costOf, nodesOf, type Path, shortestPath } from './shortest.js'

interface Candidate extends Path {
  /** How many links it shares with the path it left. */
  readonly spur: number
}

/**
 * @returns at most `count` paths, the best first (see `comparePaths`); each visits no switch twice.
 *   Empty when there is none, or when both ends are one switch. O(count V E log V)
 */
export const shortestPaths = (
  graph: Graph,
  from: number,
  to: number,
  count: number,
  cost: Float64Array = graph.cost,
): Path[] => {
  const heap = new Heap(graph.nodes.length)
  const best = from === to ? undefined : shortestPath(graph, from, to, { cost, heap })
  if (best === undefined || count < 1) return []
  const found: Candidate[] = [{ ...best, spur: 0 }]
  const candidates = new Map<string, Candidate>()
  while (found.length < count) {
    const last = found.at(-1)!
    for (const one of deviations(graph, from, to, last, found, cost, heap))
      candidates.set(one.links.join(), one)
    const next = [...candidates.entries()].sort(([, a], [, b]) => comparePaths(a, b))[0]
    if (next === undefined) break
    candidates.delete(next[0])
    found.push(next[1])
  }
  return found.map(({ links, cost: total }) => ({ links, cost: total }))
}

/** For each switch of `last`: the best way on that no found path with the same beginning takes. */
const deviations = (
  graph: Graph,
  from: number,
  to: number,
  last: Candidate,
  found: readonly Path[],
  cost: Float64Array,
  heap: Heap,
): Candidate[] => {
  const results: Candidate[] = []
  const nodes = nodesOf(graph, from, last.links)
  const open = cost.slice()
  for (let at = 0; at < last.spur; at++) closeNode(graph, open, nodes[at]!)
  for (let spur = last.spur; spur < last.links.length; spur++) {
    const root = last.links.slice(0, spur)
    const closed = found
      .filter(path => root.every((link, index) => path.links[index] === link))
      .map(path => path.links[spur]!)
    for (const link of closed) open[link] = absent
    const rest = shortestPath(graph, nodes[spur]!, to, { cost: open, heap })
    if (rest)
      results.push({
        links: [...root, ...rest.links],
        cost: costOf(root, cost) + rest.cost,
        spur,
      })
    closeNode(graph, open, nodes[spur]!)
  }
  return results
}

/** No way leads through a switch any more; it is on the way already. */
const closeNode = (graph: Graph, open: Float64Array, node: number): void => {
  for (let link = graph.first[node]!; link < graph.first[node + 1]!; link++) open[link] = absent
  for (let at = graph.firstArriving[node]!; at < graph.firstArriving[node + 1]!; at++)
    open[graph.arriving[at]!] = absent
}
