/** Where frames to all, and to groups, leave each switch; kept from one compile to the next. */
import type { Dpid } from '../../base/addresses.js'
import type { Memberships } from '../memberships.js'
import type { MulticastGroup, Network, Switch, Topology } from '../model.js'
import { edgePortsOf, type FloodPorts, floodPortsOf, groupPortsOf, type Tree } from './flood.js'

/** Of a network, or of one of its multicast groups. */
export interface NetworkFlood {
  readonly network: Network
  readonly group?: MulticastGroup
  /** The same object for a switch as long as its ports are the same. */
  readonly ports: ReadonlyMap<Dpid, FloodPorts>
}

type EdgePorts = FloodPorts['edge']

export class Floods {
  #networks: readonly Network[] = []
  /** By switch as it was, by network. */
  #edges = new WeakMap<Switch, Map<number, EdgePorts>>()
  #ports = new Map<string, ReadonlyMap<Dpid, FloodPorts>>()

  update(topology: Topology, memberships: Memberships, tree: Tree): readonly NetworkFlood[] {
    const { multicast, networks } = topology
    if (this.#networks !== networks) this.#edges = new WeakMap()
    this.#networks = networks
    const kept = new Map<string, ReadonlyMap<Dpid, FloodPorts>>()
    const keep = (name: string, ports: ReadonlyMap<Dpid, FloodPorts>) => {
      const same = sameWhereEqual(this.#ports.get(name), ports)
      kept.set(name, same)
      return same
    }
    const floods: NetworkFlood[] = networks.map(network => {
      const edges = (self: Switch) => this.#edgePorts(self, network, memberships)
      return {
        network,
        ports: keep(String(network.number), floodPortsOf(topology, edges, tree)),
      }
    })
    const byNumber = new Map(networks.map(network => [network.number, network]))
    for (const group of multicast) {
      const network = byNumber.get(group.network)
      if (network === undefined) continue
      const ports = groupPortsOf(topology, group.ports, group.network, memberships, tree)
      floods.push({ network, group, ports: keep(`${group.network} ${group.mac}`, ports) })
    }
    this.#ports = kept
    return floods
  }

  #edgePorts(self: Switch, network: Network, memberships: Memberships): EdgePorts {
    const known = this.#edges.get(self) ?? new Map<number, EdgePorts>()
    this.#edges.set(self, known)
    const ports = known.get(network.number) ?? edgePortsOf(self, network, memberships)
    known.set(network.number, ports)
    return ports
  }
}

const sameWhereEqual = (
  before: ReadonlyMap<Dpid, FloodPorts> | undefined,
  after: ReadonlyMap<Dpid, FloodPorts>,
): ReadonlyMap<Dpid, FloodPorts> => {
  if (before === undefined) return after
  const same = new Map<Dpid, FloodPorts>()
  for (const [dpid, ports] of after) {
    const old = before.get(dpid)
    same.set(dpid, old && isSame(old, ports) ? old : ports)
  }
  return same
}

const isSame = (a: FloodPorts, b: FloodPorts): boolean =>
  a.fabric.length === b.fabric.length &&
  a.fabric.every((port, index) => port === b.fabric[index]) &&
  (a.edge === b.edge ||
    (a.edge.length === b.edge.length &&
      a.edge.every(
        ({ port, vlan }, index) => port === b.edge[index]!.port && vlan === b.edge[index]!.vlan,
      )))
