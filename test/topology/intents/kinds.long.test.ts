/** Point to point, any to a group, several to several. */
import t from 'tap'
import { countMessages, end } from '../whole.js'
import { begin, declaring, follow, lines } from './lines.js'

const lower = 's1 s6 s7 s8 s5'

t.test('port to port: whoever is at the one and at the other, also who comes later', async t => {
  const { whole, apply, declared } = await begin(lines(true))
  // Longer than any other traffic goes.
  const path = ['s1', 's2', 's3', 's7', 's8', 's5']
  const there = `${path.join(' ')} ${path.toReversed().join(' ')}`
  const wish = { from: 's1:10', to: 's5:10', through: ['s3', 's7'] }
  const seen = follow(whole)
  t.same(await apply(wish), { state: 'installed', path })
  await whole.ping('h1', 'h3')
  t.equal(seen.join(' '), there)
  seen.length = 0
  await whole.ping('h2', 'h3')
  t.equal(seen.length, 10, 'h2 is at another port')
  t.same(await apply({ ...wish, from: 's1:12' }), {
    state: 'requested',
    reason: 'no host s1:12 is known',
  })
  t.same(await apply(wish), { state: 'installed', path })
  whole.network.setHost('h1', false)
  await whole.env.advance(500)
  whole.network.setHost('h1', true)
  await whole.env.advance(3_000)
  whole.host('h1').announce()
  await whole.env.advance(500)
  seen.length = 0
  await whole.ping('h1', 'h3')
  t.equal(seen.join(' '), there)
  t.match(declared.status('Intent', 'voice'), { state: 'installed' })
  await whole.stop()
})

t.test('any to a group: towards its members from everywhere, under conditions', async t => {
  const { whole, apply } = await begin(lines(true))
  const group = { from: 'any', to: ['10.0.0.3', '10.0.0.4'] }
  t.same(await apply({ ...group, avoid: ['s3'] }), { state: 'installed' })
  const seen = follow(whole)
  await whole.ping('h1', 'h3')
  t.notOk(seen.slice(0, seen.indexOf('s5')).includes('s3'), 'there without s3')
  seen.length = 0
  await whole.ping('h3', 'h1')
  t.ok(seen.length > 0)
  t.match(await apply({ ...group, avoid: ['s3', 's7'] }), {
    state: 'failed',
    reason: 'no path keeps the conditions towards s7',
  })
  t.type(await whole.ping('h1', 'h4'), 'number', 'who is not led goes as all others')
  await whole.stop()
})

t.test('any to a group by a waypoint: a path from each switch with hosts', async t => {
  const { whole, apply } = await begin(lines(true))
  t.same(await apply({ from: 'any', to: ['10.0.0.3'], through: ['s6'] }), {
    state: 'installed',
  })
  const seen = follow(whole)
  for (const host of ['h1', 'h2', 'h4']) {
    seen.length = 0
    t.type(await whole.ping(host, 'h3'), 'number')
    t.ok(seen.slice(0, seen.indexOf('s5')).includes('s6'), `${host} passes s6`)
  }
  await whole.stop()
})

t.test('a protected tree has a way around where one cannot loop, and says where not', async t => {
  const wish = { from: 'any', to: ['10.0.0.3'], protection: 'disjoint' }
  const rungs = await begin(lines(true))
  t.same(await rungs.apply(wish), { state: 'installed' })
  await rungs.whole.ping('h1', 'h3')
  await rungs.whole.stopController()
  rungs.whole.network.linkDown(end('s4', 2), end('s5', 1))
  t.type(await rungs.whole.ping('h1', 'h3', 300), 'number')
  rungs.whole.network.stop()
  const { whole, apply } = await begin(lines(false))
  t.match(await apply(wish), {
    state: 'degraded',
    reason: /s4 has no way around its next link that cannot loop/,
  })
  await whole.stop()
})

t.test('several to several: there only, each by a path of its own', async t => {
  const { whole, apply } = await begin(lines(false))
  const wish = { from: ['10.0.0.1', 's1:11'], to: ['10.0.0.3'], avoid: ['s3'] }
  t.same(await apply(wish), { state: 'installed' })
  const seen = follow(whole)
  for (const host of ['h1', 'h2']) {
    seen.length = 0
    await whole.ping(host, 'h3')
    t.equal(seen.slice(0, 5).join(' '), lower)
  }
  await whole.stop()
})

t.test('two intents for the same pair: the first by name leads, the other says so', async t => {
  const { whole, apply, declared } = await begin(lines(false))
  const ends = { from: '10.0.0.1', to: '10.0.0.3' }
  await apply({ ...ends, through: ['s7'] }, 'a')
  t.match(await apply({ ...ends, through: ['s3'] }, 'b'), {
    state: 'degraded',
    reason: /^an earlier intent leads 02:00:00:00:00:01 to /,
  })
  t.match(declared.status('Intent', 'a'), { state: 'installed' })
  const seen = follow(whole)
  await whole.ping('h1', 'h3')
  t.match(seen.join(' '), lower)
  await whole.stop()
})

t.test('any is said for from, alone', async t => {
  const { whole, apply } = await begin(lines(false))
  await t.rejects(apply({ from: '10.0.0.1', to: 'any' }), { code: 'bad-objects' })
  await t.rejects(apply({ from: ['any', '10.0.0.1'], to: '10.0.0.3' }), { code: 'bad-objects' })
  await whole.stop()
})

t.test(
  'the ingress is changed after the rest has confirmed; what is left over goes after it',
  async t => {
    const { whole, apply, remove } = await begin(lines(false))
    const ends = { from: '10.0.0.1', to: '10.0.0.3' }
    await apply({ ...ends, through: ['s3'] })
    const order: string[] = []
    for (const one of whole.network.switches.values()) {
      const received = one.received.bind(one)
      one.received = (channel, message) => {
        if (message.kind === 'bundle-add') order.push(one.name)
        received(channel, message)
      }
    }
    await apply({ ...ends, through: ['s7'] })
    // Both directions at once: the middle of the new path, both ends, then the old path from both ends.
    const laid = order.slice(0, 6)
    t.same([...laid].sort(), ['s6', 's6', 's7', 's7', 's8', 's8'])
    t.same(order.slice(6, 8).sort(), ['s1', 's5'])
    t.same(order.slice(8).sort(), ['s2', 's2', 's3', 's3', 's4', 's4'])
    order.length = 0
    await remove()
    t.same(order.slice(0, 2).sort(), ['s1', 's5'], 'taken away from its beginning')
    await whole.stop()
  },
)

t.test('no ping is lost while paths change again and again', async t => {
  const { whole, objects } = await begin(lines(true))
  await whole.ping('h1', 'h3')
  let lost = 0
  for (let run = 0; run < 24; run++) {
    const through = [['s7'], ['s3'], ['s2', 's7', 's4'], ['s6', 's3', 's8']][run % 4]
    const protection = ['none', 'disjoint', 'link-disjoint'][run % 3]
    const spec = { from: '10.0.0.1', to: '10.0.0.3', through, protection }
    const applied = objects.apply([{ kind: 'Intent', name: 'voice', spec }])
    for (let ping = 0; ping < 6; ping++)
      if ((await whole.ping('h1', 'h3', 100)) === undefined) lost++
    await whole.during(applied)
  }
  t.equal(lost, 0)
  await whole.stop()
})

t.test('after a restart nothing is sent', async t => {
  const { whole, apply } = await begin(lines(true))
  await apply({ from: '10.0.0.1', to: '10.0.0.3', protection: 'disjoint' }, 'a')
  await apply({ from: 'any', to: ['10.0.0.4'], avoid: ['s3'] }, 'b')
  await apply({ from: 's1:11', to: 's5:10', through: ['s7'] }, 'c')
  await whole.env.advance(5_000)
  await whole.stopController()
  const counts = countMessages(whole.network)
  await whole.startController()
  const { declared } = await declaring(whole)
  await whole.env.advance(10_000)
  t.equal(whole.network.switch('s1').isConnected, true)
  for (const kind of ['flow-mod', 'group-mod', 'meter-mod', 'bundle-add'])
    t.equal(counts.get(kind) ?? 0, 0, kind)
  for (const name of ['a', 'b', 'c'])
    t.match(declared.status('Intent', name), { state: 'installed' }, name)
  await whole.stop()
})

t.test('a switch that does not answer holds the change up; the old path stays', async t => {
  const { whole, apply, declared } = await begin(lines(false))
  const ends = { from: '10.0.0.1', to: '10.0.0.3' }
  await apply({ ...ends, through: ['s3'] })
  whole.network.switch('s7').disconnect()
  await whole.env.advance(200)
  t.match(await apply({ ...ends, through: ['s7'] }), { state: 'installing' })
  const seen = follow(whole)
  t.type(await whole.ping('h1', 'h3'), 'number')
  t.match(seen.join(' '), 's1 s2 s3 s4 s5')
  whole.network.switch('s7').connect({ host: '127.0.0.1', port: 6653 })
  await whole.env.advance(8_000)
  t.match(declared.status('Intent', 'voice'), { state: 'installed' })
  seen.length = 0
  await whole.ping('h1', 'h3')
  t.match(seen.join(' '), lower)
  await whole.stop()
})
