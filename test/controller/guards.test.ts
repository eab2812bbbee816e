/** Who may do what over the API, and what bad requests are answered with. */
import { statSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { WebSocket } from 'ws'
import { office } from './office.js'

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
