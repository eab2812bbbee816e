/** Callers that do not say which switch they are keep no declared one out, and hold little memory. */
import { connect, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import { realEnv } from '../../../src/base/env/real-env.js'
import { CollectingLog } from '../../../src/base/log/log.js'
import { Callers } from '../../../src/controller/switch-setup/callers.js'
import type { OvsdbClient } from '../../../src/ovsdb/client.js'
import { until } from '../../until.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** MiB that the process holds outside and inside of the heap. */
const held = (): number => {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return (heapUsed + arrayBuffers) / 2 ** 20
}

const rig = async (t: Test, deadlineMillis: number) => {
  const env = realEnv(new CollectingLog())
  const port = await freePort(env)
  const address = { host: '127.0.0.1', port }
  const callers = new Callers(env, address, { deadlineMillis, maxWaiting: 64, what: 'system-id' })
  const accepted: OvsdbClient[] = []
  const troubles: (string | undefined)[] = []
  callers.add({
    systemId: 'one',
    accept: client => accepted.push(client),
    setTrouble: reason => troubles.push(reason),
  })
  await callers.listen()
  t.same(troubles, [])
  t.teardown(() => callers.close())
  const call = (): Promise<Caller> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1')
      t.teardown(() => socket.destroy())
      const caller = { socket, isClosed: false }
      socket.on('error', () => undefined)
      socket.on('data', () => undefined)
      socket.once('error', reject)
      socket.once('connect', () => resolve(caller))
      socket.once('close', () => {
        caller.isClosed = true
      })
    })
  return { accepted, call }
}

interface Caller {
  readonly socket: Socket
  isClosed: boolean
}

const freePort = async (env: ReturnType<typeof realEnv>): Promise<number> => {
  const probe = await env.net.listen({ host: '127.0.0.1', port: 0 }, () => undefined)
  const { port } = probe.address as { port: number }
  await probe.close()
  return port
}

/** A switch that says at once who it is. */
const introduce = ({ socket }: Caller, systemId: string): void => {
  socket.on('data', chunk => {
    const { id } = JSON.parse(String(chunk)) as { id: number }
    const row = { external_ids: ['map', [['system-id', systemId]]] }
    socket.write(JSON.stringify({ id, error: null, result: [{ rows: [row] }] }))
  })
}

t.test('silent callers are ended, and a switch gets through beside any number of them', async t => {
  const { accepted, call } = await rig(t, 1_500)
  const silent = await Promise.all(Array.from({ length: 300 }, () => call()))
  introduce(await call(), 'one')
  await until(() => accepted.length === 1)
  t.ok(silent.filter(({ isClosed }) => !isClosed).length <= 64, 'no more than 64 wait')
  await until(() => silent.every(({ isClosed }) => isClosed))
  t.equal(accepted[0]!.closedBecause, undefined, 'the switch stays')
})

t.test('messages without an end of callers that nobody knows take little', async t => {
  const { accepted, call } = await rig(t, 60_000)
  const before = held()
  const many = await Promise.all(Array.from({ length: 60 }, () => call()))
  const piece = Buffer.from(`"${'x'.repeat(2 ** 20 - 4)}",`)
  for (const { socket } of many) {
    socket.write('{"method":"echo","params":[')
    for (let count = 0; count < 8; count++) socket.write(piece)
  }
  await until(() => many.every(({ isClosed }) => isClosed))
  introduce(await call(), 'one')
  await until(() => accepted.length === 1)
  const more = held() - before
  t.ok(more < 40, `${more.toFixed(1)} MiB`)
})

t.test('the other way round: a switch that is known may say much', async t => {
  const { accepted, call } = await rig(t, 5_000)
  const caller = await call()
  introduce(caller, 'one')
  await until(() => accepted.length === 1)
  const big = JSON.stringify({
    method: 'update3',
    params: [null, 'x', { a: { b: { insert: { c: 'y'.repeat(2 ** 21) } } } }],
    id: null,
  })
  const heard = new Promise(resolve => accepted[0]!.once('update3', resolve))
  caller.socket.write(big)
  await heard
  t.notOk(caller.isClosed)
  const other = await call()
  introduce(other, 'two')
  await until(() => other.isClosed)
  t.equal(accepted.length, 1, 'one that is not declared is turned away')
})
