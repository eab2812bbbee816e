/**
 * Hosts and paths to flows and groups, for every switch; pure but for what it remembers to be quick.
 *
 * A flow leads a destination to the *group of its egress switch*, so a link that fails changes groups only.
 * The hosts of one egress switch are one section, the same object on every other switch; sections of ports
 * and groups are small. The same object comes out again as long as what it is made of is unchanged: a list of
 * sections as much as a section, so that what did not change is not looked at.
 */
import { type Dpid, macNumber } from '../../base/addresses.js'
import type { Section } from '../../pipeline/program.js'
import { guardAt } from '../hosts/guard.js'
import { IntentCompiler } from '../intents/compiler.js'
import { type Memberships, membershipsOf } from '../memberships.js'
import {
  hasEdge,
  type Link,
  portKey,
  type Service,
  type Switch,
  services,
  type Topology,
} from '../model.js'
import { type Egress, Egresses, EgressParts } from './egress.js'
import { Tree } from './flood.js'
import { Floods, type NetworkFlood } from './floods.js'
import { type Memo, Part } from './memo.js'
import { multicastSection, networkSection } from './network-rows.js'
import { edgeSection, fabricSection, type RoundStep } from './port-rows.js'
import { baseSections, isTransparent } from './rows.js'
import { Ways } from './ways.js'

export { egressGroup } from './egress-group.js'
export { floodGroup } from './network-rows.js'

export interface Forwarding {
  /** @param isJudged a policy is in force, so that what rules cannot read is dropped */
  compile(topology: Topology, isJudged?: boolean): ReadonlyMap<Dpid, readonly Section[]>
}

export const createForwarding = (): Forwarding => {
  const compiler = new Compiler()
  return { compile: (topology, isJudged = true) => compiler.compile(topology, isJudged) }
}

/** What all switches look at in one compile. */
interface Frame {
  readonly topology: Topology
  /** Frames are carried that nobody can read. */
  readonly isOpaque: boolean
  readonly memberships: Memberships
  readonly tree: Tree
  readonly egresses: readonly Egress[]
  readonly floods: readonly NetworkFlood[]
  readonly neighbours: ReadonlyMap<Dpid, readonly Neighbour[]>
}

interface Neighbour {
  readonly link: Link
  /** The switch at the other end. */
  readonly self: Switch | undefined
}

/** What was compiled for one switch, part by part. */
class Parts {
  readonly ports = new Part()
  readonly floods = new Part()
  readonly egresses: EgressParts
  readonly all = new Part()

  constructor(self: Dpid) {
    this.egresses = new EgressParts(self)
  }
}

const none: readonly Section[] = []

class Compiler {
  readonly #ways = new Ways()
  readonly #intents = new IntentCompiler()
  readonly #egresses = new Egresses()
  readonly #floods = new Floods()
  readonly #parts = new Map<Dpid, Parts>()
  #networks: { readonly of: Topology['networks']; readonly memberships: Memberships } | undefined

  compile(topology: Topology, isJudged: boolean): ReadonlyMap<Dpid, readonly Section[]> {
    this.#ways.update(topology)
    const frame = this.#frame(topology, isTransparent(topology, isJudged))
    const intents = this.#intents.compile(topology.laid)
    const programs = new Map<Dpid, readonly Section[]>()
    for (const dpid of this.#parts.keys())
      if (!topology.switches.has(dpid)) this.#parts.delete(dpid)
    for (const self of topology.switches.values())
      programs.set(self.dpid, this.#sections(self, frame, intents.get(self.dpid) ?? none))
    return programs
  }

  #frame(topology: Topology, isOpaque: boolean): Frame {
    const memberships = this.#membershipsOf(topology)
    const tree = new Tree(topology)
    return {
      topology,
      isOpaque,
      memberships,
      tree,
      egresses: this.#egresses.update(topology, memberships),
      floods: this.#floods.update(topology, memberships, tree),
      neighbours: neighboursOf(topology),
    }
  }

  #membershipsOf({ networks }: Topology): Memberships {
    if (this.#networks?.of !== networks)
      this.#networks = { of: networks, memberships: membershipsOf(networks) }
    return this.#networks.memberships
  }

  #sections(self: Switch, frame: Frame, intents: readonly Section[]): readonly Section[] {
    const parts = this.#parts.get(self.dpid) ?? new Parts(self.dpid)
    this.#parts.set(self.dpid, parts)
    const ports = this.#ports(parts.ports, self, frame)
    const floods = this.#floodSections(parts.floods, self, frame)
    const egresses = parts.egresses.sections(frame.egresses, hasEdge(self), this.#ways)
    const base = frame.isOpaque ? baseSections.transparent : baseSections.reading
    return parts.all.of([base, ports, floods, egresses, ...intents], () => [
      base,
      ...ports,
      ...floods,
      ...egresses,
      ...intents,
    ])
  }

  #ports(part: Part, self: Switch, frame: Frame): readonly Section[] {
    const { topology } = frame
    const { carrying, guards, networks, serving } = topology
    const onTree = frame.tree.portsOf(self.dpid)
    const neighbours = frame.neighbours.get(self.dpid) ?? []
    const around = neighbours.flatMap(({ link, self: other }) => [link, other])
    return part.of(
      [self, carrying, guards, networks, serving, frame.isOpaque, [...onTree].join(), ...around],
      memo => portSections(memo, self, frame, neighbours),
    )
  }

  #floodSections(part: Part, self: Switch, { floods }: Frame): readonly Section[] {
    const key = floods.flatMap(({ network, group, ports }) => [
      network,
      group?.mac,
      group?.index,
      ports.get(self.dpid),
    ])
    return part.of(key, memo =>
      floods.map(({ network, group, ports }) => {
        const own = ports.get(self.dpid)!
        return group === undefined
          ? memo.get(`flood ${network.number}`, [network.name, own], () =>
              networkSection(network, own),
            )
          : memo.get(`group ${network.number} ${group.mac}`, [network.name, group.index, own], () =>
              multicastSection(network, group, own),
            )
      }),
    )
  }
}

const portSections = (
  memo: Memo,
  self: Switch,
  { isOpaque, memberships, topology, tree }: Frame,
  neighbours: readonly Neighbour[],
): readonly Section[] => {
  const onTree = tree.portsOf(self.dpid)
  const steps = roundSteps(self, neighbours)
  const foreign = new Set(
    neighbours.flatMap(({ link }) => (link.isForeign ? [link.from.port] : [])),
  )
  const sections: Section[] = []
  for (const port of self.ports.values()) {
    if (port.kind === 'unknown' || !port.isUp) continue
    const { kind, mac, name, number } = port
    const at = { dpid: self.dpid, port: number }
    const isOnTree = onTree.has(number)
    const step = steps.get(number)
    const isForeign = foreign.has(number)
    const refused = refusedAt(topology, portKey(at))
    const carried = topology.carrying.get(portKey(at)) ?? []
    const { guards, networks } = topology
    const guardOf = (network: number) => guardAt(topology, at, network)
    // biome-ignore format: what a section of a port is made of
    const key = [guards, networks, isOpaque, String(refused), String(carried), self.name, self.index, kind, name, mac, isOnTree, isForeign, step?.peerMac, step?.next]
    sections.push(
      memo.get(String(number), key, () =>
        kind === 'edge'
          ? edgeSection(self, port, memberships.of(at), guardOf, isOpaque, refused, carried)
          : fabricSection(self, port, isOnTree, networks, isOpaque, step, isForeign, carried),
      ),
    )
  }
  return sections
}

const neighboursOf = ({ links, switches }: Topology): ReadonlyMap<Dpid, readonly Neighbour[]> => {
  const found = new Map<Dpid, Neighbour[]>()
  for (const link of links.values()) {
    const neighbour = { link, self: switches.get(link.to.dpid) }
    const list = found.get(link.from.dpid)
    if (list) list.push(neighbour)
    else found.set(link.from.dpid, [neighbour])
  }
  return found
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
  neighbours: readonly Neighbour[],
): ReadonlyMap<number, RoundStep> => {
  const steps = new Map<number, RoundStep>()
  const sorted = neighbours.toSorted((a, b) => b.link.from.port - a.link.from.port)
  let next: number | undefined
  for (const { link, self: other } of sorted) {
    const { port } = link.from
    if (self.ports.get(port)?.kind !== 'fabric' || link.isForeign) continue
    if (portKey(link.to) < portKey(link.from)) continue
    const peer = other?.ports.get(link.to.port)
    if (peer === undefined) continue
    steps.set(port, { peerMac: macNumber(peer.mac), next })
    next = port
  }
  return steps
}
