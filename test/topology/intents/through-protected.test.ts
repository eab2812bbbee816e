/** A path through a switch that both ways must pass is protected all the same: only that switch may not die. */
import t from 'tap'
import type { End, NetworkSpec } from '../../../src/sim/network.js'
import { end, switchNames } from '../whole.js'
import { begin, isIpv4 } from './lines.js'

/*
 *      1 s2 2\    /1 s5 2
 *    1/      1\  /3     1\
 *  s1          s4         s7     and s8, a short cut from s1 to s7 that does not pass s4
 *    2\      2/  \4     2/
 *      1 s3 2/    \1 s6 2
 */
const links: readonly { readonly a: End; readonly b: End }[] = [
  { a: end('s1', 1), b: end('s2', 1) },
  { a: end('s1', 2), b: end('s3', 1) },
  { a: end('s2', 2), b: end('s4', 1) },
  { a: end('s3', 2), b: end('s4', 2) },
  { a: end('s4', 3), b: end('s5', 1) },
  { a: end('s4', 4), b: end('s6', 1) },
  { a: end('s5', 2), b: end('s7', 1) },
  { a: end('s6', 2), b: end('s7', 2) },
  { a: end('s1', 3), b: end('s8', 1) },
  { a: end('s8', 2), b: end('s7', 3) },
]
const spec: NetworkSpec = {
  switches: switchNames(8),
  hosts: [
    { name: 'h1', at: end('s1', 10) },
    { name: 'h7', at: end('s7', 10) },
  ],
  links,
}
const wish = { from: '10.0.0.1', to: '10.0.0.2', through: ['s4'], protection: 'disjoint' }

/** Port of the first link of s1 that a path takes, by its second switch. */
const portOf: Readonly<Record<string, number>> = { s2: 1, s3: 2 }

t.test('both ways pass it, and share nothing else', async t => {
  const { whole, apply } = await begin(spec)
  const status = await apply(wish)
  t.equal(status?.state, 'installed')
  const { path = [], backup = [] } = status ?? {}
  for (const way of [path, backup]) t.match(way.join(' '), /^s1 s[23] s4 s[56] s7$/)
  t.same(
    path.filter(name => backup.includes(name)),
    ['s1', 's4', 's7'],
  )
  await whole.stop()
})

for (const index of [0, 1, 2, 3])
  t.test(`link ${index + 1} of the path dies while there is no controller`, async t => {
    const { whole, apply } = await begin(spec)
    const { path = [] } = (await apply(wish)) ?? {}
    t.ok(portOf[path[1]!])
    await whole.ping('h1', 'h7')
    const [a, b] = [path[index]!, path[index + 1]!]
    const cable = links.find(
      each => [each.a.name, each.b.name].sort().join() === [a, b].sort().join(),
    )!
    await whole.stopController()
    let short = 0
    const s8 = whole.network.switch('s8')
    const receive = Object.getPrototypeOf(s8).receive
    s8.receive = (port, frame) => {
      if (isIpv4(frame)) short++
      receive.call(s8, port, frame)
    }
    whole.network.linkDown(cable.a, cable.b)
    t.type(await whole.ping('h1', 'h7', 300), 'number')
    t.type(await whole.ping('h1', 'h7', 300), 'number')
    t.equal(short, 0, 'and not past the switch that was asked for')
    whole.network.stop()
  })

t.test('where no second way passes it, there is no protection, and it is said', async t => {
  const { whole, apply } = await begin({
    ...spec,
    links: links.filter(({ a }) => !(a.name === 's4' && a.port === 4)),
  })
  const status = await apply(wish)
  t.equal(status?.state, 'degraded')
  t.match(status?.reason, /no two paths/)
  await whole.stop()
})
