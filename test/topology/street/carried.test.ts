/** Frames that nobody reads, and frames of routers that share a MAC, from one switch to another. */
import t from 'tap'
import type { Ipv4 } from '../../../src/base/addresses.js'
import { buildFrame } from '../../../src/pipeline/build.js'
import type { GuardLevel } from '../../../src/topology/hosts/guard-level.js'
import { dpidOf } from '../networks.js'
import { OurStreet } from './street.js'

const macs = { a: 0x020000000001, b: 0x020000000002 }
const hex = (frame: Uint8Array) => Buffer.from(frame).toString('hex')

const begin = async (guard: GuardLevel = 'default') => {
  const ours = await OurStreet.start(guard)
  const a = ours.add('a', macs.a, '10.0.0.1' as Ipv4)
  const b = ours.add('b', macs.b, '10.0.0.2' as Ipv4)
  ours.plug('a', 's1:10')
  ours.plug('b', 's3:10')
  await ours.env.advance(1_000)
  for (const each of [a, b]) each.announce(each.ips[0]!)
  await ours.env.advance(1_000)
  const heard: string[] = []
  const receive = b.receive.bind(b)
  b.receive = frame => {
    heard.push(hex(frame))
    receive(frame)
  }
  /** Whether b hears it as it was sent. */
  const arrives = async (octets: string): Promise<boolean> => {
    heard.length = 0
    a.send(Uint8Array.from(Buffer.from(octets.padEnd(120, '0'), 'hex')))
    await ours.env.advance(500)
    return heard.includes(octets.padEnd(120, '0'))
  }
  return { ours, a, b, arrives }
}

const ends = ['020000000002020000000001', 'ffffffffffff020000000001', '0200000000cc020000000001']
const kinds = [
  '88b5',
  '81000064080045000014',
  '88a8006408060001080006040001',
  '88a800648100000788b5',
  '81000064810000070800',
  '88a80064810000078100000888b5',
  '910000640800',
  '0006060603',
]

t.test('while nobody reads frames, all kinds arrive as they were sent', async t => {
  const { ours, arrives } = await begin()
  for (const end of ends)
    for (const kind of kinds) t.ok(await arrives(end + kind), `${kind} to ${end.slice(0, 12)}`)
  const [first] = ours.whole.controller.topology.hostsNamed('02:00:00:00:00:01')
  t.same(first?.ips, ['10.0.0.1'], 'what is under a tag says nothing of addresses')
  await ours.stop()
})

t.test('with a network elsewhere, or under guard level strict, they do not', async t => {
  for (const guard of ['default', 'strict'] as const) {
    const { ours, arrives } = await begin(guard)
    ours.whole.controller.topology.declareNetworks([
      { number: 1, name: 'default' },
      ...(guard === 'strict'
        ? []
        : [{ number: 2, name: 'blue', ports: [{ at: { dpid: dpidOf(2), port: 10 } }] }]),
    ])
    await ours.env.advance(500)
    t.ok(await arrives(ends[0]! + kinds[0]!), 'what says what it is arrives')
    for (const kind of kinds.slice(1)) t.notOk(await arrives(ends[0]! + kind), `${guard}: ${kind}`)
    await ours.stop()
  }
})

const shared = 0x00005e00010a
const advertisement = (mac: number): Uint8Array =>
  buildFrame({
    eth_dst: 0x01005e000012,
    eth_src: mac,
    eth_type: 0x0800,
    ip_proto: 112,
    nw_ttl: 255,
    ip_src: 0x0a000003,
    ip_dst: 0xe0000012,
  })

for (const guard of ['default', 'strict'] as const)
  t.test(`routers that share a MAC hear each other, guard ${guard}`, async t => {
    const { ours, a, b } = await begin(guard)
    const ip = 0x0a000064
    for (const each of [a, b]) {
      each.mac = shared
      each.ips.push(ip)
    }
    a.announce(ip)
    await ours.env.advance(1_000)
    const heard: string[] = []
    const receive = a.receive.bind(a)
    a.receive = frame => {
      heard.push(hex(frame))
      receive(frame)
    }
    const sent = advertisement(shared)
    b.send(sent)
    await ours.env.advance(1_000)
    const place = () => ours.whole.controller.topology.hostsNamed('00:00:5e:00:01:0a')[0]?.at
    t.same(place(), { dpid: dpidOf(1), port: 10 }, 'who answers keeps the MAC')
    t.equal(heard.includes(hex(sent)), guard === 'default')
    b.send(buildFrame({ eth_dst: macs.a, eth_src: shared, eth_type: 0x88b5 }))
    await ours.env.advance(1_000)
    t.notOk(
      heard.some(each => each.slice(24, 28) === '88b5'),
      'nothing else of it passes',
    )
    a.ips.length = 0
    b.send(sent)
    await ours.env.advance(1_000)
    t.same(place(), { dpid: dpidOf(3), port: 10 }, 'who gives it up loses it')
    await ours.stop()
  })

t.test(
  'an unmanaged switch between two of ours hears from both that routers are there',
  async t => {
    const ours = await OurStreet.start('default', false)
    const heard = new Map<string, Set<number>>()
    const receive = ours.unmanaged.receive.bind(ours.unmanaged)
    ours.unmanaged.receive = (port, frame) => {
      const to = hex(frame).slice(0, 12)
      heard.set(to, (heard.get(to) ?? new Set()).add(port))
      receive(port, frame)
    }
    ours.setUplink(0, true)
    ours.setUplink(1, true)
    await ours.env.advance(130_000)
    t.equal(ours.whole.controller.topology.current.links.size, 2, 'it joins them')
    for (const group of ['01005e00006a', '33330000006a'])
      t.equal(heard.get(group)?.size, 2, `${group} comes from both`)
    await ours.stop()
  },
)
