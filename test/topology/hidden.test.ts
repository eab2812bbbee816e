/**
 * Frames that a receiver reads as IP, and that the tables of a switch would take for something else. A frame that says
 * openly what it is goes the same way and arrives, so the tests would notice if nothing did.
 */
import t from 'tap'
import type { Ipv4 } from '../../src/base/addresses.js'
import { buildFrame } from '../../src/pipeline/build.js'
import type { NetworkSpec } from '../../src/sim/network.js'
import { defaultDiscovery } from '../../src/topology/discovery/discovery.js'
import { createForwarding } from '../../src/topology/forwarding/compile.js'
import { behindTags, isTagged } from '../../src/topology/forwarding/rows.js'
import { defaultHosts } from '../../src/topology/hosts/hosts.js'
import { dpidOf } from './networks.js'
import { end, switchNames, tap, Whole } from './whole.js'

/*
 *   trunk ── 12 s1 1 ── 1 s2 10 ── h2        blue has VLAN 100 at the trunk
 *   plain ── 11 s1      2 s2 ── stranger     a device where a switch was
 */
const macs = { trunk: 0x02000000000a, plain: 0x02000000000c, h2: 0x02000000000b }

const begin = async () => {
  const host = (name: keyof typeof macs, node: string, port: number) => ({
    name,
    mac: `02:00:00:00:00:${macs[name].toString(16).slice(-2)}` as never,
    ip: `10.0.0.${macs[name] & 15}` as Ipv4,
    at: end(node, port),
  })
  const network: NetworkSpec = {
    switches: switchNames(2),
    links: [{ a: end('s1', 1), b: end('s2', 1) }],
    hosts: [host('trunk', 's1', 12), host('plain', 's1', 11), host('h2', 's2', 10)],
  }
  // Who looks at sources has to find them.
  const hosts = { ...defaultHosts, guard: 'strict' as const }
  const whole = await Whole.start(network, { discovery: defaultDiscovery, hosts })
  const at = (node: number, port: number) => ({ at: { dpid: dpidOf(node), port } })
  whole.controller.topology.declareNetworks([
    { number: 1, name: 'default' },
    { number: 2, name: 'blue', ports: [at(1, 11), at(2, 10), { ...at(1, 12), vlan: 100 }] },
  ])
  await whole.env.advance(500)
  for (const name of ['plain', 'h2']) whole.host(name).announce()
  const s1 = whole.network.switch('s1')
  const send = async (port: number, frame: Uint8Array) => {
    s1.receive(port, frame)
    await whole.env.advance(700)
  }
  for (const [port, vlan_vid, mac] of [
    [12, 0x1064, macs.trunk],
    [11, 0, macs.plain],
  ] as const)
    await send(port, buildFrame(announcement(mac, vlan_vid)))
  const heard: Uint8Array[] = []
  const h2 = whole.host('h2')
  const receive = h2.receive.bind(h2)
  // It goes on answering: who is silent loses its address.
  h2.receive = frame => {
    heard.push(frame.slice())
    receive(frame)
  }
  /** What comes to h2 of a frame: the first octets behind the addresses. */
  const arrives = async (port: number, frame: Uint8Array): Promise<string[]> => {
    heard.length = 0
    await send(port, frame)
    return heard
      .filter(each => Buffer.from(each).includes(marker))
      .map(each => Buffer.from(each.subarray(12, 14)).toString('hex'))
  }
  return { whole, arrives }
}

const announcement = (mac: number, vlan_vid: number) => ({
  eth_dst: 0xffffffffffff,
  eth_src: mac,
  eth_type: 0x0806,
  vlan_vid,
  arp_op: 1,
  arp_sha: mac,
  arp_spa: 0x0a000000 | (mac & 15),
  arp_tha: 0,
  arp_tpa: 0x0a0000fe,
})

const marker = Buffer.from('what is inside')

/** A datagram to h2, with these octets (in hex) between the addresses and the IP header. */
const hidden = (from: number, header: string, destination = macs.h2): Buffer => {
  const open = buildFrame(
    {
      eth_dst: destination,
      eth_src: from,
      eth_type: 0x0800,
      ip_proto: 17,
      ip_src: 0x0a000000 | (from & 15),
      ip_dst: 0x0a00000b,
      udp_src: 1,
      udp_dst: 5555,
    },
    marker,
  )
  const ip = Buffer.from(open.subarray(14))
  const octets = header.replace('LENGTH', (ip.length + 8).toString(16).padStart(4, '0'))
  return Buffer.concat([open.subarray(0, 12), Buffer.from(octets, 'hex'), ip])
}

const inTags = ['81000000', '81000007', '88a80000', '91000000', '92000000', '93000000']
/** RFC 948, RFC 1042 with the OUI of IEEE 802.1H, and a length that is none. */
const inLlc = ['LENGTH060603', 'LENGTHaaaa030000f80800', '0000060603']

t.test('a tag inside of the tag is dropped, at every kind of port', async t => {
  const { whole, arrives } = await begin()
  t.same(await arrives(12, hidden(macs.trunk, '810000640800')), ['0800'])
  t.same(await arrives(11, hidden(macs.plain, '0800')), ['0800'])
  for (const inner of inTags)
    for (const outer of ['81000064', '88a80064'])
      t.same(await arrives(12, hidden(macs.trunk, `${outer}${inner}0800`)), [], outer + inner)
  for (const inner of inTags)
    t.same(await arrives(11, hidden(macs.plain, `81000000${inner}0800`)), [], `0, ${inner}`)
  for (const only of inTags.slice(3))
    t.same(await arrives(11, hidden(macs.plain, `${only}0800`)), [], only)
  // A fabric port: blue has VLAN 2 there.
  t.same(await arrives(1, hidden(macs.plain, '810000020800')), [], 'it does not go back')
  const s2 = whole.network.switch('s2')
  const heard = tap(whole.network, 'h2')
  const fromFabric = async (header: string) => {
    heard.length = 0
    s2.receive(1, hidden(macs.plain, header))
    await whole.env.advance(200)
    return heard.length
  }
  t.equal(await fromFabric('810000020800'), 1)
  for (const inner of inTags) t.equal(await fromFabric(`81000002${inner}0800`), 0, inner)
  await whole.stop()
})

t.test(
  'LLC headers in which stations find IP are dropped, but for groups of other protocols',
  async t => {
    const { whole, arrives } = await begin()
    for (const header of inLlc)
      for (const [port, mac, tag] of [
        [12, macs.trunk, '81000064'],
        [11, macs.plain, ''],
      ] as const)
        for (const destination of [macs.h2, 0xffffffffffff, 0x01005e000001, 0x333300000001])
          t.same(
            await arrives(port, hidden(mac, tag + header, destination)),
            [],
            `${tag}${header} to ${destination.toString(16)}`,
          )
    const isIs = hidden(macs.plain, 'LENGTHfefe03', 0x0180c2000014)
    t.same(await arrives(11, isIs), ['0032'], 'IS-IS arrives')
    await whole.stop()
  },
)

t.test(
  'a tag 0 that is the only one counts as no tag, and an ethertype in SNAP as what it says',
  async t => {
    const { whole, arrives } = await begin()
    const ways: [number, number, string][] = [
      [11, macs.plain, '810000000800'],
      [11, macs.plain, '8100e0000800'],
      [11, macs.plain, 'LENGTHaaaa030000000800'],
      [12, macs.trunk, '81000064LENGTHaaaa030000000800'],
    ]
    for (const [port, mac, header] of ways)
      t.equal((await arrives(port, hidden(mac, header))).length, 1, header)
    // Somebody else's address is found out inside of each.
    for (const [port, mac, header] of ways) {
      const lie = hidden(mac, header)
      const source = lie.length - 14 - 8 - 8
      lie.writeUInt32BE(0x0a00000b, source)
      t.same(await arrives(port, lie), [], `${header}: the guard reads the address`)
    }
    await whole.stop()
  },
)

t.test('whatever follows admit drops what still has a tag', async t => {
  const { whole } = await begin()
  for (const sections of createForwarding().compile(whole.controller.topology.current).values()) {
    const flows = sections.flatMap(section => section.flows)
    const next = new Set(
      flows.filter(flow => flow.table === 'admit').flatMap(flow => flow.goto ?? []),
    )
    t.ok(next.size > 0)
    for (const table of next)
      t.ok(
        flows.some(
          ({ table: at, priority, match, actions, goto }) =>
            at === table &&
            priority === 65_000 &&
            JSON.stringify(match) === JSON.stringify({ vlan_vid: isTagged }) &&
            actions.length === 0 &&
            goto === undefined,
        ),
        `${table} drops it`,
      )
    t.same(
      [...next].filter(table => !behindTags.includes(table as never)),
      [],
    )
    const passed = flows.filter(
      ({ table, actions }) =>
        table === 'admit' && actions.some(action => action.kind === 'resubmit'),
    )
    t.same(passed, [], 'admit leads on by goto only')
  }
  await whole.stop()
})
