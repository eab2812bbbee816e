/** A protected path carries on by itself wherever a link or a switch of it dies. */
import t from 'tap'
import type { End } from '../../../src/sim/network.js'
import { end } from '../whole.js'
import { begin, follow, lines } from './lines.js'

const upper: readonly (readonly [End, End])[] = [
  [end('s1', 1), end('s2', 1)],
  [end('s2', 2), end('s3', 1)],
  [end('s3', 2), end('s4', 1)],
  [end('s4', 2), end('s5', 1)],
]
const wish = { from: '10.0.0.1', to: '10.0.0.3', protection: 'disjoint' }
const installed = {
  state: 'installed',
  path: ['s1', 's2', 's3', 's4', 's5'],
  backup: ['s1', 's6', 's7', 's8', 's5'],
}
/** Where each cut turns a ping around, there and back. */
const detours = [
  's1 s6 s7 s8 s5 s5 s4 s3 s2 s3 s4 s5 s8 s7 s6 s1',
  's1 s2 s1 s6 s7 s8 s5 s5 s4 s3 s4 s5 s8 s7 s6 s1',
  's1 s2 s3 s2 s1 s6 s7 s8 s5 s5 s4 s5 s8 s7 s6 s1',
  's1 s2 s3 s4 s3 s2 s1 s6 s7 s8 s5 s5 s8 s7 s6 s1',
]

for (const [index, [a, b]] of upper.entries())
  t.test(`the link ${a.name}-${b.name} dies while there is no controller`, async t => {
    const { whole, apply } = await begin(lines(false))
    t.same(await apply(wish), installed)
    await whole.ping('h1', 'h3')
    await whole.stopController()
    const seen = follow(whole)
    whole.network.linkDown(a, b)
    t.type(await whole.ping('h1', 'h3', 300), 'number')
    t.equal(seen.join(' '), detours[index])
    seen.length = 0
    t.type(await whole.ping('h1', 'h3', 300), 'number', 'and goes on')
    whole.network.linkUp(a, b)
    seen.length = 0
    await whole.ping('h1', 'h3', 300)
    t.equal(seen.join(' '), 's1 s2 s3 s4 s5 s5 s4 s3 s2 s1', 'as before when it is back')
    whole.network.stop()
  })

t.test('a switch in the middle dies while there is no controller', async t => {
  const { whole, apply } = await begin(lines(true))
  t.same(await apply(wish), installed)
  await whole.ping('h1', 'h3')
  await whole.stopController()
  whole.network.linkDown(end('s2', 2), end('s3', 1))
  whole.network.linkDown(end('s3', 2), end('s4', 1))
  whole.network.linkDown(end('s3', 3), end('s7', 3))
  t.type(await whole.ping('h1', 'h3', 300), 'number')
  whole.network.stop()
})

t.test('without protection the same cut does cut, as long as there is no controller', async t => {
  const { whole, apply } = await begin(lines(false))
  t.match(await apply({ ...wish, protection: 'none' }), { state: 'installed' })
  await whole.ping('h1', 'h3')
  await whole.stopController()
  whole.network.linkDown(...(upper[1] as [End, End]))
  t.equal(await whole.ping('h1', 'h3', 300), undefined)
  whole.network.stop()
})

t.test('where two ways share a switch, they share no link and the status says so', async t => {
  // s3 and s7 are one: both lines cross there.
  const spec = lines(false)
  const links = [
    ...spec.links!.filter(({ a, b }) => ![a.name, b.name].includes('s7')),
    { a: end('s6', 2), b: end('s3', 4) },
    { a: end('s3', 5), b: end('s8', 1) },
  ]
  const hosts = spec.hosts!.filter(({ name }) => name !== 'h4')
  const { whole, apply } = await begin({ ...spec, links, hosts })
  t.same(await apply(wish), {
    state: 'degraded',
    reason: 'no two paths without a switch in common: they share no link',
    path: ['s1', 's2', 's3', 's4', 's5'],
    backup: ['s1', 's6', 's3', 's8', 's5'],
  })
  t.match(await apply({ ...wish, protection: 'link-disjoint' }), { state: 'installed' })
  await whole.ping('h1', 'h3')
  await whole.stopController()
  for (const [a, b] of upper) {
    whole.network.linkDown(a, b)
    t.type(await whole.ping('h1', 'h3', 300), 'number', `${a.name}-${b.name}`)
    whole.network.linkUp(a, b)
  }
  whole.network.stop()
})

t.test(
  'with the controller the path is led anew, and nothing is lost on the way there',
  async t => {
    const { whole, apply, declared } = await begin(lines(true))
    await apply(wish)
    await whole.ping('h1', 'h3')
    let lost = 0
    whole.network.linkDown(...(upper[2] as [End, End]))
    for (let ping = 0; ping < 100; ping++)
      if ((await whole.ping('h1', 'h3', 100)) === undefined) lost++
    t.equal(lost, 0)
    t.match(declared.status('Intent', 'voice'), {
      state: 'degraded',
      reason: 'no two paths without a link in common keep the conditions',
      path: ['s1', 's6', 's7', 's8', 's5'],
    })
    await whole.stop()
  },
)
