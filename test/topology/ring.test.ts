import t from 'tap'
import { end, ring, Whole } from './whole.js'

t.test('a ring of four: everybody reaches everybody, nothing storms', async t => {
  const whole = await Whole.start(ring(4))
  t.equal(whole.controller.topology.current.links.size, 8)
  for (const from of ['h1', 'h2', 'h3', 'h4'])
    for (const to of ['h1', 'h2', 'h3', 'h4'])
      if (from !== to) t.ok((await whole.ping(from, to)) !== undefined, `${from} to ${to}`)
  await whole.env.advance(5_000)
  const before = whole.network.counters.carried
  await whole.env.advance(5_000)
  const perSecond = (whole.network.counters.carried - before) / 5
  t.ok(perSecond < 40, `${perSecond} frames a second at rest: the probes`)
  await whole.stop()
})

t.test('a cable is pulled: pings go on the other way', async t => {
  const whole = await Whole.start(ring(4))
  await whole.ping('h1', 'h2')
  whole.network.linkDown(end('s1', 1), end('s2', 2))
  await whole.env.advance(50)
  t.ok((await whole.ping('h1', 'h2')) !== undefined)
  t.equal(whole.controller.topology.current.links.size, 6)
  await whole.stop()
})

t.test('a cable dies without a word: found within a second, pings go on', async t => {
  const whole = await Whole.start(ring(4))
  await whole.ping('h1', 'h2')
  whole.network.cut(end('s1', 1), end('s2', 2))
  whole.network.cut(end('s2', 2), end('s1', 1))
  await whole.env.advance(1_000)
  t.equal(whole.controller.topology.current.links.size, 6)
  t.ok((await whole.ping('h1', 'h2')) !== undefined)
  await whole.stop()
})
