import type { Codec } from '../wire/codecs.js'
import { list, pad, text, u8, u32, u64, withDefault } from '../wire/codecs.js'
import { length16, structure } from '../wire/structure.js'
import { message, multipartReply, multipartRequest } from './message.js'

export const tableMod = message({
  kind: 'table-mod',
  type: 17,
  spec: 'OpenFlow 1.3.5, 7.3.3 Flow Table Configuration',
  fields: [
    ['tableId', u8, 'the table; 0xff: all'],
    ['', pad(3), 'padding'],
    ['config', withDefault(u32, 0), 'reserved'],
  ],
})

export const tableStatsRequest = multipartRequest({
  kind: 'table-stats-request',
  number: 3,
  spec: 'OpenFlow 1.3.5, 7.3.5.4 Table Statistics',
  fields: [],
})

export const tableStatsReply = multipartReply({
  kind: 'table-stats-reply',
  number: 3,
  spec: 'OpenFlow 1.3.5, 7.3.5.4 Table Statistics',
  fields: [
    [
      'entries',
      list(
        structure([
          ['tableId', u8, 'the table'],
          ['', pad(3), 'padding'],
          ['activeCount', u32, 'flows in it'],
          ['lookupCount', u64, 'packets looked up'],
          ['matchedCount', u64, 'packets that hit a flow'],
        ]),
      ),
      'one each table',
    ],
  ],
})

/** A property of a table, section 7.3.5.5.2: what is listed stays bytes, its form depends on the type. */
const property: Codec<{ type: number; data: Uint8Array }> = {
  read(reader) {
    const type = reader.u16()
    const size = reader.u16()
    if (size < 4) throw reader.error(`a property of ${size} octets`, 'OFPTFFC_BAD_LEN')
    const data = reader.take(size - 4)
    reader.skip(Math.min((8 - (size % 8)) % 8, reader.remaining))
    return { type, data }
  },
  write(writer, { type, data }) {
    const start = writer.mark()
    writer.u16(type)
    writer.u16(4 + data.length)
    writer.bytes(data)
    writer.align8(start)
  },
}

/** Types of properties, section 7.3.5.5.2. */
// biome-ignore format: a table
const tableFeatures = list(
  structure(
    [
      ['', length16, 'of the entry'],
      ['tableId', u8, 'the table'],
      ['', pad(5), 'padding'],
      ['name', text(32), 'for people'],
      ['metadataMatch', u64, 'bits of metadata it can match'],
      ['metadataWrite', u64, 'bits of metadata it can write'],
      ['config', u32, 'reserved'],
      ['maxEntries', u32, 'flows it can hold'],
      ['properties', list(property), 'what it can do'],
    ],
    'OFPTFFC_BAD_LEN',
  ),
)

export const tableFeaturesRequest = multipartRequest({
  kind: 'table-features-request',
  number: 12,
  spec: 'OpenFlow 1.3.5, 7.3.5.5 Table Features',
  fields: [['entries', withDefault(tableFeatures, []), 'how tables should be; none: just tell']],
})

export const tableFeaturesReply = multipartReply({
  kind: 'table-features-reply',
  number: 12,
  spec: 'OpenFlow 1.3.5, 7.3.5.5 Table Features',
  fields: [['entries', tableFeatures, 'one each table']],
})

export const descriptionRequest = multipartRequest({
  kind: 'desc-request',
  number: 0,
  spec: 'OpenFlow 1.3.5, 7.3.5.1 Description',
  fields: [],
})

export const descriptionReply = multipartReply({
  kind: 'desc-reply',
  number: 0,
  spec: 'OpenFlow 1.3.5, 7.3.5.1 Description',
  fields: [
    ['manufacturer', text(256), 'who made it'],
    ['hardware', text(256), 'what it is made of'],
    ['software', text(256), 'what runs on it'],
    ['serialNumber', text(32), 'of the hardware'],
    ['datapath', text(256), 'a name for people'],
  ],
})
