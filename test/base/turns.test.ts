import t from 'tap'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import { inTurns } from '../../src/base/turns.js'

const doneIn = async (count: number, millis: number) => {
  const env = new SimulatedEnv()
  const atMillis: number[][] = Array.from({ length: count }, () => [])
  const began = env.clock.nowMillis()
  const cancel = inTurns(
    env.timers,
    30_000,
    () => atMillis,
    times => times.push(env.clock.nowMillis() - began),
  )
  await env.advance(millis)
  cancel()
  await env.advance(millis)
  return atMillis
}

t.test('a single one has its turn at the end of each period', async t => {
  t.same(await doneIn(1, 60_000), [[30_000, 60_000]])
})

t.test('several come one after the other, each once in a period', async t => {
  t.same(await doneIn(3, 30_000), [[30_000], [29_750], [29_500]])
})

t.test('of a thousand never more than nine at once', async t => {
  const all = await doneIn(1_000, 30_000)
  t.ok(all.every(times => times.length === 1))
  const together = new Map<number, number>()
  for (const [at] of all) together.set(at!, (together.get(at!) ?? 0) + 1)
  t.equal(Math.max(...together.values()), 9)
})
