import t from 'tap'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import { type DeclaredLink, LinkBook } from '../../src/topology/links/link-book.js'
import { Measurements } from '../../src/topology/links/measurements.js'
import { portKey } from '../../src/topology/model.js'
import { at, nameOf } from './wires.js'

const bookOf = () => {
  const env = new SimulatedEnv()
  const log: string[] = []
  const book = new LinkBook(env, ({ kind, from, to, reason }) =>
    log.push(`${kind} ${nameOf(from)} ${nameOf(to)}${reason ? `: ${reason}` : ''}`),
  )
  const see = (from: string, to: string, isForeign = false) =>
    book.seen({ from: at(from), to: at(to), cost: 1, ...(isForeign && { isForeign }) })
  const lose = (from: string, to: string) =>
    book.lost({ from: at(from), to: at(to), cost: 1 }, 'port down')
  return { env, book, log, see, lose, news: () => log.splice(0) }
}

t.test('a link is used when both directions are proven, until one is lost', async t => {
  const { book, see, lose, news } = bookOf()
  t.equal(see('1:1', '2:1'), false)
  t.equal(book.links.size, 0)
  t.equal(see('2:1', '1:1'), true)
  t.equal(book.links.size, 2)
  t.same(news(), ['link-up 1:1 2:1', 'link-up 2:1 1:1'])
  t.equal(lose('2:1', '1:1'), true)
  t.equal(book.links.size, 0)
  t.same(news(), ['link-down 1:1 2:1: port down', 'link-down 2:1 1:1: port down'])
})

t.test('a direction without a way back is told after 3 s, once', async t => {
  const { env, book, see, news } = bookOf()
  see('1:1', '2:1')
  await env.advance(2_900)
  book.tick()
  t.same(news(), [])
  await env.advance(200)
  book.tick()
  book.tick()
  t.same(news(), ['link-one-way 1:1 2:1: nothing comes back'])
})

t.test('fibres that are crossed are told', async t => {
  const { env, book, see, news } = bookOf()
  see('1:1', '2:1')
  see('2:1', '3:1')
  await env.advance(3_100)
  book.tick()
  t.same(news(), [
    'link-miswired 1:1 2:1: the way back from 0000000000000002/1 leads to 0000000000000003/1',
    'link-one-way 2:1 3:1: nothing comes back',
  ])
  t.equal(book.links.size, 0)
})

t.test('a link that leads elsewhere than declared is told, and used', async t => {
  const { book, see, news } = bookOf()
  const declared = new Map<string, DeclaredLink>([
    [portKey(at('1:1')), { peer: at('3:1'), cost: 4 }],
  ])
  book.declare(ref => declared.get(portKey(ref)) ?? {})
  see('1:1', '2:1')
  see('2:1', '1:1')
  t.equal(news()[0], 'link-miswired 1:1 2:1: it should lead to 0000000000000003/1')
  t.equal(book.links.get(portKey(at('1:1')))?.cost, 4)
})

t.test('a link that flaps is the last choice until it has been quiet', async t => {
  const { env, book, see, lose, news } = bookOf()
  see('1:1', '2:1')
  for (let index = 0; index < 4; index++) {
    see('2:1', '1:1')
    lose('2:1', '1:1')
    await env.advance(300)
  }
  t.ok(news().includes('link-damped 1:1 2:1: it came and went too often'))
  see('2:1', '1:1')
  t.equal(book.links.size, 2, 'it is there')
  for (const port of ['1:1', '2:1'])
    t.match(book.links.get(portKey(at(port))), { cost: 1_000_000_001, isDamped: true }, port)
  news()
  for (let index = 0; index < 200; index++) {
    lose('2:1', '1:1')
    see('2:1', '1:1')
  }
  t.equal(news().length, 0, 'of 200 more flaps nobody is told')
  await env.advance(61_000)
  t.equal(book.tick(), true)
  t.equal(book.links.size, 2)
  t.match(book.links.get(portKey(at('1:1'))), { cost: 1, isDamped: undefined })
  t.same(news().sort(), ['link-released 1:1 2:1', 'link-released 2:1 1:1'])
})

t.test('three falls in an hour hold nothing back', async t => {
  const { env, book, see, lose } = bookOf()
  see('1:1', '2:1')
  for (let index = 0; index < 12; index++) {
    see('2:1', '1:1')
    t.equal(book.links.size, 2)
    lose('2:1', '1:1')
    await env.advance(20 * 60_000)
    book.tick()
  }
})

t.test('what is measured changes a link only when it is news', async t => {
  const { book, see } = bookOf()
  see('1:1', '2:1')
  see('2:1', '1:1')
  const link = () => book.links.get(portKey(at('1:1')))!
  t.equal(book.measured(at('1:1'), { latencyMillis: 2, rttMillis: 3.456 }), true)
  t.match(link(), { latencyMillis: 2, rttMillis: 3.46 })
  t.equal(book.measured(at('1:1'), { latencyMillis: 2.3 }), false)
  t.equal(book.measured(at('1:1'), { latencyMillis: 4 }), true)
  t.equal(book.measured(at('1:1'), { utilisation: 0.02 }), false)
  t.equal(book.measured(at('1:1'), { utilisation: 0.5 }), true)
  t.equal(link().utilisation, 0.5)
  t.equal(book.measured(at('9:9'), { latencyMillis: 4 }), false)
})

t.test('a declared latency stays', async t => {
  const { book, see } = bookOf()
  book.declare(() => ({ latencyMillis: 7 }))
  see('1:1', '2:1')
  t.equal(book.measured(at('1:1'), { latencyMillis: 2 }), false)
  see('2:1', '1:1')
  t.equal(book.links.get(portKey(at('1:1')))?.latencyMillis, 7)
})

t.test('a link across a switch that is not ours costs more', async t => {
  const { book, see } = bookOf()
  see('1:1', '2:1', true)
  see('2:1', '1:1', true)
  t.match(book.links.get(portKey(at('1:1'))), { isForeign: true, cost: 8 })
})

t.test(
  'latency is the round trip less the way to the switches; use is octets against speed',
  async t => {
    const env = new SimulatedEnv()
    const measured = new Measurements(env.clock)
    const after = (millis: number) =>
      new Promise<void>(resolve => void env.timers.after(millis, resolve))
    const asked = Promise.all([
      measured.timed(at('1:1').dpid, after(2)),
      measured.timed(at('2:1').dpid, after(4)),
    ])
    await env.advance(10)
    await asked
    const link = { from: at('1:1'), to: at('2:1'), cost: 1 }
    t.equal(measured.latencyOf(link, 8), 5, '8 less 1 to get there and 2 to hear of it')
    t.equal(measured.latencyOf(link, 30), 5, 'one probe that had to wait says nothing')
    for (let run = 0; run < 8; run++) measured.latencyOf(link, 13)
    t.equal(measured.latencyOf(link, 13), 10, 'eight of them do')
    t.equal(measured.latencyOf(link, 1), 0, 'never less than nothing')
    t.equal(measured.useOf(at('1:1'), 0n, 1_000), undefined, 'the first count says nothing')
    await env.advance(5_000)
    // 312,500 octets in 5 s are 500 kb/s.
    t.equal(measured.useOf(at('1:1'), 312_500n, 1_000), 0.5)
    t.equal(
      measured.useOf(at('1:1'), 10n, 1_000),
      undefined,
      'a new port counts from the beginning',
    )
  },
)

t.test('a damped link is restored as what it was before', async t => {
  const { book } = bookOf()
  const damped = { cost: 1_000_000_003, isDamped: true }
  book.restore([
    { from: at('1:1'), to: at('2:1'), ...damped },
    { from: at('2:1'), to: at('1:1'), ...damped },
  ])
  t.match(book.links.get(portKey(at('1:1'))), { cost: 3, isDamped: undefined })
})
