/** The rows that never change: the frame of the pipeline around what is learnt. */
import { type Action, type Match, ports } from '../../openflow/values.js'
import { etherTypes, ipProtocols } from '../../pipeline/packet.js'
import { type Flow, flow, type Origin, type Section, section } from '../../pipeline/program.js'
import { bitsEqual, registers } from '../../pipeline/registers.js'
import { writeUserdata } from '../../pipeline/userdata.js'
import type { Topology } from '../model.js'
import { elections } from './elections.js'
import { discoveryMessages, listenerMessages, membershipMessage } from './link-messages.js'
import { askMeter, discoverMeter, packetMeter, seekMeter } from './meters.js'

const origin: Origin = { kind: 'base', name: 'pipeline' }

/** Ethertypes that announce a tag: IEEE 802.1Q, 802.1ad, and what was sent before 802.1ad. */
export const tagTypes = [0x8100, 0x88a8, 0x9100, 0x9200, 0x9300] as const

/** What `eth_type` is of a frame with a length in its place, and no SNAP header of an ethertype behind it. */
const llc = 0x05ff

/** A frame that has a tag. */
export const isTagged = { value: 0x1000, mask: 0x1000 }

/** Tables behind `admit`, where the tag of the network is gone. */
export const behindTags = ['arrive', 'guard'] as const

/**
 * True while nothing depends on what is in frames: no policy judges them, no `Network` gives tags a meaning, no source is
 * bound, no service is refused. Frames then pass as they are, as a bridge carries them that reads no tags
 * (`docs/adr/0019`). Declared links, hosts and intents change nothing of it.
 */
export const isTransparent = (
  { networks, guards, serving }: Pick<Topology, 'networks' | 'guards' | 'serving'>,
  isJudged: boolean,
): boolean =>
  !isJudged &&
  networks.every(
    ({ number, ports = [], guard }) => number === 1 && ports.length === 0 && guard !== 'strict',
  ) &&
  guards.usual !== 'strict' &&
  ![...guards.byPort.values()].includes('strict') &&
  serving.size === 0

export const groupBit = { value: 0x010000000000, mask: 0x010000000000 }

/** A discovery frame goes to the controller; from a fabric port without a meter. */
export const discover = (meter?: number): Action => ({
  kind: 'controller',
  maxLength: 0xffff,
  userdata: writeUserdata('discover'),
  ...(meter !== undefined && { meter }),
})

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

/**
 * What a receiver may read as IP though the tables cannot: it takes a tag 0 for none (IEEE 802.1Q, 6.9), and stations
 * behind an access point take several LLC headers for the ethertype in them (RFC 1042, IEEE 802.1H).
 * `admit` sees what is behind the first tag. Where Open vSwitch reads two (`vlan-limit`), the second shows when the
 * first is gone; a flow that it has cached for frames with one tag takes both kinds, so IP is looked at again when it
 * comes out of ct().
 */
// biome-ignore format: a table
const disguises: readonly Flow[] = [
  ...tagTypes.map(eth_type =>
    row('admit', 430, { eth_type }, {}, 'a tag inside of the tag hides what is in the frame')),
  ...[...behindTags, 'session' as const].map(table =>
    row(table, 65_000, { vlan_vid: isTagged }, {}, 'a tag inside of the tag hides what is in the frame')),
  ...[
    { value: 0, mask: groupBit.mask },
    0xffffffffffff,
    { value: 0x01005e000000, mask: 0xffffff800000 },
    { value: 0x333300000000, mask: 0xffff00000000 },
  ].map(eth_dst =>
    row('admit', 430, { eth_type: llc, eth_dst }, {}, 'an LLC header hides what is in the frame')),
]

/** What is under a tag is neither read nor answered, whoever it is for: `isTransparent`. */
const carried: readonly Flow[] = (['arrive', 'claims', 'session'] as const).map(table =>
  row(
    table,
    65_000,
    { vlan_vid: isTagged },
    { goto: 'forward' },
    'a tag that nobody reads stays, and so does what is under it',
  ),
)

// biome-ignore format: a table
const rows: readonly Flow[] = [
  row('admit', 400, { eth_type: etherTypes.lldp }, { actions: [discover(discoverMeter(0))] }, 'discovery frames of ports that are not decided teach the controller links'),
  row('admit', 390, { eth_dst: { value: 0x0180c2000000, mask: 0xfffffffffff0 } }, {}, 'reserved bridge addresses are never forwarded'),
  row('admit', 380, { eth_src: groupBit }, {}, 'a group address cannot send'),
  row('admit', 0, {}, {}, 'port not admitted'),
  row('arrive', 0, {}, { goto: 'forward' }, 'not for a host of this switch'),
  ...elections.map(match =>
    row('guard', 40, { ...match, eth_dst: groupBit, reg0: bitsEqual([registers.returned, 1]) }, { goto: 'claims' }, 'routers that share a MAC hear each other')),
  row('guard', 0, {}, {}, 'sender unknown'),
  row('claims', 110, { eth_type: etherTypes.arp, arp_spa: 0 }, { goto: 'answer' }, 'a host that asks whether an address is free says nothing of itself'),
  row('claims', 110, { ...icmpv6(135), nd_sll: 0 }, { goto: 'answer' }, 'a neighbour solicitation without a link-layer address says nothing of its sender'),
  row('claims', 110, { ...icmpv6(136), nd_tll: 0 }, { goto: 'answer' }, 'a neighbour advertisement without a link-layer address gives no address away'),
  row('claims', 0, {}, { goto: 'answer' }, 'says nothing of addresses'),
  row('answer', 120, { eth_type: etherTypes.arp, arp_spa: 0 }, { goto: 'track' }, 'whether an address is free is answered by its holder alone'),
  row('answer', 120, { ...icmpv6(135), nd_sll: 0 }, { goto: 'track' }, 'a question of somebody without an address, or without a place for an answer, is answered by the holder'),
  row('answer', 0, {}, { goto: 'track' }, 'not a question we answer'),
  row('reply', 0, {}, { actions: [{ kind: 'output', port: ports.inPort }] }, 'an answer goes back where the question came from'),
  row('advertise', 0, {}, {}, 'no answer to a neighbour solicitation'),
  ...[...discoveryMessages, ...listenerMessages].map(match =>
    row('track', 100, match, { goto: 'forward' }, 'neighbour discovery and listener reports pass untracked')),
  row('track', 100, membershipMessage, { goto: 'forward' }, 'group membership reports pass untracked'),
  row('forward', 10, { eth_dst: groupBit }, {}, 'broadcast in a network that has no tree here'),
  row('forward', 0, {}, {}, 'destination unknown'),
  row('transit', 0, {}, {}, 'no ways to this switch'),
]

const meters = [
  packetMeter(
    discoverMeter(0),
    1_000,
    500,
    'discovery frames of undecided ports that may reach the controller each second',
    origin,
  ),
  packetMeter(
    seekMeter,
    200,
    50,
    'packets for unknown destinations that may reach the controller each second',
    origin,
  ),
  packetMeter(
    askMeter,
    100,
    50,
    'questions that were answered of which the controller hears each second',
    origin,
  ),
]

/** What every switch has: of all frames, or of those that can be read only. */
export const baseSections = (() => {
  const sectionOf = (unread: readonly Flow[]): Section =>
    section('forwarding/base', { flows: [...unread, ...rows], meters })
  return { transparent: sectionOf(carried), reading: sectionOf(disguises) }
})()
