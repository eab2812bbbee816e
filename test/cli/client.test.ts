/** What the command line says when no answer comes: nobody there, or somebody who fell silent. Never one for the other. */
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Ajv } from 'ajv'
import t, { type Test } from 'tap'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import { Client } from '../../src/cli/client.js'
import { formatColumns } from '../../src/cli/reading/columns.js'
import { createRest } from '../../src/controller/rest/server.js'
import { waitSeconds } from '../../src/nfv/request-schemas.js'

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
  for (const server of ['http://127.0.0.1:9', 'http://[::1]:64999', 'https://no.such.name.invalid'])
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

t.test('no token goes over a network in the clear', async t => {
  for (const server of ['http://192.0.2.1:8080', 'http://sluice.invalid:8080']) {
    const client = await Client.find(new SimulatedEnv().disk, { server, token: 'x' }, {})
    await t.rejects(client.get('/livez'), { name: 'UsageError', message: /use its https/ })
  }
})

t.test('what others wrote makes no line of its own, and steers no terminal', async t => {
  const text = formatColumns(['A', 'B'], [['x\n1 admin', '\u001b[2J\r\u2028ü']])
  t.equal(text, `A${' '.repeat(11)}B\nx\\n1 admin  \\u001b[2J\\u000d\\u2028ü`)
})

t.test('the token of this machine is for its controller, not for who took its address', async t => {
  const heard: string[] = []
  const server = createServer(socket => {
    socket.on('error', () => undefined)
    socket.once('data', data => {
      heard.push(data.toString())
      socket.end(`${head}content-length: 2\r\nconnection: close\r\n\r\n{}`)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const { disk } = new SimulatedEnv()
  const variables = { XDG_STATE_HOME: '/state', XDG_DATA_HOME: '/home' }
  const rest = `127.0.0.1:${port}`
  const asked = async (options: { server?: string; data?: string }, pid?: number) => {
    for (const folder of ['/data', '/home/sluice', '/state/sluice/controllers'])
      await disk.makeFolder(folder)
    for (const folder of ['/data', '/home/sluice'])
      await disk.writeText(`${folder}/token`, 'secret\n')
    const note = JSON.stringify({ rest, restUrls: [], openflow: '', data: '/data', pid })
    for (const path of ['/data/endpoints.json', '/state/sluice/controllers/one.json'])
      await (pid === undefined
        ? disk.remove(path).catch(() => undefined)
        : disk.writeText(path, note))
    await (await Client.find(disk, options, variables)).get('/livez')
    return heard.at(-1)!.includes('secret')
  }
  const address = `http://${rest}`
  const gone = 2 ** 30
  t.ok(await asked({ data: '/data' }, process.pid))
  t.notOk(await asked({ data: '/data' }, gone), 'its process is gone')
  t.ok(await asked({ server: address }, process.pid))
  t.notOk(await asked({ server: address }, gone))
  t.notOk(await asked({ server: address }), 'nobody noted that it runs there')
  t.ok(await asked({ server: address, data: '/data' }), 'who names both knows better')
})
