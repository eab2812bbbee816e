import t from 'tap'
import type { Dpid } from '../../src/base/addresses.js'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import { EventLimiter } from '../../src/topology/event-limiter.js'

const dpid = '0000000000000001' as Dpid

t.test('a thousand equal events are two: the first, and a number', async t => {
  const env = new SimulatedEnv()
  const told: unknown[] = []
  const limiter = new EventLimiter(env, event => told.push(event))
  for (let index = 0; index < 1_000; index++)
    limiter.add({ kind: 'probe-refused', dpid, port: 1, reason: 'forged' })
  limiter.add({ kind: 'probe-refused', dpid, port: 2, reason: 'forged' })
  t.equal(told.length, 2, 'another port is another event')
  await env.advance(5_100)
  limiter.tick()
  t.same(told[2], { kind: 'probe-refused', dpid, port: 1, reason: 'forged', timesMore: 999 })
  t.equal(told.length, 3)
})
