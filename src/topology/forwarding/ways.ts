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
  /** With a single port: one that leads there too, and not back through here. */
  readonly alternate: number | undefined
}

const nowhere: Way = { ports: [], alternate: undefined }

export class Ways {
  #all: AllPaths | undefined
  #switches: Topology['switches'] | undefined
  #links: Topology['links'] | undefined
  #linkByKey = new Map<string, number>()

  get graph(): Graph | undefined {
    return this.#all?.graph
  }

  update(topology: Topology): void {
    if (this.#links === topology.links && this.#switches === topology.switches) return
    const all = this.#all
    const changes = all && this.#changes(all.graph, topology)
    if (all && changes) all.update(changes)
    else this.#begin(topology)
    this.#switches = topology.switches
    this.#links = topology.links
  }

  /** From `self` to `egress`. */
  way(self: Dpid, egress: Dpid): Way {
    const all = this.#all
    const from = all?.graph.nodeByDpid.get(self)
    const to = all?.graph.nodeByDpid.get(egress)
    if (all === undefined || from === undefined || to === undefined) return nowhere
    const ports = all.nextHops(from, to).map(link => all.graph.links[link]!.from.port)
    return { ports, alternate: ports.length === 1 ? this.#alternate(all, from, to) : undefined }
  }

  #begin(topology: Topology): void {
    const graph = buildGraph(topology)
    this.#all = new AllPaths(graph)
    this.#linkByKey = new Map(graph.links.map((link, index) => [portKey(link.from), index]))
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

  #alternate(all: AllPaths, from: number, to: number): number | undefined {
    const [primary] = all.nextHops(from, to)
    const link = alternateTo(
      all.graph,
      all.graph.cost,
      from,
      primary!,
      all.distancesTo(to),
      all.distancesTo(from),
    )
    return link === undefined ? undefined : all.graph.links[link]!.from.port
  }
}
