import { readFileSync } from 'node:fs'
import t from 'tap'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import { OvsdbClient } from '../../src/ovsdb/client.js'
import { DatabaseLink, type LinkOptions } from '../../src/ovsdb/link.js'
import { backOffMillis, step } from '../../src/ovsdb/link-state.js'
import { FakeServer } from './fake-server.js'

const schema = JSON.parse(readFileSync('test/fixtures/ovsdb/vswitch.ovsschema', 'utf8'))
const a = 'aaaaaaaa-0000-0000-0000-000000000000'
const b = 'bbbbbbbb-0000-0000-0000-000000000000'
const watched = { Manager: ['target'] }

const linked = (server: FakeServer, more: Partial<LinkOptions> = {}) => {
  const link = new DatabaseLink(server.env, {
    database: 'Open_vSwitch',
    connect: () => OvsdbClient.connect(server.env, { path: '/db.sock' }),
    watched,
    ...more,
  })
  const told: string[] = []
  link.on('live', () => told.push('live'))
  link.on('changed', changes => told.push(`changed ${changes.map(each => each.uuid[0]).join()}`))
  link.on('lost', reason => told.push(`lost: ${reason}`))
  link.on('lock-changed', isHeld => told.push(isHeld ? 'locked' : 'not locked'))
  return { link, told }
}

const targets = (link: DatabaseLink) =>
  [...link.replica!.table('Manager').values()].map(row => row.target)

t.test('a replica resumes from the last transaction that it saw', async t => {
  const server = new FakeServer()
  await server.listen()
  server.answers.get_schema = () => schema
  server.answers.monitor_cond_since = ([, , , last]) =>
    last === 'txn-2'
      ? [true, 'txn-3', { Manager: { [a]: { modify: { target: 'again' } } } }]
      : [false, 'txn-1', { Manager: { [a]: { initial: { target: 'first' } } } }]
  const { link, told } = linked(server)
  link.start()
  await server.env.until(() => link.isLive)
  const monitor = server.calls('monitor_cond_since')[0]!.params![1]
  server.send({
    method: 'update3',
    params: [monitor, 'txn-2', { Manager: { [b]: { insert: { target: 'second' } } } }],
    id: null,
  })
  await server.env.settle()
  t.same(targets(link), ['first', 'second'])
  await server.env.advance(6_000)
  server.drop()
  await server.env.settle()
  t.equal(link.state.phase, 'waiting')
  t.same(targets(link), ['first', 'second'], 'what was known stays while the link is down')
  await server.env.until(() => link.isLive)
  t.same(targets(link), ['again', 'second'])
  t.same(
    server.calls('monitor_cond_since').map(each => each.params![3]),
    ['00000000-0000-0000-0000-000000000000', 'txn-2'],
  )
  t.same(told, [
    'live',
    'changed a',
    'changed b',
    'lost: closed by the server',
    'live',
    'changed a',
  ])
  link.stop()
})

t.test('a server that has forgotten gives all, and the difference is told', async t => {
  const server = new FakeServer()
  await server.listen()
  let rows: object = { [a]: { initial: { target: 'x' } }, [b]: { initial: { target: 'y' } } }
  server.answers.get_schema = () => schema
  server.answers.monitor_cond_since = () => [false, 'txn', { Manager: rows }]
  const { link, told } = linked(server)
  link.start()
  await server.env.until(() => link.isLive)
  rows = { [b]: { initial: { target: 'y' } } }
  server.drop()
  await server.env.settle()
  await server.env.until(() => link.isLive)
  t.same(targets(link), ['y'])
  t.same(told, ['live', 'changed a,b', 'lost: closed by the server', 'live', 'changed a'])
  link.stop()
})

t.test('an older server is watched in the way it knows', async t => {
  for (const known of ['monitor_cond', 'monitor']) {
    const server = new FakeServer()
    await server.listen()
    server.answers.get_schema = () => schema
    for (const method of ['monitor_cond_since', 'monitor_cond', 'monitor'])
      server.answers[method] = () => new Error('unknown method')
    const row = { target: 'x' }
    server.answers[known] = () => ({
      Manager: { [a]: known === 'monitor' ? { new: row } : { initial: row } },
    })
    const { link } = linked(server)
    link.start()
    await server.env.until(() => link.isLive)
    t.same(targets(link), ['x'], known)
    const monitor = server.calls(known)[0]!.params![1]
    server.send(
      known === 'monitor'
        ? {
            method: 'update',
            params: [monitor, { Manager: { [a]: { old: row, new: { target: 'z' } } } }],
            id: null,
          }
        : {
            method: 'update2',
            params: [monitor, { Manager: { [a]: { modify: { target: 'z' } } } }],
            id: null,
          },
    )
    await server.env.settle()
    t.same(targets(link), ['z'], known)
    link.stop()
  }
})

t.test('an update right behind the contents is not lost', async t => {
  const server = new FakeServer()
  await server.listen()
  server.answers.get_schema = () => schema
  server.answers.monitor_cond_since = ([, monitor]) => {
    const id = server.heard.at(-1)!.id
    server.sendText(
      JSON.stringify({
        id,
        result: [false, 't1', { Manager: { [a]: { initial: { target: 'x' } } } }],
        error: null,
      }) +
        JSON.stringify({
          method: 'update3',
          params: [monitor, 't2', { Manager: { [a]: { modify: { target: 'y' } } } }],
          id: null,
        }),
    )
    return undefined
  }
  const { link } = linked(server)
  link.start()
  await server.env.until(() => link.isLive)
  t.same(targets(link), ['y'])
  link.stop()
})

t.test('the lock is asked for each time, and its loss is told', async t => {
  const server = new FakeServer()
  await server.listen()
  server.answers.get_schema = () => schema
  server.answers.monitor_cond_since = () => [false, 't', {}]
  server.answers.lock = () => ({ locked: false })
  const { link, told } = linked(server, { lock: 'ours' })
  link.start()
  await server.env.until(() => link.isLive)
  t.equal(link.hasLock, false)
  server.send({ method: 'locked', params: ['ours'], id: null })
  server.send({ method: 'locked', params: ['other'], id: null })
  await server.env.settle()
  t.equal(link.hasLock, true)
  server.send({ method: 'stolen', params: ['ours'], id: null })
  await server.env.settle()
  t.equal(link.hasLock, false)
  t.same(told, ['live', 'locked', 'not locked'])
  link.stop()
})

t.test('a server that breaks the protocol is left and called again, ever more slowly', async t => {
  const server = new FakeServer(new SimulatedEnv({ seed: 3 }))
  await server.listen()
  let calls = 0
  server.answers.get_schema = () => {
    calls++
    return { name: 'not a schema' }
  }
  const { link } = linked(server)
  link.start()
  await server.env.advance(60_000)
  t.ok(calls >= 9 && calls <= 25, `${calls} calls in a minute`)
  t.match(link.state.phase, /waiting|calling|preparing/)
  link.stop()
  const before = calls
  await server.env.advance(60_000)
  t.equal(calls, before, 'and not after it was stopped')
})

t.test('an endless flood of updates before the contents ends the connection', async t => {
  const server = new FakeServer()
  await server.listen()
  server.answers.get_schema = () => schema
  server.answers.monitor_cond_since = ([, monitor]) => {
    for (let count = 0; count < 1_100; count++)
      server.send({ method: 'update3', params: [monitor, 't', {}], id: null })
    return undefined
  }
  const { link, told } = linked(server)
  link.start()
  await server.env.until(() => told.length > 0)
  t.match(told[0], /lost: updates, and no contents that they belong to/)
  link.stop()
})

t.test('a call that nobody takes ends, and one that is taken too late is dropped', async t => {
  const server = new FakeServer()
  await server.listen()
  const calls: ((client: OvsdbClient) => void)[] = []
  const { link } = linked(server, {
    connect: () =>
      new Promise(resolve => {
        calls.push(resolve)
      }),
  })
  link.start()
  await server.env.advance(9_999)
  t.equal(link.state.phase, 'calling')
  await server.env.advance(2)
  t.match(link.state, { phase: 'waiting', reason: 'no connection in 10000 ms' })
  await server.env.advance(1_000)
  t.equal(calls.length, 2, 'it is called again')
  const late = await OvsdbClient.connect(server.env, { path: '/db.sock' })
  calls[0]!(late)
  await server.env.settle()
  t.equal(late.closedBecause, 'it came too late')
  t.equal(link.state.phase, 'calling')
  link.stop()
})

t.test('a passive link lives by the connections it is given', async t => {
  const server = new FakeServer()
  await server.listen()
  server.answers.get_schema = () => schema
  server.answers.monitor_cond_since = () => [
    false,
    't',
    { Manager: { [a]: { initial: { target: 'x' } } } },
  ]
  const link = new DatabaseLink(server.env, { database: 'Open_vSwitch', watched })
  link.start()
  await server.env.advance(60_000)
  t.equal(link.state.phase, 'waiting')
  link.accept(await OvsdbClient.connect(server.env, { path: '/db.sock' }))
  await server.env.until(() => link.isLive)
  const second = await OvsdbClient.connect(server.env, { path: '/db.sock' })
  link.accept(second)
  await server.env.until(() => link.client === second && link.isLive)
  t.same(targets(link), ['x'])
  link.stop()
  t.type(second.closedBecause, 'string')
})

t.test('the life of a link, state by state', async t => {
  t.same(step({ phase: 'stopped' }, { kind: 'start' }), [
    { phase: 'calling', failures: 0 },
    [{ kind: 'call' }],
  ])
  t.same(step({ phase: 'calling', failures: 2 }, { kind: 'lost', reason: 'r', nowMillis: 0 }), [
    { phase: 'waiting', failures: 3, reason: 'r' },
    [{ kind: 'wait', failures: 3 }],
  ])
  t.same(step({ phase: 'waiting', failures: 3, reason: 'r' }, { kind: 'timer' }), [
    { phase: 'calling', failures: 3 },
    [{ kind: 'call' }],
  ])
  t.same(step({ phase: 'live', sinceMillis: 0 }, { kind: 'lost', reason: 'r', nowMillis: 5_000 }), [
    { phase: 'waiting', failures: 0, reason: 'r' },
    [{ kind: 'wait', failures: 0 }],
  ])
  t.same(step({ phase: 'live', sinceMillis: 0 }, { kind: 'lost', reason: 'r', nowMillis: 10 })[0], {
    phase: 'waiting',
    failures: 1,
    reason: 'r',
  })
  t.same(step({ phase: 'stopped' }, { kind: 'timer' }), [{ phase: 'stopped' }, []])
  t.same(
    [0, 1, 5, 10, 99].map(failures => backOffMillis(failures, 0)),
    [50, 100, 1_600, 4_000, 4_000],
  )
  t.equal(backOffMillis(99, 2 ** 32), 8_000)
})
