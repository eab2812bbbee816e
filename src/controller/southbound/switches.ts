/** One connected switch, as the rest of the controller speaks to it. */

import type { Dpid } from '../../base/addresses.js'
import type { ConnectedSwitch, EndedRow } from '../../nfv/function.js'
import {
  BundleError,
  type Message,
  monitorFlags,
  type PortDescription,
  portConfig,
  portState,
  type SwitchConnection,
  SwitchError,
  unreadableOf,
} from '../../openflow/index.js'
import { type Action, ports } from '../../openflow/values.js'
import { cookieOf } from '../../pipeline/program.js'
import { load, registers } from '../../pipeline/registers.js'
import { tableId } from '../../pipeline/tables.js'
import type { PortBytes } from '../../topology/links/measurements.js'
import type { PortReport } from '../../topology/port-reports.js'
import type { IndexedError, SwitchChannel, TouchedRow } from '../program/read-back.js'
import type { PacketIn } from './punts.js'

export interface SwitchHandlers {
  packetIn(packet: PacketIn): void
  portChanged(report: PortReport): void
  portRemoved(number: number): void
  /** Somebody else added, changed or removed rows; undefined: which ones is not known. */
  flowsTouched(rows: readonly TouchedRow[] | undefined): void
  /** A row has ended, or somebody took it away. */
  rowRemoved(row: EndedRow): void
  closed(reason: string): void
}

export interface AttachedSwitch extends SwitchChannel, ConnectedSwitch {
  readonly dpid: Dpid
  readonly name: string
  readonly connection: SwitchConnection
  /** The software it runs. */
  readonly description: string
  reports(): readonly PortReport[]
  /** Sends a frame out of a port. */
  send(port: number, frame: Uint8Array): void
  /** Sends frames, and resolves when the switch has confirmed it. */
  sendConfirmed(frames: readonly { port: number; frame: Uint8Array }[]): Promise<void>
  /** Lets actions happen to a frame of ours. */
  /** @param inPort where it is said to have come in; usually none */
  act(actions: readonly Action[], frame: Uint8Array, inPort?: number): void
  /** Packets of flows of hosts in table guard, by cookie. */
  hostPackets(): Promise<ReadonlyMap<bigint, bigint>>
  /** How many octets each port has sent. */
  sentBytes(): Promise<readonly PortBytes[]>
  /** Asks to be told when somebody else changes rows; false when the switch cannot (ONF EXT-187). */
  watchFlows(): Promise<boolean>
}

/** Hands a connection's events on, and gives the controller verbs instead of messages. */
export const attach = (connection: SwitchConnection, handlers: SwitchHandlers): AttachedSwitch => {
  connection.on('packet-in', packet => {
    const { inPort, data, userdata, match } = packet
    handlers.packetIn({ inPort, data, userdata, match })
  })
  connection.on('port-changed', (reason, port) => {
    if (reason === 'delete') handlers.portRemoved(port.port)
    else handlers.portChanged(reportOf(port))
  })
  connection.on('flow-removed', message => handlers.rowRemoved(message))
  connection.on('other-message', message => {
    if (message.kind === 'flow-monitor-resumed') handlers.flowsTouched(undefined)
    if (message.kind !== 'flow-monitor-reply') return
    // Abbreviated: what we asked for ourselves.
    // A change that cannot be understood may be of any row.
    if (unreadableOf(message).length > 0) return handlers.flowsTouched(undefined)
    const rows = message.updates.filter(update => update.event !== 'abbreviated')
    if (rows.length > 0) handlers.flowsTouched(rows)
  })
  connection.on('closed', reason => handlers.closed(reason))
  const { dpid } = connection
  return {
    dpid,
    name: nameOf(connection),
    connection,
    description: connection.description.software,
    reports: () => [...connection.ports.values()].map(reportOf),
    send: (port, frame) => connection.send(packetOut(ports.controller, port, frame)),
    sendConfirmed: frames => {
      for (const { port, frame } of frames)
        connection.send(packetOut(ports.controller, port, frame))
      return connection.barrier()
    },
    act: (actions, data, inPort = ports.controller) =>
      connection.send({ kind: 'packet-out', inPort, actions, data }),
    hostPackets: async () => {
      const reply = await connection.request(hostFlows)
      const packets = new Map<bigint, bigint>()
      if (reply.kind === 'flow-stats-reply')
        for (const { cookie, packetCount } of reply.entries)
          packets.set(cookie, (packets.get(cookie) ?? 0n) + packetCount)
      return packets
    },
    sentBytes: async () => {
      const reply = await connection.request({ kind: 'port-stats-request' })
      if (reply.kind !== 'port-stats-reply') return []
      return reply.entries.map(({ port, txBytes }) => ({ port, bytes: txBytes }))
    },
    reinject: (port, frame, ...marks) => connection.send(giveBack(port, frame, ...marks)),
    tell: messages => {
      for (const message of messages) connection.send(message)
    },
    request: message => connection.request(message),
    watchFlows: async () => {
      try {
        const { add, delete: gone, modify } = monitorFlags
        const all = {
          id: 1,
          flags: add | gone | modify,
          outPort: ports.any,
          tableId: 0xff,
          match: {},
        }
        await connection.request({ kind: 'flow-monitor-request', monitors: [all] })
        return true
      } catch (error) {
        // The switch has no flow monitors: it is read back now and then in any case.
        if (error instanceof SwitchError) return false
        throw error
      }
    },
    sendAll: messages => connection.sendAll(messages),
    bundle: messages => refusalsOf(connection.bundle(messages)),
  }
}

const hostFlows: Message = {
  kind: 'flow-stats-request',
  tableId: tableId.guard,
  outPort: ports.any,
  outGroup: ports.any,
  cookie: cookieOf('host', 0),
  cookieMask: 0xffff_ffff_0000_0000n,
  match: {},
}

/** A refused bundle is an answer; only a lost connection is a failure. */
const refusalsOf = async (bundle: Promise<void>): Promise<readonly IndexedError[]> => {
  try {
    await bundle
    return []
  } catch (error) {
    if (error instanceof BundleError) return error.refusals
    throw error
  }
}

/** Runs a frame through the pipeline as if it came in at the port now; what it was sent up for, it is not sent up for again. */
const giveBack = (inPort: number, data: Uint8Array, ...marks: readonly Action[]): Message => ({
  kind: 'packet-out',
  inPort,
  actions: [load(registers.returned, 1), ...marks, { kind: 'resubmit', table: tableId.admit }],
  data,
})

const packetOut = (inPort: number, port: number, data: Uint8Array): Message => ({
  kind: 'packet-out',
  inPort,
  actions: [{ kind: 'output', port }],
  data,
})

/** The bridge's own port carries its name. */
const nameOf = (connection: SwitchConnection): string =>
  connection.ports.get(ports.local)?.name ?? connection.dpid

const reportOf = (port: PortDescription): PortReport => ({
  number: port.port,
  name: port.name,
  mac: port.hardwareAddress,
  isUp: (port.config & portConfig.portDown) === 0 && (port.state & portState.linkDown) === 0,
  speedKbps: port.currentSpeed,
})
