/** One flow, group, meter or change that cannot be understood costs that one, never the message it came in. */
import t from 'tap'
import { unreadableOf } from '../../src/openflow/codec.js'
import {
  DecodeError,
  decode,
  encode,
  formatReceived,
  type Message,
} from '../../src/openflow/index.js'
import { fieldByName, fields } from '../../src/openflow/oxm.js'
import { hex } from './bytes.js'

const flow = (priority: number) => ({
  tableId: 3,
  durationSeconds: 1,
  durationNanoseconds: 2,
  priority,
  idleTimeout: 0,
  hardTimeout: 0,
  flags: 0,
  cookie: 5n,
  packetCount: 6n,
  byteCount: 7n,
  match: { eth_type: 0x800, ip_proto: 6, tcp_dst: 80 },
  instructions: [
    { kind: 'apply-actions', actions: [{ kind: 'output', port: 9 }] } as const,
    { kind: 'goto-table', table: 4 } as const,
  ],
})
const change = (priority: number) => ({
  event: 'added' as const,
  reason: 0,
  priority,
  idleTimeout: 0,
  hardTimeout: 0,
  tableId: 3,
  cookie: 5n,
  match: { in_port: 1 },
})
const counted = { packetCount: 1n, byteCount: 2n, durationSeconds: 3, durationNanoseconds: 4 }
const bands = [{ type: 'drop', rate: 5, burstSize: 6 } as const]
const three = <T>(make: (number: number) => T): T[] => [1, 2, 3].map(make)

/** A message with three entries, where in an entry its length is, and the size of what comes before the first. */
const cases: readonly { message: Message; list: string; lengthAt: number; head: number }[] = [
  {
    message: { kind: 'flow-stats-reply', entries: three(flow) },
    list: 'entries',
    lengthAt: 0,
    head: 16,
  },
  {
    message: {
      kind: 'group-stats-reply',
      entries: three(groupId => ({ groupId, referenceCount: 1, ...counted, buckets: [] })),
    },
    list: 'entries',
    lengthAt: 0,
    head: 16,
  },
  {
    message: {
      kind: 'group-desc-reply',
      entries: three(groupId => ({
        type: 'select',
        groupId,
        buckets: [{ weight: 1, actions: [{ kind: 'output', port: 9 }] }],
      })),
    },
    list: 'entries',
    lengthAt: 0,
    head: 16,
  },
  {
    message: {
      kind: 'meter-stats-reply',
      entries: three(meterId => ({ meterId, flowCount: 1, ...counted, bands: [] })),
    },
    list: 'entries',
    lengthAt: 4,
    head: 16,
  },
  {
    message: {
      kind: 'meter-config-reply',
      entries: three(meterId => ({ flags: 1, meterId, bands })),
    },
    list: 'entries',
    lengthAt: 0,
    head: 16,
  },
  {
    message: {
      kind: 'flow-monitor-reply',
      updates: three(number => ({ ...change(number), instructions: flow(1).instructions })),
    },
    list: 'updates',
    lengthAt: 0,
    head: 24,
  },
  {
    message: {
      kind: 'nicira-monitor-reply',
      updates: three(number => ({ ...change(number), actions: [{ kind: 'output', port: 9 }] })),
    },
    list: 'updates',
    lengthAt: 0,
    head: 24,
  },
]

const listOf = (message: object, name: string): unknown[] =>
  (message as Record<string, unknown[]>)[name]!

for (const { message, list, lengthAt, head } of cases)
  t.test(`${message.kind}: whatever one entry says, the others are read`, async t => {
    const bytes = encode(message)
    const whole = listOf(decode(bytes), list)
    const size = (bytes.length - head) / 3
    let unreadable = 0
    for (let at = head + size; at < head + 2 * size; at++) {
      const inEntry = at - head - size
      if (inEntry === lengthAt || inEntry === lengthAt + 1) continue
      for (const change of [0x01, 0x80, 0xff]) {
        const spoilt = bytes.slice()
        spoilt[at]! ^= change
        const read = decode(spoilt, true)
        const found = listOf(read, list)
        const lost = unreadableOf(read)
        unreadable += lost.length
        t.equal(found.length + lost.length, 3, `octet ${inEntry}`)
        t.same([found[0], found.at(-1)], [whole[0], whole[2]], `octet ${inEntry}`)
        for (const one of lost) t.same(one.bytes, spoilt.subarray(head + size, head + 2 * size))
        if (lost.length > 0) t.throws(() => decode(spoilt), DecodeError, 'unless it is asked for')
      }
    }
    // Every octet of these two is a number.
    const isNumbers = /^(group|meter)-stats/.test(message.kind)
    t.equal(unreadable > 0, !isNumbers, `${unreadable} were kept as octets`)
  })

t.test('an entry whose length makes no sense ends the message', async t => {
  for (const length of ['0000', '0001', 'ffff']) {
    const bytes = encode({ kind: 'flow-stats-reply', entries: three(flow) })
    const size = (bytes.length - 16) / 3
    bytes.set(hex(length), 16 + size)
    t.throws(() => decode(bytes, true), DecodeError)
  }
})

/** The row of the finding, as Open vSwitch 3.1 tells it. */
const foreignRow = hex(`
  04 13 0068 00000001 0001 0000 00000000   # flow statistics
    0058 c8 00 00000001 00000002           # table 200
    0007 0000 0000 0000 00000000           # priority 7
    0000000000000000                       # cookie
    0000000000000000 0000000000000000
    0001 000a 80000a02 894f 000000000000   # eth_type
    0004 0018 00000000
    ffff 0018 00002320 0021 ffff0b06 005ad650 01 0f 00000000
`)

t.test('a load of some bits of a field that no match can mask is read', async t => {
  // The lengths in the annotated row are those of its parts.
  const bytes = Buffer.from(foreignRow)
  bytes.writeUInt16BE(bytes.length, 2)
  bytes.writeUInt16BE(bytes.length - 16, 16)
  bytes.writeUInt16BE(8 + 24, 16 + 48 + 16 + 2)
  t.match(formatReceived(decode(bytes)), 'set_field:1/0xf->nsh_si')
})

const octets = (value: bigint | number, size: number): string =>
  BigInt(value)
    .toString(16)
    .padStart(2 * size, '0')

/** NXAST_REG_LOAD2 of one bit in a packet-out: the lowest, which ECN has in the TOS. */
const loadOfOneBit = (name: string): Buffer => {
  const bit = name === 'nw_tos' ? 4 : 1
  const { oxmClass, number, size } = fieldByName.get(name)!
  const isOfExperimenter = oxmClass >= 2 ** 32
  const classBits = isOfExperimenter ? 0xffff : oxmClass
  const length = 2 * size + (isOfExperimenter ? 4 : 0)
  const header = octets(classBits * 0x10000 + number * 0x200 + 0x100 + length, 4)
  const field = `${header}${isOfExperimenter ? octets(oxmClass - 2 ** 32, 4) : ''}${octets(bit, size)}${octets(bit, size)}`
  const unpadded = `000023200021${field}`
  const total = 8 * Math.ceil((4 + unpadded.length / 2) / 8)
  const action = `ffff${octets(total, 2)}${unpadded}`.padEnd(2 * total, '0')
  return hex(
    `040d${octets(24 + total, 2)}00000001 ffffffff fffffffd ${octets(total, 2)} 000000000000 ${action}`,
  )
}

t.test('some bits of every field that can be written can be written', async t => {
  const fixed = fields.filter(field => !field.isVariable && field.bits > 1)
  const [inCt, anywhere] = [
    fixed.filter(({ name }) => name === 'ct_mark' || name === 'ct_label'),
    fixed.filter(({ name }) => name !== 'ct_mark' && name !== 'ct_label'),
  ]
  const writable = anywhere.filter(({ isWritable }) => isWritable)
  t.ok(writable.length > 80)
  for (const { name } of writable) {
    const bytes = loadOfOneBit(name)
    t.same(encode(decode(bytes)), new Uint8Array(bytes), name)
  }
  const readOnly = anywhere.filter(({ isWritable }) => !isWritable)
  t.ok(readOnly.length > 20)
  for (const { name } of [...readOnly, ...inCt])
    t.throws(() => decode(loadOfOneBit(name)), /OFPBAC_BAD_SET_ARGUMENT/, name)
})

/** A packet-out with one action. */
const packetOut = (action: string): Buffer => {
  const octetsOfIt = hex(action)
  return hex(
    `040d${octets(24 + octetsOfIt.length, 2)}00000001 ffffffff fffffffd ${octets(octetsOfIt.length, 2)} 000000000000 ${action}`,
  )
}

/** Each as Open vSwitch 3.1 has it. */
// biome-ignore format: a table
const writes: readonly (readonly [what: string, action: string, answer: string | undefined])[] = [
  ['load to dp_hash', 'ffff0018 00002320 0007 001f 00014604 0000000000000005', 'OFPBAC_BAD_SET_ARGUMENT'],
  ['load to ct_state', 'ffff0018 00002320 0007 001f 0001d204 0000000000000005', 'OFPBAC_BAD_SET_ARGUMENT'],
  ['load to eth_type', 'ffff0018 00002320 0007 000f 00000602 0000000000000800', 'OFPBAC_BAD_SET_ARGUMENT'],
  ['load to reg0', 'ffff0018 00002320 0007 001f 00010004 0000000000000005', undefined],
  ['set_field of eth_type', '0019 0010 80000a02 0800 000000000000', 'OFPBAC_BAD_SET_ARGUMENT'],
  ['move to ip_proto', 'ffff0018 00002320 0006 0008 0000 0000 00010004 00000c01', 'OFPBAC_BAD_SET_ARGUMENT'],
  ['move from ip_proto', 'ffff0018 00002320 0006 0008 0000 0000 00000c01 00010004', undefined],
  ['pop to dp_hash', 'ffff0018 00002320 001c 0000 00014604 0020 000000000000', 'OFPBAC_BAD_SET_ARGUMENT'],
  ['push of dp_hash', 'ffff0018 00002320 001b 0000 00014604 0020 000000000000', undefined],
  ['load to ct_mark', 'ffff0018 00002320 0007 001f 0001d604 0000000000000005', 'OFPBAC_BAD_SET_ARGUMENT'],
  ['ct that sets ct_mark', 'ffff0030 00002320 0023 0001 00000000 0000 ff 000000 0000 ffff0018 00002320 0007 001f 0001d604 0000000000000005', undefined],
  ['ct that sets reg0', 'ffff0030 00002320 0023 0001 00000000 0000 ff 000000 0000 ffff0018 00002320 0007 001f 00010004 0000000000000005', 'OFPBAC_BAD_ARGUMENT'],
  ['ct that puts out', 'ffff0028 00002320 0023 0001 00000000 0000 ff 000000 0000 0000 0010 00000001 0000 000000000000', 'OFPBAC_BAD_ARGUMENT'],
  ['the 12 bits of a VLAN', 'ffff0018 00002320 0006 000c 0000 0000 80000c02 00010004', undefined],
  ['the bit that says that there is one', 'ffff0018 00002320 0006 0001 000c 0000 80000c02 00010004', 'OFPBAC_BAD_SET_LEN'],
  ['bits 1 to 12 of a VLAN', 'ffff0018 00002320 0006 000c 0001 0000 80000c02 00010004', 'OFPBAC_BAD_SET_LEN'],
  ['8 of the 6 bits of a DSCP', 'ffff0018 00002320 000f 0007 80001001 ffff 000000000000', 'OFPBAC_BAD_SET_LEN'],
]

t.test('actions write what can be written, and only bits that are there', async t => {
  for (const [what, action, answer] of writes) {
    const bytes = packetOut(action)
    if (answer === undefined) t.same(encode(decode(bytes)), new Uint8Array(bytes), what)
    else t.throws(() => decode(bytes), new RegExp(answer), what)
  }
})

/** A flow-mod that matches on this. */
const flowMod = (match: string): Buffer => {
  const body = hex(match)
  const padded = Buffer.concat([
    hex(`0001${octets(4 + body.length, 2)}`),
    body,
    Buffer.alloc((8 - ((4 + body.length) % 8)) % 8),
  ])
  return Buffer.concat([
    hex(`040e${octets(48 + padded.length, 2)}00000001 00000000000000000000000000000000
      0000 0000 0000 8000 ffffffff ffffffff ffffffff 0000 0000`),
    padded,
  ])
}

t.test('values that no packet can have are refused', async t => {
  const refused = (match: string, what: string) =>
    t.throws(() => decode(flowMod(match)), /OFPBMC_BAD_VALUE/, what)
  refused('80000a020806 80002a020100', 'an operation of ARP above 255')
  refused('80000a020800 00000a0107', 'ECN in the TOS')
  refused('0001d20400000100', 'a state of no connection')
  refused('0001d3080000010000000100', 'asked for by a mask')
  for (const match of ['80000a020806 80002a0200ff', '80000a020800 00000a0104', '0001d20400000080'])
    t.equal(decode(flowMod(match)).kind, 'flow-mod', match)
})

t.test('an option of a tunnel that is empty is another thing than one that is there', async t => {
  const empty = flowMod('00015000')
  const there = flowMod('00015100')
  t.same(encode(decode(empty)), new Uint8Array(empty))
  t.same(encode(decode(there)), new Uint8Array(there))
  t.match(formatReceived(decode(empty)), /tun_metadata0=0 /)
  t.match(formatReceived(decode(there)), /tun_metadata0 /)
})

t.test('the hash of a packet has a second number', async t => {
  const flow = decode(flowMod('ffff0008 00002320 12345678'))
  t.match(formatReceived(flow), / dp_hash=0x12345678 /)
})

t.test(
  'the other way round: a match of some bits is refused where a match has no mask',
  async t => {
    const message = hex(`
    04 0e 0048 00000001 0000000000000000 0000000000000000
    00 00 0000 0000 0064 ffffffff ffffffff ffffffff 0000 0000
    0001 0012 80000a02 894f ffff 0000 0000 000000000000
  `)
    // eth_type NSH, then nsh_si 1/0xf
    const body = hex('80000a02894f ffff0b06 005ad650 01 0f')
    const bytes = Buffer.concat([
      message.subarray(0, 48),
      hex(`0001${octets(4 + body.length, 2)}`),
      body,
    ])
    const padded = Buffer.concat([bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)])
    padded.writeUInt16BE(padded.length, 2)
    t.throws(() => decode(padded), /nsh_si takes no mask/)
  },
)

t.test('set_field of OpenFlow 1.3 has no mask', async t => {
  const bytes = hex(`
    04 0d 0030 00000001 ffffffff fffffffd 0018 000000000000
    0019 0018 8000090c 000000000001 0000000000ff 00000000
  `)
  bytes.writeUInt16BE(bytes.length, 2)
  t.throws(() => decode(bytes), /OFPBAC_BAD_SET_MASK/)
})

t.test('what Open vSwitch 3.1 reads or refuses, and we did not', t => {
  const meter = (command: string, flags: string) =>
    hex(`041d0020 82b3a1a4 ${command} ${flags} 00000001 0001 0010 00000002 00000002 00000000`)
  t.throws(() => decode(meter('0000', '0003')), /OFPMMFC_BAD_FLAGS/)
  t.equal(decode(meter('0000', '0001')).kind, 'meter-mod')
  t.equal(decode(meter('0002', '0003')).kind, 'meter-mod', 'of one that goes they say nothing')
  const padded = (last: string) =>
    hex(`
      04 0d 0038 00000001 ffffffff fffffffd 0020 000000000000
      ffff 0020 00002320 0021 00010004 00000007 ${'00'.repeat(13)} ${last}
    `)
  t.match(formatReceived(decode(padded('00'))), 'set_field:0x7->reg0')
  t.throws(() => decode(padded('01')), /OFPBAC_BAD_SET_ARGUMENT/)
  const hello = '04000020123456780001000c00000001000000020001000c0000000300000004'
  t.equal(decode(hex(hello)).kind, 'hello', 'elements without their padding')
  t.end()
})
