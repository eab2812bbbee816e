/** Where intents lead now. Pure, and the same for equal input. */

import { buildGraph, type Graph } from '../graph.js'
import type { Host, Topology } from '../model.js'
import { alternateTo } from '../paths/alternate.js'
import { type Conditions, constrainedPath, keeps, openCosts } from '../paths/constrained.js'
import type { CostKind } from '../paths/cost-kinds.js'
import { costFunction } from '../paths/costs.js'
import { disjointPairThrough } from '../paths/disjoint.js'
import { distancesTo, nextHops, nodesOf, type Path } from '../paths/shortest.js'
import { type End, endsOf, everybody } from './ends.js'
import type { Intent } from './intent.js'
import type { Branch, IntentHop, IntentResult, IntentTree, Lane, RoutedIntent } from './lanes.js'

/** Rows that one intent may need in one switch; more is refused with a way out. */
const maxPairs = 20_000

/** The network as intents look at it: a graph for each kind of cost is made once. */
export class IntentView {
  readonly topology: Topology
  readonly #graphs = new Map<CostKind, Graph>()
  /** Who is led already, as `network sender receiver`, and by which intent. */
  readonly #claims = new Map<string, string>()

  constructor(topology: Topology) {
    this.topology = topology
  }

  graph(kind: CostKind): Graph {
    const known = this.#graphs.get(kind) ?? buildGraph(this.topology, costFunction(kind))
    this.#graphs.set(kind, known)
    return known
  }

  /** True the first time; the intent that was first keeps a pair. */
  claim(intent: string, sender: Host | undefined, receiver: Host): boolean {
    const key = `${receiver.network} ${sender?.mac ?? 'any'} ${receiver.mac}`
    if (this.#claims.has(key)) return false
    this.#claims.set(key, intent)
    return true
  }
}

export const routeIntent = (view: IntentView, intent: Intent): IntentResult => {
  const { topology } = view
  const isAny = intent.from.includes('any')
  const from = isAny ? everybody(topology) : endsOf(topology, intent.from)
  const to = endsOf(topology, intent.to)
  if (typeof from === 'string') return { state: 'requested', reason: from }
  if (typeof to === 'string') return { state: 'requested', reason: to }
  const graph = view.graph(intent.cost)
  const conditions = conditionsOf(topology, graph, intent)
  if (typeof conditions === 'string') return failed(conditions)
  if (!isAny && haveNoNetwork(from, to)) return failed('the hosts are in different networks')
  const router = new Router(view, graph, intent, conditions)
  const isTree = isAny && conditions.waypoints === undefined && !conditions.maxLatencyMillis
  if (isTree) return router.trees(to)
  const isSingle = !isAny && intent.from.length === 1 && intent.to.length === 1
  return router.lanes(from, to, isSingle)
}

const failed = (reason: string): IntentResult => ({ state: 'failed', reason })

const haveNoNetwork = (from: readonly End[], to: readonly End[]): boolean => {
  const [senders, receivers] = [from, to].map(ends => ends.flatMap(end => end.hosts))
  if (senders!.length === 0 || receivers!.length === 0) return false
  return !senders!.some(a => receivers!.some(b => a.network === b.network))
}

interface Route {
  readonly path: readonly IntentHop[]
  readonly backup: readonly IntentHop[] | undefined
}

const shownOf = ({ path, backup }: Route): Pick<RoutedIntent, 'path' | 'backup'> => ({
  path: path.map(hop => hop.dpid),
  ...(backup && { backup: backup.map(hop => hop.dpid) }),
})

class Router {
  readonly #view: IntentView
  readonly #graph: Graph
  readonly #intent: Intent
  readonly #conditions: Conditions
  readonly #open: Float64Array
  readonly #complaints = new Set<string>()
  readonly #routes = new Map<string, Route | string>()

  constructor(view: IntentView, graph: Graph, intent: Intent, conditions: Conditions) {
    this.#view = view
    this.#graph = graph
    this.#intent = intent
    this.#conditions = conditions
    this.#open = openCosts(graph, conditions)
  }

  lanes(from: readonly End[], to: readonly End[], isSingle: boolean): IntentResult {
    const size = from.reduce((sum, end) => sum + end.hosts.length, 0)
    const pairs = size * to.reduce((sum, end) => sum + end.hosts.length, 0)
    if (pairs > maxPairs)
      return failed(
        `${pairs} pairs of hosts are more than ${maxPairs}: name fewer, or leave out what concerns the whole path`,
      )
    const lanes: Lane[] = []
    const refused = new Set<string>()
    let shown: Pick<RoutedIntent, 'path' | 'backup'> = {}
    for (const [a, start] of from.entries())
      for (const [b, end] of to.entries()) {
        const there = this.#pairs(start, end)
        if (there.length === 0 && !isSingle) continue
        const route = this.#route(start, end)
        if (typeof route === 'string') {
          refused.add(`from ${this.#name(start.dpid)}: ${route}`)
          if (isSingle) return failed(route)
          continue
        }
        if (there.length > 0) lanes.push({ key: `${a} ${b}`, pairs: there, ...route })
        if (!isSingle) continue
        shown = shownOf(route)
        const back = this.#pairs(end, start)
        const { path, backup } = route
        const reverse = { path: reversed(path), backup: backup && reversed(backup) }
        if (back.length > 0) lanes.push({ key: `${b} ${a} back`, pairs: back, ...reverse })
      }
    if (lanes.length === 0 && refused.size > 0) return failed([...refused].join('; '))
    for (const each of refused) this.#complaints.add(each)
    return this.#result({ lanes, trees: [], ...shown })
  }

  trees(to: readonly End[]): IntentResult {
    const byEgress = new Map<End['dpid'], Host[]>()
    for (const { dpid, hosts } of to)
      for (const host of hosts)
        if (this.#claim(undefined, host)) byEgress.set(dpid, [...(byEgress.get(dpid) ?? []), host])
    const trees: IntentTree[] = []
    for (const [egress, receivers] of byEgress) {
      const branches = this.#branches(egress)
      if (branches.length === 0 && this.#graph.nodes.length > 1)
        return failed(`no path keeps the conditions towards ${this.#name(egress)}`)
      trees.push({ egress, receivers, branches })
    }
    return this.#result({ lanes: [], trees })
  }

  #result(route: { lanes: Lane[]; trees: IntentTree[] }): IntentResult {
    if (this.#complaints.size === 0) return { state: 'routed', route }
    return { state: 'degraded', reason: [...this.#complaints].join('; '), route }
  }

  #name(dpid: End['dpid']): string {
    return this.#view.topology.switches.get(dpid)?.name ?? dpid
  }

  #claim(sender: Host | undefined, receiver: Host): boolean {
    const isFree = this.#view.claim(this.#intent.name, sender, receiver)
    if (!isFree)
      this.#complaints.add(`an earlier intent leads ${sender?.mac ?? 'any'} to ${receiver.mac}`)
    return isFree
  }

  #pairs(start: End, end: End): (readonly [Host, Host])[] {
    return start.hosts.flatMap(sender =>
      end.hosts
        .filter(receiver => receiver.network === sender.network && receiver.mac !== sender.mac)
        .filter(receiver => this.#claim(sender, receiver))
        .map(receiver => [sender, receiver] as const),
    )
  }

  /** By the switches of both ends, each found once. */
  #route(start: End, end: End): Route | string {
    const key = `${start.dpid} ${end.dpid}`
    const route = this.#routes.get(key) ?? this.#find(start, end)
    this.#routes.set(key, route)
    return route
  }

  #find(start: End, end: End): Route | string {
    const graph = this.#graph
    const [from, to] = [graph.nodeByDpid.get(start.dpid), graph.nodeByDpid.get(end.dpid)]
    if (from === undefined || to === undefined) return 'a switch of the hosts is not known'
    const pair = from === to ? undefined : this.#pair(from, to)
    const best = pair?.[0] ?? constrainedPath(graph, from, to, this.#conditions)
    if (best === 'none') return 'no path keeps the conditions'
    if (best === 'too-hard') return 'no path was found in time'
    return { path: hopsOf(graph, from, best), backup: pair && hopsOf(graph, from, pair[1]) }
  }

  /** Both keep the conditions. Rather than no protection, two that share a switch. */
  #pair(from: number, to: number): readonly [Path, Path] | undefined {
    const { protection } = this.#intent
    if (protection === 'none') return undefined
    const graph = this.#graph
    const suitable = (sharesNo: 'node' | 'link') => {
      const { waypoints = [] } = this.#conditions
      const pair = disjointPairThrough(graph, from, to, waypoints, sharesNo, this.#open)
      return pair?.every(({ links }) => keeps(graph, from, links, this.#conditions))
        ? pair
        : undefined
    }
    const apart = suitable('node')
    if (apart) return apart
    const linkwise = suitable('link')
    if (linkwise === undefined)
      this.#complaints.add('no two paths without a link in common keep the conditions')
    else if (protection === 'disjoint')
      this.#complaints.add('no two paths without a switch in common: they share no link')
    return linkwise
  }

  /** Where each switch sends what is for one. */
  #branches(egress: End['dpid']): Branch[] {
    const graph = this.#graph
    const to = graph.nodeByDpid.get(egress)
    if (to === undefined) return []
    const cost = this.#open
    const distance = distancesTo(graph, to, { cost })
    const isProtected = this.#intent.protection !== 'none'
    const branches: Branch[] = []
    for (const [node, dpid] of graph.nodes.entries()) {
      const link = nextHops(graph, distance, node, cost)[0]
      if (link === undefined) continue
      const alternate = isProtected
        ? alternateTo(graph, cost, node, [link], distance, distancesTo(graph, node, { cost }))
        : undefined
      if (isProtected && alternate === undefined)
        this.#complaints.add(`${this.#name(dpid)} has no way around its next link that cannot loop`)
      branches.push({
        dpid,
        next: graph.nodes[graph.target[link]!]!,
        outPort: graph.links[link]!.from.port,
        alternate: alternate === undefined ? undefined : graph.links[alternate]!.from.port,
      })
    }
    return branches
  }
}

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

const hopsOf = (graph: Graph, start: number, { links }: Path): IntentHop[] => {
  const ends = links.map(link => graph.links[link]!)
  return nodesOf(graph, start, links).map((node, index) => ({
    dpid: graph.nodes[node]!,
    inPort: ends[index - 1]?.to.port,
    outPort: ends[index]?.from.port,
  }))
}

const reversed = (way: readonly IntentHop[]): IntentHop[] =>
  way.toReversed().map(({ dpid, inPort, outPort }) => ({ dpid, inPort: outPort, outPort: inPort }))
