/**
 * A server that says anything. Whatever comes, the client ends in one of three ways: a value, an OvsdbError,
 * or a closed connection with its reason; nothing is thrown past it, and its replica stays whole.
 * `SLUICE_FUZZ_SECONDS` says for how long; the seed of a failure is in its message.
 */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { SimulatedEnv, seededRandom } from '../../src/base/env/simulated-env.js'
import type { CollectingLog } from '../../src/base/log/log.js'
import {
  OvsdbClient,
  OvsdbError,
  ProtocolError,
  type TableUpdates,
  type TableUpdates2,
} from '../../src/ovsdb/client.js'
import { JsonStream } from '../../src/ovsdb/json-stream.js'
import { DatabaseLink } from '../../src/ovsdb/link.js'
import { allColumns, Replica } from '../../src/ovsdb/replica.js'
import { isObject, readMessage } from '../../src/ovsdb/rpc.js'
import { readSchema, SchemaError } from '../../src/ovsdb/schema.js'
import { FakeServer, outcomeOf } from './fake-server.js'

interface SchemaJson {
  readonly tables: Readonly<Record<string, { readonly columns: Readonly<Record<string, unknown>> }>>
}
const vswitch: SchemaJson = JSON.parse(
  readFileSync('test/fixtures/ovsdb/vswitch.ovsschema', 'utf8'),
)

/** Less to read each time: three tables, a few columns of every shape. */
const schema = {
  ...vswitch,
  tables: Object.fromEntries(
    Object.entries({
      Bridge: ['name', 'protocols', 'other_config', 'fail_mode'],
      Port: ['name', 'interfaces', 'tag'],
      Interface: ['name', 'statistics', 'mtu'],
    }).map(([name, columns]) => {
      const table = vswitch.tables[name]!
      const kept = Object.entries(table.columns).filter(([column]) => columns.includes(column))
      return [name, { ...table, columns: Object.fromEntries(kept) }]
    }),
  ),
}
const seconds = Number(process.env.SLUICE_FUZZ_SECONDS ?? 3)
t.setTimeout((2 * seconds + 60) * 1_000)
const uuid = (digit: string) => `${digit.repeat(8)}-0000-0000-0000-000000000000`

type Dice = (limit: number) => number

/** What a good server says behind the first contents. */
const goodMessages = (monitor: unknown): object[] => [
  {
    method: 'update3',
    params: [
      monitor,
      't1',
      {
        Bridge: {
          [uuid('a')]: {
            insert: { name: 'br0', protocols: ['set', ['OpenFlow10', 'OpenFlow13']] },
          },
        },
      },
    ],
    id: null,
  },
  {
    method: 'update3',
    params: [
      monitor,
      't2',
      { Bridge: { [uuid('a')]: { modify: { other_config: ['map', [['k', 'v']]] } } } },
    ],
    id: null,
  },
  {
    method: 'update3',
    params: [monitor, 't3', { Bridge: { [uuid('a')]: { delete: null } } }],
    id: null,
  },
  {
    method: 'update2',
    params: [
      monitor,
      { Port: { [uuid('b')]: { insert: { name: 'p', interfaces: ['uuid', uuid('c')], tag: 5 } } } },
    ],
    id: null,
  },
  {
    method: 'update',
    params: [
      monitor,
      { Interface: { [uuid('c')]: { new: { name: 'i', statistics: ['map', [['rx', 12]]] } } } },
    ],
    id: null,
  },
  { method: 'echo', params: ['x'], id: 'e' },
  { method: 'locked', params: ['l'], id: null },
  { method: 'stolen', params: ['l'], id: null },
  { method: 'monitor_canceled', params: ['other'], id: null },
  {
    id: 5,
    result: [{}, { uuid: ['uuid', uuid('d')] }, { rows: [{ name: 'x' }] }, { count: 1 }],
    error: null,
  },
  { id: 6, result: null, error: { error: 'constraint violation', details: 'x' } },
]

const oddities: unknown[] = [
  null,
  true,
  0,
  -1,
  1e308,
  2 ** 53,
  '',
  'x',
  '__proto__',
  'constructor',
  [],
  {},
  [[]],
  ['set', []],
  ['set', [1, 'x', null]],
  ['map', [[1]]],
  [
    'map',
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
  ],
  ['uuid', 'x'],
  ['named-uuid', 'y'],
  ['set'],
  'x'.repeat(5_000),
  { a: { b: [] } },
  { toString: 1 },
  { then: 1 },
]

/** Replaces one value somewhere in a message, removes it, or doubles it. */
const bend = (value: unknown, dice: Dice): unknown => {
  if (dice(4) === 0 || typeof value !== 'object' || value === null)
    return oddities[dice(oddities.length)]
  if (Array.isArray(value)) {
    if (value.length === 0) return [oddities[dice(oddities.length)]]
    const at = dice(value.length)
    const kind = dice(6)
    if (kind === 0) return value.toSpliced(at, 1)
    if (kind === 1) return value.toSpliced(at, 0, value[at])
    return value.with(at, bend(value[at], dice))
  }
  const names = Object.keys(value)
  if (names.length === 0) return { [JSON.stringify(oddities[dice(oddities.length)])]: 1 }
  const name = names[dice(names.length)]!
  const members = { ...(value as Record<string, unknown>) }
  const kind = dice(6)
  if (kind === 0) delete members[name]
  else if (kind === 1) members[JSON.stringify(oddities[dice(oddities.length)])] = members[name]
  else members[name] = bend(members[name], dice)
  return members
}

/** Changes octets of a text. */
const scratch = (text: string, dice: Dice): Uint8Array => {
  const bytes = Uint8Array.from(Buffer.from(text))
  for (let count = dice(4); count >= 0 && bytes.length > 0; count--) {
    const kind = dice(3)
    const at = dice(bytes.length)
    if (kind === 0) bytes[at] = dice(256)
    else if (kind === 1) bytes[at]! ^= 1 << dice(8)
    else return bytes.subarray(0, at)
  }
  return bytes
}

const oneCase = async (seed: number): Promise<string> => {
  const random = seededRandom(seed)
  const dice: Dice = limit => random.uint32() % limit
  const server = new FakeServer(new SimulatedEnv({ seed, cutsChunks: true }))
  const { env } = server
  await server.listen()
  const isBadFromStart = dice(8) === 0
  server.answers.get_schema = () => (isBadFromStart ? bend(schema, dice) : schema)
  server.answers.monitor_cond_since = () => {
    const result = [false, 't0', { Port: { [uuid('b')]: { initial: { name: 'p' } } } }]
    return dice(8) === 0 ? bend(result, dice) : result
  }
  let client: OvsdbClient | undefined
  const link = new DatabaseLink(env, {
    database: 'Open_vSwitch',
    lock: 'l',
    connect: async () => {
      client = await OvsdbClient.connect(env, { path: '/db.sock' })
      return client
    },
  })
  server.answers.lock = () => ({ locked: true })
  link.start()
  await env.advance(10)
  const asked = client
  const outcomes = [1, 2, 3].map(() =>
    outcomeOf(
      asked!.transact('Open_vSwitch', [
        { op: 'comment', comment: '' },
        { op: 'abort' },
        { op: 'abort' },
      ]),
    ),
  )
  const monitor = server.calls('monitor_cond_since').at(-1)?.params?.[1]
  for (let count = 0; count < 12 && !server.isClosed; count++) {
    const messages = goodMessages(monitor)
    const message = messages[dice(messages.length)]!
    const kind = dice(4)
    if (kind === 0) server.send(message)
    else if (kind === 3) server.sendText(scratch(JSON.stringify(message), dice))
    else server.send(bend(message, dice))
    await env.advance(1)
  }
  const ended = asked!.closedBecause === undefined ? 'open' : 'closed'
  link.stop()
  await env.advance(12_000)
  for (const { value, error } of outcomes)
    if (value === undefined && !(error instanceof OvsdbError) && !(error instanceof ProtocolError))
      throw new Error(`a request ended as ${String(error)}`)
  const mistakes = (env.log as CollectingLog).lines.filter(line => line.level === 'error')
  if (mistakes.length > 0) throw mistakes[0]!.fields.err
  for (const [, row] of link.replica?.table('Bridge') ?? [])
    if (typeof row.name !== 'string' || !Array.isArray(row.protocols))
      throw new Error('the replica holds what is no bridge')
  return ended
}

t.test(
  'the client survives a server that says anything',
  { timeout: (seconds + 60) * 1_000 },
  async t => {
    const start = performance.now()
    const ends: Record<string, number> = {}
    let slowestMillis = 0
    for (let seed = 1; performance.now() - start < seconds * 1_000; seed++) {
      const before = performance.now()
      try {
        const end = await oneCase(seed)
        ends[end] = (ends[end] ?? 0) + 1
      } catch (error) {
        t.fail(`seed ${seed}: ${String(error)}`, { error })
        return
      }
      slowestMillis = Math.max(slowestMillis, performance.now() - before)
    }
    t.comment(`${JSON.stringify(ends)}, the slowest took ${slowestMillis.toFixed(0)} ms`)
    t.ok(ends.closed! > 10, 'many breaches ended the connection')
    t.ok(ends.open! > 10, 'and many oddities were no breach')
    // A hang would be seen, a busy machine is none.
    t.ok(slowestMillis < 10_000)
  },
)

/** One input for each part that reads what a stranger wrote; only its own kinds of error may come out. */
const oneInput = (seed: number): void => {
  const random = seededRandom(seed)
  const dice: Dice = limit => random.uint32() % limit
  const messages = goodMessages('m')
  const message = messages[dice(messages.length)]!
  const bent = dice(2) === 0 ? bend(message, dice) : message
  const text = JSON.stringify(bent)
  const bytes = dice(2) === 0 ? scratch(text, dice) : Buffer.from(text)
  const replica = new Replica(smallSchema, allColumns(smallSchema))
  replica.replace({
    Port: { [uuid('b')]: { initial: { name: 'p', interfaces: ['uuid', uuid('c')] } } },
  })
  const rows = () =>
    [...replica.table('Port')].map(([id, row]) => [id, ...Object.values(row)]).join()
  let before = rows()
  try {
    new JsonStream().push(bytes, value => {
      const read = readMessage(value)
      if (read.kind !== 'notification') return
      const updates = read.params.at(-1)
      if (isObject(updates) && Object.values(updates).every(isObject)) {
        if (dice(2) === 0) replica.update2(updates as TableUpdates2)
        else replica.update(updates as TableUpdates)
        before = rows()
      }
    })
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof ProtocolError)) throw error
    if (rows() !== before) throw new Error('an update counted by half')
  }
  try {
    if (dice(10) === 0) readSchema(bend(schema, dice))
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error
  }
}

const smallSchema = readSchema(schema)

t.test('so do the parts, each on its own', { timeout: (seconds + 60) * 1_000 }, async t => {
  const start = performance.now()
  let slowestMillis = 0
  let seed = 1
  for (; performance.now() - start < seconds * 1_000; seed++) {
    const before = performance.now()
    try {
      oneInput(seed)
    } catch (error) {
      t.fail(`seed ${seed}: ${String(error)}`, { error })
      return
    }
    slowestMillis = Math.max(slowestMillis, performance.now() - before)
  }
  t.comment(`${seed} inputs, the slowest took ${slowestMillis.toFixed(0)} ms`)
  t.ok(seed > 1_000)
})

t.test('a mistake of ours would be seen', async t => {
  const server = new FakeServer()
  await server.listen()
  const client = await OvsdbClient.connect(server.env, { path: '/db.sock' })
  client.on('locked', () => {
    throw new TypeError('planted')
  })
  server.send({ method: 'locked', params: ['l'], id: null })
  await server.env.settle()
  t.equal(client.closedBecause, 'planted', 'only that connection ends')
  t.match((server.env.log as CollectingLog).lines, [
    { level: 'error', sentence: 'a message was mishandled' },
  ])
})
