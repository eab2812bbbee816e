import {
  type Codec,
  names,
  openNames,
  pad,
  rest,
  u8,
  u32,
  u64,
  withDefault,
} from '../wire/codecs.js'
import { onf } from './experimenters.js'
import { experimenterMessage, message } from './message.js'

export const roles = { nochange: 0, equal: 1, master: 2, slave: 3 } as const
export type Role = keyof typeof roles

const roleFields = [
  ['role', names(u32, roles, 'OFPRRFC_BAD_ROLE'), 'what the controller is to the switch'],
  ['', pad(4), 'padding'],
  ['generationId', withDefault(u64, 0n), 'grows with each election; older ones are refused'],
] as const

export const roleRequest = message({
  kind: 'role-request',
  type: 24,
  spec: 'OpenFlow 1.3.5, 7.3.9 Role Request Message',
  fields: roleFields,
})

export const roleReply = message({
  kind: 'role-reply',
  type: 25,
  spec: 'OpenFlow 1.3.5, 7.3.9 Role Request Message',
  fields: roleFields,
})

/** Tells a controller that another one took its place. */
export const roleStatus = experimenterMessage({
  kind: 'role-status',
  experimenter: onf,
  number: 1911,
  spec: 'ONF EXT-191 (OpenFlow 1.4, 7.4.4 Controller Role Status Message)',
  fields: [
    ['role', names(u32, roles, 'OFPRRFC_BAD_ROLE'), 'what the controller is now'],
    ['reason', openNames(u8, { 'master-request': 0, config: 1, experimenter: 2 }), 'why'],
    ['', pad(3), 'padding'],
    ['generationId', u64, 'of the election'],
    ['properties', withDefault(rest, new Uint8Array()), 'none are defined'],
  ],
})

/** Three bitmaps of reasons, each for master and equal, then for slave. */
export interface AsyncMasks {
  readonly master: number
  readonly slave: number
}
const masks: Codec<AsyncMasks> = {
  read: reader => ({ master: reader.u32(), slave: reader.u32() }),
  write: (writer, value) => {
    writer.u32(value.master)
    writer.u32(value.slave)
  },
}

export const asyncFields = [
  ['packetIn', masks, 'bits by packetInReasons'],
  ['portStatus', masks, 'bits: add 1, delete 2, modify 4'],
  ['flowRemoved', masks, 'bits by flowRemovedReasons'],
] as const

export const getAsyncRequest = message({
  kind: 'get-async-request',
  type: 26,
  spec: 'OpenFlow 1.3.5, 7.3.10 Set Asynchronous Configuration Message',
  fields: [],
})

export const getAsyncReply = message({
  kind: 'get-async-reply',
  type: 27,
  spec: 'OpenFlow 1.3.5, 7.3.10 Set Asynchronous Configuration Message',
  fields: asyncFields,
})

export const setAsync = message({
  kind: 'set-async',
  type: 28,
  spec: 'OpenFlow 1.3.5, 7.3.10 Set Asynchronous Configuration Message',
  fields: asyncFields,
})
