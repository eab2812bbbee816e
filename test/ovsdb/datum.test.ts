import { readFileSync } from 'node:fs'
import t from 'tap'
import {
  applyDifference,
  columnOf,
  defaultDatum,
  isSameDatum,
  readDatum,
  readRow,
  writeDatum,
  writeRow,
} from '../../src/ovsdb/datum.js'
import { readSchema } from '../../src/ovsdb/schema.js'

const schema = readSchema(JSON.parse(readFileSync('test/fixtures/ovsdb/vswitch.ovsschema', 'utf8')))
const column = (table: string, name: string) => columnOf(schema.tables.get(table)!, name)
const id = (digit: string) => `${digit.repeat(8)}-0000-0000-0000-000000000000`

t.test('values of every shape are read and written', async t => {
  const cases: [string, string, unknown, unknown][] = [
    ['Bridge', 'name', 'br0', 'br0'],
    ['Bridge', 'fail_mode', ['set', []], undefined],
    ['Bridge', 'fail_mode', 'secure', 'secure'],
    [
      'Bridge',
      'ports',
      [
        'set',
        [
          ['uuid', id('b')],
          ['uuid', id('a')],
        ],
      ],
      [id('a'), id('b')],
    ],
    ['Bridge', 'ports', ['uuid', id('a')], [id('a')]],
    ['Bridge', 'ports', ['set', []], []],
    ['Bridge', 'ports', ['named-uuid', 'p1'], [{ named: 'p1' }]],
    ['Bridge', 'other_config', ['map', [['k', 'v']]], new Map([['k', 'v']])],
    ['Bridge', 'other_config', ['map', []], new Map()],
    ['QoS', 'queues', ['map', [[7, ['uuid', id('a')]]]], new Map([[7, id('a')]])],
    ['Interface', 'statistics', ['map', [['rx', 2n ** 60n]]], new Map([['rx', 2n ** 60n]])],
    ['Mirror', 'select_all', true, true],
  ]
  for (const [table, name, wire, typed] of cases) {
    const read = readDatum(column(table, name), wire)
    t.same(read, typed, `${table}.${name}`)
    const again = writeDatum(column(table, name), read)
    t.ok(isSameDatum(readDatum(column(table, name), again), read), 'and back')
  }
  t.same(writeDatum(column('Bridge', 'ports'), [id('b'), id('a')]), [
    'set',
    [
      ['uuid', id('a')],
      ['uuid', id('b')],
    ],
  ])
  t.same(writeDatum(column('Bridge', 'ports'), [id('b')]), ['uuid', id('b')])
  t.same(writeDatum(column('Bridge', 'fail_mode'), undefined), ['set', []])
  t.same(writeDatum(column('Bridge', 'other_config'), undefined), ['map', []])
})

t.test('complaints name the column, what is wrong and what is allowed', async t => {
  const cases: [string, string, unknown, string][] = [
    [
      'Bridge',
      'fail_mode',
      'open',
      'Bridge.fail_mode: "open" is not allowed (allowed: one of standalone, secure)',
    ],
    [
      'Bridge',
      'fail_mode',
      ['set', ['secure', 'standalone']],
      'Bridge.fail_mode: 2 values (allowed: optional string (one of standalone, secure))',
    ],
    ['Bridge', 'name', 7, 'Bridge.name: 7 is no string (allowed: string)'],
    ['Bridge', 'name', ['set', []], 'Bridge.name: a value is needed (allowed: string)'],
    ['Bridge', 'stp_enable', 'yes', 'Bridge.stp_enable: "yes" is no boolean (allowed: boolean)'],
    ['Bridge', 'ports', 'p1', 'Bridge.ports: "p1" is no uuid (allowed: set of reference to Port)'],
    [
      'Bridge',
      'ports',
      ['uuid', 'p1'],
      'Bridge.ports: ["uuid","p1"] is no uuid (allowed: set of reference to Port)',
    ],
    [
      'Bridge',
      'other_config',
      'k=v',
      'Bridge.other_config: "k=v" is no map (allowed: map of string to string)',
    ],
    [
      'Bridge',
      'other_config',
      ['map', [['k']]],
      'Bridge.other_config: ["k"] is no pair (allowed: map of string to string)',
    ],
    [
      'Bridge',
      'other_config',
      [
        'map',
        [
          ['k', 'a'],
          ['k', 'b'],
        ],
      ],
      'Bridge.other_config: the map holds a key twice (allowed: map of string to string)',
    ],
    [
      'Bridge',
      'protocols',
      ['set', ['OpenFlow13', 'OpenFlow13']],
      'Bridge.protocols: the set holds a value twice (allowed: set of string (one of OpenFlow10, OpenFlow11, OpenFlow12, OpenFlow13, OpenFlow14, OpenFlow15))',
    ],
    ['Port', 'tag', 4096, 'Port.tag: 4096 is not allowed (allowed: 0 to 4095)'],
    ['Port', 'tag', -1, 'Port.tag: -1 is not allowed (allowed: 0 to 4095)'],
    ['Port', 'tag', 1.5, 'Port.tag: 1.5 is no integer (allowed: optional integer (0 to 4095))'],
    [
      'Port',
      'interfaces',
      ['set', []],
      'Port.interfaces: a value is needed (allowed: set of reference to Interface, not empty)',
    ],
    [
      'Manager',
      'max_backoff',
      999,
      'Manager.max_backoff: 999 is not allowed (allowed: at least 1000)',
    ],
    [
      'Interface',
      'statistics',
      ['map', [['rx', 2n ** 64n]]],
      'Interface.statistics: 18446744073709551616 has more than 64 bits (allowed: map of string to integer)',
    ],
    [
      'CT_Timeout_Policy',
      'timeouts',
      ['map', [['udp', 3]]],
      'CT_Timeout_Policy.timeouts: "udp" is not allowed (allowed: one of tcp_syn_sent, tcp_syn_recv, tcp_established, tcp_fin_wait, tcp_close_wait, tcp_last_ack, tcp_time_wait, tcp_close, tcp_syn_sent2, tcp_retransmit, tcp_unack, udp_first, udp_single, udp_multiple, icmp_first, icmp_reply)',
    ],
  ]
  for (const [table, name, wire, message] of cases)
    t.throws(() => readDatum(column(table, name), wire), { message })
  t.throws(() => writeDatum(column('Bridge', 'name'), new Map()), /Bridge.name: a map/)
  t.throws(() => columnOf(schema.tables.get('SSL')!, 'x'), {
    message:
      'SSL.x: there is no such column (allowed: private_key, certificate, ca_cert, bootstrap_ca_cert, external_ids)',
  })
})

t.test('rows are typed, and a column named like a prototype is unknown', async t => {
  const table = schema.tables.get('Mirror')!
  const row = readRow(table, { name: 'm0', select_all: true, snaplen: ['set', []] })
  t.same({ ...row }, { name: 'm0', select_all: true, snaplen: undefined })
  t.same(writeRow(table, row), { name: 'm0', select_all: true, snaplen: ['set', []] })
  t.throws(() => readRow(table, JSON.parse('{"__proto__": 1}')), /Mirror.__proto__: there is no/)
})

t.test('lengths of strings are counted in characters', async t => {
  const one = readSchema({
    name: 'db',
    version: '1',
    tables: {
      T: { columns: { c: { type: { key: { type: 'string', minLength: 1, maxLength: 2 } } } } },
    },
  })
  const c = columnOf(one.tables.get('T')!, 'c')
  t.equal(readDatum(c, '😀😀'), '😀😀')
  t.throws(() => readDatum(c, ''), {
    message: 'T.c: "" is not allowed (allowed: 1 to 2 characters)',
  })
  t.throws(() => readDatum(c, 'abc'), /T.c: "abc" is not allowed/)
})

t.test('what nobody gave a value is empty or zero', async t => {
  t.equal(defaultDatum(column('Bridge', 'name')), '')
  t.equal(defaultDatum(column('Bridge', 'stp_enable')), false)
  t.equal(defaultDatum(column('Open_vSwitch', 'next_cfg')), 0)
  t.equal(defaultDatum(column('Bridge', 'fail_mode')), undefined)
  t.same(defaultDatum(column('Bridge', 'ports')), [])
  t.same(defaultDatum(column('Bridge', 'other_config')), new Map())
})

t.test('differences of update2 are applied to each shape', async t => {
  const apply = (table: string, name: string, old: unknown, difference: unknown) =>
    applyDifference(column(table, name), readDatum(column(table, name), old), difference)
  t.equal(apply('Bridge', 'datapath_type', 'system', 'netdev'), 'netdev')
  t.equal(apply('Bridge', 'fail_mode', 'secure', ['set', []]), undefined)
  t.same(
    apply(
      'Bridge',
      'protocols',
      ['set', ['OpenFlow10', 'OpenFlow13']],
      ['set', ['OpenFlow10', 'OpenFlow15']],
    ),
    ['OpenFlow13', 'OpenFlow15'],
  )
  t.same(
    apply(
      'Bridge',
      'other_config',
      [
        'map',
        [
          ['a', '1'],
          ['b', '2'],
          ['c', '3'],
        ],
      ],
      [
        'map',
        [
          ['a', '1'],
          ['b', '9'],
          ['d', '4'],
        ],
      ],
    ),
    new Map([
      ['b', '9'],
      ['c', '3'],
      ['d', '4'],
    ]),
  )
})
