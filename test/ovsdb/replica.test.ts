import { readFileSync } from 'node:fs'
import t from 'tap'
import { allColumns, columnsThere, Replica } from '../../src/ovsdb/replica.js'
import { readSchema } from '../../src/ovsdb/schema.js'

const schema = readSchema(JSON.parse(readFileSync('test/fixtures/ovsdb/vswitch.ovsschema', 'utf8')))
const watched = { Bridge: ['name', 'fail_mode', 'protocols', 'other_config'], Manager: ['target'] }
const a = 'aaaaaaaa-0000-0000-0000-000000000000'
const b = 'bbbbbbbb-0000-0000-0000-000000000000'
const newReplica = () => new Replica(schema, watched)
const plain = (replica: Replica, table: string) =>
  Object.fromEntries([...replica.table(table)].map(([uuid, row]) => [uuid, { ...row }]))
const empty = { fail_mode: undefined, protocols: [], other_config: new Map() }

t.test('update: whole rows come, change and go', async t => {
  const replica = newReplica()
  const changes = replica.update({
    Bridge: { [a]: { new: { name: 'br0' } }, [b]: { new: { name: 'br1', fail_mode: 'secure' } } },
  })
  t.same(plain(replica, 'Bridge'), {
    [a]: { ...empty, name: 'br0' },
    [b]: { ...empty, name: 'br1', fail_mode: 'secure' },
  })
  t.same(
    changes.map(({ table, uuid, before }) => [table, uuid, before]),
    [
      ['Bridge', a, undefined],
      ['Bridge', b, undefined],
    ],
  )
  replica.update({
    Bridge: { [a]: { old: { name: 'br0' }, new: { name: 'br9' } }, [b]: { old: { name: 'br1' } } },
  })
  t.same(plain(replica, 'Bridge'), { [a]: { ...empty, name: 'br9' } })
  t.equal(replica.rowCount, 1)
})

t.test('update2: initial, insert, modify and delete', async t => {
  const replica = newReplica()
  replica.update2({
    Bridge: { [a]: { initial: { name: 'br0', protocols: ['set', ['OpenFlow10', 'OpenFlow13']] } } },
    Manager: { [b]: { insert: { target: 'ptcp:6640' } } },
  })
  const changes = replica.update2({
    Bridge: { [a]: { modify: { protocols: 'OpenFlow10', other_config: ['map', [['k', 'v']]] } } },
    Manager: { [b]: { delete: null } },
  })
  t.same(plain(replica, 'Bridge'), {
    [a]: { ...empty, name: 'br0', protocols: ['OpenFlow13'], other_config: new Map([['k', 'v']]) },
  })
  t.same(plain(replica, 'Manager'), {})
  t.same(
    changes.map(change => [change.table, 'before' in change, 'after' in change]),
    [
      ['Bridge', true, true],
      ['Manager', true, false],
    ],
  )
})

t.test('replace: what is not named is gone, what is the same is no change', async t => {
  const replica = newReplica()
  replica.update2({
    Bridge: { [a]: { initial: { name: 'br0' } }, [b]: { initial: { name: 'br1' } } },
  })
  const changes = replica.replace({ Bridge: { [a]: { initial: { name: 'br0' } } } })
  t.same(
    changes.map(change => [change.uuid, 'after' in change]),
    [[b, false]],
  )
  t.same(replica.replace({ Bridge: { [a]: { new: { name: 'br0' } } } }), [])
})

t.test('an update that makes no sense changes nothing', async t => {
  const good = { initial: { name: 'br0' } }
  const cases: [object, RegExp][] = [
    [
      { Bridge: { [a]: good, [b]: { modify: { name: 'x' } } } },
      /a row of Bridge that was never seen/,
    ],
    [{ Bridge: { [a]: good, nonsense: good } }, /Bridge nonsense, which is no row/],
    [{ Bridge: { [a]: good }, Port: { [b]: good } }, /an update of Port, which is not watched/],
    [{ Bridge: { [a]: good }, __proto_: {} }, /an update of __proto_, which is not watched/],
    [
      { Bridge: { [a]: { initial: { name: 'br0', colour: 'red' } } } },
      /Bridge.colour: there is no such column/,
    ],
    [{ Bridge: { [a]: { initial: { name: 5 } } } }, /Bridge.name: 5 is no string/],
    [{ Bridge: { [a]: {} } }, /neither of the four/],
  ]
  for (const [update, complaint] of cases) {
    const replica = newReplica()
    t.throws(() => replica.update2(update as never), { name: 'ProtocolError', message: complaint })
    t.equal(replica.rowCount, 0)
  }
})

t.test('rows have limits in number and size', async t => {
  const uuid = (n: number) => `${String(n).padStart(8, '0')}-0000-0000-0000-000000000000`
  const rows = (count: number, text: string) => ({
    Manager: Object.fromEntries(
      Array.from({ length: count }, (_, n) => [uuid(n), { insert: { target: text } }]),
    ),
  })
  const replica = new Replica(schema, watched, { rows: 10, size: 2_000 })
  replica.update2(rows(10, 'x'))
  t.throws(() => replica.update2(rows(11, 'x')), /more than 10 rows/)
  t.throws(() => replica.update2(rows(10, 'x'.repeat(500))), /rows of more than 2000 octets/)
  replica.replace({})
  t.equal(replica.rowCount, 0)
  replica.update2(rows(1, 'x'.repeat(1_500)))
  t.equal(replica.rowCount, 1, 'what went away makes room')
})

t.test('the columns of a wish that a server has', async t => {
  t.same(columnsThere(schema, { SSL: ['private_key', 'x'], Nothing: ['a'] }), {
    SSL: ['private_key'],
  })
  t.same(allColumns(schema).Datapath, [
    'datapath_version',
    'ct_zones',
    'capabilities',
    'ct_zone_default_limit',
    'external_ids',
  ])
})
