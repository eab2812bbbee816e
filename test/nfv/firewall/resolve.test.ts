import { readFileSync } from 'node:fs'
import t from 'tap'
import { formatCidr, type Ip, parseCidr } from '../../../src/base/addresses.js'
import { cidrsV4, cidrsV6 } from '../../../src/nfv/firewall/meaning/address-set.js'
import {
  check,
  connectionOf,
  describe,
  formatReport,
} from '../../../src/nfv/firewall/meaning/check.js'
import { decide } from '../../../src/nfv/firewall/meaning/decide.js'
import { type Facts, noFacts } from '../../../src/nfv/firewall/meaning/environment.js'
import { Resolver, resolve } from '../../../src/nfv/firewall/meaning/resolve.js'
import { formatComplaint } from '../../../src/nfv/firewall/text/complaint.js'
import type { PolicyInput } from '../../../src/nfv/firewall/text/load.js'
import { loadText } from '../../../src/nfv/firewall/text/load.js'
import { Parser } from '../../../src/nfv/firewall/text/parse.js'

const policy = (text: string, name = 'p', order = 0, parser = new Parser()): PolicyInput => ({
  name,
  order,
  loaded: loadText(parser, `${name}.rules`, text),
})

const ip = (text: string) => text as Ip
const facts: Facts = {
  hostAddresses: name => (name === 'web1' ? [ip('10.2.0.10'), ip('fd00::10')] : undefined),
  networkSubnets: name => (name === 'lab' ? [parseCidr('10.7.0.0/16')!] : undefined),
  portAddresses: port => (port === 's2:4' ? [ip('10.1.0.9')] : undefined),
  hasChain: name => name === 'inspect',
  nowMillis: Date.UTC(2026, 10, 24, 12, 0),
}

/** The addresses of the first rule's `from`, as prefixes. */
const fromOf = (text: string): string[] => {
  const { from } = resolve([policy(text)], facts).tiers[1]![0]!.rule
  return [...cidrsV4(from.v4), ...cidrsV6(from.v6)].map(formatCidr)
}

t.test('members become prefixes', async t => {
  t.same(fromOf('drop any from 10.0.0.1-10.0.0.6'), [
    '10.0.0.1',
    '10.0.0.2/31',
    '10.0.0.4/31',
    '10.0.0.6',
  ])
  t.same(fromOf('drop any from 10.0.0.0/24, 10.0.1.0/24, 10.0.0.7'), ['10.0.0.0/23'])
  t.same(fromOf('drop any from host web1'), ['10.2.0.10', 'fd00::10'])
  t.same(fromOf('drop any from network lab except 10.7.128.0/17'), ['10.7.0.0/17'])
  t.same(fromOf('drop any from port s2:4'), ['10.1.0.9'])
  t.same(fromOf('drop any from host nobody'), [])
  t.same(fromOf('drop any from any except 128.0.0.0/1'), ['0.0.0.0/1', '::/0'])
  t.same(fromOf('drop any from 0.0.0.0/0 except 0.0.0.0-255.255.255.254'), ['255.255.255.255'])
  t.same(fromOf('drop any from fd00::/126 except fd00::1'), ['fd00::', 'fd00::2/127'])
  t.same(fromOf('drop any from b\nzone a = 10.0.0.0/30\nzone b = a, 10.0.0.8 except 10.0.0.2'), [
    '10.0.0.0/31',
    '10.0.0.3',
    '10.0.0.8',
  ])
})

const told = (text: string): string[] =>
  resolve([policy(text)], facts).complaints.map(error => formatComplaint(error, text))

t.test('names that mean nothing are complained about where they stand', async t => {
  t.same(told('zone office = 10.0.0.1\ndrop any from offcie to any\n'), [
    `p.rules:2:15: no zone is named "offcie"
  drop any from offcie to any
                ^~~~~~
did you mean "office"?`,
  ])
  t.same(told('allow webb from any to any\n'), [
    `p.rules:1:7: no service is named "webb"
  allow webb from any to any
        ^~~~
define it: service webb = ...`,
  ])
  t.same(told('zone a = b\nzone b = 10.0.0.1, a\n'), [
    `p.rules:2:20: the zone "a" contains itself: a -> b -> a
  zone b = 10.0.0.1, a
                     ^
leave it out in one of these places`,
  ])
  t.same(told('zone a = 10.0.0.1\nzone a = 10.0.0.2\n'), [
    `p.rules:2:6: the zone "a" is defined twice
  zone a = 10.0.0.2
       ^
it is already defined in p.rules:1; choose another name or put both into one line`,
  ])
  t.same(told('x: drop tcp 1\nx: drop tcp 2\n'), [
    `p.rules:2:1: two rules are named "x"
  x: drop tcp 2
  ^
it is already in p.rules:1; names tell counters apart, so choose another`,
  ])
  t.same(told('default drop\ndefault allow\n'), [
    `p.rules:2:1: the default is declared twice
  default allow
  ^~~~~~~
it is already declared in p.rules:1`,
  ])
  t.same(told('allow any via nowhere\n'), [
    `p.rules:1:15: no chain is named "nowhere"
  allow any via nowhere
                ^~~~~~~
chains of functions cannot be declared yet: leave "via" out`,
  ])
  t.same(told('allow any via inspect\n'), [])
  t.same(told('tier baseline\npass any\n'), [
    `p.rules:2:1: "pass" has no tier to go to
  pass any
  ^~~~
in the last tier say allow, drop or reject`,
  ])
})

t.test('rules keep number and object while they stay as they are', async t => {
  const [parser, resolver] = [new Parser(), new Resolver()]
  const run = (text: string, now: Facts = facts) =>
    resolver.resolve([policy(text, 'p', 0, parser)], now).tiers[1]!
  const text = 'zone z = 10.0.0.1\na: allow tcp 1\nb: drop any from z\nc: drop any from host web1\n'
  const first = run(text)
  const [a, b, c] = run(`# a line more\n${text}`)
  t.equal(a!.rule, first[0]!.rule)
  t.equal(b!.rule, first[1]!.rule)
  t.equal(a!.line, 3)
  t.equal(a!.rule.id, 0x42d118f3, 'FNV-1a of p/a')
  const other = run(text.replace('10.0.0.1', '10.0.0.2'))
  t.equal(other[0]!.rule, a!.rule, 'a rule that does not use the zone')
  t.not(other[1]!.rule, b!.rule, 'a rule that does')
  t.equal(other[1]!.rule.id, b!.rule.id)
  const moved = run(text.replace('10.0.0.1', '10.0.0.2'), {
    ...facts,
    hostAddresses: () => [ip('10.2.0.99')],
  })
  t.not(moved[2]!.rule, c!.rule, 'a rule about a host whose address changed')
  t.equal(moved[1]!.rule, other[1]!.rule)
})

t.test('the hash changes with what is decided, not with comments and places', async t => {
  const hash = (...texts: string[]) =>
    resolve(
      texts.map((text, at) => policy(text, `p${at}`)),
      facts,
    ).hash
  const base = hash('a: allow tcp 1\nb: drop any\n')
  t.equal(hash('# hello\n\na: allow tcp 1   # first\nb: drop any\n'), base)
  t.not(hash('b: drop any\na: allow tcp 1\n'), base)
  t.not(hash('a: allow tcp 2\nb: drop any\n'), base)
  t.not(hash('a: allow tcp 1\nb: drop any\ndefault allow\n'), base)
  t.not(hash('a: allow tcp 1\n', 'b: drop any\n'), base)
})

/** Who decides about a TCP connection from 10.1.0.7 to 10.2.0.10. */
const asked = (policies: readonly PolicyInput[], port: number, now: Facts = facts): string =>
  describe(
    decide(
      resolve(policies, now),
      connectionOf(ip('10.1.0.7'), ip('10.2.0.10'), {
        kind: 'ports',
        transport: 'tcp',
        ports: [{ from: port, to: port }],
        sourcePorts: [],
      }),
    ),
  )

t.test('tiers, order of policies and defaults decide as README says', async t => {
  t.equal(asked([], 80), 'allow by default (built-in:0)')
  t.equal(asked([policy('a: allow tcp 80\n')], 22), 'drop by default (p.rules:0)')
  const both = [
    policy('default allow\na: drop tcp 80\ntier admin\nb: pass tcp 443\n', 'late', 2),
    policy('default reject\nc: allow tcp 80, 443\ntier admin\nd: drop tcp 443\n', 'early', 1),
  ]
  t.equal(asked(both, 80), 'allow by c (early.rules:2)')
  t.equal(asked(both, 443), 'drop by d (early.rules:4)')
  t.equal(asked(both, 22), 'allow by default (late.rules:1)')
  const tiers = [
    policy(
      'tier baseline\na: reject tcp 22\ntier admin\nb: pass tcp 22\nc: drop any\ntier main\nd: allow tcp 80\n',
    ),
  ]
  t.equal(asked(tiers, 22), 'reject by a (p.rules:2)')
  t.equal(asked(tiers, 80), 'drop by c (p.rules:5)')
  const pair = [
    policy('default allow\ndefault reject from 10.1.0.0/16 to 10.2.0.0/16\na: allow tcp 80\n'),
  ]
  t.equal(asked(pair, 80), 'allow by a (p.rules:3)')
  t.match(asked(pair, 81), /^reject by default-[0-9a-f]{8} \(p\.rules:2\)$/)
  t.equal(
    asked([policy('a: drop tcp 80\nb: allow-stateless tcp 80\n')], 80),
    'drop by a (p.rules:1)',
  )
})

t.test('what switches cannot see cannot be kept out by it', async t => {
  const complaints = (text: string) =>
    resolve([policy(text)], facts).complaints.map(({ line, message }) => `${line}: ${message}`)
  t.same(
    complaints('default allow\nservice s = sctp 80\na: drop tcp 5, s\nb: reject sctp source 5\n'),
    [
      '3: Open vSwitch before 3.2 does not see the ports of SCTP: this would drop nothing',
      '4: Open vSwitch before 3.2 does not see the ports of SCTP: this would reject nothing',
    ],
  )
  t.same(
    complaints('default drop\na: allow sctp 80\nb: drop sctp\nc: allow-stateless sctp 80\n'),
    [],
  )
})

t.test('what rules are not asked about cannot be kept out by them', async t => {
  const complaints = (text: string) =>
    resolve([policy(text)], facts).complaints.map(({ line }) => line)
  t.same(
    complaints(
      'drop icmp 3/4\nreject icmp redirect\ndrop tcp 1, icmp6 packet-too-big\ndrop icmp6 134\n',
    ),
    [1, 2, 3, 4],
  )
  t.same(
    complaints(
      'drop icmp\ndrop icmp 8, icmp 13\ndrop icmp6 128\ndrop proto icmp\nallow icmp 3/4\naudit drop icmp 3\n',
    ),
    [],
  )
  t.match(remarks('default drop\na: allow icmp 0 from 10.0.0.1 to 10.0.0.2\n'), [
    /only requests of ICMP open connections/,
  ])
})

t.test('a default between zones leaves hosts their addresses', async t => {
  const renewal = (text: string) => {
    const ends = { source: '10.7.0.5' as Ip, destination: '10.1.0.1' as Ip, protocol: 17 }
    return describe(
      decide(resolve([policy(text)], facts), { ...ends, sourcePort: 68, destinationPort: 67 }),
    )
  }
  const guests = 'zone guests = 10.7.0.0/16\n'
  t.equal(
    renewal(`${guests}default drop from guests to any\ndefault drop\n`),
    'allow by dhcp (built-in:1)',
  )
  t.equal(
    renewal(`${guests}default drop from guests to any\ndefault allow\n`),
    'allow by dhcp (built-in:1)',
  )
  t.equal(
    renewal(`${guests}a: drop udp 67 from guests\ndefault allow\n`),
    'drop by a (p.rules:2)',
    'a rule may say otherwise',
  )
})

t.test('rules come and go with their time', async t => {
  const at = (hour: number, minute = 0) => ({
    ...facts,
    nowMillis: Date.UTC(2026, 10, 24, hour, minute),
  })
  const office = [
    policy('default drop\na: allow tcp 80 schedule mon-fri 08:00-18:00 Europe/Berlin\n'),
  ]
  // Berlin is one hour ahead of UTC in November.
  t.equal(asked(office, 80, at(6, 59)), 'drop by default (p.rules:1)')
  t.equal(asked(office, 80, at(7, 0)), 'allow by a (p.rules:2)')
  t.equal(asked(office, 80, at(16, 59)), 'allow by a (p.rules:2)')
  t.equal(asked(office, 80, at(17, 0)), 'drop by default (p.rules:1)')
  t.equal(resolve(office, at(12)).nextChangeMillis, Date.UTC(2026, 10, 24, 17, 0))
  const night = [policy('default drop\na: allow tcp 80 schedule tue 22:00-02:00\n')]
  const friday = { ...facts, nowMillis: Date.UTC(2026, 10, 25, 1, 59) }
  t.equal(
    asked(night, 80, friday),
    'allow by a (p.rules:2)',
    'the night belongs to the day it began on',
  )
  t.equal(
    asked(night, 80, { ...facts, nowMillis: Date.UTC(2026, 10, 24, 1, 59) }),
    'drop by default (p.rules:1)',
  )
  const ending = [policy('default drop\na: allow tcp 80 until 2026-11-24\n')]
  t.equal(asked(ending, 80, at(23, 59)), 'allow by a (p.rules:2)')
  t.equal(resolve(ending, at(12)).nextChangeMillis, Date.UTC(2026, 10, 25))
  t.equal(
    asked(ending, 80, { ...facts, nowMillis: Date.UTC(2026, 10, 25) }),
    'drop by default (p.rules:1)',
  )
})

const remarks = (text: string): string[] =>
  check([policy(text)], facts)
    .remarks.filter(one => one.kind !== 'too-wide')
    .map(one => `${one.kind} ${one.line}: ${one.message}`)

t.test('what is most likely a mistake is remarked upon, with both lines', async t => {
  t.same(
    remarks(
      'default drop\na: drop tcp from any to 10.0.0.0/8\nb: allow tcp 80 from any to 10.1.0.0/16\n',
    ),
    ['shadowed 3: "b" never speaks: "a" (p.rules:2) takes all of it before'],
  )
  t.same(
    remarks(
      'default drop\na: allow tcp from any to 10.0.0.0/8\nb: allow tcp 80 from any to 10.1.0.0/16\n',
    ),
    ['redundant 3: "b" changes nothing: "a" (p.rules:2) above says the same for all of it'],
  )
  t.same(
    remarks(
      'default drop\na: allow tcp 80 from any to 10.1.0.0/16\nb: allow tcp from any to 10.0.0.0/8\n',
    ),
    ['redundant 2: "a" changes nothing: "b" (p.rules:3) below says the same for all of it'],
  )
  t.same(
    remarks(
      'default drop\na: allow tcp 1-99 from 10.0.0.0/8\nb: drop tcp 100-200 from 10.0.0.0/8\nc: allow tcp 50-150 from 10.0.0.0/9\n',
    ),
    ['shadowed 4: "c" never speaks: "a" (p.rules:2), "b" (p.rules:3) take all of it before'],
  )
  t.same(
    remarks(
      'default drop\na: drop tcp 1-99 from 10.0.0.0/8\nb: allow tcp 50-150 from 10.0.0.0/9\n',
    ),
    ['conflicting 3: "b" (allow) and "a" (drop) in p.rules:2 share packets; the upper one decides'],
  )
  t.same(remarks('default drop\na: drop any\nb: allow tcp 80\n'), [
    'unreachable 3: "b" never speaks: "a" (p.rules:2) takes all of it before',
  ])
  t.same(
    remarks(
      'default drop\nzone a = 10.0.0.1\nservice s = tcp 1\nb: allow tcp 80 from host nobody until 2020-01-01\n',
    ),
    [
      'unused 2: nobody uses the zone "a"',
      'unused 3: nobody uses the service "s"',
      'expired 4: the rule was to end with 2020-01-01 and does no more',
    ],
  )
  t.same(remarks('default drop\nb: allow tcp 80 from host nobody\n'), [
    'empty 2: "b" has no address to speak of on one side',
  ])
})

t.test('the example in README holds what it says', async t => {
  const readme = readFileSync(
    new URL('../../../../src/nfv/firewall/README.md', import.meta.url),
    'utf8',
  )
  const example = readme.split('## A rule file\n\n')[1]!.split('\n\n`sluice check')[0]!
  const text = example
    .split('\n')
    .map(line => line.slice(4))
    .join('\n')
  const campus = policy(text, 'campus')
  const report = check([campus], noFacts(facts.nowMillis))
  t.equal(
    formatReport(report, campus.loaded.texts),
    '8 rules -> 34 flows (x4.25); 0 warnings; 3 of 3 tests passed; 3 of them with every schedule on ("at TIME" asks at one)',
  )
  t.same(report.remarks, [])
})

t.test('a test that fails says what was expected and what the rules say', async t => {
  const text = 'default drop\na: allow tcp 80\ntest "ssh" 10.0.0.1 -> 10.0.0.2 tcp 22 allow by a\n'
  const report = check([policy(text)], facts)
  t.equal(report.exitCode, 1)
  t.match(
    formatReport(report, new Map()),
    'p.rules:3: test "ssh" fails\n  expected allow by a; the rules say drop by default (p.rules:1)\n',
  )
})
