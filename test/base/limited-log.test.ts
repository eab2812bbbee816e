/** What peers can cause at will is logged a few times a second, and counted. */
import t from 'tap'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import { limitedLog } from '../../src/base/log/limited-log.js'
import { CollectingLog } from '../../src/base/log/log.js'

t.test('a flood of one peer is a few lines, and hides nothing of another', async t => {
  const env = new SimulatedEnv({ seed: 1 })
  const all = new CollectingLog()
  const log = limitedLog(all, env.clock)
  for (let second = 0; second < 10; second++) {
    for (let count = 0; count < 1_000; count++)
      log
        .child({ remote: `10.0.0.1:${second * 1_000 + count}` })
        .warn({ xid: count }, 'a message cannot be understood')
    await env.advance(1_000)
  }
  log.child({ remote: '10.0.0.2:1' }).warn({}, 'a message cannot be understood')
  log.child({ remote: '10.0.0.1:1' }).info({}, 'something else')
  const of = (remote: RegExp) =>
    all.lines.filter(({ fields }) => remote.test(String(fields.remote)))
  const flood = of(/^10\.0\.0\.1:/).filter(({ level }) => level === 'warn')
  t.equal(flood.length, 50)
  t.equal(
    flood.reduce((sum, { fields }) => sum + 1 + Number(fields.leftOut ?? 0), 0),
    9_005,
    'all but those of the last second are counted',
  )
  t.equal(of(/^10\.0\.0\.2:/).length, 1)
  t.equal(all.lines.at(-1)?.sentence, 'something else')
})

t.test('of many peers only so many are remembered', t => {
  const env = new SimulatedEnv({ seed: 1 })
  const all = new CollectingLog()
  const log = limitedLog(all, env.clock)
  for (let peer = 0; peer < 5_000; peer++) log.info({ remote: `peer${peer}:1` }, 'not let in')
  t.equal(all.lines.length, 5_000, 'each is told once')
  t.end()
})
