/** From a spec and a replica to operations: by hand for the small steps, against ovsdb-server for the whole. */
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { difference, type Wanted } from '../../../src/controller/switch-setup/difference.js'
import { database, lockNameOf, watched } from '../../../src/controller/switch-setup/tables.js'
import { checkOperations } from '../../../src/ovsdb/check.js'
import { OvsdbClient, type Row } from '../../../src/ovsdb/client.js'
import { DatabaseLink } from '../../../src/ovsdb/link.js'
import { columnsThere, Replica } from '../../../src/ovsdb/replica.js'
import { readSchema } from '../../../src/ovsdb/schema.js'
import { env, RealServer, skipWithoutOvs } from '../../ovsdb/real-server.js'
import { until } from '../../until.js'

const schema = readSchema(JSON.parse(readFileSync('test/fixtures/ovsdb/vswitch.ovsschema', 'utf8')))
const id = (n: number) => `${String(n).padStart(8, '0')}-0000-0000-0000-000000000000`
const owner = 'switch/s1'
const mark = (sets: string): ['map', [string, string][]] => [
  'map',
  [
    ['sluice-owner', owner],
    ...(sets === '' ? [] : ([['sluice-sets-s1', sets]] as [string, string][])),
  ],
]

const replicaOf = (rows: Parameters<Replica['update']>[0]): Replica => {
  const replica = new Replica(schema, columnsThere(schema, watched))
  replica.update({ Open_vSwitch: { [id(1)]: { new: { next_cfg: 0 } } }, ...rows })
  return replica
}

/** Somebody's bridge br0 with its own port. */
const theirs = {
  Bridge: { [id(2)]: { new: { name: 'br0', ports: ['uuid', id(3)], fail_mode: 'secure' } } },
  Port: { [id(3)]: { new: { name: 'br0', interfaces: ['uuid', id(4)] } } },
  Interface: { [id(4)]: { new: { name: 'br0', type: 'internal' } } },
} as const

t.test('a port on a bridge that is there: two rows and one reference', async t => {
  const wanted: Wanted = { bridges: { br0: { failMode: 'secure', ports: { p1: { ofport: 7 } } } } }
  const { operations, objections } = difference(wanted, replicaOf(theirs), owner)
  t.same(objections, [])
  t.same(operations, [
    {
      op: 'insert',
      table: 'Interface',
      'uuid-name': 'row1',
      row: { name: 'p1', ofport_request: 7, external_ids: mark('ofport_request') },
    },
    {
      op: 'insert',
      table: 'Port',
      'uuid-name': 'row2',
      row: {
        name: 'p1',
        interfaces: ['named-uuid', 'row1'],
        external_ids: ['map', [['sluice-owner', owner]]],
      },
    },
    {
      op: 'mutate',
      table: 'Bridge',
      where: [['_uuid', '==', ['uuid', id(2)]]],
      mutations: [
        ['other_config', 'insert', ['map', [['disable-in-band', 'true']]]],
        ['external_ids', 'insert', ['map', [['sluice-sets-s1', 'other_config:disable-in-band']]]],
        ['ports', 'insert', ['set', [['named-uuid', 'row2']]]],
      ],
    },
  ])
  checkOperations(schema, operations)
})

t.test('an adopted bridge that is as declared is not touched', async t => {
  const there = {
    ...theirs,
    Bridge: {
      [id(2)]: {
        new: {
          ...theirs.Bridge[id(2)]!.new,
          other_config: [
            'map',
            [
              ['disable-in-band', 'true'],
              ['mac-table-size', '512'],
            ],
          ],
        },
      },
    },
  } as Parameters<typeof replicaOf>[0]
  t.same(
    difference({ bridges: { br0: { failMode: 'secure' } } }, replicaOf(there), owner).operations,
    [],
  )
  t.same(
    difference(undefined, replicaOf(there), owner).operations,
    [],
    'nor when it is declared no more',
  )
})

t.test('the fail mode is set only where it differs', async t => {
  const { operations } = difference(
    { bridges: { br0: { failMode: 'standalone', otherConfig: {} } } },
    replicaOf(theirs),
    owner,
  )
  t.match(operations, [{ op: 'update', row: { fail_mode: 'standalone' } }, { op: 'mutate' }])
  t.notMatch(JSON.stringify(operations), /sluice-sets[^"]*","[^"]*fail_mode/, 'nor remembered')
})

t.test('an older Open vSwitch has fewer tables and columns', async t => {
  const tables = new Map(schema.tables)
  tables.delete('CT_Zone')
  const mirror = schema.tables.get('Mirror')!
  const columns = new Map(mirror.columns)
  columns.delete('snaplen')
  tables.set('Mirror', { ...mirror, columns })
  const older = { ...schema, tables }
  const replica = new Replica(older, columnsThere(older, watched))
  const wanted: Wanted = {
    bridges: {
      br0: { ports: { p1: {} }, mirrors: { m: { all: true, output: 'p1', snaplen: 64 } } },
    },
    conntrack: { netdev: { 1: {} } },
  }
  const { operations, objections } = difference(wanted, replica, owner)
  t.same(objections, [
    {
      part: 'mirror m',
      reason: 'this Open vSwitch has no column snaplen in its table Mirror',
      isPartial: true,
    },
    { part: 'conntrack', reason: 'this Open vSwitch has no table CT_Zone' },
  ])
  t.ok(operations.some(each => each.op === 'insert' && each.table === 'Mirror'))
  checkOperations(older, operations)
})

t.test('an adopted controller gets its settings back', async t => {
  const bridge: Row = {
    ...theirs.Bridge[id(2)]!.new,
    other_config: ['map', [['disable-in-band', 'true']]],
    controller: ['uuid', id(9)],
  }
  const there = (controller: object) =>
    replicaOf({
      ...theirs,
      Bridge: { [id(2)]: { new: bridge } },
      Controller: { [id(9)]: { new: { target: 'tcp:127.0.0.1:6653', ...controller } } },
    } as Parameters<typeof replicaOf>[0])
  const wanted: Wanted = { bridges: { br0: { controllers: ['tcp:127.0.0.1:6653'] } } }
  t.match(difference(wanted, there({ inactivity_probe: 5_000 }), owner).operations, [
    {
      op: 'update',
      table: 'Controller',
      row: { max_backoff: 1_000, connection_mode: 'out-of-band' },
    },
    {
      op: 'mutate',
      mutations: [
        ['external_ids', 'insert', ['map', [['sluice-sets-s1', 'connection_mode max_backoff']]]],
      ],
    },
  ])
  const set = {
    inactivity_probe: 5_000,
    max_backoff: 1_000,
    connection_mode: 'out-of-band',
    external_ids: ['map', [['sluice-sets-s1', 'connection_mode max_backoff']]],
  }
  t.same(difference(wanted, there(set), owner).operations, [])
  t.match(difference({ bridges: { br0: {} } }, there(set), owner).operations, [
    {
      op: 'update',
      table: 'Controller',
      row: { max_backoff: ['set', []], connection_mode: ['set', []] },
    },
    { op: 'mutate', mutations: [['external_ids', 'delete', ['set', ['sluice-sets-s1']]]] },
  ])
})

t.test('what cannot be had is said, and the rest is done', async t => {
  const there = {
    ...theirs,
    Bridge: {
      ...theirs.Bridge,
      [id(5)]: {
        new: {
          name: 'br1',
          ports: [
            'set',
            [
              ['uuid', id(6)],
              ['uuid', id(8)],
            ],
          ],
        },
      },
    },
    Port: {
      ...theirs.Port,
      [id(6)]: { new: { name: 'taken', interfaces: ['uuid', id(7)] } },
      [id(8)]: { new: { name: 'bond', interfaces: ['set', [['uuid', id(9)]]] } },
    },
    Interface: {
      ...theirs.Interface,
      [id(7)]: { new: { name: 'taken' } },
      [id(9)]: { new: { name: 'e1' } },
    },
  } as Parameters<typeof replicaOf>[0]
  const wanted: Wanted = {
    bridges: {
      br0: {
        ports: { taken: {}, e1: {}, good: {} },
        mirrors: { m: { all: true, output: 'gone' } },
      },
      br1: { ports: { bond: {} } },
    },
  }
  const { objections, operations } = difference(wanted, replicaOf(there), owner)
  t.same(objections, [
    { part: 'port taken', reason: 'it is on bridge br1 already' },
    { part: 'port e1', reason: 'an interface of this name is part of another port' },
    { part: 'mirror m', reason: 'bridge br0 has no port gone' },
    { part: 'port bond', reason: 'a port of this name is there and holds other interfaces' },
  ])
  t.ok(
    operations.some(
      each => each.op === 'insert' && each.table === 'Port' && each.row.name === 'good',
    ),
  )
})

t.test('names that every object has are names like others', async t => {
  const there = {
    ...theirs,
    Bridge: {
      [id(2)]: {
        new: {
          ...theirs.Bridge[id(2)]!.new,
          ports: [
            'set',
            [
              ['uuid', id(3)],
              ['uuid', id(5)],
            ],
          ],
        },
      },
    },
    Port: {
      ...theirs.Port,
      [id(5)]: {
        new: { name: 'constructor', interfaces: ['uuid', id(6)], external_ids: mark('') },
      },
    },
    Interface: {
      ...theirs.Interface,
      [id(6)]: { new: { name: 'constructor', external_ids: mark('') } },
    },
  } as Parameters<typeof replicaOf>[0]
  const { operations } = difference(
    { bridges: { br0: { otherConfig: {} } } },
    replicaOf(there),
    owner,
  )
  t.match(operations.at(-1), { table: 'Bridge' })
  t.match(
    JSON.stringify(operations),
    new RegExp(`"ports","delete",\\["set",\\[\\["uuid","${id(5)}"`),
  )
})

t.test('two objects keep their own accounts of one bridge', async t => {
  const there = {
    ...theirs,
    Bridge: {
      [id(2)]: {
        new: {
          ...theirs.Bridge[id(2)]!.new,
          other_config: [
            'map',
            [
              ['a', '1'],
              ['b', '2'],
              ['disable-in-band', 'true'],
            ],
          ],
          external_ids: [
            'map',
            [
              ['sluice-sets-s1', 'other_config:a'],
              ['sluice-sets-s2', 'other_config:b'],
            ],
          ],
        },
      },
    },
  } as Parameters<typeof replicaOf>[0]
  t.match(difference(undefined, replicaOf(there), owner).operations, [
    {
      op: 'mutate',
      mutations: [
        ['other_config', 'delete', ['set', ['a']]],
        ['external_ids', 'delete', ['set', ['sluice-sets-s1']]],
      ],
    },
  ])
  t.same(
    difference({ bridges: { br0: { otherConfig: { b: '2' } } } }, replicaOf(there), 'switch/s2')
      .operations,
    [],
  )
  t.equal(lockNameOf('edge-1.a'), 'sluice_switch_edge_45_1_46_a')
})

const whole: NonNullable<Wanted> = {
  bridges: {
    br0: {
      datapathId: '00000000000000aa',
      datapathType: 'netdev',
      failMode: 'secure',
      protocols: ['OpenFlow15', 'OpenFlow13'],
      controllers: ['tcp:127.0.0.1:6653', 'tcp:127.0.0.1:6654'],
      otherConfig: { 'mac-table-size': '4096' },
      ports: {
        p1: { qos: 'gold', ofport: 1 },
        i1: { type: 'internal', mtu: 1400 },
        'to-br1': { type: 'patch', options: { peer: 'to-br0' } },
        vx1: { type: 'vxlan', options: { remote_ip: '127.0.0.2', key: 'flow' }, ofport: 10 },
        ge1: { type: 'geneve', options: { remote_ip: '127.0.0.3' } },
      },
      mirrors: { m1: { from: ['p1', 'i1'], to: ['p1'], output: 'ge1', snaplen: 100 } },
    },
    br1: {
      datapathType: 'netdev',
      ports: { 'to-br0': { type: 'patch', options: { peer: 'to-br1' } } },
    },
  },
  qos: {
    gold: {
      type: 'linux-htb',
      otherConfig: { 'max-rate': '100000000' },
      queues: { 0: { otherConfig: { 'max-rate': '50000000' } }, 7: { dscp: 46 } },
    },
  },
  conntrack: { netdev: { 40: { timeouts: { udp_first: 3, tcp_established: 5 } }, 41: {} } },
}

t.test('against ovsdb-server', { skip: skipWithoutOvs }, async t => {
  const server = new RealServer()
  t.teardown(() => server.remove())
  await server.create()
  await server.start()
  const link = new DatabaseLink(env, {
    database,
    watched,
    connect: () => OvsdbClient.connect(env, { path: server.socket }),
  })
  t.teardown(() => link.stop())
  link.start()
  await until(() => link.isLive)
  /** Brings the database to what is wanted; how many operations that took. */
  const bring = async (t: Test, wanted: Wanted): Promise<number> => {
    const { operations, objections } = difference(wanted, link.replica!, owner)
    t.same(objections, [])
    checkOperations(link.schema!, operations)
    let changes = 0
    link.once('changed', () => changes++)
    await link.transact(operations)
    if (operations.length > 0) await until(() => changes > 0)
    t.same(difference(wanted, link.replica!, owner).operations, [], 'a second pass sends nothing')
    return operations.length
  }
  const get = async (table: string, record: string, ...columns: string[]) =>
    (await server.vsctl('get', table, record, ...columns)).trim().split('\n')

  await t.test('everything is made', async t => {
    await bring(t, whole)
    t.same(await get('bridge', 'br0', 'datapath_type', 'fail_mode', 'protocols'), [
      'netdev',
      'secure',
      '[OpenFlow13, OpenFlow15]',
    ])
    t.same(await get('bridge', 'br0', 'other_config'), [
      '{datapath-id="00000000000000aa", disable-in-band="true", mac-table-size="4096"}',
    ])
    t.equal(
      (await server.vsctl('get-controller', 'br0')).trim(),
      'tcp:127.0.0.1:6653\ntcp:127.0.0.1:6654',
    )
    t.match(
      await server.vsctl(
        '--columns=max_backoff,inactivity_probe,connection_mode',
        'list',
        'controller',
      ),
      /max_backoff +: 1000\ninactivity_probe +: 5000\nconnection_mode +: out-of-band/,
    )
    t.same(await get('interface', 'vx1', 'type', 'options', 'ofport_request'), [
      'vxlan',
      '{key=flow, remote_ip="127.0.0.2"}',
      '10',
    ])
    t.same(await get('interface', 'i1', 'type', 'mtu_request'), ['internal', '1400'])
    t.same((await server.vsctl('list-ports', 'br0')).trim().split('\n'), [
      'ge1',
      'i1',
      'p1',
      'to-br1',
      'vx1',
    ])
    t.match(
      await server.vsctl('--columns=type,other_config', 'list', 'qos'),
      /linux-htb\nother_config +: \{max-rate="100000000"\}/,
    )
    t.same(await get('mirror', 'm1', 'snaplen', 'select_all'), ['100', 'false'])
    t.match(
      await server.vsctl('list-zone-tp', 'netdev'),
      /Zone:40, Timeout Policies: tcp_established=5 udp_first=3/,
    )
  })

  await t.test('an edit sends the edit only', async t => {
    const edited = structuredClone(whole)
    edited.bridges!.br0!.ports!.p1!.ofport = 2
    edited.bridges!.br0!.controllers = ['tcp:127.0.0.1:6653']
    edited.bridges!.br0!.otherConfig = {}
    delete edited.bridges!.br0!.ports!.ge1
    edited.bridges!.br0!.mirrors = { m1: { all: true, output: 'i1' } }
    edited.qos!.gold!.queues = { 7: { dscp: 10 } }
    edited.conntrack = { netdev: { 40: { timeouts: { udp_first: 9 } } } }
    const count = await bring(t, edited)
    t.ok(count <= 12, `${count} operations`)
    t.same(await get('interface', 'p1', 'ofport_request'), ['2'])
    t.same(await get('bridge', 'br0', 'other_config'), [
      '{datapath-id="00000000000000aa", disable-in-band="true"}',
    ])
    t.equal((await server.vsctl('get-controller', 'br0')).trim(), 'tcp:127.0.0.1:6653')
    t.notMatch(await server.vsctl('list-ports', 'br0'), /ge1/)
    t.same((await server.vsctl('--bare', '--columns=dscp', 'list', 'queue')).trim(), '10')
    t.match(await server.vsctl('list-zone-tp', 'netdev'), /Zone:40, Timeout Policies: udp_first=9/)
    t.notMatch(await server.vsctl('list-zone-tp', 'netdev'), /Zone:41/)
  })

  await t.test(
    'what somebody else made is kept, what they changed of ours is put right',
    async t => {
      await bring(t, whole)
      await server.vsctl(
        'add-port',
        'br0',
        'hand',
        '--',
        'add-br',
        'other',
        '--',
        'set',
        'bridge',
        'br0',
        'other-config:forward-bpdu=true',
        'fail_mode=standalone',
        '--',
        'set',
        'interface',
        'vx1',
        'options:remote_ip=9.9.9.9',
        '--',
        'del-port',
        'i1',
      )
      await until(() =>
        [...link.replica!.table('Bridge').values()].some(each => each.name === 'other'),
      )
      await bring(t, whole)
      t.same(await get('bridge', 'br0', 'fail_mode'), ['secure'])
      t.match((await get('bridge', 'br0', 'other_config'))[0], /forward-bpdu="true"/)
      t.match((await get('interface', 'vx1', 'options'))[0], /remote_ip="127.0.0.2"/)
      t.match(await server.vsctl('list-ports', 'br0'), /hand\ni1/)
    },
  )

  await t.test('when it is declared no more, ours goes and theirs stays', async t => {
    const { objections, operations } = difference(undefined, link.replica!, owner)
    t.same(objections, [
      { part: 'bridge br0', reason: 'it stays, for it holds ports that somebody else made: hand' },
    ])
    await link.transact(operations)
    await until(() => difference(undefined, link.replica!, owner).operations.length === 0)
    t.same((await server.vsctl('list-br')).trim().split('\n'), ['br0', 'other'])
    t.equal((await server.vsctl('list-ports', 'br0')).trim(), 'hand')
    for (const table of [
      'controller',
      'mirror',
      'qos',
      'queue',
      'datapath',
      'ct_zone',
      'ct_timeout_policy',
    ])
      t.equal((await server.vsctl('list', table)).trim(), '', `no ${table} is left`)
    await server.vsctl('del-port', 'hand')
    await until(() => difference(undefined, link.replica!, owner).operations.length > 0)
    await bring(t, undefined)
    t.equal((await server.vsctl('list-br')).trim(), 'other')
  })

  await t.test('settings in an adopted bridge are taken back, and only those', async t => {
    await server.vsctl('set', 'bridge', 'other', 'other-config:a=1', 'other-config:b=2')
    await until(() =>
      JSON.stringify(
        [...link.replica!.table('Bridge').values()].map(each => [
          ...(each.other_config as Map<string, string>),
        ]),
      ).includes('"b"'),
    )
    await bring(t, {
      bridges: { other: { otherConfig: { b: '3', c: '4' }, controllers: ['tcp:127.0.0.1:1'] } },
    })
    t.same(await get('bridge', 'other', 'other_config'), [
      '{a="1", b="3", c="4", disable-in-band="true"}',
    ])
    await bring(t, { bridges: { other: {} } })
    t.same(await get('bridge', 'other', 'other_config'), ['{a="1", disable-in-band="true"}'])
    await bring(t, undefined)
    t.same(await get('bridge', 'other', 'other_config', 'external_ids', 'controller'), [
      '{a="1"}',
      '{}',
      '[]',
    ])
  })
})
