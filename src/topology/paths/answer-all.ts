/** The way from every switch to every other, for whoever asks: a page of switches at a time, so that it stays small. */

import type { Dpid } from '../../base/addresses.js'
import { Failure } from '../../base/failures.js'
import { absent, buildGraph, type Graph } from '../graph.js'
import type { Topology } from '../model.js'
import type { CostKind } from './cost-kinds.js'
import { costFunction } from './costs.js'
import { distancesFrom } from './shortest.js'

export interface AllPathsQuestion {
  readonly cost: CostKind
  /** By name or dpid: only from this switch. */
  readonly from?: string
  /** By dpid: only from switches behind this one. */
  readonly after?: string
  /** Switches on a page. */
  readonly limit: number
}

export interface PathFromTo {
  readonly to: string
  readonly cost: number
  /** Names of the switches on the way, both ends with them. */
  readonly path: readonly string[]
}

export interface AllPathsAnswer {
  readonly costKind: CostKind
  readonly items: readonly {
    readonly from: string
    readonly dpid: Dpid
    /** In the order of dpids; what cannot be reached is absent. */
    readonly paths: readonly PathFromTo[]
  }[]
  /** What `after` is for the next page; absent on the last. */
  readonly next?: Dpid
}

/** @throws {Failure} `no-such-switch` for a switch that is not known. O(limit x E log V) */
export const answerAllPaths = (
  topology: Topology,
  { cost, from, after, limit }: AllPathsQuestion,
): AllPathsAnswer => {
  const graph = buildGraph(topology, costFunction(cost))
  const nameOf = (node: number) =>
    topology.switches.get(graph.nodes[node]!)?.name ?? graph.nodes[node]!
  const wanted = graph.nodes
    .map((dpid, node) => ({ dpid, node }))
    .filter(({ dpid, node }) => from === undefined || from === dpid || from === nameOf(node))
  if (from !== undefined && wanted.length === 0) throw new Failure('no-such-switch', { name: from })
  const rest = wanted.filter(({ dpid }) => after === undefined || dpid > after)
  const page = rest.slice(0, limit)
  const last = page.at(-1)
  return {
    costKind: cost,
    items: page.map(({ dpid, node }) => ({
      from: nameOf(node),
      dpid,
      paths: pathsFrom(graph, node, nameOf),
    })),
    ...(last && rest.length > page.length && { next: last.dpid }),
  }
}

const pathsFrom = (graph: Graph, from: number, nameOf: (node: number) => string): PathFromTo[] => {
  const distance = distancesFrom(graph, from)
  const before = predecessors(graph, from, distance)
  const found: PathFromTo[] = []
  for (const to of graph.nodes.keys()) {
    if (to === from || distance[to] === absent) continue
    const path: string[] = []
    for (let node = to; node !== from; node = before[node]!) path.push(nameOf(node))
    found.push({ to: nameOf(to), cost: distance[to]!, path: [nameOf(from), ...path.reverse()] })
  }
  return found
}

/** The node before each on a shortest path, the link of the lowest number among equals. */
const predecessors = (graph: Graph, from: number, distance: Float64Array): Int32Array => {
  const before = new Int32Array(graph.nodes.length).fill(-1)
  for (const [link, source] of graph.source.entries()) {
    const target = graph.target[link]!
    const isOn = distance[source]! + graph.cost[link]! === distance[target]!
    if (isOn && distance[source] !== absent && target !== from && before[target] === -1)
      before[target] = source
  }
  return before
}
