/** What a switch sends to the controller and gets back is not sent up for the same reason again. */

import t from 'tap'
import type { Ipv4, Ipv6 } from '../../src/base/addresses.js'
import type { Action } from '../../src/openflow/values.js'
import { buildFrame } from '../../src/pipeline/build.js'
import type { Flow } from '../../src/pipeline/program.js'
import { registers } from '../../src/pipeline/registers.js'
import { readUserdata, returnedReasons } from '../../src/pipeline/userdata.js'
import { firewallOf } from '../firewall-of.js'
import { dpidOf } from '../topology/networks.js'
import { end, switchNames, Whole } from '../topology/whole.js'

const begin = async (source?: string) => {
  const whole = await Whole.start({
    switches: switchNames(2),
    links: [{ a: end('s1', 1), b: end('s2', 1) }],
    hosts: [1, 2].map(number => ({
      name: `h${number}`,
      ip: `10.0.0.${number}` as Ipv4,
      ipv6: `fd00::${number}` as Ipv6,
      at: end(`s${number}`, 10),
    })),
  })
  for (const name of ['h1', 'h2']) whole.host(name).announce()
  await whole.env.advance(1_000)
  const { policies } = firewallOf(whole.controller)
  const { topology } = whole.controller
  if (source !== undefined)
    await whole.during(policies.apply([{ name: 'p', source }], topology.current))
  await whole.env.advance(1_000)
  return whole
}

const isFirstTimeOnly = ({ match: { reg0 } }: Flow): boolean => {
  const bit = 2 ** registers.returned.offset
  return typeof reg0 === 'object' && 'mask' in reg0
    ? (Number(reg0.mask) & bit) !== 0 && (Number(reg0.value) & bit) === 0
    : false
}

const reasonsOf = (actions: readonly Action[]) =>
  actions.flatMap(action =>
    action.kind === 'controller' ? (readUserdata(action.userdata)?.reason ?? []) : [],
  )

t.test('every flow that sends up what comes back takes it the first time only', async t => {
  const whole = await begin('default drop log\nfew: allow udp max 5 connections\n')
  whole.controller.topology.declareNetworks([
    { number: 1, name: 'default' },
    { number: 2, name: 'blue', ports: [{ at: { dpid: dpidOf(1), port: 10 }, vlan: 7 }] },
  ])
  const interfaces = [{ network: 'blue', addresses: ['10.2.0.254/24'] }]
  whole.controller.declare('Router', [{ name: 'main', spec: { interfaces } }])
  await whole.env.advance(1_000)
  const flows = [...whole.controller.programs.values()].flat().flatMap(section => section.flows)
  const seen = new Set(flows.flatMap(({ actions }) => reasonsOf(actions)))
  for (const reason of returnedReasons) {
    t.ok(seen.has(reason), `there are flows for ${reason}`)
    const others = flows.filter(
      flow => reasonsOf(flow.actions).includes(reason) && !isFirstTimeOnly(flow),
    )
    t.same(
      others.map(({ table, priority, because }) => [table, priority, because]),
      [],
    )
  }
  await whole.stop()
})

const solicitation = (source: bigint, target: bigint) => ({
  eth_dst: 0x3333ff000077,
  eth_src: 0x020000000001,
  eth_type: 0x86dd,
  ip_proto: 58,
  nw_ttl: 255,
  ipv6_src: source,
  ipv6_dst: (0xff02n << 112n) | 0x1ff000077n,
  icmpv6_type: 135,
  nd_target: target,
})

t.test('one frame of a host costs one message each way', async t => {
  const whole = await begin()
  const net = 0xfd00n << 112n
  const s1 = whole.network.switch('s1')
  const reasons: string[] = []
  const { topology } = whole.controller
  const packetIn = topology.packetIn.bind(topology)
  topology.packetIn = (at, reason, frame, network) => {
    if (at.port === 10 && at.dpid === dpidOf(1)) reasons.push(reason)
    return packetIn(at, reason, frame, network)
  }
  const given: object[] = []
  const received = s1.received.bind(s1)
  s1.received = (channel, message) => {
    if (message.kind === 'packet-out' && message.actions.some(({ kind }) => kind === 'resubmit'))
      given.push(message)
    received(channel, message)
  }
  const frames = {
    'a probe for a new address': solicitation(0n, net | 0x77n),
    'a probe for an address of another host': solicitation(0n, net | 2n),
    'a question from an address that is new': solicitation(net | 0x78n, net | 2n),
    'ARP from an address that is new': {
      eth_dst: 0xffffffffffff,
      eth_src: 0x020000000001,
      eth_type: 0x0806,
      arp_op: 1,
      arp_sha: 0x020000000001,
      arp_spa: 0x0a000007,
      arp_tha: 0,
      arp_tpa: 0x0a000002,
    },
    'an advertisement of an address that is new': {
      ...solicitation(net | 0x79n, net | 0x79n),
      icmpv6_type: 136,
      nd_tll: 0x020000000001,
    },
    'a frame from a MAC that is new': {
      eth_dst: 0x020000000002,
      eth_src: 0x020000000099,
      eth_type: 0x88b5,
    },
    'a datagram from an address that is new': {
      eth_dst: 0x020000000002,
      eth_src: 0x020000000001,
      eth_type: 0x0800,
      ip_proto: 17,
      ip_src: 0x0a000009,
      ip_dst: 0x0a000002,
      udp_src: 1,
      udp_dst: 2,
    },
  }
  let taughtBy = 0
  for (const [what, fields] of Object.entries(frames)) {
    reasons.length = 0
    s1.receive(10, buildFrame(fields))
    await whole.env.advance(3_000)
    const taught = reasons.filter(reason => reason === 'teach').length
    taughtBy += Math.min(taught, 1)
    t.same(reasons.length, new Set(reasons).size, `${what}: once for each reason`)
    t.ok(given.length <= 1, `${what}: ${given.length} times back`)
    given.length = 0
  }
  t.ok(taughtBy >= 3, `${taughtBy} of them teach`)
  await whole.stop()
})
