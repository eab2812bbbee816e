/** Of the rules a switch gets what may be asked about connections that its own hosts open, or that are opened to them. */
import t from 'tap'
import { formatIpv4, formatIpv6, type Ip } from '../../../src/base/addresses.js'
import { createCompiler } from '../../../src/nfv/firewall/flows/compile.js'
import { Choosers, Concern, OwnAddresses } from '../../../src/nfv/firewall/flows/switch-rows.js'
import { decide } from '../../../src/nfv/firewall/meaning/decide.js'
import type { Connection } from '../../../src/pipeline/connection.js'
import type { Section } from '../../../src/pipeline/program.js'
import { OneSwitch } from './one-switch.js'
import { isSameAnswer, randomConnection, randomPolicy, rulesOf, seeded } from './random-policy.js'

const rowsOf = (sections: readonly Section[]): number =>
  sections.reduce((sum, { flows }) => sum + flows.length, 0)

const compiled = (text: string): readonly Section[] => createCompiler().compile(rulesOf(text), 7)

/** Few of the addresses of the small world. */
const someAddresses = (dice: ReturnType<typeof seeded>): Ip[] =>
  Array.from({ length: 9 }, (_, number) => [
    formatIpv4(0x0a000000 + number),
    formatIpv6((0xfdn << 120n) + BigInt(number)),
  ]).flatMap(both => both.filter(() => dice(8) === 0))

interface Found {
  readonly wrongs: readonly string[]
  /** Connections of strangers that got another answer than all rules give. */
  readonly strangers: number
  readonly rows: number
  readonly all: number
}

const compare = (seed: number, policies: number): Found => {
  const dice = seeded(seed)
  const wrongs: string[] = []
  let [strangers, rows, all] = [0, 0, 0]
  for (let round = 0; round < policies; round++) {
    const policy = randomPolicy(dice)
    const resolved = rulesOf(policy)
    const whole = createCompiler().compile(resolved, 7)
    const own = someAddresses(dice)
    const part = new Concern().sections(whole, new OwnAddresses(own))
    all += rowsOf(whole)
    rows += rowsOf(part)
    const net = new OneSwitch()
    net.load(part)
    for (let count = 0; count < 60; count++) {
      const connection = randomConnection(dice)
      const isSame = isSameAnswer(decide(resolved, connection), net.open(connection))
      if (isSame) continue
      if (own.includes(connection.source) || own.includes(connection.destination))
        wrongs.push(`${JSON.stringify(connection)} of ${own}\n${policy}`)
      else strangers++
    }
  }
  return { wrongs, strangers, rows, all }
}

t.test('own hosts get the answers that all rules give', async t => {
  const { wrongs, strangers, rows, all } = compare(20_261_125, 200)
  t.same(wrongs.slice(0, 3), [])
  t.comment(`${rows} of ${all} rows`)
  t.ok(rows < 0.9 * all, 'rows for others were left out')
  t.ok(strangers > 30, 'and this test would see a row that is missing')
})

const two = `default drop
here: allow tcp 80 from 10.1.0.0/16 to 10.8.0.0/16
there: allow tcp 80 from 10.2.0.7 to 10.9.0.7
both: drop tcp 81 from 10.1.0.0/16, 10.2.0.0/16 to 10.9.0.0/16
open: allow udp 53
six: allow tcp 80 from fd00::/64 to fd09::/64
`

const named = (sections: readonly Section[]): string[] => [
  ...new Set(
    sections
      .flatMap(({ flows }) => flows)
      .filter(({ origin, table }) => origin.kind === 'policy' && table.startsWith('rules'))
      .map(({ origin }) => origin.name.replace(/^.*\//, '')),
  ),
]

t.test('rules for others are left out, rules for all stay', async t => {
  const at = (...ips: string[]) =>
    named(new Concern().sections(compiled(two), new OwnAddresses(ips as Ip[]))).sort()
  const always = ['default', 'dhcp', 'open']
  t.same(at(), always, 'a switch whose hosts are not known yet')
  t.same(at('10.1.2.3'), ['both', ...always.slice(0, 2), 'here', 'open'].sort())
  t.same(at('10.2.0.7'), ['both', ...always, 'there'].sort())
  t.same(at('10.2.0.8'), ['both', ...always].sort())
  t.same(at('fd00::9'), [...always, 'six'].sort())
  t.same(at('10.8.0.1'), ['here', ...always].sort(), 'what is opened to them')
  t.same(at('10.9.0.7'), ['both', ...always, 'there'].sort())
  t.same(at('fd09::9'), [...always, 'six'].sort())
})

t.test('of a conjunction nothing is left when none of its ends is', async t => {
  const wide = `default drop
wide: allow tcp 80, 443, 8080, 22, 25 from 10.1.0.1, 10.1.0.3, 10.1.0.5, 10.1.0.7 to 10.9.0.1, 10.9.0.3, 10.9.0.5, 10.9.0.7
`
  const whole = compiled(wide)
  const conjunctions = (sections: readonly Section[]) =>
    sections
      .flatMap(({ flows }) => flows)
      .filter(
        ({ actions, match }) => match.conj_id !== undefined || actions[0]?.kind === 'conjunction',
      ).length
  t.ok(conjunctions(whole) > 10)
  const at = (ip: string) =>
    conjunctions(new Concern().sections(whole, new OwnAddresses([ip as Ip])))
  t.equal(at('10.1.0.2'), 0)
  t.equal(at('10.1.0.3'), conjunctions(whole) - 3, 'one of four sources')
  t.equal(at('10.9.0.5'), conjunctions(whole) - 3, 'one of four destinations')
  const both = new Concern().sections(whole, new OwnAddresses(['10.1.0.3', '10.9.0.5'] as Ip[]))
  t.equal(conjunctions(both), conjunctions(whole), 'one of each')
})

t.test('where a rule has a helper, all rules stay', async t => {
  const whole = compiled(`${two}ftp: allow tcp 21 helper ftp from 10.1.0.0/16 to any\n`)
  t.equal(new Concern().sections(whole, new OwnAddresses([])), whole)
})

t.test('what says the same is the same object', async t => {
  const whole = compiled(two)
  const concern = new Concern()
  const first = concern.sections(whole, new OwnAddresses(['10.1.0.1' as Ip]))
  t.equal(concern.sections(whole, new OwnAddresses(['10.1.0.1' as Ip])), first)
  t.equal(
    concern.sections(whole, new OwnAddresses(['10.1.0.1', '10.1.0.2'] as Ip[])),
    first,
    'a host of whom no rule speaks by itself changes nothing',
  )
  const other = concern.sections(whole, new OwnAddresses(['10.1.0.1', '10.2.0.7'] as Ip[]))
  t.not(other, first)
  t.equal(other.filter(section => !first.includes(section)).length > 0, true)
})

t.test('who has no address yet is asked about by rules for nobody and for all', async t => {
  const resolved = rulesOf('default drop\nd: drop udp 67 from 0.0.0.0 to any\ne: allow udp 67\n')
  const net = new OneSwitch()
  net.load(new Concern().sections(createCompiler().compile(resolved, 7), new OwnAddresses([])))
  const asks: Connection = {
    source: '0.0.0.0' as Ip,
    destination: '255.255.255.255' as Ip,
    protocol: 17,
    sourcePort: 68,
    destinationPort: 67,
  }
  t.equal(net.open(asks).verdict, 'drop')
})

t.test('the rows are looked at once, not for each switch', async t => {
  const source = Array.from(
    { length: 200 },
    (_, n) => `r${n}: drop tcp ${n + 1} from 10.1.0.${n} to 10.2.0.${n}\n`,
  ).join('')
  let looks = 0
  const sections = compiled(source).map(section => ({
    ...section,
    flows: section.flows.map(flow =>
      Object.defineProperty({ ...flow }, 'match', {
        get: () => {
          looks++
          return flow.match
        },
      }),
    ),
  }))
  const choosers = new Choosers()
  const rowsFor = (ip: string) =>
    rowsOf(new Concern(choosers).sections(sections, new OwnAddresses([ip as Ip])))
  const few = rowsFor('10.1.0.1')
  t.ok(few < rowsOf(sections) - 150, 'rows of others are left out')
  t.ok(looks > 200, `${looks} looks`)
  looks = 0
  for (let n = 2; n < 50; n++) t.equal(rowsFor(`10.1.0.${n}`), few)
  t.equal(looks, 0)
})
