/** The rows that never change: the frame of the pipeline around what is learnt. */
import type { Action, Match } from '../../openflow/values.js'
import { etherTypes, ipProtocols } from '../../pipeline/packet.js'
import {
  type Flow,
  flow,
  meterNumber,
  type Origin,
  type Section,
  section,
} from '../../pipeline/program.js'
import { bitsEqual, registers } from '../../pipeline/registers.js'
import { writeUserdata } from '../../pipeline/userdata.js'
import { controllerMac } from '../hosts.js'

const origin: Origin = { kind: 'base', name: 'pipeline' }

export const groupBit = { value: 0x010000000000, mask: 0x010000000000 }

/** Protects the controller from discovery frames of a port; 0: of all ports that are not decided yet. */
export const discoverMeter = (port: number): number => meterNumber('discover', port)
const discoversPerSecond = 1_000

/** A discovery frame goes to the controller; from a fabric port without a meter. */
export const discover = (meter?: number): Action => ({
  kind: 'controller',
  maxLength: 0xffff,
  userdata: writeUserdata('discover'),
  ...(meter !== undefined && { meter }),
})

/** Protects the controller from frames that look for somebody unknown; all ports of a switch together. */
export const seekMeter = meterNumber('seek')
const seeksPerSecond = 200

const row = (
  table: Flow['table'],
  priority: number,
  match: Match,
  then: Parameters<typeof flow>[3],
  because: string,
): Flow => flow(table, priority, match, then, because, origin)

const icmpv6 = (type: number): Match => ({
  eth_type: etherTypes.ipv6,
  ip_proto: ipProtocols.icmpv6,
  icmpv6_type: type,
})

/** Neighbour discovery and multicast listener messages: RFC 4861, RFC 2710, RFC 3810. */
const neighbourTypes = [130, 131, 132, 133, 134, 135, 136, 137, 143]

// biome-ignore format: a table
const rows: readonly Flow[] = [
  row('admit', 400, { eth_type: etherTypes.lldp },
    { actions: [discover(discoverMeter(0))] }, 'discovery frames of ports that are not decided teach the controller links'),
  row('admit', 390, { eth_dst: { value: 0x0180c2000000, mask: 0xfffffffffff0 } }, {}, 'reserved bridge addresses are never forwarded'),
  row('admit', 380, { eth_src: groupBit }, {}, 'a group address cannot send'),
  row('admit', 0, {}, {}, 'port not admitted'),
  row('arrive', 0, {}, { goto: 'forward' }, 'not for a host of this switch'),
  row('guard', 0, {}, {}, 'sender unknown'),
  ...neighbourTypes.map(type =>
    row('track', 100, icmpv6(type), { goto: 'forward' }, 'neighbour discovery and listener reports pass untracked')),
  row('answer', 0, {}, { goto: 'track' }, 'not a question we answer'),
  row('forward', 10, { eth_dst: groupBit }, {}, 'broadcast in a network that has no tree here'),
  row('forward', 1, { reg0: bitsEqual([registers.fromFabric, 0]) },
    { actions: [{ kind: 'controller', maxLength: 0xffff, userdata: writeUserdata('seek'), meter: seekMeter }] }, 'destination unknown: the controller looks for it'),
  row('forward', 0, {}, {}, 'destination unknown'),
]

export const baseSection: Section = section('forwarding/base', {
  flows: rows,
  meters: [
    {
      id: discoverMeter(0),
      unit: 'pktps',
      bands: [{ type: 'drop', rate: discoversPerSecond, burstSize: 500 }],
      because: 'discovery frames of undecided ports that may reach the controller each second',
      origin,
    },
    {
      id: seekMeter,
      unit: 'pktps',
      bands: [{ type: 'drop', rate: seeksPerSecond, burstSize: 50 }],
      because: 'packets for unknown destinations that may reach the controller each second',
      origin,
    },
  ],
})

/** Rows of an edge port that let senders teach; the port has a meter of its own. */
export const teachRows = (port: number, meter: number, from: Origin): Flow[] => {
  const teach = {
    actions: [
      { kind: 'controller', maxLength: 0xffff, userdata: writeUserdata('teach'), meter } as const,
    ],
  }
  const kinds = [
    [etherTypes.arp, 'ARP'],
    [etherTypes.ipv4, 'IPv4'],
    [etherTypes.ipv6, 'IPv6'],
  ] as const
  return [
    flow(
      'guard',
      200,
      { in_port: port, eth_dst: controllerMac },
      teach,
      'an answer to a question of the controller',
      from,
    ),
    ...kinds.map(([type, name]) =>
      flow(
        'guard',
        50,
        { in_port: port, eth_type: type },
        teach,
        `${name} from an address not known here teaches`,
        from,
      ),
    ),
    flow('guard', 1, { in_port: port }, teach, 'a sender not known here teaches', from),
  ]
}
