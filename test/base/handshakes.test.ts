/** TLS handshakes that do not end: a deadline for each, a bound for all, and the sender of most of them pays. */
import t from 'tap'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import { Handshakes } from '../../src/base/handshakes.js'

const start = (maxWaiting: number) => {
  const env = new SimulatedEnv({ seed: 1 })
  const told: string[] = []
  const gone: string[] = []
  const handshakes = new Handshakes(
    env.timers,
    { deadlineMillis: 5_000, maxWaiting },
    (remote, reason) => told.push(`${remote}: ${reason}`),
  )
  const begin = (remote: string) =>
    handshakes.began(remote, { destroy: () => void gone.push(remote) })
  return { env, handshakes, told, gone, begin }
}

t.test('what does not end by the deadline is ended, and told', async t => {
  const { env, handshakes, told, gone, begin } = start(10)
  begin('10.0.0.1:1')
  begin('10.0.0.1:2')
  begin('10.0.0.1:3')
  handshakes.ended('10.0.0.1:2')
  handshakes.closed('10.0.0.1:3', 'it left')
  await env.advance(4_999)
  t.same(gone, [])
  await env.advance(1)
  t.same(gone, ['10.0.0.1:1'])
  t.same(told, ['10.0.0.1:3: it left', '10.0.0.1:1: no TLS handshake within 5 s'])
  t.equal(handshakes.size, 0)
  t.equal(env.pendingCount, 0)
})

t.test('one sender of many pays for them, and nobody else', t => {
  const { handshakes, gone, begin } = start(10)
  begin('10.0.0.2:1')
  for (let port = 1; port <= 1_000; port++) begin(`10.0.0.1:${port}`)
  t.equal(handshakes.size, 10)
  t.equal(gone.length, 991)
  t.notOk(gone.includes('10.0.0.2:1'))
  t.notOk(gone.includes('10.0.0.1:1000'), 'and of theirs the oldest go first')
  t.end()
})
