import { readFileSync } from 'node:fs'
import t from 'tap'
import { formatType, readSchema } from '../../src/ovsdb/schema.js'

const vswitch = JSON.parse(readFileSync('test/fixtures/ovsdb/vswitch.ovsschema', 'utf8'))

t.test('the Open_vSwitch schema is read whole', async t => {
  const schema = readSchema(vswitch)
  t.equal(schema.name, 'Open_vSwitch')
  t.equal(schema.version, '8.8.0')
  t.equal(schema.tables.size, 19)
  const describe = (table: string, column: string) =>
    formatType(schema.tables.get(table)!.columns.get(column)!.type)
  t.equal(describe('Bridge', 'name'), 'string')
  t.equal(describe('Bridge', 'fail_mode'), 'optional string (one of standalone, secure)')
  t.equal(describe('Bridge', 'ports'), 'set of reference to Port')
  t.equal(describe('Bridge', 'flood_vlans'), 'set of integer (0 to 4095), at most 4096')
  t.equal(describe('Bridge', 'flow_tables'), 'map of integer (0 to 254) to reference to Flow_Table')
  t.equal(describe('Port', 'interfaces'), 'set of reference to Interface, not empty')
  t.equal(describe('Mirror', 'output_port'), 'optional weak reference to Port')
  t.equal(describe('Manager', 'max_backoff'), 'optional integer (at least 1000)')
  const bridge = schema.tables.get('Bridge')!
  t.equal(bridge.columns.get('name')!.isMutable, false)
  t.equal(bridge.columns.get('status')!.isEphemeral, true)
  t.equal(bridge.isRoot, false)
  t.same(bridge.indexes, [['name']])
  t.equal(schema.tables.get('Open_vSwitch')!.isRoot, true)
  t.equal(schema.tables.get('Open_vSwitch')!.maxRows, 1)
})

const one = (type: unknown) => ({
  name: 'db',
  version: '1.0.0',
  tables: { T: { columns: { c: { type } } } },
})

t.test('without isRoot anywhere, every table is a root', async t => {
  t.equal(readSchema(one('string')).tables.get('T')!.isRoot, true)
})

t.test('a schema of before there were versions', async t => {
  t.equal(readSchema({ name: 'db', tables: {} }).version, '')
})

t.test('what is no schema is refused with its place', async t => {
  const cases: [unknown, RegExp][] = [
    [null, /^schema: not an object/],
    [{ name: 'a b' }, /^schema.name: a b is no identifier/],
    [{ name: 'db', version: 1 }, /^db.version: not a string/],
    [{ name: 'db', version: '1' }, /^db.tables: not an object/],
    [{ name: 'db', version: '1', tables: { T: {} } }, /^T.columns: not an object/],
    [one('text'), /^T.c: text is no type; there are integer, real, boolean, string, uuid/],
    [one({ key: 'string', min: 2 }), /^T.c: min 2 and max 1/],
    [one({ key: 'string', min: 0, max: 0 }), /^T.c: min 0 and max 0/],
    [one({ key: 'string', min: 0, max: 'many' }), /^T.c max: not a whole number/],
    [one({ key: { type: 'string', enum: ['set', []] } }), /^T.c enum: not values of type string/],
    [one({ key: { type: 'integer', enum: ['set', ['x']] } }), /^T.c enum/],
    [one({ key: { type: 'integer', minInteger: 'x' } }), /^T.c minInteger: x does not belong/],
    [one({ key: { type: 'uuid', refTable: 'X' } }), /^T.c: refers to X, which is no table/],
  ]
  for (const [input, complaint] of cases) t.throws(() => readSchema(input), complaint)
})
