/**
 * Neighbour discovery, listener reports and membership of groups pass before any rule is asked, on Open vSwitch, as their
 * standards let receivers take them: with the hop limit that proves that they come from the link, to groups. Anything
 * else of their types is judged; trace says the same.
 *
 *     a ── s1 ── s2 ── b
 */
import t from 'tap'
import { sleep } from '../../../src/lab/shell.js'
import { buildFrame } from '../../../src/pipeline/build.js'
import type { Fields } from '../../../src/pipeline/packet.js'
import { root, withOvs } from './rig.js'
import { Sockets } from './sockets.js'

const network = `title: Two switches
switches: [s1, s2]
links:
  - [s1:3, s2:3]
hosts:
  h: { at: s1:9, ips: [10.9.0.1/24] }
  k: { at: s2:9, ips: [10.9.0.2/24] }
`
const [a, b] = [0x020000000a01, 0x020000000b01]
const link = (low: bigint) => (0xfe80n << 112n) | low
const global = (low: bigint) => (0xfd00n << 112n) | low
const group = (low: bigint) => (0xff02n << 112n) | low

const icmpv6 = (icmpv6_type: number, nw_ttl: number, more: Fields = {}): Fields => ({
  eth_dst: b,
  eth_src: a,
  eth_type: 0x86dd,
  ip_proto: 58,
  ipv6_src: link(1n),
  ipv6_dst: link(2n),
  icmpv6_type,
  nw_ttl,
  ...more,
})
const solicitation = { nd_target: global(9n), nd_sll: a, ipv6_src: global(1n) }
const advertisement = { nd_target: global(7n), nd_tll: a }
const report = { eth_dst: 0x333300000016, ipv6_dst: group(0x16n) }
const igmp = (eth_dst: number, ip_dst: number): Fields => ({
  eth_dst,
  eth_src: a,
  eth_type: 0x0800,
  ip_proto: 2,
  nw_ttl: 1,
  ip_src: 0x0a000001,
  ip_dst,
})

// biome-ignore format: a table
const passing: readonly (readonly [string, Fields])[] = [
  ['a neighbour solicitation',              icmpv6(135, 255, solicitation)],
  ['a neighbour advertisement',             icmpv6(136, 255, { nd_target: link(1n), nd_tll: a })],
  ['a router solicitation',                 icmpv6(133, 255)],
  ['a router advertisement',                icmpv6(134, 255)],
  ['a redirect',                            icmpv6(137, 255)],
  ['a report of MLDv2',                     icmpv6(143, 1, report)],
  ['a report of MLDv2 without an address',  icmpv6(143, 1, { ...report, ipv6_src: 0n })],
  ['a report of MLDv1',                     icmpv6(131, 1, { eth_dst: 0x3333000000fb, ipv6_dst: group(0xfbn) })],
  ['a query of MLD',                        icmpv6(130, 1, { eth_dst: 0x333300000001, ipv6_dst: group(1n) })],
  ['a report of IGMPv3',                    igmp(0x01005e000016, 0xe0000016)],
]
// biome-ignore format: a table
const judged: readonly (readonly [string, Fields])[] = [
  ['a solicitation from afar',              icmpv6(135, 64, solicitation)],
  ['a solicitation of one hop less',        icmpv6(135, 254, solicitation)],
  ['an advertisement from afar',            icmpv6(136, 64, advertisement)],
  ['a router solicitation from afar',       icmpv6(133, 1)],
  ['a router advertisement from afar',      icmpv6(134, 64)],
  ['a redirect from afar',                  icmpv6(137, 0)],
  ['a report of MLDv2 from afar',           icmpv6(143, 64, report)],
  ['a report of MLDv2 to one host',         icmpv6(143, 1)],
  ['a report of MLDv1 to one host',         icmpv6(131, 1)],
  ['a leaving of MLDv1 to one host',        icmpv6(132, 1)],
  ['a query of MLD to one host',            icmpv6(130, 1)],
  ['a report of MLDv2 from another link',   icmpv6(143, 1, { ...report, ipv6_src: global(1n) })],
  ['IGMP to one host',                      igmp(b, 0x0a000002)],
]

t.test('messages of the link pass as receivers take them, others are judged', root, async t => {
  await withOvs(network, async ({ stage, controller }) => {
    const place = (name: string, bridge: string) => {
      const { folder, namespace } = stage.rig.switches.get(bridge)!
      return { name, namespace, database: `${folder}/db.sock`, bridge, port: 1 }
    }
    const sockets = new Sockets(`${stage.rig.switches.get('s1')!.namespace}-m`)
    const heard: string[] = []
    const marker = (number: number) => `feedbeef${number.toString(16).padStart(8, '0')}`
    let sent = 0
    const frameOf = (fields: Fields): { frame: Uint8Array; mark: string } => {
      const mark = marker(++sent)
      // Behind the header of the message; where it is not IP any more, padding.
      const body = Buffer.from(fields.ip_proto === 2 ? `22000000${mark}` : mark, 'hex')
      return { frame: buildFrame(fields, body), mark }
    }
    const policy = (source: string) =>
      controller.send('PUT', '/api/v1/policies/shut?wait=installed', { source })
    /** Names of those that come to b; what trace says of each is held against it. */
    const arriving = async (kinds: typeof passing): Promise<string[]> => {
      const marks = new Map<string, string>()
      for (const [name, fields] of kinds) {
        const { frame, mark } = frameOf(fields)
        marks.set(name, mark)
        const hex = Buffer.from(frame).toString('hex')
        const asked = { frame: hex, at: 's1:1', verify: true }
        const { verdict, verified } = await controller.send<{
          verdict: string
          verified: { mismatches: unknown[] }
        }>('POST', '/api/v1/trace', asked)
        t.same(verified.mismatches, [], `${name}: ofproto/trace says the same`)
        sockets.send('a', frame)
        await sleep(100)
        const isThere = heard.some(each => each.includes(mark))
        t.equal(verdict === 'delivered', isThere, `${name}: ${verdict}, and so it is`)
      }
      return kinds
        .map(([name]) => name)
        .filter(name => heard.some(each => each.includes(marks.get(name)!)))
    }
    try {
      await sockets.plug([place('a', 's1'), place('b', 's2')])
      sockets.receivers.set('b', frame => heard.push(Buffer.from(frame).toString('hex')))
      await policy('default drop\n')
      for (let tries = 0; tries < 100; tries++) {
        for (const [name, mac] of [
          ['a', a],
          ['b', b],
        ] as const)
          sockets.send(
            name,
            Buffer.from(`${'f'.repeat(12)}0${mac.toString(16)}88a4`.padEnd(120, '0'), 'hex'),
          )
        await sleep(100)
        const { items } = await controller.get<{ items: { mac: string }[] }>('/api/v1/hosts')
        if (items.length >= 4) break
      }
      await sleep(500)
      const names = (kinds: typeof passing) => kinds.map(([name]) => name)
      // What they say of addresses is taught to the controller first.
      for (const [, fields] of passing) sockets.send('a', frameOf(fields).frame)
      await sleep(500)
      t.same(await arriving(passing), names(passing))
      t.same(await arriving(judged), [])
      const { items } = await controller.get<{ items: { ips: string[] }[] }>('/api/v1/hosts')
      t.notOk(
        items.flatMap(({ ips }) => ips).includes('fd00::7'),
        'and what comes from afar teaches nothing',
      )
      await policy('default drop\ni: allow proto igmp\n')
      t.same(await arriving(judged), ['IGMP to one host'])
    } finally {
      await sockets.unplug()
    }
  })
})
