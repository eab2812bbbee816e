/** Rows that the codec cannot understand: somebody else's are left alone, ours are put right, and nothing else waits. */
import t from 'tap'
import type { Dpid } from '../../../src/base/addresses.js'
import { SimulatedEnv } from '../../../src/base/env/simulated-env.js'
import { Programmer } from '../../../src/controller/program/programmer.js'
import type { SwitchChannel } from '../../../src/controller/program/read-back.js'
import {
  decode,
  encode,
  type FlowStats,
  formatMessage,
  type Message,
} from '../../../src/openflow/index.js'
import { instructionsOf } from '../../../src/pipeline/canonical.js'
import { type Flow, flow, groupNumber, section } from '../../../src/pipeline/program.js'
import { tableId } from '../../../src/pipeline/tables.js'

const dpid = '0000000000000001' as Dpid
const origin = { kind: 'base', name: 'test' } as const

const wanted = section('ports', {
  flows: [1, 2, 3].map(port => flow('admit', 100, { in_port: port }, {}, 'a port', origin)),
})

const statsOf = (row: Flow, cookie = row.cookie): FlowStats => ({
  tableId: tableId[row.table],
  durationSeconds: 0,
  durationNanoseconds: 0,
  priority: row.priority,
  idleTimeout: 0,
  hardTimeout: 0,
  flags: 0,
  cookie,
  packetCount: 0n,
  byteCount: 0n,
  match: row.match,
  instructions: [...instructionsOf(row), { kind: 'goto-table', table: 99 }],
})

/** The reply with one entry made so that nobody can read it: its last instruction is three octets long. */
const spoilt = (entries: readonly FlowStats[], index: number): Uint8Array => {
  const bytes = encode({ kind: 'flow-stats-reply', entries })
  let end = 16
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let at = 0; at <= index; at++) end += view.getUint16(end)
  view.setUint16(end - 6, 3)
  return bytes
}

class Switch implements SwitchChannel {
  readonly dpid = dpid
  readonly sent: string[] = []
  reads = 0
  flows: () => Uint8Array = () => encode({ kind: 'flow-stats-reply', entries: [] })
  groups: () => Uint8Array = () => encode({ kind: 'group-desc-reply', entries: [] })

  async request({ kind }: Message) {
    if (kind === 'flow-stats-request') {
      this.reads++
      return decode(this.flows(), true)
    }
    if (kind === 'group-desc-request') return decode(this.groups(), true)
    return decode(encode({ kind: 'meter-config-reply', entries: [] }))
  }
  async sendAll() {
    return []
  }
  async bundle(messages: readonly Message[]) {
    this.sent.push(...messages.map(formatMessage))
    return []
  }
}

const start = (one: Switch) => {
  const env = new SimulatedEnv({ seed: 1 })
  const programmer = new Programmer(env, dpid)
  const failures: string[] = []
  programmer.on('failed', error => failures.push(error.message))
  programmer.connect(one)
  programmer.want([wanted], 1)
  return { env, programmer, failures }
}

t.test('a row of somebody else that cannot be read holds up nothing', async t => {
  const one = new Switch()
  const [first] = wanted.flows
  one.flows = () => spoilt([statsOf({ ...first!, match: { in_port: 7 } }, 0n)], 0)
  const { env, programmer, failures } = start(one)
  await env.advance(100)
  t.equal(programmer.confirmedRevision, 1)
  t.equal(one.sent.length, 3, 'the three rows that are wanted')
  t.notMatch(one.sent.join('\n'), 'in_port=7')
  t.match(programmer.foreign, [{ tableId: 0, cookie: '0x0', text: /^cannot be read: / }])
  t.same(failures, [])
})

t.test('one of ours is overwritten or taken away, and read again before it counts', async t => {
  const one = new Switch()
  const [first, second, third] = wanted.flows
  const excess = flow('admit', 100, { in_port: 8 }, {}, 'a port', origin)
  const good = (row: Flow) => ({ ...statsOf(row), instructions: instructionsOf(row) })
  one.flows = () =>
    one.sent.length > 0
      ? encode({ kind: 'flow-stats-reply', entries: wanted.flows.map(good) })
      : one.reads === 1
        ? spoilt([good(first!), good(second!), statsOf(third!)], 2)
        : encode({ kind: 'flow-stats-reply', entries: [] })
  const { env, programmer } = start(one)
  await env.advance(100)
  t.equal(programmer.confirmedRevision, 1)
  t.equal(one.reads, 2)
  t.equal(one.sent.length, 1)
  t.match(one.sent[0], /MOD_STRICT .*in_port=3/)

  one.sent.length = 0
  one.flows = () =>
    one.sent.length > 0
      ? encode({ kind: 'flow-stats-reply', entries: wanted.flows.map(good) })
      : spoilt([...wanted.flows.map(good), statsOf(excess)], 3)
  programmer.check()
  await env.advance(100)
  t.equal(one.sent.length, 1)
  t.match(one.sent[0], /DEL_STRICT .*in_port=8/)
  t.equal(programmer.confirmedRevision, 1)
})

t.test('one of ours that stays unreadable is never called installed', async t => {
  const one = new Switch()
  one.flows = () =>
    spoilt(
      wanted.flows.map(row => statsOf(row)),
      1,
    )
  const { env, programmer, failures } = start(one)
  await env.advance(60_000)
  t.equal(programmer.confirmedRevision, -1)
  t.match(failures[0], '1 entries of ours cannot be understood')
  t.ok(failures.length < 15, `asked ${failures.length} times in a minute: ever more rarely`)
  one.flows = () =>
    encode({
      kind: 'flow-stats-reply',
      entries: wanted.flows.map(row => ({ ...statsOf(row), instructions: instructionsOf(row) })),
    })
  await env.advance(11_000)
  t.equal(programmer.confirmedRevision, 1, 'and when it can be read it is')
  one.flows = () =>
    spoilt(
      wanted.flows.map(row => statsOf(row)),
      1,
    )
  programmer.check()
  await env.advance(1_000)
  t.equal(programmer.confirmedRevision, -1, 'nor is it called so any longer')
})

t.test('a group of ours that cannot be read is put right', async t => {
  const one = new Switch()
  const id = groupNumber('egress', 1)
  one.groups = () => {
    if (one.sent.length > 0) return encode({ kind: 'group-desc-reply', entries: [] })
    const bytes = encode({
      kind: 'group-desc-reply',
      entries: [{ type: 'all', groupId: id, buckets: [] }],
    })
    bytes[18] = 77
    return bytes
  }
  const { env, programmer } = start(one)
  await env.advance(100)
  t.equal(programmer.confirmedRevision, 1)
  t.equal(one.sent.filter(text => /GROUP_MOD .*\n DEL/.test(text)).length, 1)
})
