/** The port that leads outside: who sends from there, and what is known of whoever is beyond it. */
import t from 'tap'
import { type Ipv4, macNumber, parseIpv4 } from '../../../src/base/addresses.js'
import { complaintsOf } from '../../../src/base/kind.js'
import { portKind } from '../../../src/controller/declared/kinds.js'
import { trace } from '../../../src/controller/explain/trace.js'
import { buildFrame } from '../../../src/pipeline/build.js'
import { readPacket } from '../../../src/pipeline/packet.js'
import type { NetworkSpec } from '../../../src/sim/network.js'
import type { GuardLevel } from '../../../src/topology/hosts/guard-level.js'
import { end, switchNames, tap, Whole } from '../../topology/whole.js'

const v4 = (text: string) => text as Ipv4

/** Ann in the office at s1; the provider's router at s2, which leads to everybody else. */
const network: NetworkSpec = {
  switches: switchNames(2),
  hosts: [
    {
      name: 'ann',
      at: end('s1', 10),
      ip: v4('10.1.0.1'),
      prefixLength: 24,
      gateway: v4('10.1.0.254'),
    },
    {
      name: 'isp',
      at: end('s2', 10),
      ip: v4('203.0.113.1'),
      prefixLength: 24,
      gateway: v4('203.0.113.10'),
    },
  ],
  links: [{ a: end('s1', 1), b: end('s2', 1) }],
}

const started = async (role: 'uplink' | 'edge', guard?: GuardLevel): Promise<Whole> => {
  const whole = await Whole.start(network)
  const { topology } = whole.controller
  const at = { dpid: switchNames(2)[1]!.dpid, port: 10 }
  topology.declareNetworks([
    { number: 1, name: 'default', ...(guard && { guard }) },
    { number: 9, name: 'wan', ports: [{ at }], ...(guard && { guard }) },
  ])
  topology.declarePorts(new Map([[`${at.dpid}/${at.port}`, { role }]]))
  whole.controller.declare('Router', [
    {
      name: 'main',
      spec: {
        interfaces: [
          { network: 'default', addresses: ['10.1.0.254/24'] },
          { network: 'wan', addresses: ['203.0.113.10/24'] },
        ],
        routes: [{ to: '0.0.0.0/0', via: '203.0.113.1' }],
      },
    },
  ])
  await whole.env.advance(1_000)
  return whole
}

/** A packet of the provider's router from an address. */
const fromOutside = async (whole: Whole, source: string, to: string): Promise<void> => {
  const frame = buildFrame({
    eth_src: macNumber(whole.host('isp').mac),
    eth_dst: macNumber(whole.controller.topology.current.gateways[0]!.mac),
    eth_type: 0x0800,
    ip_src: parseIpv4(source)!,
    ip_dst: parseIpv4(to)!,
    ip_proto: 17,
    udp_src: 4_000,
    udp_dst: 5_000,
  })
  whole.host('isp').sendFrame(frame)
  await whole.env.advance(1_500)
}

const isFrom = (heard: readonly Uint8Array[], source: string) =>
  heard.some(frame => readPacket(frame).fields.ip_src === parseIpv4(source))

t.test('everybody outside may send, and nobody of them is a host', async t => {
  for (const guard of ['default', 'strict'] as const) {
    const whole = await started('uplink', guard)
    await whole.during(whole.host('ann').ping(v4('10.1.0.254'), { timeoutMillis: 1_000 }))
    await whole.during(whole.host('isp').ping(v4('203.0.113.10'), { timeoutMillis: 1_000 }))
    const heard = tap(whole.network, 'ann')
    for (const number of [1, 2, 3]) {
      const source = `198.51.100.${number}`
      await fromOutside(whole, source, '10.1.0.1')
      t.ok(isFrom(heard, source), `${source} comes in, ${guard}`)
    }
    const isp = [...whole.controller.topology.current.hosts.values()].find(
      ({ network }) => network === 9,
    )
    t.same(isp?.ips, ['203.0.113.1'], guard)
    for (const own of ['10.1.0.7', '10.1.0.254', '203.0.113.10']) {
      await fromOutside(whole, own, '10.1.0.1')
      t.notOk(isFrom(heard, own), `${own} is ours, ${guard}`)
    }
    const answer = await whole.during(
      trace(whole.controller, { from: '10.1.0.1', to: '198.51.100.9', service: 'tcp 443' }),
    )
    t.match(answer, { verdict: 'delivered', deliveredTo: [{ switch: 's2', port: 10 }] })
    await whole.stop()
  }
})

t.test('under guard level strict any other port is closed to them', async t => {
  const whole = await started('edge', 'strict')
  await whole.during(whole.host('ann').ping(v4('10.1.0.254'), { timeoutMillis: 1_000 }))
  const heard = tap(whole.network, 'ann')
  await fromOutside(whole, '198.51.100.1', '10.1.0.1')
  const isp = [...whole.controller.topology.current.hosts.values()].find(
    ({ network }) => network === 9,
  )
  t.ok(isp?.ips.includes(v4('198.51.100.1')), 'there it is a host')
  heard.length = 0
  await fromOutside(whole, '10.1.0.7', '10.1.0.1')
  t.same(heard.length, 0)
  await whole.stop()
})

t.test('what is asked for by ARP beyond the subnet of the uplink is nobody there', async t => {
  const whole = await started('uplink')
  const isp = macNumber(whole.host('isp').mac)
  whole.host('isp').sendFrame(
    buildFrame({
      eth_src: isp,
      eth_dst: 0xffffffffffff,
      eth_type: 0x0806,
      arp_op: 1,
      arp_sha: isp,
      arp_spa: parseIpv4('198.51.100.77')!,
      arp_tpa: parseIpv4('203.0.113.10')!,
    }),
  )
  await whole.env.advance(1_000)
  const ips = [...whole.controller.topology.current.hosts.values()].flatMap(host => host.ips)
  t.notOk(ips.includes(v4('198.51.100.77')))
  t.match(whole.events('host-refused').at(-1), { reason: /beyond the uplink/ })
  await whole.stop()
})

t.test('there is one uplink, and its guard cannot be strict', t => {
  t.match(complaintsOf(portKind, { at: 's1:1', role: 'uplink', guard: 'strict' }), [
    { message: /nobody has listed/ },
  ])
  const ports = ['a', 'b'].map(name => ({
    name,
    spec: { at: `s1:${name}`, role: 'uplink' } as never,
  }))
  t.match(portKind.checkAll!(ports, new Set(['b'])), [
    { name: 'b', path: ['role'], message: /port a is the uplink already/ },
  ])
  t.same(portKind.checkAll!(ports.slice(0, 1), new Set(['a'])), [])
  t.end()
})
