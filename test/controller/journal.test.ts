/** The journal keeps what happened for a while, and a flood of one hides no other. */
import { pino } from 'pino'
import t from 'tap'
import { fairly, Journal, type JournalEntry, type Told } from '../../src/controller/journal.js'

type Event = Told & { readonly [member: string]: unknown }

const clock = { nowMillis: () => 0, wallMillis: () => 0 }
const journal = () => new Journal<Event>(clock, pino({ level: 'silent' }))

const sequences = (entries: readonly JournalEntry[]) => entries.map(each => each.sequence)

const all = (from: Journal<Event>): JournalEntry[] => {
  const found: JournalEntry[] = []
  for (;;) {
    const page = from.since(found.at(-1)?.sequence ?? 0)
    if (page.length === 0) return found
    found.push(...page)
  }
}

t.test('a rule that is flooded does not push out what others logged', async t => {
  const one = journal()
  one.add({ kind: 'link-down' })
  for (let n = 0; n < 10; n++) one.add({ kind: 'rule-logged', policy: 'p', rule: 'quiet' })
  for (let n = 0; n < 30_000; n++) one.add({ kind: 'rule-rejected', policy: 'p', rule: 'noisy' })
  const found = all(one)
  const count = (rule: string) => found.filter(entry => entry.rule === rule).length
  t.equal(count('quiet'), 10)
  t.equal(found[0]!.kind, 'link-down')
  t.ok(found.length <= 11_000 && count('noisy') >= 9_900, `${found.length} are kept`)
  t.equal(found.at(-1)!.sequence, 30_011, 'the newest are')
})

t.test('who has little keeps all of it, the others share what is left', async t => {
  const entries = ['a', 'b', 'b', 'b', 'c', 'c', 'c', 'c'].map((rule, index) => ({
    kind: 'rule-logged',
    policy: 'p',
    rule,
    sequence: index + 1,
    time: '',
  }))
  t.equal(
    fairly(entries, 5)
      .map(entry => `${entry.rule}${entry.sequence}`)
      .join(' '),
    'a1 b3 b4 c7 c8',
  )
  t.equal(fairly(entries, 8).length, 8)
})

t.test('numbers go on behind a restart, and what is missing is told, never left out', async t => {
  const life = (count: number, starts: number) => {
    const one = new Journal<Event>(clock, pino({ level: 'silent' }), starts)
    for (let n = 0; n < count; n++) one.add({ kind: 'link-up' })
    return one
  }
  const first = life(3, 1)
  t.same(sequences(first.since(0)), [10_000_000_001, 10_000_000_002, 10_000_000_003])
  t.same(sequences(first.since(10_000_000_002)), [10_000_000_003])
  t.same(first.since(first.last), [])
  const second = life(2, 2)
  t.match(second.since(first.last), [
    { kind: 'gap', after: first.last, sequence: 20_000_000_000, reason: /started again/ },
    { sequence: 20_000_000_001 },
    { sequence: 20_000_000_002 },
  ])
  t.match(life(0, 2).since(first.last), [{ kind: 'gap', sequence: 20_000_000_000 }])
  t.match(second.since(99_999_999_999_999), [
    { kind: 'gap', after: 99_999_999_999_999, reason: /not given/ },
    { sequence: 20_000_000_001 },
    {},
  ])
  t.same(sequences(second.since(0)), [20_000_000_001, 20_000_000_002], 'all that is kept')
})

t.test('random floods: whoever follows misses nothing without being told', async t => {
  let seed = 7
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((seed / 2 ** 31) * below)
  }
  const one = new Journal<Event>(clock, pino({ level: 'silent' }), 1)
  const had = new Set<number>()
  let after = one.last
  let told = 0
  let isInOrder = true
  for (let n = 0; n < 60_000; n++) {
    one.add({ kind: 'rule-logged', policy: 'p', rule: `r${random(4)}` })
    if (random(15_000) !== 0) continue
    for (const entry of one.since(after, 1 + random(3_000))) {
      if (entry.kind === 'gap') told += entry.sequence - Number(entry.after)
      else had.add(entry.sequence)
      isInOrder &&= entry.sequence > after
      after = entry.sequence
    }
  }
  for (const entry of one.since(after, 100_000)) {
    if (entry.kind === 'gap') told += entry.sequence - Number(entry.after)
    else had.add(entry.sequence)
  }
  t.ok(isInOrder)
  t.ok(told > 0, 'some were dropped')
  t.equal(had.size + told, 60_000, 'every event came, or was said to be missing')
})
