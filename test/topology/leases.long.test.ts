/** Addresses that a declared DHCP server gives are bound to who got them; nobody takes them, and no server steals. */
import t from 'tap'
import type { Ip, Mac } from '../../src/base/addresses.js'
import { buildFrame } from '../../src/pipeline/build.js'
import { type Fields, readPacket } from '../../src/pipeline/packet.js'
import { defaultDiscovery } from '../../src/topology/discovery/discovery.js'
import { givenAddresses, reportedNameOf } from '../../src/topology/hosts/dhcp.js'
import type { GuardLevel } from '../../src/topology/hosts/guard-level.js'
import { defaultHosts } from '../../src/topology/hosts/hosts.js'
import { dpidOf } from './networks.js'
import { end, switchNames, Whole } from './whole.js'

/*
 *   server (10.0.0.1) ── 10 s1 ── s2 10 ── client, 02:00:00:00:00:22
 *                          │
 *                          s3 10 ── attacker, 02:00:00:00:00:33
 *                          s3 11 ── victim, 10.0.0.7, which answers
 */
const mac = { server: 0x020000000011, client: 0x020000000022, attacker: 0x020000000033 }
const macText = '02:00:00:00:00:22' as Mac
const server = { ip4: 0x0a000001, ip6: 0xfd00_0000_0000_0000_0000_0000_0000_0001n }
const given = { ip: '10.0.0.50' as Ip, number: 0x0a000032 }

/** BOOTP (RFC 951) with options: what 53 says, 51 a lease of so many seconds. */
const bootp = (kind: number, yours: number, client: number, ...options: number[]) => {
  const bytes = new Uint8Array(240 + 3 + options.length + 1)
  const view = new DataView(bytes.buffer)
  bytes.set([kind === 1 || kind === 3 ? 1 : 2, 1, 6, 0])
  view.setUint32(16, yours)
  view.setUint16(28, Math.floor(client / 0x100000000))
  view.setUint32(30, client % 0x100000000)
  view.setUint32(236, 0x63825363)
  bytes.set([53, 1, kind, ...options, 255], 240)
  return bytes
}
const lease = (seconds: number) => [51, 4, ...[24, 16, 8, 0].map(shift => (seconds >> shift) & 255)]
const udp = (more: Fields): Fields => ({
  eth_dst: 0xffffffffffff,
  eth_src: mac.server,
  eth_type: 0x0800,
  ip_proto: 17,
  ip_src: server.ip4,
  ip_dst: 0xffffffff,
  udp_src: 67,
  udp_dst: 68,
  ...more,
})
const acknowledge = (seconds: number, ip = given.number, client = mac.client, more: Fields = {}) =>
  buildFrame(udp(more), bootp(5, ip, client, ...lease(seconds)))
const request = (from: number, ...options: number[]) =>
  buildFrame(
    udp({ eth_src: from, ip_src: 0, udp_src: 68, udp_dst: 67 }),
    bootp(1, 0, from, ...options),
  )
const claim = (from: number, ip: number) =>
  buildFrame({
    eth_dst: 0xffffffffffff,
    eth_src: from,
    eth_type: 0x0806,
    arp_op: 1,
    arp_sha: from,
    arp_spa: ip,
    arp_tha: 0,
    arp_tpa: ip,
  })

const begin = async (guard: GuardLevel = 'strict') => {
  const whole = await Whole.start(
    {
      switches: switchNames(3),
      links: [
        { a: end('s1', 1), b: end('s2', 1) },
        { a: end('s1', 2), b: end('s3', 1) },
      ],
      hosts: [
        {
          name: 'server',
          at: end('s1', 10),
          ip: '10.0.0.1' as never,
          mac: '02:00:00:00:00:11' as Mac,
        },
        { name: 'client', at: end('s2', 10), ip: '10.0.0.99' as never, mac: macText },
        {
          name: 'attacker',
          at: end('s3', 10),
          ip: '10.0.0.98' as never,
          mac: '02:00:00:00:00:33' as Mac,
        },
        {
          name: 'victim',
          at: end('s3', 11),
          ip: '10.0.0.7' as never,
          mac: '02:00:00:00:00:77' as Mac,
        },
      ],
    },
    { discovery: defaultDiscovery, hosts: { ...defaultHosts, guard } },
  )
  for (const name of ['server', 'victim']) whole.host(name).announce()
  await whole.env.advance(1_000)
  declare(whole)
  await whole.env.advance(1_000)
  // Without an address of its own, and silent.
  whole.network.host('client').receive = () => undefined
  await send(whole, 's2', request(mac.client))
  return whole
}
const declare = (whole: Whole) =>
  whole.controller.topology.declarePorts(
    new Map([[`${dpidOf(1)}/10`, { serves: ['dhcp' as const] }]]),
  )
const send = async (whole: Whole, name: string, frame: Uint8Array, port = 10) => {
  whole.network.switch(name).receive(port, frame)
  await whole.env.advance(100)
}
const hostOf = (whole: Whole, text: string) => whole.controller.topology.current.hosts.get(text)

t.test('an acknowledgement binds the address to its client', async t => {
  const whole = await begin()
  t.same(hostOf(whole, macText)?.ips, [])
  await send(whole, 's1', acknowledge(3_600))
  t.same(hostOf(whole, macText)?.ips, [given.ip])
  t.equal(hostOf(whole, macText)?.at.dpid, dpidOf(2))
  const [known] = whole.controller.topology.current.leases.values()
  t.match(known, { network: 1, ip: given.ip, mac: macText })
  t.ok(Math.abs(known!.untilMillis - whole.env.clock.wallMillis() - 3_600_000) < 1_000)
  await whole.stop()
})

for (const guard of ['off', 'default', 'strict'] as const)
  t.test(`claims of an address that is leased to somebody silent, guard ${guard}`, async t => {
    const isGuarded = guard === 'strict'
    const whole = await begin(guard)
    await send(whole, 's1', acknowledge(3_600))
    for (let count = 0; count < (isGuarded ? 1_000 : 20); count++)
      await send(whole, 's3', claim(mac.attacker, given.number))
    const thief = hostOf(whole, '02:00:00:00:00:33')
    t.equal(thief?.ips.includes(given.ip) ?? false, !isGuarded)
    t.equal(hostOf(whole, macText)?.ips.includes(given.ip) ?? false, isGuarded)
    if (isGuarded) t.ok(whole.events('host-refused').length > 0, 'and somebody is told')
    await whole.stop()
  })

t.test('when the lease is over the address is like any other', async t => {
  const whole = await begin()
  await send(whole, 's1', acknowledge(60))
  await whole.env.advance(58_000)
  await send(whole, 's3', claim(mac.attacker, given.number))
  await whole.env.advance(1_000)
  t.same(hostOf(whole, macText)?.ips, [given.ip], 'a second before')
  await whole.env.advance(2_000)
  t.same([...whole.controller.topology.current.leases], [])
  await send(whole, 's3', claim(mac.attacker, given.number))
  await whole.env.advance(1_000)
  t.same(hostOf(whole, macText)?.ips, [], 'who does not answer loses it')
  t.ok(hostOf(whole, '02:00:00:00:00:33')?.ips.includes(given.ip))
  await whole.stop()
})

t.test('a lease given again lasts longer, one given to somebody else is theirs', async t => {
  const whole = await begin()
  await send(whole, 's1', acknowledge(60))
  await whole.env.advance(40_000)
  await send(whole, 's1', acknowledge(60))
  await whole.env.advance(40_000)
  t.equal(whole.controller.topology.current.leases.size, 1)
  await send(whole, 's3', request(mac.attacker))
  await send(whole, 's1', acknowledge(60, given.number, mac.attacker))
  await whole.env.advance(1_000)
  t.ok(hostOf(whole, '02:00:00:00:00:33')?.ips.includes(given.ip))
  t.same(hostOf(whole, macText)?.ips, [])
  await whole.stop()
})

t.test('a server that nobody declared binds nothing and steals nothing', async t => {
  const whole = await begin()
  const rogue = { eth_src: mac.attacker, ip_src: 0x0a000062 }
  whole.host('attacker').announce()
  await whole.env.advance(500)
  for (let count = 0; count < 100; count++) {
    await send(whole, 's3', acknowledge(3_600, 0x0a000007, mac.attacker, rogue))
    // In the name of the true one, from the wrong place.
    await send(whole, 's3', acknowledge(3_600, 0x0a000007, mac.attacker))
    await send(whole, 's3', acknowledge(3_600, given.number, mac.client, rogue))
  }
  t.same([...whole.controller.topology.current.leases], [])
  t.same(hostOf(whole, '02:00:00:00:00:77')?.ips, ['10.0.0.7'])
  t.same(hostOf(whole, macText)?.ips, [])
  await whole.stop()
})

t.test(
  'the declared server does not take an address from who answers, nor a declared one',
  async t => {
    const whole = await begin()
    await send(whole, 's3', request(mac.attacker))
    await send(whole, 's1', acknowledge(3_600, 0x0a000007, mac.attacker))
    await whole.env.advance(1_000)
    t.same(hostOf(whole, '02:00:00:00:00:77')?.ips, ['10.0.0.7'], 'it answered')
    const pinned = {
      ...{ mac: '02:00:00:00:00:88' as Mac, ips: ['10.0.0.8' as Ip], network: 1 },
      ...{ at: { dpid: dpidOf(2), port: 11 }, isPinned: true },
    }
    whole.controller.topology.declareHosts([pinned])
    await send(whole, 's1', acknowledge(3_600, 0x0a000008, mac.client))
    await whole.env.advance(1_000)
    t.same(hostOf(whole, '02:00:00:00:00:88')?.ips, ['10.0.0.8'], 'it was declared')
    t.same(hostOf(whole, macText)?.ips, [])
    await whole.stop()
  },
)

t.test('leases hold over a restart, and for a host that has gone', async t => {
  const whole = await begin()
  await send(whole, 's1', acknowledge(36_000))
  await whole.env.advance(400_000)
  t.equal(hostOf(whole, macText), undefined, 'idle, and it did not answer')
  await whole.stopController()
  await whole.startController()
  declare(whole)
  await whole.env.advance(5_000)
  await send(whole, 's3', claim(mac.attacker, given.number))
  await whole.env.advance(1_000)
  t.notOk(hostOf(whole, '02:00:00:00:00:33')?.ips.includes(given.ip))
  await send(whole, 's2', claim(mac.client, given.number))
  t.same(hostOf(whole, macText)?.ips, [given.ip], 'its own it takes back at once')
  await whole.stop()
})

/** DHCPv6: option (2) size (2) value. */
const option = (code: number, value: readonly number[]) => [
  ...[code >> 8, code & 255, value.length >> 8, value.length & 255],
  ...value,
]
const address6 = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50]
const reply6 = [
  ...[7, 0, 0, 1],
  ...option(1, [0, 3, 0, 1, 2, 0, 0, 0, 0, 0x22]),
  ...option(3, [
    ...[0, 0, 0, 9, 0, 0, 7, 8, 0, 0, 0xb, 0x40],
    ...option(5, [...address6, 0, 0, 0x0e, 0x10, 0, 0, 0x1c, 0x20]),
  ]),
]
const udp6 = (more: Fields): Fields => ({
  ...{ eth_dst: mac.client, eth_src: mac.server, eth_type: 0x86dd, ip_proto: 17, nw_ttl: 64 },
  ...{ ipv6_src: server.ip6, ipv6_dst: 0xfe80_0000_0000_0000_0000_0000_0000_0022n },
  ...{ udp_src: 547, udp_dst: 546, ...more },
})

t.test('of IPv6 too', async t => {
  const whole = await begin()
  const advertise = (target: bigint) => ({
    ...{ eth_dst: 0x333300000001, eth_src: mac.server, eth_type: 0x86dd, ip_proto: 58 },
    ...{ nw_ttl: 255, ipv6_src: target, ipv6_dst: 0xff02_0000_0000_0000_0000_0000_0000_0001n },
    ...{ icmpv6_type: 136, nd_target: target, nd_tll: mac.server },
  })
  await send(whole, 's1', buildFrame(advertise(server.ip6)))
  await send(whole, 's1', buildFrame(udp6({}), Uint8Array.from(reply6)))
  t.same(hostOf(whole, macText)?.ips, ['fd00::50'])
  const [known] = whole.controller.topology.current.leases.values()
  t.ok(Math.abs(known!.untilMillis - whole.env.clock.wallMillis() - 7_200_000) < 1_000, '0x1c20 s')
  await whole.stop()
})

t.test('names by option 12, and by option 39 of DHCPv6', async t => {
  const nameOf = (frame: Uint8Array) => reportedNameOf(frame, readPacket(frame))
  const name = [...new TextEncoder().encode('Laptop-7')]
  t.equal(nameOf(request(mac.client, 12, 8, ...name)), 'laptop-7')
  t.equal(nameOf(request(mac.client, 12, 8, ...name.slice(0, 4))), undefined, 'cut short')
  t.equal(nameOf(request(mac.client, 12, 3, 0x3c, 0x62, 0x3e)), undefined, '<b> is no name')
  const solicit = [1, 0, 0, 1, ...option(39, [0, 8, ...name, 3, 0x6c, 0x61, 0x6e, 0])]
  const ask = { eth_src: mac.client, eth_dst: 0x333300010002, udp_src: 546, udp_dst: 547 }
  t.equal(nameOf(buildFrame(udp6(ask), Uint8Array.from(solicit))), 'laptop-7')
  const whole = await begin()
  await send(whole, 's2', request(mac.client, 12, 8, ...name))
  t.equal(hostOf(whole, macText)?.reportedName, 'laptop-7')
  await whole.stop()
})

t.test('what is cut short, or no acknowledgement, gives nothing', t => {
  const of = (frame: Uint8Array) => givenAddresses(frame, readPacket(frame))
  t.same(of(acknowledge(60)), [{ mac: macText, ip: '10.0.0.50', seconds: 60 }])
  const body = bootp(5, given.number, mac.client, ...lease(60))
  for (let size = 0; size < body.length - 1; size++)
    t.same(of(buildFrame(udp({}), body.subarray(0, size))), [], `${size} octets`)
  for (const kind of [1, 2, 3, 4, 6, 7, 8])
    t.same(of(buildFrame(udp({}), bootp(kind, given.number, mac.client, ...lease(60)))), [])
  for (let size = 0; size < reply6.length; size++)
    t.same(of(buildFrame(udp6({}), Uint8Array.from(reply6.slice(0, size)))), [], `${size} octets`)
  t.same(of(buildFrame(udp6({}), Uint8Array.from(reply6))), [
    { mac: macText, ip: 'fd00::50', seconds: 7_200 },
  ])
  t.end()
})
