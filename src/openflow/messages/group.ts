import { actionList } from '../actions/actions.js'
import type { Bucket } from '../values.js'
import {
  type Codec,
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
import { length16, structure } from '../wire/structure.js'
import { message, multipartReply, multipartRequest } from './message.js'

export const allGroups = 0xfffffffc

export const groupTypes = { all: 0, select: 1, indirect: 2, ff: 3 } as const

const nothingToWatch = 0xffffffff

/** Section 7.3.4.2; a port or group of all ones is not watched, weight 0 is left away. */
const bucket: Codec<Bucket> = {
  read(reader) {
    const size = reader.u16()
    if (size < 16 || size % 8 !== 0)
      throw reader.error(`a bucket of ${size} octets`, 'OFPGMFC_BAD_BUCKET')
    const outer = reader.narrow(size - 2, 'OFPGMFC_BAD_BUCKET')
    const weight = reader.u16()
    const watchPort = reader.u32()
    const watchGroup = reader.u32()
    reader.skip(4)
    const actions = actionList.read(reader)
    reader.widen(outer, 'OFPGMFC_BAD_BUCKET')
    return {
      ...(weight === 0 ? {} : { weight }),
      ...(watchPort === nothingToWatch ? {} : { watchPort }),
      ...(watchGroup === nothingToWatch ? {} : { watchGroup }),
      actions,
    }
  },
  write(writer, { weight, watchPort, watchGroup, actions }) {
    const start = writer.mark()
    writer.u16(0)
    writer.u16(weight ?? 0)
    writer.u32(watchPort ?? nothingToWatch)
    writer.u32(watchGroup ?? nothingToWatch)
    writer.zeros(4)
    actionList.write(writer, actions)
    writer.patch16(start, writer.since(start))
  },
}

export const groupMod = message({
  kind: 'group-mod',
  type: 15,
  spec: 'OpenFlow 1.3.5, 7.3.4.2 Modify Group Entry Message',
  fields: [
    ['command', names(u16, { add: 0, modify: 1, delete: 2 }, 'OFPGMFC_BAD_COMMAND'), 'what to do'],
    [
      'type',
      withDefault(names(u8, groupTypes, 'OFPGMFC_BAD_TYPE'), 'all'),
      'how it chooses buckets',
    ],
    ['', pad(1), 'padding'],
    ['groupId', u32, 'its number'],
    ['buckets', withDefault(list(bucket), []), 'what may become of packets'],
  ],
})

const noFields = [] as const
const groupFilter = [
  ['groupId', withDefault(u32, allGroups), 'its number; OFPG_ALL: all'],
  ['', pad(4), 'padding'],
] as const

export const groupStatsRequest = multipartRequest({
  kind: 'group-stats-request',
  number: 6,
  spec: 'OpenFlow 1.3.5, 7.3.5.9 Group Statistics',
  fields: groupFilter,
})

export const groupStatsReply = multipartReply({
  kind: 'group-stats-reply',
  number: 6,
  spec: 'OpenFlow 1.3.5, 7.3.5.9 Group Statistics',
  fields: [
    [
      'entries',
      entries(
        structure([
          ['', length16, 'of the entry'],
          ['', pad(2), 'padding'],
          ['groupId', u32, 'its number'],
          ['referenceCount', u32, 'flows and groups that send to it'],
          ['', pad(4), 'padding'],
          ['packetCount', u64, 'packets it processed'],
          ['byteCount', u64, 'their octets'],
          ['durationSeconds', u32, 'how long it is there'],
          ['durationNanoseconds', u32, 'beyond the seconds'],
          [
            'buckets',
            list(
              structure([
                ['packetCount', u64, 'packets it processed'],
                ['byteCount', u64, 'their octets'],
              ]),
            ),
            'in the order of the group',
          ],
        ]),
      ),
      'one each group',
    ],
  ],
})

export const groupDescriptionRequest = multipartRequest({
  kind: 'group-desc-request',
  number: 7,
  spec: 'OpenFlow 1.3.5, 7.3.5.10 Group Description',
  fields: noFields,
})

export const groupDescriptionReply = multipartReply({
  kind: 'group-desc-reply',
  number: 7,
  spec: 'OpenFlow 1.3.5, 7.3.5.10 Group Description',
  fields: [
    [
      'entries',
      entries(
        structure([
          ['', length16, 'of the entry'],
          ['type', names(u8, groupTypes, 'OFPGMFC_BAD_TYPE'), 'how it chooses buckets'],
          ['', pad(1), 'padding'],
          ['groupId', u32, 'its number'],
          ['buckets', list(bucket), 'what may become of packets'],
        ]),
      ),
      'one each group',
    ],
  ],
})

export const groupFeaturesRequest = multipartRequest({
  kind: 'group-features-request',
  number: 8,
  spec: 'OpenFlow 1.3.5, 7.3.5.11 Group Features',
  fields: noFields,
})

/** Four numbers, for the types all, select, indirect and fast failover. */
const perType: Codec<readonly [number, number, number, number]> = {
  read: reader => [reader.u32(), reader.u32(), reader.u32(), reader.u32()],
  write: (writer, numbers) => {
    for (const number of numbers) writer.u32(number)
  },
}

export const groupFeaturesReply = multipartReply({
  kind: 'group-features-reply',
  number: 8,
  spec: 'OpenFlow 1.3.5, 7.3.5.11 Group Features',
  fields: [
    ['types', u32, 'bitmap of the types it has'],
    ['capabilities', u32, 'bitmap: weights 1, liveness 2, chaining 4, checks of chaining 8'],
    ['maxGroups', perType, 'groups of each type'],
    ['actions', perType, 'bitmap of actions for each type'],
  ],
})
