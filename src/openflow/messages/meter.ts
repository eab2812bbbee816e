import type { MeterBand } from '../values.js'
import {
  type Codec,
  type DefaultedCodec,
  entries,
  list,
  names,
  pad,
  u8,
  u16,
  u32,
  u64,
  withDefault,
} from '../wire/codecs.js'
import type { Reader } from '../wire/reader.js'
import { length16, structure } from '../wire/structure.js'
import { message, multipartReply, multipartRequest } from './message.js'

/** Numbers of meters that mean something else, section 7.3.4.4. */
export const meters = { slowPath: 0xfffffffd, controller: 0xfffffffe, all: 0xffffffff } as const

/** Bits of a meter's flags. */
export const meterFlags = { kbps: 1, pktps: 2, burst: 4, stats: 8 } as const

// biome-ignore format: a table
const bandTypes = { drop: 1, 'dscp-remark': 2, experimenter: 0xffff } as const
const bandType = names(u16, bandTypes, 'OFPMMFC_BAD_BAND')
const bandSize = 16

/** Section 7.3.4.4: all bands have 16 octets. */
const band: Codec<MeterBand> = {
  read(reader) {
    const type = bandType.read(reader)
    const size = reader.u16()
    if (size !== bandSize) throw reader.error(`a band of ${size} octets`, 'OFPMMFC_BAD_BAND')
    const rate = reader.u32()
    const burstSize = reader.u32()
    if (type === 'experimenter') return { type, rate, burstSize, experimenter: reader.u32() }
    const precedenceLevel = reader.u8()
    reader.skip(3)
    return type === 'dscp-remark'
      ? { type, rate, burstSize, precedenceLevel }
      : { type, rate, burstSize }
  },
  write(writer, { type, rate, burstSize, precedenceLevel, experimenter }) {
    bandType.write(writer, type)
    writer.u16(bandSize)
    writer.u32(rate)
    writer.u32(burstSize)
    if (type === 'experimenter') return writer.u32(experimenter ?? 0)
    writer.u8(precedenceLevel ?? 0)
    writer.zeros(3)
  },
}

const isDeletion = ({ bytes, offset }: Reader): boolean => bytes[offset - 1] === 2

/** What is counted is one of the two, but for a meter that goes; the command stands before. */
const flagsOfMod: DefaultedCodec<number> = {
  fallback: 0,
  read(reader) {
    const isDeleted = isDeletion(reader)
    const flags = reader.u16()
    const both = meterFlags.kbps | meterFlags.pktps
    if (!isDeleted && (flags & both) === both)
      throw reader.error('both kilobits and packets', 'OFPMMFC_BAD_FLAGS')
    return flags
  },
  write: u16.write,
}

export const meterMod = message({
  kind: 'meter-mod',
  type: 29,
  spec: 'OpenFlow 1.3.5, 7.3.4.4 Meter Modification Message',
  fields: [
    ['command', names(u16, { add: 0, modify: 1, delete: 2 }, 'OFPMMFC_BAD_COMMAND'), 'what to do'],
    ['flags', flagsOfMod, 'see meterFlags'],
    ['meterId', u32, 'its number'],
    ['bands', withDefault(list(band), []), 'what it does from which rate on'],
  ],
})

const meterFilter = [
  ['meterId', withDefault(u32, meters.all), 'its number; OFPM_ALL: all'],
  ['', pad(4), 'padding'],
] as const

export const meterStatsRequest = multipartRequest({
  kind: 'meter-stats-request',
  number: 9,
  spec: 'OpenFlow 1.3.5, 7.3.5.12 Meter Statistics',
  fields: meterFilter,
})

export const meterStatsReply = multipartReply({
  kind: 'meter-stats-reply',
  number: 9,
  spec: 'OpenFlow 1.3.5, 7.3.5.12 Meter Statistics',
  fields: [
    [
      'entries',
      entries(
        structure([
          ['meterId', u32, 'its number'],
          ['', length16, 'of the entry'],
          ['', pad(6), 'padding'],
          ['flowCount', u32, 'flows that use it'],
          ['packetCount', u64, 'packets that came in'],
          ['byteCount', u64, 'their octets'],
          ['durationSeconds', u32, 'how long it is there'],
          ['durationNanoseconds', u32, 'beyond the seconds'],
          [
            'bands',
            list(
              structure([
                ['packetCount', u64, 'packets it acted upon'],
                ['byteCount', u64, 'their octets'],
              ]),
            ),
            'in the order of the meter',
          ],
        ]),
        4,
      ),
      'one each meter',
    ],
  ],
})

export const meterConfigRequest = multipartRequest({
  kind: 'meter-config-request',
  number: 10,
  spec: 'OpenFlow 1.3.5, 7.3.5.13 Meter Configuration Statistics',
  fields: meterFilter,
})

export const meterConfigReply = multipartReply({
  kind: 'meter-config-reply',
  number: 10,
  spec: 'OpenFlow 1.3.5, 7.3.5.13 Meter Configuration Statistics',
  fields: [
    [
      'entries',
      entries(
        structure([
          ['', length16, 'of the entry'],
          ['flags', u16, 'see meterFlags'],
          ['meterId', u32, 'its number'],
          ['bands', list(band), 'what it does from which rate on'],
        ]),
      ),
      'one each meter',
    ],
  ],
})

export const meterFeaturesRequest = multipartRequest({
  kind: 'meter-features-request',
  number: 11,
  spec: 'OpenFlow 1.3.5, 7.3.5.14 Meter Features Statistics',
  fields: [],
})

export const meterFeaturesReply = multipartReply({
  kind: 'meter-features-reply',
  number: 11,
  spec: 'OpenFlow 1.3.5, 7.3.5.14 Meter Features Statistics',
  fields: [
    ['maxMeters', u32, 'meters it can hold'],
    ['bandTypes', u32, 'bitmap of the bands it has'],
    ['capabilities', u32, 'bitmap of meterFlags'],
    ['maxBands', u8, 'bands of one meter'],
    ['maxColours', u8, 'colour values'],
    ['', pad(2), 'padding'],
  ],
})
