import { actionList } from '../actions/actions.js'
import { match } from '../match.js'
import { ports } from '../values.js'
import { openNames, pad, rest, sized, u8, u16, u32, u64, withDefault } from '../wire/codecs.js'
import { message } from './message.js'

/** The switch holds no copy of the packet. */
export const noBuffer = 0xffffffff

/** Why a packet came; Open vSwitch uses the later versions' reasons too. */
// biome-ignore format: a table
export const packetInReasons = {
  'no-match': 0, 'action': 1, 'invalid-ttl': 2, 'action-set': 3, 'group': 4, 'packet-out': 5,
} as const

export const packetIn = message({
  kind: 'packet-in',
  type: 10,
  spec: 'OpenFlow 1.3.5, 7.4.1 Packet-In Message',
  fields: [
    ['bufferId', withDefault(u32, noBuffer), 'of the copy that the switch keeps'],
    ['totalLength', u16, 'octets of the whole packet'],
    ['reason', openNames(u8, packetInReasons), 'why it comes'],
    ['tableId', withDefault(u8, 0), 'of the flow that sent it'],
    ['cookie', withDefault(u64, 0xffff_ffff_ffff_ffffn), 'of the flow that sent it'],
    ['match', match, 'what is known about the packet: at least in_port'],
    ['', pad(2), 'padding'],
    ['data', rest, 'the packet, or its beginning'],
  ],
})

export const packetOut = message({
  kind: 'packet-out',
  type: 13,
  spec: 'OpenFlow 1.3.5, 7.3.6 Packet-Out Message',
  fields: [
    ['bufferId', withDefault(u32, noBuffer), 'send what the switch keeps in place of `data`'],
    ['inPort', withDefault(u32, ports.controller), 'where it is to have come from'],
    ['actions', sized(actionList, 6, 'OFPBAC_BAD_LEN'), 'what to do with it'],
    ['data', withDefault(rest, new Uint8Array()), 'the packet'],
  ],
})
