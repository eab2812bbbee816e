/** Rows and groups of a network on a switch: broadcast, multicast, listeners, unknown destinations. */
import type { Action, Bucket, Match } from '../../openflow/values.js'
import { etherTypes, ipProtocols } from '../../pipeline/packet.js'
import {
  type Flow,
  flow,
  type Group,
  groupNumber,
  type Origin,
  type Section,
  section,
} from '../../pipeline/program.js'
import { bitsEqual, registers } from '../../pipeline/registers.js'
import { writeUserdata } from '../../pipeline/userdata.js'
import type { MulticastGroup, Network } from '../model.js'
import type { FloodPorts } from './flood.js'
import { listenerMessages, membershipMessage } from './link-messages.js'
import { seekMeter } from './meters.js'
import { groupBit, isTagged } from './rows.js'
import { fabricVlan, tagged } from './tags.js'

/** The group that floods a network along its tree and out of its edge ports. */
export const floodGroup = (network: number): number => groupNumber('flood', network)

const bucketsOf = (network: number, { edge, fabric }: FloodPorts): Bucket[] => [
  ...edge.map(({ port, vlan }) => ({ actions: tagged(vlan, { kind: 'output', port }) })),
  ...fabric.map(port => ({
    actions: tagged(fabricVlan({ number: network }), { kind: 'output', port }),
  })),
]

/** So many buckets of ours fit into one message, tags included. */
const bucketsPerGroup = 900

/** The group, or one whose buckets are groups of as many of its buckets as a message holds; those come first. */
const groupsOf = (whole: Group, idOf: (part: number) => number): Group[] => {
  const { buckets } = whole
  if (buckets.length <= bucketsPerGroup) return [whole]
  const parts = Array.from({ length: Math.ceil(buckets.length / bucketsPerGroup) }, (_, part) => ({
    ...whole,
    id: idOf(part),
    buckets: buckets.slice(part * bucketsPerGroup, (part + 1) * bucketsPerGroup),
  }))
  const all = parts.map(({ id }) => ({ actions: [{ kind: 'group', group: id } as const] }))
  return [...parts, { ...whole, buckets: all }]
}

const punt = (reason: 'hear' | 'seek', network: number): Action => ({
  kind: 'controller',
  maxLength: 0xffff,
  userdata: writeUserdata(reason, network),
  meter: seekMeter,
})

export const networkSection = (network: Network, ports: FloodPorts): Section => {
  const origin: Origin = { kind: 'network', name: network.name }
  const inNetwork = bitsEqual([registers.network, network.number])
  const fromHost = bitsEqual([registers.network, network.number], [registers.fromFabric, 0])
  const hear = { actions: [punt('hear', network.number)], goto: 'forward' } as const
  const heard = (match: Match) =>
    flow(
      'track',
      110,
      { ...match, reg0: fromHost },
      hear,
      'the controller hears who listens',
      origin,
    )
  return section(`flood/${network.name}`, {
    flows: [
      flow(
        'forward',
        20,
        { eth_dst: groupBit, reg0: inNetwork },
        { actions: [{ kind: 'group', group: floodGroup(network.number) }] },
        `broadcast in network ${network.name} follows its tree`,
        origin,
      ),
      flow(
        'forward',
        70,
        { eth_dst: groupBit, vlan_vid: isTagged, reg0: inNetwork },
        { actions: [{ kind: 'group', group: floodGroup(network.number) }] },
        'who listens under a tag that nobody reads is not known',
        origin,
      ),
      flow(
        'forward',
        1,
        { reg0: fromHost },
        { actions: [punt('seek', network.number)] },
        'destination unknown: the controller looks for it',
        origin,
      ),
      ...dhcpRows(network.number, origin),
      ...[membershipMessage, ...listenerMessages].map(heard),
    ],
    groups: groupsOf(
      {
        id: floodGroup(network.number),
        type: 'all',
        buckets: bucketsOf(network.number, ports),
        because: `broadcast of network ${network.name}: the tree and the edge ports`,
        origin,
      },
      part => groupNumber('floodPart', (network.number << 12) | part),
    ),
  })
}

/** Who asks for an address tells its name. */
const dhcpRows = (network: number, origin: Origin): Flow[] => {
  const udp = { ip_proto: ipProtocols.udp, reg0: bitsEqual([registers.network, network]) }
  const questions: readonly Match[] = [
    { ...udp, eth_type: etherTypes.ipv4, ip_src: 0, udp_src: 68, udp_dst: 67 },
    { ...udp, eth_type: etherTypes.ipv6, udp_src: 546, udp_dst: 547 },
  ]
  const hear = { actions: [punt('hear', network)], goto: 'track' } as const
  return questions.map(match =>
    flow('answer', 110, match, hear, 'a host that asks for an address tells its name', origin),
  )
}

export const multicastSection = (
  network: Network,
  { mac, index }: MulticastGroup,
  ports: FloodPorts,
): Section => {
  const origin: Origin = { kind: 'network', name: network.name }
  const id = groupNumber('multicast', index)
  const because = `who listens to ${mac.toString(16)} in network ${network.name}`
  return section(`multicast/${network.name}/${mac.toString(16)}`, {
    flows: [
      flow(
        'forward',
        60,
        { eth_dst: mac, reg0: bitsEqual([registers.network, network.number]) },
        { actions: [{ kind: 'group', group: id }] },
        because,
        origin,
      ),
    ],
    groups: groupsOf(
      { id, type: 'all', buckets: bucketsOf(network.number, ports), because, origin },
      part => groupNumber('multicastPart', (index << 6) | part),
    ),
  })
}
