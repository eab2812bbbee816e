/** Networks that a router of ours joins, on simulated switches: what passes, what is judged, what is answered. */

import t from 'tap'
import {
  formatIpv4,
  type Ip,
  type Ipv4,
  type Ipv6,
  macNumber,
  parseIpv4,
} from '../../../src/base/addresses.js'
import { pathNotes } from '../../../src/controller/explain/path-notes.js'
import { trace } from '../../../src/controller/explain/trace.js'
import { buildFrame } from '../../../src/pipeline/build.js'
import { readPacket } from '../../../src/pipeline/packet.js'
import type { ConnectError } from '../../../src/sim/host.js'
import type { NetworkSpec } from '../../../src/sim/network.js'
import type { PathsAnswer } from '../../../src/topology/paths/answer.js'
import { firewallOf } from '../../firewall-of.js'
import { end, switchNames, tap, Whole } from '../../topology/whole.js'

const v4 = (text: string) => text as Ipv4
const v6 = (text: string) => text as Ipv6

/** Ann and bob in the office, web and db among the servers; ann and web at s1, bob and db at s2. */
const network: NetworkSpec = {
  switches: switchNames(2),
  hosts: [
    { name: 'ann', at: end('s1', 10), ip: v4('10.1.0.1'), ipv6: v6('fd00:1::1') },
    { name: 'bob', at: end('s2', 10), ip: v4('10.1.0.2'), ipv6: v6('fd00:1::2') },
    { name: 'web', at: end('s1', 11), ip: v4('10.2.0.1'), ipv6: v6('fd00:2::1') },
    { name: 'db', at: end('s2', 11), ip: v4('10.2.0.2'), ipv6: v6('fd00:2::2') },
  ].map(host => {
    const number = host.ip.split('.')[1]
    return {
      ...host,
      prefixLength: 24,
      prefixLengthIpv6: 64,
      gateway: v4(`10.${number}.0.254`),
      gatewayIpv6: v6(`fd00:${number}::fe`),
    }
  }),
  links: [{ a: end('s1', 1), b: end('s2', 1) }],
}

const spec = {
  interfaces: [
    { network: 'default', addresses: ['10.1.0.254/24', 'fd00:1::fe/64'] },
    { network: 'servers', addresses: ['10.2.0.254/24', 'fd00:2::fe/64'] },
  ],
}

const started = async (router: object = spec): Promise<Whole> => {
  const whole = await Whole.start(network)
  const { topology } = whole.controller
  const [s1, s2] = switchNames(2)
  topology.declareNetworks([
    { number: 1, name: 'default' },
    {
      number: 2,
      name: 'servers',
      ports: [{ at: { dpid: s1!.dpid, port: 11 } }, { at: { dpid: s2!.dpid, port: 11 } }],
    },
  ])
  whole.controller.declare('Router', [{ name: 'main', spec: router }])
  await whole.env.advance(1_000)
  return whole
}

const ping = async (whole: Whole, from: string, to: Ip) =>
  (await whole.during(whole.host(from).probe(to, { timeoutMillis: 3_500 }))).result

const connect = (whole: Whole, from: string, to: string) =>
  whole.during(
    whole
      .host(from)
      .connect(v4(to), 80)
      .then(
        () => 'open',
        (error: ConnectError) => error.end,
      ),
  )

t.test('hosts of two networks reach each other, at one switch and over two', async t => {
  const whole = await started()
  for (const [from, to] of [
    ['ann', '10.2.0.1'],
    ['ann', '10.2.0.2'],
    ['bob', '10.2.0.1'],
    ['db', '10.1.0.1'],
    ['ann', 'fd00:2::1'],
    ['ann', 'fd00:2::2'],
    ['db', 'fd00:1::1'],
    ['ann', '10.1.0.254'],
    ['ann', '10.2.0.254'],
    ['ann', 'fd00:1::fe'],
    ['ann', 'fd00:2::fe'],
  ] as const)
    t.equal(await ping(whole, from, to as Ip), 'open', `${from} to ${to}`)
  await whole.stop()
})

t.test('what is routed is judged by the rules, once and in both directions', async t => {
  const whole = await started()
  const { controller } = whole
  const rules = 'default drop\nweb: allow tcp 80 from 10.1.0.0/24 to 10.2.0.0/24\n'
  await whole.during(
    firewallOf(controller).policies.apply(
      [{ name: 'p', order: 100, source: rules }],
      controller.topology.current,
    ),
  )
  await whole.env.advance(500)
  for (const name of ['ann', 'bob', 'web', 'db']) whole.host(name).listen(80)
  t.equal(await connect(whole, 'ann', '10.2.0.1'), 'open', 'one switch')
  t.equal(await connect(whole, 'ann', '10.2.0.2'), 'open', 'two switches')
  t.equal(await connect(whole, 'bob', '10.2.0.1'), 'open', 'two switches, the other way')
  t.equal(await connect(whole, 'web', '10.1.0.1'), 'silent', 'nothing allows it')
  t.equal(await connect(whole, 'db', '10.1.0.1'), 'silent', 'nothing allows it over two')
  const answer = await whole.during(
    trace(controller, { from: '10.1.0.1', to: '10.2.0.2', service: 'tcp 80' }),
  )
  t.match(answer, { verdict: 'delivered', rule: { name: 'web' } })
  const path = await pathNotes(controller, {
    ...{ from: '10.1.0.1', to: '10.2.0.2', paths: [] },
  } as unknown as PathsAnswer)
  t.match(path[0], /router main passes traffic/)
  const denied = await whole.during(
    trace(controller, { from: '10.2.0.1', to: '10.1.0.2', service: 'tcp 80' }),
  )
  t.match(denied, { verdict: 'dropped', rule: { name: 'default' } })
  await whole.stop()
})

t.test("a router of IPv4 is nobody's gateway in IPv6", async t => {
  const whole = await started({
    interfaces: [{ network: 'default', addresses: ['10.1.0.254/24'] }],
  })
  for (const to of ['10.1.0.1', 'fd00:1::1'] as Ip[]) t.equal(await ping(whole, 'bob', to), 'open')
  for (const from of ['10.1.0.2', 'fd00:1::2']) {
    const to = from.includes(':') ? 'fd00:1::1' : '10.1.0.1'
    const answer = await whole.during(trace(whole.controller, { from, to, service: 'icmp' }))
    t.equal(answer.verdict, 'delivered', answer.because)
  }
  await whole.stop()
})

t.test('a host asks for who is near itself, and no other router', async t => {
  const whole = await started()
  const { topology } = whole.controller
  for (const name of ['ann', 'bob'])
    await whole.during(whole.host(name).probe(v4('10.1.0.254'), { timeoutMillis: 3_500 }))
  const [, s2] = switchNames(2)
  topology.declarePorts(new Map([[`${s2!.dpid}/10`, { serves: ['router'] }]]))
  await whole.env.advance(500)
  const ask = (to: string) =>
    whole.during(trace(whole.controller, { from: '10.1.0.1', to, service: 'icmp' }))
  t.match((await ask('10.1.0.77')).because, /not delivered: no host with the address 10.1.0.77/)
  await whole.stop()
})

t.test('who cannot be reached is told, and trace says the same', async t => {
  const whole = await started()
  const heard = tap(whole.network, 'ann')
  const { controller } = whole
  await ping(whole, 'ann', v4('10.1.0.254'))
  const ask = async (to: string, ttl = 64) => {
    heard.length = 0
    const frame = buildFrame({
      eth_src: macNumber(whole.host('ann').mac),
      eth_dst: macNumber(controller.topology.current.gateways[0]!.mac),
      eth_type: 0x0800,
      ip_src: 0x0a010001,
      ip_dst: parseIpv4(to)!,
      ip_proto: 17,
      udp_src: 4_000,
      udp_dst: 33_434,
      nw_ttl: ttl,
    })
    whole.host('ann').sendFrame(frame)
    await whole.env.advance(4_000)
    const answers = heard.map(each => readPacket(each).fields).filter(each => each.ip_proto === 1)
    return answers.map(
      each => `${formatIpv4(Number(each.ip_src))} ${each.icmp_type}/${each.icmp_code}`,
    )
  }
  const because = async (to: string) =>
    (await whole.during(trace(controller, { from: '10.1.0.1', to, service: 'udp 33434' }))).because
  t.same(await ask('10.2.0.2', 1), ['10.1.0.254 11/0'], 'its last hop')
  t.same(await ask('10.9.0.1'), ['10.1.0.254 3/0'], 'no route')
  t.match(await because('10.9.0.1'), 'router main has no route to it')
  t.same(await ask('10.2.0.77'), ['10.1.0.254 3/1'], 'nobody answers for it')
  t.match(await because('10.2.0.77'), 'nobody in network servers is known to have')
  t.same(await ask('10.2.0.254'), ['10.1.0.254 3/3'], 'a port of the router itself')
  t.same(await ask('10.2.0.255'), [], 'broadcast of another network')
  t.same(await ask('127.0.0.1'), [], 'no router passes it on')
  await whole.stop()
})

t.test('a router that comes or goes leaves connections within a network alone', async t => {
  const whole = await started()
  const { controller } = whole
  const rules = 'default drop\nweb: allow tcp 80 from 10.2.0.1 to 10.2.0.2\n'
  await whole.during(
    firewallOf(controller).policies.apply(
      [{ name: 'p', order: 100, source: rules }],
      controller.topology.current,
    ),
  )
  await whole.env.advance(500)
  const flows = async (change: () => void) => {
    const heard: number[] = []
    let server: { send(bytes: Uint8Array): void } | undefined
    whole.host('db').unlisten(80)
    whole.host('db').listen(80, session => {
      server = session
    })
    const client = await whole.during(whole.host('web').connect(v4('10.2.0.2'), 80))
    client.onBytes(bytes => void heard.push(bytes.length))
    await whole.env.advance(200)
    change()
    await whole.env.advance(500)
    // The end that did not open it speaks first.
    server!.send(new Uint8Array(7))
    await whole.env.advance(500)
    return heard
  }
  t.same(await flows(() => controller.declare('Router', [])), [7], 'when it goes')
  t.same(
    await flows(() => controller.declare('Router', [{ name: 'main', spec }])),
    [7],
    'when it comes',
  )
  await whole.stop()
})

t.test('connections that a rule counts are counted across networks, too', async t => {
  const whole = await started()
  const { controller } = whole
  const rules = 'default drop\nfew: allow tcp 80 from 10.1.0.0/24 max 2 connections\n'
  await whole.during(
    firewallOf(controller).policies.apply(
      [{ name: 'p', order: 100, source: rules }],
      controller.topology.current,
    ),
  )
  await whole.env.advance(500)
  for (const name of ['web', 'db']) whole.host(name).listen(80)
  t.equal(await connect(whole, 'ann', '10.2.0.1'), 'open', 'the first, on one switch')
  t.equal(await connect(whole, 'ann', '10.2.0.2'), 'open', 'the second, over two')
  t.equal(await connect(whole, 'bob', '10.2.0.2'), 'silent', 'no third')
  await whole.stop()
})

t.test('services with a timeout are found in their zone from both networks', async t => {
  const whole = await started()
  const { controller } = whole
  const rules =
    'default drop\nservice slow = tcp 80 timeout 2h\nservice other = tcp 81 timeout 3h\nslow: allow slow, other, tcp 82 from 10.1.0.0/24\n'
  await whole.during(
    firewallOf(controller).policies.apply(
      [{ name: 'p', order: 100, source: rules }],
      controller.topology.current,
    ),
  )
  await whole.env.advance(500)
  for (const [from, to] of [
    ['ann', '10.2.0.1'],
    ['ann', '10.2.0.2'],
    ['bob', '10.1.0.1'],
  ] as const)
    for (const port of [80, 81, 82]) {
      for (const name of ['ann', 'web', 'db']) {
        whole.host(name).unlisten(port)
        whole.host(name).listen(port)
      }
      const session = await whole.during(whole.host(from).connect(v4(to), port))
      const heard: number[] = []
      session.onBytes(bytes => void heard.push(bytes.length))
      session.send(new Uint8Array(5))
      await whole.env.advance(300)
      t.same(heard, [5], `${from} to ${to}, port ${port}`)
    }
  await whole.stop()
})
