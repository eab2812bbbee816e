import t from 'tap'
import type { Ipv4, Ipv6 } from '../../src/base/addresses.js'
import { buildFrame } from '../../src/pipeline/build.js'
import { readPacket } from '../../src/pipeline/packet.js'
import type { NetworkSpec } from '../../src/sim/network.js'
import { defaultDiscovery } from '../../src/topology/discovery/discovery.js'
import { defaultHosts } from '../../src/topology/hosts/hosts.js'
import { dpidOf } from './networks.js'
import { countMessages, end, ring, switchNames, tap, Whole } from './whole.js'

const ip4 = (last: number) => `10.0.0.${last}` as Ipv4
const ip6 = (last: number) => `fd00::${last}` as Ipv6

/*
 *      h1 ── s1 ── s2 ── h2        all three cables are ports 1 and 2
 *             \    /
 *               s3 ── h3
 */
const triangle = (): NetworkSpec => ({
  ...ring(3),
  hosts: [1, 2, 3].map(number => ({
    name: `h${number}`,
    ip: ip4(number),
    ipv6: ip6(number),
    at: end(`s${number}`, 10),
  })),
})

t.test('a neighbour solicitation is answered where it is asked', async t => {
  const whole = await Whole.start(triangle())
  for (const name of ['h1', 'h2', 'h3']) whole.host(name).announce()
  await whole.env.advance(1_000)
  const others = tap(whole.network, 'h3')
  const rtt = await whole.during(whole.host('h1').ping(ip6(2)))
  t.ok(rtt !== undefined)
  const asked = others.map(frame => readPacket(frame).fields).filter(fields => fields.nd_target)
  t.same(asked, [], 'the third host heard no question')
  await whole.stop()
})

t.test('ARP for a known host is answered where it is asked', async t => {
  const whole = await Whole.start(triangle())
  for (const name of ['h1', 'h2', 'h3']) whole.host(name).announce()
  await whole.env.advance(1_000)
  whole.host('h1').forgetNeighbours()
  const others = tap(whole.network, 'h3')
  t.ok((await whole.ping('h1', 'h2')) !== undefined)
  t.equal(others.filter(frame => readPacket(frame).fields.arp_op).length, 0)
  await whole.stop()
})

for (const guard of ['default', 'strict'] as const)
  t.test(`a frame for somebody unknown is asked after, guard ${guard}`, async t => {
    const hosts = { ...defaultHosts, guard }
    const whole = await Whole.start(triangle(), { discovery: defaultDiscovery, hosts })
    await whole.ping('h1', 'h2')
    const { topology } = whole.controller
    // Declared away and back, so that we forget them and they do not forget each other.
    const nowhere = [{ at: { dpid: dpidOf(2), port: 99 } }]
    const away = [2, 3].map(each => ({ at: { dpid: dpidOf(each), port: 10 } }))
    topology.declareNetworks([
      { number: 1, name: 'default', ports: nowhere },
      { number: 2, name: 'away', ports: away },
    ])
    topology.declareNetworks([{ number: 1, name: 'default' }])
    await whole.env.advance(200)
    t.equal(topology.current.hosts.size, 1, 'h1 is known')
    const counts = countMessages(whole.network)
    const others = tap(whole.network, 'h3')
    const first = await whole.ping('h1', 'h2', 300)
    t.equal(first === undefined, guard === 'strict', 'and goes out of all edge ports as well')
    t.ok((await whole.ping('h1', 'h2')) !== undefined, 'the second finds it')
    t.equal(topology.current.hosts.size, 2)
    const heard = others
      .map(frame => readPacket(frame).fields)
      .filter(({ eth_type }) => eth_type !== 0x88cc)
    t.same(
      heard.map(fields => fields.arp_tpa ?? 'ping'),
      guard === 'strict' ? [0x0a000002] : ['ping', 0x0a000002],
      'the third host heard one question',
    )
    t.ok(counts.get('packet-out')! < 30)
    await whole.stop()
  })

for (const isRunning of [true, false])
  t.test(
    `a cable is pulled with the controller ${isRunning ? 'running' : 'stopped'}: the switch itself takes the other way`,
    async t => {
      const whole = await Whole.start(triangle())
      await whole.ping('h1', 'h2')
      await whole.ping('h2', 'h1')
      if (!isRunning) await whole.stopController()
      whole.network.linkDown(end('s1', 1), end('s2', 2))
      t.ok((await whole.ping('h1', 'h2', 200)) !== undefined, 'without a moment between')
      whole.network.stop()
      if (isRunning) await whole.stopController()
    },
  )

t.test('a restarted controller sends no flow and no group', async t => {
  const whole = await Whole.start(ring(4))
  for (const name of ['h1', 'h2', 'h3', 'h4']) whole.host(name).announce()
  whole.network.linkDown(end('s4', 1), end('s1', 2))
  await whole.env.advance(2_000)
  whole.network.linkUp(end('s4', 1), end('s1', 2))
  await whole.env.advance(5_000)
  const tree = [...whole.controller.topology.current.tree].sort()
  await whole.stopController()
  const counts = countMessages(whole.network)
  await whole.startController()
  await whole.env.advance(10_000)
  t.ok(counts.get('packet-out')! > 10, 'it is back, and probes')
  t.same(
    [counts.get('flow-mod'), counts.get('group-mod'), counts.get('meter-mod')],
    [undefined, undefined, undefined],
  )
  t.same([...whole.controller.topology.current.tree].sort(), tree)
  await whole.stop()
})

t.test('one cable of a ring of twelve: messages are as many as switches, not as hosts', async t => {
  const spec = ring(12)
  const hosts = switchNames(12).flatMap(({ name }, index) =>
    Array.from({ length: 20 }, (_, host) => ({
      name: `h${index}-${host}`,
      at: end(name, 10 + host),
      ip: `10.0.${index}.${host + 1}` as Ipv4,
    })),
  )
  const whole = await Whole.start({ ...spec, hosts })
  for (const { name } of hosts) whole.host(name).announce()
  await whole.env.advance(3_000)
  t.equal(whole.controller.topology.current.hosts.size, 240)
  const counts = countMessages(whole.network)
  whole.network.linkDown(end('s1', 1), end('s2', 2))
  await whole.env.advance(400)
  const groups = counts.get('group-mod') ?? 0
  const flows = counts.get('flow-mod') ?? 0
  t.ok(groups > 0 && groups <= 12 * 12, `${groups} group messages`)
  // The two ports of the cable lose their seven rows each, and two others join the tree; each of the twelve loses the three rows
  // by which the two ways to the switch opposite were shared.
  t.ok(flows <= 14 + 12 * 3, `${flows} flow messages`)
  await whole.stop()
})

const number = (frame: Uint8Array) => {
  const { fields, payload } = readPacket(frame)
  return fields.udp_dst === 9 ? new DataView(frame.buffer, frame.byteOffset).getUint32(payload) : -1
}

t.test('while links come, go and fall silent, no broadcast arrives twice', async t => {
  const spec = ring(6)
  const chords = [
    { a: end('s1', 3), b: end('s4', 3) },
    { a: end('s2', 3), b: end('s5', 3) },
  ]
  const links = [...spec.links!, ...chords]
  const whole = await Whole.start({ ...spec, links })
  for (const { name } of spec.hosts!) whole.host(name).announce()
  await whole.env.advance(2_000)
  const heard = new Map(spec.hosts!.map(({ name }) => [name, tap(whole.network, name)]))
  const sender = whole.host('h1')
  let sent = 0
  const broadcast = () => {
    const payload = new Uint8Array(4)
    new DataView(payload.buffer).setUint32(0, ++sent)
    const fields = {
      eth_dst: 0xffffffffffff,
      eth_src: 0x020000000001,
      eth_type: 0x0800,
      ip_proto: 17,
      ip_src: 0x0a000001,
      ip_dst: 0xffffffff,
      udp_src: 9,
      udp_dst: 9,
    }
    whole.network.switch('s1').receive(10, buildFrame(fields, payload))
  }
  t.equal(sender.ip, ip4(1))
  for (let step = 0; step < 12; step++) {
    const { a, b } = links[(step * 5) % links.length]!
    const kind = step % 3
    if (kind === 0) whole.network.linkDown(a, b)
    else {
      whole.network.cut(a, b)
      if (kind === 1) whole.network.cut(b, a)
    }
    for (let run = 0; run < 150; run++) {
      broadcast()
      await whole.env.advance(10)
    }
    if (kind === 0) whole.network.linkUp(a, b)
    whole.network.mend(a, b)
    whole.network.mend(b, a)
    for (let run = 0; run < 150; run++) {
      broadcast()
      await whole.env.advance(10)
    }
  }
  for (const [name, frames] of heard) {
    if (name === 'h1') continue
    const numbers = frames.map(number).filter(each => each > 0)
    const twice = numbers.length - new Set(numbers).size
    t.equal(twice, 0, `${name} heard ${twice} twice of ${numbers.length}`)
    t.ok(numbers.length > sent * 0.4, `${name} heard ${numbers.length} of ${sent}`)
  }
  await whole.stop()
})

/*
 *   h1 (blue) ── 10 s1 ── s2 10 ── h2 (blue)        ports 11 are red, port 12 of s2 is a trunk:
 *   h3 (red)  ── 11 s1    s2 11 ── h4 (red)         blue with VLAN 100, red with VLAN 200
 *                          s2 12 ── h5
 */
const coloured = async () => {
  const whole = await Whole.start({
    switches: switchNames(2),
    links: [{ a: end('s1', 1), b: end('s2', 1) }],
    hosts: [
      { name: 'h1', ip: ip4(1), at: end('s1', 10) },
      { name: 'h2', ip: ip4(2), at: end('s2', 10) },
      { name: 'h3', ip: ip4(1), mac: '02:00:00:00:00:33' as never, at: end('s1', 11) },
      { name: 'h4', ip: ip4(4), at: end('s2', 11) },
      { name: 'h5', ip: ip4(5), at: end('s2', 12) },
    ],
  })
  const port = (name: number, number: number, vlan?: number) => ({
    at: { dpid: dpidOf(name), port: number },
    ...(vlan !== undefined && { vlan }),
  })
  whole.controller.topology.declareNetworks([
    { number: 1, name: 'default' },
    { number: 2, name: 'blue', ports: [port(1, 10), port(2, 10), port(2, 12, 100)] },
    { number: 3, name: 'red', ports: [port(1, 11), port(2, 11), port(2, 12, 200)] },
  ])
  await whole.env.advance(500)
  return whole
}

t.test('two networks with the same addresses do not see each other', async t => {
  const whole = await coloured()
  t.ok((await whole.ping('h1', 'h2')) !== undefined, 'blue')
  t.ok((await whole.ping('h3', 'h4')) !== undefined, 'red')
  t.equal(await whole.ping('h1', 'h4', 500), undefined, 'from blue to red')
  t.equal(await whole.ping('h4', 'h2', 500), undefined, 'from red to blue')
  const hosts = [...whole.controller.topology.current.hosts.values()]
  t.same(
    hosts
      .filter(host => host.ips.includes(ip4(1)))
      .map(host => host.network)
      .sort(),
    [2, 3],
    'one address, two hosts',
  )
  await whole.stop()
})

t.test('a trunk carries both with their tags, and only those', async t => {
  const whole = await coloured()
  await whole.ping('h1', 'h2')
  await whole.ping('h3', 'h4')
  const heard = tap(whole.network, 'h5')
  const arp = (vlan: number | undefined, target: number) =>
    buildFrame({
      eth_dst: 0xffffffffffff,
      eth_src: 0x020000000055,
      eth_type: 0x0806,
      ...(vlan !== undefined && { vlan_vid: 0x1000 | vlan }),
      arp_op: 1,
      arp_sha: 0x020000000055,
      arp_spa: 0x0a000005,
      arp_tha: 0,
      arp_tpa: 0x0a000000 + target,
    })
  const ask = async (vlan: number | undefined, target: number) => {
    heard.length = 0
    whole.network.switch('s2').receive(12, arp(vlan, target))
    await whole.env.advance(700)
    return heard
      .map(frame => readPacket(frame).fields)
      .filter(fields => fields.arp_op === 2 && fields.arp_spa === 0x0a000000 + target)
      .map(fields => Number(fields.vlan_vid) & 0xfff)
  }
  t.same(await ask(100, 2), [100], 'h2 answers in blue')
  t.same(await ask(200, 4), [200], 'h4 answers in red')
  t.same(await ask(200, 2), [], 'h2 is not in red')
  t.same(await ask(undefined, 2), [], 'without a tag nothing passes')
  t.same(await ask(300, 2), [], 'with another tag neither')
  await whole.stop()
})
