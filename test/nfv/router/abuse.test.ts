/** Hosts that say they are the router, or somebody of another network; and what becomes of rejected senders. */

import t from 'tap'
import {
  formatIpv6,
  formatMac,
  type Ip,
  type Ipv4,
  type Ipv6,
  macNumber,
  parseIpv4,
} from '../../../src/base/addresses.js'
import { buildFrame } from '../../../src/pipeline/build.js'
import { readPacket } from '../../../src/pipeline/packet.js'
import type { NetworkSpec } from '../../../src/sim/network.js'
import { linkLocalOf } from '../../../src/topology/hosts/gateway-claims.js'
import { controllerMac } from '../../../src/topology/hosts/host-frames.js'
import { firewallOf } from '../../firewall-of.js'
import { end, switchNames, tap, Whole } from '../../topology/whole.js'

const [s1, s2] = switchNames(2)
const host = (name: string, at: 's1' | 's2', port: number, network: number, number: number) => ({
  name,
  at: end(at, port),
  ip: `10.${network}.0.${number}` as Ipv4,
  ipv6: `fd00:${network}::${number}` as Ipv6,
  prefixLength: 24,
  prefixLengthIpv6: 64,
  gateway: `10.${network}.0.254` as Ipv4,
  gatewayIpv6: `fd00:${network}::fe` as Ipv6,
})

/** Ann and bob in network 1; db and web in 2; gus in 3. */
const network: NetworkSpec = {
  switches: switchNames(2),
  hosts: [
    host('ann', 's1', 10, 1, 1),
    host('bob', 's2', 10, 1, 2),
    host('web', 's1', 11, 2, 1),
    host('db', 's2', 11, 2, 2),
    host('gus', 's1', 12, 3, 1),
  ],
  links: [{ a: end('s1', 1), b: end('s2', 1) }],
}

const networks = [
  { number: 1, name: 'default' },
  {
    number: 2,
    name: 'servers',
    ports: [{ at: { dpid: s1!.dpid, port: 11 } }, { at: { dpid: s2!.dpid, port: 11 } }],
  },
  { number: 3, name: 'guests', ports: [{ at: { dpid: s1!.dpid, port: 12 } }] },
]

const interfaceOf = (name: string, number: number) => ({
  network: name,
  addresses: [`10.${number}.0.254/24`, `fd00:${number}::fe/64`],
})
const spec = {
  interfaces: [interfaceOf('default', 1), interfaceOf('servers', 2), interfaceOf('guests', 3)],
}

const started = async (more: object = {}): Promise<Whole> => {
  const whole = await Whole.start(network)
  whole.controller.topology.declareNetworks(networks)
  whole.controller.declare('Router', [{ name: 'main', spec: { ...spec, ...more } }])
  await whole.env.advance(500)
  for (const [from, to] of [
    ['ann', '10.2.0.2'],
    ['bob', '10.2.0.1'],
    ['gus', '10.1.0.1'],
    ['db', '10.3.0.1'],
    ['web', '10.3.0.1'],
  ] as const)
    await ping(whole, from, to as Ip)
  return whole
}

const ping = async (whole: Whole, from: string, to: Ip) =>
  (await whole.during(whole.host(from).probe(to, { timeoutMillis: 3_500 }))).result

const apply = async (whole: Whole, source: string) => {
  const { policies } = firewallOf(whole.controller)
  const { topology } = whole.controller
  await whole.during(policies.apply([{ name: 'p', order: 100, source }], topology.current))
  await whole.env.advance(500)
}

const gatewayOf = (whole: Whole) => macNumber(whole.controller.topology.gateways[0]!.mac)

t.test('nobody takes the place of the gateway', async t => {
  const whole = await started()
  const gateway = gatewayOf(whole)
  const own = linkLocalOf(gateway)
  const ann = macNumber(whole.host('ann').mac)
  const heard = tap(whole.network, 'bob')
  const allNodes = { eth_dst: 0x333300000001, ipv6_dst: (0xff02n << 112n) | 1n }
  const bob = { eth_dst: macNumber(whole.host('bob').mac), ipv6_dst: 0xfd00_0001n << 96n }
  const nd = { eth_src: ann, eth_type: 0x86dd, ip_proto: 58, nw_ttl: 255 }
  const lies = [
    { ...nd, ...allNodes, icmpv6_type: 136, ipv6_src: own, nd_target: own, nd_tll: ann },
    { ...nd, ...bob, icmpv6_type: 136, ipv6_src: own, nd_target: own, nd_tll: ann },
    { ...nd, ...allNodes, icmpv6_type: 135, ipv6_src: own, nd_target: 7n, nd_sll: ann },
    { ...nd, ...allNodes, icmpv6_type: 134, ipv6_src: own },
    { ...nd, ...allNodes, icmpv6_type: 134, ipv6_src: linkLocalOf(ann) },
    {
      ...{ eth_src: ann, eth_dst: controllerMac, eth_type: 0x0806, arp_op: 2, arp_sha: ann },
      ...{ arp_spa: parseIpv4('10.1.0.254')!, arp_tpa: 0, arp_tha: controllerMac },
    },
    {
      ...{ eth_src: gateway, eth_dst: controllerMac, eth_type: 0x0806, arp_op: 2 },
      ...{ arp_sha: gateway, arp_spa: parseIpv4('10.1.0.9')!, arp_tpa: 0, arp_tha: controllerMac },
    },
  ]
  for (const lie of lies) {
    whole.host('ann').sendFrame(buildFrame(lie, new Uint8Array(20)))
    await whole.env.advance(500)
  }
  const { hosts } = whole.controller.topology.current
  const known = [...hosts.values()].flatMap(({ mac, ips }) => [mac, ...ips])
  for (const each of ['10.1.0.254', formatIpv6(own), formatMac(gateway)])
    t.notOk((known as string[]).includes(each), `nobody is known as ${each}`)
  const told = heard.map(frame => readPacket(frame).fields)
  t.same(
    told.filter(
      ({ eth_src, icmpv6_type }) =>
        eth_src !== gateway && [134, 135, 136].includes(Number(icmpv6_type)),
    ),
    [],
    'and nobody was told so',
  )
  t.equal(await ping(whole, 'ann', 'fd00:2::2' as Ip), 'open', 'the gateway is where it was')
  await whole.stop()
})

t.test('addresses are believed in their own network only', async t => {
  const whole = await started()
  await apply(whole, 'default drop\nz: allow udp from 10.2.0.0/24 to 10.3.0.0/24\n')
  const heard = tap(whole.network, 'gus')
  const send = async (from: string, source: string) => {
    heard.length = 0
    const { mac } = whole.host(from)
    const frame = {
      ...{ eth_src: macNumber(mac), eth_dst: gatewayOf(whole), eth_type: 0x0800, ip_proto: 17 },
      ...{ ip_src: parseIpv4(source)!, ip_dst: parseIpv4('10.3.0.1')!, udp_src: 7, udp_dst: 7 },
    }
    whole.host(from).sendFrame(buildFrame(frame))
    await whole.env.advance(500)
    return heard.filter(each => readPacket(each).fields.ip_proto === 17).length
  }
  t.equal(await send('web', '10.2.0.1'), 1, 'its own')
  t.equal(await send('ann', '10.2.0.2'), 0, 'one of another network')
  for (const source of ['10.2.0.254', '10.2.0.255', '10.3.0.254'])
    t.equal(await send('web', source), 0, `${source}, which is no host`)
  const ips = [...whole.controller.topology.current.hosts.values()].flatMap(each => each.ips)
  t.notOk((ips as string[]).includes('10.2.0.254'), 'and none is learnt')
  await whole.stop()
})

t.test('who is rejected is told by the router, where he is', async t => {
  const whole = await started()
  await apply(whole, 'default drop\nrej: reject tcp 82, udp 82\n')
  for (const [from, to, at] of [
    ['ann', '10.2.0.1', 'at the switch where it comes in'],
    ['bob', '10.2.0.1', 'at another one'],
  ] as const)
    for (const flags of [0x02, 0x10]) {
      const heard = tap(whole.network, from)
      const frame = {
        ...{ eth_src: macNumber(whole.host(from).mac), eth_dst: gatewayOf(whole) },
        ...{ eth_type: 0x0800, ip_proto: 6, ip_dst: parseIpv4(to)!, tcp_dst: 82, tcp_flags: flags },
        ...{ ip_src: parseIpv4(whole.host(from).ip!)!, tcp_src: 4_000 + flags },
      }
      whole.host(from).sendFrame(buildFrame(frame))
      await whole.env.advance(500)
      const resets = heard.map(each => readPacket(each).fields).filter(each => each.tcp_src === 82)
      const text = `${flags === 2 ? 'a SYN' : 'in the middle'}, ${at}`
      t.same(
        resets.map(({ eth_src }) => eth_src),
        [gatewayOf(whole)],
        text,
      )
    }
  await whole.stop()
})

t.test('a network that goes takes its own interface only', async t => {
  const whole = await started()
  const { controller } = whole
  controller.topology.declareNetworks(networks.filter(({ number }) => number !== 2))
  await whole.env.advance(500)
  t.match(controller.stateOf('Router', 'main'), { state: 'degraded', reason: /servers/ })
  t.equal(await ping(whole, 'ann', '10.3.0.1' as Ip), 'open', 'the others go on')
  await whole.stop()
})

t.test('of several next hops those that are known share', async t => {
  const whole = await started({
    routes: [{ to: '10.8.0.0/16', via: ['10.2.0.1', '10.2.0.77', '10.2.0.78'] }],
  })
  const heard = tap(whole.network, 'web')
  for (let number = 1; number <= 20; number++) {
    const frame = {
      ...{ eth_src: macNumber(whole.host('ann').mac), eth_dst: gatewayOf(whole) },
      ...{ eth_type: 0x0800, ip_proto: 17, udp_dst: 9, ip_src: parseIpv4('10.1.0.1')! },
      ip_dst: parseIpv4(`10.8.0.${number}`)!,
    }
    whole.host('ann').sendFrame(buildFrame(frame))
  }
  await whole.env.advance(500)
  t.equal(heard.filter(each => readPacket(each).fields.udp_dst === 9).length, 20)
  await whole.stop()
})

t.test('a network more cuts no connection', async t => {
  const whole = await started({ interfaces: spec.interfaces.slice(1) })
  await apply(whole, 'default drop\nweb: allow tcp 80 from 10.3.0.0/24\n')
  let server: { send(bytes: Uint8Array): void } | undefined
  whole.host('db').listen(80, session => {
    server = session
  })
  const client = await whole.during(whole.host('gus').connect('10.2.0.2' as Ip, 80))
  const heard: number[] = []
  client.onBytes(bytes => void heard.push(bytes.length))
  await whole.env.advance(200)
  const interfaces = [...spec.interfaces.slice(1), spec.interfaces[0]]
  whole.controller.declare('Router', [{ name: 'main', spec: { interfaces } }])
  await whole.env.advance(500)
  server!.send(new Uint8Array(9))
  await whole.env.advance(500)
  t.same(heard, [9])
  await whole.stop()
})

t.test('what changes is withdrawn from hosts that make their own addresses', async t => {
  const whole = await started()
  const heard = tap(whole.network, 'ann')
  const lifetimes = async (interfaces: object[], mac?: string) => {
    heard.length = 0
    const more = mac === undefined ? {} : { mac }
    whole.controller.declare('Router', [{ name: 'main', spec: { interfaces, ...more } }])
    await whole.env.advance(1_500)
    return heard.flatMap(frame => {
      const { fields, l4 } = readPacket(frame)
      const view = new DataView(frame.buffer, frame.byteOffset)
      return fields.icmpv6_type === 134 && l4 !== undefined
        ? [[view.getUint16(l4 + 6), view.getUint32(l4 + 28)]]
        : []
    })
  }
  const other = { network: 'default', addresses: ['10.1.0.254/24', 'fd00:9::fe/64'] }
  const rest = spec.interfaces.slice(1)
  t.same(
    await lifetimes([other, ...rest]),
    [
      [9_000, 0],
      [9_000, 86_400],
    ],
    'a subnet',
  )
  t.same(
    await lifetimes([other, ...rest], '02:00:00:00:99:99'),
    [
      [0, 0],
      [9_000, 86_400],
    ],
    'a MAC',
  )
  await whole.stop()
})

t.test('a router does not take the place of a host without a word', async t => {
  const whole = await Whole.start(network)
  const { controller } = whole
  controller.topology.declareNetworks(networks)
  await whole.env.advance(500)
  await ping(whole, 'ann', '10.1.0.2' as Ip)
  const { mac } = whole.host('bob')
  controller.declare('Router', [{ name: 'main', spec: { ...spec, mac } }])
  await whole.env.advance(500)
  t.match(controller.stateOf('Router', 'main'), {
    state: 'failed',
    reason: /of a host in network default/,
  })
  t.equal(await ping(whole, 'ann', '10.1.0.2' as Ip), 'open', 'the host is still there')
  const [host] = controller.topology.hostsNamed(mac)
  controller.topology.forgetHost(host!, 'it has left')
  await whole.env.advance(500)
  t.match(controller.stateOf('Router', 'main'), { state: 'installed' }, 'when the host has gone')
  controller.declare('Router', [])
  await whole.env.advance(500)
  await ping(whole, 'ann', '10.1.0.2' as Ip)
  await ping(whole, 'bob', '10.1.0.1' as Ip)
  const interfaces = [{ network: 'default', addresses: ['10.1.0.2/24'] }]
  controller.declare('Router', [{ name: 'main', spec: { interfaces } }])
  await whole.env.advance(500)
  t.match(whole.events('router-address-in-use'), [{ router: 'main', ip: '10.1.0.2', mac }])
  await whole.stop()
})
