/** A switch that died while the light on its cables stays on, and one that only lost its controller. */
import t from 'tap'
import { fastDiscovery } from '../../src/topology/discovery/discovery.js'
import { end, switchNames, Whole } from './whole.js'
import { at, Wires } from './wires.js'

/*
 *   1:1 ── 2:1    2:2 ── 3:1    1:2 ── 3:2
 */
const triangle = async (options = {}) => {
  const wires = new Wires(options)
  wires.cable('1:1', '2:1')
  wires.cable('2:2', '3:1')
  wires.cable('1:2', '3:2')
  for (const node of [1, 2, 3]) wires.watch(node, 1, 2)
  await wires.env.advance(12_000)
  wires.news()
  return wires
}
const dpid = (node: number) => at(`${node}:1`).dpid
const lost = (wires: Wires) =>
  wires
    .news()
    .filter(line => line.startsWith('lost'))
    .sort()
/** Links to and from switch 2. */
const itsLinks = [
  'lost 1:1 to 2:1: probes stopped coming',
  'lost 2:1 to 1:1: probes stopped coming',
  'lost 2:2 to 3:1: probes stopped coming',
  'lost 3:1 to 2:2: probes stopped coming',
]
const loseController = (wires: Wires, node: number) => {
  for (const port of [1, 2]) wires.discovery.forget(at(`${node}:${port}`), false)
}

for (const [how, options, millis] of [
  ['by default within 1 s', {}, 1_000],
  ['where configured within 300 ms', fastDiscovery, 300],
] as const) {
  t.test(`a switch that stops while it is connected loses its links ${how}`, async t => {
    const wires = await triangle(options)
    wires.hung.add(dpid(2))
    wires.dead.add(dpid(2))
    await wires.env.advance(millis)
    t.same(lost(wires), itsLinks)
  })

  t.test(`a switch that dies with its connection loses its links ${how}`, async t => {
    const wires = await triangle(options)
    wires.hung.add(dpid(2))
    wires.dead.add(dpid(2))
    loseController(wires, 2)
    await wires.env.advance(millis)
    t.same(lost(wires), itsLinks)
  })
}

t.test('a switch that only lost its controller keeps its links, however long it takes', async t => {
  const wires = await triangle()
  wires.hung.add(dpid(2))
  await wires.env.advance(10_000)
  t.same(lost(wires), [], 'while the connection hangs')
  loseController(wires, 2)
  await wires.env.advance(600_000)
  t.same(lost(wires), [], 'and when it has gone')
  wires.dead.add(dpid(2))
  await wires.env.advance(1_000)
  t.same(lost(wires), itsLinks, 'until it dies')
})

t.test(
  'a switch without a controller that stops for a while is used again when it goes on',
  async t => {
    const wires = await triangle()
    wires.hung.add(dpid(2))
    loseController(wires, 2)
    wires.dead.add(dpid(2))
    await wires.env.advance(60_000)
    const news = wires.news()
    t.notOk(news.includes('1:1 is edge'), 'nobody is let in where it was')
    wires.dead.delete(dpid(2))
    await wires.env.advance(1_000)
    t.same(
      wires
        .news()
        .filter(line => line.startsWith('link'))
        .sort(),
      ['link 1:1 to 2:1', 'link 2:1 to 1:1', 'link 2:2 to 3:1', 'link 3:1 to 2:2'],
    )
  },
)

t.test('a switch without a controller whose one cable is cut loses that link alone', async t => {
  const wires = await triangle()
  wires.hung.add(dpid(2))
  loseController(wires, 2)
  await wires.env.advance(5_000)
  wires.news()
  wires.cut('2:1')
  await wires.env.advance(1_000)
  t.same(lost(wires), itsLinks.slice(0, 2))
})

t.test('an echo of another switch, or one that is forged or old, keeps no link', async t => {
  const wires = await triangle()
  wires.hung.add(dpid(2))
  loseController(wires, 2)
  await wires.env.advance(3_000)
  const echo = wires.sent.findLast(each => each.at === '1:1' && each.frame[12] === 0x81)!.frame
  wires.dead.add(dpid(2))
  wires.news()
  for (let time = 0; time < 20; time++) {
    await wires.env.advance(50)
    const fresh = wires.sent.findLast(each => each.at === '1:1' && each.frame[12] === 0x81)!.frame
    const returned = (frame: Uint8Array, port: number) => {
      const bytes = frame.slice()
      bytes[5] = 0x0d
      bytes.set([0x0e, 0, 0, 0, 0, port], 6)
      return bytes
    }
    wires.discovery.receive(at('1:1'), returned(echo, 1))
    const forged = returned(fresh, 1)
    forged[forged.length - 10]! ^= 1
    wires.discovery.receive(at('1:1'), forged)
    wires.discovery.receive(at('1:1'), returned(fresh, 9))
  }
  t.same(lost(wires), itsLinks)
})

/*
 *        1 s2 2
 *      1/      \1
 *  h1 ─ s1 2    s4 ─ h4     two equal ways
 *       2\      /2
 *        1 s3 2
 */
const diamond = {
  switches: switchNames(4),
  hosts: [
    { name: 'h1', at: end('s1', 10) },
    { name: 'h2', at: end('s2', 10) },
    { name: 'h3', at: end('s3', 10) },
    { name: 'h4', at: end('s4', 10) },
  ],
  links: [
    { a: end('s1', 1), b: end('s2', 1) },
    { a: end('s1', 2), b: end('s3', 1) },
    { a: end('s4', 1), b: end('s2', 2) },
    { a: end('s4', 2), b: end('s3', 2) },
  ],
}

t.test('traffic goes around a dead switch, and on through one without a controller', async t => {
  const whole = await Whole.start(diamond)
  await whole.ping('h1', 'h4')
  await whole.ping('h1', 'h2')
  await whole.env.advance(10_000)
  // No controller: nothing is lost, though everything else goes on.
  whole.network.switch('s2').disconnect()
  await whole.env.advance(30_000)
  t.equal(whole.events('link-down').length, 0)
  t.type(await whole.ping('h1', 'h2'), 'number', 'a host behind it is reached')
  // Dead: its frames vanish.
  whole.network.switch('s2').receive = () => undefined
  await whole.env.advance(1_000)
  t.equal(whole.events('link-down').length, 4)
  for (let time = 0; time < 5; time++) t.type(await whole.ping('h1', 'h4'), 'number')
  await whole.stop()
})
