import type { ValueOf } from '../wire/codecs.js'
import { list, mac, openNames, pad, text, u8, u32, u64, withDefault } from '../wire/codecs.js'
import type { Reader } from '../wire/reader.js'
import { length16, structure } from '../wire/structure.js'
import type { Writer } from '../wire/writer.js'
import { message, multipartReply, multipartRequest } from './message.js'

/** Bits of `config`, section 7.2.1. */
export const portConfig = { portDown: 1, noReceive: 4, noForward: 32, noPacketIn: 64 } as const
/** Bits of `state`. */
export const portState = { linkDown: 1, blocked: 2, live: 4 } as const

const portDescription = structure([
  ['port', u32, 'its number'],
  ['', pad(4), 'padding'],
  ['hardwareAddress', mac, 'of the interface'],
  ['', pad(2), 'padding'],
  ['name', text(16), 'as the switch calls it'],
  ['config', u32, 'what its owner set: see portConfig'],
  ['state', u32, 'how it is: see portState'],
  ['current', u32, 'features in use, bitmap of section 7.2.1'],
  ['advertised', u32, 'features it offers'],
  ['supported', u32, 'features it has'],
  ['peer', u32, 'features the other end offers'],
  ['currentSpeed', u32, 'kb/s'],
  ['maxSpeed', u32, 'kb/s'],
])
export type PortDescription = ValueOf<typeof portDescription>

export const portStatus = message({
  kind: 'port-status',
  type: 12,
  spec: 'OpenFlow 1.3.5, 7.4.3 Port Status Message',
  fields: [
    ['reason', openNames(u8, { add: 0, delete: 1, modify: 2 }), 'what happened'],
    ['', pad(7), 'padding'],
    ['description', portDescription, 'how the port is now'],
  ],
})

export const portMod = message({
  kind: 'port-mod',
  type: 16,
  spec: 'OpenFlow 1.3.5, 7.3.4.3 Port Modification Message',
  fields: [
    ['port', u32, 'its number'],
    ['', pad(4), 'padding'],
    ['hardwareAddress', mac, 'to be sure that it is the right one'],
    ['', pad(2), 'padding'],
    ['config', u32, 'see portConfig'],
    ['mask', u32, 'the bits of config to change'],
    ['advertise', withDefault(u32, 0), 'features to offer; 0: as they are'],
    ['', pad(4), 'padding'],
  ],
})

export const portDescriptionRequest = multipartRequest({
  kind: 'port-desc-request',
  number: 13,
  spec: 'OpenFlow 1.3.5, 7.3.5.7 Port Description',
  fields: [],
})

export const portDescriptionReply = multipartReply({
  kind: 'port-desc-reply',
  number: 13,
  spec: 'OpenFlow 1.3.5, 7.3.5.7 Port Description',
  fields: [['entries', list(portDescription), 'one each port']],
})

export const portStatsRequest = multipartRequest({
  kind: 'port-stats-request',
  number: 4,
  spec: 'OpenFlow 1.3.5, 7.3.5.6 Port Statistics',
  fields: [
    ['port', withDefault(u32, 0xffffffff), 'its number; OFPP_ANY: all'],
    ['', pad(4), 'padding'],
  ],
})

export const portStatsReply = multipartReply({
  kind: 'port-stats-reply',
  number: 4,
  spec: 'OpenFlow 1.3.5, 7.3.5.6 Port Statistics',
  fields: [
    [
      'entries',
      list(
        structure([
          ['port', u32, 'its number'],
          ['', pad(4), 'padding'],
          ['rxPackets', u64, 'received; all ones: not counted, here and below'],
          ['txPackets', u64, 'sent'],
          ['rxBytes', u64, 'received'],
          ['txBytes', u64, 'sent'],
          ['rxDropped', u64, 'dropped on receiving'],
          ['txDropped', u64, 'dropped on sending'],
          ['rxErrors', u64, 'all receive errors'],
          ['txErrors', u64, 'all send errors'],
          ['rxFrameErrors', u64, 'frames not aligned'],
          ['rxOverruns', u64, 'packets the receiver was too slow for'],
          ['rxCrcErrors', u64, 'frames with a wrong checksum'],
          ['collisions', u64, 'seen'],
          ['durationSeconds', u32, 'how long the port is there'],
          ['durationNanoseconds', u32, 'beyond the seconds'],
        ]),
      ),
      'one each port',
    ],
  ],
})

export const queueStatsRequest = multipartRequest({
  kind: 'queue-stats-request',
  number: 5,
  spec: 'OpenFlow 1.3.5, 7.3.5.8 Queue Statistics',
  fields: [
    ['port', withDefault(u32, 0xffffffff), 'its number; OFPP_ANY: all'],
    ['queue', withDefault(u32, 0xffffffff), 'its number; all ones: all'],
  ],
})

export const queueStatsReply = multipartReply({
  kind: 'queue-stats-reply',
  number: 5,
  spec: 'OpenFlow 1.3.5, 7.3.5.8 Queue Statistics',
  fields: [
    [
      'entries',
      list(
        structure([
          ['port', u32, 'its number'],
          ['queue', u32, 'its number'],
          ['txBytes', u64, 'sent'],
          ['txPackets', u64, 'sent'],
          ['txErrors', u64, 'dropped because the queue was full'],
          ['durationSeconds', u32, 'how long the queue is there'],
          ['durationNanoseconds', u32, 'beyond the seconds'],
        ]),
      ),
      'one each queue',
    ],
  ],
})

export const queueGetConfigRequest = message({
  kind: 'queue-get-config-request',
  type: 22,
  spec: 'OpenFlow 1.3.5, 7.3.5.13 Queue Configuration Messages',
  fields: [
    ['port', u32, 'its number; OFPP_ANY: all'],
    ['', pad(4), 'padding'],
  ],
})

const queueProperty = {
  read(reader: Reader) {
    const type = reader.u16()
    const size = reader.u16()
    if (size < 8) throw reader.error(`a property of ${size} octets`)
    reader.skip(4)
    return { type, data: reader.take(size - 8) }
  },
  write(writer: Writer, { type, data }: { readonly type: number; readonly data: Uint8Array }) {
    writer.u16(type)
    writer.u16(8 + data.length)
    writer.zeros(4)
    writer.bytes(data)
  },
}

export const queueGetConfigReply = message({
  kind: 'queue-get-config-reply',
  type: 23,
  spec: 'OpenFlow 1.3.5, 7.3.5.13 Queue Configuration Messages',
  fields: [
    ['port', u32, 'its number'],
    ['', pad(4), 'padding'],
    [
      'queues',
      list(
        structure([
          ['queue', u32, 'its number'],
          ['port', u32, 'where it is'],
          ['', length16, 'of the entry'],
          ['', pad(6), 'padding'],
          [
            'properties',
            list(queueProperty),
            'for rates: per mille of the link in the first 16 bits',
          ],
        ]),
      ),
      'one each queue',
    ],
  ],
})
