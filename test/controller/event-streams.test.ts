/** Streams of events live for ever: heartbeats, resumption, headers for proxies, readers that do not read. */
import { type AddressInfo, connect } from 'node:net'
import t, { type Test } from 'tap'
import WebSocket from 'ws'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import { Journal, type Told } from '../../src/controller/journal.js'
import { Callers, callerLimits } from '../../src/controller/rest/callers.js'
import { eventRoutes, heartbeatMillis } from '../../src/controller/rest/event-routes.js'
import { createRest } from '../../src/controller/rest/server.js'
import { until } from '../until.js'

type Event = Told & { readonly [member: string]: unknown }

/** Real sockets under a clock of our own. */
const serve = async (t: Test, life = 1) => {
  const env = new SimulatedEnv()
  const journal = new Journal<Event>(env.clock, env.log, life)
  const app = await createRest({ log: env.log, timers: env.timers }, [
    eventRoutes(journal, env.timers),
  ])
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => app.close())
  const { port } = app.server.address() as AddressInfo
  return { env, journal, port, app }
}

/** What a stream has said so far. */
const read = async (port: number, path: string, headers: Record<string, string> = {}) => {
  const ended = new AbortController()
  const reply = await fetch(`http://127.0.0.1:${port}${path}`, {
    headers: { accept: 'text/event-stream', ...headers },
    signal: ended.signal,
  })
  const said = { text: '', isOpen: true, reply, end: () => ended.abort() }
  const take = async () => {
    for await (const chunk of reply.body!) said.text += Buffer.from(chunk).toString()
  }
  take().then(
    () => {
      said.isOpen = false
    },
    () => {
      said.isOpen = false
    },
  )
  return said
}

const ids = (text: string): number[] =>
  [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id))

t.test('a silent stream shows every 15 s that it lives, and proxies are told', async t => {
  const { env, journal, port } = await serve(t)
  const one = await read(port, '/api/v1/events')
  t.equal(one.reply.headers.get('x-accel-buffering'), 'no')
  t.match(one.reply.headers.get('cache-control'), /no-transform/)
  t.match(one.reply.headers.get('content-type'), /^text\/event-stream/)
  t.equal(one.reply.headers.get('x-content-type-options'), 'nosniff', 'like every answer')
  for (let count = 1; count <= 240; count++) {
    await env.advance(heartbeatMillis)
    await until(() => one.text.split(': still here\n\n').length === count + 1)
  }
  journal.add({ kind: 'link-up' })
  await until(() => one.text.includes('event: link-up'))
  t.ok(one.isOpen, 'after an hour')
  one.end()
})

t.test(
  'who connects again goes on behind what he had last, whatever he asked for first',
  async t => {
    const { journal, port } = await serve(t)
    for (let n = 0; n < 5; n++) journal.add({ kind: 'link-up' })
    const from = journal.last - 5
    const again = await read(port, '/api/v1/events?since=0', { 'last-event-id': String(from + 3) })
    await until(() => ids(again.text).length === 2)
    t.same(ids(again.text), [from + 4, from + 5])
    const later = await serve(t, 2)
    const restarted = await read(later.port, '/api/v1/events', {
      'last-event-id': String(from + 5),
    })
    await until(() => ids(restarted.text).length === 1)
    t.match(restarted.text, /event: gap\ndata: .*started again/)
    const strange = await read(later.port, '/api/v1/events', { 'last-event-id': '999999999999999' })
    await until(() => ids(strange.text).length === 1)
    t.match(strange.text, /event: gap/)
    for (const one of [again, restarted, strange]) one.end()
  },
)

t.test('all that is kept is told to a stream, not the first thousand', async t => {
  const { journal, port } = await serve(t)
  for (let n = 0; n < 9_000; n++) journal.add({ kind: 'link-up', text: 'x'.repeat(300) })
  const one = await read(port, '/api/v1/events?since=0')
  await until(() => ids(one.text).at(-1) === journal.last)
  t.equal(ids(one.text).length, 9_000)
  one.end()
})

t.test('who does not read costs little, and is let go', async t => {
  const { env, journal, port, app } = await serve(t)
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(
    'GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n',
  )
  await new Promise(resolve => socket.once('readable', resolve))
  socket.pause()
  for (let n = 0; n < 60_000; n++) journal.add({ kind: 'link-up', text: 'x'.repeat(1_000) })
  await new Promise(resolve => setTimeout(resolve, 50))
  const connections = () =>
    new Promise<number>((resolve, reject) =>
      app.server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    )
  t.equal(await connections(), 1)
  for (let count = 0; count < 6; count++) await env.advance(heartbeatMillis)
  await until(async () => (await connections()) === 0)
  socket.destroy()
})

t.test('a WebSocket is asked whether it lives, and goes on behind a number too', async t => {
  const { env, journal, port } = await serve(t)
  journal.add({ kind: 'link-up' })
  const at = `ws://127.0.0.1:${port}/api/v1/events/socket`
  const socket = new WebSocket(`${at}?since=${journal.last - 1}`)
  const said: string[] = []
  let pings = 0
  socket.on('message', data => said.push(String(data)))
  socket.on('ping', () => pings++)
  await until(() => said.length === 1)
  for (let count = 1; count <= 20; count++) {
    await env.advance(heartbeatMillis)
    await until(() => pings === count)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  journal.add({ kind: 'link-down' })
  await until(() => said.length === 2)
  t.match(said[1], /link-down/)
  socket.close()
  const deaf = new WebSocket(at, { autoPong: false })
  await new Promise(resolve => deaf.once('open', resolve))
  const closed = new Promise<void>(resolve => deaf.once('close', () => resolve()))
  for (let count = 0; count < 6; count++) await env.advance(heartbeatMillis)
  await closed
  t.pass('who does not answer is let go')
})

t.test('only streams are streams: no other request takes their places', async t => {
  const env = new SimulatedEnv()
  const journal = new Journal<Event>(env.clock, env.log, 1)
  const callers = new Callers(env.log, { ...callerLimits, streams: 2 })
  const app = await createRest({ log: env.log, timers: env.timers, callers }, [
    eventRoutes(journal, env.timers),
    scope => {
      scope.get('/livez', async () => ({ status: 'ok' }))
    },
  ])
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => app.close())
  const { port } = app.server.address() as AddressInfo
  const held = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => undefined)
      socket.write('GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n')
      await new Promise(resolve => socket.once('data', resolve))
      return socket
    }),
  )
  // Those that are refused are none either, although their connections stay.
  for (const socket of held) {
    socket.write(
      'GET /api/v1/events?since=x HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n',
    )
    await new Promise(resolve => socket.once('data', resolve))
  }
  const [one, two] = [await read(port, '/api/v1/events'), await read(port, '/api/v1/events')]
  t.same([one.reply.status, two.reply.status], [200, 200])
  const third = await read(port, '/api/v1/events')
  t.equal(third.reply.status, 503, 'there is an end to them all the same')
  for (const each of [one, two, third]) each.end()
  for (const socket of held) socket.destroy()
})
