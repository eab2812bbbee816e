import { pad, rest, u8, u16, u32, u64, withDefault } from '../wire/codecs.js'
import { readHello, writeHello } from '../wire/hello.js'
import { message } from './message.js'

const none = new Uint8Array()

export const hello = message({
  kind: 'hello',
  type: 0,
  spec: 'OpenFlow 1.3.5, 7.5.1 Hello',
  fields: [
    [
      'versions',
      { read: readHello, write: writeHello, fallback: { bitmap: [4], unknown: [] } },
      'protocol versions its sender speaks, as bit numbers, and elements we do not know',
    ],
  ],
})

export const echoRequest = message({
  kind: 'echo-request',
  type: 2,
  spec: 'OpenFlow 1.3.5, 7.5.2 Echo Request',
  fields: [['data', withDefault(rest, none), 'comes back as it is']],
})

export const echoReply = message({
  kind: 'echo-reply',
  type: 3,
  spec: 'OpenFlow 1.3.5, 7.5.3 Echo Reply',
  fields: [['data', withDefault(rest, none), 'what the request held']],
})

export const featuresRequest = message({
  kind: 'features-request',
  type: 5,
  spec: 'OpenFlow 1.3.5, 7.3.1 Handshake',
  fields: [],
})

export const featuresReply = message({
  kind: 'features-reply',
  type: 6,
  spec: 'OpenFlow 1.3.5, 7.3.1 Handshake',
  fields: [
    ['datapathId', u64, 'low 48 bits: switch MAC; high 16: chosen by its owner'],
    ['bufferCount', u32, 'packets the switch can hold for us at once'],
    ['tableCount', u8, 'tables in the pipeline'],
    ['auxiliaryId', withDefault(u8, 0), '0 on the main connection'],
    ['', pad(2), 'padding'],
    ['capabilities', u32, 'bitmap of what the datapath can count and match'],
    ['', pad(4), 'reserved'],
  ],
})

export const getConfigRequest = message({
  kind: 'get-config-request',
  type: 7,
  spec: 'OpenFlow 1.3.5, 7.3.2 Switch Configuration',
  fields: [],
})

export const getConfigReply = message({
  kind: 'get-config-reply',
  type: 8,
  spec: 'OpenFlow 1.3.5, 7.3.2 Switch Configuration',
  fields: [
    ['flags', u16, 'how fragments are treated: 0 normal, 1 drop, 2 reassemble, 3 Nicira match'],
    ['missSendLength', u16, 'octets of a packet sent to the controller; 0xffff: all'],
  ],
})

export const setConfig = message({
  kind: 'set-config',
  type: 9,
  spec: 'OpenFlow 1.3.5, 7.3.2 Switch Configuration',
  fields: [
    ['flags', withDefault(u16, 0), 'how fragments are treated'],
    ['missSendLength', withDefault(u16, 0xffff), 'octets of a packet sent to the controller'],
  ],
})

export const barrierRequest = message({
  kind: 'barrier-request',
  type: 20,
  spec: 'OpenFlow 1.3.5, 7.3.7 Barrier Message',
  fields: [],
})

export const barrierReply = message({
  kind: 'barrier-reply',
  type: 21,
  spec: 'OpenFlow 1.3.5, 7.3.7 Barrier Message',
  fields: [],
})
