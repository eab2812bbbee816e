/** Objects through the API and the command line's files, without a socket. */
import t from 'tap'
import { SimulatedEnv } from '../../../src/base/env/simulated-env.js'
import type { Kind } from '../../../src/base/kind.js'
import { ObjectKeeper } from '../../../src/controller/objects/objects.js'
import { objectRoutes } from '../../../src/controller/rest/object-routes.js'
import { createRest } from '../../../src/controller/rest/server.js'
import { MemoryStore } from '../../../src/controller/store/memory-store.js'
import { switchKind } from '../../../src/controller/switch-setup/kind.js'
import { guardOf } from '../first-token.js'

const plainKind: Kind = {
  ...switchKind,
  kind: 'Plain',
  path: 'plain',
  plural: 'plains',
  hasTeardown: false,
}
const spec = { ovsdb: { address: 'unix:/db.sock' }, bridges: { br0: {} } }
const auth = { authorization: 'Bearer secret' }

const serve = async () => {
  const env = new SimulatedEnv()
  const store = new MemoryStore(env)
  const objects = await ObjectKeeper.load(env.timers, store, [switchKind, plainKind])
  const states = new Map<string, { state: string; reason?: string }>()
  const app = await createRest({ guard: guardOf('secret'), log: env.log, timers: env.timers }, [
    objectRoutes(objects, (_, name) => states.get(name)),
  ])
  const call = async (
    method: 'GET' | 'PUT' | 'POST' | 'DELETE',
    url: string,
    body?: object,
    headers: object = auth,
  ) => {
    const reply = await app.inject({
      method,
      url,
      headers: { host: '127.0.0.1', ...headers },
      ...(body && { payload: body }),
    })
    return {
      status: reply.statusCode,
      etag: reply.headers.etag,
      body: reply.body === '' ? undefined : reply.json(),
    }
  }
  return { env, store, objects, states, call }
}

t.test('an object is declared, read, changed under its revision, and deleted', async t => {
  const { call, store, states } = await serve()
  const at = '/api/v1/objects/switch/s1'
  const added = await call('PUT', at, { spec })
  t.match(added, { status: 201, body: { change: 'added', status: { state: 'pending' } } })
  states.set('s1', { state: 'degraded', reason: 'port p1: no such device' })
  const read = await call('GET', at)
  t.equal(read.etag, added.etag)
  t.match(read.body, {
    kind: 'Switch',
    name: 's1',
    spec,
    status: { state: 'degraded', reason: /p1/ },
  })
  t.match(await call('PUT', at, { spec }), {
    status: 200,
    etag: read.etag,
    body: { change: 'unchanged' },
  })
  const other = { ...spec, bridges: {} }
  t.match(await call('PUT', at, { spec: other }, { ...auth, 'if-match': '"9999"' }), {
    status: 412,
    body: { code: 'revision-conflict' },
  })
  t.match(await call('PUT', at, { spec: other }, { ...auth, 'if-none-match': '*' }), {
    status: 412,
  })
  const changed = await call('PUT', at, { spec: other }, { ...auth, 'if-match': read.etag })
  t.match(changed, { status: 200, body: { change: 'changed' } })
  t.not(changed.etag, read.etag)
  t.match((await store.list('/objects/')).kvs, [
    { key: '/objects/switch/s1', value: { spec: other } },
  ])
  t.match(await call('GET', '/api/v1/objects/switch'), { body: { items: [{ name: 's1' }] } })
  t.match(await call('DELETE', at), { status: 202, body: { state: 'leaving' } })
  t.match(await call('GET', at), { status: 200, body: { isLeaving: true } })
  t.match(await call('DELETE', `${at}?leave=true`), { status: 204 })
  t.match(await call('GET', at), { status: 404, body: { code: 'not-found' } })
  t.match(await call('PUT', '/api/v1/objects/plain/p', { spec }), { status: 201 })
  t.match(await call('DELETE', '/api/v1/objects/plain/p'), { status: 204 })
})

t.test('writes need the token, and the kinds are told with their schemas', async t => {
  const { call } = await serve()
  t.match(await call('PUT', '/api/v1/objects/switch/s1', { spec }, {}), { status: 401 })
  t.match(await call('POST', '/api/v1/objects', { objects: [] }, {}), { status: 401 })
  t.match(await call('DELETE', '/api/v1/objects/switch/s1', undefined, {}), { status: 401 })
  t.match(await call('GET', '/api/v1/objects', undefined, {}), {
    status: 200,
    body: { items: [{ kind: 'Switch', plural: 'switches', schema: { type: 'object' } }, {}] },
  })
})

t.test('several are taken all or none, with every mistake and its path', async t => {
  const { call, objects } = await serve()
  const bad = {
    ovsdb: { address: 'tcp:10.0.0.1:6640' },
    colour: 'red',
  }
  const reply = await call('POST', '/api/v1/objects', {
    objects: [
      { kind: 'Switch', name: 'good', spec },
      { kind: 'Switch', name: 'bad', spec: bad },
      { kind: 'Switch', name: 'good', spec },
      { kind: 'Swich', name: 'x', spec },
      { kind: 'Switch', name: '../x', spec },
      { kind: 'Switch', name: 'plain-text', spec: { ovsdb: bad.ovsdb } },
    ],
  })
  t.equal(reply.status, 400)
  t.same(reply.body.complaints, [
    {
      index: 1,
      path: ['spec', 'colour'],
      message: 'does not belong here; these do: ovsdb, bridges, qos, conntrack',
    },
    { index: 2, path: ['name'], message: 'Switch good is declared twice' },
    { index: 3, path: ['kind'], message: 'there is no kind Swich; there is Switch, Plain' },
    {
      index: 4,
      path: ['name'],
      message: 'a name has up to 63 letters, digits, dots, dashes and underscores',
    },
    {
      index: 5,
      path: ['spec', 'ovsdb', 'address'],
      message:
        'tcp:10.0.0.1:6640 would go unprotected to another machine; use ssl:, or say allowPlaintext: true',
    },
  ])
  t.same(objects.list(switchKind), [])
  t.match(
    await call('POST', '/api/v1/objects?dryRun=true', {
      objects: [{ kind: 'Switch', name: 'good', spec }],
    }),
    { status: 200, body: { items: [{ change: 'added' }] } },
  )
  t.same(objects.list(switchKind), [])
})

t.test('what a schema cannot say is said by the kind', async t => {
  const { call } = await serve()
  const cases: [object, string[], string][] = [
    [
      { ovsdb: { address: 'x' } },
      ['ovsdb', 'address'],
      '"x" is no address; write unix:PATH, tcp:HOST:PORT, ssl:HOST:PORT, punix:PATH, ptcp:PORT:HOST or pssl:PORT:HOST',
    ],
    [
      { ovsdb: { address: 'ssl:10.0.0.1:6640', key: 'k' } },
      ['ovsdb'],
      'TLS needs certificate, authority as well',
    ],
    [
      { ovsdb: { address: 'unix:/x', systemId: 'a' } },
      ['ovsdb', 'systemId'],
      'only for addresses that switches call',
    ],
    [
      { ...spec, bridges: { br0: { datapathId: '0000000000000000' } } },
      ['bridges', 'br0', 'datapathId'],
      'all zeros and all ones are reserved',
    ],
    [
      { ...spec, bridges: { br0: { ports: { p: { type: 'patch' } } } } },
      ['bridges', 'br0', 'ports', 'p'],
      'a patch port needs options: {peer: ...}',
    ],
    [
      { ...spec, bridges: { br0: { ports: { v: { type: 'vxlan', options: {} } } } } },
      ['bridges', 'br0', 'ports', 'v'],
      'a vxlan port needs options: {remote_ip: ...}',
    ],
    [
      { ...spec, bridges: { br0: { ports: { p: { qos: 'gold' } } } } },
      ['bridges', 'br0', 'ports', 'p', 'qos'],
      'there is no gold under qos',
    ],
    [
      { ...spec, bridges: { br0: { mirrors: { m: { output: 'p' } } } } },
      ['bridges', 'br0', 'mirrors', 'm'],
      'it copies nothing: say all: true, or ports in from or to',
    ],
    [
      { ...spec, bridges: { br0: { ports: { p: {} } }, br1: { ports: { p: {} } } } },
      ['bridges', 'br1', 'ports', 'p'],
      'p is already on bridge br0',
    ],
    [
      { ...spec, conntrack: { netdev: { 70000: {} } } },
      ['conntrack', 'netdev', '70000'],
      'a zone is 0 to 65535',
    ],
    [
      { ...spec, bridges: { br0: { failMode: 'open' } } },
      ['bridges', 'br0', 'failMode'],
      'takes one of secure, standalone',
    ],
    [
      { ...spec, bridges: { 'a bridge': {} } },
      ['bridges', 'a bridge'],
      'does not belong here; names here are device names of 1 to 15 letters, digits and "_.@:-"',
    ],
    [{ bridges: {} }, ['ovsdb'], 'is missing'],
  ]
  for (const [wrong, path, message] of cases) {
    const reply = await call('POST', '/api/v1/objects', {
      objects: [{ kind: 'Switch', name: 's', spec: wrong }],
    })
    t.same(reply.body.complaints, [{ index: 0, path: ['spec', ...path], message }], message)
  }
})

t.test('objects survive a restart', async t => {
  const { call, store, env, objects } = await serve()
  await call('PUT', '/api/v1/objects/switch/s1', { spec })
  const again = await ObjectKeeper.load(env.timers, store, [switchKind, plainKind])
  t.same(again.list(switchKind), objects.list(switchKind))
  t.equal(again.list(switchKind).length, 1)
})
