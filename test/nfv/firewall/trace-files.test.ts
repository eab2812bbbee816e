/** A connection held against rule files, without a network: who speaks in which tier. */
import t from 'tap'
import { traceFiles } from '../../../src/nfv/firewall/meaning/trace-files.js'

const source = `zone office = 10.1.0.0/16
zone servers = 10.2.0.0/24, host web1

tier admin
  look: audit drop tcp 22 from any to servers
  mgmt: pass any from 10.9.0.0/24 to any

tier main
  browse: allow tcp 443 from office to servers
  admin:  allow tcp 22 from 10.9.0.0/24 to servers

default reject log
`
const files = [{ name: 'campus', path: 'campus.rules', source, includes: {} }]
const now = Date.parse('2026-11-25T12:00:00Z')
const ask = (question: Parameters<typeof traceFiles>[1], known: string[] = []) =>
  traceFiles(files, question, known, now)

t.test('the rule, its place, and every tier on the way', async t => {
  const question = {
    from: '10.9.0.1',
    to: '10.2.0.10',
    protocol: 'tcp',
    destinationPort: 22,
  } as const
  t.same(await ask(question), {
    question: 'tcp from 10.9.0.1:40000 to 10.2.0.10:22',
    verdict: 'allowed',
    rule: { policy: 'campus', name: 'admin', file: 'campus.rules', line: 10 },
    tiers: [
      {
        tier: 'admin',
        rule: 'mgmt',
        verb: 'pass',
        policy: 'campus',
        file: 'campus.rules',
        line: 6,
      },
      {
        tier: 'main',
        rule: 'admin',
        verb: 'allow',
        policy: 'campus',
        file: 'campus.rules',
        line: 10,
      },
    ],
    audits: [
      {
        tier: 'admin',
        rule: 'look',
        verb: 'drop',
        policy: 'campus',
        file: 'campus.rules',
        line: 5,
      },
    ],
    unknown: ['host web1'],
  })
})

t.test('where all are silent the default speaks, and DHCP is a rule that can be seen', async t => {
  const silent = await ask({ from: '10.1.0.7', to: '192.0.2.1', protocol: 'icmp' })
  t.equal(silent.verdict, 'rejected')
  t.match(silent.rule, { name: 'default', line: 12 })
  t.same(
    silent.tiers.map(step => [step.tier, step.rule]),
    [
      ['admin', undefined],
      ['main', undefined],
      ['application', undefined],
      ['baseline', undefined],
    ],
  )
  const lease = {
    from: '10.1.0.7',
    to: '10.1.0.1',
    protocol: 'udp',
    sourcePort: 68,
    destinationPort: 67,
  } as const
  t.match((await ask(lease)).rule, { policy: 'built-in', name: 'dhcp' })
})

t.test('neighbour discovery passes whatever the rules say', async t => {
  // Ethernet, IPv6 from fe80::1 to ff02::1:ff00:2, ICMPv6 135 (neighbour solicitation).
  const ends = 'fe800000000000000000000000000001ff0200000000000000000001ff000002'
  const frame = `3333ff000002 020000000002 86dd 6000000000183aff ${ends} 8700 0000 ${'00'.repeat(20)}`
  t.match(await ask({ frame }), {
    verdict: 'allowed',
    rule: { policy: 'built-in', name: 'neighbours' },
    tiers: [],
  })
  const echo = { from: 'fe80::1', to: 'fe80::2', protocol: 'icmp' } as const
  t.match(await ask(echo), { verdict: 'rejected', rule: { name: 'default' } })
})

t.test('a host by name, once its address is said', async t => {
  const question = { from: '10.1.0.7', to: 'web1', protocol: 'tcp', destinationPort: 443 } as const
  await t.rejects(ask(question), /web1 has no address here.*--address web1=ADDRESS/)
  const answer = await ask(question, ['web1=198.51.100.9'])
  t.match(answer, { verdict: 'allowed', rule: { name: 'browse' }, unknown: [] })
  await t.rejects(ask(question, ['web1']), /"web1" names no address/)
  await t.rejects(ask(question, ['web1=2001:db8::1']), /not of the same version/)
})

t.test('a frame', async t => {
  // Ethernet, IPv4 without checksum, TCP SYN from 10.1.0.7:40000 to 10.2.0.10:443.
  const ip = '4500002800000000400600000a0100070a02000a'
  const tcp = '9c4001bb000000000000000050022000000000000'.slice(0, 40)
  const frame = `020000000001 020000000002 0800 ${ip}${tcp}`
  t.match(await ask({ frame }), { verdict: 'allowed', rule: { name: 'browse' } })
  await t.rejects(ask({ frame: '02:zz' }), /pairs of hex digits/)
  await t.rejects(ask({ frame: 'ffffffffffff0200000000020806' }), /not IP/)
})

t.test('mistakes of the files are told instead of an answer', async t => {
  const broken = [{ ...files[0]!, source: 'allow web from any to any\n' }]
  await t.rejects(
    traceFiles(broken, { from: '10.1.0.7', to: '10.2.0.10', protocol: 'icmp' }, [], now),
    /campus.rules:1:7: no service is named "web"/,
  )
})

t.test('what a rule counts is told with the verdict', async t => {
  const slow = {
    ...files[0]!,
    source:
      'slow: allow tcp 22 from any to any limit 10/minute per source max 3 connections\nhard: drop tcp 23\n',
  }
  const port = (destinationPort: number) => ({
    from: '10.9.0.1',
    to: '10.2.0.10',
    protocol: 'tcp' as const,
    destinationPort,
  })
  const allowed = await traceFiles([slow], port(22), [], now)
  t.equal(allowed.verdict, 'allowed')
  t.equal(allowed.within, 'limit 10/minute per source, max 3 connections')
  t.notOk('within' in (await traceFiles([slow], port(23), [], now)))
})

t.test('the packet in the words of rule files, and mistakes with the right form', async t => {
  const say = (service: string) => ask({ from: '10.1.0.7', to: '10.2.0.10', service })
  t.match(await say('tcp 443'), {
    question: 'tcp from 10.1.0.7:40000 to 10.2.0.10:443',
    verdict: 'allowed',
    rule: { name: 'browse' },
  })
  t.match(await say('icmp echo-request'), { question: 'icmp 8/0 from 10.1.0.7 to 10.2.0.10' })
  t.match(await say('proto gre'), { question: 'proto 47 from 10.1.0.7 to 10.2.0.10' })
  t.match(await say('udp 53 source 68'), { question: 'udp from 10.1.0.7:68 to 10.2.0.10:53' })
  const echo = { from: 'fe80::1', to: 'fe80::2', service: 'icmp echo-request' }
  t.match(await ask(echo), { question: 'icmp6 128/0 from fe80::1 to fe80::2' })
  for (const [words, sentence] of [
    ['80', /"80" names no protocol; write tcp 80 or udp 80 for a port, proto 80/],
    ['tcp/80', /"tcp\/80" is no packet; write tcp 80$/],
    ['tcp', /the port is missing; write for example tcp 443/],
    ['tcp http', /write for example tcp 443/],
    ['tcp 80-90', /a trace is of one packet; write for example tcp 443/],
    ['web', /a trace is of one packet/],
    ['tcp 80 deny', /more than one packet/],
    ['icmp echo-requests', /is no ICMP type; write for example/],
  ] as const)
    await t.rejects(say(words), sentence)
})
