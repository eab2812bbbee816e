/** What a simulated switch tells about itself: OpenFlow 1.3.5 section 7.3.5, in Open vSwitch's words. */
import {
  allTables,
  type FlowStats,
  type Message,
  meterFlags,
  type Received,
  type ReceivedOf,
} from '../openflow/index.js'
import { tableCount } from './action-checks.js'
import { type Datapath, durationOf } from './datapath.js'
import type { FlowEntry } from './flows.js'
import type { GroupEntry } from './groups.js'
import { type MeterEntry, maxBands, maxMeters } from './meters.js'
import { describePort, type PortEntry } from './ports.js'
import { Refusal } from './refusal.js'

/** A reply whose entries may need several messages. */
export interface ListReply {
  readonly entries: readonly unknown[]
  message(entries: readonly unknown[], more: boolean): Message
}

/** The answer to a question about the switch; undefined when the message is no such question. */
export const answer = (
  request: Received,
  datapath: Datapath,
  name: string,
  nowMillis: number,
): Message | ListReply | undefined => {
  switch (request.kind) {
    case 'desc-request':
      return {
        kind: 'desc-reply',
        manufacturer: 'Nicira, Inc.',
        hardware: 'Open vSwitch',
        software: '3.1.0',
        serialNumber: 'None',
        datapath: name,
      }
    case 'flow-stats-request': {
      const entries = select(datapath, request).map(entry => flowStats(entry, nowMillis))
      return listReply('flow-stats-reply', entries)
    }
    case 'aggregate-stats-request':
      return aggregate(select(datapath, request))
    case 'table-stats-request':
      return listReply('table-stats-reply', tableStats(datapath))
    case 'table-features-request':
      return listReply('table-features-reply', tableFeatures())
    case 'port-desc-request':
      return listReply('port-desc-reply', datapath.ports.select(anyNumber).map(describePort))
    case 'port-stats-request': {
      const ports = datapath.ports.select(request.port)
      if (ports.length === 0) throw new Refusal('OFPBRC_BAD_PORT')
      return listReply(
        'port-stats-reply',
        ports.map(port => portStats(port, nowMillis)),
      )
    }
    default:
      return answerOfOthers(request, datapath, nowMillis)
  }
}

const answerOfOthers = (
  request: Received,
  datapath: Datapath,
  nowMillis: number,
): Message | ListReply | undefined => {
  switch (request.kind) {
    case 'queue-stats-request':
      return listReply('queue-stats-reply', [])
    case 'queue-get-config-request':
      return { kind: 'queue-get-config-reply', port: request.port, queues: [] }
    case 'group-desc-request':
      return listReply(
        'group-desc-reply',
        datapath.groups
          .select(allGroups)
          .map(({ id, type, buckets }) => ({ groupId: id, type, buckets })),
      )
    case 'group-stats-request': {
      const groups = datapath.groups.select(request.groupId)
      return listReply(
        'group-stats-reply',
        groups.map(group => groupStats(group, datapath, nowMillis)),
      )
    }
    case 'group-features-request':
      return groupFeatures
    case 'meter-config-request': {
      const meters = datapath.meters.select(request.meterId)
      checkMeter(meters, request.meterId)
      return listReply(
        'meter-config-reply',
        meters.map(({ id, flags, bands }) => ({ meterId: id, flags, bands })),
      )
    }
    case 'meter-stats-request': {
      const meters = datapath.meters.select(request.meterId)
      checkMeter(meters, request.meterId)
      return listReply(
        'meter-stats-reply',
        meters.map(meter => meterStats(meter, datapath, nowMillis)),
      )
    }
    case 'meter-features-request':
      return meterFeatures
    default:
      return undefined
  }
}

const anyNumber = 0xffffffff
const allGroups = 0xfffffffc

const listReply = (kind: ListKind, entries: readonly unknown[]): ListReply => ({
  entries,
  // The entries were made for this kind, above.
  message: (part, more) => ({ kind, entries: part, more }) as unknown as Message,
})

type ListKind = Extract<Received, { readonly entries: readonly unknown[] }>['kind']

const select = (
  { flows }: Datapath,
  request: ReceivedOf<'flow-stats-request' | 'aggregate-stats-request'>,
): FlowEntry[] => {
  if (request.tableId >= tableCount && request.tableId !== allTables)
    throw new Refusal('OFPBRC_BAD_TABLE_ID')
  return flows.select(request)
}

const flowStats = (entry: FlowEntry, nowMillis: number): FlowStats => ({
  tableId: entry.table,
  ...durationOf(entry.createdMillis, nowMillis),
  priority: entry.priority,
  idleTimeout: entry.idleTimeout,
  hardTimeout: entry.hardTimeout,
  flags: entry.flags,
  cookie: entry.cookie,
  packetCount: BigInt(entry.packetCount),
  byteCount: BigInt(entry.byteCount),
  match: entry.match,
  instructions: entry.instructions,
})

const aggregate = (entries: readonly FlowEntry[]): Message => ({
  kind: 'aggregate-stats-reply',
  packetCount: BigInt(entries.reduce((sum, entry) => sum + entry.packetCount, 0)),
  byteCount: BigInt(entries.reduce((sum, entry) => sum + entry.byteCount, 0)),
  flowCount: entries.length,
})

const tableStats = ({ flows, lookups }: Datapath) =>
  Array.from({ length: tableCount }, (_, tableId) => ({
    tableId,
    activeCount: flows.table(tableId)?.size ?? 0,
    lookupCount: BigInt(lookups.get(tableId)?.lookupCount ?? 0),
    matchedCount: BigInt(lookups.get(tableId)?.matchedCount ?? 0),
  }))

const tableFeatures = () =>
  Array.from({ length: tableCount }, (_, tableId) => ({
    tableId,
    name: `table${tableId}`,
    metadataMatch: 0xffff_ffff_ffff_ffffn,
    metadataWrite: 0xffff_ffff_ffff_ffffn,
    config: 0,
    maxEntries: 1_000_000,
    properties: [],
  }))

const portStats = (port: PortEntry, nowMillis: number) => ({
  port: port.number,
  rxPackets: BigInt(port.rxPackets),
  txPackets: BigInt(port.txPackets),
  rxBytes: BigInt(port.rxBytes),
  txBytes: BigInt(port.txBytes),
  rxDropped: BigInt(port.rxDropped),
  txDropped: BigInt(port.txDropped),
  rxErrors: 0n,
  txErrors: 0n,
  rxFrameErrors: 0n,
  rxOverruns: 0n,
  rxCrcErrors: 0n,
  collisions: 0n,
  ...durationOf(port.createdMillis, nowMillis),
})

const groupStats = (group: GroupEntry, { flows }: Datapath, nowMillis: number) => ({
  groupId: group.id,
  referenceCount: flows.usingGroup(group.id).length,
  packetCount: BigInt(group.packetCount),
  byteCount: BigInt(group.byteCount),
  ...durationOf(group.createdMillis, nowMillis),
  buckets: group.bucketCounts.map(counts => ({
    packetCount: BigInt(counts.packetCount),
    byteCount: BigInt(counts.byteCount),
  })),
})

const each = <T>(value: T): readonly [T, T, T, T] => [value, value, value, value]

const groupFeatures: Message = {
  kind: 'group-features-reply',
  types: 0xf,
  capabilities: 7,
  maxGroups: each(0xffffff00),
  actions: each(0x0fe9_8801),
}

const checkMeter = (found: readonly MeterEntry[], id: number): void => {
  if (found.length === 0 && id !== anyNumber) throw new Refusal('OFPMMFC_UNKNOWN_METER')
}

const meterStats = (meter: MeterEntry, { flows }: Datapath, nowMillis: number) => ({
  meterId: meter.id,
  flowCount: flows.usingMeter(meter.id).length,
  packetCount: BigInt(meter.packetCount),
  byteCount: BigInt(meter.byteCount),
  ...durationOf(meter.createdMillis, nowMillis),
  bands: meter.states.map(state => ({
    packetCount: BigInt(state.packetCount),
    byteCount: BigInt(state.byteCount),
  })),
})

const meterFeatures: Message = {
  kind: 'meter-features-reply',
  maxMeters,
  // Drop only.
  bandTypes: 2,
  capabilities: meterFlags.kbps | meterFlags.pktps | meterFlags.burst | meterFlags.stats,
  maxBands,
  maxColours: 0,
}
