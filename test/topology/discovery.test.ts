import t from 'tap'
import { defaultDiscovery, fastDiscovery } from '../../src/topology/discovery/discovery.js'
import { aHost, at, Wires } from './wires.js'

/** Two switches and a cable between their first ports; port 2 of each has nothing. */
const pair = (...options: ConstructorParameters<typeof Wires>) => {
  const wires = new Wires(...options)
  wires.cable('1:1', '2:1')
  wires.watch(1, 1, 2)
  wires.watch(2, 1, 2)
  return wires
}

t.test(
  'a cable becomes a link in both directions at once, other ports edge when they stay quiet',
  async t => {
    const wires = pair()
    await wires.env.advance(50)
    t.same(wires.news().sort(), [
      '1:1 is fabric',
      '2:1 is fabric',
      'link 1:1 to 2:1',
      'link 2:1 to 1:1',
    ])
    await wires.env.advance(340)
    t.same(wires.news(), [], 'not decided before the quiet time')
    await wires.env.advance(100)
    t.same(wires.news().sort(), ['1:2 is edge', '2:2 is edge'])
  },
)

t.test('a port is not quiet before the switch has confirmed the probes', async t => {
  const wires = new Wires()
  wires.hung.add(at('1:1').dpid)
  wires.watch(1, 1)
  await wires.env.advance(5_000)
  t.same(wires.news(), [])
})

for (const [name, options, limitMillis] of [
  ['by default within 1 s', defaultDiscovery, 1_000],
  ['where configured within 300 ms', fastDiscovery, 300],
] as const)
  t.test(`a link that fails silently is lost ${name}`, async t => {
    for (const waitMillis of [3_000, 3_111, 3_333, 3_457, 3_590]) {
      const wires = pair(options)
      await wires.env.advance(waitMillis)
      wires.news()
      wires.cut('1:1')
      wires.cut('2:1')
      await wires.env.until(() => wires.log.filter(line => line.startsWith('lost')).length === 2)
      const tookMillis = wires.env.clock.nowMillis() - waitMillis
      t.ok(tookMillis <= limitMillis, `after ${tookMillis} ms`)
      t.ok(wires.log.includes('lost 1:1 to 2:1: probes stopped coming'))
    }
  })

t.test('one lost probe takes no link away', async t => {
  const wires = pair()
  await wires.env.advance(3_000)
  wires.news()
  for (let run = 0; run < 60; run++) {
    wires.cut('1:1')
    await wires.env.advance(120)
    wires.lay('1:1', '2:1')
    await wires.env.advance(511)
  }
  t.same(wires.news(), [])
})

t.test('only the direction that fails is lost', async t => {
  const wires = pair()
  await wires.env.advance(3_000)
  wires.news()
  wires.cut('1:1')
  await wires.env.advance(1_500)
  t.same(
    wires.news().filter(line => line.startsWith('lost')),
    ['lost 1:1 to 2:1: probes stopped coming'],
  )
})

t.test('a switch that says nothing any more takes no link away', async t => {
  const wires = pair()
  await wires.env.advance(3_000)
  wires.news()
  wires.hung.add(at('2:1').dpid)
  await wires.env.advance(20_000)
  t.same(wires.news(), [])
})

t.test('a program that was busy takes no link away', async t => {
  const wires = pair()
  await wires.env.advance(3_000)
  wires.news()
  // Everything that is due within four seconds comes late, the timers first.
  const { clock } = wires.env
  const nowMillis = clock.nowMillis.bind(clock)
  let lateMillis = 0
  Object.assign(clock, { nowMillis: () => nowMillis() + lateMillis })
  lateMillis = 4_000
  await wires.env.advance(2_000)
  t.same(wires.news(), [])
})

t.test('round trips are timed by the clock, also while discovery stands still', async t => {
  const wires = new Wires()
  wires.cable('1:1', '2:1', 7.5)
  wires.watch(1, 1)
  wires.watch(2, 1)
  const times: number[] = []
  wires.discovery.on('link-measured', (_, rttMillis) => times.push(rttMillis))
  // The program is busy again and again: timers come late by half a second.
  const { clock } = wires.env
  const nowMillis = clock.nowMillis.bind(clock)
  let lateMillis = 0
  Object.assign(clock, { nowMillis: () => nowMillis() + lateMillis })
  for (let pause = 0; pause < 40; pause++) {
    lateMillis += 500
    await wires.env.advance(501)
  }
  t.ok(times.length > 5)
  t.ok(
    times.every(each => each >= 7.5),
    `nothing comes back before it went: ${Math.min(...times)}`,
  )
  t.ok(times.some(each => each < 8))
})

t.test('of a port that goes down discovery says nothing, and finds its link again', async t => {
  const wires = pair()
  await wires.env.advance(1_000)
  wires.news()
  wires.discovery.forget(at('1:1'), true)
  t.same(wires.news(), [], 'who knows that it is down takes the link away')
})

t.test('a switch that is gone takes no link away', async t => {
  const wires = pair()
  await wires.env.advance(1_000)
  wires.news()
  wires.discovery.forget(at('2:1'), false)
  await wires.env.advance(10_000)
  t.same(wires.news(), [])
})

t.test('a cable that is plugged elsewhere is another link', async t => {
  const wires = pair()
  await wires.env.advance(2_000)
  wires.news()
  wires.cable('1:1', '2:2')
  wires.cut('2:1')
  await wires.env.advance(10_000)
  const news = wires.news()
  t.ok(news.includes('lost 1:1 to 2:1: wired to another port'))
  t.ok(news.includes('link 1:1 to 2:2'))
  t.ok(news.includes('link 2:2 to 1:1'))
})

t.test('probes stay within the budget: periods stretch', async t => {
  const wires = new Wires({ probesPerSecond: 20 })
  for (let node = 1; node <= 20; node++) {
    wires.cable(`${node}:1`, `${(node % 20) + 1}:2`)
    wires.watch(node, 1, 2)
  }
  await wires.env.advance(10_000)
  const before = wires.sent.length
  await wires.env.advance(20_000)
  const perSecond = (wires.sent.length - before) / 20
  t.ok(perSecond <= 25, `${perSecond} a second instead of ${40 / 0.6}`)
  t.ok(perSecond > 10)
  t.same(
    wires.news().filter(line => line.startsWith('lost')),
    [],
  )
})

t.test('edge ports are probed slowly, links faster', async t => {
  const wires = pair()
  await wires.env.advance(5_000)
  wires.sent.length = 0
  await wires.env.advance(30_000)
  const count = (from: string) => wires.sent.filter(each => each.at === from).length
  t.ok(count('1:1') >= 50 && count('1:1') <= 80, `${count('1:1')} on a link in 30 s`)
  t.ok(count('1:2') >= 10 && count('1:2') <= 18, `${count('1:2')} frames on an edge port in 30 s`)
})

t.test('a switch that is not ours between two of ours makes a link that is marked', async t => {
  const wires = new Wires()
  wires.segment('1:1', '2:1')
  wires.watch(1, 1)
  wires.watch(2, 1)
  await wires.env.advance(700)
  t.same(wires.news().sort(), [
    '1:1 is fabric',
    '2:1 is fabric',
    'link 1:1 to 2:1, foreign',
    'link 2:1 to 1:1, foreign',
  ])
  await wires.env.advance(20_000)
  t.same(wires.news(), [], 'it stays')
  wires.cut('1:1')
  await wires.env.advance(1_500)
  t.ok(wires.news().includes('lost 1:1 to 2:1: probes stopped coming'))
})

t.test('of three ports on one segment one is shut', async t => {
  const wires = new Wires()
  wires.segment('1:1', '2:1', '3:1')
  for (const node of [1, 2, 3]) wires.watch(node, 1)
  await wires.env.advance(10_000)
  const news = wires.news()
  t.ok(news.includes('shut 3:1: another port leads to the same segment'), news.join('\n'))
  const links = news.filter(line => line.startsWith('link'))
  t.same(links.sort(), ['link 1:1 to 2:1, foreign', 'link 2:1 to 1:1, foreign'])
  t.notOk(news.includes('3:1 is edge'))
})

t.test('two edge ports on a segment where hosts live: one stays, the other is shut', async t => {
  const wires = new Wires()
  wires.watch(1, 1)
  wires.watch(2, 1)
  await wires.env.advance(1_000)
  wires.news()
  wires.inhabited.set('1:1', aHost)
  wires.segment('1:1', '2:1')
  await wires.env.advance(12_000)
  t.same(wires.news(), ['2:1 is unknown', 'shut 2:1: another port leads to the same segment'])
})

t.test('a port that leads to itself stays shut', async t => {
  const wires = new Wires()
  wires.lay('1:1', '1:1')
  wires.watch(1, 1)
  await wires.env.advance(30_000)
  t.same(wires.news(), ['shut 1:1: it leads to itself'])
  wires.cut('1:1')
  await wires.env.advance(30_000)
  t.same(wires.news(), ['1:1 is edge'])
})
