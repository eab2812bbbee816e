/**
 * Frames of every kind on real switches: while nothing depends on what is in them they come out as they come out of plain
 * Open vSwitch (NORMAL), octet by octet; once a policy is in force, what rules cannot read arrives nowhere, and under a
 * default that shuts what carries IP unseen arrives from ports only that are declared for it.
 *
 *     ours:  a ── s1 ── s2 ── b            plain:  pa ── p1 ── pb
 */
import t from 'tap'
import { sh, sleep } from '../../../src/lab/shell.js'
import { buildFrame } from '../../../src/pipeline/build.js'
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

const macs = { a: '020000000a01', b: '020000000b01' }
const broadcast = 'ffffffffffff'

const ip = (mac: string, port: number): string => {
  const frame = buildFrame({
    eth_dst: Number.parseInt(mac, 16),
    eth_src: Number.parseInt(macs.a, 16),
    eth_type: 0x0800,
    ip_proto: 17,
    nw_ttl: 64,
    ip_src: 0x0a000001,
    ip_dst: 0x0a000002,
    udp_src: 1,
    udp_dst: port,
  })
  return Buffer.from(frame.subarray(14)).toString('hex')
}
const arp = '00010800060400010200000000010a0000010000000000000a000002'

/** What stands behind the addresses, and what it is. */
// biome-ignore format: a table
const kinds: readonly (readonly [string, string])[] = [
  ['IPv4, untagged',                       `0800${ip(macs.b, 1)}`],
  ['a frame of no known type',             '88b5'],
  ['PPPoE discovery',                      '8863110900000000'],
  ['PPPoE session',                        '8864110000010006002145000004'],
  ['MPLS',                                 '88470001013f45000014'],
  ['EtherCAT',                             '88a40e1001000000'],
  ['PTP',                                  '88f70002002c0000'],
  ['EAPOL',                                '888e01010000'],
  ['LLC, NetBIOS',                         '0006f0f0030000ff'],
  ['LLC, an IP SAP',                       '0006060603450000'],
  ['SNAP, AppleTalk',                      '0010aaaa030800078 09b00000000'.replace(' ', '')],
  ['VLAN 100, IPv4',                       `810000640800${ip(macs.b, 2)}`],
  ['VLAN 100, ARP',                        `810000640806${arp}`],
  ['VLAN 100 with a priority, no IP',      '8100a06488b5'],
  ['VLAN 4094',                            '81000ffe88b5'],
  ['802.1ad 100, IPv4',                    `88a800640800${ip(macs.b, 3)}`],
  ['802.1ad 100, 802.1Q 7',                `88a80064810000070800${ip(macs.b, 4)}`],
  ['802.1Q 100, 802.1Q 7',                 `81000064810000070800${ip(macs.b, 5)}`],
  ['802.1Q 100, 802.1ad 7',                '8100006488a8000788b5'],
  ['three tags',                           '88a80064810000078100000888b5'],
  ['a tag of before 802.1ad',              '9100006488b5'],
  ['a priority tag, IPv4',                 `8100a0000800${ip(macs.b, 6)}`],
  ['a priority tag, no IP',                '8100600088b5'],
  ['SNAP, IPv4',                           `0026aaaa030000000800${ip(macs.b, 7)}`],
  ['MPLS, multicast',                      '88480001013f45000014'],
  ['MPLS, IPv4 whole',                     `88470001013f${ip(macs.b, 8)}`],
  ['PPP',                                  `880bff030021${ip(macs.b, 9)}`],
  ['Ethernet in Ethernet',                 `6558${macs.b}${macs.a}0800${ip(macs.b, 10)}`],
  ['a long LLC frame',                     `8870aaaa030000000800${ip(macs.b, 11)}`],
  ['NSH',                                  `894f0fc60101000001ff${ip(macs.b, 12)}`],
  ['TRILL',                                '22f3003f00010002'],
  ['MAC in MAC',                           '88e700000001'],
  ['a tag of port extenders',              `893f000000000000080045`],
  ['VN-Tag',                               '8926000000000800'],
  ['MACsec',                               '88e52c0000000001'],
  ['B.A.T.M.A.N.',                         '430500'],
  ['GeoNetworking',                        '894711001a01'],
  ['6LoWPAN',                              'a0ed6000'],
  ['another experiment',                   `88b6${ip(macs.b, 13)}`],
  ['a third experiment',                   `88b70200000000${ip(macs.b, 14)}`],
]

/** Carry IP where no rule reads it. */
const carrying =
  /^(a frame of no known type|PPPoE session|MPLS|a priority tag, no IP|PPP$|Ethernet in|a long LLC|NSH|TRILL|MAC|a tag of port|VN-Tag|B[.]A|Geo|6Lo|another exp|a third exp)/

/** The one difference: a tag that is a priority only counts as none (IEEE 802.1Q, 6.9), and goes no further. */
const asUntagged = (frame: string): string =>
  /^.{24}8100.000/.test(frame) ? frame.slice(0, 24) + frame.slice(32) : frame

/** Hidden from rules: none of it may arrive once they judge. */
const hidden = kinds.filter(([name]) =>
  /^(VLAN|802|three|a tag of before|LLC|SNAP, Apple)/.test(name),
)

t.test('frames come out as they come out of a plain switch', root, async t => {
  await withOvs(network, async ({ stage, controller }) => {
    const [s1, s2] = ['s1', 's2'].map(name => stage.rig.switches.get(name)!) as [never, never]
    const place = (name: string, at: { namespace: string; folder: string }, bridge: string) => ({
      name,
      namespace: at.namespace,
      database: `${at.folder}/db.sock`,
      bridge,
    })
    const { folder, namespace } = s1 as { folder: string; namespace: string }
    await sh(
      'ovs-vsctl',
      `--db=unix:${folder}/db.sock`,
      ...'add-br p1 -- set bridge p1 datapath_type=netdev fail_mode=standalone'.split(' '),
    )
    const sockets = new Sockets(`${namespace}-f`)
    try {
      await sockets.plug([
        { ...place('a', s1, 's1'), port: 1 },
        { ...place('b', s2, 's2'), port: 1 },
        place('pa', s1, 'p1'),
        place('pb', s1, 'p1'),
      ])
      const heard = new Map<string, string[]>()
      for (const name of ['a', 'b', 'pa', 'pb']) {
        const list: string[] = []
        heard.set(name, list)
        sockets.receivers.set(name, frame => list.push(Buffer.from(frame).toString('hex')))
      }
      const marker = (index: number) => `feedbeef${index.toString(16).padStart(4, '0')}`
      /** What came of each frame at both ends, `from` the network of ours or the plain one. */
      const pass = async (frames: readonly string[], from: string, to: string) => {
        heard.get(to)!.length = 0
        for (const [index, frame] of frames.entries()) {
          sockets.send(from, Buffer.from(`${frame}${marker(index)}`.padEnd(120, '0'), 'hex'))
          await sleep(15)
        }
        await sleep(400)
        return frames.map((_, index) => heard.get(to)!.filter(each => each.includes(marker(index))))
      }
      const greet = async () => {
        for (let tries = 0; tries < 100; tries++) {
          for (const [name, mac] of [
            ['a', macs.a],
            ['b', macs.b],
            ['pa', macs.a],
            ['pb', macs.b],
          ] as const)
            sockets.send(name, Buffer.from(`${broadcast}${mac}88b50000`.padEnd(120, '0'), 'hex'))
          await sleep(100)
          const { items } = await controller.get<{ items: { mac: string }[] }>('/api/v1/hosts')
          if (items.length >= 4) return
        }
      }
      const { items } = await controller.get<{ items: { name: string }[] }>('/api/v1/policies')
      for (const { name } of items)
        await controller.send('DELETE', `/api/v1/policies/${name}?wait=installed`)
      await greet()
      await sleep(500)
      for (const [title, to] of [
        ['one host', macs.b],
        ['all', broadcast],
        ['a MAC never heard of', '020000000c01'],
      ] as const) {
        const frames = kinds.map(([, rest]) => `${to}${macs.a}${rest}`)
        const expected = await pass(frames, 'pa', 'pb')
        const seen = await pass(frames, 'a', 'b')
        for (const [index, [name]] of kinds.entries())
          t.same(seen[index], expected[index]?.map(asUntagged), `${name}, to ${title}`)
        t.ok(
          expected.every(each => each.length === 1),
          'the plain switch carries all of it',
        )
      }
      /** What arrives under a policy. */
      const arriving = async (source: string, to = macs.b): Promise<readonly string[]> => {
        await controller.send('PUT', '/api/v1/policies/shut?wait=installed', { source })
        const seen = await pass(
          kinds.map(([, rest]) => `${to}${macs.a}${rest}`),
          'a',
          'b',
        )
        return kinds.flatMap(([name], index) => (seen[index]!.length > 0 ? [name] : []))
      }
      const names = kinds.map(([name]) => name)
      const isHidden = (name: string) => hidden.some(([each]) => each === name)
      const isIp = (name: string) => /IPv4, untagged|priority tag, IPv4|SNAP, IPv4/.test(name)
      const open = names.filter(name => !isHidden(name))
      const read = open.filter(name => !carrying.test(name) && !isIp(name))
      t.ok(read.length >= 3 && open.some(name => carrying.test(name)), read.join())
      t.same(await arriving('default drop\n'), read, 'what carries IP unseen does not arrive')
      t.same(await arriving('default reject\n', broadcast), read, 'nor to all')
      t.same(await arriving('default allow\n'), open, 'it does where the default lets through')
      t.same(
        await arriving('default drop\nu: allow udp 7\n'),
        open.filter(name => read.includes(name) || name === 'SNAP, IPv4'),
        'IPv4 behind SNAP is judged as IPv4',
      )
      const rows = await stage.rig.ofctl('s1', 'dump-flows', 'table=30')
      t.match(rows, /n_packets=[1-9]\d*, n_bytes=\d+, priority=50,mpls actions=drop/, 'counted')
      const spec = { at: 's1:1', carries: ['mpls', 'pppoe'] }
      await controller.send('POST', '/api/v1/objects?wait=installed', {
        objects: [{ kind: 'Port', name: 'handoff', spec }],
      })
      const declared = open.filter(name => read.includes(name) || /^(MPLS|PPPoE)/.test(name))
      t.same(await arriving('default drop\n'), declared, 'from a port that is declared it does')
      t.same(await arriving('default drop\n', broadcast), declared, 'and to all')
    } finally {
      await sockets.unplug()
    }
  })
})
