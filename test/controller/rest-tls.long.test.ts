/** The API beyond loopback: over TLS, under the names of its certificate, renewed while it runs, and behind a proxy. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import WebSocket from 'ws'
import { realEnv } from '../../src/base/env/real-env.js'
import { askWeb, type WebQuestion } from '../../src/base/env/web-client.js'
import { CollectingLog } from '../../src/base/log/log.js'
import { Client } from '../../src/cli/client.js'
import { type RunOptions, run } from '../../src/controller/main.js'
import { type RestSettings, restAddress } from '../../src/controller/rest/listeners.js'
import { Authority } from '../certificates.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-rest-tls-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const ours = new Authority(folder, 'ours')
const names = 'DNS:localhost,DNS:sluice.example,DNS:*.lab.example,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1'
const files = ours.sign('controller', '2', names)
const authority = readFileSync(files.authority, 'utf8')

const start = async (t: Test, rest: RestSettings, more: Partial<RunOptions> = {}) => {
  const data = mkdtempSync(join(folder, 'data-'))
  const env = realEnv(new CollectingLog())
  const running = await run(env, {
    southbound: { listen: ['127.0.0.1:0'], connect: [] },
    rest,
    data,
    rules: [],
    variables: { XDG_STATE_HOME: join(data, 'state') },
    pid: process.pid,
    ...more,
  })
  t.teardown(() => running.stop())
  const token = readFileSync(join(data, 'token'), 'utf8').trim()
  return { running, data, token, env, urls: running.endpoints.restUrls }
}

const portOf = (url: string): number => Number(new URL(url).port)

const ask = async (url: string, question: WebQuestion = {}) => {
  const answer = await askWeb(url, { trust: { authority }, ...question })
  return { status: answer.status, body: await answer.text() }
}

/** Under another name in the Host header than the one that the certificate is looked at for. */
const statusAs = (url: string, headers: Record<string, string>) =>
  new Promise<number>((resolve, reject) => {
    request(`${url}/livez`, { headers, ca: authority, servername: 'localhost' }, reply => {
      reply.resume()
      resolve(reply.statusCode ?? 0)
    })
      .on('error', reject)
      .end()
  })

t.test('plain on loopback, TLS elsewhere, all at once', async t => {
  const at = await start(t, {
    listen: ['127.0.0.1:0', '0.0.0.0:0', 'https://[::1]:0'],
    tls: files,
  })
  t.match(at.urls, [
    /^http:\/\/127\.0\.0\.1:\d+$/,
    /^https:\/\/0\.0\.0\.0:\d+$/,
    /^https:\/\/\[::1\]:\d+$/,
  ])
  const secure = `https://127.0.0.1:${portOf(at.urls[1]!)}`
  const headers = { authorization: `Bearer ${at.token}` }
  for (const url of [at.urls[0]!, secure, at.urls[2]!])
    t.equal((await ask(`${url}/api/v1/switches`, { headers })).status, 200, url)
  await t.rejects(ask(`${secure}/livez`, { trust: {} }), { code: /UNABLE_TO|SELF_SIGNED/ })
  await t.rejects(ask(`http://127.0.0.1:${portOf(at.urls[1]!)}/livez`), 'TLS only')

  t.test('nobody reads without a token where others can ask', async t => {
    for (const path of ['api/v1/switches', 'api/v1/openapi.json', 'api/v1/events'])
      t.equal((await ask(`${secure}/${path}`)).status, 401, path)
    t.equal((await ask(`${at.urls[0]}/api/v1/switches`)).status, 200)
    const socket = new WebSocket(`${secure.replace('https', 'wss')}/api/v1/events/socket`, {
      ca: authority,
    })
    const said = await new Promise<string>(resolve => {
      socket.on('error', error => resolve(error.message))
      socket.on('open', () => resolve('open'))
    })
    t.match(said, /401/)
  })

  t.test('names of the certificate are its names, others are not', async t => {
    const status = (host: string) => statusAs(secure, { ...headers, host })
    t.equal(await status('sluice.example'), 200)
    t.equal(await status('SLUICE.example:443'), 200)
    t.equal(await status('[::1]:1'), 200)
    t.equal(await status('a.lab.example:8443'), 200)
    for (const host of ['evil.example', 'a.b.lab.example', 'lab.example', 'lab', '*.example'])
      t.equal(await status(host), 421, host)
  })

  t.test('events come over TLS, as a WebSocket and as a stream', async t => {
    const socket = new WebSocket(`${secure.replace('https', 'wss')}/api/v1/events/socket?since=0`, {
      ca: authority,
      headers,
    })
    const first = await new Promise<string>((resolve, reject) => {
      socket.on('message', message => resolve(String(message)))
      socket.on('error', reject)
      // Something that happens.
      socket.on('open', () =>
        ask(`${secure}/api/v1/policies/p`, {
          method: 'DELETE',
          headers: { authorization: 'Bearer wrong' },
        }).catch(reject),
      )
    })
    t.match(JSON.parse(first), { sequence: Number })
    socket.close()
    const stop = new AbortController()
    const stream = await askWeb(`${secure}/api/v1/events?since=0`, {
      trust: { authority },
      headers: { ...headers, accept: 'text/event-stream' },
      signal: stop.signal,
    })
    const { value } = await stream.chunks[Symbol.asyncIterator]().next()
    t.match(Buffer.from(value as Uint8Array).toString(), /sluice events|event: /)
    stop.abort()
  })

  t.test('the command line asks over TLS, and says what it does not believe', async t => {
    const given = { server: secure, token: at.token }
    const client = await Client.find(at.env.disk, { ...given, ca: files.authority }, {})
    t.match(await client.get('/api/v1/switches'), { items: [] })
    const unbelieving = await Client.find(at.env.disk, given, {})
    await t.rejects(unbelieving.get('/livez'), { code: 'not-trusted', message: /--ca/ })
    const otherName = await Client.find(
      at.env.disk,
      { ...given, server: secure.replace('127.0.0.1', '127.0.0.2'), ca: files.authority },
      {},
    )
    await t.rejects(otherName.get('/livez'), { code: 'not-trusted', message: /other names/ })
    const noted = await Client.find(at.env.disk, { data: at.data }, {})
    t.equal(noted.server, at.urls[0], 'on this machine the plain address is found')
  })

  t.test('a handshake that is not finished is ended', async t => {
    const socket = connect(portOf(at.urls[1]!), '127.0.0.1')
    const began = performance.now()
    await new Promise(resolve => socket.on('close', resolve).on('error', () => undefined))
    t.ok(performance.now() - began < 8_000)
  })
})

const serial = (port: number) =>
  new Promise<string>((resolve, reject) => {
    const socket = connectTls({ port, host: '127.0.0.1', ca: authority }, () => {
      resolve(socket.getPeerCertificate().serialNumber)
      socket.destroy()
    })
    socket.on('error', reject)
  })

t.test('renewed certificates are put to use; wrong ones are not', async t => {
  const live = { key: join(folder, 'live.key'), certificate: join(folder, 'live.pem') }
  copyFileSync(files.key, live.key)
  copyFileSync(files.certificate, live.certificate)
  const at = await start(t, { listen: ['https://127.0.0.1:0'], tls: live })
  const [url] = at.urls as [string]
  const before = await serial(portOf(url))
  const fresh = ours.sign('renewed', '2', `${names},DNS:new.example`)
  copyFileSync(fresh.certificate, live.certificate)
  await t.rejects(at.running.reload(), { code: 'bad-request', message: /no key and its cert/ })
  t.equal(await serial(portOf(url)), before, 'a certificate without its key changes nothing')
  copyFileSync(fresh.key, live.key)
  const headers = { host: 'new.example', authorization: `Bearer ${at.token}` }
  t.equal(await statusAs(url, headers), 421)
  await at.running.reload()
  t.not(await serial(portOf(url)), before)
  t.equal(await statusAs(url, headers), 200, 'and its names with it')
  writeFileSync(live.certificate, 'nonsense')
  await t.rejects(at.running.reload(), { code: 'bad-request' })
  t.equal(await statusAs(url, headers), 200)
  const noted = await Client.find(at.env.disk, { data: at.data, ca: files.authority }, {})
  t.match(await noted.get('/api/v1/switches'), { items: [] }, 'found by its note, TLS or not')
})

t.test('what is unsafe does not start, and says the way out', async t => {
  for (const rest of ['0.0.0.0:0', '192.0.2.1:0', 'http://192.0.2.1:0'])
    await t.rejects(start(t, { listen: [rest] }), { code: 'unsafe-address', message: /rest\.tls/ })
  t.throws(() => restAddress('http://192.0.2.1:1', true), { code: 'unsafe-address' })
  t.throws(() => restAddress('https://127.0.0.1:1', false), { code: 'bad-request' })
  t.throws(() => restAddress('nowhere', true), { code: 'bad-request' })
  const loose = { ...files, key: join(folder, 'loose.key') }
  copyFileSync(files.key, loose.key)
  const { chmodSync } = await import('node:fs')
  chmodSync(loose.key, 0o644)
  const refused = start(t, { listen: ['https://127.0.0.1:0'], tls: loose })
  await t.rejects(refused, { code: 'unsafe-file' })
})

t.test('a proxy is believed where it says so, and nobody else', async t => {
  const proxied = { 'x-forwarded-host': 'proxy.example', 'x-forwarded-for': '198.51.100.7' }
  const trusting = await start(t, {
    listen: ['127.0.0.1:0'],
    names: ['proxy.example'],
    trustProxy: ['127.0.0.1'],
  })
  const [url] = trusting.urls as [string]
  const headers = { authorization: `Bearer ${trusting.token}` }
  const status = async (more: Record<string, string>) =>
    (await ask(`${url}/livez`, { headers: { ...headers, ...more } })).status
  t.equal(await status(proxied), 200)
  t.equal((await ask(`${url}/api/v1/switches`)).status, 401, 'whoever asks may be anywhere')
  t.equal(await status({ 'x-forwarded-host': 'evil.example' }), 421)
  const other = await start(t, { listen: ['127.0.0.1:0'], trustProxy: ['192.0.2.9'] })
  const lie = { 'x-forwarded-host': '127.0.0.1', host: 'evil.example' }
  t.equal((await ask(`${other.urls[0]}/livez`, { headers: lie })).status, 421)
})

t.test('what a proxy hands on that nobody told of is not from this machine', async t => {
  const at = await start(t, { listen: ['127.0.0.1:0'] })
  const [url] = at.urls as [string]
  const status = async (headers: Record<string, string>) =>
    (await ask(`${url}/api/v1/switches`, { headers })).status
  t.equal(await status({}), 200)
  for (const name of ['x-forwarded-for', 'x-real-ip', 'forwarded', 'via'])
    t.equal(await status({ [name]: '198.51.100.7' }), 401, name)
  const headers = { authorization: `Bearer ${at.token}`, 'x-forwarded-for': '198.51.100.7' }
  t.equal(await status(headers), 200, 'with a token')
})

t.test('names of a certificate that nobody calls it by are passed by', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-san-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const names =
    'DNS:localhost,IP:127.0.0.1,IP:::1,URI:spiffe://example/sluice,email:ops@example.org'
  const tls = new Authority(folder, 'san').sign('controller', '2', names)
  const at = await start(t, { listen: ['https://127.0.0.1:0'], tls })
  const trust = { authority: readFileSync(tls.authority, 'utf8') }
  t.equal((await askWeb(`${at.urls[0]}/livez`, { trust })).status, 200)
})
