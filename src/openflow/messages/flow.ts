import { instructionList } from '../actions/instructions.js'
import { match } from '../match.js'
import { ports } from '../values.js'
import { entries, names, openNames, pad, u8, u16, u32, u64, withDefault } from '../wire/codecs.js'
import { length16, structure } from '../wire/structure.js'
import { message, multipartReply, multipartRequest } from './message.js'
import { noBuffer } from './packet.js'

export const anyGroup = 0xffffffff
export const allTables = 0xff

/** Bits of a flow's flags, section 7.3.4.1. */
// biome-ignore format: a table
export const flowFlags = { sendFlowRemoved: 1, checkOverlap: 2, resetCounts: 4, noPacketCounts: 8, noByteCounts: 16 } as const

// biome-ignore format: a table
export const flowCommands = { 'add': 0, 'modify': 1, 'modify-strict': 2, 'delete': 3, 'delete-strict': 4 } as const

// biome-ignore format: a table
export const flowRemovedReasons = { 'idle-timeout': 0, 'hard-timeout': 1, 'delete': 2, 'group-delete': 3, 'meter-delete': 4, 'eviction': 5 } as const

export const flowMod = message({
  kind: 'flow-mod',
  type: 14,
  spec: 'OpenFlow 1.3.5, 7.3.4.1 Modify Flow Entry Message',
  fields: [
    ['cookie', withDefault(u64, 0n), 'ours, kept with the flow'],
    ['cookieMask', withDefault(u64, 0n), 'for modify and delete: which bits must agree'],
    ['tableId', withDefault(u8, 0), 'the table; 0xff in a delete: all'],
    ['command', names(u8, flowCommands, 'OFPFMFC_BAD_COMMAND'), 'what to do'],
    ['idleTimeout', withDefault(u16, 0), 'seconds without a packet until it goes; 0: never'],
    ['hardTimeout', withDefault(u16, 0), 'seconds until it goes; 0: never'],
    ['priority', withDefault(u16, 0x8000), 'the greatest that matches wins'],
    ['bufferId', withDefault(u32, noBuffer), 'a kept packet to send through it'],
    ['outPort', withDefault(u32, ports.any), 'for delete: only flows that send there'],
    ['outGroup', withDefault(u32, anyGroup), 'for delete: only flows that use it'],
    ['flags', withDefault(u16, 0), 'see flowFlags'],
    ['', pad(2), 'padding'],
    ['match', withDefault(match, {}), 'which packets'],
    ['instructions', withDefault(instructionList, []), 'what becomes of them'],
  ],
})

export const flowRemoved = message({
  kind: 'flow-removed',
  type: 11,
  spec: 'OpenFlow 1.3.5, 7.4.2 Flow Removed Message',
  fields: [
    ['cookie', u64, 'of the flow'],
    ['priority', u16, 'of the flow'],
    ['reason', openNames(u8, flowRemovedReasons), 'why it went'],
    ['tableId', u8, 'where it was'],
    ['durationSeconds', u32, 'how long it lived'],
    ['durationNanoseconds', u32, 'beyond the seconds'],
    ['idleTimeout', u16, 'seconds, as it was given'],
    ['hardTimeout', u16, 'seconds, as it was given'],
    ['packetCount', u64, 'packets it matched'],
    ['byteCount', u64, 'their octets'],
    ['match', match, 'which packets it was for'],
  ],
})

/** Which flows are meant: the body of flow and aggregate requests. */
const flowFilter = [
  ['tableId', withDefault(u8, allTables), 'the table; 0xff: all'],
  ['', pad(3), 'padding'],
  ['outPort', withDefault(u32, ports.any), 'only flows that send there'],
  ['outGroup', withDefault(u32, anyGroup), 'only flows that use it'],
  ['', pad(4), 'padding'],
  ['cookie', withDefault(u64, 0n), 'only flows with this cookie'],
  ['cookieMask', withDefault(u64, 0n), 'in these bits'],
  ['match', withDefault(match, {}), 'only flows at least as narrow as this'],
] as const

export const flowStatsRequest = multipartRequest({
  kind: 'flow-stats-request',
  number: 1,
  spec: 'OpenFlow 1.3.5, 7.3.5.2 Individual Flow Statistics',
  fields: flowFilter,
})

export const flowStatsReply = multipartReply({
  kind: 'flow-stats-reply',
  number: 1,
  spec: 'OpenFlow 1.3.5, 7.3.5.2 Individual Flow Statistics',
  fields: [
    [
      'entries',
      entries(
        structure([
          ['', length16, 'of the entry'],
          ['tableId', u8, 'where it is'],
          ['', pad(1), 'padding'],
          ['durationSeconds', u32, 'how long it lives'],
          ['durationNanoseconds', u32, 'beyond the seconds'],
          ['priority', u16, 'the greatest that matches wins'],
          ['idleTimeout', u16, 'seconds without a packet until it goes'],
          ['hardTimeout', u16, 'seconds until it goes'],
          ['flags', u16, 'see flowFlags'],
          ['', pad(4), 'padding'],
          ['cookie', u64, 'given by the controller'],
          ['packetCount', u64, 'packets it matched'],
          ['byteCount', u64, 'their octets'],
          ['match', match, 'which packets'],
          ['instructions', instructionList, 'what becomes of them'],
        ]),
      ),
      'one each flow',
    ],
  ],
})

export const aggregateStatsRequest = multipartRequest({
  kind: 'aggregate-stats-request',
  number: 2,
  spec: 'OpenFlow 1.3.5, 7.3.5.3 Aggregate Flow Statistics',
  fields: flowFilter,
})

export const aggregateStatsReply = multipartReply({
  kind: 'aggregate-stats-reply',
  number: 2,
  spec: 'OpenFlow 1.3.5, 7.3.5.3 Aggregate Flow Statistics',
  fields: [
    ['packetCount', u64, 'packets these flows matched'],
    ['byteCount', u64, 'their octets'],
    ['flowCount', u32, 'how many flows these are'],
    ['', pad(4), 'padding'],
  ],
})
