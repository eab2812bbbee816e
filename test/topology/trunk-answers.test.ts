/** ARP and neighbour solicitations that come by a trunk port are answered inside the switch, with their tag. */
import t from 'tap'
import type { Ipv4, Ipv6 } from '../../src/base/addresses.js'
import { buildFrame } from '../../src/pipeline/build.js'
import { type Fields, readPacket } from '../../src/pipeline/packet.js'
import { controllerMac } from '../../src/topology/hosts/host-frames.js'
import { dpidOf } from './networks.js'
import { end, switchNames, tap, Whole } from './whole.js'

/*
 *   h1 (blue) ── 10 s1 1 ── 1 s2 12 ── a trunk: blue has VLAN 100 here, red 200
 *   h3 (red)  ── 11 s1
 */
const macs = { h1: 0x020000000011, h3: 0x020000000033, asker: 0x020000000055 }

const trunk = async () => {
  const host = (name: 'h1' | 'h3', port: number) => ({
    name,
    mac: `02:00:00:00:00:${name === 'h1' ? 11 : 33}` as never,
    ip: '10.0.0.1' as Ipv4,
    ipv6: 'fd00::1' as Ipv6,
    at: end('s1', port),
  })
  const whole = await Whole.start({
    switches: switchNames(2),
    links: [{ a: end('s1', 1), b: end('s2', 1) }],
    hosts: [host('h1', 10), host('h3', 11), { name: 'trunk', at: end('s2', 12) }],
  })
  const at = (node: number, port: number) => ({ at: { dpid: dpidOf(node), port } })
  whole.controller.topology.declareNetworks([
    { number: 1, name: 'default' },
    { number: 2, name: 'blue', ports: [at(1, 10), { ...at(2, 12), vlan: 100 }] },
    { number: 3, name: 'red', ports: [at(1, 11), { ...at(2, 12), vlan: 200 }] },
  ])
  await whole.env.advance(500)
  for (const name of ['h1', 'h3']) whole.host(name).announce()
  await whole.env.advance(1_000)
  const answers = tap(whole.network, 'trunk')
  const asked = [tap(whole.network, 'h1'), tap(whole.network, 'h3')]
  const ask = async (fields: Fields): Promise<Fields[]> => {
    answers.length = 0
    whole.network.switch('s2').receive(12, buildFrame(fields))
    await whole.env.advance(700)
    return answers
      .map(frame => readPacket(frame).fields)
      .filter(fields => fields.arp_op === 2 || fields.icmpv6_type === 136)
  }
  // Somebody has to be known there before it is answered.
  for (const vlan of [100, 200]) {
    await ask(arp(vlan, 0x0a000005))
    await ask(solicitation(vlan, 0xfd00_0000_0000_0000_0000_0000_0000_0009n))
  }
  for (const frames of asked) frames.length = 0
  return { whole, ask, asked }
}

const arp = (vlan: number, target: number): Fields => ({
  eth_dst: 0xffffffffffff,
  eth_src: macs.asker,
  eth_type: 0x0806,
  vlan_vid: 0x1000 | vlan,
  arp_op: 1,
  arp_sha: macs.asker,
  arp_spa: 0x0a000005,
  arp_tha: 0,
  arp_tpa: target,
})

const solicitation = (vlan: number, target: bigint): Fields => ({
  eth_dst: 0x3333ff000001,
  eth_src: macs.asker,
  eth_type: 0x86dd,
  vlan_vid: 0x1000 | vlan,
  ip_proto: 58,
  nw_ttl: 255,
  ipv6_src: 0xfd00_0000_0000_0000_0000_0000_0000_0005n,
  ipv6_dst: 0xff02_0000_0000_0000_0000_0001_ff00_0001n,
  icmpv6_type: 135,
  nd_target: target,
  nd_sll: macs.asker,
})

t.test('by VLAN, though both networks have the same address', async t => {
  const { whole, ask, asked } = await trunk()
  for (const [vlan, mac] of [
    [100, macs.h1],
    [200, macs.h3],
  ] as const) {
    const [reply, ...more] = await ask(arp(vlan, 0x0a000001))
    t.match(reply, {
      vlan_vid: 0x1000 | vlan,
      eth_dst: macs.asker,
      eth_src: mac,
      arp_op: 2,
      arp_sha: mac,
      arp_spa: 0x0a000001,
    })
    t.same(more, [], 'once')
    const [advertisement, ...others] = await ask(
      solicitation(vlan, 0xfd00_0000_0000_0000_0000_0000_0000_0001n),
    )
    t.match(advertisement, {
      vlan_vid: 0x1000 | vlan,
      eth_dst: macs.asker,
      icmpv6_type: 136,
      nd_tll: mac,
    })
    t.equal(advertisement?.nd_target, 0xfd00_0000_0000_0000_0000_0000_0000_0001n)
    t.same(others, [], 'once')
  }
  const questions = asked.map(frames =>
    frames
      .map(frame => readPacket(frame).fields)
      .filter(({ eth_src }) => eth_src !== controllerMac)
      .filter(fields => fields.arp_op === 1 || fields.icmpv6_type === 135),
  )
  t.same(questions, [[], []], 'no host was asked but by the controller')
  t.same(await ask(arp(300, 0x0a000001)), [], 'with another tag nobody answers')
  await whole.stop()
})
