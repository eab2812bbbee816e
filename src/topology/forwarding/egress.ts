/** What leads to hosts of other switches: rows for the hosts of one egress switch, and the group they point to. */
import type { Dpid } from '../../base/addresses.js'
import type { Action, Bucket } from '../../openflow/values.js'
import { etherTypes, ipProtocols } from '../../pipeline/packet.js'
import {
  type Flow,
  flow,
  type Group,
  groupNumber,
  type Origin,
  type Section,
  section,
} from '../../pipeline/program.js'
import { bitsEqual, load, registers } from '../../pipeline/registers.js'
import { tableId } from '../../pipeline/tables.js'
import { HostsBySwitch } from '../hosts-by-switch.js'
import type { Memberships } from '../memberships.js'
import { type Host, portKey, type Switch, type Topology } from '../model.js'
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
    { dpid, name, index }: Switch,
    hosts: readonly Host[],
    memberships: Memberships,
    { networks, serving }: Topology,
    known: Egress | undefined,
  ): Egress {
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

/**
 * A single way has the group for itself; several share the load in table transit. A way around takes over inside the
 * switch when all of them are dead.
 *
 *     forward ──> group of the egress switch ──> port               dead ──> the way around
 *                              │ several ways                    all dead ──> the way around
 *                              └──> transit ── UDP ──> bundle over live ports, by addresses and ports
 *                                      └── others ──> group that shares, over live ports
 */
const groupSection = (egress: Egress, { ports, alternate }: Way): Section => {
  const { dpid, index, name } = egress
  const origin: Origin = { kind: 'switch', name: dpid }
  const because = `shortest ways to ${name}`
  const id = egressGroup(index)
  const around = alternate === undefined ? [] : [outOf(alternate)]
  if (ports.length < 2) {
    const buckets = [...ports.map(outOf), ...around]
    return section(`egress/${dpid}`, { groups: [{ id, type: 'ff', buckets, because, origin }] })
  }
  const share: Group = {
    id: groupNumber('share', index),
    type: 'select',
    buckets: ports.map(port => ({ weight: 1, ...outOf(port) })),
    because,
    origin,
  }
  const shared: Bucket = {
    watchGroup: share.id,
    actions: [load(registers.egress, index), { kind: 'resubmit', table: tableId.transit }],
  }
  return section(`egress/${dpid}`, {
    flows: shareRows(egress, ports, share.id, origin),
    groups: [share, { id, type: 'ff', buckets: [shared, ...around], because, origin }],
  })
}

const outOf = (port: number): Bucket => ({ watchPort: port, actions: [{ kind: 'output', port }] })

/** Groups of Open vSwitch leave the ports of UDP out of their hash: docs/adr/0006. */
const shareRows = (
  { index, name }: Egress,
  ports: readonly number[],
  share: number,
  origin: Origin,
): Flow[] => {
  const reg8 = bitsEqual([registers.egress, index])
  const bundle: Action = {
    kind: 'bundle',
    hash: { fields: 'symmetric_l3l4+udp', basis: 0 },
    algorithm: 'hrw',
    ports,
  }
  const udp = [etherTypes.ipv4, etherTypes.ipv6].map(eth_type =>
    flow(
      'transit',
      100,
      { eth_type, ip_proto: ipProtocols.udp, reg8 },
      { actions: [bundle] },
      `connections of UDP share the ways to ${name}`,
      origin,
    ),
  )
  const others = flow(
    'transit',
    10,
    { reg8 },
    { actions: [{ kind: 'group', group: share }] },
    `what else there is shares the ways to ${name}`,
    origin,
  )
  return [...udp, others]
}
