/** What a hostile server could try, one by one; each with what is still taken, so that the guard is what stops it. */
import t from 'tap'
import { connected, outcomeOf } from './fake-server.js'

const piece = Buffer.alloc(64 * 1024, 0x78)

t.test('a row of 100 MB is given up at the limit, a row of 20 MB is read', async t => {
  for (const [size, isTaken] of [
    [20, true],
    [100, false],
  ] as const) {
    const { server, client, env } = await connected({ probeMillis: 3_600_000 })
    const seen: unknown[] = []
    client.on('update', (_, tables) => seen.push(tables))
    server.sendText('{"method":"update","id":null,"params":["m",{"T":{"u":{"new":{"c":"')
    let sent = 0
    for (; sent < size * 1024 * 1024 && client.closedBecause === undefined; sent += piece.length) {
      server.sendText(piece)
      await env.settle()
    }
    server.sendText('"}}}}]}')
    await env.settle()
    t.equal(seen.length, isTaken ? 1 : 0, `${size} MB`)
    t.equal(client.closedBecause, isTaken ? undefined : 'an object of more than 33554432 octets')
    if (!isTaken)
      t.ok(sent < 34 * 1024 * 1024, `given up after ${Math.round(sent / 1024 / 1024)} MB`)
    client.close()
  }
})

t.test('arrays within arrays are given up at 65, taken at 60', async t => {
  for (const [depth, isTaken] of [
    [60, true],
    [65, false],
    [1_000_000, false],
  ] as const) {
    const { server, client, env } = await connected()
    const outcome = outcomeOf(client.request('x', []))
    await env.settle()
    server.sendText(`{"id":1,"error":null,"result":${'['.repeat(depth)}${']'.repeat(depth)}}`)
    await env.settle()
    t.equal(outcome.error === undefined, isTaken, `${depth} levels`)
    client.close()
  }
})

t.test('echo requests without end are answered, and cost no memory', async t => {
  const { server, client, env } = await connected()
  for (let count = 0; count < 20_000; count++) {
    server.send({ method: 'echo', params: [], id: count })
    if (count % 1_000 === 0) await env.settle()
  }
  await env.settle()
  t.equal(server.heard.length, 20_000)
  t.equal(client.closedBecause, undefined)
  t.equal(client.pendingCount, 0)
})
