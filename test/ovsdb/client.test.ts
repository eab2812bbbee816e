/** The odd corners of the protocol, against a server in memory that does what a test tells it. */
import t from 'tap'
import { type Operation, OvsdbError } from '../../src/ovsdb/client.js'
import { connected, outcomeOf } from './fake-server.js'

t.test('replies find their requests, in whatever order they come', async t => {
  const { server, client, env } = await connected()
  const first = outcomeOf(client.request('one', []))
  const second = outcomeOf(client.request('two', [1, 'x']))
  await env.settle()
  t.same(server.heard, [
    { method: 'one', params: [], id: 1 },
    { method: 'two', params: [1, 'x'], id: 2 },
  ])
  server.send({ id: 2, result: 'second', error: null })
  server.send({ id: 1, result: null, error: 'not so' })
  await env.settle()
  t.equal(second.value, 'second')
  t.match(first.error, { error: 'not so', message: 'not so: in answer to one' })
})

t.test('a reply to nobody is counted, a flood of them ends the connection', async t => {
  const { server, client, env } = await connected({ limits: { strays: 2 } })
  server.send({ id: 77, result: 1, error: null })
  server.send({ id: 'text', result: 1, error: null })
  await env.settle()
  t.equal(client.strayCount, 2)
  t.equal(client.closedBecause, undefined)
  server.send({ id: [1], result: 1, error: null })
  await env.settle()
  t.equal(client.closedBecause, 'more than 2 replies that nobody asked for')
})

t.test('a request that is not answered ends in time, and its late reply is nothing', async t => {
  const { server, client, env } = await connected({
    requestTimeoutMillis: 1_000,
    probeMillis: 60_000,
  })
  const late = outcomeOf(client.transact('db', [{ op: 'abort' }]))
  await env.advance(999)
  t.equal(late.error, undefined)
  await env.advance(2)
  t.match(late.error, { error: 'timed out', message: /transact was not answered in 1000 ms/ })
  t.same(server.heard.at(-1), { method: 'cancel', params: [1], id: null }, 'and is cancelled')
  server.send({ id: 1, result: [], error: null })
  await env.settle()
  t.equal(client.closedBecause, undefined)
  t.equal(client.strayCount, 1)
})

t.test('a transaction that waits has the time that it asks for', async t => {
  const { client, env } = await connected({ requestTimeoutMillis: 1_000, probeMillis: 60_000 })
  const wait: Operation = {
    op: 'wait',
    table: 'T',
    where: [],
    until: '==',
    rows: [],
    timeout: 5_000,
  }
  const outcome = outcomeOf(client.transact('db', [wait]))
  await env.advance(5_900)
  t.equal(outcome.error, undefined)
  await env.advance(200)
  t.match(outcome.error, { error: 'timed out' })
})

t.test('a transaction is cancelled by its signal', async t => {
  const { server, client, env } = await connected()
  const abort = new AbortController()
  const outcome = outcomeOf(client.transact('db', [{ op: 'abort' }], { signal: abort.signal }))
  await env.settle()
  abort.abort()
  await env.settle()
  t.same(server.heard.at(-1), { method: 'cancel', params: [1], id: null })
  server.send({ id: 1, result: null, error: 'canceled' })
  await env.settle()
  t.match(outcome.error, { error: 'canceled' })
  const unanswered = outcomeOf(client.transact('db', [{ op: 'abort' }], { signal: abort.signal }))
  await env.advance(499)
  t.equal(unanswered.error, undefined)
  await env.advance(2)
  t.match(unanswered.error, { message: 'canceled: transact; the server did not say so' })
  t.equal(client.pendingCount, 0)
})

t.test('the operation that failed is named', async t => {
  const { server, client, env } = await connected()
  const operations: Operation[] = [
    { op: 'comment', comment: 'x' },
    { op: 'insert', table: 'Bridge', row: {} },
  ]
  const outcome = outcomeOf(client.transact('db', operations))
  const atEnd = outcomeOf(client.transact('db', operations))
  const details = 'no\u001b[31m colours'
  await env.settle()
  server.send({
    id: 1,
    result: [{}, { error: 'constraint violation', details }, null],
    error: null,
  })
  server.send({
    id: 2,
    result: [{}, {}, { error: 'referential integrity violation' }],
    error: null,
  })
  await env.settle()
  t.equal(
    outcome.error?.message,
    'constraint violation: no?[31m colours (in operation 2, insert Bridge)',
  )
  t.equal(atEnd.error?.message, 'referential integrity violation: (in the transaction as a whole)')
})

t.test('requests beyond the limit are refused, and those below are not', async t => {
  const { client, env } = await connected({ limits: { pending: 2 } })
  const outcomes = [1, 2, 3].map(() => outcomeOf(client.request('x', [])))
  await env.settle()
  t.equal(client.pendingCount, 2)
  t.same(
    outcomes.map(each => each.error?.message),
    [undefined, undefined, 'too many requests: 2 wait for a reply, x was not sent'],
  )
  client.close()
  await env.settle()
  t.match(outcomes[0]!.error, { error: 'closed', message: 'closed: closed by us' })
  const after = outcomeOf(client.request('x', []))
  await env.settle()
  t.match(after.error, { error: 'closed' })
})

t.test('echo is answered, and other requests of the server are refused', async t => {
  const { server, env } = await connected()
  server.send({ method: 'echo', params: ['a', 1], id: 'e1' })
  server.send({ method: 'transact', params: [], id: 9 })
  await env.settle()
  t.same(server.heard, [
    { id: 'e1', result: ['a', 1], error: null },
    { id: 9, result: null, error: { error: 'unknown method', details: 'transact' } },
  ])
})

t.test('a silent server is probed, then given up', async t => {
  const { server, client, env } = await connected({ probeMillis: 5_000 })
  await env.advance(5_100)
  t.same(server.heard, [{ method: 'echo', params: [], id: 'echo' }])
  server.send({ id: 'echo', result: [], error: null })
  await env.advance(100)
  t.equal(client.strayCount, 0)
  await env.advance(10_000)
  t.equal(server.calls('echo').length, 2)
  t.equal(client.closedBecause, undefined)
  await env.advance(5_000)
  t.equal(client.closedBecause, 'no answer to an echo in 5000 ms')
  t.equal(server.isClosed, true)
})

t.test('a server that talks is not probed', async t => {
  const { server, client, env } = await connected({ probeMillis: 5_000 })
  for (let second = 0; second < 30; second++) {
    server.send({ method: 'news', params: [], id: null })
    await env.advance(1_000)
  }
  t.equal(server.calls('echo').length, 0)
  t.equal(client.closedBecause, undefined)
})

t.test('breaches of the protocol end the connection with their reason', async t => {
  const cases: [string, string | RegExp][] = [
    ['{"method":7,"params":[],"id":null}', 'a method that is no string'],
    ['{"method":"update","params":{},"id":null}', 'update without an array of params'],
    ['{"result":1}', 'a reply without an id'],
    ['{"id":1}', 'a reply with neither result nor error'],
    [
      '{"method":"update","params":["m",{"T":1}],"id":null}',
      'update without rows by table and UUID',
    ],
    ['{"method":"update2","params":["m",[]],"id":null}', 'update2 without rows by table and UUID'],
    ['{"method":"update3","params":["m",{},{}],"id":null}', 'update3 without last-txn-id'],
    ['{"method":"locked","params":[],"id":null}', 'locked without a lock'],
    ['[]', /0x5b where an object begins/],
    ['{"a":}', /Unexpected token/],
    [`{"a":${'['.repeat(100)}`, 'more than 64 objects within one another'],
  ]
  for (const [text, reason] of cases) {
    const { server, client, env } = await connected()
    const waiting = outcomeOf(client.request('x', []))
    server.sendText(text)
    await env.settle()
    t.match(client.closedBecause, reason, text.slice(0, 60))
    t.ok(waiting.error instanceof OvsdbError, 'what waits is told')
    await env.settle()
    t.equal(server.isClosed, true)
  }
})

t.test('replies of the wrong shape end the connection', async t => {
  const cases: [
    string,
    (client: Awaited<ReturnType<typeof connected>>['client']) => Promise<unknown>,
    unknown,
  ][] = [
    ['list_dbs', client => client.listDatabases(), [1]],
    ['transact', client => client.transact('db', []), 'ok'],
    ['transact', client => client.transact('db', []), [{}, {}]],
    ['monitor', client => client.monitor('db', 1, {}), [1]],
    ['monitor_cond_since', client => client.monitorCondSince('db', 1, {}), [1, 2]],
    ['lock', client => client.lock('l'), {}],
  ]
  for (const [method, ask, result] of cases) {
    const { server, client, env } = await connected()
    server.answers[method] = () => result
    const outcome = outcomeOf(ask(client))
    await env.settle()
    t.equal(outcome.error?.name, 'ProtocolError', method)
    t.type(client.closedBecause, 'string')
  }
})

t.test(
  'unknown notifications are left aside, and a message that was whole still counts',
  async t => {
    const { server, client, env } = await connected()
    const outcome = outcomeOf(client.request('x', []))
    server.sendText(
      '{"method":"new-thing","params":[1],"id":null}{"id":1,"result":5,"error":null}!',
    )
    await env.settle()
    t.equal(outcome.value, 5)
    t.match(client.closedBecause, /0x21 where an object begins/)
  },
)

t.test('a server that does not read is left', async t => {
  const { server, client, env } = await connected({
    limits: { unsent: 100_000 },
    probeMillis: 3_600_000,
  })
  server.pause()
  const params = ['x'.repeat(10_000)]
  for (let count = 0; count < 40 && client.closedBecause === undefined; count++)
    server.send({ method: 'echo', params, id: count })
  await env.settle()
  t.match(client.closedBecause, /the server has left \d+ octets unread/)
})

t.test('many small messages are handled in slices, in order', async t => {
  const { server, client, env } = await connected()
  const seen: unknown[] = []
  client.on('locked', lock => seen.push(lock))
  let text = ''
  for (let count = 0; count < 1_000; count++)
    text += JSON.stringify({ method: 'locked', params: [String(count)], id: null })
  server.sendText(text)
  await env.settle()
  t.same(
    seen,
    Array.from({ length: 1_000 }, (_, count) => String(count)),
  )
})

t.test('the words of every method', async t => {
  const { server, client, env } = await connected()
  const where = [['name', '==', 'br0']] as const
  const ended = [
    outcomeOf(client.listDatabases()),
    outcomeOf(client.getSchema('db')),
    outcomeOf(client.monitor('db', 'm', { T: { columns: ['a'] } })),
    outcomeOf(client.monitorCond('db', 'm', { T: { columns: ['a'], where } })),
    outcomeOf(client.monitorCondSince('db', 'm', { T: [{ where: [true] }] }, 'last')),
    outcomeOf(client.changeMonitor('m', 'n', { T: { where } })),
    outcomeOf(client.cancelMonitor('n')),
    outcomeOf(client.lock('l')),
    outcomeOf(client.steal('l')),
    outcomeOf(client.unlock('l')),
    outcomeOf(client.echo('x')),
    outcomeOf(client.getServerId()),
    outcomeOf(client.setDbChangeAware(true)),
  ]
  await env.settle()
  t.same(
    server.heard.map(({ method, params }) => [method, params]),
    [
      ['list_dbs', []],
      ['get_schema', ['db']],
      ['monitor', ['db', 'm', { T: { columns: ['a'] } }]],
      ['monitor_cond', ['db', 'm', { T: [{ columns: ['a'], where }] }]],
      ['monitor_cond_since', ['db', 'm', { T: [{ where: [true] }] }, 'last']],
      ['monitor_cond_change', ['m', 'n', { T: [{ where }] }]],
      ['monitor_cancel', ['n']],
      ['lock', ['l']],
      ['steal', ['l']],
      ['unlock', ['l']],
      ['echo', ['x']],
      ['get_server_id', []],
      ['set_db_change_aware', [true]],
    ],
  )
  server.drop()
  await env.settle()
  t.ok(ended.every(each => each.error instanceof OvsdbError))
})
