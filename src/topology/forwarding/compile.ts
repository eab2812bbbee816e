/**
 * Hosts and paths to flows and groups, for every switch; pure.
 *
 * A flow leads a destination to the *group of its egress switch*, so a link that fails changes groups
 * only. Sections are small (one host, one port, one group on one switch) and the same object comes out
 * again as long as what it is made of is unchanged.
 */
import type { Dpid } from '../../base/addresses.js'
import {
  type Group,
  groupNumber,
  type Origin,
  type Section,
  section,
} from '../../pipeline/program.js'
import { buildGraph, type Graph } from '../graph.js'
import type { Host, Network, Port, Switch, Topology } from '../model.js'
import { distancesTo, nextHops } from '../paths/shortest.js'
import { broadcastTree } from '../paths/tree.js'
import { floodRow, hostRows } from './host-rows.js'
import { portSection } from './port-rows.js'
import { baseSection } from './rows.js'

/** The group that leads to the switch with this index. */
export const egressGroup = (index: number): number => groupNumber('egress', index)

/** The group that floods a network along its tree and out of its edge ports. */
export const floodGroup = (network: number): number => groupNumber('flood', network)

export interface Forwarding {
  compile(topology: Topology): ReadonlyMap<Dpid, readonly Section[]>
}

export const createForwarding = (): Forwarding => {
  const memo = new Memo()
  return {
    compile(topology) {
      const graph = buildGraph(topology)
      const tree = broadcastTree(graph)
      const hops = egressHops(topology, graph)
      const programs = new Map<Dpid, readonly Section[]>()
      for (const self of topology.switches.values())
        programs.set(self.dpid, sectionsOf(self, topology, graph, tree, hops, memo))
      memo.sweep()
      return programs
    },
  }
}

/** Remembers sections by name and by what they were made of. */
class Memo {
  #old = new Map<string, { key: string | object; section: Section }>()
  #new = new Map<string, { key: string | object; section: Section }>()

  get(name: string, key: string | object, make: () => Section): Section {
    const known = this.#old.get(name)
    const kept = known && known.key === key ? known : { key, section: make() }
    this.#new.set(name, kept)
    return kept.section
  }

  /** Forgets what was not asked for since the last sweep. */
  sweep(): void {
    this.#old = this.#new
    this.#new = new Map()
  }
}

/** For each egress switch, by node: the ports that lead there. */
const egressHops = (
  topology: Topology,
  graph: Graph,
): ReadonlyMap<Dpid, readonly (readonly number[])[]> => {
  const egress = new Set([...topology.hosts.values()].map(host => host.at.dpid))
  const found = new Map<Dpid, readonly (readonly number[])[]>()
  for (const dpid of egress) {
    const node = graph.nodeByDpid.get(dpid)
    if (node === undefined) continue
    const distance = distancesTo(graph, node)
    found.set(
      dpid,
      graph.nodes.map((_, from) =>
        nextHops(graph, distance, from).map(link => graph.links[link]!.from.port),
      ),
    )
  }
  return found
}

const sectionsOf = (
  self: Switch,
  topology: Topology,
  graph: Graph,
  tree: ReadonlySet<number>,
  hops: ReadonlyMap<Dpid, readonly (readonly number[])[]>,
  memo: Memo,
): readonly Section[] => {
  const sections: Section[] = [baseSection]
  const treePorts = treePortsOf(self, graph, tree)
  for (const port of self.ports.values()) {
    if (port.kind === 'unknown' || !port.isUp) continue
    const isOnTree = treePorts.has(port.number)
    const name = `${self.dpid} port ${port.number}`
    sections.push(
      memo.get(name, `${port.kind} ${port.name} ${isOnTree} ${self.index}`, () =>
        portSection(self, port, isOnTree, topology.networks),
      ),
    )
  }
  for (const network of topology.networks)
    sections.push(floodSection(self, network, treePorts, memo))
  const node = graph.nodeByDpid.get(self.dpid)
  for (const [dpid, byNode] of hops) {
    const egress = topology.switches.get(dpid)
    if (egress === undefined || dpid === self.dpid || node === undefined) continue
    sections.push(groupSection(self, egress, byNode[node] ?? [], memo))
  }
  for (const host of topology.hosts.values()) {
    const egress = topology.switches.get(host.at.dpid)
    if (egress)
      sections.push(
        memo.get(`${self.dpid} host ${host.mac}`, host, () => hostSection(self, host, egress)),
      )
  }
  return sections
}

const treePortsOf = (
  self: Switch,
  graph: Graph,
  tree: ReadonlySet<number>,
): ReadonlySet<number> => {
  const found = new Set<number>()
  const node = graph.nodeByDpid.get(self.dpid)
  if (node === undefined) return found
  for (let link = graph.first[node]!; link < graph.first[node + 1]!; link++)
    if (tree.has(link)) found.add(graph.links[link]!.from.port)
  return found
}

const hostSection = (self: Switch, host: Host, egress: Switch): Section =>
  section(`host/${host.mac}`, { flows: hostRows(self, host, egressGroup(egress.index)) })

const isFloodPort = (port: Port, treePorts: ReadonlySet<number>): boolean =>
  port.isUp && (port.kind === 'edge' || (port.kind === 'fabric' && treePorts.has(port.number)))

const floodSection = (
  self: Switch,
  network: Network,
  treePorts: ReadonlySet<number>,
  memo: Memo,
): Section => {
  const numbers = [...self.ports.values()]
    .filter(port => isFloodPort(port, treePorts))
    .map(port => port.number)
    .sort((a, b) => a - b)
  const origin: Origin = { kind: 'network', name: network.name }
  return memo.get(`${self.dpid} flood ${network.number}`, numbers.join(), () =>
    section(`flood/${network.name}`, {
      flows: [floodRow(network, floodGroup(network.number), origin)],
      groups: [
        {
          id: floodGroup(network.number),
          type: 'all',
          buckets: numbers.map(port => ({ actions: [{ kind: 'output', port }] })),
          because: `broadcast of network ${network.name}: the tree and the edge ports`,
          origin,
        },
      ],
    }),
  )
}

const groupSection = (
  self: Switch,
  egress: Switch,
  ports: readonly number[],
  memo: Memo,
): Section =>
  memo.get(`${self.dpid} to ${egress.dpid}`, `${egress.index} ${ports.join()}`, () => {
    const origin: Origin = { kind: 'switch', name: egress.dpid }
    const group: Group = {
      id: egressGroup(egress.index),
      type: ports.length > 1 ? 'select' : 'ff',
      buckets: ports.map(port => ({
        ...(ports.length > 1 && { weight: 1 }),
        watchPort: port,
        actions: [{ kind: 'output', port }],
      })),
      because: `shortest ways to ${egress.name}`,
      origin,
    }
    return section(`egress/${egress.dpid}`, { groups: [group] })
  })
