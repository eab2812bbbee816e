/** What leads to hosts of other switches: rows for the hosts of one egress switch, and the group they point to. */
import type { Dpid } from '../../base/addresses.js'
import {
  type Group,
  groupNumber,
  type Origin,
  type Section,
  section,
} from '../../pipeline/program.js'
import type { Memberships } from '../memberships.js'
import type { Host, Network, Switch, Topology } from '../model.js'
import { answerRows, localRows, remoteRows } from './host-rows.js'
import { Memo } from './memo.js'
import type { Way, Ways } from './ways.js'

/** The group that leads to the switch with this index. */
export const egressGroup = (index: number): number => groupNumber('egress', index)

/** A switch with hosts, and the sections of its hosts, there and elsewhere. */
export interface Egress {
  readonly dpid: Dpid
  readonly name: string
  readonly index: number
  readonly answers: Section
  readonly local: Section
  readonly remote: Section
}

/** All egress switches; the same array as long as nothing of it changes. */
export class Egresses {
  readonly #memo = new Memo()
  #hosts: Topology['hosts'] = new Map()
  #byDpid: ReadonlyMap<Dpid, readonly Host[]> = new Map()
  #list: readonly Egress[] = []

  update(topology: Topology, memberships: Memberships): readonly Egress[] {
    this.#sort(topology.hosts)
    const known = new Map(this.#list.map(egress => [egress.dpid, egress]))
    const list: Egress[] = []
    for (const [dpid, hosts] of this.#byDpid) {
      const self = topology.switches.get(dpid)
      if (self)
        list.push(this.#egress(self, hosts, memberships, topology.networks, known.get(dpid)))
    }
    this.#memo.sweep()
    const isSame =
      list.length === this.#list.length && list.every((each, index) => each === this.#list[index])
    if (!isSame) this.#list = list
    return this.#list
  }

  /** Hosts of each switch; the same array as long as they are the same. */
  #sort(hosts: Topology['hosts']): void {
    if (this.#hosts === hosts) return
    const by = new Map<Dpid, Host[]>()
    for (const host of hosts.values()) {
      const list = by.get(host.at.dpid)
      if (list) list.push(host)
      else by.set(host.at.dpid, [host])
    }
    const kept = new Map<Dpid, readonly Host[]>()
    for (const [dpid, list] of by) {
      const known = this.#byDpid.get(dpid)
      const isSame =
        known?.length === list.length && list.every((host, index) => known[index] === host)
      kept.set(dpid, isSame ? known : list)
    }
    this.#hosts = hosts
    this.#byDpid = kept
  }

  #egress(
    { dpid, name, index }: Switch,
    hosts: readonly Host[],
    memberships: Memberships,
    networks: readonly Network[],
    known: Egress | undefined,
  ): Egress {
    const answers = this.#memo.get(`answers ${dpid}`, [hosts], () =>
      section(`answers/${dpid}`, { flows: hosts.flatMap(answerRows) }),
    )
    const local = this.#memo.get(`local ${dpid}`, [hosts, networks], () =>
      section(`hosts/${dpid}`, {
        flows: hosts.flatMap(host => localRows(host, memberships.tagAt(host.at, host.network))),
      }),
    )
    const remote = this.#memo.get(`remote ${dpid}`, [hosts, index], () =>
      section(`hosts/${dpid}`, {
        flows: hosts.flatMap(host => remoteRows(host, egressGroup(index))),
      }),
    )
    const isSame =
      known !== undefined &&
      known.name === name &&
      known.index === index &&
      known.answers === answers &&
      known.local === local &&
      known.remote === remote
    return isSame ? known : { dpid, name, index, answers, local, remote }
  }
}

/** The sections of one switch for all egress switches. */
export class EgressParts {
  readonly #self: Dpid
  /** By egress switch: the way that the group was made for. */
  readonly #groups = new Map<Dpid, { way: Way; egress: Egress; section: Section }>()
  #key: { egresses: readonly Egress[]; hasEdge: boolean; turn: number } | undefined
  #sections: readonly Section[] = []

  constructor(self: Dpid) {
    this.#self = self
  }

  sections(egresses: readonly Egress[], hasEdge: boolean, ways: Ways): readonly Section[] {
    const key = this.#key
    const isListed = key?.egresses === egresses && key.hasEdge === hasEdge
    if (isListed && key.turn === ways.turn) return this.#sections
    let isSame = isListed
    for (const egress of egresses)
      if (egress.dpid !== this.#self) isSame = this.#isKept(egress, ways) && isSame
    if (!isSame) this.#sections = this.#list(egresses, hasEdge)
    this.#key = { egresses, hasEdge, turn: ways.turn }
    return this.#sections
  }

  /** False when the group is another now. */
  #isKept(egress: Egress, ways: Ways): boolean {
    const way = ways.way(this.#self, egress.dpid)
    const known = this.#groups.get(egress.dpid)
    const isSameEgress =
      known?.egress === egress ||
      (known?.egress.index === egress.index && known.egress.name === egress.name)
    if (known && isSameEgress && isSameWay(known.way, way)) return true
    this.#groups.set(egress.dpid, { way, egress, section: groupSection(egress, way) })
    return false
  }

  #list(egresses: readonly Egress[], hasEdge: boolean): readonly Section[] {
    const sections: Section[] = []
    for (const { dpid, answers, local, remote } of egresses) {
      if (hasEdge) sections.push(answers)
      if (dpid === this.#self) sections.push(local)
      else sections.push(remote, this.#groups.get(dpid)!.section)
    }
    return sections
  }
}

const isSameWay = (a: Way, b: Way): boolean =>
  a === b ||
  (a.alternate === b.alternate &&
    a.ports.length === b.ports.length &&
    a.ports.every((port, index) => port === b.ports[index]))

const groupSection = (egress: Egress, way: Way): Section =>
  section(`egress/${egress.dpid}`, { groups: [egressGroupOf(egress, way)] })

/** Equal ways share the load; a single one has a stand-in that takes over inside the switch. */
const egressGroupOf = (egress: Egress, { ports, alternate }: Way): Group => {
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
