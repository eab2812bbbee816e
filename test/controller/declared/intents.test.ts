import t from 'tap'
import { Declared } from '../../../src/controller/declared/declared.js'
import { intentKind } from '../../../src/controller/declared/kinds.js'
import { ObjectKeeper } from '../../../src/controller/objects/objects.js'
import type { NetworkSpec } from '../../../src/sim/network.js'
import { isIpv4 } from '../../topology/intents/lines.js'
import { end, switchesOf, switchNames, Whole } from '../../topology/whole.js'

/*
 *          1 s2 2
 *        1/      \1           three ways from s1 to s5, all of two links;
 *  h1 ─ s1 2─ s3 ─2 s5 ─ h5   ports of s1 and s5: 1 by s2, 2 by s3, 3 by s4
 *        3\      /3
 *          1 s4 2
 */
const spec = (): NetworkSpec => ({
  switches: switchNames(5),
  hosts: [
    { name: 'h1', at: end('s1', 10) },
    { name: 'h5', at: end('s5', 10) },
  ],
  links: [2, 3, 4].flatMap(middle => [
    { a: end('s1', middle - 1), b: end(`s${middle}`, 1) },
    { a: end(`s${middle}`, 2), b: end('s5', middle - 1) },
  ]),
})

const begin = async () => {
  const whole = await Whole.start(spec())
  await whole.ping('h1', 'h5')
  const keep = async () => {
    const objects = await ObjectKeeper.load(whole.env.timers, whole.store, [intentKind])
    const declared = new Declared(whole.controller.topology, objects, switchesOf(whole))
    declared.start()
    return { objects, declared }
  }
  const { objects, declared } = await keep()
  const apply = async (intent: object) => {
    const wish = {
      kind: 'Intent',
      name: 'voice',
      spec: { from: '10.0.0.1', to: '10.0.0.2', ...intent },
    }
    await whole.during(objects.apply([wish]))
    await whole.env.advance(300)
    return declared.status('Intent', 'voice')
  }
  /** Which switches in the middle carry a ping there and back. */
  const taken = async () => {
    const middle = ['s2', 's3', 's4']
    const seen = new Set<string>()
    for (const name of middle) {
      const one = whole.network.switch(name)
      const receive = Object.getPrototypeOf(one).receive
      one.receive = (port, frame) => {
        if (isIpv4(frame)) seen.add(name)
        receive.call(one, port, frame)
      }
    }
    const rtt = await whole.ping('h1', 'h5', 300)
    return rtt === undefined ? 'lost' : [...seen].join(' ')
  }
  return { whole, objects, declared, apply, taken, keep }
}

t.test('both directions take the path that was asked for', async t => {
  const { whole, apply, taken } = await begin()
  for (const middle of ['s2', 's3', 's4']) {
    t.same(await apply({ through: [middle] }), { state: 'installed', path: ['s1', middle, 's5'] })
    t.equal(await taken(), middle)
  }
  await whole.stop()
})

t.test('a protected path: the first switch takes the other one, with no controller', async t => {
  const { whole, apply, taken } = await begin()
  t.same(await apply({ avoid: ['s3'], protection: 'disjoint' }), {
    state: 'installed',
    path: ['s1', 's2', 's5'],
    backup: ['s1', 's4', 's5'],
  })
  t.equal(await taken(), 's2')
  await whole.stopController()
  whole.network.linkDown(end('s1', 1), end('s2', 1))
  whole.network.linkDown(end('s2', 2), end('s5', 1))
  t.equal(await taken(), 's4')
  whole.network.stop()
})

t.test(
  'a link goes: the intent is led anew, degraded, then failed, and nobody is cut off',
  async t => {
    const { whole, declared, apply, taken } = await begin()
    await apply({ avoid: ['s3'], protection: 'disjoint' })
    whole.network.linkDown(end('s1', 1), end('s2', 1))
    await whole.env.advance(300)
    t.same(declared.status('Intent', 'voice'), {
      state: 'degraded',
      reason: 'no two paths without a link in common keep the conditions',
      path: ['s1', 's4', 's5'],
    })
    t.equal(await taken(), 's4')
    whole.network.linkDown(end('s4', 2), end('s5', 3))
    await whole.env.advance(300)
    t.same(declared.status('Intent', 'voice'), {
      state: 'failed',
      reason: 'no path keeps the conditions',
    })
    t.equal(await taken(), 's3', 'as all other traffic goes')
    whole.network.linkUp(end('s1', 1), end('s2', 1))
    await whole.env.advance(3_000)
    t.match(declared.status('Intent', 'voice'), { state: 'degraded', path: ['s1', 's2', 's5'] })
    await whole.stop()
  },
)

t.test('while the path changes, no ping is lost', async t => {
  const { whole, objects, taken } = await begin()
  let lost = 0
  for (let run = 0; run < 30; run++) {
    const through = [`s${2 + (run % 3)}`]
    const wish = {
      kind: 'Intent',
      name: 'voice',
      spec: { from: '10.0.0.1', to: '10.0.0.2', through },
    }
    const applied = objects.apply([wish])
    for (let ping = 0; ping < 5; ping++) if ((await taken()) === 'lost') lost++
    await whole.during(applied)
  }
  t.equal(lost, 0)
  await whole.stop()
})

t.test('an intent survives a restart', async t => {
  const { whole, apply, keep, taken } = await begin()
  await apply({ through: ['s4'] })
  await whole.stopController()
  await whole.startController()
  const { declared } = await keep()
  await whole.env.advance(3_000)
  t.same(declared.status('Intent', 'voice'), { state: 'installed', path: ['s1', 's4', 's5'] })
  t.equal(await taken(), 's4')
  await whole.stop()
})

t.test('what is not there is said', async t => {
  const { whole, apply } = await begin()
  t.same(await apply({ to: '10.9.9.9' }), {
    state: 'requested',
    reason: 'no host 10.9.9.9 is known',
  })
  t.same(await apply({ through: ['s9'] }), { state: 'failed', reason: 'no switch s9 is known' })
  t.same(await apply({ minBandwidthKbps: 1 }), {
    state: 'failed',
    reason: 'no path keeps the conditions',
  })
  await whole.stop()
})
