/** The group that leads to an egress switch, and the rows by which several ways there are shared. */
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
import type { Switch } from '../model.js'
import type { Way } from './ways.js'

/** The group that leads to the switch with this index. */
export const egressGroup = (index: number): number => groupNumber('egress', index)

type Named = Pick<Switch, 'dpid' | 'name' | 'index'>

/** Ways that are kept for one egress switch; there are as many as switches are cabled differently. */
const keptWays = 1_000

/** Sections for one egress switch: switches whose ways leave by the same ports have the same object. */
export class EgressGroup {
  readonly #egress: Named
  readonly #sections = new Map<string, Section>()

  constructor({ dpid, index, name }: Named) {
    this.#egress = { dpid, index, name }
  }

  isFor({ dpid, index, name }: Named): boolean {
    const own = this.#egress
    return own.dpid === dpid && own.index === index && own.name === name
  }

  section(way: Way): Section {
    const key = `${way.ports.join()} ${way.alternate}`
    const known = this.#sections.get(key)
    if (known) return known
    if (this.#sections.size >= keptWays) this.#sections.clear()
    const made = groupSection(this.#egress, way)
    this.#sections.set(key, made)
    return made
  }
}

/**
 * A single way has the group for itself; several share the load in table transit. A way around takes over inside the
 * switch when all of them are dead.
 *
 *     forward ──> group of the egress switch ──> port               dead ──> the way around
 *                              │ several ways                    all dead ──> the way around
 *                              └──> transit ── UDP ──> bundle over live ports, by addresses and ports
 *                                      └── others ──> group that shares, over live ports
 */
const groupSection = (egress: Named, { ports, alternate }: Way): Section => {
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
  { index, name }: Named,
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
