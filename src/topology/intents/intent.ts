/**
 * An intent: traffic between two hosts takes the path that somebody asked for, in both directions the same one.
 * Where it does not lead, or as long as there is none, traffic goes as all other does: an intent never cuts anybody off.
 */
import type { Dpid } from '../../base/addresses.js'
import { buildGraph, type Graph } from '../graph.js'
import type { Host, Topology } from '../model.js'
import { type Conditions, constrainedPath, openCosts } from '../paths/constrained.js'
import { type CostKind, costFunction } from '../paths/costs.js'
import { disjointPair } from '../paths/disjoint.js'
import { nodesOf, type Path } from '../paths/shortest.js'

export interface Intent {
  readonly name: string
  /** Hosts by name, MAC or address. */
  readonly from: string
  readonly to: string
  readonly cost: CostKind
  /** Switches, by name or dpid. */
  readonly avoid: readonly string[]
  readonly through: readonly string[]
  readonly maxLatencyMillis?: number
  readonly minBandwidthKbps?: number
  readonly withTags: readonly string[]
  readonly withoutTags: readonly string[]
  /** disjoint: a second path without a switch in common takes over in the switch where the first begins. */
  readonly protection: 'none' | 'disjoint'
}

/** Ports of one switch on a path, from the first host to the second. */
export interface IntentHop {
  readonly dpid: Dpid
  readonly inPort: number
  readonly outPort: number
}

export interface RoutedIntent {
  readonly intent: Intent
  readonly from: Host
  readonly to: Host
  readonly path: readonly IntentHop[]
  /** The other one of a disjoint pair. */
  readonly backup: readonly IntentHop[] | undefined
}

/** degraded: a path, but not the protection that was asked for · failed: no path, and why. */
export type IntentResult =
  | {
      readonly state: 'routed' | 'degraded'
      readonly reason?: string
      readonly route: RoutedIntent
    }
  | { readonly state: 'failed'; readonly reason: string }

/** Where an intent leads now. Pure, and the same for equal input. */
export const routeIntent = (topology: Topology, intent: Intent): IntentResult => {
  const ends = [intent.from, intent.to].map(text => hostNamed(topology, text))
  const [from, to] = ends
  if (from === undefined || to === undefined)
    return failed(`no host ${from === undefined ? intent.from : intent.to} is known`)
  if (from.network !== to.network) return failed('the hosts are in different networks')
  const graph = buildGraph(topology, costFunction(intent.cost))
  const [start, end] = [from, to].map(host => graph.nodeByDpid.get(host.at.dpid))
  if (start === undefined || end === undefined) return failed('a switch of the hosts is not known')
  const conditions = conditionsOf(topology, graph, intent)
  if (typeof conditions === 'string') return failed(conditions)
  const pair =
    intent.protection === 'disjoint' ? protectedPair(graph, start, end, conditions) : undefined
  const best = pair?.[0] ?? constrainedPath(graph, start, end, conditions)
  if (best === 'none') return failed('no path keeps the conditions')
  if (best === 'too-hard') return failed('no path was found in time')
  const hops = (path: Path) => hopsOf(graph, start, path, from, to)
  const route = { intent, from, to, path: hops(best), backup: pair && hops(pair[1]) }
  if (intent.protection === 'disjoint' && pair === undefined)
    return { state: 'degraded', reason: 'no two paths without a switch in common', route }
  return { state: 'routed', route }
}

const failed = (reason: string): IntentResult => ({ state: 'failed', reason })

/** Both paths keep the conditions on single links; the pair is the cheapest, and each keeps the bound of latency. */
const protectedPair = (
  graph: Graph,
  from: number,
  to: number,
  conditions: Conditions,
): readonly [Path, Path] | undefined => {
  const { waypoints = [], maxLatencyMillis = Number.POSITIVE_INFINITY } = conditions
  const pair = disjointPair(graph, from, to, 'node', openCosts(graph, conditions))
  if (pair === undefined) return undefined
  const isKept = pair.every(({ links }) => {
    const nodes = nodesOf(graph, from, links)
    const latency = links.reduce((sum, link) => sum + (graph.links[link]!.latencyMillis ?? 0), 0)
    return latency <= maxLatencyMillis && waypoints.every(node => nodes.includes(node))
  })
  return isKept ? pair : undefined
}

const hostNamed = (topology: Topology, text: string): Host | undefined =>
  [...topology.hosts.values()].find(
    host =>
      host.name === text ||
      host.mac === text.toLowerCase() ||
      (host.ips as readonly string[]).includes(text.toLowerCase()),
  )

/** In words what is wrong, when a switch is not known. */
const conditionsOf = (topology: Topology, graph: Graph, intent: Intent): Conditions | string => {
  const nodes = new Map<string, number>()
  for (const { name, dpid } of topology.switches.values())
    nodes.set(name, graph.nodeByDpid.get(dpid)!).set(dpid, graph.nodeByDpid.get(dpid)!)
  const unknown = [...intent.avoid, ...intent.through].find(name => !nodes.has(name))
  if (unknown !== undefined) return `no switch ${unknown} is known`
  return {
    avoidNodes: intent.avoid.map(name => nodes.get(name)!),
    ...(intent.through.length > 0 && { waypoints: intent.through.map(name => nodes.get(name)!) }),
    ...(intent.maxLatencyMillis !== undefined && { maxLatencyMillis: intent.maxLatencyMillis }),
    ...(intent.minBandwidthKbps !== undefined && { minBandwidthKbps: intent.minBandwidthKbps }),
    withTags: intent.withTags,
    withoutTags: intent.withoutTags,
  }
}

const hopsOf = (
  graph: Graph,
  start: number,
  { links }: Path,
  from: Host,
  to: Host,
): IntentHop[] => {
  const ends = links.map(link => graph.links[link]!)
  return nodesOf(graph, start, links).map((node, index) => ({
    dpid: graph.nodes[node]!,
    inPort: index === 0 ? from.at.port : ends[index - 1]!.to.port,
    outPort: index === ends.length ? to.at.port : ends[index]!.from.port,
  }))
}
