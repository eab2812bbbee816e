import t, { type Test } from 'tap'
import type { Dpid, Ipv4, Ipv6 } from '../../src/base/addresses.js'
import { realEnv } from '../../src/base/env/real-env.js'
import { CollectingLog } from '../../src/base/log/log.js'
import type { Message } from '../../src/openflow/index.js'
import { type Action, ports } from '../../src/openflow/values.js'
import { Load, loadSpec } from '../../src/sim/load.js'
import { SimulatedNetwork } from '../../src/sim/network.js'
import { TinyController } from './tiny-controller.js'

/*
 *     h1 ── 1 s1 2 ═══ 2 s2 1 ── h2        the second cable takes over when the first is pulled
 *              3 ═══ 3
 */
const env = realEnv(new CollectingLog())
const h1 = '10.0.0.1' as Ipv4
const h2 = '10.0.0.2' as Ipv4
const nobody = '10.0.0.9' as Ipv4

const lines = async (t: Test) => {
  const net = SimulatedNetwork.create(env, {
    switches: [
      { name: 's1', dpid: '0000000000000001' as Dpid },
      { name: 's2', dpid: '0000000000000002' as Dpid },
    ],
    hosts: [
      { name: 'h1', ip: h1, ipv6: 'fd00::1' as Ipv6, at: { name: 's1', port: 1 } },
      { name: 'h2', ip: h2, ipv6: 'fd00::2' as Ipv6, at: { name: 's2', port: 1 } },
    ],
    links: [
      { a: { name: 's1', port: 2 }, b: { name: 's2', port: 2 } },
      { a: { name: 's1', port: 3 }, b: { name: 's2', port: 3 } },
    ],
    limits: { firstBackoffMillis: 10 },
  })
  const controller = new TinyController()
  net.start(await controller.start(env))
  const switches = await controller.switches(2)
  t.teardown(async () => {
    net.stop()
    await controller.stop()
  })
  return { net, s1: switches.get(1n)!, s2: switches.get(2n)! }
}

const output = (port: number): Action => ({ kind: 'output', port })
const flow = (priority: number, match: object, ...actions: Action[]): Message => ({
  kind: 'flow-mod',
  command: 'add',
  priority,
  match,
  instructions: [{ kind: 'apply-actions', actions }],
})

/** To the host by port 1, to the other switch by the first cable that is there. */
const straight: Message[] = [
  {
    kind: 'group-mod',
    command: 'add',
    type: 'ff',
    groupId: 1,
    buckets: [2, 3].map(port => ({ watchPort: port, actions: [output(port)] })),
  },
  flow(1, { in_port: 1 }, { kind: 'group', group: 1 }),
  flow(1, { in_port: 2 }, output(1)),
  flow(1, { in_port: 3 }, output(1)),
]

const connected = async (t: Test) => {
  const { net, s1, s2 } = await lines(t)
  t.same(await s1.does(...straight), [])
  t.same(await s2.does(...straight), [])
  return { net, s1, s2, a: net.host('h1'), b: net.host('h2') }
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const octets = (words: string) => new TextEncoder().encode(words)

t.test('nothing passes without flows', async t => {
  const { net } = await lines(t)
  t.equal(await net.host('h1').ping(h2, { timeoutMillis: 50 }), undefined)
})

t.test('hosts ping one another, over IPv4 and IPv6', async t => {
  const { a, b } = await connected(t)
  const millis = await a.ping(h2)
  t.ok(millis !== undefined && millis < 500, 'within half a second')
  t.type(await b.ping('fd00::1' as Ipv6), 'number')
  t.equal(await a.ping(nobody, { timeoutMillis: 50 }), undefined)
  t.equal(b.counters.damaged, 0)
})

t.test('TCP connects, carries bytes, is refused and waits in vain', async t => {
  const { a, b, s2 } = await connected(t)
  b.listen(80)
  const session = await a.connect(h2, 80)
  const big = new Uint8Array(200_000).map((_, index) => index % 251)
  let received = 0
  let isRight = true
  const whole = new Promise<void>(resolve =>
    session.onBytes(bytes => {
      for (const byte of bytes) isRight &&= byte === received++ % 251
      if (received === big.length) resolve()
    }),
  )
  session.send(big)
  await whole
  t.ok(isRight, 'all octets came back in order')
  const ended = new Promise(resolve => session.onEnd(resolve))
  session.close()
  t.equal(await ended, 'finished')
  await t.rejects(a.connect(h2, 81), { message: 'no session: refused' })
  await s2.does(flow(9, { eth_type: 0x0800, ip_proto: 6, tcp_dst: 80 }))
  await t.rejects(a.connect(h2, 80, { timeoutMillis: 100 }), { message: 'no session: silent' })
  t.equal(await a.attempt(h2, 'tcp', 80, { timeoutMillis: 100 }), 'silent')
  t.equal(await a.attempt(h2, 'tcp', 81), 'refused')
})

t.test('TCP survives lost segments', async t => {
  const { net, a, b } = await connected(t)
  const said: string[] = []
  b.listen(80, session => session.onBytes(bytes => said.push(text(bytes))))
  const session = await a.connect(h2, 80)
  net.setHost('h2', false)
  session.send(octets('hello '))
  await new Promise(resolve => setTimeout(resolve, 50))
  net.setHost('h2', true)
  session.send(octets('world'))
  while (session.unsentSize > 0) await new Promise(resolve => setTimeout(resolve, 10))
  t.equal(said.join(''), 'hello world')
  t.ok(session.retransmitCount > 0)
})

t.test('UDP is echoed; a closed port answers with an ICMP error', async t => {
  const { a, b } = await connected(t)
  b.echoUdp(53)
  const socket = a.openUdp()
  const answer = new Promise<string>(resolve =>
    socket.onMessage((bytes, from) => resolve(`${text(bytes)} from ${from.ip} ${from.port}`)),
  )
  socket.send(h2, 53, octets('who'))
  t.equal(await answer, 'who from 10.0.0.2 53')
  t.equal(await a.attempt(h2, 'udp', 53), 'open')
  t.equal(await a.attempt(h2, 'udp', 54), 'refused')
  t.equal(await a.attempt('fd00::2' as Ipv6, 'udp', 54), 'refused')
})

t.test('a pulled cable costs nothing where a group has another way', async t => {
  const { net, a, s1 } = await connected(t)
  const first = [
    { name: 's1', port: 2 },
    { name: 's2', port: 2 },
  ] as const
  t.type(await a.ping(h2), 'number')
  net.linkDown(...first)
  t.match(await s1.next('port-status'), { description: { port: 2, state: 1 } })
  t.type(await a.ping(h2), 'number')
  const stats = { kind: 'port-stats-request', port: 3 } as const
  const { entries } = await s1.ask(stats, 'port-stats-reply')
  t.ok(entries[0]!.txPackets > 0n, 'by the other cable')
  net.linkDown({ name: 's1', port: 3 }, { name: 's2', port: 3 })
  t.equal(await a.ping(h2, { timeoutMillis: 50 }), undefined)
  net.linkUp(...first)
  t.type(await a.ping(h2), 'number')
})

t.test('a broadcast storm loses frames and nothing else', async t => {
  const { net, s1, s2 } = await lines(t)
  const flood = flow(1, {}, output(ports.flood))
  await s1.does(flood)
  await s2.does(flood)
  net.host('h1').announce()
  net.host('h1').announce()
  while (net.counters.carried < 50_000) await new Promise(resolve => setImmediate(resolve))
  t.same(await s1.does({ kind: 'flow-mod', command: 'delete' }), [], 'the switch still listens')
  await s2.does({ kind: 'flow-mod', command: 'delete' })
  while (net.counters.waiting > 0) await new Promise(resolve => setImmediate(resolve))
  t.pass('it is over')
})

t.test('a hundred switches connect at once, in each shape', async t => {
  const controller = new TinyController()
  const address = await controller.start(env)
  t.teardown(() => controller.stop())
  for (const [shape, linkCount] of [
    ['grid', 180],
    ['tree', 99],
    ['ring', 100],
  ] as const) {
    const options = { switchCount: 100, hostsPerSwitch: 2, shape }
    t.equal(loadSpec(options).links?.length, linkCount)
    const load = new Load(env, options)
    t.ok(await load.start(address, 5_000))
    t.match(load.report(), { connectedCount: 100, flowCount: 0 })
    load.stop()
  }
})
