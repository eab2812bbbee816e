/** The broadcast tree: one way between any two switches, so that a flooded frame arrives once. */
import type { Graph } from '../graph.js'

/**
 * A breadth-first tree of every connected part, rooted at its lowest dpid.
 *
 * @returns the links of the tree, in both directions, as indexes
 */
export const broadcastTree = (graph: Graph): ReadonlySet<number> => {
  const tree = new Set<number>()
  const isSeen = new Uint8Array(graph.nodes.length)
  for (let root = 0; root < graph.nodes.length; root++) {
    if (isSeen[root]) continue
    isSeen[root] = 1
    const queue = [root]
    for (let head = 0; head < queue.length; head++)
      growFrom(graph, queue[head]!, isSeen, queue, tree)
  }
  return tree
}

const growFrom = (
  graph: Graph,
  node: number,
  isSeen: Uint8Array,
  queue: number[],
  tree: Set<number>,
): void => {
  for (let link = graph.first[node]!; link < graph.first[node + 1]!; link++) {
    const next = graph.target[link]!
    if (isSeen[next]) continue
    const back = graph.reverse[link]!
    if (back < 0) continue
    isSeen[next] = 1
    tree.add(link).add(back)
    queue.push(next)
  }
}
