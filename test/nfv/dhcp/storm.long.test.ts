/** Many clients at once, controllers that are killed, clocks that jump, two controllers: no address is given twice. */
import t from 'tap'
import { type Dpid, formatMac } from '../../../src/base/addresses.js'
import { SimulatedEnv } from '../../../src/base/env/simulated-env.js'
import { MemoryStore } from '../../../src/controller/store/memory-store.js'
import { LeaseBook, type StoredLease } from '../../../src/nfv/dhcp/book.js'
import { resolveDhcp, type Served } from '../../../src/nfv/dhcp/scope.js'
import { DhcpServer } from '../../../src/nfv/dhcp/server.js'
import { LeaseWriter } from '../../../src/nfv/dhcp/writer.js'
import { functionStore } from '../../../src/nfv/kept.js'
import { dhcpOption as option } from '../../../src/topology/dhcp-message.js'
import { end, switchNames, Whole } from '../../topology/whole.js'
import { Client, four } from './client.js'
import { messageOf } from './messages.js'

const spec = { range: '10.1.0.10-10.1.7.250', server: '10.1.0.2/16', lease: '2m' }

const declared = (whole: Whole) => {
  whole.controller.declare('Network', [{ name: 'default', spec: { number: 1, dhcp: spec } }])
}

t.test('1,000 clients at once have their addresses within three seconds', async t => {
  const switches = 10
  const each = 100
  const names = switchNames(switches)
  const whole = await Whole.start({
    switches: names,
    hosts: names.flatMap(({ name }) =>
      Array.from({ length: each }, (_, index) => ({
        name: `${name}h${index}`,
        at: end(name, 100 + index),
      })),
    ),
    links: names.slice(1).map(({ name }, index) => ({ a: end('s1', 1 + index), b: end(name, 1) })),
  })
  declared(whole)
  await whole.env.advance(3_000)
  const clients = names.flatMap(({ name }) =>
    Array.from({ length: each }, (_, index) => new Client(whole, `${name}h${index}`)),
  )
  const beganMillis = whole.env.clock.nowMillis()
  for (const client of clients) client.say({ type: 'discover' })
  const got = new Map<Client, number>()
  while (got.size < clients.length && whole.env.clock.nowMillis() - beganMillis < 10_000) {
    await whole.env.advance(50)
    for (const client of clients)
      for (const { message } of client.heard()) {
        if (message.type === 'ack') got.set(client, message.yours)
        if (message.type === 'offer')
          client.say({
            type: 'request',
            options: [
              [option.requestedAddress, four(message.yours)],
              [option.serverId, message.options.get(option.serverId)!],
            ],
          })
      }
  }
  const tookMillis = whole.env.clock.nowMillis() - beganMillis
  t.equal(got.size, 1_000)
  t.equal(new Set(got.values()).size, 1_000, 'each its own')
  t.ok(tookMillis < 3_000, `within ${tookMillis} ms`)
  await whole.stop()
})

t.test('a controller that is killed at any point gives no address twice', async t => {
  const whole = await Whole.start({
    switches: switchNames(1),
    hosts: ['a', 'b', 'c', 'd'].map((name, index) => ({ name, at: end('s1', 10 + index) })),
    links: [],
  })
  declared(whole)
  await whole.env.advance(1_000)
  const clients = ['a', 'b', 'c', 'd'].map(name => new Client(whole, name))
  const holders = new Map<number, { mac: number; untilMillis: number }>()
  let acks = 0
  const listen = () => {
    for (const client of clients)
      for (const { message } of client.heard()) {
        const now = whole.env.clock.nowMillis()
        if (message.type === 'offer')
          client.say({
            type: 'request',
            options: [
              [option.requestedAddress, four(message.yours)],
              [option.serverId, message.options.get(option.serverId)!],
            ],
          })
        if (message.type !== 'ack') continue
        acks++
        const before = holders.get(message.yours)
        if (before !== undefined && before.mac !== client.mac && before.untilMillis > now)
          t.fail(`${message.yours} is given to ${formatMac(client.mac)}, and is of another`)
        holders.set(message.yours, { mac: client.mac, untilMillis: now + 120_000 })
      }
  }
  for (let round = 0; round < 30; round++) {
    for (const client of clients) client.say({ type: 'discover' })
    const steps = whole.env.random.uint32() % 12
    for (let step = 0; step < steps; step++) {
      await whole.env.advance(60)
      listen()
    }
    // Whatever was on its way is lost; only the store is left.
    await whole.stopController()
    await whole.startController()
    declared(whole)
    await whole.env.advance(2_000)
    listen()
  }
  t.ok(acks > 20, `${acks} were given`)
  t.equal(holders.size, 4, 'and each client has kept its own')
  await whole.stop()
})

/** A server with a store of its own or of others, and a clock of the wall that may jump. */
const serverOn = async (env: SimulatedEnv, store: MemoryStore, wall: { jumpMillis: number }) => {
  const served = resolveDhcp(
    { range: '10.1.0.100-10.1.0.103', server: '10.1.0.2/24', lease: '1h' },
    { number: 1, name: 'default' },
    [],
    [],
  ) as Served
  const clock = {
    nowMillis: () => env.clock.nowMillis(),
    wallMillis: () => env.clock.wallMillis() + wall.jumpMillis,
  }
  const book = new LeaseBook(clock)
  const kept = functionStore(store, 'dhcp')
  kept.watch(
    values => {
      for (const { key, value, revision } of values)
        book.take(key, value as StoredLease | undefined, revision)
    },
    () => undefined,
  )
  for (const { key, value, revision } of await kept.list())
    book.take(key, value as StoredLease, revision)
  const writer = new LeaseWriter(kept, env.timers)
  const answers: { kind: string; ip: number; mac: string }[] = []
  const inUse = new Set<number>()
  const server = new DhcpServer(book, {
    clock,
    answer: ({ message }, { kind, ip }) =>
      void answers.push({ kind, ip, mac: Buffer.from(message.hardware).toString('hex') }),
    keep: changes => writer.write(changes),
    probe: async (_, ip) => !inUse.has(ip),
    isRelay: () => false,
    isUnguarded: () => true,
    isShared: () => false,
    leased: () => undefined,
    tell: () => undefined,
  })
  const at = { dpid: '0000000000000001' as Dpid, port: 1 }
  const ask = (mac: number, type: 'discover' | 'request', address = 0) =>
    server.receive({ message: messageOf(mac, type, address), served, at, sender: mac })
  return { ask, answers, book, inUse }
}

t.test('two controllers with one store never give one address to two', async t => {
  for (let seed = 1; seed <= 20; seed++) {
    const env = new SimulatedEnv({ seed })
    const store = new MemoryStore(env)
    const wall = { jumpMillis: 0 }
    const both = [await serverOn(env, store, wall), await serverOn(env, store, wall)]
    const macs = Array.from({ length: 8 }, (_, index) => 0x020000000001 + index)
    for (const [index, mac] of macs.entries()) void both[index % 2]!.ask(mac, 'discover')
    await env.advance(1_000)
    const offers = both.flatMap(({ answers }) => answers.filter(({ kind }) => kind === 'offer'))
    const offered = new Set(offers.map(({ ip }) => ip))
    t.ok(offers.length > offered.size, 'both offer the same, and do not know it')
    for (const [index, mac] of macs.entries()) {
      const own = offers.find(each => each.mac === mac.toString(16).padStart(12, '0'))
      if (own) void both[index % 2]!.ask(mac, 'request', own.ip)
      if (env.random.uint32() & 1) await env.settle()
    }
    await env.advance(1_000)
    const acks = both.flatMap(({ answers }) => answers.filter(({ kind }) => kind === 'ack'))
    t.equal(new Set(acks.map(({ ip }) => ip)).size, acks.length, `seed ${seed}: each once`)
    t.equal(acks.length, offered.size, 'and somebody has each')
    t.same(
      [...both[0]!.book.entries].map(([key, { lease }]) => [key, lease.mac]).sort(),
      [...both[1]!.book.entries].map(([key, { lease }]) => [key, lease.mac]).sort(),
      'and both know whose it is',
    )
  }
})

t.test('a clock that jumps ends no lease early, nor lets one last for ever', async t => {
  const env = new SimulatedEnv({ seed: 3 })
  const store = new MemoryStore(env)
  const wall = { jumpMillis: 0 }
  const one = await serverOn(env, store, wall)
  const lastOf = ({ answers }: { answers: { kind: string; ip: number }[] }) => answers.at(-1)
  const during = async (promise: Promise<void>) => {
    await env.advance(100)
    await promise
  }
  const [ann, bob] = [0x020000000001, 0x020000000002]
  await during(one.ask(ann, 'request', 0x0a010064))
  t.match(lastOf(one), { kind: 'ack', ip: 0x0a010064 })
  for (const jumpMillis of [10 * 86_400_000, -10 * 86_400_000]) {
    wall.jumpMillis = jumpMillis
    await during(one.ask(bob, 'request', 0x0a010064))
    t.match(lastOf(one), { kind: 'nak' }, `it is ann's at ${jumpMillis}`)
  }
  wall.jumpMillis = -10 * 86_400_000
  const back = await serverOn(env, store, wall)
  const [entry] = [...back.book.entries].map(([, each]) => each)
  t.ok(back.book.secondsLeft(entry!) <= 3_600, 'after a restart no longer than it was given')
  wall.jumpMillis = 10 * 86_400_000
  const forth = await serverOn(env, store, wall)
  forth.inUse.add(0x0a010064)
  for (let mac = 0x020000000010; mac < 0x020000000014; mac++) {
    await during(forth.ask(mac, 'discover'))
    const offer = lastOf(forth)
    if (offer?.kind === 'offer') {
      t.not(offer.ip, 0x0a010064, 'who still has it answers the probe')
      await during(forth.ask(mac, 'request', offer.ip))
    }
  }
  await during(forth.ask(ann, 'request', 0x0a010064))
  t.match(lastOf(forth), { kind: 'ack', ip: 0x0a010064 }, 'and has it for longer')
})
