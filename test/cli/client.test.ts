/** What the command line says when no answer comes: nobody there, or somebody who fell silent. Never one for the other. */
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Ajv } from 'ajv'
import t, { type Test } from 'tap'
import { SimulatedEnv } from '../../src/base/simulated-env.js'
import { Client } from '../../src/cli/client.js'
import { waitSeconds } from '../../src/controller/rest/schemas.js'
import { createRest } from '../../src/controller/rest/server.js'

/** A server that does this with each connection that has asked something. */
const serving = async (t: Test, answer: (socket: Socket) => void): Promise<Client> => {
  const sockets: Socket[] = []
  const server = createServer(socket => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.once('data', () => answer(socket))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return clientOf(`http://127.0.0.1:${port}`)
}

const clientOf = (server: string): Promise<Client> =>
  Client.find(new SimulatedEnv().disk, { server, token: 'x' }, {})

const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n'

const silent: Readonly<Record<string, (socket: Socket) => void>> = {
  'it closes': socket => socket.end(),
  'it resets': socket => socket.resetAndDestroy(),
  'it stops in the head': socket => socket.end('HTTP/1.1 200'),
  'it stops in the body': socket => socket.end(`${head}content-length: 100\r\n\r\n{"items"`),
  'it resets in the body': socket => {
    socket.write(`${head}content-length: 100\r\n\r\n{"items"`, () => socket.resetAndDestroy())
  },
  'it is another program': socket => socket.end(`${head}content-length: 6\r\n\r\n<html>`),
  'it is no HTTP': socket => socket.end('SSH-2.0-OpenSSH_9.2\r\n'),
  'its problem stops': socket =>
    socket.end('HTTP/1.1 500 Oh\r\ncontent-length: 100\r\n\r\n{"title"'),
}

t.test('who was there and gave no answer is not called absent', async t => {
  for (const [what, answer] of Object.entries(silent)) {
    const client = await serving(t, answer)
    await t.rejects(client.get('/api/v1/hosts'), { code: 'no-answer' }, what)
    await t.rejects(client.send('PUT', '/api/v1/policies/p', {}), { code: 'no-answer' }, what)
  }
  const cut = await serving(t, socket => {
    socket.write(`${head}transfer-encoding: chunked\r\n\r\n`, () => socket.destroy())
  })
  const read = async () => {
    for await (const _ of cut.events('/api/v1/events')) t.fail('there is none')
  }
  await t.rejects(read(), { code: 'no-answer' }, 'a stream that is cut')
})

t.test('who is not there is called absent', async t => {
  for (const server of ['http://127.0.0.1:9', 'http://[::1]:64999', 'http://no.such.name.invalid'])
    await t.rejects((await clientOf(server)).get('/api/v1/hosts'), { code: 'unreachable' }, server)
  for (const server of ['127.0.0.1:8080', 'http://', 'ftp://x', 'http://a:b:c'])
    await t.rejects(clientOf(server), { name: 'UsageError' }, server)
})

/** A question has come as far as its handler. */
const reached = (app: Awaited<ReturnType<typeof createRest>>): Promise<void> =>
  new Promise(resolve => app.server.once('request', () => setTimeout(resolve, 20)))

t.test('the server answers before anybody gives up, whatever hangs', async t => {
  const env = new SimulatedEnv()
  const options = { log: env.log, timers: env.timers }
  const app = await createRest(options, [
    app => app.get('/hangs', () => new Promise(() => undefined)),
  ])
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => app.close())
  const { port } = app.server.address() as AddressInfo
  const ask = async (path: string, millis: number) => {
    const asked = fetch(`http://127.0.0.1:${port}${path}`)
    await reached(app)
    await env.advance(millis - 1)
    t.equal(await Promise.race([asked, 'nothing yet']), 'nothing yet')
    await env.advance(1)
    const reply = await asked
    return { status: reply.status, problem: await reply.json() }
  }
  t.match(await ask('/hangs', 25_000), { status: 504, problem: { code: 'timed-out' } })
  t.match(await ask('/hangs?timeout=240', 265_000), { status: 504 })
  t.ok(app.server.timeout > 25_000, 'the socket lives longer than the answer takes')
  const isTaken = new Ajv().compile(waitSeconds)
  const longest = [...Array(1_000).keys()].filter(n => isTaken(`${n}`))
  t.same(
    [longest.length, longest.at(-1)],
    [241, 240],
    'and 265 s is less than the 300 s of clients',
  )
})
