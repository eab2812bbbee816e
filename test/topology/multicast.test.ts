import t from 'tap'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import { buildFrame } from '../../src/pipeline/build.js'
import { readPacket } from '../../src/pipeline/packet.js'
import { claimOf } from '../../src/topology/hosts/host-frames.js'
import { igmpQuery, mldQuery } from '../../src/topology/multicast/listeners.js'
import { MulticastTable } from '../../src/topology/multicast/multicast.js'
import { end, ring, tap, Whole } from './whole.js'
import { at, nameOf } from './wires.js'

const igmp = (...octets: number[]) =>
  buildFrame(
    {
      eth_dst: 0x01005e010203,
      eth_src: 0x020000000001,
      eth_type: 0x0800,
      ip_proto: 2,
      ip_src: 0x0a000001,
      ip_dst: 0xe0010203,
    },
    Uint8Array.from(octets),
  )
/** IGMPv2 for 224.1.2.3. */
const report = igmp(0x16, 0, 0, 0, 224, 1, 2, 3)
const leave = igmp(0x17, 0, 0, 0, 224, 1, 2, 3)
/** IGMPv3: one record of this type for 224.1.2.3 without sources. */
const report3 = (type: number) => igmp(0x22, 0, 0, 0, 0, 0, 0, 1, type, 0, 0, 0, 224, 1, 2, 3)

const textOf = (table: MulticastTable) =>
  table
    .list()
    .map(({ network, mac, ports }) => `${network} ${mac.toString(16)} ${ports.map(nameOf).join()}`)

t.test('reports of version 2 and 3, and leaving', async t => {
  const table = new MulticastTable(new SimulatedEnv().clock)
  t.equal(table.hear(at('1:1'), 1, report), true)
  t.equal(table.hear(at('1:1'), 1, report), false, 'no news')
  t.equal(table.hear(at('2:1'), 1, report3(4)), true, 'to exclude nothing is to join')
  t.same(textOf(table), ['1 1005e010203 1:1,2:1'])
  t.equal(table.hear(at('1:1'), 1, leave), true)
  t.equal(table.hear(at('2:1'), 1, report3(3)), true, 'to include nothing is to leave')
  t.same(textOf(table), [])
})

t.test('groups of the local network are for all', async t => {
  const table = new MulticastTable(new SimulatedEnv().clock)
  table.hear(at('1:1'), 1, igmp(0x16, 0, 0, 0, 224, 0, 0, 251))
  t.same(textOf(table), [])
})

t.test('a router hears every group of its network', async t => {
  const table = new MulticastTable(new SimulatedEnv().clock)
  table.hear(at('1:1'), 1, report)
  table.hear(at('3:1'), 1, igmpQuery())
  table.hear(at('4:1'), 2, igmpQuery())
  t.same(textOf(table), ['1 1005e010203 1:1,3:1'])
})

t.test('who does not answer queries is forgotten', async t => {
  const env = new SimulatedEnv()
  const table = new MulticastTable(env.clock)
  table.hear(at('1:1'), 1, report)
  await env.advance(250_000)
  t.equal(table.tick(), false)
  await env.advance(11_000)
  t.equal(table.tick(), true)
  t.same(textOf(table), [])
})

t.test('whatever is cut short says nothing', async t => {
  const table = new MulticastTable(new SimulatedEnv().clock)
  for (let size = 0; size < report.length; size++)
    table.hear(at('1:1'), 1, report.subarray(0, size))
  t.same(textOf(table), [])
})

t.test('a query is a whole IGMPv3 message', async t => {
  const { fields, payload } = readPacket(igmpQuery())
  t.equal(fields.ip_dst, 0xe0000001)
  // 0x1164 + 0x027d = 0x13e1, and its complement is the sum.
  t.same([...igmpQuery().subarray(payload)], [0x11, 100, 0xec, 0x1e, 0, 0, 0, 0, 2, 125, 0, 0])
})

t.test('a group goes to its listeners only, one nobody asked for to all', async t => {
  const whole = await Whole.start(ring(4))
  for (const name of ['h1', 'h2', 'h3', 'h4']) whole.host(name).announce()
  await whole.env.advance(2_000)
  const heard = new Map(['h2', 'h3', 'h4'].map(name => [name, tap(whole.network, name)]))
  const membership = (host: number, frame: Uint8Array) => {
    const copy = frame.slice()
    copy[11] = host
    copy[29] = host
    whole.network.switch(`s${host}`).receive(10, copy)
  }
  const count = async (group: number) => {
    for (const frames of heard.values()) frames.length = 0
    const frame = buildFrame({
      eth_dst: 0x01005e000000 + (group & 0x7fffff),
      eth_src: 0x020000000001,
      eth_type: 0x0800,
      ip_proto: 17,
      ip_src: 0x0a000001,
      ip_dst: group,
      udp_src: 5,
      udp_dst: 5,
    })
    whole.network.switch('s1').receive(10, frame)
    await whole.env.advance(200)
    return [...heard.values()].map(
      frames => frames.filter(each => readPacket(each).fields.udp_dst === 5).length,
    )
  }
  t.same(await count(0xe0010203), [1, 1, 1], 'nobody has said anything: to all')
  membership(3, report)
  await whole.env.advance(500)
  t.same(await count(0xe0010203), [0, 1, 0])
  t.same(await count(0xe0050607), [1, 1, 1], 'another group')
  membership(4, report)
  await whole.env.advance(500)
  t.same(await count(0xe0010203), [0, 1, 1])
  whole.network.linkDown(end('s3', 10), end('h3', 0))
  await whole.env.advance(500)
  t.same(await count(0xe0010203), [0, 0, 1], 'a listener whose port went down')
  await whole.stop()
})

t.test('a query of IPv6 listeners, octet by octet', async t => {
  t.equal(
    Buffer.from(mldQuery()).toString('hex'),
    [
      '33330000000102534c00000186dd',
      '6000000000240001fe8000000000000000534cfffe000001ff020000000000000000000000000001',
      '3a00050200000100',
      '82000b432710000000000000000000000000000000000000027d0000',
    ].join(''),
  )
})

t.test('a listener of an IPv6 group that does not answer is forgotten', async t => {
  const env = new SimulatedEnv()
  const table = new MulticastTable(env.clock)
  const octets = [143, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0xff, 0x12, ...new Array(12).fill(0), 1, 2]
  const join = buildFrame(
    {
      eth_dst: 0x333300000016,
      eth_src: 0x020000000001,
      eth_type: 0x86dd,
      ip_proto: 58,
      ipv6_src: 0xfe80_0000_0000_0000_0000_0000_0000_0001n,
      ipv6_dst: 0xff02_0000_0000_0000_0000_0000_0000_0016n,
      icmpv6_type: 143,
    },
    Uint8Array.from(octets.slice(4)),
  )
  t.equal(table.hear(at('1:1'), 1, join), true)
  await env.advance(261_000)
  t.equal(table.tick(), true)
  t.same(textOf(table), [])
})

t.test('after a restart the listeners are asked at once, of IPv4 and of IPv6', async t => {
  const whole = await Whole.start(ring(3))
  await whole.env.advance(20_000)
  await whole.stopController()
  await whole.startController()
  const frames = ['h1', 'h2', 'h3'].map(name => tap(whole.network, name))
  await whole.env.advance(4_000)
  for (const heard of frames) {
    const first = (frame: Uint8Array) => Buffer.from(frame.subarray(0, 6)).toString('hex')
    const asked = heard.map(first).filter(to => ['01005e000001', '333300000001'].includes(to))
    t.same([...new Set(asked)].sort(), ['01005e000001', '333300000001'])
    t.ok(asked.length <= 4, `${asked.length} questions`)
  }
  await whole.stop()
})

t.test('who snoops hears that routers are behind our ports, octet by octet (RFC 4286)', async t => {
  const whole = await Whole.start(ring(3))
  const frames = tap(whole.network, 'h3')
  await whole.env.advance(12_000)
  const texts = frames.map(frame => Buffer.from(frame).toString('hex'))
  const igmp = [
    '01005e00006a02534c0000010800',
    '4500001c000040000102997600000000e000006a',
    '307dcf03007d0002',
  ]
  const mld = [
    '33330000006a02534c00000186dd',
    '6000000000100001fe8000000000000000534cfffe000001ff02000000000000000000000000006a',
    '3a00050200000100',
    '977d1e7f007d0002',
  ]
  for (const octets of [igmp, mld]) t.ok(texts.includes(octets.join('')), octets.join(''))
  await whole.stop()
})

t.test('our own questions teach no host, wherever they come back', async t => {
  for (const query of [igmpQuery(), mldQuery()])
    t.equal(claimOf(readPacket(query).fields, at('1:1'), 1), undefined)
  t.ok(claimOf(readPacket(report).fields, at('1:1'), 1), 'who listens does')
})
