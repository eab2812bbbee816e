/** What people send neither stops the controller nor stays in its memory, and keeps nobody else out. */
import { type AddressInfo, connect, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { growing, reported } from '../../bench/hostile.js'
import { beside } from '../../bench/hostile-files.js'
import { realEnv } from '../../src/base/env/real-env.js'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import { hostKind } from '../../src/controller/declared/kinds.js'
import { ObjectKeeper } from '../../src/controller/objects/objects.js'
import { type CallerLimits, Callers } from '../../src/controller/rest/callers.js'
import { streamPath } from '../../src/controller/rest/event-routes.js'
import { createRest } from '../../src/controller/rest/server.js'
import { MemoryStore } from '../../src/controller/store/memory-store.js'
import { readState } from '../../src/nfv/firewall/ryu/policy.js'
import { PolicyKeeper } from '../../src/nfv/firewall/service/policies.js'
import { emptyTopology } from '../../src/topology/model.js'
import { until } from '../until.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** MiB of what is still reached. */
const heap = (): number => {
  collect()
  return process.memoryUsage().heapUsed / 2 ** 20
}

const env = realEnv(pino({ level: 'silent' }))

t.test(
  'large files are looked at elsewhere, and others have their turn',
  { timeout: 250_000 },
  async t => {
    const keeper = await PolicyKeeper.load(env, new MemoryStore(env))
    const elsewhere = { count: 0 }
    const { run } = env.workers
    const counting = {
      ...env,
      workers: {
        run: (...words: Parameters<typeof run>) => {
          elsewhere.count++
          return run(...words)
        },
      },
    }
    const counted = await PolicyKeeper.load(counting, new MemoryStore(env))
    await counted.apply([{ name: 'small', source: 'default drop\nallow tcp 80\n' }], emptyTopology)
    t.equal(elsewhere.count, 0, 'an ordinary file is not')
    for (const name of [
      'doubling variables',
      'zones twenty thousand deep',
      'twenty thousand commas',
    ])
      await counted.apply([{ name: 'large', source: reported[name]! }], emptyTopology).then(
        () => t.match(name, /deep/, 'which is allowed'),
        (error: unknown) => t.match(error, { code: 'bad-rules' }, name),
      )
    t.ok(elsewhere.count >= 1, `${elsewhere.count} times`)
    const busy = await Promise.allSettled(
      Array.from({ length: 8 }, () =>
        keeper.preview([{ name: 'x', source: growing['zones that grow']!(400) }], emptyTopology),
      ),
    )
    t.ok(
      busy.some(each => each.status === 'rejected' && each.reason.code === 'busy'),
      'no more than a few wait',
    )
    for (const each of [keeper, counted]) each.stop()
  },
)

t.test('the past of large policies has an end', { timeout: 60_000 }, async t => {
  const keeper = await PolicyKeeper.load(env, new MemoryStore(env))
  for (let round = 0; round < 7; round++) {
    const source = `# ${round}${'x'.repeat(6_000_000)}\n`
    await keeper.apply([{ name: 'p', source }], emptyTopology)
  }
  t.equal(keeper.history.list().length, 5, '32 million characters, of the fifty there could be')
  keeper.stop()
})

t.test(
  'hostile files that anybody may ask about hold no switch up',
  { timeout: 250_000 },
  async t => {
    const { canary, statuses, hasEnded } = await beside(7)
    t.notOk(hasEnded, 'the controller goes on')
    t.notOk(canary.isDropped, 'a healthy switch is answered')
    t.same(
      [...statuses.keys()].filter(status => ![200, 400, 422, 503, 504].includes(status)),
      [],
    )
    // A machine that does other things as well; the bench has the figure.
    t.ok(canary.echoP99 < 500, `p99 ${canary.echoP99.toFixed(0)} ms`)
  },
)

const moduleOf = (work: string): string =>
  `data:text/javascript,${encodeURIComponent(`export const work = ${work}`)}`

t.test('work that does not end is ended', { timeout: 60_000 }, async t => {
  const endless = moduleOf('() => { for (;;) ; }')
  await t.rejects(env.workers.run(endless, {}, { seconds: 0.5, memoryMib: 64 }), {
    code: 'too-much-work',
  })
  const good = moduleOf('input => input + 1')
  t.equal(await env.workers.run(good, 1, { seconds: 30, memoryMib: 64 }), 2, 'and others go on')
})

/** Each needs too much for one of the bounds, and ends where that is not one. */
const needing = [
  ['time', '() => { for (const end = Date.now() + 1000; Date.now() < end; ) ; return 1 }', 0.3, 64],
  [
    'memory',
    '() => { const all = []; for (let at = 0; at < 20000; at++) all.push(new Array(1000).fill(at + 0.5)); return 1 }',
    30,
    64,
  ],
] as const

for (const [what, work, seconds, memoryMib] of needing)
  t.test(`it is the bound on ${what} that ends it`, { timeout: 60_000 }, async t => {
    const { workers } = env
    await t.rejects(workers.run(moduleOf(work), {}, { seconds, memoryMib }), {
      code: 'too-much-work',
    })
    const wide = { seconds: 50, memoryMib: 1_024 }
    t.equal(await workers.run(moduleOf(work), {}, wide), 1)
  })

t.test('what is declared is looked at once for all that came together', async t => {
  const env = new SimulatedEnv()
  const objects = await ObjectKeeper.load(env.timers, new MemoryStore(env), [hostKind])
  let looked = 0
  objects.on('settled', () => looked++)
  const mac = (at: number) =>
    `02:00:00:00:${(at >> 8).toString(16).padStart(2, '0')}:${(at & 255).toString(16).padStart(2, '0')}`
  const hosts = Array.from({ length: 1_000 }, (_, at) => ({
    kind: hostKind.kind,
    name: `h${at}`,
    spec: { mac: mac(at) },
  }))
  await objects.apply(hosts)
  t.equal(looked, 1)
  looked = 0
  for (const host of hosts.slice(0, 9))
    await objects.apply([{ ...host, name: `${host.name}-again` }])
  t.equal(looked, 9, 'which counts each when they come one by one')
  const wrong = Array.from({ length: 500 }, (_, at) => ({
    kind: 'Nothing',
    name: `n${at}`,
    spec: {},
  }))
  await t.rejects(objects.apply(wrong), {
    code: 'bad-objects',
    context: { complaints: { length: 100 } },
  })
})

const serve = async (t: Test, limits: CallerLimits) => {
  const callers = new Callers(env.log, limits)
  const app = await createRest({ log: env.log, timers: env.timers, callers }, [
    scope => {
      scope.get('/big', async () => ({ text: 'x'.repeat(4_000_000) }))
      scope.get('/small', async () => ({ text: 'x' }))
      scope.get(streamPath, (_, reply) => {
        reply.hijack()
        reply.raw.writeHead(200, { 'content-type': 'text/event-stream' })
        reply.raw.write(': here\n\n')
      })
    },
  ])
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => app.close())
  const { port } = app.server.address() as AddressInfo
  const open: Socket[] = []
  t.teardown(() => {
    for (const socket of open) socket.destroy()
  })
  const dial = async (text = ''): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    open.push(socket)
    await new Promise(resolve => socket.once('connect', resolve))
    if (text)
      socket.write(`GET ${text} HTTP/1.1\r\nHost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n`)
    return socket
  }
  const ask = async () =>
    (await fetch(`http://127.0.0.1:${port}/small`, { headers: { connection: 'close' } })).status
  return { dial, ask, app, open }
}

const most: CallerLimits = { connections: 20, ofOneAddress: 10, streams: 5, unread: 10_000_000 }

const none = Number.POSITIVE_INFINITY
const noMost: CallerLimits = { connections: none, ofOneAddress: none, streams: none, unread: none }

/** Connections that say nothing. @returns how many of them were closed */
const silent = async (t: Test, callers: CallerLimits): Promise<number> => {
  const { dial, ask, open } = await serve(t, callers)
  for (let count = 0; count < 60; count++) await dial()
  t.equal(await ask(), 200)
  await new Promise(resolve => setTimeout(resolve, 50))
  return open.filter(({ destroyed }) => destroyed).length
}

t.test('connections that say nothing make room for those that ask', async t => {
  await until(async () => (await silent(t, most)) >= 40)
  t.equal(await silent(t, { ...noMost, ofOneAddress: 10 }), 0, 'none without the bound')
})

/** @returns how many of twelve streams were let in */
const streams = async (t: Test, callers: CallerLimits): Promise<number> => {
  const { dial, ask } = await serve(t, callers)
  const replies: string[] = []
  for (let count = 0; count < 12; count++) {
    const socket = await dial(streamPath)
    socket.once('data', chunk => replies.push(String(chunk).slice(9, 12)))
  }
  await until(() => replies.length === 12)
  t.same(new Set(replies.filter(status => status !== '200' && status !== '503')), new Set())
  t.equal(await ask(), 200)
  return replies.filter(status => status === '200').length
}

t.test('streams have a share of the connections', async t => {
  t.equal(await streams(t, most), 5)
  t.equal(await streams(t, noMost), 12, 'all without the bound')
})

/** @returns how many octets waited for readers at most */
const unread = async (t: Test, callers: CallerLimits): Promise<number> => {
  const { dial, ask, app } = await serve(t, callers)
  let worst = 0
  const sockets = new Set<Socket>()
  app.server.on('connection', (socket: Socket) => sockets.add(socket))
  for (let count = 0; count < 20; count++) {
    const socket = await dial()
    socket.pause()
    socket.write('GET /big HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
    await new Promise(resolve => setTimeout(resolve, 20))
    const waits = [...sockets]
      .filter(({ destroyed }) => !destroyed)
      .reduce((sum, { writableLength }) => sum + writableLength, 0)
    worst = Math.max(worst, waits)
  }
  t.equal(await ask(), 200, 'others are answered')
  return worst
}

t.test('answers that nobody reads are cut off', async t => {
  const worst = await unread(t, { ...most, connections: 100 })
  t.ok(worst > 0 && worst < 14_000_000, `${worst} octets wait`)
  const without = await unread(t, noMost)
  t.ok(without > 14_000_000, `${without} octets without the bound`)
})

t.test('a broken mark of Ryu is none', async t => {
  const good = '# ryu {"enabled":["1"],"logging":[],"last":{}}\n'
  for (const bad of [
    '# ryu {"x":\n',
    '# ryu {}\n',
    '# ryu {"enabled":1,"logging":[],"last":{}}\n',
    `${'# ryu {'.repeat(100_000)}}\n`,
  ]) {
    t.same(readState(bad), { enabled: [], logging: [], last: {}, rules: [] })
    t.same(readState(good + bad).enabled, ['1'])
    t.same(readState(good + bad).rules, [])
  }
})

t.test('a body of very many mistakes is refused at the first', async t => {
  const app = await createRest({ log: env.log, timers: env.timers }, [
    scope => {
      const body = { type: 'array', items: { type: 'object' } }
      scope.post('/list', { schema: { body } }, async () => ({}))
    },
  ])
  t.teardown(() => app.close())
  const before = heap()
  const reply = await app.inject({
    method: 'POST',
    url: '/list',
    headers: { host: '127.0.0.1', 'content-type': 'application/json' },
    payload: `[${'1,'.repeat(1_000_000)}1]`,
  })
  t.equal(reply.statusCode, 400)
  t.ok(reply.body.length < 1_000, `${reply.body.length} characters`)
  t.ok(heap() - before < 100)
})
