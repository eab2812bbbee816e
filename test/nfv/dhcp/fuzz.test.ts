/** Octets that nobody sends in good faith: a reader of DHCP ends in a message or none, and a server goes on. */
import t from 'tap'
import type { Dpid } from '../../../src/base/addresses.js'
import { SimulatedEnv } from '../../../src/base/env/simulated-env.js'
import { LeaseBook } from '../../../src/nfv/dhcp/book.js'
import type { Answer, Question } from '../../../src/nfv/dhcp/question.js'
import { replyFrame } from '../../../src/nfv/dhcp/replies.js'
import { resolveDhcp, type Served } from '../../../src/nfv/dhcp/scope.js'
import { DhcpServer } from '../../../src/nfv/dhcp/server.js'
import { dhcpOption as option, readDhcp, writeDhcp } from '../../../src/topology/dhcp-message.js'

const rounds = 20_000

const base = (env: SimulatedEnv): Uint8Array =>
  writeDhcp(
    1,
    {
      xid: env.random.uint32(),
      secs: 0,
      isBroadcast: false,
      client: 0,
      yours: 0,
      server: 0,
      relay: 0,
      hardwareType: 1,
      hardware: Uint8Array.from([2, 0, 0, 0, 0, env.random.uint32() & 7]),
    },
    [
      [option.type, Uint8Array.from([1 + (env.random.uint32() % 8)])],
      [option.requestedAddress, Uint8Array.from([10, 1, 0, 100 + (env.random.uint32() & 7)])],
      [option.serverId, Uint8Array.from([10, 1, 0, 2])],
      [option.relay, env.random.bytes(env.random.uint32() % 20)],
      [option.hostName, env.random.bytes(env.random.uint32() % 40)],
      [option.wanted, env.random.bytes(env.random.uint32() % 40)],
    ],
  )

/** Cut, with other octets, with pieces twice. */
const mutated = (env: SimulatedEnv): Uint8Array => {
  const bytes = base(env)
  const count = env.random.uint32() % 6
  for (let turn = 0; turn < count; turn++) {
    // The options are where the shape is.
    const at =
      env.random.uint32() % 4 === 0 ? env.random.uint32() % 240 : 240 + (env.random.uint32() % 60)
    bytes[at] = env.random.uint32() & 255
  }
  return env.random.uint32() % 5 === 0
    ? bytes.subarray(0, env.random.uint32() % bytes.length)
    : bytes
}

t.test('any octets are a message or none, and no answer is damaged', async t => {
  const env = new SimulatedEnv({ seed: 16 })
  const served = resolveDhcp(
    { range: '10.1.0.100-10.1.0.107', server: '10.1.0.2/24', options: { domain: 'a.example' } },
    { number: 1, name: 'default' },
    [],
    [],
  ) as Served
  const book = new LeaseBook(env.clock)
  const at = { dpid: '0000000000000001' as Dpid, port: 1 }
  let revision = 0
  let answers = 0
  const owners = new Map<number, string>()
  const server = new DhcpServer(book, {
    clock: env.clock,
    answer: (question: Question, answer: Answer) => {
      answers++
      const frame = replyFrame(question, answer)
      const again = readDhcp(frame.subarray(42), 2)
      if (again === undefined || again.type !== answer.kind)
        t.fail('an answer that nobody can read')
      if (frame.length > 1_514) t.fail('an answer too long')
      if (answer.kind !== 'ack' || answer.ip === 0) return
      owners.set(answer.ip, Buffer.from(question.message.hardware).toString('hex'))
    },
    keep: async () => ++revision,
    probe: async () => true,
    isRelay: () => false,
    isUnguarded: () => true,
    isShared: () => false,
    leased: () => undefined,
    tell: () => undefined,
  })
  let read = 0
  for (let round = 0; round < rounds; round++) {
    const message = readDhcp(mutated(env), 1)
    if (message === undefined) continue
    read++
    await server.receive({ message, served, at, sender: 0x020000000000 })
    if (round % 100 === 0) await env.advance(1_000)
  }
  t.ok(read > rounds / 4 && read < rounds, `some are messages: ${read}`)
  t.ok(answers > rounds / 20, `and are answered: ${answers}`)
  t.ok(book.size <= 8, 'no more addresses than there are')
  for (const address of owners.keys()) t.ok(address >= 0x0a010064 && address <= 0x0a01006b)
})

t.test('what is cut at any octet is read to its end or not at all', async t => {
  const env = new SimulatedEnv({ seed: 17 })
  const whole = base(env)
  for (let size = 0; size < whole.length; size++) {
    const message = readDhcp(whole.subarray(0, size), 1)
    if (size < 240 && message !== undefined) t.fail(`${size} octets are no message`)
  }
  const overload = new Uint8Array(300)
  overload.set(whole.subarray(0, 240))
  overload.set([52, 1, 3, 255], 240)
  overload.set([52, 1, 3, 53, 1, 1, 255], 108)
  t.equal(readDhcp(overload, 1)?.type, 'discover', 'options in the field for a file, once')
})
