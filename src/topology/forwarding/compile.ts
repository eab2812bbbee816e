/**
 * Hosts and paths to flows and groups, for every switch; pure but for what it remembers to be quick.
 *
 * A flow leads a destination to the *group of its egress switch*, so a link that fails changes groups only.
 * The hosts of one egress switch are one section, the same object on every other switch; sections of ports
 * and groups are small. The same object comes out again as long as what it is made of is unchanged.
 */
import type { Dpid } from '../../base/addresses.js'
import {
  type Group,
  groupNumber,
  type Origin,
  type Section,
  section,
} from '../../pipeline/program.js'
import { type Memberships, membershipsOf } from '../memberships.js'
import type { Host, Network, Switch, Topology } from '../model.js'
import { type FloodPorts, floodPortsOf, groupPortsOf, Tree } from './flood.js'
import { answerRows, localRows, remoteRows } from './host-rows.js'
import { multicastSection, networkSection } from './network-rows.js'
import { edgeSection, fabricSection } from './port-rows.js'
import { baseSection } from './rows.js'
import { type Way, Ways } from './ways.js'

export { floodGroup } from './network-rows.js'

/** The group that leads to the switch with this index. */
export const egressGroup = (index: number): number => groupNumber('egress', index)

export interface Forwarding {
  compile(topology: Topology): ReadonlyMap<Dpid, readonly Section[]>
}

export const createForwarding = (): Forwarding => {
  const compiler = new Compiler()
  return { compile: topology => compiler.compile(topology) }
}

interface Frame {
  readonly topology: Topology
  readonly memberships: Memberships
  readonly tree: Tree
  readonly hosts: ReadonlyMap<Dpid, readonly Host[]>
  readonly floods: readonly { network: Network; ports: ReadonlyMap<Dpid, FloodPorts> }[]
  readonly groups: readonly {
    group: Topology['multicast'][number]
    network: Network
    ports: ReadonlyMap<Dpid, FloodPorts>
  }[]
}

class Compiler {
  readonly #memo = new Memo()
  readonly #ways = new Ways()
  #hosts: { readonly of: Topology['hosts']; readonly by: ReadonlyMap<Dpid, readonly Host[]> } = {
    of: new Map(),
    by: new Map(),
  }
  #networks: { readonly of: Topology['networks']; readonly memberships: Memberships } | undefined

  compile(topology: Topology): ReadonlyMap<Dpid, readonly Section[]> {
    this.#ways.update(topology)
    const frame = this.#frame(topology)
    const programs = new Map<Dpid, readonly Section[]>()
    for (const self of topology.switches.values())
      programs.set(self.dpid, this.#memo.list(self.dpid, this.#sections(self, frame)))
    this.#memo.sweep()
    return programs
  }

  #frame(topology: Topology): Frame {
    const memberships = this.#membershipsOf(topology)
    const tree = new Tree(topology)
    const byNumber = new Map(topology.networks.map(network => [network.number, network]))
    return {
      topology,
      memberships,
      tree,
      hosts: this.#hostsByEgress(topology),
      floods: topology.networks.map(network => ({
        network,
        ports: floodPortsOf(topology, network, memberships, tree),
      })),
      groups: topology.multicast.flatMap(group => {
        const network = byNumber.get(group.network)
        if (network === undefined) return []
        const ports = groupPortsOf(topology, group.ports, group.network, memberships, tree)
        return [{ group, network, ports }]
      }),
    }
  }

  #membershipsOf({ networks }: Topology): Memberships {
    if (this.#networks?.of !== networks)
      this.#networks = { of: networks, memberships: membershipsOf(networks) }
    return this.#networks.memberships
  }

  /** Hosts of each switch; the same array as long as they are the same. */
  #hostsByEgress(topology: Topology): ReadonlyMap<Dpid, readonly Host[]> {
    if (this.#hosts.of === topology.hosts) return this.#hosts.by
    const by = new Map<Dpid, Host[]>()
    for (const host of topology.hosts.values()) {
      const list = by.get(host.at.dpid)
      if (list) list.push(host)
      else by.set(host.at.dpid, [host])
    }
    const kept = new Map<Dpid, readonly Host[]>()
    for (const [dpid, list] of by) {
      const known = this.#hosts.by.get(dpid)
      const isSame =
        known?.length === list.length && list.every((host, index) => known[index] === host)
      kept.set(dpid, isSame ? known : list)
    }
    this.#hosts = { of: topology.hosts, by: kept }
    return kept
  }

  #sections(self: Switch, frame: Frame): Section[] {
    const sections: Section[] = [baseSection]
    this.#ports(self, frame, sections)
    for (const { network, ports } of frame.floods) {
      const own = ports.get(self.dpid)!
      sections.push(
        this.#memo.get(`${self.dpid} flood ${network.number}`, `${network.name} ${text(own)}`, () =>
          networkSection(network, own),
        ),
      )
    }
    for (const { group, network, ports } of frame.groups) {
      const own = ports.get(self.dpid)!
      const name = `${self.dpid} multicast ${network.number} ${group.mac}`
      sections.push(
        this.#memo.get(name, `${group.index} ${text(own)}`, () =>
          multicastSection(network, group, own),
        ),
      )
    }
    this.#hostSections(self, frame, sections)
    return sections
  }

  #ports(self: Switch, frame: Frame, sections: Section[]): void {
    const { memberships, topology } = frame
    const onTree = frame.tree.portsOf(self.dpid)
    for (const port of self.ports.values()) {
      if (port.kind === 'unknown' || !port.isUp) continue
      const isOnTree = onTree.has(port.number)
      const key = `${self.name} ${self.index} ${port.kind} ${port.name} ${isOnTree}`
      sections.push(
        this.#memo.get(`${self.dpid} port ${port.number}`, [key, topology.networks], () =>
          port.kind === 'edge'
            ? edgeSection(self, port, memberships.of({ dpid: self.dpid, port: port.number }))
            : fabricSection(self, port, isOnTree, topology.networks),
        ),
      )
    }
  }

  #hostSections(self: Switch, frame: Frame, sections: Section[]): void {
    const { topology, memberships } = frame
    const hasEdge = [...self.ports.values()].some(port => port.kind === 'edge' && port.isUp)
    for (const [dpid, hosts] of frame.hosts) {
      const egress = topology.switches.get(dpid)
      if (egress === undefined) continue
      if (hasEdge) sections.push(this.#answers(dpid, hosts))
      if (dpid === self.dpid) {
        sections.push(this.#local(dpid, hosts, memberships, topology.networks))
        continue
      }
      sections.push(this.#remote(egress, hosts))
      sections.push(this.#group(self, egress, this.#ways.way(self.dpid, dpid)))
    }
  }

  #answers(dpid: Dpid, hosts: readonly Host[]): Section {
    return this.#memo.get(`answers ${dpid}`, [hosts], () =>
      section(`answers/${dpid}`, { flows: hosts.flatMap(answerRows) }),
    )
  }

  #local(
    dpid: Dpid,
    hosts: readonly Host[],
    memberships: Memberships,
    networks: readonly Network[],
  ): Section {
    return this.#memo.get(`local ${dpid}`, [hosts, networks], () =>
      section(`hosts/${dpid}`, {
        flows: hosts.flatMap(host => localRows(host, memberships.tagAt(host.at, host.network))),
      }),
    )
  }

  #remote(egress: Switch, hosts: readonly Host[]): Section {
    return this.#memo.get(`remote ${egress.dpid}`, [hosts, egress.index], () =>
      section(`hosts/${egress.dpid}`, {
        flows: hosts.flatMap(host => remoteRows(host, egressGroup(egress.index))),
      }),
    )
  }

  #group(self: Switch, egress: Switch, way: Way): Section {
    const key = `${egress.index} ${way.ports.join()} ${way.alternate}`
    return this.#memo.get(`${self.dpid} to ${egress.dpid}`, key, () =>
      section(`egress/${egress.dpid}`, { groups: [egressGroupOf(egress, way)] }),
    )
  }
}

const text = ({ edge, fabric }: FloodPorts): string =>
  `${edge.map(({ port, vlan }) => `${port}.${vlan ?? ''}`).join()} ${fabric.join()}`

/** Equal ways share the load; a single one has a stand-in that takes over inside the switch. */
const egressGroupOf = (egress: Switch, { ports, alternate }: Way): Group => {
  const origin: Origin = { kind: 'switch', name: egress.dpid }
  const isShared = ports.length > 1
  const all = alternate === undefined ? ports : [...ports, alternate]
  return {
    id: egressGroup(egress.index),
    type: isShared ? 'select' : 'ff',
    buckets: all.map(port => ({
      ...(isShared && { weight: 1 }),
      watchPort: port,
      actions: [{ kind: 'output', port }],
    })),
    because: `shortest ways to ${egress.name}`,
    origin,
  }
}

type Key = string | readonly (string | number | object)[]

const isSameKey = (a: Key, b: Key): boolean =>
  a === b ||
  (typeof a !== 'string' &&
    typeof b !== 'string' &&
    a.length === b.length &&
    a.every((part, index) => part === b[index]))

/** Remembers sections by name and by what they were made of, and lists of them. */
class Memo {
  #old = new Map<string, { key: Key; section: Section }>()
  #new = new Map<string, { key: Key; section: Section }>()
  readonly #lists = new Map<string, readonly Section[]>()

  get(name: string, key: Key, make: () => Section): Section {
    const fresh = this.#new.get(name)
    if (fresh) return fresh.section
    const known = this.#old.get(name)
    const kept = known && isSameKey(known.key, key) ? known : { key, section: make() }
    this.#new.set(name, kept)
    return kept.section
  }

  /** The list before, when it has the same sections. */
  list(name: string, sections: readonly Section[]): readonly Section[] {
    const known = this.#lists.get(name)
    const isSame =
      known?.length === sections.length && sections.every((each, index) => each === known[index])
    const kept = isSame ? known : sections
    this.#lists.set(name, kept)
    return kept
  }

  /** Forgets what was not asked for since the last sweep. */
  sweep(): void {
    this.#old = this.#new
    this.#new = new Map()
  }
}
