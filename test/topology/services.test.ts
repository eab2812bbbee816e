/** Who may be a DHCP server, and a router of IPv6: ports that are declared for it, once there is one. */
import t from 'tap'
import { macNumber, parseIpv4, parseIpv6 } from '../../src/base/addresses.js'
import { buildFrame } from '../../src/pipeline/build.js'
import { end, switchNames, tap, Whole } from './whole.js'

const begin = async () => {
  const hosts = [1, 2, 3].map(number => ({
    name: `h${number}`,
    at: end('s1', 9 + number),
    ips: [`10.0.0.${number}`, `fd00::${number}`],
  }))
  const whole = await Whole.start({ switches: switchNames(1), links: [], hosts })
  for (const { name } of hosts) whole.host(name).announce()
  await whole.env.advance(1_000)
  return whole
}

/** What a rogue at h2 would send to all. */
const offer = (mac: number, ip: number) =>
  buildFrame(
    {
      eth_dst: 0xffffffffffff,
      eth_src: mac,
      eth_type: 0x0800,
      ip_proto: 17,
      ip_src: ip,
      ip_dst: 0xffffffff,
      udp_src: 67,
      udp_dst: 68,
    },
    new Uint8Array(240),
  )
const advertisement = (mac: number, ip: bigint) =>
  buildFrame(
    {
      eth_dst: 0x333300000001,
      eth_src: mac,
      eth_type: 0x86dd,
      ip_proto: 58,
      nw_ttl: 255,
      ipv6_src: ip,
      ipv6_dst: 0xff02_0000_0000_0000_0000_0000_0000_0001n,
      icmpv6_type: 134,
    },
    new Uint8Array(12),
  )

/** What of what these hosts offer h3 hears. */
const heard = async (whole: Whole, name: 'h1' | 'h2') => {
  const frames = tap(whole.network, 'h3')
  const one = whole.network.switch('s1')
  const { mac, ips, at } = [...whole.controller.topology.current.hosts.values()].find(
    host => host.at.port === (name === 'h1' ? 10 : 11),
  )!
  // Addresses that are known to be this host's, so that only the service decides.
  const v4 = ips.map(parseIpv4).find(ip => ip !== undefined)!
  const v6 = ips.map(parseIpv6).find(ip => ip !== undefined)!
  one.receive(at.port, offer(macNumber(mac), v4))
  one.receive(at.port, advertisement(macNumber(mac), v6))
  await whole.env.advance(200)
  return {
    dhcp: frames.some(frame => frame[23] === 17 && frame[35] === 67),
    router: frames.some(frame => frame[20] === 58 && frame[54] === 134),
  }
}

t.test('nobody is declared: anybody may', async t => {
  const whole = await begin()
  t.same(await heard(whole, 'h2'), { dhcp: true, router: true })
  await whole.stop()
})

t.test('once a port is declared, only that one may', async t => {
  const whole = await begin()
  const { topology } = whole.controller
  topology.declarePorts(new Map([['0000000000000001/10', { serves: ['dhcp', 'router'] }]]))
  await whole.env.advance(500)
  t.same(await heard(whole, 'h2'), { dhcp: false, router: false })
  t.same(await heard(whole, 'h1'), { dhcp: true, router: true })
  topology.declarePorts(new Map([['0000000000000001/10', { serves: ['dhcp'] }]]))
  await whole.env.advance(500)
  t.same(await heard(whole, 'h2'), { dhcp: false, router: true })
  topology.declarePorts(new Map())
  await whole.env.advance(500)
  t.same(await heard(whole, 'h2'), { dhcp: true, router: true }, 'with the guard off it does')
  await whole.stop()
})
