/** What leads to hosts of other switches: rows for the hosts of one egress switch, and the group they point to. */
import type { Dpid } from '../../base/addresses.js'
import { areSame } from '../../base/same.js'
import { type Flow, type Section, section } from '../../pipeline/program.js'
import { guardAt } from '../hosts/guard.js'
import { HostsBySwitch } from '../hosts/hosts-by-switch.js'
import type { Memberships } from '../memberships.js'
import { type Host, portKey, type Switch, type Topology } from '../model.js'
import { EgressGroup, egressGroup } from './egress-group.js'
import { answerRows, localRows, remoteRows } from './host-rows.js'
import { Memo } from './memo.js'
import type { Way, Ways } from './ways.js'

/** A switch with hosts, and the sections of its hosts, there and elsewhere. */
export interface Egress {
  readonly dpid: Dpid
  readonly hosts: readonly Host[]
  /** The addresses of a host that it is asked for. */
  readonly ipsOf: (host: Host) => Host['ips']
  readonly answers: Section
  readonly local: Section
  readonly remote: Section
  readonly group: EgressGroup
}

/** All egress switches; the same array as long as nothing of it changes. */
export class Egresses {
  readonly #memo = new Memo()
  readonly #hosts = new HostsBySwitch()
  readonly #pinned = new PinnedHosts()
  #list: readonly Egress[] = []
  /** Rows of hosts that are as they were, so that a new host costs its own rows. */
  readonly #answers = new RowsOfHosts(answerRows)
  readonly #remote = new Map<number, RowsOfHosts>()
  #local: { readonly of: readonly unknown[]; readonly rows: RowsOfHosts } | undefined

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

  #localRows(topology: Topology, memberships: Memberships): RowsOfHosts {
    const { guards, networks, serving } = topology
    const of = [guards, networks, serving]
    if (this.#local && areSame(this.#local.of, of)) return this.#local.rows
    const rows = new RowsOfHosts((host, answered) =>
      localRows(host, {
        vlan: memberships.tagAt(host.at, host.network),
        guard: guardAt(topology, host.at, host.network),
        isServer: serving.get(portKey(host.at))?.includes('dhcp') === true,
        answered,
      }),
    )
    this.#local = { of, rows }
    return rows
  }

  #remoteRows(index: number): RowsOfHosts {
    const known = this.#remote.get(index)
    const rows = known ?? new RowsOfHosts(host => remoteRows(host, egressGroup(index)))
    this.#remote.set(index, rows)
    return rows
  }

  #egress(
    self: Switch,
    hosts: readonly Host[],
    memberships: Memberships,
    topology: Topology,
    known: Egress | undefined,
  ): Egress {
    const { dpid, index } = self
    const { guards, networks, serving } = topology
    const silent = this.#pinned.of(hosts).filter(({ at }) => !self.ports.get(at.port)?.isUp)
    const ipsOf = known?.hosts === hosts ? known.ipsOf : answeredIps(hosts)
    const answers = this.#memo.get(`answers ${dpid}`, [hosts, ...silent], () => {
      const flows = hosts.flatMap(host =>
        silent.includes(host) ? [] : this.#answers.of(host, ipsOf(host)),
      )
      return section(`answers/${dpid}`, { flows })
    })
    const local = this.#memo.get(`local ${dpid}`, [hosts, guards, networks, serving], () => {
      const rows = this.#localRows(topology, memberships)
      const flows = hosts.flatMap(host => rows.of(host, ipsOf(host)))
      return section(`hosts/${dpid}`, { flows })
    })
    const remote = this.#memo.get(`remote ${dpid}`, [hosts, index], () =>
      section(`hosts/${dpid}`, {
        flows: hosts.flatMap(host => this.#remoteRows(index).of(host, host.ips)),
      }),
    )
    const group = known?.group.isFor(self) ? known.group : new EgressGroup(self)
    const isSame =
      known?.group === group &&
      known.hosts === hosts &&
      known.answers === answers &&
      known.local === local &&
      known.remote === remote
    return isSame ? known : { dpid, hosts, ipsOf, answers, local, remote, group }
  }
}

/** The same rows for a host as long as it is the same, and is asked for the same addresses. */
class RowsOfHosts {
  readonly #make: (host: Host, answered: Host['ips']) => readonly Flow[]
  readonly #known = new WeakMap<
    Host,
    { readonly answered: Host['ips']; readonly rows: readonly Flow[] }
  >()

  constructor(make: (host: Host, answered: Host['ips']) => readonly Flow[]) {
    this.#make = make
  }

  of(host: Host, answered: Host['ips']): readonly Flow[] {
    const known = this.#known.get(host)
    if (known?.answered === answered) return known.rows
    const rows = this.#make(host, answered)
    this.#known.set(host, { answered, rows })
    return rows
  }
}

/** Those of a list of hosts that stay when their port goes down. */
class PinnedHosts {
  readonly #known = new WeakMap<readonly Host[], readonly Host[]>()

  of(hosts: readonly Host[]): readonly Host[] {
    const known = this.#known.get(hosts) ?? hosts.filter(({ isPinned }) => isPinned)
    this.#known.set(hosts, known)
    return known
  }
}

/** The addresses of each host that it is asked for: of those that share one, the last. */
const answeredIps = (hosts: readonly Host[]): ((host: Host) => Host['ips']) => {
  const holders = new Map<string, Host>()
  let isShared = false
  for (const host of hosts)
    for (const ip of host.ips) {
      const key = `${host.network} ${ip}`
      isShared ||= holders.has(key)
      holders.set(key, host)
    }
  if (!isShared) return ({ ips }) => ips
  return host => host.ips.filter(ip => holders.get(`${host.network} ${ip}`) === host)
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
