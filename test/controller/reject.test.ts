/** A rejected packet is answered in the network in which it came, where it came in. */

import t from 'tap'
import type { Ipv4 } from '../../src/base/addresses.js'
import { buildFrame } from '../../src/pipeline/build.js'
import { type Fields, readPacket } from '../../src/pipeline/packet.js'
import { firewallOf } from '../firewall-of.js'
import { dpidOf } from '../topology/networks.js'
import { end, switchNames, tap, Whole } from '../topology/whole.js'

const macs = { trunk: 0x02000000000a, h2: 0x02000000000b }

t.test('an answer has the tag of the question', async t => {
  const whole = await Whole.start({
    switches: switchNames(1),
    links: [],
    hosts: [
      { name: 'trunk', at: end('s1', 12) },
      { name: 'h2', mac: '02:00:00:00:00:0b' as never, ip: '10.0.0.11' as Ipv4, at: end('s1', 10) },
    ],
  })
  const { policies } = firewallOf(whole.controller)
  const { topology } = whole.controller
  const at = (port: number) => ({ at: { dpid: dpidOf(1), port } })
  topology.declareNetworks([
    { number: 1, name: 'default' },
    {
      number: 2,
      name: 'blue',
      ports: [at(10), { ...at(12), vlan: 100 }],
      subnets: ['10.0.0.0/24'],
    },
  ])
  await whole.during(policies.apply([{ name: 'p', source: 'default reject\n' }], topology.current))
  await whole.env.advance(500)
  whole.host('h2').announce()
  const heard = tap(whole.network, 'trunk')
  const send = async (fields: Fields): Promise<Fields[]> => {
    heard.length = 0
    whole.network
      .switch('s1')
      .receive(
        12,
        buildFrame({ eth_dst: macs.h2, eth_src: macs.trunk, vlan_vid: 0x1064, ...fields }),
      )
    await whole.env.advance(1_000)
    return heard.map(frame => readPacket(frame).fields).filter(({ eth_src }) => eth_src === macs.h2)
  }
  await send({
    eth_dst: 0xffffffffffff,
    eth_type: 0x0806,
    arp_op: 1,
    arp_sha: macs.trunk,
    arp_spa: 0x0a00000a,
    arp_tha: 0,
    arp_tpa: 0x0a00000b,
  })
  const ip: Fields = { eth_type: 0x0800, ip_src: 0x0a00000a, ip_dst: 0x0a00000b }
  const tcp: Fields = { ...ip, ip_proto: 6, tcp_src: 4000, tcp_dst: 23, tcp_flags: 2 }
  const udp: Fields = { ...ip, ip_proto: 17, udp_src: 4001, udp_dst: 9 }
  t.match(await send(tcp), [{ vlan_vid: 0x1064, ip_dst: 0x0a00000a, tcp_flags: 0x14 }])
  t.match(await send(udp), [{ vlan_vid: 0x1064, ip_dst: 0x0a00000a, icmp_type: 3, icmp_code: 13 }])
  const apply = async (source: string) => {
    await whole.during(policies.apply([{ name: 'p', source }], topology.current))
    await whole.env.advance(500)
  }
  await apply('default reject with host-unreachable\na: reject tcp 23 with port-unreachable\n')
  t.match(
    await send({ ...tcp, tcp_src: 4002 }),
    [{ icmp_type: 3, icmp_code: 3 }],
    'a rule may say what is told',
  )
  t.match(await send({ ...udp, udp_src: 4003 }), [{ icmp_type: 3, icmp_code: 1 }], 'and a default')
  await apply('default reject with host-unreachable\na: reject tcp 23\n')
  t.match(
    await send({ ...tcp, tcp_src: 4004 }),
    [{ tcp_flags: 0x14 }],
    'an edit of the answer alone counts',
  )
  t.same(await send({ ...udp, ip_dst: 0x0a0000ff }), [], 'the broadcast of the subnet')
  t.match(await send({ ...udp, ip_dst: 0x0a0001ff, udp_src: 4005 }), [], 'and of one that is not')
  const declareBlue = (more: object) =>
    topology.declareNetworks([
      { number: 1, name: 'default' },
      { number: 2, name: 'blue', ports: [at(10), { ...at(12), vlan: 100 }], ...more },
    ])
  declareBlue({ subnets: ['10.0.0.0/16'] })
  await whole.env.advance(500)
  const within = { ...udp, ip_dst: 0x0a0001ff, udp_src: 4006 }
  t.match(await send(within), [{ icmp_type: 3 }], 'a host in the midst of a declared subnet')
  declareBlue({})
  await whole.env.advance(500)
  t.same(await send({ ...within, udp_src: 4007 }), [], 'where none is, the end of one of 24 bits')
  t.same(await send({ ...udp, ip_src: 0x0a000000, udp_src: 4008 }), [], 'and its beginning')
  t.match(await send({ ...udp, udp_src: 4009 }), [{ icmp_type: 3 }], 'others are answered')
  await whole.stop()
})
