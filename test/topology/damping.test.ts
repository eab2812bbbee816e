/** A link that comes and goes is used only where there is no other way. */
import t from 'tap'
import { countMessages, end, ring, switchNames, Whole } from './whole.js'

const flap = async (whole: Whole, times: number) => {
  for (let time = 0; time < times; time++) {
    whole.network.linkDown(end('s1', 1), end('s2', 2))
    await whole.env.advance(400)
    whole.network.linkUp(end('s1', 1), end('s2', 2))
    await whole.env.advance(800)
  }
}

t.test('the only way stays in use, and is marked', async t => {
  const links = [{ a: end('s1', 1), b: end('s2', 2) }]
  const hosts = [1, 2].map(number => ({ name: `h${number}`, at: end(`s${number}`, 10) }))
  const whole = await Whole.start({ switches: switchNames(2), links, hosts })
  await whole.ping('h1', 'h2')
  await flap(whole, 6)
  t.same(
    [...whole.controller.topology.current.links.values()].map(({ cost, isDamped }) => [
      cost,
      isDamped,
    ]),
    [
      [1_000_000_001, true],
      [1_000_000_001, true],
    ],
  )
  t.type(await whole.ping('h1', 'h2'), 'number')
  await whole.env.advance(90_000)
  t.same(
    [...whole.controller.topology.current.links.values()].map(({ cost }) => cost),
    [1, 1],
  )
  t.type(await whole.ping('h1', 'h2'), 'number')
  await whole.stop()
})

t.test('where there is another way, that is taken, and more flaps change no group', async t => {
  const whole = await Whole.start(ring(4))
  for (const host of ['h2', 'h3', 'h4']) await whole.ping('h1', host)
  await flap(whole, 5)
  t.type(await whole.ping('h1', 'h2'), 'number')
  const counts = countMessages(whole.network)
  const before = [...whole.controller.topology.current.links.values()]
  t.equal(before.filter(link => link.isDamped).length, 2)
  await flap(whole, 5)
  t.equal(counts.get('group-mod') ?? 0, 0)
  t.type(await whole.ping('h1', 'h2'), 'number')
  await whole.stop()
})
