import t from 'tap'
import { type Grow, growing, mixed, reported } from '../../../bench/hostile.js'
import { lint } from '../../../src/nfv/firewall/lint/index.js'
import { lintOverlaps } from '../../../src/nfv/firewall/lint/overlaps.js'
import { checkFiles } from '../../../src/nfv/firewall/meaning/check-files.js'
import { noFacts } from '../../../src/nfv/firewall/meaning/environment.js'
import { Resolver } from '../../../src/nfv/firewall/meaning/resolve.js'
import { Budget, limits, noLimits, quickLimits } from '../../../src/nfv/firewall/text/limits.js'
import { loadPolicy, loadText } from '../../../src/nfv/firewall/text/load.js'
import { Parser, parse } from '../../../src/nfv/firewall/text/parse.js'

const check = (source: string) =>
  checkFiles([{ name: 'p', path: 'p.rules', source, includes: {} }], 0)

const resolved = (text: string, most = limits) => {
  const loaded = loadText(new Parser(), 'p.rules', text)
  return new Resolver().resolve([{ name: 'p', order: 0, loaded }], noFacts(0), most)
}

/** Seconds of the processor: what else runs on the machine does not count. */
const cpuSeconds = async (work: () => Promise<unknown>): Promise<number> => {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}

/** What all budgets together may cost, and what each character may. */
const fixedSeconds = 15
const secondsPerCharacter = 100e-6
const longestAnswer = 200_000

const grow = async (name: string, one: Grow, largest: number) => {
  for (let size = 64; size <= largest; size *= 4) {
    const text = one(size)
    if (text.length > 100_000) return
    let answer = ''
    const seconds = await cpuSeconds(async () => {
      const report = await check(text)
      answer = report.text
    })
    const most = fixedSeconds + text.length * secondsPerCharacter
    if (seconds > most) t.fail(`${name}, ${size}: ${seconds.toFixed(1)} s for ${text.length}`)
    if (answer.length > longestAnswer && !answer.includes('unfinished'))
      t.ok(answer.length < 3 * text.length + longestAnswer, `${name}, ${size}: ${answer.length}`)
  }
}

t.test(
  'every construct grown by doubling ends in an answer, in time',
  { timeout: 280_000 },
  async t => {
    for (const [name, one] of Object.entries(growing)) await grow(name, one, 64)
    for (let seed = 1; seed <= 4; seed++) {
      const [name, one] = mixed(seed)
      await grow(name, one, 256)
    }
    t.pass(`${Object.keys(growing).length} constructs`)
  },
)

t.test('files that stopped a controller once', { timeout: 280_000 }, async t => {
  for (const [name, text] of Object.entries(reported)) {
    const seconds = await cpuSeconds(() => check(text))
    t.ok(seconds < 60, `${name}: ${seconds.toFixed(1)} s`)
  }
  t.match((await check('include "constructor"\n')).text, 'there is no such file')
})

t.test('each limit is told with its place and the way out', async t => {
  const told = async (text: string) => (await check(text)).text.split('\n')[0]
  t.equal(
    await told(reported['doubling variables']!),
    'p.rules:19:17: the statement has more than 400,000 words and commas, with what variables stand for',
  )
  t.equal(
    await told('\n'.repeat(250_001)),
    'p.rules:250000:1: the policy has more than 250,000 lines with all that it includes',
  )
  t.equal(
    await told(`# ${'x'.repeat(8_000_000)}\n`),
    'p.rules:1:1: the policy has more than 8,000,000 characters with all that it includes',
  )
  t.match(
    await told(growing['variables in zones']!(8_192)),
    /^p\.rules:\d+:1: the policy has more than 1,500,000 words up to here/,
  )
  t.match(
    await told(growing['zones that grow']!(2_100)),
    /^p\.rules:\d+:1: zones, services and rules are put together from more than 2,000,000 ranges/,
  )
  t.match(
    await told(growing['ranges of IPv6']!(8_192)),
    /^p\.rules:2:1: the rules need more than 500,000 flows in a switch up to here/,
  )
  t.match(
    await told(`allow tcp 80\n${'allow tcp 81\n'.repeat(64_000)}`),
    'p.rules:64001:1: tier main has more than 64,000 rules up to here',
  )
  t.match(
    await told(growing.ports!(2_048)),
    'p.rules:1:1: a service has more than 1,024 separate ranges of ports',
  )
  t.match(
    await told(growing['stateless below what shuts']!(8_192)),
    'there is too much above the stateless rules that shuts',
  )
  t.match(await told(growing.schedules!(400)), /there are more than 256 different schedules/)
  t.match(await told(growing.tests!(20_000)), 'there are more than 10,000 tests for 3 rules')
  t.match(
    await told(`zone ${'a'.repeat(256)} = 10.0.0.1\n`),
    'the name of the zone is longer than 255 characters',
  )
})

t.test('a hundred mistakes of a file are told, and that it was not read further', async t => {
  const { complaints, isCut } = parse(growing['lines that are no rules']!(1_000), 'p.rules')
  t.equal(complaints.length, 101)
  t.equal(isCut, true)
  t.equal(
    complaints.at(-1)!.message,
    'there are 100 mistakes up to here; what follows was not read',
  )
  t.equal(parse(growing['lines that are no rules']!(99), 'p.rules').complaints.length, 99)
  const unknown = resolved(growing['names that are not defined']!(500)).complaints
  t.equal(unknown.length, 101)
  t.equal(unknown.at(-1)!.message, 'there are 400 mistakes more than these 100')
})

t.test('large files that mean something are taken', { timeout: 120_000 }, async t => {
  const zone = `zone a = ${Array.from({ length: 100_000 }, (_, at) => `10.${(at >> 15) & 255}.${(at >> 7) & 255}.${(2 * at) & 255}`).join(', ')}\n`
  t.same(resolved(`${zone}allow tcp 80 from a\n`).complaints, [])
  const rules = Array.from(
    { length: 50_000 },
    (_, at) => `allow tcp ${1 + (at % 60_000)} from 10.0.0.0/8`,
  ).join('\n')
  t.same(resolved(rules).complaints, [])
  t.equal(resolved(rules, quickLimits).isCut, undefined, 'without being tried elsewhere first')
  t.same(resolved(growing['zones in the wrong order']!(20_000)).complaints, [])
  t.same(parse(growing['a chain of variables']!(10_000), 'p.rules').complaints, [])
})

t.test('a file that comes in small edits is bounded as the whole is', async t => {
  const parser = new Parser()
  const text = growing['members of a zone']!(2_000)
  const most = { ...limits, words: 3_000 }
  const load = (source: string) => loadPolicy(parser, 'p.rules', source, () => '', { limits: most })
  t.equal((await load(text)).isCut, true)
  const half = growing['members of a zone']!(700)
  t.equal((await load(half)).isCut, undefined)
  t.equal((await load(`${half}${half.replace('zone a', 'zone b')}`)).isCut, undefined)
  t.equal((await load(`${half}${half}${half}`)).isCut, true, 'lines that stayed count as well')
})

t.test('without the budget the same files do ask for too much', async t => {
  const budget = new Budget(noLimits)
  new Parser().parse(growing['a variable that doubles']!(18), 'p.rules', budget)
  t.ok(budget.words > limits.statementWords, `${budget.words} words`)
  const free = new Resolver().resolve(
    [
      {
        name: 'p',
        order: 0,
        loaded: loadText(new Parser(), 'p.rules', 'allow tcp 80\n'.repeat(64_001)),
      },
    ],
    noFacts(0),
  )
  t.equal(free.isCut, undefined)
  t.equal(free.tiers[1]!.length, 64_001)
})

t.test('what is not compared is said', async t => {
  const rules = resolved(growing['boxes that overlap']!(8))
  const remarks = lintOverlaps(rules, noFacts(0), 10_000)
  t.equal(remarks.at(-1)?.kind, 'unfinished')
  t.notOk(lintOverlaps(rules, noFacts(0)).some(({ kind }) => kind === 'unfinished'))
})

t.test('ends of different versions of IP are remarked upon, in every tier', async t => {
  for (const tier of ['admin', 'main', 'application', 'baseline'])
    for (const above of ['', 'tier admin\nallow tcp 22 from 10.0.0.1\n']) {
      const text = `default drop\n${above}tier ${tier}\na: allow tcp 80 from 10.0.0.1 to 2001:db8::1\nb: allow icmp6 from 10.0.0.1 to 10.0.0.2\nc: allow tcp 80 from 10.0.0.1 to 10.0.0.2\n`
      const loaded = loadText(new Parser(), 'p.rules', text)
      const policies = [{ name: 'p', order: 0, loaded }]
      const remarks = lint(policies, new Resolver().resolve(policies, noFacts(0)), noFacts(0))
      t.same(
        remarks.map(({ kind, level, message }) => `${kind} ${level} ${message}`),
        [
          'empty warning "a" never speaks: its ends are of different versions of IP',
          'empty warning "b" never speaks: its service is of IPv6, its ends are of IPv4',
        ],
        `${tier}${above && ', below another'}`,
      )
    }
})
