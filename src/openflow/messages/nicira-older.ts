/** Nicira's older messages, which Open vSwitch 3.1 still speaks over OpenFlow 1.3 when it is asked to. */
import type { Match } from '../values.js'
import { list, openNames, pad, rest, u8, u16, u32, u64, withDefault } from '../wire/codecs.js'
import type { Reader } from '../wire/reader.js'
import { structure } from '../wire/structure.js'
import type { Writer } from '../wire/writer.js'
import { nicira, onf } from './experimenters.js'
import { flowRemovedReasons } from './flow.js'
import { experimenterMessage, experimenterMultipart } from './message.js'
import { readBareMatch, writeBareMatch } from './monitor.js'
import { noBuffer, packetInReasons } from './packet.js'
import { asyncFields } from './role.js'

/** The size of a bare match, so much padding or other fields, then the match itself. */
interface Matched {
  readonly match: Match
}

const matchBehind = (gap: number) => ({
  read(reader: Reader): Match {
    const size = reader.u16()
    reader.skip(gap)
    return readBareMatch(reader, size)
  },
  write(writer: Writer, value: Matched['match']): void {
    const sizeAt = writer.mark()
    writer.u16(0)
    writer.zeros(gap)
    writer.patch16(sizeAt, writeBareMatch(writer, value))
  },
})

export const niciraPacketIn = experimenterMessage({
  kind: 'nicira-packet-in',
  experimenter: nicira,
  number: 17,
  spec: 'Nicira NXT_PACKET_IN',
  fields: [
    ['bufferId', withDefault(u32, noBuffer), 'of the copy that the switch keeps'],
    ['totalLength', u16, 'octets of the whole packet'],
    ['reason', openNames(u8, packetInReasons), 'why it comes'],
    ['tableId', withDefault(u8, 0), 'of the flow that sent it'],
    ['cookie', withDefault(u64, 0xffff_ffff_ffff_ffffn), 'of the flow that sent it'],
    ['match', matchBehind(6), 'what is known about the packet'],
    ['', pad(2), 'padding'],
    ['data', rest, 'the packet, or its beginning'],
  ],
})

/** Counters stand between the size of the match and the match. */
const removedMatch = {
  read(reader: Reader) {
    const size = reader.u16()
    const packetCount = reader.u64()
    const byteCount = reader.u64()
    return { packetCount, byteCount, match: readBareMatch(reader, size) }
  },
  write(
    writer: Writer,
    value: Matched & { readonly packetCount: bigint; readonly byteCount: bigint },
  ): void {
    const sizeAt = writer.mark()
    writer.u16(0)
    writer.u64(value.packetCount)
    writer.u64(value.byteCount)
    writer.patch16(sizeAt, writeBareMatch(writer, value.match))
  },
}

export const niciraFlowRemoved = experimenterMessage({
  kind: 'nicira-flow-removed',
  experimenter: nicira,
  number: 14,
  spec: 'Nicira NXT_FLOW_REMOVED',
  fields: [
    ['cookie', u64, 'of the flow'],
    ['priority', u16, 'of the flow'],
    ['reason', openNames(u8, flowRemovedReasons), 'why it went'],
    ['tableNumber', u8, 'where it was, plus 1; 0: not said'],
    ['durationSeconds', u32, 'how long it lived'],
    ['durationNanoseconds', u32, 'beyond the seconds'],
    ['idleTimeout', u16, 'seconds, as it was given'],
    ['flow', removedMatch, 'its counters, and which packets it was for'],
  ],
})

export const niciraSetAsync = experimenterMessage({
  kind: 'nicira-set-async',
  experimenter: nicira,
  number: 19,
  spec: 'Nicira NXT_SET_ASYNC_CONFIG',
  fields: asyncFields,
})

/** Types of the properties of `nicira-set-async2`, for slaves; those for masters are one more. */
export const asyncProperties = {
  packetInSlave: 0,
  packetInMaster: 1,
  portStatusSlave: 2,
  portStatusMaster: 3,
  flowRemovedSlave: 4,
  flowRemovedMaster: 5,
  roleStatusSlave: 6,
  roleStatusMaster: 7,
  tableStatusSlave: 8,
  tableStatusMaster: 9,
  requestForwardSlave: 10,
  requestForwardMaster: 11,
} as const

const asyncProperty = {
  read(reader: Reader) {
    const type = reader.u16()
    const size = reader.u16()
    if (size < 4) throw reader.error(`a property of ${size} octets`, 'OFPTFFC_BAD_LEN')
    const data = reader.take(size - 4)
    reader.skip(Math.min((8 - (size % 8)) % 8, reader.remaining))
    return { type, data }
  },
  write(writer: Writer, { type, data }: { readonly type: number; readonly data: Uint8Array }) {
    const start = writer.mark()
    writer.u16(type)
    writer.u16(4 + data.length)
    writer.bytes(data)
    writer.align8(start)
  },
}

export const niciraSetAsync2 = experimenterMessage({
  kind: 'nicira-set-async2',
  experimenter: nicira,
  number: 27,
  spec: 'Nicira NXT_SET_ASYNC_CONFIG2 (OpenFlow 1.4, 7.3.10)',
  fields: [['properties', list(asyncProperty), 'a mask of 32 bits each, see asyncProperties']],
})

/** Somebody else changed a group or a meter. */
export const requestForward = experimenterMessage({
  kind: 'request-forward',
  experimenter: onf,
  number: 2350,
  spec: 'ONF EXT-237 (OpenFlow 1.4, 7.4.6 Request Forward Message)',
  fields: [['message', rest, 'the whole group-mod or meter-mod']],
})

const ipfixCounters = structure([
  ['totalFlows', u64, 'records of flows so far'],
  ['currentFlows', u64, 'records kept now'],
  ['packets', u64, 'sampled'],
  ['ipv4Packets', u64, 'of these'],
  ['ipv6Packets', u64, 'of these'],
  ['errorPackets', u64, 'not sampled because of an error'],
  ['ipv4ErrorPackets', u64, 'of these'],
  ['ipv6ErrorPackets', u64, 'of these'],
  ['txPackets', u64, 'IPFIX messages sent'],
  ['txErrors', u64, 'IPFIX messages not sent'],
  ['collectorSet', u32, 'its number; 0 for a bridge'],
  ['', pad(4), 'padding'],
])

const ipfix = <const K extends string>(kind: K, isReply: boolean, number: number, spec: string) =>
  experimenterMultipart({
    kind,
    isReply,
    experimenter: nicira,
    number,
    spec,
    fields: [['entries', withDefault(list(ipfixCounters), []), 'one each collector set']],
  })

export const ipfixBridgeRequest = ipfix(
  'ipfix-bridge-request',
  false,
  3,
  'Nicira NXST_IPFIX_BRIDGE',
)
export const ipfixBridgeReply = ipfix('ipfix-bridge-reply', true, 3, 'Nicira NXST_IPFIX_BRIDGE')
export const ipfixFlowRequest = ipfix('ipfix-flow-request', false, 4, 'Nicira NXST_IPFIX_FLOW')
export const ipfixFlowReply = ipfix('ipfix-flow-reply', true, 4, 'Nicira NXST_IPFIX_FLOW')
