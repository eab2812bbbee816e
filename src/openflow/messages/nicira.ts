/** Nicira's messages that Open vSwitch 3.1 speaks over OpenFlow 1.3 (its `nicira-ext.h` and `ofp-msgs.h`). */
import { readFields, writeFields } from '../match.js'
import type { Match } from '../values.js'
import {
  type Codec,
  list,
  names,
  openNames,
  pad,
  u8,
  u16,
  u32,
  withDefault,
} from '../wire/codecs.js'
import type { Reader } from '../wire/reader.js'
import { structure } from '../wire/structure.js'
import type { Writer } from '../wire/writer.js'
import { nicira } from './experimenters.js'
import { experimenterMessage } from './message.js'
import { packetInReasons } from './packet.js'

const reason = openNames(u8, packetInReasons)

/** What a switch tells about a packet, and what it wants back to let the packet go on. */
export interface PacketInProperties {
  readonly data?: Uint8Array
  /** Octets of the whole packet, where `data` is shorter. */
  readonly fullLength?: number
  readonly bufferId?: number
  readonly tableId?: number
  readonly cookie?: bigint
  readonly reason?: keyof typeof packetInReasons | number
  readonly match?: Match
  /** What the flow's `controller(userdata=...)` holds. */
  readonly userdata?: Uint8Array
  /** The switch's own state; goes back in `resume` as it is. */
  readonly continuation?: Uint8Array
  /** Whole properties with head and padding. */
  readonly unknown?: readonly Uint8Array[]
}

// biome-ignore format: a table
const properties = {
  data: 0, fullLength: 1, bufferId: 2, tableId: 3, cookie: 4, reason: 5, match: 6, userdata: 7, continuation: 8,
} as const

type Reading = {
  -readonly [K in keyof Omit<PacketInProperties, 'unknown'>]: PacketInProperties[K]
} & {
  unknown?: Uint8Array[]
}

const packetInProperties: Codec<PacketInProperties> = {
  read(reader) {
    const value: Reading = {}
    while (reader.remaining > 0) readProperty(reader, value)
    return value
  },
  write(writer, value) {
    // In the order of the value, which is that of the wire when it was read.
    for (const name in value) writeProperty(writer, value, name as keyof PacketInProperties)
  },
}

const writeProperty = (
  writer: Writer,
  value: PacketInProperties,
  name: keyof PacketInProperties,
): void => {
  if (value[name] === undefined) return
  if (name === 'unknown') for (const bytes of value.unknown!) writer.bytes(bytes)
  else put(writer, properties[name], () => propertyWriters[name](writer, value))
}

const propertyWriters: {
  readonly [name in keyof typeof properties]: (writer: Writer, value: PacketInProperties) => void
} = {
  data: (writer, { data }) => writer.bytes(data!),
  fullLength: (writer, { fullLength }) => writer.u32(fullLength!),
  bufferId: (writer, { bufferId }) => writer.u32(bufferId!),
  tableId: (writer, { tableId }) => writer.u8(tableId!),
  cookie: (writer, { cookie }) => putWide(writer, cookie!),
  reason: (writer, value) => reason.write(writer, value.reason!),
  match: (writer, { match }) => writeFields(writer, match!),
  userdata: (writer, { userdata }) => writer.bytes(userdata!),
  continuation: (writer, { continuation }) => writer.bytes(continuation!),
}

const readProperty = (reader: Reader, value: Reading): void => {
  const start = reader.offset
  const type = reader.u16()
  const size = reader.u16()
  if (size < 4) throw reader.error(`a property of ${size} octets`, 'OFPTFFC_BAD_LEN')
  const outer = reader.narrow(size - 4, 'OFPTFFC_BAD_LEN')
  const isKnown = readKnown(reader, type, value)
  reader.offset = reader.end
  reader.widen(outer)
  reader.skip(Math.min((8 - (size % 8)) % 8, reader.remaining))
  if (!isKnown) {
    value.unknown ??= []
    value.unknown.push(reader.bytes.subarray(start, reader.offset))
  }
}

const readKnown = (reader: Reader, type: number, value: Reading): boolean => {
  switch (type) {
    case properties.data:
      value.data = reader.rest()
      return true
    case properties.fullLength:
      value.fullLength = reader.u32()
      return true
    case properties.bufferId:
      value.bufferId = reader.u32()
      return true
    case properties.tableId:
      value.tableId = reader.u8()
      return true
    case properties.cookie:
      reader.skip(4)
      value.cookie = reader.u64()
      return true
    case properties.reason:
      value.reason = reason.read(reader)
      return true
    case properties.match:
      value.match = readFields(reader)
      return true
    case properties.userdata:
      value.userdata = reader.rest()
      return true
    case properties.continuation:
      value.continuation = reader.rest()
      return true
    default:
      return false
  }
}

const put = (writer: Writer, type: number, write: () => void): void => {
  const start = writer.mark()
  writer.u16(type)
  writer.u16(0)
  write()
  writer.patch16(start + 2, writer.since(start))
  writer.align8(start)
}

const putWide = (writer: Writer, value: bigint): void => {
  writer.zeros(4)
  writer.u64(value)
}

export const packetIn2 = experimenterMessage({
  kind: 'packet-in2',
  experimenter: nicira,
  number: 30,
  spec: 'Nicira NXT_PACKET_IN2',
  fields: [['properties', packetInProperties, 'the packet and what is known about it']],
})

export const resume = experimenterMessage({
  kind: 'resume',
  experimenter: nicira,
  number: 28,
  spec: 'Nicira NXT_RESUME',
  fields: [['properties', packetInProperties, 'as they came, the packet changed or not']],
})

export const setPacketInFormat = experimenterMessage({
  kind: 'set-packet-in-format',
  experimenter: nicira,
  number: 16,
  spec: 'Nicira NXT_SET_PACKET_IN_FORMAT',
  fields: [
    [
      'format',
      names(u32, { standard: 0, nxt: 1, nxt2: 2 }, 'OFPBRC_EPERM'),
      'how packets come to this controller',
    ],
  ],
})

export const setControllerId = experimenterMessage({
  kind: 'set-controller-id',
  experimenter: nicira,
  number: 20,
  spec: 'Nicira NXT_SET_CONTROLLER_ID',
  fields: [
    ['', pad(6), 'padding'],
    ['controllerId', u16, 'flows may send packets to this controller alone'],
  ],
})

export const ctFlushZone = experimenterMessage({
  kind: 'ct-flush-zone',
  experimenter: nicira,
  number: 29,
  spec: 'Nicira NXT_CT_FLUSH_ZONE',
  fields: [
    ['', pad(6), 'padding'],
    ['zone', u16, 'all its connections are forgotten'],
  ],
})

export const flowModTableId = experimenterMessage({
  kind: 'flow-mod-table-id',
  experimenter: nicira,
  number: 15,
  spec: 'Nicira NXT_FLOW_MOD_TABLE_ID',
  fields: [
    ['isEnabled', u8, 'tables in the command of OpenFlow 1.0'],
    ['', pad(7), 'padding'],
  ],
})

export const flowAge = experimenterMessage({
  kind: 'flow-age',
  experimenter: nicira,
  number: 18,
  spec: 'Nicira NXT_FLOW_AGE',
  fields: [],
})

/** A tunnel option bound to one of the fields tun_metadata0 to 63. */
const tlvMaps = list(
  structure([
    ['optionClass', u16, 'of the Geneve option'],
    ['optionType', u8, 'of the Geneve option'],
    ['optionSize', u8, 'octets of its value, a multiple of 4'],
    ['index', u16, '0 for tun_metadata0'],
    ['', pad(2), 'padding'],
  ]),
)

export const tlvTableMod = experimenterMessage({
  kind: 'tlv-table-mod',
  experimenter: nicira,
  number: 24,
  spec: 'Nicira NXT_TLV_TABLE_MOD',
  fields: [
    ['command', names(u16, { add: 0, delete: 1, clear: 2 }, 'NXTTMFC_BAD_COMMAND'), 'what to do'],
    ['', pad(6), 'padding'],
    ['maps', withDefault(tlvMaps, []), 'the bindings'],
  ],
})

export const tlvTableRequest = experimenterMessage({
  kind: 'tlv-table-request',
  experimenter: nicira,
  number: 25,
  spec: 'Nicira NXT_TLV_TABLE_REQUEST',
  fields: [],
})

export const tlvTableReply = experimenterMessage({
  kind: 'tlv-table-reply',
  experimenter: nicira,
  number: 26,
  spec: 'Nicira NXT_TLV_TABLE_REPLY',
  fields: [
    ['maxSpace', u32, 'octets of options the switch can hold'],
    ['maxFields', u16, 'fields there are'],
    ['', pad(10), 'reserved'],
    ['maps', tlvMaps, 'the bindings'],
  ],
})
