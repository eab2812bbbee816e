/** Rule files proposed from what was seen: they allow all of it, and stay close to it. */
import t from 'tap'
import { formatIpv4, type Ip } from '../../../src/base/addresses.js'
import { check } from '../../../src/nfv/firewall/meaning/check.js'
import { decide } from '../../../src/nfv/firewall/meaning/decide.js'
import { Environment, type Facts, noFacts } from '../../../src/nfv/firewall/meaning/environment.js'
import { type KnownZone, proposeRules, type Seen } from '../../../src/nfv/firewall/meaning/learn.js'
import { resolve } from '../../../src/nfv/firewall/meaning/resolve.js'
import { loadText } from '../../../src/nfv/firewall/text/load.js'
import { Parser } from '../../../src/nfv/firewall/text/parse.js'
import { seeded } from './random-policy.js'

const at = Date.parse('2026-11-25T10:00:00Z')
const seen = (
  source: string,
  destination: string,
  protocol: number,
  port: number,
  count = 1,
): Seen => ({
  connection: {
    source: source as Ip,
    destination: destination as Ip,
    protocol,
    sourcePort: protocol === 1 || protocol === 58 ? 8 : 40_000,
    destinationPort: port,
  },
  count,
  lastMillis: at + 60_000,
})

const loadedZones = loadText(
  new Parser(),
  'z.rules',
  'zone office = 10.1.0.0/16\nzone lab = 10.9.0.0/24\n',
)
const environment = new Environment(loadedZones.lines, noFacts(0))
const zones: KnownZone[] = ['office', 'lab'].map((name, index) => ({
  name,
  line: loadedZones.lines[index]!,
  set: environment.zone(name)!,
}))
const context = {
  sinceMillis: at,
  untilMillis: at + 3_600_000,
  zones,
  hostOf: (ip: Ip) => (ip === '10.2.0.10' ? 'web1' : undefined),
}

t.test('who spoke to whom, as rules with tests', async t => {
  const text = proposeRules(
    [
      seen('10.1.0.7', '10.2.0.10', 6, 443, 30),
      seen('10.1.4.9', '10.2.0.10', 6, 443, 12),
      seen('10.1.0.7', '10.2.0.10', 6, 80, 2),
      seen('10.1.4.9', '10.2.0.10', 6, 80, 1),
      seen('10.9.0.3', '10.2.0.20', 6, 22),
      seen('10.9.0.3', '10.2.0.21', 6, 22),
      seen('10.1.0.7', '10.1.0.1', 1, 0, 5),
    ],
    context,
  )
  t.equal(
    text,
    `# Learnt from 52 connections between 2026-11-25T10:00 and 2026-11-25T11:00.
# What was not used in that time is not in here: read it before you apply it.

zone office = 10.1.0.0/16

default drop log

learnt-1: allow tcp 80 443 from office to host web1  # 45 connections of 2 sources, the last 2026-11-25T10:01
learnt-2: allow icmp echo-request from 10.1.0.7 to 10.1.0.1  # 5 connections of 1 source, the last 2026-11-25T10:01
learnt-3: allow tcp 22 from 10.9.0.3 to 10.2.0.20, 10.2.0.21  # 2 connections of 1 source, the last 2026-11-25T10:01

test "learnt-1 as it was seen" 10.1.0.7 -> 10.2.0.10 tcp 443 allow by learnt-1
test "learnt-2 as it was seen" 10.1.0.7 -> 10.1.0.1 icmp echo-request allow by learnt-2
test "learnt-3 as it was seen" 10.9.0.3 -> 10.2.0.20 tcp 22 allow by learnt-3
`,
  )
})

const facts: Facts = {
  ...noFacts(0),
  hostAddresses: name => (name === 'web1' ? ['10.2.0.10' as Ip] : undefined),
}
const policy = (text: string) => ({
  name: 'p',
  order: 0,
  loaded: loadText(new Parser(), 'p.rules', text),
})

t.test('sources of one subnet stand for it; many high ports are a range', async t => {
  const sources = [1, 2, 3, 4].map(last => seen(`192.0.2.${last}`, '10.2.0.30', 17, 53))
  const ports = Array.from({ length: 13 }, (_, index) =>
    seen('10.9.0.3', '10.2.0.40', 6, 50_000 + index * 7),
  )
  const v6 = [1, 2, 3, 4].map(last => seen(`fd00::${last}`, 'fd01::1', 6, 443))
  const text = proposeRules([...sources, ...ports, ...v6], context)
  t.match(text, /allow udp 53 from 192\.0\.2\.0\/24 to 10\.2\.0\.30 /)
  t.match(
    text,
    /allow tcp 50000-50084 from 10\.9\.0\.3 to 10\.2\.0\.40 .*many ports taken as a range/,
  )
  t.match(text, /allow tcp 443 from fd00::\/64 to fd01::1 /)
})

t.test('nothing seen, nothing allowed', async t => {
  const text = proposeRules([], context)
  const report = check([policy(text)], facts)
  t.equal(report.exitCode, 0)
  t.match(text, /^default drop log$/m)
})

t.test(
  'a proposal reads without mistakes, passes its tests and allows all that was seen',
  async t => {
    const dice = seeded(7)
    const random = (): Seen => {
      const protocol = [6, 17, 1, 47][dice(4)]!
      const port = protocol === 6 || protocol === 17 ? [80, 443, 53, 8000 + dice(40)][dice(4)]! : 0
      const source = formatIpv4(0x0a010000 + dice(3) * 256 + dice(20))
      return {
        ...seen(source, formatIpv4(0x0a020000 + dice(6) + 8), protocol, port),
        count: 1 + dice(9),
      }
    }
    for (let round = 0; round < 20; round++) {
      const list = Array.from({ length: 200 }, random)
      const text = proposeRules(list, context)
      const input = policy(text)
      const report = check([input], facts)
      t.same(report.complaints, [])
      t.same(
        report.tests.filter(test => !test.passed),
        [],
      )
      const resolved = resolve([input], facts)
      const denied = list.filter(
        ({ connection }) => decide(resolved, connection).verdict !== 'allow',
      )
      t.same(denied, [], text)
      const other = { ...list[0]!.connection, destination: '10.77.0.1' as Ip }
      t.equal(decide(resolved, other).verdict, 'drop', 'and no other destination')
    }
  },
)

t.test('a connection that a helper has read is proposed with the helper', async t => {
  const list = [
    seen('10.9.0.3', '10.2.0.20', 6, 21, 3),
    seen('10.9.0.3', '10.2.0.20', 6, 22),
    seen('10.9.0.3', '10.2.0.20', 17, 21),
  ]
  const rule = (text: string) => text.split('\n').find(line => line.startsWith('learnt-1:'))
  t.match(
    rule(proposeRules(list, { ...context, helped: [{ from: 20, to: 21 }] })),
    'allow tcp 21 helper ftp, tcp 22, udp 21 from 10.9.0.3 to 10.2.0.20',
  )
  t.match(rule(proposeRules(list, context)), 'allow tcp 21 22, udp 21 from 10.9.0.3 to 10.2.0.20')
})
