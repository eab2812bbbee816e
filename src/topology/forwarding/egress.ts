/** What leads to hosts of other switches: rows for the hosts of one egress switch, and the group they point to. */
import type { Dpid } from '../../base/addresses.js'
import { type Section, section } from '../../pipeline/program.js'
import { HostsBySwitch } from '../hosts-by-switch.js'
import type { Memberships } from '../memberships.js'
import { type Host, portKey, type Switch, type Topology } from '../model.js'
import { EgressGroup, egressGroup } from './egress-group.js'
import { answerRows, localRows, remoteRows } from './host-rows.js'
import { Memo } from './memo.js'
import type { Way, Ways } from './ways.js'

/** A switch with hosts, and the sections of its hosts, there and elsewhere. */
export interface Egress {
  readonly dpid: Dpid
  readonly answers: Section
  readonly local: Section
  readonly remote: Section
  readonly group: EgressGroup
}

/** All egress switches; the same array as long as nothing of it changes. */
export class Egresses {
  readonly #memo = new Memo()
  readonly #hosts = new HostsBySwitch()
  #list: readonly Egress[] = []

  update(topology: Topology, memberships: Memberships): readonly Egress[] {
    const known = new Map(this.#list.map(egress => [egress.dpid, egress]))
    const list: Egress[] = []
    for (const [dpid, hosts] of this.#hosts.of(topology.hosts)) {
      const self = topology.switches.get(dpid)
      if (self) list.push(this.#egress(self, hosts, memberships, topology, known.get(dpid)))
    }
    this.#memo.sweep()
    const isSame =
      list.length === this.#list.length && list.every((each, index) => each === this.#list[index])
    if (!isSame) this.#list = list
    return this.#list
  }

  #egress(
    self: Switch,
    hosts: readonly Host[],
    memberships: Memberships,
    { networks, serving }: Topology,
    known: Egress | undefined,
  ): Egress {
    const { dpid, index } = self
    const answers = this.#memo.get(`answers ${dpid}`, [hosts], () =>
      section(`answers/${dpid}`, { flows: hosts.flatMap(answerRows) }),
    )
    const rowsOf = (host: Host) => {
      const isServer = serving.get(portKey(host.at))?.includes('dhcp') === true
      return localRows(host, memberships.tagAt(host.at, host.network), isServer)
    }
    const local = this.#memo.get(`local ${dpid}`, [hosts, networks, serving], () =>
      section(`hosts/${dpid}`, { flows: hosts.flatMap(rowsOf) }),
    )
    const remote = this.#memo.get(`remote ${dpid}`, [hosts, index], () =>
      section(`hosts/${dpid}`, {
        flows: hosts.flatMap(host => remoteRows(host, egressGroup(index))),
      }),
    )
    const group = known?.group.isFor(self) ? known.group : new EgressGroup(self)
    const isSame =
      known?.group === group &&
      known.answers === answers &&
      known.local === local &&
      known.remote === remote
    return isSame ? known : { dpid, answers, local, remote, group }
  }
}

/** The sections of one switch for all egress switches. */
export class EgressParts {
  readonly #self: Dpid
  /** By egress switch: the way that the group was made for. */
  readonly #groups = new Map<Dpid, { way: Way; group: EgressGroup; section: Section }>()
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
    if (this.#groups.size > egresses.length) this.#forgetOthers(egresses)
    this.#key = { egresses, hasEdge, turn: ways.turn }
    return this.#sections
  }

  /** False when the group is another now. */
  #isKept(egress: Egress, ways: Ways): boolean {
    const way = ways.way(this.#self, egress.dpid)
    const known = this.#groups.get(egress.dpid)
    const { group } = egress
    if (known?.way === way && known.group === group) return true
    const section = group.section(way)
    this.#groups.set(egress.dpid, { way, group, section })
    return known?.section === section
  }

  #forgetOthers(egresses: readonly Egress[]): void {
    const dpids = new Set(egresses.map(({ dpid }) => dpid))
    for (const dpid of this.#groups.keys()) if (!dpids.has(dpid)) this.#groups.delete(dpid)
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
