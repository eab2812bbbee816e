/** Against the real ovsdb-server, each in a folder of its own. */
import t, { type Test } from 'tap'
import { checkOperations } from '../../src/ovsdb/check.js'
import { OvsdbClient, OvsdbError } from '../../src/ovsdb/client.js'
import { DatabaseLink } from '../../src/ovsdb/link.js'
import { readSchema } from '../../src/ovsdb/schema.js'
import { until } from '../until.js'
import { env, RealServer, skipWithoutOvs } from './real-server.js'

const db = 'Open_vSwitch'
const skip = skipWithoutOvs

const serverFor = async (t: Test): Promise<RealServer> => {
  const server = new RealServer()
  t.teardown(() => server.remove())
  await server.create()
  await server.start()
  return server
}

const connect = async (t: Test, server: RealServer): Promise<OvsdbClient> => {
  const client = await OvsdbClient.connect(env, { path: server.socket })
  t.teardown(() => client.close())
  return client
}

t.test('every method and every operation', { skip }, async t => {
  const server = await serverFor(t)
  const client = await connect(t, server)
  t.same(await client.listDatabases(), ['Open_vSwitch', '_Server'])
  const schema = readSchema(await client.getSchema(db))
  t.equal(schema.name, db)
  t.same(await client.echo('a', 1), ['a', 1])
  t.match(await client.getServerId(), /^[0-9a-f-]{36}$/)
  await client.setDbChangeAware(true)

  const inserted = await client.transact(db, [
    { op: 'comment', comment: 'a test' },
    { op: 'insert', table: 'Open_vSwitch', row: {} },
    {
      op: 'insert',
      table: 'QoS',
      row: { type: 'linux-htb', other_config: ['map', [['max-rate', '1000']]] },
    },
    { op: 'commit', durable: true },
  ])
  t.equal(inserted.length, 4)
  const uuid = inserted[2]!.uuid!
  const [updated, mutated, waited, selected] = await client.transact(db, [
    { op: 'update', table: 'QoS', where: [['_uuid', '==', uuid]], row: { type: 'linux-hfsc' } },
    {
      op: 'mutate',
      table: 'QoS',
      where: [],
      mutations: [
        ['other_config', 'delete', ['set', ['max-rate']]],
        ['other_config', 'insert', ['map', [['k', 'v']]]],
      ],
    },
    {
      op: 'wait',
      table: 'QoS',
      where: [],
      columns: ['type'],
      until: '==',
      rows: [{ type: 'linux-hfsc' }],
      timeout: 0,
    },
    { op: 'select', table: 'QoS', where: [], columns: ['type', 'other_config'] },
  ])
  t.equal(updated!.count, 1)
  t.equal(mutated!.count, 1)
  t.same(waited, {})
  t.same(selected!.rows, [{ type: 'linux-hfsc', other_config: ['map', [['k', 'v']]] }])
  await t.rejects(
    client.transact(db, [{ op: 'delete', table: 'QoS', where: [] }, { op: 'abort' }]),
    {
      message: /^aborted/,
    },
  )
  t.equal(
    (await client.transact(db, [{ op: 'select', table: 'QoS', where: [] }]))[0]!.rows!.length,
    1,
  )
  t.equal((await client.transact(db, [{ op: 'delete', table: 'QoS', where: [] }]))[0]!.count, 1)
  await t.rejects(client.transact(db, [{ op: 'assert', lock: 'mine' }]), { message: /^not owner/ })
  await t.rejects(client.request('no_such_method', []), OvsdbError)
  await t.rejects(client.getSchema('Nothing'), { message: /^unknown database/ })
  await t.rejects(
    client.transact(db, [{ op: 'insert', table: 'Bridge', row: { fail_mode: 'open' } }]),
    /constraint violation.*in operation 1, insert Bridge/,
  )
})

t.test('integers of 64 bits survive the way there and back', { skip }, async t => {
  const client = await connect(t, await serverFor(t))
  const most = 2n ** 63n - 1n
  await client.transact(db, [{ op: 'insert', table: 'Open_vSwitch', row: { next_cfg: most } }])
  const [{ rows } = {}] = await client.transact(db, [
    {
      op: 'select',
      table: 'Open_vSwitch',
      where: [['next_cfg', '==', most]],
      columns: ['next_cfg'],
    },
  ])
  t.same(rows, [{ next_cfg: most }])
})

t.test('a waiting transaction ends by cancel', { skip }, async t => {
  const client = await connect(t, await serverFor(t))
  const abort = new AbortController()
  const waiting = client.transact(
    db,
    [
      {
        op: 'wait',
        table: 'Open_vSwitch',
        where: [],
        columns: ['next_cfg'],
        until: '==',
        rows: [{ next_cfg: 7 }],
        timeout: 60_000,
      },
    ],
    { signal: abort.signal },
  )
  const ended = t.rejects(waiting, { message: /^canceled/ })
  await client.echo()
  abort.abort()
  await ended
})

t.test('locks are handed on, and stolen', { skip }, async t => {
  const server = await serverFor(t)
  const [first, second] = [await connect(t, server), await connect(t, server)]
  const told: string[] = []
  for (const [name, client] of [
    ['first', first],
    ['second', second],
  ] as const) {
    client.on('locked', lock => told.push(`${name} locked ${lock}`))
    client.on('stolen', lock => told.push(`${name} stolen ${lock}`))
  }
  t.equal(await first.lock('l'), true)
  t.equal(await second.lock('l'), false)
  t.same(await first.transact(db, [{ op: 'assert', lock: 'l' }]), [{}])
  await first.unlock('l')
  await until(() => told.includes('second locked l'))
  t.equal(await first.steal('l'), true)
  await until(() => told.includes('second stolen l'))
  await t.rejects(second.transact(db, [{ op: 'assert', lock: 'l' }]), { message: /^not owner/ })
})

t.test('monitors of all three kinds, with conditions that change', { skip }, async t => {
  const server = await serverFor(t)
  const [client, writer] = [await connect(t, server), await connect(t, server)]
  const seen: string[] = []
  client.on('update', (monitor, tables) =>
    seen.push(`update ${monitor} ${JSON.stringify(Object.values(tables.Queue!))}`),
  )
  client.on('update2', (monitor, tables) =>
    seen.push(`update2 ${monitor} ${JSON.stringify(Object.values(tables.Queue!))}`),
  )
  client.on('update3', (monitor, _, tables) =>
    seen.push(`update3 ${monitor} ${JSON.stringify(Object.values(tables.Queue!))}`),
  )
  const put = (dscp: number) =>
    writer.transact(db, [{ op: 'insert', table: 'Queue', row: { dscp } }])
  t.same(await client.monitor(db, 'one', { Queue: { columns: ['dscp'] } }), {})
  t.same(
    await client.monitorCond(db, 'two', {
      Queue: { columns: ['dscp'], where: [['dscp', '==', 2]] },
    }),
    {},
  )
  t.match(
    await client.monitorCondSince(db, 'three', {
      Queue: { columns: ['dscp'], where: [['dscp', '==', 3]] },
    }),
    { found: false, tables: {} },
  )
  await put(1)
  await put(2)
  await put(3)
  await until(() => seen.length >= 5)
  t.same([...seen].sort(), [
    'update one [{"new":{"dscp":1}}]',
    'update one [{"new":{"dscp":2}}]',
    'update one [{"new":{"dscp":3}}]',
    'update2 two [{"insert":{"dscp":2}}]',
    'update3 three [{"insert":{"dscp":3}}]',
  ])
  seen.length = 0
  await client.changeMonitor('two', 'four', { Queue: { where: [['dscp', '==', 1]] } })
  await until(() => seen.length >= 1)
  t.match(seen[0], /^update2 (two|four) .*"insert":\{"dscp":1\}/)
  await client.cancelMonitor('one')
  await client.cancelMonitor('four')
  seen.length = 0
  await put(3)
  await until(() => seen.length >= 1)
  t.same(seen, ['update3 three [{"insert":{"dscp":3}}]'])
})

t.test('a replica follows, also over a restart of the server', { skip }, async t => {
  const server = await serverFor(t)
  const link = new DatabaseLink(env, {
    database: db,
    connect: () => OvsdbClient.connect(env, { path: server.socket }),
    lock: 'sluice_test',
  })
  t.teardown(() => link.stop())
  link.start()
  await until(() => link.isLive)
  t.equal(link.hasLock, true)
  await server.vsctl(
    'init',
    '--',
    'add-br',
    'br0',
    '--',
    'set',
    'bridge',
    'br0',
    'other-config:a=1',
    'protocols=OpenFlow13,OpenFlow15',
  )
  const bridge = () => [...link.replica!.table('Bridge').values()][0]
  await until(() => bridge() !== undefined)
  t.equal(bridge()!.name, 'br0')
  t.same(bridge()!.protocols, ['OpenFlow13', 'OpenFlow15'])
  await server.vsctl('set', 'bridge', 'br0', 'other-config:b=2', 'protocols=OpenFlow13')
  await until(() => (bridge()!.other_config as Map<string, string>).size === 2)
  t.same(bridge()!.protocols, ['OpenFlow13'])
  const changes: string[] = []
  link.on('changed', all => changes.push(...all.map(each => each.table)))
  await server.stop()
  await until(() => !link.isLive)
  await server.start()
  await server.vsctl('del-br', 'br0')
  await until(() => link.isLive && bridge() === undefined)
  t.ok(changes.includes('Bridge'))
  t.equal(link.replica!.table('Interface').size, 0)
})

t.test('a clustered database resumes from the last transaction', { skip }, async t => {
  const server = new RealServer()
  t.teardown(() => server.remove())
  await server.createCluster()
  await server.start()
  const first = await connect(t, server)
  const watch = { Queue: { columns: ['dscp'] } }
  let start: Awaited<ReturnType<OvsdbClient['monitorCondSince']>> | undefined
  for (let tries = 0; start === undefined && tries < 100; tries++) {
    try {
      start = await first.monitorCondSince(db, 'm', watch)
    } catch (error) {
      // A new cluster has no leader for a moment.
      if (!(error instanceof OvsdbError)) throw error
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
  let lastId = ''
  first.on('update3', (_, id) => {
    lastId = id
  })
  await first.transact(db, [{ op: 'insert', table: 'Queue', row: { dscp: 1 } }])
  await until(() => lastId !== '')
  const seenId = lastId
  await first.transact(db, [{ op: 'insert', table: 'Queue', row: { dscp: 2 } }])
  const second = await connect(t, server)
  const resumed = await second.monitorCondSince(db, 'm', watch, seenId)
  t.equal(resumed.found, true)
  t.same(Object.values(resumed.tables.Queue!), [{ insert: { dscp: 2 } }], 'only what came since')
})

t.test('our check refuses what the server refuses', { skip }, async t => {
  const client = await connect(t, await serverFor(t))
  const schema = readSchema(await client.getSchema(db))
  const wrong: Parameters<typeof checkOperations>[1][] = [
    [{ op: 'insert', table: 'Nothing', row: {} }],
    [{ op: 'insert', table: 'Queue', row: { colour: 'red' } }],
    [{ op: 'insert', table: 'Queue', row: { dscp: 64 } }],
    [{ op: 'insert', table: 'Queue', row: { dscp: 'x' } }],
    [{ op: 'insert', table: 'Queue', row: {}, 'uuid-name': 'a b' }],
    [{ op: 'insert', table: 'QoS', row: { queues: ['map', [[0, ['named-uuid', 'q']]]] } }],
    [{ op: 'update', table: 'Bridge', where: [], row: { name: 'x' } }],
    [{ op: 'select', table: 'Queue', where: [['dscp', '~' as '==', 1]] }],
    [{ op: 'select', table: 'Queue', where: [['other_config', '<', ['map', []]]] }],
    [{ op: 'mutate', table: 'Queue', where: [], mutations: [['other_config', '+=', 1]] }],
    [{ op: 'mutate', table: 'Bridge', where: [], mutations: [['name', 'insert', 'x']] }],
    [{ op: 'mutate', table: 'Queue', where: [], mutations: [['dscp', '<<' as '+=', 1]] }],
  ]
  for (const operations of wrong) {
    const text = JSON.stringify(operations)
    t.throws(() => checkOperations(schema, operations), { name: 'OperationError' }, text)
    await t.rejects(client.transact(db, operations), OvsdbError, text)
  }
  const right: Parameters<typeof checkOperations>[1] = [
    { op: 'insert', table: 'Queue', row: { dscp: 63 }, 'uuid-name': 'q' },
    { op: 'insert', table: 'QoS', row: { queues: ['map', [[0, ['named-uuid', 'q']]]] } },
    { op: 'mutate', table: 'Queue', where: [['dscp', '<=', 63]], mutations: [['dscp', '-=', 1]] },
    { op: 'mutate', table: 'Queue', where: [], mutations: [['dscp', 'delete', ['set', [5]]]] },
    {
      op: 'mutate',
      table: 'Queue',
      where: [['other_config', 'excludes', ['map', [['a', 'b']]]]],
      mutations: [['other_config', 'delete', ['set', ['k']]]],
    },
    { op: 'update', table: 'QoS', where: [['type', '!=', 'x']], row: { type: 'linux-htb' } },
  ]
  checkOperations(schema, right)
  t.equal((await client.transact(db, right)).length, 6)
})
