/** What is said to a switch in one turn leaves in one piece. */
import t from 'tap'
import { encode, type Message } from '../../src/openflow/index.js'
import { Together } from '../../src/openflow/session/confirmed-messages.js'
import { Outbox } from '../../src/openflow/session/outbox.js'

const sending = () => {
  const sent: Uint8Array[] = []
  const outbox = new Outbox({ send: bytes => sent.push(bytes), unsentSize: 0 })
  const add = (message: Message, xid: number) => {
    outbox.add(encode(message, xid), false)
  }
  return { sent, add }
}

const flowMod = (cookie: bigint): Message => ({
  kind: 'flow-mod',
  cookie,
  cookieMask: 0n,
  tableId: 0,
  command: 'add',
  idleTimeout: 0,
  hardTimeout: 0,
  priority: 1,
  bufferId: 0xffffffff,
  outPort: 0xffffffff,
  outGroup: 0xffffffff,
  flags: 0,
  match: {},
  instructions: [],
})

t.test('the messages of a bundle are one write', async t => {
  const { sent, add } = sending()
  let xid = 0
  const together = new Together({
    newXid: () => ++xid,
    transmit: add,
    request: message => {
      add(message, ++xid)
      return new Promise(() => undefined)
    },
    isBehind: () => false,
    caughtUp: async () => undefined,
  })
  const parts = [flowMod(1n), flowMod(2n), flowMod(3n)]
  together.bundle(parts).catch(() => undefined)
  await new Promise(resolve => setImmediate(resolve))
  t.equal(sent.length, 1)
  const sizes = [encode({ kind: 'bundle-control', bundleId: 1, control: 'open-request', flags: 3 })]
    .concat(parts.map(part => encode(part)))
    .map(({ length }) => length)
  t.ok(sent[0]!.length > sizes.reduce((sum, size) => sum + size), 'all of them')
  const first = Buffer.from(sent[0]!).toString('hex')
  for (const cookie of [1, 2, 3])
    t.ok(first.includes(`0000000${cookie}`.padStart(16, '0')), `with the row of cookie ${cookie}`)
})
