/** Latency is known from the start after a restart, and the first slow probes say nothing against it. */
import t from 'tap'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import { Measurements } from '../../src/topology/links/measurements.js'
import type { Link } from '../../src/topology/model.js'
import { end, switchNames, Whole } from './whole.js'
import { at } from './wires.js'

t.test('what was compiled with is there when no switch is yet', async t => {
  const whole = await Whole.start({
    switches: switchNames(2),
    links: [{ a: end('s1', 1), b: end('s2', 1), delayMillis: 7 }],
    hosts: [{ name: 'h1', at: end('s1', 10) }],
  })
  await whole.env.advance(15_000)
  whole.host('h1').announce()
  await whole.env.advance(1_000)
  const latencies = () =>
    [...whole.controller.topology.current.links.values()].map(link => link.latencyMillis)
  const before = latencies()
  t.ok(
    before.every(millis => millis !== undefined && millis > 6 && millis < 8.5),
    `${before}`,
  )
  await whole.stopController()
  whole.network.stop()
  await whole.startController()
  t.same(latencies(), before)
  await whole.stopController()
})

t.test('a higher latency than the known one takes eight probes, a lower one one', t => {
  const measurements = new Measurements(new SimulatedEnv().clock)
  const link: Link = { from: at('1:1'), to: at('2:1'), cost: 1, latencyMillis: 5 }
  for (let probe = 1; probe < 8; probe++) t.equal(measurements.latencyOf(link, 30), 5)
  t.equal(measurements.latencyOf(link, 30), 30)
  t.equal(measurements.latencyOf(link, 2), 2)
  const unknown: Link = { from: at('1:2'), to: at('2:2'), cost: 1 }
  t.equal(measurements.latencyOf(unknown, 30), 30, 'where none is known the first counts')
  t.end()
})
