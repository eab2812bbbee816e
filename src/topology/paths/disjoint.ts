/**
 * Two ways that share no link, or no switch but their ends, of the lowest cost together: a flow of two units
 * of least cost, found as Suurballe does (two searches, the second with costs reduced by the first's distances).
 *
 * For ways that share no switch each switch is split in two, with one arc between:
 *
 *     node n:   in = 2n ── arc ──> out = 2n + 1        a link u -> v:   out of u ──> in of v
 */
import { absent, type Graph } from '../graph.js'
import { Heap } from './heap.js'
import { comparePaths, costOf, nodesOf, type Path } from './shortest.js'

/**
 * @returns the cheaper way first; undefined when there are no two such ways. O(E log V)
 */
export const disjointPair = (
  graph: Graph,
  from: number,
  to: number,
  sharesNo: 'link' | 'node',
  cost: Float64Array = graph.cost,
): readonly [Path, Path] | undefined => {
  if (from === to) return undefined
  const net = sharesNo === 'link' ? linkNet(graph, cost) : nodeNet(graph, from, to, cost)
  const [start, end] = sharesNo === 'link' ? [from, to] : [2 * from + 1, 2 * to]
  const potential = new Float64Array(net.size)
  if (!augment(net, start, end, potential) || !augment(net, start, end, potential)) return undefined
  const paths = [unwind(net, graph, from, to), unwind(net, graph, from, to)].map(links => ({
    links,
    cost: costOf(links, cost),
  }))
  paths.sort(comparePaths)
  return [paths[0]!, paths[1]!]
}

/**
 * Two ways that both pass these nodes, in this order, and share no link; with `node` no switch either but those and the
 * ends. Leg by leg: the next leg leaves out what the legs before took, so a pair may be missed where legs compete.
 */
export const disjointPairThrough = (
  graph: Graph,
  from: number,
  to: number,
  waypoints: readonly number[],
  sharesNo: 'link' | 'node',
  cost: Float64Array = graph.cost,
): readonly [Path, Path] | undefined => {
  const stops = [from, ...waypoints, to].filter((stop, at, all) => stop !== all[at - 1])
  if (new Set(stops).size !== stops.length) return undefined
  const open = cost.slice()
  const ways: [number[], number[]] = [[], []]
  for (let leg = 0; leg + 1 < stops.length; leg++) {
    const [start, end] = [stops[leg]!, stops[leg + 1]!]
    const others = new Set(stops.filter(stop => stop !== start && stop !== end))
    const legCost = open.map((each, link) =>
      others.has(graph.source[link]!) || others.has(graph.target[link]!) ? absent : each,
    )
    const pair = disjointPair(graph, start, end, sharesNo, legCost)
    if (pair === undefined) return undefined
    for (const [side, { links }] of pair.entries()) {
      ways[side]!.push(...links)
      close(graph, open, links, sharesNo)
    }
  }
  const isSimple = ways.every(links => {
    const nodes = nodesOf(graph, from, links)
    return new Set(nodes).size === nodes.length
  })
  if (!isSimple) return undefined
  const paths = ways.map(links => ({ links, cost: costOf(links, cost) })).sort(comparePaths)
  return [paths[0]!, paths[1]!]
}

/** No leg after this one takes these cables, in either direction; nor, for `node`, the switches between them. */
const close = (
  graph: Graph,
  open: Float64Array,
  links: readonly number[],
  sharesNo: 'link' | 'node',
): void => {
  for (const link of links) {
    open[link] = absent
    if (graph.reverse[link]! >= 0) open[graph.reverse[link]!] = absent
  }
  if (sharesNo === 'link') return
  for (const link of links.slice(0, -1)) {
    const node = graph.target[link]!
    for (let each = graph.first[node]!; each < graph.first[node + 1]!; each++) open[each] = absent
    for (let at = graph.firstArriving[node]!; at < graph.firstArriving[node + 1]!; at++)
      open[graph.arriving[at]!] = absent
  }
}

/** Arcs in pairs: `2i` is there, `2i + 1` the way back, open when the first is used. */
interface Net {
  readonly size: number
  readonly head: number[]
  readonly cost: number[]
  readonly capacity: number[]
  readonly leaving: number[][]
  /** The graph's link of an arc pair, -1 for the inside of a switch. */
  readonly link: number[]
}

const emptyNet = (size: number): Net => ({
  size,
  head: [],
  cost: [],
  capacity: [],
  leaving: Array.from({ length: size }, () => []),
  link: [],
})

const addArc = (net: Net, tail: number, head: number, cost: number, link: number): void => {
  const arc = net.head.length
  net.head.push(head, tail)
  net.cost.push(cost, -cost)
  net.capacity.push(1, 0)
  net.link.push(link)
  net.leaving[tail]!.push(arc)
  net.leaving[head]!.push(arc + 1)
}

const linkNet = (graph: Graph, cost: Float64Array): Net => {
  const net = emptyNet(graph.nodes.length)
  for (let link = 0; link < cost.length; link++)
    if (cost[link]! < Number.POSITIVE_INFINITY)
      addArc(net, graph.source[link]!, graph.target[link]!, cost[link]!, link)
  return net
}

const nodeNet = (graph: Graph, from: number, to: number, cost: Float64Array): Net => {
  const net = emptyNet(graph.nodes.length * 2)
  for (let node = 0; node < graph.nodes.length; node++)
    if (node !== from && node !== to) addArc(net, 2 * node, 2 * node + 1, 0, -1)
  for (let link = 0; link < cost.length; link++)
    if (cost[link]! < Number.POSITIVE_INFINITY)
      addArc(net, 2 * graph.source[link]! + 1, 2 * graph.target[link]!, cost[link]!, link)
  return net
}

/** Sends one unit by the cheapest way that is open; `potential` keeps the costs of open arcs from being negative. */
const augment = (net: Net, start: number, end: number, potential: Float64Array): boolean => {
  const distance = new Float64Array(net.size).fill(Number.POSITIVE_INFINITY)
  const by = new Int32Array(net.size).fill(-1)
  const heap = new Heap(net.size)
  distance[start] = 0
  heap.push(start, 0)
  for (let node = heap.pop(); node >= 0; node = heap.pop()) {
    for (const arc of net.leaving[node]!) {
      if (net.capacity[arc] === 0) continue
      const head = net.head[arc]!
      const through = distance[node]! + net.cost[arc]! + potential[node]! - potential[head]!
      if (through >= distance[head]!) continue
      distance[head] = through
      by[head] = arc
      heap.push(head, through)
    }
  }
  const total = distance[end]!
  if (total === Number.POSITIVE_INFINITY) return false
  for (let node = 0; node < net.size; node++)
    potential[node] = potential[node]! + Math.min(distance[node]!, total)
  for (let node = end; node !== start; ) {
    const arc = by[node]!
    net.capacity[arc]! -= 1
    net.capacity[arc ^ 1]! += 1
    node = net.head[arc ^ 1]!
  }
  return true
}

/** Follows used arcs from start to end, and takes them out. */
const unwind = (net: Net, graph: Graph, from: number, to: number): number[] => {
  const links: number[] = []
  const isSplit = net.size !== graph.nodes.length
  for (let node = from; node !== to; ) {
    const place = isSplit ? 2 * node + 1 : node
    const arc = net.leaving[place]!.find(
      each => (each & 1) === 0 && net.capacity[each] === 0 && net.link[each >> 1]! >= 0,
    )!
    net.capacity[arc] = 1
    const link = net.link[arc >> 1]!
    links.push(link)
    node = graph.target[link]!
  }
  return links
}
