/**
 * Connections that go wrong, each on a real socket: they end or are refused, and a switch that behaves notices
 * nothing. Rows M1, M8, M9, M14 and M15 of the faults we answer for (docs/faults.md).
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import { realEnv } from '../../src/base/env/real-env.js'
import { CollectingLog } from '../../src/base/log/log.js'
import {
  type ConnectionLimits,
  connectionLimits,
  listenForSwitches,
  type Message,
  type Received,
  type RefusedInfo,
  type ServerLimits,
  type SwitchConnection,
} from '../../src/openflow/index.js'
import { requestLimits } from '../../src/openflow/session/requests.js'
import { until } from '../until.js'
import { WireSwitch } from './wire-switch.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const env = realEnv(new CollectingLog())

interface Door {
  readonly port: number
  readonly switches: SwitchConnection[]
  readonly refused: RefusedInfo[]
  /** A switch that behaves, and the milliseconds until it was let in. */
  healthy(
    dpid: bigint,
    silentAbout?: readonly Received['kind'][],
  ): Promise<{ wire: WireSwitch; connection: SwitchConnection; millis: number }>
}

const door = async (t: Test, limits: Partial<ServerLimits> = {}): Promise<Door> => {
  const switches: SwitchConnection[] = []
  const refused: RefusedInfo[] = []
  const listener = await listenForSwitches(
    env,
    { host: '127.0.0.1', port: 0, limits },
    { onSwitch: each => switches.push(each), onRefused: info => refused.push(info) },
  )
  t.teardown(() => listener.close())
  const { port } = listener.address as { port: number }
  return {
    port,
    switches,
    refused,
    healthy: async (dpid, silentAbout = []) => {
      const began = performance.now()
      const wire = await WireSwitch.dial(port)
      t.teardown(() => wire.socket.destroy())
      wire.behave(dpid, silentAbout)
      await until(() => switches.some(each => each.features.datapathId === dpid && !each.isClosed))
      const connection = switches.findLast(each => each.features.datapathId === dpid)!
      return { wire, connection, millis: performance.now() - began }
    },
  }
}

const withHandshake = (handshakeMillis: number): ConnectionLimits => ({
  ...connectionLimits,
  session: { ...connectionLimits.session, handshakeMillis },
})

t.test('M9: connections that never finish are ended, and hold nobody up', async t => {
  const at = await door(t, { connection: withHandshake(400) })
  const alone = (await at.healthy(2n)).millis
  const silent = await Promise.all(Array.from({ length: 200 }, () => WireSwitch.dial(at.port)))
  const slow = await WireSwitch.dial(at.port)
  const hello = Buffer.from('0400000800000001', 'hex')
  let sent = 0
  // An octet now and then does not buy more time.
  const drip = setInterval(() => slow.socket.write(hello.subarray(sent % 8, (sent++ % 8) + 1)), 100)
  t.teardown(() => clearInterval(drip))
  const { millis } = await at.healthy(1n)
  t.ok(
    millis < Math.max(200, 5 * alone),
    `let in after ${Math.round(millis)} ms beside 201 that are not, ${Math.round(alone)} ms alone`,
  )
  for (const each of [...silent, slow]) t.ok(await each.closedWithin(2_000))
  t.equal(at.refused.length, 201)
  t.match(at.refused[0]?.reason, /handshake took too long/)
  t.equal(at.switches.length, 2)
})

t.test('M9, the other way round: without the deadline they would stay', async t => {
  const at = await door(t, { connection: withHandshake(60_000) })
  const silent = await WireSwitch.dial(at.port)
  t.teardown(() => silent.socket.destroy())
  t.notOk(await silent.closedWithin(800))
})

t.test('M9: one source holds so many unfinished connections and no more', async t => {
  const at = await door(t, { maxHalfOpenPerSource: 20 })
  const many = await Promise.all(Array.from({ length: 50 }, () => WireSwitch.dial(at.port)))
  t.teardown(() => many.forEach(each => void each.socket.destroy()))
  await until(() => many.filter(each => each.isClosed).length === 30)
  t.match(at.refused[0]?.reason, /too many unfinished connections/)
})

t.test('M14: the first switch with a dpid keeps it while it answers', async t => {
  const at = await door(t, { aliveMillis: 300 })
  const first = await at.healthy(7n)
  const impostor = await WireSwitch.dial(at.port)
  impostor.behave(7n)
  t.ok(await impostor.closedWithin(2_000), 'the second is refused')
  t.notOk(first.connection.isClosed)
  t.match(at.refused[0], { dpid: '0000000000000007', reason: /connected already/ })
})

t.test(
  'M14: a switch that came back is let in when its old connection does not answer',
  async t => {
    const at = await door(t, { aliveMillis: 200 })
    const old = await WireSwitch.dial(at.port)
    old.behave(7n, ['echo-request'])
    await until(() => at.switches.length === 1)
    const back = await WireSwitch.dial(at.port)
    t.teardown(() => back.socket.destroy())
    back.behave(7n)
    t.ok(await old.closedWithin(2_000))
    await until(() => at.switches.length === 2)
    t.notOk(at.switches[1]!.isClosed)
  },
)

t.test('M14: nobody is dpid 0 or all ones, and auxiliary connections are not used', async t => {
  const at = await door(t)
  for (const [dpid, auxiliary, reason] of [
    [0n, 0, /all zeros or all ones/],
    [0xffff_ffff_ffff_ffffn, 0, /all zeros or all ones/],
    [5n, 1, /auxiliary/],
  ] as const) {
    const wire = await WireSwitch.dial(at.port)
    wire.behave(dpid, [], auxiliary)
    t.ok(await wire.closedWithin(1_000))
    t.match(at.refused.at(-1)?.reason, reason)
  }
  t.equal(at.switches.length, 0)
})

// biome-ignore format: a table
const malformed = [
  ['a length less than a header',        '0400 0007 00000001',                                     'closed'],
  ['a length of zero',                   '0400 0000 00000001',                                     'closed'],
  ['another version',                    '0102 0008 00000001',                                     'closed'],
  ['a type that there is not',           '04fe 0008 00000001',                                     'error'],
  ['an experimenter nobody knows',       '0404 0010 00000001 deadbeef 00000001',                   'open'],
  ['a match longer than its message',    '040a 0020 00000001 ffffffff 0000 0000 0000000000000000 0001 ffff 00000000', 'error'],
  ['a field of no octets, over and over', '040a 002a 00000001 ffffffff 0000 0000 0000000000000000 0001 000c 80000000 80000000 00000000 0000', 'error'],
  ['what only a controller sends',       '040e 0038 00000001 0000000000000000 0000000000000000 00000000 0000 8000 ffffffff ffffffff ffffffff 0000 0000 0001 0004 00000000', 'closed'],
  ['a reply that nobody asked for',      '0413 0010 00000001 000d 0000 00000000',                  'open'],
] as const

t.test('M1: what cannot be understood costs its sender the connection, at most', async t => {
  const at = await door(t)
  const witness = await at.healthy(1n)
  for (const [index, [what, hex, expected]] of malformed.entries()) {
    const { wire, connection } = await at.healthy(BigInt(100 + index))
    const before = wire.heard.length
    wire.raw(hex)
    if (expected === 'closed') t.ok(await wire.closedWithin(1_000), `${what}: closed`)
    else {
      // An echo behind it tells when it was read.
      wire.send({ kind: 'echo-request' }, 0x77)
      await until(() => wire.heard.some(each => each.xid === 0x77))
      t.notOk(connection.isClosed, `${what}: the connection stays`)
      const errors = wire.heard.slice(before).filter(each => each.kind === 'error')
      t.equal(errors.length, expected === 'error' ? 1 : 0, `${what}: ${expected}`)
    }
    wire.socket.destroy()
  }
  t.ok(await witness.connection.isAlive(500), 'the switch beside them has noticed nothing')
})

t.test('M8: what a switch does not read is bounded, and costs it the connection', async t => {
  const outbox = { dropSize: 64 * 1024, closeSize: 256 * 1024 }
  const at = await door(t, { connection: { ...connectionLimits, outbox } })
  const { wire, connection } = await at.healthy(1n)
  wire.socket.pause()
  const data = new Uint8Array(1_400)
  const packetOut = { kind: 'packet-out', inPort: 1, actions: [], data } as const
  // What the two sockets' own buffers hold comes first.
  for (let sent = 0; sent < 20_000 && connection.droppedCount === 0; sent++) {
    connection.send(packetOut)
    if (sent % 64 === 0) await new Promise(resolve => setImmediate(resolve))
  }
  t.ok(connection.droppedCount > 0, 'packets are dropped first')
  t.notOk(connection.isClosed)
  t.ok(connection.unsentSize < 256 * 1024, `${connection.unsentSize} octets wait`)
  const flowMod = {
    kind: 'flow-mod',
    command: 'add',
    priority: 1,
    match: {},
    instructions: [],
  } as const
  for (let sent = 0; sent < 10_000 && !connection.isClosed; sent++) connection.send(flowMod)
  t.ok(connection.isClosed, 'rather than lose a flow, the connection ends')
  const beside = await at.healthy(2n)
  t.ok(await beside.connection.isAlive(500))
})

t.test('M15: a request that is never answered fails in time', async t => {
  const requests = { ...connectionLimits.requests, deadlineMillis: 200 }
  const at = await door(t, { connection: { ...connectionLimits, requests } })
  const wire = await WireSwitch.dial(at.port)
  t.teardown(() => wire.socket.destroy())
  wire.behave(1n, ['barrier-request'])
  await until(() => at.switches.length === 1)
  await t.rejects(at.switches[0]!.barrier(), { message: /no answer to barrier-request in time/ })
  t.notOk(at.switches[0]!.isClosed)
})

t.test('a switch that says nothing any more is asked, and given up', async t => {
  const session = { ...connectionLimits.session, idleMillis: 100, echoMillis: 200 }
  const at = await door(t, { connection: { ...connectionLimits, session } })
  const quiet = await WireSwitch.dial(at.port)
  quiet.behave(1n, ['echo-request'])
  await until(() => at.switches.length === 1)
  t.ok(await quiet.closedWithin(2_000))
  const { connection } = await at.healthy(2n)
  await new Promise(resolve => setTimeout(resolve, 700))
  t.notOk(connection.isClosed, 'one that answers stays')
})

t.test('a switch that calls every generation stale is let go, and not asked for ever', async t => {
  const at = await door(t)
  const wire = await WireSwitch.dial(at.port)
  wire.behave(9n, ['role-request'])
  let answered = 0
  while (!wire.isClosed) {
    const asked = wire.heard.filter(({ kind }) => kind === 'role-request')
    for (const message of asked.slice(answered)) {
      answered++
      if (message.kind === 'role-request' && message.role === 'nochange')
        wire.send({ kind: 'role-reply', role: 'equal', generationId: 7n }, message.xid)
      else wire.send({ kind: 'error', type: 11, code: 0, data: new Uint8Array() }, message.xid)
    }
    await Promise.race([wire.news(), new Promise(resolve => setTimeout(resolve, 3_000))])
    if (answered > 1_000) break
  }
  t.ok(wire.isClosed)
  t.ok(answered < 20, `asked ${answered} times`)
})

t.test('a switch that speaks OpenFlow 1.0 only is refused with what mends it', async t => {
  const { port, refused } = await door(t)
  const wire = await WireSwitch.dial(port)
  t.teardown(() => wire.socket.destroy())
  // version 1, type hello, 8 octets, xid 1
  wire.socket.write(Buffer.from('0100000800000001', 'hex'))
  await until(() => refused.length > 0)
  t.match(refused[0], { reason: /ovs-vsctl set bridge NAME protocols=OpenFlow13/ })
})

t.test('a switch may forward what another controller changed', async t => {
  const at = await door(t)
  const { wire, connection } = await at.healthy(5n)
  // ONFT_REQUESTFORWARD with the deletion of group 3
  wire.raw('04 04 0020 00000007 4f4e4600 0000092e  04 0f 0010 00000007 0002 00 00 00000003')
  wire.send({ kind: 'echo-request', data: Buffer.from('still here') }, 9)
  await until(() => wire.isClosed || wire.heard.some(({ kind }) => kind === 'echo-reply'))
  t.notOk(connection.isClosed)
  // the other way round: a message of controllers ends the connection
  wire.send({ kind: 'features-request' }, 10)
  t.ok(await wire.closedWithin(2_000))
})

/** A part of a flow-stats-reply with another one behind it, of as many octets as it may have. */
const part = (xid: number, entries: number): Buffer => {
  const bytes = Buffer.alloc(16 + 56 * entries)
  bytes.writeUInt16BE(0x0413, 0)
  bytes.writeUInt16BE(bytes.length, 2)
  bytes.writeUInt32BE(xid, 4)
  bytes.writeUInt16BE(1, 8)
  bytes.writeUInt16BE(1, 10)
  for (let at = 16; at < bytes.length; at += 56) {
    bytes.writeUInt16BE(56, at)
    // an empty match of OXM fields, padded
    bytes.writeUInt16BE(1, at + 48)
    bytes.writeUInt16BE(4, at + 50)
  }
  return bytes
}

/** Sends it again and again, as fast as it is read, until the other side has had enough. */
const pour = async (wire: WireSwitch, bytes: Buffer): Promise<void> => {
  while (!wire.isClosed)
    if (!wire.socket.write(bytes))
      await Promise.race([new Promise(resolve => wire.socket.once('drain', resolve)), wire.news()])
}

const flowStats: Message = { kind: 'flow-stats-request' }

for (const [what, entries, requests] of [
  ['of entries', 1_000, { ...requestLimits, maxReplyEntries: 50_000 }],
  ['of parts without entries', 0, { ...requestLimits, maxReplyParts: 20_000 }],
  ['of octets', 1_000, { ...requestLimits, maxReplySize: 4 * 2 ** 20 }],
  ['that is late', 100, { ...requestLimits, deadlineMillis: 1_000, maxReplySize: 4 * 2 ** 20 }],
] as const)
  t.test(`a reply without an end, ${what}, ends its connection and disturbs nobody`, async t => {
    const at = await door(t, { connection: { ...connectionLimits, requests } })
    const healthy = await at.healthy(1n)
    const { wire, connection } = await at.healthy(2n, ['flow-stats-request'])
    collect()
    const before = process.memoryUsage().heapUsed
    const asked = connection.request(flowStats).then(
      () => 'answered',
      (error: Error) => error.message,
    )
    await until(() => wire.heard.some(({ kind }) => kind === 'flow-stats-request'))
    const { xid } = wire.heard.find(({ kind }) => kind === 'flow-stats-request')!
    if (what === 'that is late') t.match(await asked, /in time/)
    const began = performance.now()
    const poured = pour(
      wire,
      Buffer.concat(Array(entries > 0 ? 1 : 1_000).fill(part(xid, entries))),
    )
    let slowest = 0
    while (!connection.isClosed && performance.now() < began + 20_000) {
      const sent = performance.now()
      await healthy.connection.request({ kind: 'echo-request' })
      slowest = Math.max(slowest, performance.now() - sent)
    }
    const millis = performance.now() - began
    t.ok(connection.isClosed, `it ended after ${millis.toFixed(0)} ms`)
    await poured
    if (what !== 'that is late') t.match(await asked, /too large|closed/)
    collect()
    const kept = (process.memoryUsage().heapUsed - before) / 2 ** 20
    t.ok(kept < 20, `${kept.toFixed(1)} MiB stay`)
    t.notOk(healthy.connection.isClosed)
    t.ok(slowest < 5_000, `the slowest echo beside it took ${slowest.toFixed(0)} ms`)

    const again = await WireSwitch.dial(at.port)
    t.teardown(() => again.socket.destroy())
    again.behave(2n)
    t.ok(await again.closedWithin(5_000), 'it is not let in again at once')
    t.match(at.refused.at(-1)?.reason, /without an end/)
    await at.healthy(3n)
  })

t.test('the other way round: a long reply with an end is taken, late parts too', async t => {
  const at = await door(t)
  const { wire, connection } = await at.healthy(1n, ['flow-stats-request'])
  const asked = connection.request(flowStats)
  await until(() => wire.heard.some(({ kind }) => kind === 'flow-stats-request'))
  const { xid } = wire.heard.find(({ kind }) => kind === 'flow-stats-request')!
  for (let count = 0; count < 20; count++) wire.socket.write(part(xid, 1_000))
  const last = part(xid, 1)
  last.writeUInt16BE(0, 10)
  wire.socket.write(last)
  const reply = await asked
  t.equal(reply.kind === 'flow-stats-reply' && reply.entries.length, 20_001)
  for (let count = 0; count < 20; count++) wire.socket.write(part(xid, 1_000))
  await connection.request({ kind: 'echo-request' })
  t.notOk(connection.isClosed)
})
