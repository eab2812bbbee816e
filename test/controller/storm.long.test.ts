/**
 * Mutated messages over sockets to the shipped program (M1): nothing crashes, nothing hangs, a switch that behaves
 * notices nothing. `npm run bench -- storm` does the same with a million.
 */
import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { Canary } from '../../bench/canary.js'
import { sendMutants } from '../../bench/mutants.js'
import { startProgram } from '../../bench/program.js'

t.test('ten thousand mutated messages end connections, and nothing else', async t => {
  const program = await startProgram()
  t.teardown(() => program.stop())
  const canary = await Canary.start(program)
  const report = await sendMutants({ port: program.openflowPort, count: 10_000, seed: 20261125 })
  const healthy = await canary.stop()
  t.ok(report.judged >= 10_000, `${report.judged} messages`)
  t.equal(report.hangs, 0)
  t.equal(report.unexpected, 0, 'no connection ends that need not')
  t.equal(report.unreachable, 0)
  t.notOk(healthy.isDropped, 'the healthy switch stays')
  t.ok(healthy.echoes > 20, `${healthy.echoes} echoes`)
  t.equal(healthy.restFailures, 0)
  t.same(program.complaints, [], 'nothing is logged as an error')
  t.equal(program.child.exitCode, null)
})

/** A listener that greets and then does with octets what a test says. */
const listener = async (t: Test, received: (socket: Socket) => void): Promise<number> => {
  const server = createServer(socket => {
    socket.on('error', () => undefined)
    socket.once('data', () => received(socket))
    socket.write(Buffer.from('0400000800000001', 'hex'))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return (server.address() as { port: number }).port
}

const few = { count: 20, seed: 1, connections: 4, patienceMillis: 100 }

t.test(
  'the other way round: a listener that goes silent is told from one that answers',
  async t => {
    const port = await listener(t, () => undefined)
    t.ok((await sendMutants({ ...few, port })).hangs > 0)
  },
)

t.test('the other way round: one that ends every connection is noticed', async t => {
  const port = await listener(t, socket => socket.destroy())
  t.ok((await sendMutants({ ...few, port })).unexpected > 0)
})
