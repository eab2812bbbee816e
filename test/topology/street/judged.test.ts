/** Hosts on a segment that is not ours between two of our switches send nothing past the rules, to one or to all. */

import t from 'tap'
import type { Ipv4 } from '../../../src/base/addresses.js'
import { buildFrame } from '../../../src/pipeline/build.js'
import { firewallOf } from '../../firewall-of.js'
import { OurStreet } from './street.js'

const marker = Buffer.from('past the rules')
const broadcast = 0xffffffffffff

const datagram = (source: number, destination: number, ip: number, to: number) =>
  buildFrame(
    {
      eth_dst: destination,
      eth_src: source,
      eth_type: 0x0800,
      ip_proto: 17,
      nw_ttl: 64,
      ip_src: ip,
      ip_dst: to,
      udp_src: 9,
      udp_dst: 9,
    },
    marker,
  )

/** Who hears a datagram of m, on the segment, and one of a, at s1, under some rules: to all, to a group, to b at s2. */
const heard = async (source: string): Promise<Record<string, string>> => {
  const ours = await OurStreet.start('default', false)
  ours.setUplink(0, true)
  ours.setUplink(1, true)
  await ours.env.advance(4_000)
  const places = { a: 's1:10', b: 's2:10', m: 'hub:0' }
  const found: Record<string, Set<string>> = {}
  for (const [index, [name, place]] of Object.entries(places).entries()) {
    const machine = ours.add(name, 0x020000000001 + index, `10.0.0.${index + 1}` as Ipv4)
    ours.plug(name, place)
    const receive = machine.receive.bind(machine)
    machine.receive = frame => {
      if (Buffer.from(frame).includes(marker)) found[current]?.add(name)
      receive(frame)
    }
  }
  let current = ''
  await ours.env.advance(2_000)
  for (const machine of ours.machines.values()) machine.announce(machine.ips[0]!)
  await ours.env.advance(2_000)
  const { controller } = ours.whole
  await ours.whole.during(
    firewallOf(controller).policies.apply([{ name: 'p', source }], controller.topology.current),
  )
  await ours.env.advance(2_000)
  for (const from of ['m', 'a'])
    for (const [title, mac, ip] of [
      ['all', broadcast, 0xffffffff],
      ['group', 0x01005e010101, 0xef010101],
      ['b', 0x020000000002, 0x0a000002],
    ] as const) {
      current = `${from} to ${title}`
      found[current] = new Set()
      const sender = ours.machines.get(from)!
      sender.send(datagram(sender.mac, mac, sender.ips[0]!, ip))
      await ours.env.advance(500)
    }
  await ours.stop()
  return Object.fromEntries(
    Object.entries(found).map(([key, names]) => [key, [...names].sort().join()]),
  )
}

t.test('what is denied does not leave the segment', async t => {
  t.same(await heard('default drop\n'), {
    'm to all': '',
    'm to group': '',
    'm to b': '',
    'a to all': '',
    'a to group': '',
    'a to b': '',
  })
})

t.test('what is allowed does, whichever side it comes from', async t => {
  const everybody = { 'm to all': 'a,b', 'm to group': 'a,b', 'm to b': 'b' }
  const others = { 'a to all': 'b,m', 'a to group': 'b,m', 'a to b': 'b' }
  t.same(await heard('default allow\n'), { ...everybody, ...others })
  t.same(await heard('default drop\nu: allow udp 9\n'), { ...everybody, ...others })
  t.same(
    await heard('default drop\nu: allow udp 9 from 10.0.0.1 to 239.1.1.1, 255.255.255.255\n'),
    {
      'm to all': '',
      'm to group': '',
      'm to b': '',
      'a to all': 'b,m',
      'a to group': 'b,m',
      'a to b': '',
    },
    'also where neither end is at the second switch',
  )
})
