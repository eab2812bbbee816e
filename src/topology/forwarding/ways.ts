/**
 * The ways to every egress switch, kept from one compile to the next: links that go or change their cost
 * are taken over one by one, only new links or switches mean beginning anew.
 */
import type { Dpid } from '../../base/addresses.js'
import { absent, buildGraph, exactCost, type Graph } from '../graph.js'
import { isSamePort, portKey, type Topology } from '../model.js'
import { AllPaths, type LinkChange } from '../paths/all-paths.js'
import { alternateTo } from '../paths/alternate.js'

/** Ports of one switch that lead to an egress switch. */
export interface Way {
  /** All on shortest paths, ascending. */
  readonly ports: readonly number[]
  /** One that leads there too, and not back through here: for when all of `ports` are dead. */
  readonly alternate: number | undefined
}

interface KnownWay {
  readonly way: Way
  /** Links of `way.ports`. */
  readonly hops: readonly number[]
  turn: number
}

const nowhere: Way = { ports: [], alternate: undefined }

export class Ways {
  #all: AllPaths | undefined
  #switches: Topology['switches'] | undefined
  #links: Topology['links'] | undefined
  #linkByKey = new Map<string, number>()
  /** Counts updates that changed something; no way is another while it is the same. */
  #turn = 0
  /** By node: the turn in which ways to it, or links from it, last changed. */
  #changedAt = new Uint32Array(0)
  /** By node where they begin, by node where they lead. */
  #known: (KnownWay | undefined)[][] = []

  get graph(): Graph | undefined {
    return this.#all?.graph
  }

  get turn(): number {
    return this.#turn
  }

  update(topology: Topology): void {
    if (this.#links === topology.links && this.#switches === topology.switches) return
    const changes = this.#all && this.#changes(this.#all.graph, topology)
    if (this.#all && changes) this.#take(this.#all, changes)
    else this.#begin(topology)
    this.#switches = topology.switches
    this.#links = topology.links
  }

  /** From `self` to `egress`; the same object as long as it is the same. */
  way(self: Dpid, egress: Dpid): Way {
    const all = this.#all
    const from = all?.graph.nodeByDpid.get(self)
    const to = all?.graph.nodeByDpid.get(egress)
    if (all === undefined || from === undefined || to === undefined) return nowhere
    const known = this.#known[from]![to]
    if (known && known.turn >= this.#changedAt[from]! && known.turn >= this.#changedAt[to]!)
      return known.way
    const hops = all.nextHops(from, to)
    const alternate = hops.length > 0 ? this.#alternate(all, from, to, hops) : undefined
    const isSame =
      known !== undefined &&
      known.way.alternate === alternate &&
      known.hops.length === hops.length &&
      hops.every((link, index) => link === known.hops[index])
    if (isSame) {
      known.turn = this.#turn
      return known.way
    }
    const way = { ports: hops.map(link => all.graph.links[link]!.from.port), alternate }
    this.#known[from]![to] = { way, hops, turn: this.#turn }
    return way
  }

  #begin(topology: Topology): void {
    const graph = buildGraph(topology)
    this.#all = new AllPaths(graph)
    this.#linkByKey = new Map(graph.links.map((link, index) => [portKey(link.from), index]))
    this.#turn++
    this.#changedAt = new Uint32Array(graph.nodes.length).fill(this.#turn)
    this.#known = graph.nodes.map(() => [])
  }

  #take(all: AllPaths, changes: readonly LinkChange[]): void {
    if (changes.length === 0) return
    this.#turn++
    for (const node of all.update(changes)) this.#changedAt[node] = this.#turn
    for (const { link } of changes) this.#changedAt[all.graph.source[link]!] = this.#turn
  }

  /** Undefined when the graph has to be built anew. */
  #changes(graph: Graph, topology: Topology): LinkChange[] | undefined {
    if (topology.switches.size !== graph.nodes.length) return undefined
    for (const dpid of topology.switches.keys()) if (!graph.nodeByDpid.has(dpid)) return undefined
    const changes: LinkChange[] = []
    for (const [key, link] of topology.links) {
      const index = this.#linkByKey.get(key)
      if (index === undefined || !isSamePort(graph.links[index]!.to, link.to)) return undefined
      const cost = exactCost(link.cost)
      if (cost !== graph.cost[index]) changes.push({ link: index, cost })
    }
    for (const [key, index] of this.#linkByKey)
      if (!topology.links.has(key) && graph.cost[index] !== absent)
        changes.push({ link: index, cost: absent })
    return changes
  }

  #alternate(all: AllPaths, from: number, to: number, hops: readonly number[]): number | undefined {
    const link = alternateTo(
      all.graph,
      all.graph.cost,
      from,
      hops,
      all.distancesTo(to),
      all.distancesTo(from),
    )
    return link === undefined ? undefined : all.graph.links[link]!.from.port
  }
}
