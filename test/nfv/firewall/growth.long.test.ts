/** Rule files that grow by doubling cost as much for each character as small ones; and looking at them ends in time. */
import t from 'tap'
import { type Grow, growing } from '../../../bench/hostile.js'
import { checkFiles } from '../../../src/nfv/firewall/meaning/check-files.js'

const look = (source: string, isOver?: () => boolean) =>
  checkFiles([{ name: 'p', path: 'p.rules', source, includes: {} }], 0, false, isOver)

/** The least of several, in seconds of the processor. */
const cost = async (source: string): Promise<number> => {
  let least = Number.POSITIVE_INFINITY
  for (let run = 0; run < 3 && (run === 0 || least < 0.5); run++) {
    const before = process.cpuUsage()
    await look(source)
    const { user, system } = process.cpuUsage(before)
    least = Math.min(least, (user + system) / 1e6)
  }
  return least
}

const longest = 30_000
/** What takes less says nothing. */
const shortestSeconds = 0.04

/** How much more each character costs than in a file of an eighth of the size: 1 where time is linear, 8 where it is quadratic. */
const rateOf = async (grow: Grow): Promise<number> => {
  let size = 64
  while (grow(2 * size).length <= longest) size *= 2
  const [small, large] = [grow(size / 8), grow(size)]
  const seconds = await cost(large)
  if (seconds < shortestSeconds) return 0
  return seconds / large.length / ((await cost(small)) / small.length)
}

/** They mean as much as the square of their size, and have budgets: bounds.test.ts holds those. */
const squares = new Set([
  'a chain of variables that grows',
  'variables in rules',
  'variables in zones',
  'a zone in many zones',
  'zones that grow',
  'services that grow',
])

t.test('time for each character stays about the same', { timeout: 250_000 }, async t => {
  for (const [name, grow] of Object.entries(growing)) {
    if (squares.has(name)) continue
    let rate = await rateOf(grow)
    // Others take their turns on the machine: what is linear is so once in a few tries, what is quadratic never.
    for (let tries = 0; rate >= 5 && tries < 4; tries++) rate = Math.min(rate, await rateOf(grow))
    t.ok(rate < 5, `${name}: ${rate.toFixed(2)} times`)
  }
  const memory = process.resourceUsage().maxRSS / 1_024
  t.ok(memory < 1_000, `${memory.toFixed(0)} MiB at the most`)
})

t.test('what is quadratic is noticed', { timeout: 60_000 }, async t => {
  let rate = 0
  for (let tries = 0; rate <= 5 && tries < 4; tries++)
    rate = Math.max(rate, await rateOf(growing['variables in rules']!))
  t.ok(rate > 5, `${rate.toFixed(2)} times`)
})

t.test('a check ends in time, and says what it has not looked at', async t => {
  const rules = Array.from({ length: 4_000 }, (_, at) => `allow tcp ${at + 1} from 10.0.0.0/8`)
  const source = `${rules.join('\n')}\ntest "a" 10.0.0.1 -> 10.0.0.2 tcp 5 allow\ntest "b" 10.0.0.1 -> 10.0.0.2 tcp 6 allow\n`
  t.equal((await look(source, () => false)).isGood, true)
  const { isGood, text } = await look(source, () => true)
  t.equal(isGood, false)
  t.match(text, 'there was no more time: lines from here on were not looked at')
})
