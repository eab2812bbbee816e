/** Each check of `sluice doctor` is wrong once, and says what mends it. */
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { CommandResult } from '../../src/base/env/run-command.js'
import { checks, type Finding, findingsOver, type Told } from '../../src/cli/doctor/checks.js'
import { findingsHere } from '../../src/cli/doctor/machine.js'
import { office } from '../controller/office.js'
import { sluice } from './in-process.js'

const seen = new Set<string>()
const told = (findings: readonly Finding[]): string[] => {
  for (const { check, level } of findings) if (level === 'wrong') seen.add(check)
  return findings.map(({ check, text, mend }) => `${check}: ${text} > ${mend ?? ''}`)
}

const well: Told = {
  switches: [{ name: 's1', state: 'installed', notes: [] }],
  declared: [{ name: 'edge', status: { state: 'installed' } }],
  events: [],
  reasons: [],
  aheadMillis: 100,
}
const now = Date.parse('2026-12-01T12:00:00Z')
const event = (more: object, time = '2026-12-01T11:50:00Z') => ({ time, ...more })

t.test('what a controller says', async t => {
  t.same(findingsOver(well, now), [], 'nothing is wrong')
  const refused = { kind: 'host-refused', mac: '02:00:00:00:00:01', reason: 'it is at s1:1' }
  t.same(findingsOver({ ...well, events: [event(refused, '2026-12-01T10:00:00Z')] }, now), [])
  const wrong: readonly (readonly [Partial<Told>, RegExp])[] = [
    [
      {
        switches: [
          {
            name: 's1',
            state: 'installed',
            notes: ['host x at s1:1: ethtool -K eth0 tx off inside'],
          },
        ],
      },
      /^checksum-offload: .* > ethtool -K eth0 tx off$/,
    ],
    [
      { switches: [{ name: 's1', state: 'not-adopted', reason: 'rows' }] },
      /^switches: .* > sluice adopt s1$/,
    ],
    [
      { switches: [{ name: 's1', state: 'not-master', reason: 'another' }] },
      /^controllers: .* > ovs-vsctl set-controller/,
    ],
    [
      { switches: [{ name: 's1', state: 'degraded', reason: 'it refused' }] },
      /^switches: .*it refused/,
    ],
    [
      { switches: [{ name: 's1', state: 'disconnected' }] },
      /^switches: .* > .*sluice delete switch s1/,
    ],
    [
      { declared: [{ name: 'edge', status: { state: 'pending', reason: 'no file' } }] },
      /^database: Switch edge is pending: no file > sluice describe/,
    ],
    [{ events: [event(refused)] }, /^guard: host 02:00:00:00:00:01 is not believed: it is at s1:1/],
    [
      {
        events: [
          event({ kind: 'connection-refused', remote: '10.0.0.1', reason: 'no common version' }),
        ],
      },
      /^protocol: .* > ovs-vsctl set bridge BRIDGE protocols=OpenFlow13$/,
    ],
    [{ reasons: ['the store is read-only: full'] }, /^ready: the store is read-only/],
    [{ aheadMillis: 60_000 }, /^clock: .*60 s ahead.* > timedatectl/],
  ]
  for (const [more, says] of wrong) {
    const [only, ...others] = told(findingsOver({ ...well, ...more }, now))
    t.match(only, says)
    t.same(others, [])
  }
})

const bridge = (more: Readonly<Record<string, unknown>> = {}) => {
  const all = {
    fail: 'secure',
    protocols: ['set', []],
    controllers: [['uuid', 'c1']],
    mtu: 1500,
    ...more,
  }
  const answers: Readonly<Record<string, unknown>> = {
    Bridge: {
      data: [
        [
          'br0',
          all.fail,
          all.protocols,
          ['set', all.controllers],
          [
            'set',
            [
              ['uuid', 'p1'],
              ['uuid', 'p2'],
            ],
          ],
        ],
      ],
    },
    Controller: {
      data: [
        [['uuid', 'c1'], 'tcp:127.0.0.1:6653'],
        [['uuid', 'c2'], 'tcp:127.0.0.1:6654'],
      ],
    },
    Port: {
      data: [
        [
          ['uuid', 'p1'],
          ['uuid', 'i1'],
        ],
        [
          ['uuid', 'p2'],
          ['uuid', 'i2'],
        ],
      ],
    },
    Interface: {
      data: [
        [['uuid', 'i1'], 'eth1', all.mtu],
        [['uuid', 'i2'], 'eth2', 1500],
      ],
    },
  }
  return (table: string): CommandResult => ({
    code: 0,
    out: JSON.stringify(answers[table]),
    err: '',
  })
}

interface Fake {
  readonly list?: (table: string) => CommandResult
  readonly missing?: readonly string[]
  readonly synchronised?: string
  readonly files?: Readonly<Record<string, string>>
  readonly modes?: Readonly<Record<string, number>>
}

/** A machine where all is well, but for what is said. */
const machine = ({
  list = bridge(),
  missing = [],
  synchronised = 'yes',
  files = {},
  modes = {},
}: Fake) => ({
  run: async (words: readonly string[]) => {
    if (missing.includes(words[0]!)) return undefined
    if (words[0] === 'timedatectl') return { code: 0, out: `${synchronised}\n`, err: '' }
    return words[0] === 'ovs-vsctl' && words.includes('list')
      ? list(words.at(-1)!)
      : { code: 0, out: '', err: '' }
  },
  disk: {
    readText: async (path: string) => files[path] ?? '',
    stat: async (path: string) =>
      path in modes ? { mode: modes[path]!, size: 1, isFolder: false } : undefined,
  } as never,
})

t.test('what this machine says', async t => {
  t.same(await findingsHere(machine({}), true, '/data'), [], 'nothing is wrong')
  const strange = { fail: ['set', []], controllers: [], protocols: ['set', ['OpenFlow10']] }
  t.same(
    await findingsHere(machine({ list: bridge(strange) }), true, '/data'),
    [],
    "somebody else's bridge",
  )
  const failing = (err: string) => () => ({ code: 1, out: '', err })
  const line = '  0: 0100007F:19FD 00000000:0000 0A 00000000:00000000'
  const wrong: readonly (readonly [Fake, RegExp, boolean?])[] = [
    [
      { list: bridge({ fail: ['set', []] }) },
      /^fail-mode: .* > ovs-vsctl set-fail-mode br0 secure$/,
    ],
    [
      { list: bridge({ protocols: ['set', ['OpenFlow10', 'OpenFlow15']] }) },
      /^protocol: .* > ovs-vsctl set bridge br0 protocols=OpenFlow13$/,
    ],
    [
      {
        list: bridge({
          controllers: [
            ['uuid', 'c1'],
            ['uuid', 'c2'],
          ],
        }),
      },
      /^controllers: .* > ovs-vsctl set-controller br0 tcp:127.0.0.1:6653$/,
    ],
    [
      { list: bridge({ mtu: 1400 }) },
      /^mtu: port eth1 .*1400, others 1500 > ip link set dev eth1 mtu 1500$/,
    ],
    [
      { list: failing('ovs-vsctl: unix:db.sock: database connection failed (Permission denied)') },
      /^permissions: .* > sudo sluice doctor$/,
    ],
    [
      { list: failing('ovs-vsctl: unix:db.sock: database connection failed (No such file)') },
      /^database: .* > systemctl start openvswitch-switch$/,
    ],
    [{ missing: ['flock'] }, /^packages: flock .* > apt-get install util-linux$/],
    [
      { missing: ['ovs-vsctl'] },
      /^packages: there is no Open vSwitch .* > apt-get install openvswitch-switch$/,
    ],
    [{ synchronised: 'no' }, /^clock: .* > timedatectl set-ntp true$/],
    [{ modes: { '/data/token': 0o644 } }, /^permissions: .* > chmod 600 \/data\/token$/],
    [
      { files: { '/proc/net/tcp': line } },
      /^port-in-use: .*6653.* > sluice run --openflow 127.0.0.1:6654/,
      false,
    ],
  ]
  for (const [fake, says, isServed = true] of wrong) {
    const [only, ...others] = told(await findingsHere(machine(fake), isServed, '/data'))
    t.match(only, says)
    t.same(others, [])
  }
  t.same(
    await findingsHere(machine({ files: { '/proc/net/tcp': line } }), true, '/data'),
    [],
    'its own port',
  )
  t.same([...seen].sort(), Object.keys(checks).sort(), 'every check was wrong once')
})

t.test('its exit code says whether something is wrong', async t => {
  const at = await office(t)
  const run = machine({}).run
  t.match(await sluice(at, ['doctor'], undefined, undefined, run), { code: 0, out: / 0 wrong$/ })
  at.net.switch('s4').disconnect()
  const gone = async () => sluice(at, ['doctor'], undefined, undefined, run)
  let said = await gone()
  for (let tries = 0; said.code === 0 && tries < 50; tries++) said = await gone()
  t.match(said, {
    code: 1,
    out: /switches: switch s4 is not connected\n +ovs-vsctl get-controller s4/,
  })
  const open = join(at.data, 'token')
  chmodSync(open, 0o644)
  const here = await sluice(
    undefined,
    ['--data', at.data, '--server', 'http://127.0.0.1:9', 'doctor', '-o', 'json'],
    undefined,
    undefined,
    run,
  )
  t.match(here, { code: 1 })
  const found = JSON.parse(here.out).items as Finding[]
  t.match(
    found.filter(({ check }) => check === 'permissions'),
    [{ check: 'permissions', mend: `chmod 600 ${open}` }],
  )
  chmodSync(open, 0o600)
})
