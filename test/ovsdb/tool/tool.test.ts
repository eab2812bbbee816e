/** `sluice ovsdb` as people run it, beside Open vSwitch's own tools. */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import t, { type Test } from 'tap'
import { addOvsdb } from '../../../src/ovsdb/tool/commands.js'
import { readTransaction } from '../../../src/ovsdb/tool/verbs.js'
import { asUsersRun } from '../../program.js'
import { until } from '../../until.js'
import { env, RealServer, skipWithoutOvs } from '../real-server.js'

/** In this process: starting one for each word would take most of the time. */
const sluice = async (...words: string[]): Promise<string> => {
  const printed: string[] = []
  const program = new Command().exitOverride()
  addOvsdb(program, env, text => printed.push(text), new AbortController().signal)
  await program.parseAsync(['ovsdb', ...words], { from: 'user' })
  return printed.join('\n')
}
const complaint = (...words: string[]): Promise<string> =>
  sluice(...words).then(
    text => `no complaint: ${text}`,
    (error: Error) => error.message,
  )

const skip = skipWithoutOvs

const rig = async (t: Test, schema?: string) => {
  const server = new RealServer()
  t.teardown(() => server.remove())
  let path: string | undefined
  if (schema !== undefined) {
    path = join(server.folder, 'other.ovsschema')
    writeFileSync(path, schema)
  }
  await server.create(path)
  await server.start()
  return { server, at: `unix:${server.socket}` }
}

t.test('dump and schema say what the tools of Open vSwitch say', { skip }, async t => {
  const { server, at } = await rig(t)
  await server.vsctl(
    'init',
    '--',
    'add-br',
    'br0',
    '--',
    'add-br',
    'br1',
    '--',
    'set',
    'bridge',
    'br0',
    'fail_mode=secure',
    'protocols=OpenFlow13,OpenFlow15',
    'other-config:datapath-id=00000000000000aa',
    'other-config:x=y',
    'external-ids:a="b c"',
    'external-ids:t="true"',
    '--',
    'set',
    'port',
    'br0',
    'tag=5',
  )
  t.equal(await sluice('dbs', at), 'Open_vSwitch\n_Server')
  for (const [table, columns] of [
    [
      'Bridge',
      [
        'name',
        'fail_mode',
        'protocols',
        'other_config',
        'external_ids',
        'ports',
        'stp_enable',
        'datapath_type',
      ],
    ],
    ['Port', ['name', 'tag', 'interfaces', 'trunks']],
    ['Interface', ['name', 'type', 'ofport', 'options']],
  ] as const) {
    const ours = await sluice('dump', at, table, ...columns, '-o', 'list')
    const theirs = await server.vsctl(`--columns=${columns.join()}`, 'list', table)
    const records = (text: string) => text.trim().split('\n\n').sort()
    t.same(records(ours), records(theirs), table)
  }
  t.equal(
    await sluice('dump', at, 'Bridge', 'name', 'fail_mode'),
    'Bridge table\nname fail_mode\n---- ---------\nbr0  secure\nbr1  []',
  )
  t.same(
    JSON.parse(
      await sluice('dump', at, 'Open_vSwitch', 'Bridge', 'name', 'fail_mode', '-o', 'json'),
    ).Bridge.length,
    2,
  )
  t.match(await sluice('dump', at), /Manager table/)
  t.match(
    await sluice('schema', at, 'Mirror'),
    /Open_vSwitch 8\.\d+\.\d+: \d+ tables\n\nMirror \(kept while referred to\)\ncolumn +type\n-+ -+\nexternal_ids +map of string to string\n/,
  )
  t.match(
    await complaint('dump', at, 'Bridges'),
    /Open_vSwitch has no table Bridges; it has AutoAttach, Bridge/,
  )
  t.match(
    await complaint('dump', at, 'Bridge', 'colour'),
    /Bridge has no column colour; it has _uuid/,
  )
  t.match(
    await complaint('dump', 'nonsense'),
    /"nonsense" is no address; write unix:PATH, tcp:HOST:PORT/,
  )
  t.match(await complaint('dump', `${at}x`), /ENOENT/)
})

t.test('transact checks first, says what happened, and takes 64 bits', { skip }, async t => {
  const { server, at } = await rig(t)
  await server.vsctl('init')
  t.match(
    await complaint(
      'transact',
      at,
      '[{"op":"insert","table":"Bridge","row":{"fail_mode":"open"}}]',
    ),
    /^operation 1 \(insert Bridge\): Bridge.fail_mode: "open" is not allowed \(allowed: one of (standalone, secure|secure, standalone)\)$/,
  )
  t.match(
    await complaint(
      'transact',
      at,
      '--no-check',
      '[{"op":"insert","table":"Bridge","row":{"fail_mode":"open"}}]',
    ),
    /^constraint violation: .*\(in operation 1, insert Bridge\)/,
  )
  t.match(await complaint('transact', at, '{"op":'), /JSON/)
  const done = await sluice(
    'transact',
    at,
    '["Open_vSwitch", {"op":"insert","table":"Queue","row":{"dscp":7}}, {"op":"update","table":"Open_vSwitch","where":[],"row":{"next_cfg":9223372036854775807}}, {"op":"select","table":"Open_vSwitch","where":[],"columns":["next_cfg"]}, {"op":"comment","comment":"x"}]',
  )
  t.match(
    done,
    /^insert: [0-9a-f-]{36}\nupdate: 1 row\nselect: 1 row\nnext_cfg\n-+\n9223372036854775807\ncomment: done$/,
  )
  t.match(
    await sluice(
      'transact',
      at,
      '[{"op":"select","table":"Open_vSwitch","where":[],"columns":["next_cfg"]}]',
      '-o',
      'json',
    ),
    '[{"rows":[{"next_cfg":9223372036854775807}]}]',
  )
})

t.test('monitor shows rows and changes, also over a restart', { skip }, async t => {
  const { server, at } = await rig(t)
  await server.vsctl('init', '--', 'add-br', 'br0')
  const child = spawn('env', asUsersRun('ovsdb', 'monitor', at, 'Bridge', 'name', 'fail_mode'))
  t.teardown(() => child.kill('SIGKILL'))
  let seen = ''
  child.stdout.on('data', chunk => {
    seen += String(chunk)
  })
  await until(() => /^\+ Bridge [0-9a-f-]{36} name=br0 fail_mode=\[\]$/m.test(seen))
  await server.vsctl('set', 'bridge', 'br0', 'fail_mode=secure')
  await until(() => /^~ Bridge [0-9a-f-]{36} fail_mode=secure$/m.test(seen))
  await server.stop()
  await until(() => /^! closed by the server$/m.test(seen))
  await server.start()
  await server.vsctl('del-br', 'br0')
  await until(() => /^- Bridge [0-9a-f-]{36} name=br0 fail_mode=secure$/m.test(seen))
  const ended = new Promise(resolve => child.once('exit', resolve))
  child.kill('SIGINT')
  t.equal(await ended, 0)
})

const other = JSON.stringify({
  name: 'Other',
  version: '1.2.3',
  tables: {
    Thing: {
      columns: {
        name: { type: { key: { type: 'string', minLength: 1, maxLength: 8 } }, mutable: false },
        level: { type: { key: { type: 'real', minReal: 0, maxReal: 1 } } },
        levels: { type: { key: 'real', min: 0, max: 3 } },
        size: { type: { key: { type: 'integer', enum: ['set', [1, 2, 4]] }, min: 0, max: 1 } },
        near: {
          type: {
            key: { type: 'uuid', refTable: 'Thing', refType: 'weak' },
            min: 0,
            max: 'unlimited',
          },
        },
        by: {
          type: { key: 'boolean', value: { type: 'uuid', refTable: 'Thing' }, min: 0, max: 2 },
        },
      },
      isRoot: true,
      indexes: [['name'], ['level', 'size']],
    },
  },
})

t.test('a database that has nothing to do with switches', { skip }, async t => {
  const { at } = await rig(t, other)
  t.equal(
    await sluice('schema', at),
    [
      'Other 1.2.3: 1 tables',
      '',
      'Thing (root; unique name; unique level, size)',
      'column type',
      '------ -----------------------------------------------',
      'by     map of boolean to reference to Thing, at most 2',
      'level  real (0 to 1)',
      'levels set of real, at most 3',
      'name   string (1 to 8 characters), fixed',
      'near   set of weak reference to Thing',
      'size   optional integer (one of 1, 2, 4)',
    ].join('\n'),
  )
  await sluice(
    'transact',
    at,
    '[{"op":"insert","table":"Thing","uuid-name":"a","row":{"name":"one","level":0.5,"levels":["set",[2,1.5]],"size":4,"near":["named-uuid","a"],"by":["map",[[true,["named-uuid","a"]]]]}}]',
  )
  const rows = await sluice(
    'dump',
    at,
    'Thing',
    'name',
    'level',
    'levels',
    'size',
    'near',
    'by',
    '-o',
    'list',
  )
  t.match(
    rows,
    /^name {16}: one\nlevel {15}: 0.5\nlevels {14}: \[1.5, 2\]\nsize {16}: 4\nnear {16}: \[[0-9a-f-]{36}\]\nby {18}: \{true=[0-9a-f-]{36}\}$/,
  )
  t.match(
    await complaint(
      'transact',
      at,
      '[{"op":"insert","table":"Thing","row":{"name":"much too long","level":2}}]',
    ),
    /Thing.name: "much too long" is not allowed \(allowed: 1 to 8 characters\)/,
  )
})

t.test('operations are read as both tools write them', async t => {
  t.same(readTransaction('{"op":"abort"}'), { database: undefined, operations: [{ op: 'abort' }] })
  t.same(readTransaction('["db",{"op":"abort"}]'), {
    database: 'db',
    operations: [{ op: 'abort' }],
  })
  t.throws(() => readTransaction('[{"op":"abort"},7]'), /operation 2 is no object with an op/)
})
