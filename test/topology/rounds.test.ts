/** Links kept alive by rounds: one frame over all links of a switch. */
import t from 'tap'
import { dpidOf } from './networks.js'
import { end, ring, Whole } from './whole.js'
import { at, Wires } from './wires.js'

/*
 *       1 s2        s1 has the lower end of both links: its rounds go over 1, then 2
 *     1/
 *   s1
 *     2\
 *       1 s3
 */
const star = async (...mute: number[]) => {
  const wires = new Wires()
  for (const node of mute) wires.mute.add(dpidOf(node))
  wires.cable('1:1', '2:1')
  wires.cable('1:2', '3:1')
  wires.watch(1, 1, 2)
  wires.watch(2, 1)
  wires.watch(3, 1)
  await wires.env.advance(12_000)
  wires.news()
  wires.sent.length = 0
  return wires
}
const rounds = (wires: Wires) =>
  wires.sent.filter(({ frame }) => frame[5] === 0x03 && frame[12] === 0x88)
const direct = (wires: Wires) => wires.sent.filter(({ frame }) => frame[5] === 0x0e)

t.test(
  'at rest one frame keeps all links of a switch, and now and then each end proves itself',
  async t => {
    const wires = await star()
    await wires.env.advance(60_000)
    t.same([...new Set(rounds(wires).map(each => each.at))], ['1:1'])
    const [round, proof] = [rounds(wires).length, direct(wires).length]
    t.ok(round >= 80 && round <= 110, `${round} rounds in a minute`)
    t.ok(proof >= 4 * 4 && proof <= 4 * 8, `${proof} frames of four ends`)
    t.same(wires.news(), [])
  },
)

t.test('a round is confirmed by coming back: no barrier goes with it', async t => {
  const wires = await star()
  wires.confirmedCount = 0
  await wires.env.advance(60_000)
  const [asked, turns] = [wires.confirmedCount, rounds(wires).length]
  // The three switches, once in sixteen turns each: 60 s are 100 turns.
  t.ok(asked >= 15 && asked <= 21, `${asked} barriers, ${turns} rounds`)
})

t.test('a round keeps no link whose ends do not prove themselves any more', async t => {
  const wires = await star()
  wires.faint.add('2:1')
  await wires.env.advance(30_000)
  t.ok(wires.news().includes('lost 2:1 to 1:1: probes stopped coming'))
  const same = await star()
  await same.env.advance(30_000)
  t.same(same.news(), [], 'nor is one lost that does')
})

t.test('a link of a round that fails silently is lost within a second, and no other', async t => {
  for (const from of ['1:1', '2:1', '1:2', '3:1']) {
    const wires = await star()
    wires.cut(from)
    await wires.env.advance(1_000)
    const lost = wires.news().filter(line => line.startsWith('lost'))
    t.equal(lost.length, 1, from)
    t.match(lost[0], `lost ${from} to `)
  }
})

t.test(
  'where switches send nothing back, links are kept as before, and rounds are rare',
  async t => {
    const wires = await star(3)
    await wires.env.advance(60_000)
    t.same(wires.news(), [])
    t.ok(rounds(wires).length <= 12, `${rounds(wires).length} rounds in a minute`)
  },
)

t.test('a frame of a round that somebody else sends makes no link and keeps none', async t => {
  const wires = await star()
  await wires.env.advance(3_000)
  const { frame } = rounds(wires).at(-1)!
  const forged = frame.slice()
  forged[5] = 0x0d
  forged.set([0x0e, 0, 0, 0, 0, 1], 6)
  wires.cut('1:2')
  wires.news()
  for (let time = 0; time < 20; time++) {
    await wires.env.advance(50)
    wires.discovery.receive(at('1:2'), forged)
    wires.discovery.receive(at('9:9'), forged)
  }
  const news = wires.news()
  t.ok(news.includes('lost 1:2 to 3:1: probes stopped coming'))
  t.equal(news.filter(line => line.startsWith('link ')).length, 0)
  t.ok(news.includes('refused at 1:2: replayed') || news.includes('refused at 1:2: stale'))
})

t.test('the rows of switches carry rounds, also when links come and go', async t => {
  const whole = await Whole.start(ring(5))
  const counts = { round: 0, direct: 0 }
  for (const one of whole.network.switches.values()) {
    const received = one.received.bind(one)
    one.received = (channel, message) => {
      if (message.kind === 'packet-out' && message.data[5] === 0x03) counts.round++
      if (message.kind === 'packet-out' && message.data[5] === 0x0e) counts.direct++
      received(channel, message)
    }
  }
  await whole.env.advance(20_000)
  // Four switches have a lower end: s1 two of them.
  t.ok(counts.round >= 4 * 25, `${counts.round} rounds in 20 s`)
  t.ok(counts.direct <= 80, `${counts.direct} single frames, instead of ${10 * 33}`)
  whole.network.linkDown(end('s2', 1), end('s3', 2))
  await whole.env.advance(5_000)
  whole.network.linkUp(end('s2', 1), end('s3', 2))
  await whole.env.advance(6_000)
  Object.assign(counts, { round: 0, direct: 0 })
  await whole.env.advance(20_000)
  t.ok(counts.round >= 4 * 25, `${counts.round} rounds in 20 s`)
  const down = whole.events('link-down')
  t.equal(down.length, 2, 'nothing but the link that was pulled')
  await whole.stop()
})
