import t from 'tap'
import type { Dpid } from '../../../src/base/addresses.js'
import type { Entries, Entry } from '../../../src/topology/intents/entries.js'
import { nextStage } from '../../../src/topology/intents/stages.js'

/** `a>b b>c c` is a way over the places a, b and c; `b=2` has other rows than `b`. */
const way = (text: string, lane = 'lane'): Entries => {
  const entries = text
    .split(' ')
    .filter(word => word !== '')
    .map((word, index): [string, Entry] => {
      const [from = '', next] = word.split('>')
      const key = from.split('=')[0]!
      const entry = {
        key,
        lane,
        dpid: key as Dpid,
        isEntrance: index === 0 && !lane.startsWith('tree'),
        next: next === undefined ? [] : [next],
        text: word,
        flows: [],
        groups: [],
      }
      return [key, entry]
    })
  return new Map(entries)
}

const words = (entries: Entries) =>
  [...entries.values()]
    .map(entry => entry.text)
    .sort()
    .join(' ')

/** All stages until nothing moves, each confirmed. */
const stages = (now: Entries, wanted: Entries): string[] => {
  const found: string[] = []
  for (let before = now; ; ) {
    const next = nextStage(before, wanted, new Set())
    if (next === before) return found
    found.push(words(next))
    before = next
  }
}

t.test('a first path is laid from its end backwards', async t => {
  t.same(stages(way(''), way('a>b b>c c')), ['c', 'b>c c', 'a>b b>c c'])
})

t.test(
  'another path is laid first, then entered, then the old one goes from its beginning',
  async t => {
    t.same(stages(way('a>b b>c c'), way('a>d d>e e')), [
      'a>b b>c c d>e e',
      'a>d b>c c d>e e',
      'a>d c d>e e',
      'a>d d>e e',
    ])
  },
)

t.test('where paths part late, the parting is changed when the rest is there', async t => {
  t.same(stages(way('a>b b>c c'), way('a>b b>d d')), ['a>b b>c c d', 'a>b b>d c d', 'a>b b>d d'])
})

t.test('a tree is changed from its root outwards', async t => {
  // The root is beyond c; a and b turn around.
  t.same(stages(way('a>b b>c c', 'tree r'), way('b>a a>c c', 'tree r')), ['a>c b>c c', 'a>c b>a c'])
})

t.test('nothing goes on before the switches that are needed have confirmed', async t => {
  const half = nextStage(way('a>b b>c c'), way('a>d d>e e'), new Set())
  t.equal(nextStage(half, way('a>d d>e e'), new Set(['d' as Dpid])), half)
  t.equal(nextStage(half, way('a>d d>e e'), new Set(['e' as Dpid])), half, 'further on, too')
  const entered = nextStage(half, way('a>d d>e e'), new Set())
  t.equal(nextStage(entered, way('a>d d>e e'), new Set(['a' as Dpid])), entered)
})

t.test('what is not wanted any more goes from its beginning', async t => {
  t.same(stages(way('a>b b>c c'), way('')), ['b>c c', 'c', ''])
})
