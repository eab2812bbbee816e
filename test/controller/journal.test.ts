/** The journal keeps what happened for a while, and a flood of one hides no other. */
import { pino } from 'pino'
import t from 'tap'
import { fairly, Journal, type JournalEntry } from '../../src/controller/events.js'

const clock = { nowMillis: () => 0, wallMillis: () => 0 }
const journal = () => new Journal(clock, pino({ level: 'silent' }))

const all = (from: Journal): JournalEntry[] => {
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
