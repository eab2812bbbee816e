import t from 'tap'
import type { Connection } from '../../src/base/env/env.js'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'

t.test('timers go off in the order of their time, then of asking', async t => {
  const env = new SimulatedEnv()
  const seen: string[] = []
  env.timers.after(20, () => seen.push(`late at ${env.clock.nowMillis()}`))
  env.timers.after(10, () => seen.push(`first at ${env.clock.nowMillis()}`))
  env.timers.after(10, () => seen.push('second'))
  env.timers.after(10, () => seen.push('never'))()
  const stop = env.timers.every(8, () => seen.push('beat'))
  await env.advance(17)
  stop()
  await env.advance(100)
  t.same(seen, ['beat', 'first at 10', 'second', 'beat', 'late at 20'])
  t.equal(env.clock.nowMillis(), 117)
  t.equal(env.pendingCount, 0)
})

t.test('promises run before the next event', async t => {
  const env = new SimulatedEnv()
  const seen: string[] = []
  env.timers.after(1, async () => {
    await null
    await null
    seen.push('promise')
  })
  env.timers.after(1, () => seen.push('next'))
  await env.advance(1)
  t.same(seen, ['promise', 'next'])
})

t.test('the same seed gives the same numbers', async t => {
  const numbers = (seed: number) => {
    const { random } = new SimulatedEnv({ seed })
    return [random.uint32(), random.uint32(), ...random.bytes(3)]
  }
  t.same(numbers(7), numbers(7))
  t.notSame(numbers(7), numbers(8))
})

const pair = async (env: SimulatedEnv): Promise<{ near: Connection; far: Connection }> => {
  let far: Connection | undefined
  const listener = await env.net.listen({ host: 'a', port: 0 }, connection => {
    far = connection
  })
  const near = await env.net.connect(listener.address)
  return { near, far: far! }
}

const collect = (connection: Connection): string[] => {
  const seen: string[] = []
  connection.onBytes(chunk => seen.push(Buffer.from(chunk).toString()))
  connection.onClose(error => seen.push(error ? `error: ${error.message}` : 'closed'))
  return seen
}

t.test('octets arrive in order, later by the latency, in any pieces', async t => {
  const env = new SimulatedEnv({ latencyMillis: 3, cutsChunks: true })
  const { near, far } = await pair(env)
  const seen = collect(far)
  near.send(Buffer.from('hello '))
  near.send(Buffer.from('world'))
  await env.advance(2)
  t.same(seen, [])
  await env.advance(1)
  t.equal(seen.join(''), 'hello world')
  t.ok(seen.length > 2, 'in pieces')
  near.end()
  await env.advance(3)
  t.equal(seen.at(-1), 'closed')
})

t.test('who does not read lets the sender keep the rest', async t => {
  const env = new SimulatedEnv({ windowSize: 10 })
  const { near, far } = await pair(env)
  const seen = collect(far)
  let drained = 0
  near.onDrain(() => drained++)
  far.pause()
  for (let count = 0; count < 5; count++) near.send(Buffer.from('12345678'))
  await env.settle()
  t.equal(near.unsentSize, 24)
  t.same(seen, [])
  far.resume()
  await env.settle()
  t.equal(near.unsentSize, 0)
  t.equal(seen.join('').length, 40)
  t.equal(drained, 1)
})

t.test('a cut link is an error at both ends; nobody listens at an address: refused', async t => {
  const env = new SimulatedEnv()
  const { near, far } = await pair(env)
  const seen = [collect(near), collect(far)]
  env.net.cutAll()
  await env.settle()
  t.same(seen, [['error: the link was cut'], ['error: the link was cut']])
  await t.rejects(env.net.connect({ host: 'b', port: 1 }), { code: 'ECONNREFUSED' })
})

t.test('files live in folders and their changes are told', async t => {
  const env = new SimulatedEnv()
  const { disk } = env
  await t.rejects(disk.writeText('/data/a', 'x'), { code: 'ENOENT' })
  await disk.makeFolder('/data/deep')
  let changes = 0
  disk.watch('/data', () => changes++)
  await disk.writeText('/data/a', 'text', 0o600)
  t.equal(await disk.readText('/data/a'), 'text')
  t.same(await disk.list('/data'), ['a', 'deep'])
  t.equal((await disk.stat('/data/a'))?.mode, 0o600)
  await disk.remove('/data/a')
  t.equal(await disk.stat('/data/a'), undefined)
  t.equal(changes, 0, 'told after the turn')
  await env.settle()
  t.equal(changes, 2)
})
