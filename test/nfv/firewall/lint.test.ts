/** Remarks of `sluice check`: kind, both lines, and the edit that is proposed. */
import t from 'tap'
import { formatIpv4 } from '../../../src/base/addresses.js'
import { areSame } from '../../../src/base/same.js'
import { without } from '../../../src/nfv/firewall/lint/boxes.js'
import { entriesOf, mayMeet, Neighbours } from '../../../src/nfv/firewall/lint/entries.js'
import { formatRemark, lintHits, type Remark } from '../../../src/nfv/firewall/lint/index.js'
import { check } from '../../../src/nfv/firewall/meaning/check.js'
import { type Facts, noFacts } from '../../../src/nfv/firewall/meaning/environment.js'
import { resolve } from '../../../src/nfv/firewall/meaning/resolve.js'
import { Effort } from '../../../src/nfv/firewall/text/limits.js'
import { loadText } from '../../../src/nfv/firewall/text/load.js'
import { Parser } from '../../../src/nfv/firewall/text/parse.js'
import { pick, rulesOf, seeded } from './random-policy.js'

const facts: Facts = { ...noFacts(Date.UTC(2026, 10, 25)), isOffline: false }
const policy = (text: string) => ({
  name: 'p',
  order: 0,
  loaded: loadText(new Parser(), 'p.rules', text),
})
const remarks = (text: string, known = facts): readonly Remark[] =>
  check([policy(text)], known).remarks
const edits = (text: string) =>
  remarks(text).map(({ kind, line, otherLine, edit }) => [kind, line, otherLine, edit])

t.test('each remark proposes an edit', async t => {
  t.same(
    edits('default drop\na: drop tcp from any to 10.0.0.0/8\nb: allow tcp 80 to 10.1.0.0/16\n'),
    [['shadowed', 3, 2, { do: 'move-above', above: { file: 'p.rules', line: 2 } }]],
  )
  t.same(edits('default drop\nzone a = 10.0.0.1\nb: allow tcp 80 to 10.1.0.0/16\n'), [
    ['unused', 2, undefined, { do: 'remove' }],
  ])
  const service = (more: string) =>
    edits(`default drop\nservice s = tcp 22${more}\nb: allow tcp 80 to 10.1.0.0/16\n`)
  t.same(service(''), [['unused', 2, undefined, { do: 'remove' }]])
  t.same(service(' timeout 8h'), [], 'a timeout is of the ports')
  const [shadowed] = remarks('default drop\na: drop tcp\nb: allow tcp 80\n')
  t.equal(
    formatRemark(shadowed!),
    'p.rules:3: "b" never speaks: "a" (p.rules:2) takes all of it before\n  move line 3 above p.rules:2, or remove it',
  )
})

t.test('a higher tier may leave nothing; what it passes on it leaves', async t => {
  const admin = (pass: string) =>
    `default drop\ntier admin\n${pass}  stop: drop tcp 23\ntier main\n  old: allow tcp 23 to 10.0.0.0/8\n`
  t.match(edits(admin('')), [['unreachable', 5, 3, undefined]])
  t.same(
    edits(admin('  lab: pass tcp 23 from 10.9.0.0/16\n')),
    [],
    'some of it comes through from the lab',
  )
  t.match(
    edits(`default drop
tier admin
  lab: pass tcp 23 from 10.9.0.0/16
  stop: drop tcp 23
tier main
  none: drop tcp 23 from 10.9.0.0/16
  old: allow tcp 23 to 10.0.0.0/8
`),
    [['unreachable', 7, 4]],
    'and the next tier may take that',
  )
  t.match(
    edits(
      'default drop\ntier admin\n  a: drop tcp 23\ntier main\n  b: drop tcp 23 to 10.0.0.0/8\n',
    ),
    [['redundant', 5, 3, { do: 'remove' }]],
  )
})

t.test('an allow that leaves two of three open is wide', async t => {
  const wide = (rule: string) =>
    remarks(`default drop\na: ${rule}\n`)
      .filter(one => one.kind === 'too-wide')
      .map(one => one.message)
  t.same(wide('allow any'), ['"a" is wide: it allows any service from anywhere to anywhere'])
  t.same(wide('allow tcp 22'), ['"a" is wide: it allows from anywhere to anywhere'])
  t.same(wide('allow tcp to 10.0.0.0/8'), ['"a" is wide: it allows any service from anywhere'])
  t.same(wide('allow-stateless any from 10.0.0.0/8 to 0.0.0.0/0'), [
    '"a" is wide: it allows any service to anywhere',
  ])
  t.same(wide('allow tcp 80, 443 to 10.0.0.0/8'), [], 'a public service is meant to be open')
  t.same(wide('allow any from 10.0.0.0/8 to 10.0.0.0/8'), [])
  t.same(wide('drop any'), [])
  t.same(wide('audit allow any'), [])
})

t.test('hosts without an address are remarked upon in a network only', async t => {
  const text = 'default drop\nb: allow tcp 80 from host nobody\n'
  t.match(remarks(text), [{ kind: 'empty', line: 2 }])
  t.same(remarks(text, noFacts(facts.nowMillis)), [])
})

t.test('rules in force that have decided nothing', async t => {
  const resolved = resolve([policy('default drop\na: allow tcp 80\nb: allow tcp 81\n')], facts)
  const busy = resolved.tiers[1]![0]!.rule
  const found = (youngest: string) =>
    lintHits(
      resolved,
      rule => (rule === busy ? 7 : 0),
      () => '2026-11-20T08:00:00.000Z',
      Date.parse(youngest),
    )
  t.same(found('2026-11-20T07:59:00Z'), [], 'the policy is too young to say so')
  t.same(found('2026-11-20T08:00:00Z'), [
    {
      kind: 'never-hit',
      level: 'warning',
      file: 'p.rules',
      line: 3,
      message: '"b" has decided nothing yet; its policy was last changed 2026-11-20T08:00:00.000Z',
      hint: 'remove line 3, if nobody needs it',
      edit: { do: 'remove' },
    },
  ])
})

t.test('the rules that one is held against are all that it can meet', async t => {
  const dice = seeded(20_261_125)
  const cidr = () => {
    const length = pick(dice, [0, 8, 12, 16, 20, 24, 32])
    const address = (((10 << 24) | (dice(4) << 16) | dice(65536)) & (-1 << (32 - length))) >>> 0
    if (length === 0) return pick(dice, ['any', 'fd00::/16', 'fd00::1'])
    return `${formatIpv4(address)}/${length}`
  }
  const lines = Array.from({ length: 300 }, () => `allow tcp 80 from ${cidr()} to ${cidr()}`)
  const entries = entriesOf(rulesOf(`default drop\n${lines.join('\n')}\n`).tiers[1]!)
  const effort = new Effort(10_000_000)
  const neighbours = new Neighbours(entries, effort)
  t.ok(entries.length > 200, 'the others have ends of different versions of IP')
  let met = 0
  let covered = 0
  for (const [index, entry] of entries.entries()) {
    const wanted = entries.filter((other, at) => at < index && mayMeet(entry, other, effort))
    met += wanted.length
    if (!wanted.every((other, at) => neighbours.before(index)[at] === other)) t.fail(lines[index]!)
    if (neighbours.before(index).length !== wanted.length) t.fail(lines[index]!)
    const below = entries.filter((other, at) => at > index && mayMeet(entry, other, effort))
    if (!areSame([...neighbours.after(index)], below)) t.fail(`below ${lines[index]}`)
    const holders = [...neighbours.containing(index)]
    const covering = wanted.filter(
      ({ boxes }) => without(entry.boxes, boxes, 100, effort)?.length === 0,
    )
    covered += covering.length
    if (!covering.every(other => holders.includes(other))) t.fail(`around ${lines[index]}`)
  }
  t.equal(effort.isSpent, false)
  t.ok(met > 1_000, `${met} pairs`)
  t.ok(covered > 100, `${covered} of them cover`)
})

t.test('what Open vSwitch sees in part is remarked upon', async t => {
  const of = (text: string) =>
    remarks(`default drop\n${text}\n`)
      .filter(({ kind }) => kind === 'not-enforced')
      .map(({ message }) => message)
  const ends = (four: boolean) => (four ? 'from 10.0.0.1 to 10.0.0.2' : 'from fd00::1 to fd00::2')
  t.same(of(`a: allow-stateless udp 4789 ${ends(true)}`), [])
  t.same(of(`a: allow-stateless udp ${ends(true)}`), [])
  t.same(of(`a: allow-stateless tcp 80 ${ends(true)}`), [])
  const epsv = 'Open vSwitch before 3.7 does not read EPSV and EPRT of FTP over IPv4'
  t.same(of(`a: allow tcp 21 helper ftp ${ends(true)}`), [epsv])
  t.same(of(`a: allow tcp 21 helper ftp ${ends(false)}`), [])
})

t.test(
  'a port of a switch whose name others have is remarked, with the one that is meant',
  async t => {
    const dpids: Readonly<Record<string, readonly string[]>> = {
      br0: ['00000000000000aa', '00000000000000bb'],
      s1: ['0000000000000001'],
    }
    const known: Facts = {
      ...facts,
      portAddresses: () => [],
      switchesMeant: port => dpids[port.split(':')[0]!] ?? [],
    }
    const found = (text: string) =>
      remarks(text, known)
        .filter(({ kind }) => kind === 'ambiguous')
        .map(formatRemark)
    t.same(found('default drop\na: allow tcp 80 from port br0:1 to 10.0.0.1\n'), [
      'p.rules:2: 2 switches are named "br0": this means 00000000000000aa, which was seen first\n' +
        '  write "port 00000000000000aa:1", or "port 00000000000000bb:1"',
    ])
    t.equal(
      found('default drop\nzone z = port br0:eth1\na: allow tcp 80 from z to any\n').length,
      1,
    )
    t.same(found('default drop\na: allow tcp 80 from port s1:1 to 10.0.0.1\n'), [])
    t.same(found('default drop\na: allow tcp 80 from port 00000000000000aa:1 to 10.0.0.1\n'), [])
  },
)
