/**
 * Hosts and paths to flows and groups, for every switch; pure but for what it remembers to be quick.
 *
 * A flow leads a destination to the *group of its egress switch*, so a link that fails changes groups only.
 * The hosts of one egress switch are one section, the same object on every other switch; sections of ports
 * and groups are small. The same object comes out again as long as what it is made of is unchanged.
 */
import { type Dpid, macNumber } from '../../base/addresses.js'
import {
  type Group,
  groupNumber,
  type Origin,
  type Section,
  section,
} from '../../pipeline/program.js'
import { IntentCompiler } from '../intents/compiler.js'
import { type Memberships, membershipsOf } from '../memberships.js'
import {
  type Host,
  type Network,
  portKey,
  type Service,
  type Switch,
  services,
  type Topology,
} from '../model.js'
import { type FloodPorts, floodPortsOf, groupPortsOf, Tree } from './flood.js'
import { answerRows, localRows, remoteRows } from './host-rows.js'
import { multicastSection, networkSection } from './network-rows.js'
import { edgeSection, fabricSection, type RoundStep } from './port-rows.js'
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
  readonly egresses: readonly Egress[]
  readonly floods: readonly { network: Network; ports: ReadonlyMap<Dpid, FloodPorts> }[]
  readonly groups: readonly {
    group: Topology['multicast'][number]
    network: Network
    ports: ReadonlyMap<Dpid, FloodPorts>
  }[]
}

/** A switch with hosts, and the sections that other switches have for it. */
interface Egress {
  readonly self: Switch
  readonly hosts: readonly Host[]
  readonly answers: Section
  readonly remote: Section
}

class Compiler {
  readonly #memo = new Memo()
  readonly #ways = new Ways()
  readonly #intents = new IntentCompiler()
  readonly #groups = new Map<Dpid, Map<Dpid, { way: Way; index: number; section: Section }>>()
  #hosts: { readonly of: Topology['hosts']; readonly by: ReadonlyMap<Dpid, readonly Host[]> } = {
    of: new Map(),
    by: new Map(),
  }
  #networks: { readonly of: Topology['networks']; readonly memberships: Memberships } | undefined

  compile(topology: Topology): ReadonlyMap<Dpid, readonly Section[]> {
    this.#ways.update(topology)
    const frame = this.#frame(topology)
    const intents = this.#intents.compile(topology.laid)
    const programs = new Map<Dpid, readonly Section[]>()
    for (const self of topology.switches.values())
      programs.set(
        self.dpid,
        this.#memo.list(self.dpid, [
          ...this.#sections(self, frame),
          ...(intents.get(self.dpid) ?? []),
        ]),
      )
    this.#memo.sweep()
    return programs
  }

  #frame(topology: Topology): Frame {
    const memberships = this.#membershipsOf(topology)
    const tree = new Tree(topology)
    const hosts = this.#hostsByEgress(topology)
    const byNumber = new Map(topology.networks.map(network => [network.number, network]))
    return {
      topology,
      memberships,
      tree,
      hosts,
      egresses: this.#egresses(topology, hosts),
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
    const steps = roundSteps(self, topology)
    for (const port of self.ports.values()) {
      if (port.kind === 'unknown' || !port.isUp) continue
      const isOnTree = onTree.has(port.number)
      const step = steps.get(port.number)
      const refused = refusedAt(topology, portKey({ dpid: self.dpid, port: port.number }))
      const key = `${refused} ${self.name} ${self.index} ${port.kind} ${port.name} ${port.mac} ${isOnTree} ${step?.peerMac} ${step?.next}`
      sections.push(
        this.#memo.get(`${self.dpid} port ${port.number}`, [key, topology.networks], () =>
          port.kind === 'edge'
            ? edgeSection(
                self,
                port,
                memberships.of({ dpid: self.dpid, port: port.number }),
                refused,
              )
            : fabricSection(self, port, isOnTree, topology.networks, step),
        ),
      )
    }
  }

  #hostSections(self: Switch, frame: Frame, sections: Section[]): void {
    const hasEdge = [...self.ports.values()].some(port => port.kind === 'edge' && port.isUp)
    const groups = this.#groups.get(self.dpid) ?? new Map()
    this.#groups.set(self.dpid, groups)
    for (const egress of frame.egresses) {
      const { dpid } = egress.self
      if (hasEdge) sections.push(egress.answers)
      if (dpid === self.dpid) {
        const { memberships, topology } = frame
        sections.push(this.#local(dpid, egress.hosts, memberships, topology.networks))
        continue
      }
      const way = this.#ways.way(self.dpid, dpid)
      const known = groups.get(dpid)
      const isSame =
        known !== undefined && known.index === egress.self.index && isSameWay(known.way, way)
      const kept = isSame
        ? known
        : { way, index: egress.self.index, section: groupSection(egress.self, way) }
      if (!isSame) groups.set(dpid, kept)
      sections.push(egress.remote, kept.section)
    }
  }

  #egresses(topology: Topology, hosts: ReadonlyMap<Dpid, readonly Host[]>): Egress[] {
    const found: Egress[] = []
    for (const [dpid, list] of hosts) {
      const self = topology.switches.get(dpid)
      if (self)
        found.push({
          self,
          hosts: list,
          answers: this.#answers(dpid, list),
          remote: this.#remote(self, list),
        })
    }
    return found
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
}

/** Services that other ports are declared for, and this one is not. */
const refusedAt = ({ serving }: Topology, key: string): readonly Service[] => {
  if (serving.size === 0) return []
  const declared = new Set([...serving.values()].flat())
  return services.filter(each => declared.has(each) && !serving.get(key)?.includes(each))
}

/** The order in which a switch's rounds go over the links of which it has the lower end, by port. */
const roundSteps = (
  self: Switch,
  { links, switches }: Topology,
): ReadonlyMap<number, RoundStep> => {
  const steps = new Map<number, RoundStep>()
  let next: number | undefined
  const numbers = [...self.ports.values()].filter(port => port.kind === 'fabric')
  for (const { number } of numbers.sort((a, b) => b.number - a.number)) {
    const key = portKey({ dpid: self.dpid, port: number })
    const link = links.get(key)
    if (link === undefined || link.isForeign || portKey(link.to) < key) continue
    const peer = switches.get(link.to.dpid)?.ports.get(link.to.port)
    if (peer === undefined) continue
    steps.set(number, { peerMac: macNumber(peer.mac), next })
    next = number
  }
  return steps
}

const isSameWay = (a: Way, b: Way): boolean =>
  a.alternate === b.alternate &&
  a.ports.length === b.ports.length &&
  a.ports.every((port, index) => port === b.ports[index])

const groupSection = (egress: Switch, way: Way): Section =>
  section(`egress/${egress.dpid}`, { groups: [egressGroupOf(egress, way)] })

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
  readonly #known = new Map<string, { key: Key; section: Section; turn: number }>()
  readonly #lists = new Map<string, readonly Section[]>()
  #turn = 0

  get(name: string, key: Key, make: () => Section): Section {
    const known = this.#known.get(name)
    if (known && isSameKey(known.key, key)) {
      known.turn = this.#turn
      return known.section
    }
    const made = make()
    this.#known.set(name, { key, section: made, turn: this.#turn })
    return made
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
    for (const [name, { turn }] of this.#known) if (turn !== this.#turn) this.#known.delete(name)
    this.#turn++
  }
}
