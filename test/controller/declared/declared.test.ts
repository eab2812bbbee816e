import t from 'tap'
import { complaintsOf } from '../../../src/base/kind.js'
import { Declared } from '../../../src/controller/declared/declared.js'
import { hostKind, networkKind, portKind } from '../../../src/controller/declared/kinds.js'
import { ObjectKeeper } from '../../../src/controller/objects/objects.js'
import { buildFrame } from '../../../src/pipeline/build.js'
import { end, switchesOf, switchNames, Whole } from '../../topology/whole.js'

/** h1 and h2 at ports 10, h3 and h4 at ports 11 of s1 and s2. */
const begin = async () => {
  const whole = await Whole.start({
    switches: switchNames(2),
    links: [{ a: end('s1', 1), b: end('s2', 1) }],
    hosts: [
      { name: 'h1', at: end('s1', 10) },
      { name: 'h2', at: end('s2', 10) },
      { name: 'h3', at: end('s1', 11) },
      { name: 'h4', at: end('s2', 11) },
    ],
  })
  const objects = await ObjectKeeper.load(whole.env.timers, whole.store, [
    networkKind,
    hostKind,
    portKind,
  ])
  const declared = new Declared(whole.controller.topology, objects, switchesOf(whole))
  declared.start()
  const apply = async (kind: string, name: string, spec: unknown) => {
    await whole.during(objects.apply([{ kind, name, spec }]))
    await whole.env.advance(300)
    return declared.status(kind, name)
  }
  return { whole, objects, declared, apply }
}

t.test('a network is a segment of its own as long as it is declared', async t => {
  const { whole, objects, apply } = await begin()
  t.ok((await whole.ping('h1', 'h3')) !== undefined, 'at first all are in one')
  const status = await apply('Network', 'blue', { number: 2, access: ['s1:10', 's2:s2-eth10'] })
  t.same(status, { state: 'installed' })
  t.equal(await whole.ping('h1', 'h3', 500), undefined)
  t.ok((await whole.ping('h1', 'h2')) !== undefined)
  t.ok((await whole.ping('h3', 'h4')) !== undefined)
  await whole.during(objects.remove(networkKind, 'blue'))
  await whole.env.advance(300)
  t.ok((await whole.ping('h1', 'h3')) !== undefined)
  await whole.stop()
})

t.test('a port may have tags of a network and, without one, be in the first', async t => {
  const { whole, apply } = await begin()
  const trunk = { number: 5, access: ['s1:11'], trunk: [{ port: 's1:10', vlan: 100 }] }
  t.same(await apply('Network', 'voice', trunk), { state: 'installed' })
  t.equal(await whole.ping('h1', 'h2', 500), undefined, 'what no network says is in none')
  t.same(await apply('Network', 'office', { number: 1, access: ['s1:10'] }), { state: 'installed' })
  t.ok((await whole.ping('h1', 'h2')) !== undefined)
  t.equal(await whole.ping('h1', 'h3', 500), undefined)
  t.match((await apply('Network', 'other', { number: 1 }))?.state, 'failed')
  await whole.stop()
})

t.test('what a switch still sends for the network of before teaches nothing', async t => {
  const { whole, apply } = await begin()
  const { topology } = whole.controller
  const at = { dpid: [...topology.current.switches.keys()][0]!, port: 10 }
  const frame = buildFrame({
    eth_src: 0x020000000077,
    eth_dst: 0xffffffffffff,
    eth_type: 0x0806,
    arp_op: 1,
    arp_sha: 0x020000000077,
    arp_spa: 0x0a000077,
    arp_tha: 0,
    arp_tpa: 0x0a000001,
  })
  await whole.ping('h1', 'h3')
  await apply('Network', 'blue', { number: 2, access: ['s1:10'] })
  const networksOf = () =>
    [...topology.current.hosts.values()]
      .filter(host => host.mac.endsWith('77'))
      .map(host => host.network)
  topology.packetIn(at, 'teach', frame, 1)
  t.same(networksOf(), [])
  topology.packetIn(at, 'teach', frame, 2)
  t.same(networksOf(), [2])
  await whole.stop()
})

t.test('what cannot be put in force says why', async t => {
  const { whole, apply } = await begin()
  t.same(await apply('Network', 'far', { number: 2, access: ['s9:1'] }), {
    state: 'pending',
    reason: 's9:1 is not known yet',
  })
  t.same(await apply('Network', 'twin', { number: 2 }), {
    state: 'failed',
    reason: 'number 2 is that of network far',
  })
  await apply('Network', 'blue', { number: 3, access: ['s1:10'] })
  t.same(await apply('Network', 'red', { number: 4, access: ['s1:10'] }), {
    state: 'pending',
    reason: 's1:10 is a port of network blue already',
  })
  t.same(await apply('Host', 'web', { mac: '02:00:00:00:00:01', network: 'green' }), {
    state: 'failed',
    reason: 'there is no network green',
  })
  await whole.stop()
})

t.test('a host by name, and one that is pinned', async t => {
  const { whole, objects, apply } = await begin()
  const host = (mac: string) => whole.controller.topology.current.hosts.get(mac)
  await apply('Host', 'web', { mac: '02:00:00:00:00:01' })
  await whole.ping('h1', 'h2')
  t.match(host('02:00:00:00:00:01'), { name: 'web', isPinned: false })
  t.equal(host('02:00:00:00:00:02')?.name, undefined)
  await apply('Host', 'db', { mac: '02-00-00-00-00-02', ips: ['10.0.0.2'], at: 's2:10' })
  t.match(host('02:00:00:00:00:02'), { name: 'db', isPinned: true, ips: ['10.0.0.2'] })
  await whole.during(objects.remove(hostKind, 'db'))
  await whole.during(objects.remove(hostKind, 'web'))
  await whole.env.advance(100)
  t.match(host('02:00:00:00:00:02'), { isPinned: false })
  t.equal(host('02:00:00:00:00:01')?.name, undefined)
  await whole.stop()
})

t.test('mistakes in documents', async t => {
  t.same(complaintsOf(hostKind, { mac: 'x', ips: ['10.0.0.300'], at: 's1:1' }), [
    { path: ['mac'], message: 'takes a MAC, such as 02:00:00:00:00:01' },
    { path: ['ips', '0'], message: 'takes an IPv4 or IPv6 address' },
  ])
  t.same(complaintsOf(hostKind, { mac: '02:00:00:00:00:01', ips: ['10.0.0.3'] }), [
    { path: ['ips'], message: 'addresses are held only with a place: give at as well' },
  ])
  t.equal(complaintsOf(networkKind, { number: 0 }).length, 1)
  t.same(complaintsOf(networkKind, { number: 1, access: ['s1:1'] }), [])
  t.equal(complaintsOf(networkKind, { number: 5, access: ['s1'] }).length, 1)
})

t.test(
  'a port is declared: what its link costs, where it must lead, that it is for hosts',
  async t => {
    const { whole, objects, apply } = await begin()
    const link = () => whole.controller.topology.current.links.get('0000000000000001/1')
    t.same(await apply('Port', 'up', { at: 's1:1', cost: 7, tags: ['gold'], peer: 's2:1' }), {
      state: 'installed',
    })
    t.match(link(), { cost: 7, tags: ['gold'] })
    t.match(await apply('Port', 'zwilling', { at: 's1:1', cost: 2 }), {
      state: 'failed',
      reason: 's1:1 is declared twice',
    })
    t.match(await apply('Port', 'far', { at: 's9:1' }), { state: 'pending' })
    await whole.during(objects.remove(portKind, 'up'))
    await whole.during(objects.remove(portKind, 'zwilling'))
    await whole.env.advance(300)
    t.equal(link()?.cost, 1, 'as it was before')
    t.same(
      complaintsOf(portKind, { at: 's1:1', role: 'edge', cost: 3 }).map(each => each.message),
      ['a port for hosts has no link: give role, or what its link is like'],
    )
    await whole.stop()
  },
)
