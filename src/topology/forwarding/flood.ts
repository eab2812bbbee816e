/** Where frames to all, and to groups, go: the tree, pruned to where somebody of the network is. */
import type { Dpid } from '../../base/addresses.js'
import type { Memberships } from '../memberships.js'
import { type Network, type PortRef, portKey, type Switch, type Topology } from '../model.js'

/** Ports of one switch for one kind of frame, ascending. */
export interface FloodPorts {
  readonly edge: readonly { readonly port: number; readonly vlan: number | undefined }[]
  readonly fabric: readonly number[]
}

interface Branch {
  readonly port: number
  readonly to: Dpid
}

/** The tree as seen by each switch. */
export class Tree {
  readonly #branches = new Map<Dpid, Branch[]>()
  readonly #topology: Topology

  constructor(topology: Topology) {
    this.#topology = topology
    for (const key of topology.tree) {
      const link = topology.links.get(key)
      if (link === undefined) continue
      const list = this.#branches.get(link.from.dpid) ?? []
      list.push({ port: link.from.port, to: link.to.dpid })
      this.#branches.set(link.from.dpid, list)
    }
    for (const list of this.#branches.values()) list.sort((a, b) => a.port - b.port)
  }

  portsOf(dpid: Dpid): ReadonlySet<number> {
    return new Set(this.#branches.get(dpid)?.map(branch => branch.port))
  }

  /** For each switch, the tree ports behind which some wanted switch is. O(V) */
  towards(wanted: ReadonlySet<Dpid>): ReadonlyMap<Dpid, readonly number[]> {
    const found = new Map<Dpid, number[]>()
    const seen = new Set<Dpid>()
    for (const root of this.#topology.switches.keys())
      if (!seen.has(root)) this.#prune(root, wanted, seen, found)
    for (const list of found.values()) list.sort((a, b) => a - b)
    return found
  }

  #prune(root: Dpid, wanted: ReadonlySet<Dpid>, seen: Set<Dpid>, found: Map<Dpid, number[]>): void {
    const order: { dpid: Dpid; parent: Dpid | undefined; down: number }[] = [
      { dpid: root, parent: undefined, down: 0 },
    ]
    seen.add(root)
    for (let head = 0; head < order.length; head++) {
      const { dpid } = order[head]!
      for (const { port, to } of this.#branches.get(dpid) ?? []) {
        if (seen.has(to)) continue
        seen.add(to)
        order.push({ dpid: to, parent: dpid, down: port })
      }
    }
    const below = new Map<Dpid, number>()
    for (const { dpid, parent } of order.toReversed()) {
      const count = (below.get(dpid) ?? 0) + (wanted.has(dpid) ? 1 : 0)
      below.set(dpid, count)
      if (parent !== undefined) below.set(parent, (below.get(parent) ?? 0) + count)
    }
    const total = below.get(root)!
    const add = (dpid: Dpid, port: number) => {
      const list = found.get(dpid)
      if (list) list.push(port)
      else found.set(dpid, [port])
    }
    for (const { dpid, parent, down } of order) {
      if (parent === undefined) continue
      if (below.get(dpid)! > 0) add(parent, down)
      const up = this.#branches.get(dpid)?.find(branch => branch.to === parent)
      if (up && total - below.get(dpid)! > 0) add(dpid, up.port)
    }
  }
}

/** Edge ports of a switch that are of a network, and up. */
export const edgePortsOf = (
  self: Switch,
  network: Network,
  memberships: Memberships,
): FloodPorts['edge'] => {
  const found: { port: number; vlan: number | undefined }[] = []
  for (const port of self.ports.values()) {
    if (!port.isUp || port.kind !== 'edge') continue
    const { untagged, tagged } = memberships.of({ dpid: self.dpid, port: port.number })
    if (untagged?.number === network.number) found.push({ port: port.number, vlan: undefined })
    for (const [vlan, each] of tagged)
      if (each.number === network.number) found.push({ port: port.number, vlan })
  }
  return found.sort((a, b) => a.port - b.port)
}

/** What each switch does with the broadcast of a network that has these edge ports. */
export const floodPortsOf = (
  topology: Topology,
  edgesOf: (self: Switch) => FloodPorts['edge'],
  tree: Tree,
): ReadonlyMap<Dpid, FloodPorts> => {
  const edges = new Map([...topology.switches.values()].map(self => [self.dpid, edgesOf(self)]))
  const wanted = new Set([...edges].filter(([, list]) => list.length > 0).map(([dpid]) => dpid))
  const fabric = tree.towards(wanted)
  return new Map([...edges].map(([dpid, edge]) => [dpid, { edge, fabric: fabric.get(dpid) ?? [] }]))
}

/** The same for the ports that listen to a multicast group. */
export const groupPortsOf = (
  topology: Topology,
  ports: readonly PortRef[],
  network: number,
  memberships: Memberships,
  tree: Tree,
): ReadonlyMap<Dpid, FloodPorts> => {
  const live = ports.filter(at => {
    const port = topology.switches.get(at.dpid)?.ports.get(at.port)
    // A listener at a fabric port lives on the segment of a link.
    return port?.isUp === true && port.kind !== 'unknown'
  })
  const fabric = tree.towards(new Set(live.map(at => at.dpid)))
  const keys = new Map(live.map(at => [portKey(at), at]))
  return new Map(
    [...topology.switches.keys()].map(dpid => [
      dpid,
      {
        edge: [...keys.values()]
          .filter(at => at.dpid === dpid && !fabric.get(dpid)?.includes(at.port))
          .map(at => ({ port: at.port, vlan: memberships.tagAt(at, network) }))
          .sort((a, b) => a.port - b.port),
        fabric: fabric.get(dpid) ?? [],
      },
    ]),
  )
}
