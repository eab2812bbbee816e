/** Who may do what over the API, and what bad requests are answered with. */
import { statSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { WebSocket } from 'ws'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import { items, office } from './office.js'

/** `fetch` sets Host by itself. */
const statusWithHost = (endpoint: string, headers: Record<string, string>): Promise<number> =>
  new Promise((resolve, reject) => {
    const [host, port] = endpoint.split(':')
    request({ host, port, path: '/api/v1/switches', headers }, reply => {
      reply.resume()
      resolve(reply.statusCode ?? 0)
    })
      .on('error', reject)
      .end()
  })

t.test('the API', async t => {
  const at = await office(t, { whole: false })

  t.test('writes need the token, on every route that writes', async t => {
    const openapi = await at.call<{ paths: Record<string, Record<string, unknown>> }>(
      'GET',
      '/api/v1/openapi.json',
    )
    const writes = Object.entries(openapi.paths).flatMap(([path, methods]) =>
      Object.keys(methods)
        .filter(method => method !== 'get')
        .map(method => ({ method: method.toUpperCase(), path: path.replace(/\{[^}]+\}/g, 'x') })),
    )
    t.ok(writes.length >= 4)
    const questions = ['/api/v1/trace', '/api/v1/plan']
    for (const { method, path } of writes.filter(each => !questions.includes(each.path)))
      for (const authorization of [undefined, 'Bearer wrong', `Basic ${at.token}`]) {
        const reply = await at.raw(path, {
          method,
          headers: authorization === undefined ? {} : { authorization },
        })
        t.equal(reply.status, 401, `${method} ${path} ${authorization ?? 'without a token'}`)
        t.equal(reply.headers.get('content-type')?.split(';')[0], 'application/problem+json')
      }
    const reply = await at.raw('/api/v1/policies/x', {
      method: 'DELETE',
      headers: { authorization: `Bearer ${at.token}` },
    })
    t.equal(reply.status, 404, 'with it, the request is looked at')
  })

  t.test('the token is for its owner alone', async t => {
    t.equal(statSync(join(at.data, 'token')).mode & 0o777, 0o600)
    t.ok(at.token.length >= 32)
    t.notOk(JSON.stringify(at.log.lines).includes(at.token), 'the log does not hold it')
  })

  t.test('a page that rebinds its name, or of another origin, is refused', async t => {
    t.equal(await statusWithHost(at.rest, { host: 'evil.example' }), 421)
    t.equal(await statusWithHost(at.rest, { host: at.rest, origin: 'http://evil.example' }), 403)
    t.equal(await statusWithHost(at.rest, { host: at.rest }), 200)
  })

  t.test(
    'a form of another page without Origin is refused where nothing asks for a token',
    async t => {
      const post = (headers: Record<string, string>) =>
        at.raw('/api/v1/plan', {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: '{"policies": []}',
        })
      for (const headers of [
        { 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'same-site' },
        { referer: 'http://evil.example/page' },
        { referer: 'nonsense' },
      ] as Record<string, string>[])
        t.equal((await post(headers)).status, 403, JSON.stringify(headers))
      for (const headers of [
        {},
        { 'sec-fetch-site': 'same-origin', referer: `http://${at.rest}/` },
        { 'sec-fetch-site': 'none' },
      ] as Record<string, string>[])
        t.not((await post(headers)).status, 403, JSON.stringify(headers))
    },
  )

  t.test(
    'whoever guesses tokens leaves a trace, without the token, and floods nothing',
    async t => {
      const guess = (authorization: string, n: number) =>
        at.raw(`/api/v1/policies/guess-${n}?x=secret`, {
          method: 'DELETE',
          headers: { authorization },
        })
      const told = async () =>
        (await items(at, 'events')).filter(each => each.kind === 'token-refused')
      const before = (await told()).length
      await new Promise(resolve => setTimeout(resolve, 6_000))
      t.equal((await at.raw('/api/v1/policies/x', { method: 'DELETE' })).status, 401)
      t.equal((await told()).length, before, 'who forgot it has tried nothing')
      for (let n = 0; n < 40; n++) await guess(`Bearer ${at.token.slice(0, -1)}?`, n)
      const events = (await told()).slice(before)
      t.match(events[0], {
        remote: '127.0.0.1',
        method: 'DELETE',
        path: '/api/v1/policies/guess-0',
      })
      t.ok(events.length >= 5 && events.length < 15, `${events.length} of 40`)
      t.notOk(/secret|Bearer/.test(JSON.stringify(events)))
      t.notOk(JSON.stringify(events).includes(at.token.slice(0, 20)))
      await new Promise(resolve => setTimeout(resolve, 1_100))
      await guess('Basic eDp5', 40)
      t.ok(Number((await told()).at(-1)?.more) > 20, 'and how many were left out')
    },
  )

  t.test('a WebSocket is opened at the events only', async t => {
    const opened = (path: string) =>
      new Promise<string>(resolve => {
        const socket = new WebSocket(`ws://${at.rest}${path}`)
        socket.on('open', () => {
          socket.close()
          resolve('open')
        })
        socket.on('error', error => resolve(error.message))
      })
    t.equal(await opened('/api/v1/events/socket'), 'open')
    for (const path of ['/api/v1/switches', '/readyz', '/api/v1/nowhere', '/api/v1/events'])
      t.match(await opened(path), /Unexpected server response: 400/, path)
  })

  t.test(
    'a rate of wrong requests: everyone of them is answered, and the next right one too',
    async t => {
      const random = new SimulatedEnv({ seed: 17 }).random
      const pick = <T>(list: readonly T[]): T => list[random.uint32() % list.length]!
      const statuses = new Map<number, number>()
      for (let round = 0; round < 40; round++)
        await Promise.all(
          Array.from({ length: 25 }, async () => {
            const method = pick(['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])
            const path = pick([
              ...['policies/%00', 'policies/%ff', 'policies/__proto__', 'paths?from=&to=%1b[2J'],
              ...[
                'trace',
                'plan',
                'switches/constructor',
                'history/undo?number=-1',
                'events?since=1e99',
              ],
              ...['objects', 'rules?limit=NaN', `policies/${'x'.repeat(300)}`, 'switches/x/adopt'],
            ])
            const body = pick([
              '',
              '{',
              '[]',
              'null',
              '{"__proto__":1}',
              '"\ud800"',
              '{"source":[[]]}',
            ])
            const reply = await at.raw(`/api/v1/${path}`, {
              method,
              headers: {
                authorization: pick(['', 'Bearer', `Bearer ${at.token}`, 'Bearer \xff']),
                ...(method !== 'GET' && {
                  'content-type': pick(['application/json', 'text/plain', 'x']),
                }),
              },
              ...(method !== 'GET' && { body }),
            })
            await reply.text()
            statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1)
            if (reply.status === 500) t.fail(`${method} ${path} ${body}`)
          }),
        )
      t.comment(JSON.stringify([...statuses]))
      t.equal((await at.raw('/readyz')).status, 200)
    },
  )

  t.test('bad requests are answered with the place', async t => {
    const send = (body: string) =>
      at.raw('/api/v1/policies/p', {
        method: 'PUT',
        headers: { authorization: `Bearer ${at.token}`, 'content-type': 'application/json' },
        body,
      })
    for (const [body, status] of [
      ['{', 400],
      ['{}', 400],
      ['{"source": 7}', 400],
      ['{"source": "default drop", "surprise": 1}', 400],
      ['{"source": "default drop", "__proto__": {}}', 400],
      [`{"source": "${'x'.repeat(9_000_000)}"}`, 413],
    ] as const) {
      const reply = await send(body)
      t.equal(reply.status, status, body.slice(0, 60))
      t.match(await reply.json(), { status, title: String, detail: String })
    }
    const reply = await at.raw('/api/v1/nowhere')
    t.equal(reply.status, 404)
    t.match(await reply.json(), { code: 'no-route' })
  })

  t.test('If-Match keeps two people from undoing each other', async t => {
    const headers = { authorization: `Bearer ${at.token}`, 'content-type': 'application/json' }
    const put = (source: string, match?: string) =>
      at.raw('/api/v1/policies/shared', {
        method: 'PUT',
        headers: { ...headers, ...(match && { 'if-match': match }) },
        body: JSON.stringify({ source }),
      })
    t.equal((await put('default drop\n')).status, 200)
    const etag = (await at.raw('/api/v1/policies/shared')).headers.get('etag')!
    await new Promise(resolve => setTimeout(resolve, 5))
    t.equal((await put('default allow\n', etag)).status, 200)
    const late = await put('default reject\n', etag)
    t.equal(late.status, 412)
    t.match(await late.json(), { code: 'revision-conflict' })
    t.match(await at.call('GET', '/api/v1/policies/shared'), { source: 'default allow\n' })
  })

  t.test('events come over a WebSocket and as a stream', async t => {
    const socket = new WebSocket(`ws://${at.rest}/api/v1/events/socket`)
    const applied = new Promise<Record<string, unknown>>((resolve, reject) => {
      socket.on('message', message => {
        const event = JSON.parse(String(message))
        if (event.kind === 'policy-applied') resolve(event)
      })
      socket.on('error', reject)
    })
    await new Promise(resolve => socket.once('open', resolve))
    await at.call('PUT', '/api/v1/policies/seen', { source: 'default allow\n' })
    t.match(await applied, { kind: 'policy-applied', policies: ['seen'] })
    socket.close()
    const stop = new AbortController()
    const reply = await at.raw('/api/v1/events?since=0', {
      headers: { accept: 'text/event-stream' },
      signal: stop.signal,
    })
    const { value } = await reply.body!.getReader().read()
    t.match(new TextDecoder().decode(value), /sluice events|event: /)
    stop.abort()
  })
})
