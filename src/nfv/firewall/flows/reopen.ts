/**
 * A TCP connection that is opened anew from the same ports, while conntrack still holds the old one: it was cut, or the
 * client has forgotten it. Conntrack calls such a SYN invalid. It is asked about like any other, and what the server
 * answers decides, as in Linux.
 *
 *     session ── SYN, invalid ──ct(zone C)──> reopen ──> ports, rules ── allowed ──> commit ── marked ──> forward
 *        │                                      ^
 *        └─ SYN+ACK, invalid, marked ───────────┘ the old connection is forgotten, and so is the SYN+ACK
 *
 * - A server that holds the connection for open answers with ACK alone (RFC 9293, 3.5.1); the client resets it, and its
 *   next SYN opens a new one. The old connection, of which nothing was true any more, ends in the server as well.
 * - A server that has none answers with SYN+ACK, which conntrack calls invalid: each switch that it passes forgets the
 *   old connection, and the last one drops it. The client's next SYN opens the new one, and asks the rules for good.
 *
 * The SYN is not committed: it is looked up in zone C, where nothing ever is. What it leaves is a mark on the old
 * connection. A SYN alone ends nothing, whoever sends it; only behind an allowed one is a SYN+ACK believed that fits
 * no connection, are ACK and RST passed that fit none, for where only the server knew the old connection any more.
 * Conntrack drops what it calls invalid but for these. A packet that is invalid carries label and mark of its
 * connection, but Open vSwitch refuses `ct(commit)` in a row that matches `+inv`: hence a table of its own.
 */
import type { Action, Match, Subfield } from '../../../openflow/values.js'
import { etherTypes } from '../../../pipeline/packet.js'
import { type Flow, flow, type Origin } from '../../../pipeline/program.js'
import { bitsEqual, judgedHere, load, registers } from '../../../pipeline/registers.js'
import { type TableName, tableId } from '../../../pipeline/tables.js'
import { zoneOf } from '../../../pipeline/zones.js'
import { isInvalid } from './pieces.js'
import { fromHost, judgedThere, labelsOf, lookAt, state } from './tables.js'

const origin: Origin = { kind: 'base', name: 'firewall' }

/** Beside those of pieces.ts. */
const zoneC = zoneOf(3, 0)

/** A SYN of the connection that conntrack takes for invalid was let past. */
const askedAnew: Subfield = { field: 'ct_mark', offset: 0, size: 1 }
const isAskedAnew: Match = { ct_mark: bitsEqual([askedAnew, 1]) }

/** FIN, SYN, RST, ACK. */
const openingFlags = 0x17
const segment = (flags: number): Match => ({
  ip_proto: 6,
  ip_frag: 0,
  tcp_flags: { value: flags, mask: openingFlags },
})
const [syn, synAck, ack, reset] = [0x02, 0x12, 0x10, 0x04].map(segment) as [
  Match,
  Match,
  Match,
  Match,
]

/** On a copy, since behind a ct() that goes on in no table nothing is known of the connection any more. */
const onConnection = (change: { exec: readonly Action[] } | { force: true }): Action => ({
  kind: 'clone',
  actions: [{ kind: 'ct', commit: true, zone: registers.zone, ...change }],
})
const mark = onConnection({ exec: [load(askedAnew, 1)] })
const forget = onConnection({ force: true })

/** As if nothing were known of its connection. */
const anew: Action = { kind: 'ct', zone: zoneC, table: tableId.reopen }

type Row = readonly [
  table: TableName,
  priority: number,
  match: Match,
  then: { actions?: readonly Action[]; goto?: TableName },
  because: string,
]

/** @param generation @param epoch see `pipelineRows` */
export const reopenRows = (generation: number, epoch: number): Flow[] => {
  const invalid: Match = { ct_state: state(['inv', 'trk']) }
  const request: Match = { ct_state: state(['trk'], ['new', 'rpl', 'inv']) }
  const { current, relied } = labelsOf(generation, epoch)
  const answer = load(registers.answers, 1)
  // biome-ignore format: a table
  const rows: readonly Row[] = [
    ['session', 103, { ...invalid, ...syn, ...judgedThere() }, { goto: 'reopen' }, 'a SYN that another switch has judged, on a connection that is known here'],
    ['session', 103, { ...invalid, ...reset, ...judgedThere() }, { goto: 'forward' }, 'a reset that another switch has judged'],
    ['session', 103, { ...invalid, ...isAskedAnew, ...ack, ...judgedThere() }, { goto: 'forward' }, 'an answer to a SYN, judged where it came in'],
    ['session', 102, { ...invalid, ...syn, ...fromHost }, { actions: [lookAt, anew] }, 'a SYN on a connection that is known: ask the rules; and the controller, whether its checksum was left to a network card'],
    ['session', 101, { ...invalid, ...syn }, { actions: [anew] }, 'a SYN that nobody has judged, on a connection that is known: ask the rules'],
    ['session', 102, { ...invalid, ...isAskedAnew, ...reset }, { actions: [anew] }, 'a reset behind a SYN that was let past: ask the rules'],
    ['session', 102, { ...invalid, ...isAskedAnew, ...synAck }, { goto: 'reopen' }, 'a server that has no such connection answers a SYN that was let past'],
    ['session', 102, { ...invalid, ...isAskedAnew, ...ack, ...current }, { actions: [load(registers.judged, 1), answer], goto: 'forward' }, 'a server that has another connection answers a SYN that was let past'],
    ['session', 102, { ...invalid, ...isAskedAnew, ...ack, ...fromHost, ...relied }, { actions: [answer], goto: 'rely' }, 'the same, where another switch decides'],
    ['session', 97,  { ...request, ...syn, ...judgedThere(0), ...relied }, { actions: [mark], goto: 'forward' }, 'a SYN again, decided elsewhere: its connection may be opened anew'],
    ['session', 88,  { ...request, ...syn, ...current }, { actions: [mark, ...judgedHere], goto: 'forward' }, 'a SYN again: its connection may be opened anew'],
    ['reopen',  100, { ct_zone: zoneC, ct_state: isInvalid }, {}, 'opens no connection, whatever is known'],
    ['reopen',  50,  { ct_zone: zoneC, ...syn }, { actions: [load(registers.unkept, 1), ...judgedHere], goto: 'ports' }, 'ask the rules, and leave the connection as it is'],
    ['reopen',  50,  { ct_zone: zoneC, ...reset }, { actions: [load(registers.unkept, 1), ...judgedHere], goto: 'ports' }, 'ask the rules, and leave the connection as it is'],
    ['reopen',  40,  { ...syn, ...judgedThere() }, { actions: [mark], goto: 'forward' }, 'judged where it came in'],
    ['reopen',  40,  { ...synAck, ...fromHost }, { actions: [forget, answer], goto: 'rely' }, 'the old connection is over, here and at the other end'],
    ['reopen',  30,  synAck, { actions: [forget] }, 'the old connection is over: the next SYN opens the new one'],
    ['ports',   65_000, { ip_frag: 0, ct_state: isInvalid }, {}, 'the end of a SYN+ACK that fits no connection'],
    ['commit',  44,  { ct_zone: zoneC, ...syn }, { actions: [mark], goto: 'forward' }, 'let past: what the server answers decides'],
    ['commit',  44,  { ct_zone: zoneC, ...reset }, { goto: 'forward' }, 'let past'],
  ]
  return [
    ...rows.flatMap(([table, priority, match, then, because]) =>
      [etherTypes.ipv4, etherTypes.ipv6].map(eth_type =>
        flow(table, priority, { eth_type, ...match }, then, because, origin),
      ),
    ),
    flow(
      'reopen',
      110,
      { ct_state: state(['inv'], ['trk']) },
      {},
      'a piece of a datagram that never was whole',
      origin,
    ),
    flow('reopen', 0, {}, {}, 'opens nothing anew', origin),
  ]
}
