/** What a port admits: an edge port the hosts of its networks, a fabric port what other switches send. */

import { macNumber } from '../../base/addresses.js'
import { type Action, type Match, ports } from '../../openflow/values.js'
import { type CarrierName, carriers } from '../../pipeline/carriers.js'
import { etherTypes, ipProtocols } from '../../pipeline/packet.js'
import { type Flow, flow, type Origin, type Section, section } from '../../pipeline/program.js'
import { bitsEqual, isFirstTime, judgedHere, load, registers } from '../../pipeline/registers.js'
import { writeUserdata } from '../../pipeline/userdata.js'
import { slotOf, zoneOf } from '../../pipeline/zones.js'
import { returnDestination, roundDestination } from '../discovery/lldp.js'
import type { GuardLevel } from '../hosts/guard-level.js'
import { controllerMac } from '../hosts/host-frames.js'
import type { Membership } from '../memberships.js'
import type { Network, Port, Service, Switch } from '../model.js'
import { onLink } from './link-messages.js'
import { discoverMeter, packetMeter, teachMeter } from './meters.js'
import { discover, groupBit, isTagged } from './rows.js'
import { fabricTags, keepJudgement, tagged, vlanVid } from './tags.js'

/** Discovery frames a second from one edge port. */
const discoversPerSecond = 10
/** Packets a second from one edge port that may teach the controller. */
const teachesPerSecond = 200

const enter = (self: Switch, network: Network): Action[] => [
  load(registers.network, network.number),
  load(registers.zone, zoneOf(self.index, slotOf(network.number))),
]

/** Frames with this tag, or without any, are of this network. */
const admitRow = (
  self: Switch,
  port: Port,
  network: Network,
  vlan: number | undefined,
  then: { readonly actions: readonly Action[]; readonly goto: Flow['table'] },
  because: string,
  origin: Origin,
  first: readonly Action[] = [],
): Flow =>
  flow(
    'admit',
    100,
    { in_port: port.number, vlan_vid: vlanVid(vlan) },
    {
      actions: [
        ...first,
        ...(vlan === undefined ? [] : [{ kind: 'pop_vlan' } as const]),
        ...enter(self, network),
        ...then.actions,
      ],
      goto: then.goto,
    },
    because,
    origin,
  )

/** A tag 0 carries a priority and no network: the frame counts as untagged, IEEE 802.1Q section 6.9. */
const priorityRow = (
  self: Switch,
  port: Port,
  network: Network,
  then: Parameters<typeof admitRow>[4],
  origin: Origin,
): Flow => {
  const because = `edge port ${port.name}: network ${network.name} by a tag that is a priority only`
  return admitRow(self, port, network, 0, then, because, origin)
}

/** Any other tag stays where it is, while nobody reads tags. */
const opaqueRow = (
  self: Switch,
  port: Port,
  network: Network,
  then: Parameters<typeof admitRow>[4],
  origin: Origin,
): Flow =>
  flow(
    'admit',
    50,
    { in_port: port.number, vlan_vid: isTagged },
    { actions: [...enter(self, network), ...then.actions], goto: then.goto },
    `port ${port.name}: a frame with a tag that nobody reads`,
    origin,
  )

/** Where a round of the switch goes on when it has been over this port's link. */
export interface RoundStep {
  /** The MAC of the port at the other end. */
  readonly peerMac: number
  /** Undefined after the last one: it is told of. */
  readonly next: number | undefined
}

/** Rounds of others go back, a round of this switch goes on: `topology/rounds.ts`. */
const roundRows = (port: Port, step: RoundStep | undefined, origin: Origin): Flow[] => {
  const from: Match = { in_port: port.number, eth_type: etherTypes.lldp }
  const send = (to: number, source: number, out: number): Action[] => [
    { kind: 'set_field', field: 'eth_dst', value: to },
    { kind: 'set_field', field: 'eth_src', value: source },
    { kind: 'output', port: out },
  ]
  const mac = macNumber(port.mac)
  const rows = [
    flow(
      'admit',
      420,
      { ...from, eth_dst: roundDestination },
      { actions: send(returnDestination, mac, ports.inPort) },
      `rounds of other switches go back by ${port.name}`,
      origin,
    ),
  ]
  if (step?.next !== undefined)
    rows.push(
      flow(
        'admit',
        420,
        // With a tag it is an echo, which goes no further.
        {
          ...from,
          eth_dst: returnDestination,
          eth_src: step.peerMac,
          vlan_vid: vlanVid(undefined),
        },
        { actions: send(roundDestination, mac, step.next) },
        `a round that was over the link of ${port.name} goes on`,
        origin,
      ),
    )
  return rows
}

export const fabricSection = (
  self: Switch,
  port: Port,
  isOnTree: boolean,
  networks: readonly Network[],
  isOpaque: boolean,
  step: RoundStep | undefined,
  isForeign = false,
  carried: readonly CarrierName[] = [],
): Section => {
  const origin: Origin = { kind: 'switch', name: `${self.name}:${port.name}` }
  const then = { actions: [load(registers.fromFabric, 1)], goto: 'arrive' } as const
  const because = (network: Network) => `fabric port ${port.name}: network ${network.name}`
  const rows = networks.flatMap(network =>
    fabricTags(network).map(vlan => {
      // Hosts on a segment that is not ours could write it themselves: there it is believed of nobody (ADR 16).
      const keep = vlan === undefined || isForeign ? [] : [keepJudgement]
      return admitRow(self, port, network, vlan, then, because(network), origin, keep)
    }),
  )
  if (isOpaque) rows.push(...networks.map(network => opaqueRow(self, port, network, then, origin)))
  rows.push(
    flow(
      'admit',
      410,
      { in_port: port.number, eth_type: etherTypes.lldp },
      { actions: [discover()] },
      `discovery frames of fabric port ${port.name} prove its link`,
      origin,
    ),
  )
  rows.push(...roundRows(port, step, origin), ...carriedRows(port, carried, origin))
  const meters = isForeign ? [meterOfTeaching(port, origin)] : []
  // Who sent it to all is not known there: it is judged, as what is for a host here is.
  const toAll = isForeign && !isOpaque ? ({ ...then, goto: 'track' } as const) : then
  if (isForeign) rows.push(...segmentRows(self, port, networks, toAll, origin))
  if (!isOnTree)
    rows.push(
      flow(
        'admit',
        300,
        { in_port: port.number, eth_dst: groupBit },
        {},
        `broadcast does not come by ${port.name}, which is not on the tree`,
        origin,
      ),
    )
  return section(`port/${port.number}`, { flows: rows, meters })
}

/** Hosts may live on a segment that is not ours: they are heard by what they send to all, and when they answer us. */
const segmentRows = (
  self: Switch,
  port: Port,
  networks: readonly Network[],
  then: { readonly actions: readonly Action[]; readonly goto: Flow['table'] },
  origin: Origin,
): Flow[] =>
  networks.flatMap(network => {
    const because = `a host on the segment of ${port.name} may have sent it`
    const ofTags = fabricTags(network).map(vlan => {
      const row = admitRow(self, port, network, vlan, then, because, origin)
      const isHeard = network.number === 1 && vlan === undefined
      return {
        ...row,
        priority: 110,
        match: { ...row.match, eth_dst: groupBit },
        actions: isHeard ? [hear(port, network), ...row.actions] : row.actions,
      }
    })
    if (network.number !== 1) return ofTags
    const answer: Match = {
      in_port: port.number,
      vlan_vid: vlanVid(undefined),
      eth_dst: controllerMac,
    }
    return [
      ...ofTags,
      flow(
        'admit',
        395,
        answer,
        { actions: [hear(port, network)] },
        'an answer to a question of the controller',
        origin,
      ),
    ]
  })

const hear = (port: Port, network: Network): Action => ({
  kind: 'controller',
  maxLength: 0xffff,
  userdata: writeUserdata('hear', network.number),
  meter: teachMeter(port.number),
})

const meterOfTeaching = (port: Port, origin: Origin) =>
  packetMeter(
    teachMeter(port.number),
    teachesPerSecond,
    50,
    `packets from ${port.name} that may teach the controller each second`,
    origin,
  )

export const edgeSection = (
  self: Switch,
  port: Port,
  membership: Membership,
  guardOf: (network: number) => GuardLevel,
  isOpaque: boolean,
  refused: readonly Service[] = [],
  carried: readonly CarrierName[] = [],
): Section => {
  const origin: Origin = { kind: 'switch', name: `${self.name}:${port.name}` }
  const then = { actions: [], goto: 'guard' } as const
  const all: [Network, number | undefined][] = [...membership.tagged].map(([vlan, network]) => [
    network,
    vlan,
  ])
  if (membership.untagged) all.unshift([membership.untagged, undefined])
  const flows = all.flatMap(([network, vlan]) => {
    const because = `edge port ${port.name}: network ${network.name}${vlan === undefined ? '' : ` by VLAN ${vlan}`}`
    return [
      admitRow(self, port, network, vlan, then, because, origin),
      ...(vlan === undefined ? [priorityRow(self, port, network, then, origin)] : []),
      ...teachRows(port.number, network, guardOf(network.number), origin),
      ...(vlan === undefined ? [] : [replyRow(port, network, vlan, origin)]),
    ]
  })
  if (isOpaque && membership.untagged)
    flows.push(opaqueRow(self, port, membership.untagged, then, origin))
  flows.push(
    flow(
      'admit',
      410,
      { in_port: port.number, eth_type: etherTypes.lldp },
      { actions: [discover(discoverMeter(port.number))] },
      `discovery frames of edge port ${port.name} may tell of a new switch`,
      origin,
    ),
  )
  flows.push(...refused.flatMap(service => refusalRows(port, service, origin)))
  flows.push(...carriedRows(port, carried, origin))
  const meters = [
    packetMeter(
      discoverMeter(port.number),
      discoversPerSecond,
      10,
      `discovery frames from ${port.name} that may reach the controller each second`,
      origin,
    ),
    meterOfTeaching(port, origin),
  ]
  return section(`port/${port.number}`, { flows, meters })
}

/** What only a port that is declared for it may send, whoever is there. */
const refusalRows = (port: Port, service: Service, origin: Origin): Flow[] => {
  const udp = { in_port: port.number, ip_proto: ipProtocols.udp }
  const icmpv6 = {
    in_port: port.number,
    eth_type: etherTypes.ipv6,
    ip_proto: ipProtocols.icmpv6,
  }
  const matches: readonly Match[] =
    service === 'dhcp'
      ? [
          { ...udp, eth_type: etherTypes.ipv4, udp_src: 67 },
          { ...udp, eth_type: etherTypes.ipv6, udp_src: 547 },
        ]
      : [
          { ...icmpv6, icmpv6_type: 134 },
          { ...icmpv6, icmpv6_type: 137 },
        ]
  const what = service === 'dhcp' ? 'a DHCP server' : 'a router'
  return matches.map(match =>
    flow('guard', 220, match, {}, `${port.name} is not declared for ${what}`, origin),
  )
}

/** What people let in there though no rule can read it; rows of the firewall keep it out elsewhere (`docs/adr/0020`). */
const carriedRows = (port: Port, names: readonly CarrierName[], origin: Origin): Flow[] =>
  carriers
    .filter(({ name }) => names.includes(name))
    .flatMap(({ ethertypes, what }) =>
      ethertypes.map(eth_type =>
        flow(
          'track',
          55,
          { in_port: port.number, eth_type },
          { actions: judgedHere, goto: 'forward' },
          `${what}: ${port.name} is declared to carry it`,
          origin,
        ),
      ),
    )

/** An answer of the switch leaves with the tag that the question had. */
const replyRow = (port: Port, network: Network, vlan: number, origin: Origin): Flow =>
  flow(
    'reply',
    100,
    { in_port: port.number, reg0: bitsEqual([registers.network, network.number]) },
    { actions: tagged(vlan, { kind: 'output', port: ports.inPort }) },
    `answers of network ${network.name} have tag ${vlan} at ${port.name}`,
    origin,
  )

/** Rows of an edge port that let senders teach; the port has a meter of its own. */
const teachRows = (port: number, network: Network, guard: GuardLevel, origin: Origin): Flow[] => {
  const from: Match = {
    in_port: port,
    reg0: bitsEqual([registers.network, network.number], isFirstTime),
  }
  const teach: { readonly actions: readonly Action[] } = {
    actions: [
      {
        kind: 'controller',
        maxLength: 0xffff,
        userdata: writeUserdata('teach', network.number),
        meter: teachMeter(port),
      },
    ],
  }
  const icmpv6: Match = {
    ...from,
    eth_type: etherTypes.ipv6,
    ip_proto: ipProtocols.icmpv6,
    ...onLink,
  }
  const row = (table: 'guard' | 'claims', priority: number, match: Match, because: string) =>
    flow(table, priority, match, teach, because, origin)
  // biome-ignore format: a table
  const strict = guard !== 'strict' ? [] : [
    row('guard', 80, { ...from, eth_type: etherTypes.ipv4 }, 'IPv4 from an address not known here teaches'),
    row('guard', 80, { ...from, eth_type: etherTypes.ipv6 }, 'IPv6 from an address not known here teaches'),
  ]
  // biome-ignore format: a table
  return [
    row('guard', 200, { ...from, eth_dst: controllerMac }, 'an answer to a question of the controller'),
    ...strict,
    row('guard', 1, from, 'a sender not known here teaches'),
    row('claims', 50, { ...from, eth_type: etherTypes.arp }, 'ARP from an address not known here teaches'),
    row('claims', 50, { ...icmpv6, icmpv6_type: 135 }, 'a neighbour solicitation that says what is not known teaches'),
    row('claims', 50, { ...icmpv6, icmpv6_type: 136 }, 'a neighbour advertisement for what is not known teaches'),
  ]
}
