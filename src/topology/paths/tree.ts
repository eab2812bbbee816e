/** The broadcast tree: one way between any two switches, so that a flooded frame arrives once. */
import { absent, type Graph } from '../graph.js'
import { portKey } from '../model.js'

/**
 * A spanning tree of every connected part. Links of the tree before stay as long as they are there, so that
 * a link that comes changes nothing and a link that goes costs one other; where there was none, the tree grows breadth-first
 * from the lowest dpid, over the cheapest links first.
 *
 * @returns where the links of the tree begin (`dpid/port`), both directions of each
 */
export const broadcastTree = (
  graph: Graph,
  before: ReadonlySet<string> = new Set(),
): ReadonlySet<string> => {
  const parts = new Parts(graph.nodes.length)
  const tree = new Set<string>()
  const add = (link: number): void => {
    const back = graph.reverse[link]!
    if (back < 0 || graph.cost[link] === absent || graph.cost[back] === absent) return
    if (!parts.join(graph.source[link]!, graph.target[link]!)) return
    tree.add(portKey(graph.links[link]!.from)).add(portKey(graph.links[back]!.from))
  }
  for (let link = 0; link < graph.links.length; link++)
    if (before.has(portKey(graph.links[link]!.from))) add(link)
  for (const link of breadthFirst(graph)) add(link)
  return tree
}

/** Links by the distance of their nearer end from the lowest dpid of their part, the cheaper first. */
const breadthFirst = (graph: Graph): number[] => {
  const depth = depths(graph)
  const rank = (link: number) => Math.min(depth[graph.source[link]!]!, depth[graph.target[link]!]!)
  return [...graph.links.keys()].sort(
    (a, b) => graph.cost[a]! - graph.cost[b]! || rank(a) - rank(b) || a - b,
  )
}

const depths = (graph: Graph): Int32Array => {
  const depth = new Int32Array(graph.nodes.length).fill(-1)
  for (let root = 0; root < graph.nodes.length; root++) {
    if (depth[root] !== -1) continue
    depth[root] = 0
    const queue = [root]
    for (let head = 0; head < queue.length; head++) {
      const node = queue[head]!
      for (let link = graph.first[node]!; link < graph.first[node + 1]!; link++) {
        const next = graph.target[link]!
        if (depth[next] !== -1 || graph.cost[link] === absent) continue
        depth[next] = depth[node]! + 1
        queue.push(next)
      }
    }
  }
  return depth
}

/** Which nodes are connected already. */
class Parts {
  readonly #parent: Uint32Array

  constructor(count: number) {
    this.#parent = Uint32Array.from({ length: count }, (_, index) => index)
  }

  /** False when they were one part before. */
  join(a: number, b: number): boolean {
    const [rootA, rootB] = [this.#root(a), this.#root(b)]
    this.#parent[Math.max(rootA, rootB)] = Math.min(rootA, rootB)
    return rootA !== rootB
  }

  #root(node: number): number {
    let at = node
    while (this.#parent[at] !== at) {
      this.#parent[at] = this.#parent[this.#parent[at]!]!
      at = this.#parent[at]!
    }
    return at
  }
}
