/** Who answers a question: the switch for who is there, the holder itself wherever the switch would be wrong. */
import t from 'tap'
import type { Ipv4, Ipv6 } from '../../src/base/addresses.js'
import { buildFrame } from '../../src/pipeline/build.js'
import { type Fields, readPacket } from '../../src/pipeline/packet.js'
import { controllerMac } from '../../src/topology/hosts/host-frames.js'
import { countMessages, end, ring, tap, Whole } from './whole.js'

/** h1 to h3, each at port 10 of its switch. */
const begin = async () => {
  const whole = await Whole.start({
    ...ring(3),
    hosts: [1, 2, 3].map(number => ({
      name: `h${number}`,
      ip: `10.0.0.${number}` as Ipv4,
      ipv6: `fd00::${number}` as Ipv6,
      at: end(`s${number}`, 10),
    })),
  })
  for (const name of ['h1', 'h2', 'h3']) whole.host(name).announce()
  await whole.env.advance(1_500)
  const send = async (node: number, fields: Fields) => {
    whole.network.switch(`s${node}`).receive(10, buildFrame(fields))
    await whole.env.advance(100)
  }
  const hosts = () => whole.controller.topology.current.hosts
  return { whole, send, hosts }
}

const macOf = (number: number) => 0x020000000000 + number
const ipOf = (number: number) => 0x0a000000 + number
const ip6Of = (number: number) => 0xfd00_0000_0000_0000_0000_0000_0000_0000n + BigInt(number)

const question = (from: number, to: number, more: Fields = {}): Fields => ({
  eth_dst: 0xffffffffffff,
  eth_src: macOf(from),
  eth_type: 0x0806,
  arp_op: 1,
  arp_sha: macOf(from),
  arp_spa: ipOf(from),
  arp_tha: 0,
  arp_tpa: ipOf(to),
  ...more,
})
const solicitation = (from: number, to: number, more: Fields = {}): Fields => ({
  eth_dst: 0x3333ff000000 + to,
  eth_src: macOf(from),
  eth_type: 0x86dd,
  ip_proto: 58,
  nw_ttl: 255,
  ipv6_src: ip6Of(from),
  ipv6_dst: (0xff02n << 112n) | 0x1ff000000n | BigInt(to),
  icmpv6_type: 135,
  nd_target: ip6Of(to),
  nd_sll: macOf(from),
  ...more,
})
/** Frames that hosts would see, without what the controller asks. */
const heardOf = (frames: readonly Uint8Array[]) =>
  frames
    .map(frame => readPacket(frame).fields)
    .filter(({ eth_type, eth_src }) => eth_type !== 0x88cc && eth_src !== controllerMac)

// biome-ignore format: a table
const questions: readonly (readonly [string, Fields, 'the switch' | 'the holder'])[] = [
  ['ARP to all',                                            question(2, 1),                                                        'the switch'],
  ['ARP to the MAC that is known',                          question(2, 1, { eth_dst: macOf(1) }),                                 'the holder'],
  ['an ARP probe',                                          question(2, 1, { arp_spa: 0 }),                                        'the holder'],
  ['a solicitation to all',                                 solicitation(2, 1),                                                    'the switch'],
  ['a solicitation to the MAC that is known',               solicitation(2, 1, { eth_dst: macOf(1), ipv6_dst: ip6Of(1) }),         'the holder'],
  ['the same without an option, as Linux probes neighbours', solicitation(2, 1, { eth_dst: macOf(1), ipv6_dst: ip6Of(1), nd_sll: 0 }), 'the holder'],
  ['duplicate address detection',                           solicitation(2, 1, { ipv6_src: 0n, nd_sll: 0 }),                       'the holder'],
  ['a solicitation to all without an option',               solicitation(2, 1, { nd_sll: 0 }),                                     'the holder'],
]

for (const [name, fields, who] of questions)
  t.test(`${name} is answered by ${who}`, async t => {
    const { whole, send } = await begin()
    const counts = countMessages(whole.network)
    const asker = tap(whole.network, 'h2')
    const holder = tap(whole.network, 'h1')
    await send(2, fields)
    t.equal(heardOf(holder).length, who === 'the holder' ? 1 : 0, 'it was asked once')
    t.equal(heardOf(asker).length, who === 'the switch' ? 1 : 0)
    t.ok((counts.get('packet-out') ?? 0) < 30, 'and nothing goes round and round')
    await whole.stop()
  })

t.test('a fresh address is told once, and not again and again', async t => {
  const { whole, send, hosts } = await begin()
  const counts = countMessages(whole.network)
  await send(2, solicitation(2, 77, { ipv6_src: 0n, nd_sll: 0 }))
  await send(2, solicitation(77, 1, { eth_src: macOf(2), nd_sll: macOf(2) }))
  t.ok(
    hosts()
      .get('02:00:00:00:00:02')
      ?.ips.includes('fd00::4d' as Ipv6),
  )
  t.ok((counts.get('packet-out') ?? 0) < 30, `${counts.get('packet-out')} packet-outs`)
  await whole.stop()
})

t.test('nothing is answered out of the port where the target is', async t => {
  const { whole, send } = await begin()
  // A neighbour of h1, on the same bridge behind port 10 of s1.
  await send(1, question(9, 9))
  const behind = tap(whole.network, 'h1')
  await send(1, question(9, 1))
  t.same(
    heardOf(behind).filter(({ arp_op }) => arp_op === 2),
    [],
  )
  const others = tap(whole.network, 'h3')
  await send(1, question(9, 1))
  t.equal(heardOf(others).length, 1, 'others hear the question, as on a plain switch')
  await whole.stop()
})

t.test('nobody is spoken for whose port is down', async t => {
  const { whole, send, hosts } = await begin()
  whole.network.setHost('h1', false)
  await whole.env.advance(200)
  t.equal(hosts().get('02:00:00:00:00:01'), undefined)
  const asker = tap(whole.network, 'h2')
  await send(2, question(2, 1))
  t.same(heardOf(asker), [])
  await whole.stop()
})

t.test('an address that moves is announced to those who know the old MAC', async t => {
  const { whole, send } = await begin()
  await send(1, question(100, 100, { eth_src: macOf(1), arp_sha: macOf(1) }))
  // h1 is alive, and has only its own address: it does not answer for the other one.
  const heard = tap(whole.network, 'h3')
  await send(2, question(100, 2, { eth_src: macOf(2), arp_sha: macOf(2), eth_dst: macOf(2) }))
  await whole.env.advance(1_000)
  const told = heard
    .map(frame => readPacket(frame).fields)
    .filter(({ arp_spa }) => arp_spa === ipOf(100))
  t.match(told, [{ arp_op: 1, arp_sha: macOf(2), arp_tpa: ipOf(100), eth_dst: 0xffffffffffff }])
  await whole.stop()
})

t.test('a server with a virtual address that another answers for can still ask', async t => {
  const { whole, send, hosts } = await begin()
  const asked = tap(whole.network, 'h3')
  await send(2, question(1, 3, { eth_src: macOf(2), arp_sha: macOf(2) }))
  t.match(heardOf(asked), [{ arp_op: 1, arp_spa: 0, arp_sha: macOf(2), arp_tpa: ipOf(3) }])
  await whole.env.advance(1_000)
  t.same(hosts().get('02:00:00:00:00:02')?.ips, ['10.0.0.2', 'fd00::2'], 'it gains nothing by it')
  await whole.stop()
})

t.test(
  'a frame for a MAC that nobody has heard leaves every edge port but its own, once',
  async t => {
    const { whole, send } = await begin()
    const [own, ...others] = ['h2', 'h1', 'h3'].map(name => tap(whole.network, name))
    const frame: Fields = { eth_dst: macOf(77), eth_src: macOf(2), eth_type: 0x88b5 }
    for (let count = 0; count < 10; count++) await send(2, frame)
    t.equal(heardOf(own!).length, 0)
    for (const each of others) t.equal(heardOf(each).length, 10)
    for (let count = 0; count < 5_000; count++)
      whole.network.switch('s2').receive(10, buildFrame(frame))
    await whole.env.advance(1_000)
    for (const each of others) t.ok(heardOf(each).length < 300, 'and is limited')
    await whole.stop()
  },
)
