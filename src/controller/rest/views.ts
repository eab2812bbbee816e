/** What the API shows of the controller's objects; the shapes that scripts rely on. */

import type { Dpid } from '../../base/addresses.js'
import { ConnectionLost, formatFlow, type ReceivedOf, unreadableOf } from '../../openflow/index.js'
import { ports as reserved } from '../../openflow/values.js'
import { canonicalFlow, flowKey } from '../../pipeline/canonical.js'
import { cookieNamespace, cookieNamespaceMask } from '../../pipeline/program.js'
import { tableName } from '../../pipeline/tables.js'
import { type Link, type PortRef, type Switch, switchesInOrder } from '../../topology/model.js'
import type { Controller, Stranger } from '../controller.js'
import { unreadableFlow } from '../program/unreadable.js'
import { offloadText } from '../southbound/checksum-offload.js'

export const switchItems = (controller: Controller) => [
  ...switchesInOrder(controller.topology.current).map(self => switchItem(controller, self)),
  ...[...controller.strangers.values()]
    .filter(({ attached }) => !controller.topology.current.switches.has(attached.dpid))
    .map(strangerItem),
]

/** A switch that is connected, of which nothing is known but that its rows are not ours. */
const strangerItem = ({ attached, reason }: Stranger) => ({
  dpid: attached.dpid,
  name: attached.name,
  state: 'not-adopted',
  reason: adoptHint(attached.name, reason),
  connected: true,
  ports: [],
  flows: 0,
  foreignFlows: 0,
  refusals: [],
  description: attached.description,
})

/** That a host at the port leaves checksums to a network card. */
const offloadNote = (controller: Controller, at: PortRef): string | undefined => {
  const mac = controller.checksumOffload.hostAt(at)
  return mac && offloadText(mac, `${nameOf(controller, at.dpid)}:${at.port}`)
}

const adoptHint = (name: string, reason: string): string =>
  `${reason}; start with the right data folder, or take the switch with "sluice adopt ${name}"`

const switchItem = (controller: Controller, self: Switch) => {
  const programmer = controller.programmer(self.dpid)
  const attached = controller.attached(self.dpid)
  const isInstalled = (programmer?.confirmedRevision ?? -1) >= controller.nextRevision
  return {
    dpid: self.dpid,
    name: self.name,
    ...stateOf(controller, self, attached, isInstalled),
    connected: attached !== undefined || controller.strangers.has(self.dpid),
    ports: [...self.ports.values()].map(port => ({
      number: port.number,
      name: port.name,
      mac: port.mac,
      isUp: port.isUp,
      kind: port.kind,
    })),
    flows: programmer?.heldFlowCount ?? 0,
    foreignFlows: programmer?.foreign.length ?? 0,
    refusals: [...(programmer?.refusals.values() ?? [])],
    notes: [...self.ports.keys()].flatMap(
      port => offloadNote(controller, { dpid: self.dpid, port }) ?? [],
    ),
    ...programmer?.counters,
    ...(attached && { description: attached.description }),
  }
}

const stateOf = (
  controller: Controller,
  { dpid, name }: Switch,
  attached: ReturnType<Controller['attached']>,
  isInstalled: boolean,
): { state: string; reason?: string } => {
  const stranger = controller.strangers.get(dpid)
  if (stranger) return { state: 'not-adopted', reason: adoptHint(name, stranger.reason) }
  if (attached === undefined) return { state: 'disconnected' }
  if (attached.connection.role !== 'master')
    return {
      state: 'not-master',
      reason: 'another controller made itself master of this switch: nothing is sent to it',
    }
  const programmer = controller.programmer(dpid)
  if (!isInstalled)
    return { state: 'pending', ...(programmer?.failure && { reason: programmer.failure }) }
  const [refused] = programmer?.refusals.values() ?? []
  if (refused === undefined) return { state: 'installed' }
  const count = programmer!.refusals.size
  return {
    state: 'degraded',
    reason: `it refused ${count === 1 ? 'a flow' : `${count} flows, the first`}: ${refused.error} (${refused.request})`,
  }
}

const nameOf = (controller: Controller, dpid: Dpid): string =>
  controller.topology.current.switches.get(dpid)?.name ?? dpid

const place = (controller: Controller, at: PortRef) => ({
  dpid: at.dpid,
  switch: nameOf(controller, at.dpid),
  port: at.port,
})

export const linkItems = (controller: Controller) =>
  [...controller.topology.current.links.values()].sort(byEnds).map((link: Link) => ({
    from: place(controller, link.from),
    to: place(controller, link.to),
    state: 'up',
    cost: link.cost,
    ...(link.rttMillis !== undefined && { rttMillis: link.rttMillis }),
    ...(link.latencyMillis !== undefined && { latencyMillis: link.latencyMillis }),
    ...(link.utilisation !== undefined && { utilisation: link.utilisation }),
    ...(link.isForeign && { isForeign: true }),
    ...(link.isDamped && { isDamped: true }),
  }))

const byEnds = (a: Link, b: Link): number =>
  a.from.dpid === b.from.dpid ? a.from.port - b.from.port : a.from.dpid < b.from.dpid ? -1 : 1

export const hostItems = (controller: Controller) =>
  [...controller.topology.current.hosts.values()].map(host => ({
    ...(controller.checksumOffload.hostAt(host.at) === host.mac && {
      notes: [offloadText(host.mac, `${nameOf(controller, host.at.dpid)}:${host.at.port}`)],
    }),
    mac: host.mac,
    ...(host.name !== undefined && { name: host.name }),
    ips: host.ips,
    dpid: host.at.dpid,
    switch: nameOf(controller, host.at.dpid),
    port: host.at.port,
    network: host.network,
  }))

/** Rows as the switches hold them now, with counters, and with what we know of each. */
export const flowItems = async (controller: Controller, name: string | undefined) => {
  const chosen = [...controller.topology.current.switches.values()].filter(
    self => name === undefined || self.name === name || self.dpid === name,
  )
  const lists = await Promise.all(chosen.map(self => flowsOfSwitch(controller, self)))
  return lists.flat()
}

const flowsOfSwitch = async (controller: Controller, self: Switch) => {
  const flows = new Map(controller.flowsOf(self.dpid).map(flow => [canonicalFlow(flow).key, flow]))
  const reply = await readFlows(controller, self.dpid)
  const at = { switch: self.name, dpid: self.dpid }
  const unreadable = (reply ? unreadableOf(reply) : []).map(({ bytes, error }) => {
    const row = unreadableFlow(bytes)
    const { tableId = 0xff, priority = 0, cookie = 0n } = row ?? {}
    return {
      ...at,
      table: tableName(tableId) ?? String(tableId),
      tableId,
      priority,
      cookie: `0x${cookie.toString(16)}`,
      packets: 0,
      bytes: 0,
      text: `cannot be read: ${error.reason}`,
      isOurs: (cookie & cookieNamespaceMask) === cookieNamespace << 48n,
    }
  })
  const readable = (reply?.entries ?? []).map(entry => {
    const flow = flows.get(flowKey(entry.tableId, entry.priority, entry.match))
    return {
      ...at,
      table: tableName(entry.tableId) ?? String(entry.tableId),
      tableId: entry.tableId,
      priority: entry.priority,
      cookie: `0x${entry.cookie.toString(16)}`,
      packets: Number(entry.packetCount),
      bytes: Number(entry.byteCount),
      text: formatFlow(entry),
      ...(flow && {
        because: flow.because,
        origin: `${flow.origin.kind}/${flow.origin.name}${flow.origin.file ? ` ${flow.origin.file}:${flow.origin.line}` : ''}`,
      }),
      isOurs: (entry.cookie & cookieNamespaceMask) === cookieNamespace << 48n,
    }
  })
  return [...readable, ...unreadable]
}

/** Undefined when the switch is not connected, or is lost before it has answered. */
const readFlows = async (
  controller: Controller,
  dpid: Dpid,
): Promise<ReceivedOf<'flow-stats-reply'> | undefined> => {
  try {
    const reply = await controller.attached(dpid)?.request({
      kind: 'flow-stats-request',
      tableId: 0xff,
      outPort: reserved.any,
      outGroup: reserved.any,
      cookie: 0n,
      cookieMask: 0n,
      match: {},
    })
    return reply?.kind === 'flow-stats-reply' ? reply : undefined
  } catch (error) {
    if (error instanceof ConnectionLost) return undefined
    throw error
  }
}
