import { readFileSync } from 'node:fs'
import t from 'tap'
import { encode } from '../../src/openflow/index.js'
import { packets } from '../../src/openflow/tool/capture.js'
import { answerLine } from '../../src/openflow/tool/jsonl.js'
import { reassemble } from '../../src/openflow/tool/reassemble.js'
import { HexMessages, showStream } from '../../src/openflow/tool/wire.js'

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

const all = async (bytes: Uint8Array, isJsonl = false, size = 7): Promise<string> => {
  let text = ''
  for await (const output of showStream(pieces(bytes, size), { isJsonl })) text += output.text
  return text
}

t.test('a line of JSON has its answer', async t => {
  t.same(JSON.parse(answerLine('{"hex":"0402000c00000007cafebabe"}')), {
    kind: 'echo-request',
    text: 'OFPT_ECHO_REQUEST (OF1.3) (xid=0x7): 4 bytes of payload\n00000000  ca fe ba be                                     |....            |',
    object: { kind: 'echo-request', xid: 7, data: 'cafebabe' },
    hex: '0402000c00000007cafebabe',
  })
  const flow = JSON.parse(
    answerLine('{"text":"cookie=0x123456789abcdef0,actions=drop","as":"flow-mod"}'),
  )
  t.equal(flow.object.cookie, '1311768467463790320', '64 bits are a decimal string')
  t.equal(flow.hex.slice(0, 16), '040e003800000000')
})

t.test('a line of JSON has its error', async t => {
  const error = (line: string) => JSON.parse(answerLine(line))
  t.same(error('{"hex":"0402000900000007"}'), {
    error: { reason: 'the header says 9 octets, there are 8 (OFPBRC_BAD_LEN)', offset: 2 },
  })
  t.same(error('{"hex":"040200080000000"}'), {
    error: { reason: 'no pairs of hex digits', offset: 7 },
  })
  t.same(error('{"text":"bogus=1,actions=drop","as":"flow-mod"}'), {
    error: { reason: 'unknown keyword bogus', offset: 0 },
  })
  for (const line of [
    '',
    'x',
    '1',
    'null',
    '[]',
    '{}',
    '{"text":"tcp"}',
    '{"text":"tcp","as":"constructor"}',
    '{"hex":5}',
  ])
    t.type(error(line).error.reason, 'string', line)
})

t.test('hex goes over lines, and several messages stand in one', async t => {
  const messages = new HexMessages({ isJsonl: false })
  t.same(messages.push('00000000  04 14 00 08 00 00-00 01 04 15 |........|'), [
    { text: 'OFPT_BARRIER_REQUEST (OF1.3) (xid=0x1):\n', hasFailed: false },
  ])
  t.same(messages.push('0008 0000 0002'), [
    { text: 'OFPT_BARRIER_REPLY (OF1.3) (xid=0x2):\n', hasFailed: false },
  ])
  t.same(messages.end(), [])
  messages.push('0414')
  t.match(messages.end(), [{ hasFailed: true }], 'half a message is said to be half')
})

t.test('captures of others', async t => {
  const show = (name: string) => all(readFileSync(`test/fixtures/pcap/${name}`))
  t.equal(
    await show('openflow_flowmod.pcap'),
    '127.0.0.1.6633 > 127.0.0.1.59108:\nOFPT_FLOW_MOD (OF1.3) (xid=0x78d072af): ADD priority=0 out_port:0 actions=CONTROLLER:65535\n',
  )
  t.match(await show('openflow_flowstats_req.pcap'), /OFPST_FLOW request \(OF1\.3\)/)
  t.match(
    await show('openflow_invalid_version.pcap'),
    /\*\*\*decode error: OFPBRC_BAD_VERSION\*\*\* octet 0: version 255\n00000000 {2}ff 0e/,
  )
})

/** A TCP segment in IPv4 in Ethernet. */
const segment = (sequence: number, data: Uint8Array, flags = 0x18): Uint8Array => {
  const frame = Buffer.alloc(54 + data.length)
  frame.writeUInt16BE(0x0800, 12)
  frame[14] = 0x45
  frame.writeUInt16BE(40 + data.length, 16)
  frame[23] = 6
  frame.set([10, 0, 0, 1, 10, 0, 0, 2], 26)
  frame.writeUInt16BE(6653, 34)
  frame.writeUInt16BE(40000, 36)
  frame.writeUInt32BE(sequence, 38)
  frame[46] = 0x50
  frame[47] = flags
  frame.set(data, 54)
  return frame
}

async function* captured(...frames: Uint8Array[]) {
  for (const bytes of frames) yield { millis: 0, linkType: 1, bytes }
}

const collect = async (...frames: Uint8Array[]): Promise<string[]> => {
  const found: string[] = []
  for await (const one of reassemble(captured(...frames)))
    found.push('bytes' in one ? Buffer.from(one.bytes).toString('hex') : `${one.leftOut} left out`)
  return found
}

t.test('segments out of order, doubled and overlapping are one stream', async t => {
  const one = encode({ kind: 'echo-request', data: Buffer.from('abcdefgh') }, 1)
  const two = encode({ kind: 'barrier-request' }, 2)
  const stream = Buffer.concat([one, two])
  const expected = [one, two].map(bytes => Buffer.from(bytes).toString('hex'))
  const near = 0xfffffffa
  const at = (from: number, to: number) =>
    segment((near + 1 + from) >>> 0, stream.subarray(from, to))
  const syn = segment(near, Buffer.alloc(0), 2)
  t.same(await collect(syn, at(0, 24)), expected)
  t.same(
    await collect(syn, at(10, 24), at(0, 10)),
    expected,
    'out of order, over the turn of the numbers',
  )
  t.same(await collect(syn, at(0, 10), at(0, 10), at(5, 24)), expected, 'doubled and overlapping')
  t.same(await collect(syn, at(0, 10)), ['10 left out'], 'half a message is none')
})

t.test('behind a gap the stream goes on, and what is missing is counted', async t => {
  const one = encode({ kind: 'echo-request' }, 1)
  const text = Buffer.from(one).toString('hex')
  t.same(
    await collect(segment(1_000, one), segment(2_000, one), segment(2_008, one)),
    [text, '992 left out', text, text],
    'the gap of the finding',
  )
  const many = Array.from({ length: 20_000 }, (_, index) => segment(2_000 + 8 * index, one))
  const found = await collect(segment(1_000, one), ...many)
  t.equal(found.length, 20_002)
  t.equal(found.filter(each => each === text).length, 20_001)
  const half = one.subarray(0, 4)
  t.same(
    await collect(segment(0, half), segment(8, Buffer.from('ffffff', 'hex')), segment(11, one)),
    ['11 left out', text],
    'amid a message: on where one begins',
  )
  t.same(
    await collect(segment(1, Buffer.from('0402000300000001', 'hex')), segment(9, one)),
    ['8 left out', text],
    'octets that are no message',
  )
  const output: boolean[] = []
  const capture = readFileSync('test/fixtures/pcap/openflow_flowmod.pcap')
  for await (const { hasFailed } of showStream(pieces(capture, 100), { isJsonl: false }))
    output.push(hasFailed)
  t.notOk(output.includes(true), 'the other way round: a whole capture has none')
})

/** An error that quotes an error that quotes ..., of so many. */
const nested = (depth: number, wrap: (inner: Buffer) => Buffer): Buffer => {
  let message: Buffer = Buffer.from('0401000c0000000700000000', 'hex')
  for (let at = 0; at < depth; at++) message = wrap(message)
  return message
}
const withLength = (bytes: Buffer): Buffer => {
  bytes.writeUInt16BE(bytes.length, 2)
  return bytes
}
const head = (hex: string) => (inner: Buffer) =>
  withLength(Buffer.concat([Buffer.from(hex, 'hex'), inner]))

for (const [name, wrap, depth] of [
  ['errors', head('040100000000000700010006'), 5_000],
  ['bundle-adds', head('0404000000000007' + '4f4e4600000008fd' + '0000000100000003'), 2_700],
  ['forwarded ones', head('0404000000000007' + '4f4e46000000092e'), 4_000],
] as const)
  t.test(`${name} within ${name} are shown, and what follows is too`, async t => {
    const bytes = nested(depth, wrap)
    const next = Buffer.from('0414000800000001', 'hex')
    for (const isJsonl of [false, true]) {
      const text = await all(
        Buffer.from(`${bytes.toString('hex')}\n${next.toString('hex')}\n`),
        false,
        4_096,
      )
      t.match(text, 'nested too deeply')
      t.match(text, 'OFPT_BARRIER_REQUEST')
      if (isJsonl)
        t.match(JSON.parse(answerLine(`{"hex":"${bytes.toString('hex')}"}`)).text, 'nested')
    }
  })

t.test('pcapng, and pcap of the other byte order', async t => {
  const frame = segment(1, encode({ kind: 'barrier-request' }, 9))
  const padded = Buffer.concat([frame, Buffer.alloc((4 - (frame.length % 4)) % 4)])
  const block = (type: number, body: Uint8Array): Buffer => {
    const bytes = Buffer.alloc(12 + body.length)
    bytes.writeUInt32LE(type, 0)
    bytes.writeUInt32LE(bytes.length, 4)
    bytes.set(body, 8)
    bytes.writeUInt32LE(bytes.length, bytes.length - 4)
    return bytes
  }
  const head = Buffer.alloc(20)
  head.writeUInt32LE(frame.length, 12)
  head.writeUInt32LE(frame.length, 16)
  const ng = Buffer.concat([
    block(0x0a0d0d0a, Buffer.from('4d3c2b1a01000000ffffffffffffffff', 'hex')),
    block(1, Buffer.from('0100000000000400', 'hex')),
    block(6, Buffer.concat([head, padded])),
  ])
  const text = '10.0.0.1.6653 > 10.0.0.2.40000:\nOFPT_BARRIER_REQUEST (OF1.3) (xid=0x9):\n'
  t.equal(await all(ng), text)
  const record = Buffer.alloc(16)
  record.writeUInt32BE(frame.length, 8)
  record.writeUInt32BE(frame.length, 12)
  t.equal(
    await all(
      Buffer.concat([
        Buffer.from('a1b2c3d400020004000000000000000000040000' + '00000001', 'hex'),
        record,
        frame,
      ]),
    ),
    text,
  )
})

t.test('a capture that is none, or broken off, ends in order', async t => {
  await t.rejects(
    async () => {
      for await (const _ of packets(pieces(Buffer.from('0a0d0d0affffffff4d3c2b1a', 'hex'), 4)));
    },
    { name: 'CaptureError' },
  )
  const whole = readFileSync('test/fixtures/pcap/openflow_flowmod.pcap')
  t.equal(await all(whole.subarray(0, 24)), '', 'a capture without packets is whole')
  for (let size = 25; size < whole.length; size += 5)
    await t.rejects(all(whole.subarray(0, size)), { name: 'CaptureError' })
})

t.test('lines in, lines out', async t => {
  const text = await all(
    Buffer.from('{"hex":"0414000800000001"}\n\n{"hex":"0415000800000001"}'),
    true,
    11,
  )
  t.same(
    text
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line).kind),
    ['barrier-request', 'barrier-reply'],
  )
})
