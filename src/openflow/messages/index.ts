/** All messages: a new one is a table in a file of this folder and a line here. */
import { bundleAdd, bundleControl } from './bundle.js'
import { ctFlush } from './ct-flush.js'
import { error } from './error.js'
import * as flow from './flow.js'
import * as group from './group.js'
import * as handshake from './handshake.js'
import type { DraftMessageOf, MessageOf } from './message.js'
import * as meter from './meter.js'
import * as monitor from './monitor.js'
import * as nicira from './nicira.js'
import * as older from './nicira-older.js'
import { packetIn, packetOut } from './packet.js'
import * as port from './port.js'
import * as role from './role.js'
import * as table from './table.js'

export const messageTables = [
  handshake.hello,
  error,
  handshake.echoRequest,
  handshake.echoReply,
  handshake.featuresRequest,
  handshake.featuresReply,
  handshake.getConfigRequest,
  handshake.getConfigReply,
  handshake.setConfig,
  packetIn,
  flow.flowRemoved,
  port.portStatus,
  packetOut,
  flow.flowMod,
  group.groupMod,
  port.portMod,
  table.tableMod,
  handshake.barrierRequest,
  handshake.barrierReply,
  port.queueGetConfigRequest,
  port.queueGetConfigReply,
  role.roleRequest,
  role.roleReply,
  role.getAsyncRequest,
  role.getAsyncReply,
  role.setAsync,
  meter.meterMod,
  table.descriptionRequest,
  table.descriptionReply,
  flow.flowStatsRequest,
  flow.flowStatsReply,
  flow.aggregateStatsRequest,
  flow.aggregateStatsReply,
  table.tableStatsRequest,
  table.tableStatsReply,
  port.portStatsRequest,
  port.portStatsReply,
  port.queueStatsRequest,
  port.queueStatsReply,
  group.groupStatsRequest,
  group.groupStatsReply,
  group.groupDescriptionRequest,
  group.groupDescriptionReply,
  group.groupFeaturesRequest,
  group.groupFeaturesReply,
  meter.meterStatsRequest,
  meter.meterStatsReply,
  meter.meterConfigRequest,
  meter.meterConfigReply,
  meter.meterFeaturesRequest,
  meter.meterFeaturesReply,
  table.tableFeaturesRequest,
  table.tableFeaturesReply,
  port.portDescriptionRequest,
  port.portDescriptionReply,
  bundleControl,
  bundleAdd,
  role.roleStatus,
  nicira.packetIn2,
  nicira.resume,
  nicira.setPacketInFormat,
  nicira.setControllerId,
  nicira.ctFlushZone,
  nicira.flowModTableId,
  nicira.flowAge,
  nicira.tlvTableMod,
  nicira.tlvTableRequest,
  nicira.tlvTableReply,
  ctFlush,
  monitor.flowMonitorRequest,
  monitor.flowMonitorReply,
  monitor.flowMonitorCancel,
  monitor.flowMonitorPaused,
  monitor.flowMonitorResumed,
  monitor.niciraMonitorRequest,
  monitor.niciraMonitorReply,
  monitor.niciraMonitorCancel,
  monitor.niciraMonitorPaused,
  monitor.niciraMonitorResumed,
  older.niciraPacketIn,
  older.niciraFlowRemoved,
  older.niciraSetAsync,
  older.niciraSetAsync2,
  older.requestForward,
  older.ipfixBridgeRequest,
  older.ipfixBridgeReply,
  older.ipfixFlowRequest,
  older.ipfixFlowReply,
] as const

type Known = (typeof messageTables)[number]

/** Types that we do not know, kept as bytes and written back the same. */
export type UnknownMessage =
  | {
      readonly kind: 'unknown'
      readonly xid: number
      readonly type: number
      readonly data: Uint8Array
    }
  | {
      readonly kind: 'unknown-stats-request' | 'unknown-stats-reply'
      readonly xid: number
      readonly number: number
      readonly more: boolean
      readonly data: Uint8Array
    }
  | {
      readonly kind: 'experimenter'
      readonly xid: number
      readonly experimenter: number
      readonly experimenterType: number
      readonly data: Uint8Array
    }
  | {
      readonly kind: 'experimenter-stats-request' | 'experimenter-stats-reply'
      readonly xid: number
      readonly experimenter: number
      readonly experimenterType: number
      readonly more: boolean
      readonly data: Uint8Array
    }

type WithoutXid<T> = T extends unknown ? Omit<T, 'xid'> & { readonly xid?: number } : never

/**
 * A message as `encode` takes it, discriminated by `kind`. What has a usual value may be left away,
 * `xid` too: whoever sends gives the number.
 */
export type Message = DraftMessageOf<Known> | WithoutXid<UnknownMessage>

/** A message as `decode` gives it: every member is there. Goes back into `encode` as it is. */
export type Received = MessageOf<Known> | UnknownMessage

export type MessageKind = Received['kind']
/** The message of one kind, as it is read. */
export type ReceivedOf<K extends MessageKind> = Extract<Received, { readonly kind: K }>

/** What answers a request; of a multipart reply all parts in one. */
export type Reply = Received

/** A flow as a switch reports it. */
export type FlowStats = ReceivedOf<'flow-stats-reply'>['entries'][number]
export type GroupDescription = ReceivedOf<'group-desc-reply'>['entries'][number]
export type MeterConfig = ReceivedOf<'meter-config-reply'>['entries'][number]
