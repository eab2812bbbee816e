/** M7: a switch that floods us has its share, and the others theirs. */
import t from 'tap'
import { PuntLimit } from '../../src/controller/southbound/punt-limit.js'
import type { PuntKind } from '../../src/nfv/function.js'

/** One that is set by hand. */
const handClock = () => {
  let millis = 0
  return {
    nowMillis: () => millis,
    wallMillis: () => millis,
    pass(more: number) {
      millis += more
    },
  }
}

const passed = (limit: PuntLimit, count: number, kind: PuntKind = 'packets'): number => {
  let taken = 0
  for (let index = 0; index < count; index++) if (limit.take(kind)) taken++
  return taken
}

t.test('of a flood so many a second are looked at, and those of another switch all', async t => {
  const clock = handClock()
  const limits = { packetsPerSecond: 1_000, probesPerSecond: 100 }
  const flooding = new PuntLimit(clock, limits, () => undefined)
  const calm = new PuntLimit(clock, limits, () => undefined)
  t.equal(passed(flooding, 20_000), 1_000, 'a second of them at once')
  t.equal(passed(calm, 500), 500)
  clock.pass(500)
  t.equal(passed(flooding, 20_000), 500, 'half a second later half as many')
})

t.test('discovery has a share of its own: a flood takes no link away', async t => {
  const clock = handClock()
  const limit = new PuntLimit(
    clock,
    { packetsPerSecond: 1_000, probesPerSecond: 100 },
    () => undefined,
  )
  passed(limit, 20_000)
  t.equal(passed(limit, 50, 'probes'), 50)
  t.equal(passed(limit, 200, 'probes'), 50, 'which has an end too')
  passed(limit, 20_000, 'rejections')
  t.equal(passed(limit, 500, 'logs'), 500, 'rejections hide no log line')
  t.equal(passed(limit, 20_000, 'logs'), 500, 'which have an end too')
})

t.test('it is told at once, then every ten seconds with a number', async t => {
  const clock = handClock()
  const told: number[] = []
  const limit = new PuntLimit(clock, { packetsPerSecond: 10, probesPerSecond: 10 }, dropped =>
    told.push(dropped),
  )
  passed(limit, 30)
  t.same(told, [1])
  clock.pass(10_000)
  passed(limit, 11)
  t.same(told, [1, 20])
})

t.test('the other way round: without a limit all of them would be looked at', async t => {
  const none = { packetsPerSecond: 1e9, probesPerSecond: 1e9 }
  t.equal(passed(new PuntLimit(handClock(), none, () => undefined), 20_000), 20_000)
})
