/** Sections that share ends, and ports that are excepted. */
import t from 'tap'
import type { Ip } from '../../../src/base/addresses.js'
import { lint } from '../../../src/nfv/firewall/lint/index.js'
import { decide } from '../../../src/nfv/firewall/meaning/decide.js'
import { noFacts } from '../../../src/nfv/firewall/meaning/environment.js'
import { factsOf, knownAddresses } from '../../../src/nfv/firewall/meaning/known-addresses.js'
import { resolve } from '../../../src/nfv/firewall/meaning/resolve.js'
import { formatFile } from '../../../src/nfv/firewall/text/format.js'
import { specOf, textOfSpec } from '../../../src/nfv/firewall/text/json.js'
import { loadText } from '../../../src/nfv/firewall/text/load.js'
import { connectionInWords } from '../../../src/nfv/firewall/text/packet-words.js'
import { Parser, parse } from '../../../src/nfv/firewall/text/parse.js'
import { rulesOf } from './random-policy.js'

const by = (text: string, question: string): string => {
  const [from, to, ...service] = question.split(' ')
  const connection = connectionInWords(from as Ip, to as Ip, service.join(' '))
  const { verdict, rule } = decide(rulesOf(text), connection)
  return `${verdict} by ${rule}`
}

const campus = `zone guests = 10.7.0.0/16
zone servers = 10.2.0.0/24
default drop
section from guests to servers
  web: allow tcp 80, 443
  dns: allow udp 53 to 10.2.1.53
  ssh: drop tcp 22 from any
end
ping: allow icmp echo-request
section to servers
  ntp: allow udp 123
tier baseline
  rest: allow tcp 99
`

t.test('rules of a section have its ends, unless they name their own', async t => {
  const rows = [
    ['10.7.0.1 10.2.0.1 tcp 80', 'allow by web'],
    ['10.8.0.1 10.2.0.1 tcp 80', 'drop by default'],
    ['10.7.0.1 10.2.1.53 udp 53', 'allow by dns'],
    ['10.7.0.1 10.2.0.1 udp 53', 'drop by default'],
    ['10.8.0.1 10.2.0.1 tcp 22', 'drop by ssh'],
    ['10.8.0.1 10.9.0.1 icmp echo-request', 'allow by ping'],
    ['10.8.0.1 10.2.0.1 udp 123', 'allow by ntp'],
    ['10.8.0.1 10.9.0.1 udp 123', 'drop by default'],
    ['10.8.0.1 10.9.0.1 tcp 99', 'allow by rest'],
  ] as const
  for (const [question, answer] of rows) t.equal(by(campus, question), answer, question)
})

t.test('they are written as they were said, as text and as JSON', async t => {
  const { lines } = parse(campus)
  const written = campus
    .replace('tcp 80, 443', 'tcp 80 443')
    .replace('echo-request\n', 'echo-request from any to any\n')
    .replace('udp 123', 'udp 123 from any')
    .replace('tcp 99', 'tcp 99 from any to any')
  t.equal(formatFile(lines), written)
  const { text, mistakes } = textOfSpec(specOf(lines))
  t.same(mistakes, [])
  t.match(text, /section from guests to servers\nweb: allow tcp 80 443\n/)
  t.match(text, /ssh: drop tcp 22 from any\n/, 'any is said where the section has another end')
  t.match(specOf(lines).statements[3], { kind: 'section', from: ['guests'], to: ['servers'] })
})

t.test('an edit of a section changes its rules, and no others', async t => {
  const parser = new Parser()
  const of = (text: string) => {
    const loaded = loadText(parser, 'p.rules', text)
    parser.forgetOld()
    return resolve([{ name: 'p', order: 0, loaded }], noFacts(0)).tiers[1]!.map(({ rule }) => rule)
  }
  const before = of(campus)
  const after = of(campus.replace('section to servers', 'section to guests'))
  t.same(
    before.map(({ digest }, at) => `${digest}` === `${after[at]!.digest}`),
    [true, true, true, true, false],
  )
})

t.test('ports that are excepted', async t => {
  const of = (service: string) => `default drop\na: allow ${service}, icmp\n`
  const rows: readonly (readonly [service: string, allowed: string, dropped: string])[] = [
    ['tcp except 22 25', '80 24 65535', '22 25'],
    ['tcp except 22, 25', '80', '22 25'],
    ['tcp 1-1000 except 22, 25, 100-199', '99 200', '22 25 100 199 1001'],
    ['tcp 80, 8000-8099 except 8042', '80 8041 8043', '8042 81'],
    ['tcp+udp except 53', '80', '53'],
  ]
  for (const [service, allowed, dropped] of rows) {
    for (const port of allowed.split(' '))
      t.equal(by(of(service), `10.0.0.1 10.0.0.2 tcp ${port}`), 'allow by a', `${service}: ${port}`)
    for (const port of dropped.split(' '))
      t.equal(
        by(of(service), `10.0.0.1 10.0.0.2 tcp ${port}`),
        'drop by default',
        `${service}: ${port}`,
      )
  }
})

t.test('what a rejected sender is told is kept, as text and as JSON', async t => {
  const text = `default reject with net-unreachable log
a: reject tcp 113 from any to any with port-unreachable log "ident"
default reject from 10.0.0.1 to any with host-unreachable
`
  const { lines, complaints } = parse(text)
  t.same(complaints, [])
  t.equal(formatFile(lines), text)
  t.equal(formatFile(parse(textOfSpec(specOf(lines)).text).lines), text)
  const resolved = rulesOf(text)
  t.equal(resolved.last.rule.answer, 'net-unreachable')
  t.equal(resolved.tiers[1]![0]!.rule.answer, 'port-unreachable')
})

t.test('rules of a section are logged as it says, unless they say it themselves', async t => {
  const text = `default drop
section from 10.1.0.0/16 to any log 5/minute "from here"
  web: allow tcp 80
  ssh: drop tcp 22 log "ssh"
end
rest: allow udp from any to any
`
  const { lines, complaints } = parse(text)
  t.same(complaints, [])
  const written = text.replace('log 5/minute', 'log new 5/minute')
  t.equal(formatFile(lines), written)
  t.equal(formatFile(parse(textOfSpec(specOf(lines)).text).lines), written)
  const [web, ssh, rest] = rulesOf(text).tiers[1]!.map(({ rule }) => rule.log)
  t.same(web, { rate: { count: 5, per: 'minute' }, text: 'from here' })
  t.same([ssh, rest], [{ text: 'ssh' }, undefined])
})

t.test('a VLAN is what is in its networks', async t => {
  const text = 'default drop\na: allow tcp 80 from vlan 100 to any except vlan 200\n'
  const { lines, complaints } = parse(text)
  t.same(complaints, [])
  t.equal(formatFile(lines), text)
  const loaded = loadText(new Parser(), 'p.rules', text)
  const known = knownAddresses(['100=10.1.0.0/24', '200=10.2.0.0/24'])
  const resolved = resolve([{ name: 'p', order: 0, loaded }], factsOf(known, 0))
  const says = (from: string, to: string) =>
    decide(resolved, connectionInWords(from as Ip, to as Ip, 'tcp 80')).verdict
  t.equal(says('10.1.0.9', '10.9.0.1'), 'allow')
  t.equal(says('10.1.0.9', '10.2.0.1'), 'drop')
  t.equal(says('10.3.0.9', '10.9.0.1'), 'drop')
})

t.test('a move into, or out of, a section is said with its ends', async t => {
  const hints = (text: string) => {
    const policies = [{ name: 'p', order: 0, loaded: loadText(new Parser(), 'p.rules', text) }]
    return lint(policies, resolve(policies, noFacts(0)), noFacts(0)).map(({ hint, edit }) => [
      hint,
      edit?.do,
    ])
  }
  t.same(hints('default drop\na: drop tcp\nsection from 10.1.0.0/16\nb: allow tcp 80\nend\n')[0], [
    'move line 4 above p.rules:2 with the "from" and "to" of its section written out, or remove it',
    undefined,
  ])
  t.same(
    hints(
      'default drop\nsection to 10.1.0.0/16\na: drop tcp\nend\nb: allow tcp 80 to 10.1.0.0/24\n',
    )[0],
    [
      'move line 5 above p.rules:3, above the section there, with its "from" and "to" written out, or remove it',
      undefined,
    ],
  )
  t.equal(
    hints('default drop\nsection to 10.1.0.0/16\na: drop tcp\nb: allow tcp 80\n')[0]![1],
    'move-above',
  )
})

t.test('what cannot be meant', async t => {
  const rows: readonly (readonly [text: string, message: RegExp])[] = [
    ['section', /a section has "from", "to" or both/],
    ['end', /no section is open here/],
    ['a: drop tcp from vlan 5000', /"5000" is no VLAN/],
    ['section log', /a section has "from", "to" or both/],
    ['section from any except 10.0.0.1\ntier main\nend', /no section is open here/],
    ['allow tcp 22 except 1-100', /no port is left/],
    ['allow tcp except from any', /ports behind "except" are missing/],
    ['allow tcp, udp except 53', /would be all of TCP/],
    ['allow tcp 21 except 22 helper ftp', /port 21 only/],
    ['drop tcp 22 with port-unreachable', /"with" belongs to "reject"/],
    ['audit reject tcp 22 with port-unreachable', /"with" belongs to "reject"/],
    ['reject tcp 22 with reset', /"reset" is no answer/],
    ['section from nobody\na: allow tcp 80', /nobody/],
  ]
  for (const [text, message] of rows) {
    const loaded = loadText(new Parser(), 'p.rules', `default drop\n${text}\n`)
    const { complaints } = resolve([{ name: 'p', order: 0, loaded }], noFacts(0))
    t.match(complaints[0]?.message, message, text)
  }
})
