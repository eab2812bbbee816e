/** Who may do what: every route of the router, with every role; and each guard, with what happens without it. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import WebSocket from 'ws'
import { realEnv } from '../../src/base/env/real-env.js'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import { askWeb, type TrustOptions } from '../../src/base/env/web-client.js'
import { CollectingLog } from '../../src/base/log/log.js'
import { run } from '../../src/controller/main.js'
import type { RestSettings } from '../../src/controller/rest/listeners.js'
import { createRest } from '../../src/controller/rest/server.js'
import { rightOf, rightsOfViews, rightsWith, roles } from '../../src/controller/rights/rights.js'
import { Tokens } from '../../src/controller/rights/tokens.js'
import { MemoryStore } from '../../src/controller/store/memory-store.js'
import { functions } from '../../src/nfv/functions.js'
import { isNamedBy } from '../../src/nfv/requests.js'
import { Authority } from '../certificates.js'
import { until } from '../until.js'
import { guardOf } from './first-token.js'

const rights = rightsWith(functions)
const folder = mkdtempSync(join(tmpdir(), 'sluice-rights-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const ours = new Authority(folder, 'ours')
const files = ours.sign('controller', '2', 'DNS:localhost,IP:127.0.0.1')
const authority = readFileSync(files.authority, 'utf8')

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: Record<string, unknown>
}

const start = async (t: Test, more: Partial<RestSettings> = {}) => {
  const data = mkdtempSync(join(folder, 'data-'))
  const log = new CollectingLog()
  const running = await run(realEnv(log), {
    southbound: { listen: ['127.0.0.1:0'], connect: [] },
    rest: {
      listen: ['127.0.0.1:0', 'https://127.0.0.1:0'],
      tls: { ...files, clientAuthority: files.authority },
      ...more,
    },
    data,
    rules: [],
    variables: { XDG_STATE_HOME: join(data, 'state') },
    pid: process.pid,
  })
  t.teardown(() => running.stop())
  const [plain, secure] = running.endpoints.restUrls as [string, string]
  const admin = readFileSync(join(data, 'token'), 'utf8').trim()
  const ask = async (
    method: string,
    url: string,
    token?: string,
    body?: object,
    trust: TrustOptions = {},
  ): Promise<Answer> => {
    const answer = await askWeb(url, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
      trust: { authority, ...trust },
    })
    const text = await answer.text()
    return {
      status: answer.status,
      headers: answer.headers,
      body: text.startsWith('{') ? JSON.parse(text) : {},
    }
  }
  const make = async (name: string, role: string, more: object = {}) => {
    const made = await ask('POST', `${plain}/api/v1/tokens`, admin, { name, role, ...more })
    return String(made.body.token)
  }
  return { running, data, log, plain, secure, admin, ask, make }
}

t.test('every route of the router, with every role', { timeout: 60_000 }, async t => {
  const at = await start(t)
  const { routes } = at.running
  t.ok(routes.length >= 40, `${routes.length} routes`)
  const tokens: Record<string, string | undefined> = { nobody: undefined, wrong: 'sluice_wrong' }
  for (const role of Object.keys(roles)) tokens[role] = await at.make(`a-${role}`, role)
  const { items: views } = (await at.ask('GET', `${at.plain}/api/v1/views`)).body
  const table = { ...rights, ...rightsOfViews(views as { name: string }[]) }
  let [asked, wrong] = [0, 0]
  for (const route of routes) {
    const [method = '', path = ''] = route.split(' ')
    const right = rightOf(table, method, path)
    if (right === undefined) t.fail(`${route} is in no table`)
    for (const [who, token] of Object.entries(tokens)) {
      // Nothing has these names, and bodies are missing: what passes the guard changes nothing.
      const url = `${at.secure}${path.replace(/:\w+/g, 'x')}`
      const { status, body } = await at.ask(method, url, token)
      const isKnown = who !== 'nobody' && who !== 'wrong'
      const may = right === 'public' ? who !== 'wrong' : right?.some(role => role === who)
      const expected = may ? 'passes' : isKnown ? 403 : 401
      const found = status === 401 || status === 403 ? status : 'passes'
      asked++
      if (found !== expected) {
        wrong++
        t.fail(`${route} as ${who}: ${status} ${JSON.stringify(body)}, wanted ${expected}`)
      }
      if (found === 403) t.match(body, { code: 'forbidden', role: who, needs: /admin/ }, route)
    }
  }
  t.equal(wrong, 0, `of ${asked}`)
  for (const method of ['HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
    for (const path of ['/', '/api/v1/switches', '/metrics', '/nowhere'])
      t.equal((await at.ask(method, `${at.secure}${path}`)).status, 401, `${method} ${path}`)
})

t.test('the other way round: without the guard, all of them are open', async t => {
  const { log, timers } = new SimulatedEnv()
  const paths = Object.entries(rights).filter(([, right]) => right !== 'public')
  const app = await createRest({ log, timers }, [
    scope => {
      for (const [route] of paths) {
        const [method = '', url = ''] = route.split(' ')
        if (!url.endsWith('openapi.json')) scope.route({ method, url, handler: async () => 'open' })
      }
    },
  ])
  t.teardown(() => app.close())
  let open = 0
  for (const [route] of paths) {
    const [method = '', path = ''] = route.split(' ')
    const url = path.replace(/:\w+/g, 'x')
    const reply = await app.inject({ method: method as 'GET', url, headers: { host: 'localhost' } })
    if (reply.statusCode !== 401 && reply.statusCode !== 403) open++
  }
  t.equal(open, paths.length)
})

t.test('a route that nobody has decided about does not start', async t => {
  const { log, timers } = new SimulatedEnv()
  await t.rejects(async () => {
    const app = await createRest({ guard: guardOf('x'), log, timers }, [
      scope => {
        scope.get('/new', async () => 'open to all')
      },
    ])
    await app.ready()
  }, /no role is named for GET \/new/)
})

t.test('on this machine whoever has no token reads, and no more', async t => {
  const at = await start(t)
  t.equal((await at.ask('GET', `${at.plain}/api/v1/switches`)).status, 200)
  t.equal((await at.ask('GET', `${at.plain}/api/v1/tokens`)).status, 401)
  const refused = await at.ask('DELETE', `${at.plain}/api/v1/hosts/x`)
  t.match(refused, {
    status: 401,
    body: { code: 'no-token', needs: 'operator or admin' },
    headers: { 'www-authenticate': 'Bearer' },
  })
  t.match((await at.ask('GET', `${at.plain}/api/v1/whoami`)).body, { role: 'viewer' })
  const far = await at.ask('GET', `${at.secure}/readyz`)
  t.notMatch(far.body, { reasons: [] }, 'reasons are for those who may read')
})

t.test('tokens: shown once, kept as hashes, named, ended, revoked', async t => {
  const at = await start(t)
  const made = await at.ask('POST', `${at.plain}/api/v1/tokens`, at.admin, {
    name: 'alice',
    role: 'viewer',
  })
  t.match(made, { status: 201, body: { token: /^sluice_[\w-]{43}$/, by: 'admin', expires: /Z$/ } })
  const text = String(made.body.token)
  t.notOk('hash' in made.body)
  const stored = readFileSync(join(at.data, 'store.mdb'), 'utf8')
  t.ok(stored.includes('"alice"'), 'it is kept')
  t.notOk(stored.includes(text), 'and the token is not')
  t.notOk(JSON.stringify(at.log.lines).includes(text))
  const list = (await at.ask('GET', `${at.plain}/api/v1/tokens`, at.admin)).body
  t.match(list, { items: [{ name: 'alice', role: 'viewer' }] })
  t.notOk(/hash|sluice_/.test(JSON.stringify(list)))
  for (const name of ['alice', 'admin']) {
    const again = await at.ask('POST', `${at.plain}/api/v1/tokens`, at.admin, {
      name,
      role: 'viewer',
    })
    t.match(again, { status: 409, body: { code: 'taken' } })
  }
  const whoami = async (token: string) => at.ask('GET', `${at.secure}/api/v1/whoami`, token)
  t.match((await whoami(text)).body, { name: 'alice', role: 'viewer', how: 'token' })

  const socket = new WebSocket(`${at.secure.replace('https', 'wss')}/api/v1/events/socket`, {
    ca: authority,
    headers: { authorization: `Bearer ${text}` },
  })
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject))
  const closed = new Promise(resolve => socket.on('close', resolve))
  const revoked = await at.ask('DELETE', `${at.plain}/api/v1/tokens/alice`, at.admin)
  t.equal(revoked.status, 204)
  t.match(await whoami(text), { status: 401, body: { code: 'wrong-token' } })
  await closed
  t.pass('and the stream that it had opened has ended')

  const short = await at.make('bob', 'viewer', { for: '1s' })
  t.equal((await whoami(short)).status, 200)
  await until(async () => (await whoami(short)).status === 401)
  t.match(await whoami(short), { body: { code: 'token-ended', name: 'bob' } })
  const forEver = await at.ask('POST', `${at.plain}/api/v1/tokens`, at.admin, {
    name: 'carol',
    role: 'viewer',
    for: 'ever',
  })
  t.notOk('expires' in forEver.body)
})

t.test('tokens are there after a restart, and end by the clock', async t => {
  const env = new SimulatedEnv()
  const store = new MemoryStore(env)
  const before = await Tokens.load(env, store)
  const { text, token } = await before.create(
    { name: 'x', role: 'operator', lifeMillis: 10_000 },
    'admin',
  )
  const tokens = await Tokens.load(env, store)
  t.same(tokens.find(text), token)
  t.ok(tokens.isGood(token))
  await env.advance(10_001)
  t.notOk(tokens.isGood(token))
  const scoped = { name: 'y', role: 'operator' as const, policies: ['a'] }
  await t.rejects(tokens.create(scoped, 'admin'), { code: 'bad-request' })
})

t.test('an author of some policies changes those, and no other', async t => {
  const at = await start(t)
  const token = await at.make('team', 'author', { policies: ['team-*'] })
  const policy = (source: string) => ({ source })
  const put = (name: string, source: string, by = token) =>
    at.ask('PUT', `${at.secure}/api/v1/policies/${name}?who=somebody-else`, by, policy(source))
  t.equal((await put('team-a', 'default allow\n')).status, 200)
  t.equal((await put('other', 'default allow\n', at.admin)).status, 200)
  const several = {
    policies: [
      { name: 'team-a', source: 'default allow\n' },
      { name: 'other', source: 'default drop\n' },
    ],
  }
  const foreign: Readonly<Record<string, () => Promise<Answer>>> = {
    put: () => put('other', 'default drop\n'),
    post: () => at.ask('POST', `${at.secure}/api/v1/policies`, token, several),
    'dry run': () => at.ask('POST', `${at.secure}/api/v1/policies?dryRun=true`, token, several),
    delete: () => at.ask('DELETE', `${at.secure}/api/v1/policies/other`, token),
    'undo of the last': () => at.ask('POST', `${at.secure}/api/v1/history/undo`, token),
    'undo by number': () => at.ask('POST', `${at.secure}/api/v1/history/undo?number=2`, token),
  }
  for (const [what, attempt] of Object.entries(foreign))
    t.match(await attempt(), { status: 403, body: { code: 'out-of-scope', name: 'other' } }, what)
  const waits = await at.ask(
    'PUT',
    `${at.secure}/api/v1/policies/other?confirm=60`,
    at.admin,
    policy('default allow\n# more\n'),
  )
  t.equal(waits.status, 200)
  const confirmed = await at.ask('POST', `${at.secure}/api/v1/history/confirm`, token)
  t.match(confirmed, { status: 403, body: { code: 'out-of-scope' } })
  t.equal((await at.ask('POST', `${at.secure}/api/v1/history/confirm`, at.admin)).status, 200)
  const back = await at.ask('POST', `${at.secure}/api/v1/history/undo?number=1`, token)
  t.equal(back.status, 200)
  const history = (await at.ask('GET', `${at.plain}/api/v1/history`)).body
  t.match(history, {
    items: [
      { by: 'team', who: 'somebody-else', changes: [{ name: 'team-a' }] },
      { by: 'admin' },
      { by: 'admin' },
      { by: 'team', undoOf: 1 },
    ],
  })
})

t.test('names and patterns', async t => {
  t.ok(isNamedBy(['a', 'team-*'], 'team-x'))
  t.ok(isNamedBy(['*-web-*'], 'a-web-b'))
  t.ok(isNamedBy(['*'], 'x'))
  t.notOk(isNamedBy(['team-*'], 'team'))
  t.notOk(isNamedBy(['aba*aba'], 'aba'), 'nothing counts twice')
  t.notOk(isNamedBy(['a*b*c'], 'acb'))
  t.notOk(isNamedBy([], 'x'))
})

t.test('a certificate is somebody where its name has a role', async t => {
  const clients = { grafana: 'viewer', ops: 'operator' } as const
  const at = await start(t, { clients })
  const signed = (name: string, by = ours): TrustOptions => {
    const { key, certificate } = by.sign(name)
    return { key: readFileSync(key, 'utf8'), certificate: readFileSync(certificate, 'utf8') }
  }
  const whoami = (trust: TrustOptions, token?: string) =>
    at.ask('GET', `${at.secure}/api/v1/whoami`, token, undefined, trust)
  t.match((await whoami(signed('grafana'))).body, { name: 'grafana', how: 'certificate' })
  t.match((await whoami(signed('ops'))).body, { role: 'operator' })
  t.match((await whoami(signed('ops'), at.admin)).body, { role: 'admin' }, 'a token comes first')
  for (const name of ['mallory', 'constructor'])
    t.match(await whoami(signed(name)), { status: 401, body: { code: 'wrong-certificate' } }, name)
  const theirs = new Authority(mkdtempSync(join(folder, 'theirs-')), 'theirs')
  const forged = await whoami(signed('ops', theirs))
  t.match(forged, { status: 401, body: { code: 'wrong-certificate', why: /not signed/ } })
  const write = await at.ask(
    'DELETE',
    `${at.secure}/api/v1/hosts/x`,
    undefined,
    undefined,
    signed('grafana'),
  )
  t.match(write, { status: 403, body: { code: 'forbidden', name: 'grafana' } })
})

t.test('one who asks too often waits, and others do not', async t => {
  const at = await start(t, { requestsPerSecond: 1 })
  const busy = await at.make('busy', 'viewer')
  const other = await at.make('other', 'viewer')
  const statuses: number[] = []
  for (let n = 0; n < 8; n++)
    statuses.push((await at.ask('GET', `${at.plain}/api/v1/switches`, busy)).status)
  t.same(statuses.slice(0, 5), [200, 200, 200, 200, 200])
  t.equal(statuses.at(-1), 429)
  const refused = await at.ask('GET', `${at.secure}/api/v1/switches`, busy)
  t.match(refused, { status: 429, headers: { 'retry-after': '1' } })
  t.equal((await at.ask('GET', `${at.secure}/api/v1/switches`, other)).status, 200)
  for (let n = 0; n < 20; n++) await at.ask('GET', `${at.plain}/api/v1/switches`)
  t.equal((await at.ask('GET', `${at.plain}/api/v1/switches`)).status, 200, 'nor on this machine')
  for (let n = 0; n < 8; n++) await at.ask('GET', `${at.secure}/livez`)
  t.equal((await at.ask('GET', `${at.secure}/livez`)).status, 429, 'whoever shows nothing counts')
  const proxied = await start(t, { requestsPerSecond: 1, trustProxy: ['127.0.0.1'] })
  const asked: number[] = []
  for (let n = 0; n < 8; n++) {
    const headers = { 'x-forwarded-for': `no address ${n}` }
    const answer = await askWeb(`${proxied.plain}/api/v1/switches`, { headers })
    asked.push(answer.status)
  }
  t.same([asked[0], asked.at(-1)], [401, 429], 'nor does it help to be refused, or to say anything')
})

t.test('whoever guesses is slowed down, and locks nobody out', async t => {
  const at = await start(t)
  const statuses: number[] = []
  for (let n = 0; n < 260; n++)
    statuses.push((await at.ask('GET', `${at.plain}/api/v1/switches`, `guess-${n}`)).status)
  t.equal(statuses[0], 401)
  t.ok(statuses.includes(429))
  t.equal((await at.ask('GET', `${at.plain}/api/v1/switches`, at.admin)).status, 200)
})

t.test('what a route does not know is refused, whoever asks: nothing is done instead', async t => {
  const at = await start(t)
  let [refused, passed] = [0, 0]
  for (const route of at.running.routes) {
    const [method = '', path = ''] = route.split(' ')
    const url = `${at.plain}${path.replace(/:\w+/g, 'x')}`
    const { status } = await at.ask(method, `${url}?nonsense=true`, at.admin)
    if (status === 400) refused++
    else if (!path.endsWith('/socket')) t.fail(`${route}: ${status}`)
    else passed++
  }
  t.ok(refused > 40 && passed <= 1, `${refused} refused, ${passed} not`)
  const wish = { name: 'made', role: 'admin' }
  const made = await at.ask('POST', `${at.plain}/api/v1/tokens?dryRun=true`, at.admin, wish)
  t.match(made, { status: 400, body: { detail: /dryRun/ } })
  t.same((await at.ask('GET', `${at.plain}/api/v1/tokens`, at.admin)).body.items, [])
  const dry = await at.ask('PUT', `${at.plain}/api/v1/policies/p?dryRun=true`, at.admin, {
    source: 'default drop\n',
  })
  t.equal(dry.status, 200, 'where it is known')
})

t.test('nobody writes into the audit log, and whoever is refused often writes little', async t => {
  const at = await start(t)
  const viewer = await at.make('looks', 'viewer')
  const lines = () => readFileSync(join(at.data, 'audit.jsonl'), 'utf8').trim().split('\n')
  t.equal(lines().length, 1, 'the token')
  const { hostname, port } = new URL(at.secure)
  const strange: Readonly<Record<string, Record<string, string>>> = {
    host: { host: 'elsewhere.example' },
    origin: { origin: 'https://elsewhere.example' },
    site: { 'sec-fetch-site': 'cross-site' },
  }
  for (const [what, headers] of Object.entries(strange))
    for (const method of ['PUT', 'DELETE', 'GET'])
      for (let n = 0; n < 5; n++) {
        const answer = await askWeb(`https://${hostname}:${port}/api/v1/policies/p`, {
          method,
          headers,
          trust: { authority },
        }).catch(() => undefined)
        await answer?.text()
        t.ok(answer === undefined || answer.status >= 400, `${what} ${method}`)
      }
  t.equal(lines().length, 1)
  const told = async () =>
    JSON.stringify((await at.ask('GET', `${at.plain}/api/v1/events`)).body).split('request-refused')
  const count = (await told()).length - 1
  t.ok(count > 0 && count < 12, `${count} are told`)
  for (let n = 0; n < 150; n++)
    await at.ask('DELETE', `${at.plain}/api/v1/hosts/${'x'.repeat(200)}`, viewer)
  const { length } = lines()
  t.ok(length > 100 && length < 115, `${length} lines`)
})
