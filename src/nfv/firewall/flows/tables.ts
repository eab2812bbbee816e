/**
 * The firewall's fixed rows: what happens to a packet around the rules.
 *
 *     track ──ct()──> session ── of the current generation ───────────────> forward
 *                        │  └─── opened elsewhere ── remembered ─> accepted ──┘     a SYN on what is known: reopen.ts
 *                        │ new or stale
 *                        v
 *                      ports ──> rules0 ──> rules1 ──> rules2 ──> rules3
 *                                   └─ allow ─> commit ──ct(commit)──> accepted ──> forward
 *
 * Every packet is judged exactly once: where it comes in, or where it goes out.
 *
 *                                 comes in by a host                           comes from another switch
 *                                                                       judged there         judged by nobody
 *     decided here, current       passes, judged                        passes               passes
 *     decided here, stale         asks the rules                        passes               asks the rules
 *     elsewhere, an answer        passes, judged by nobody *            passes               asks the rules
 *     elsewhere, a request        asks the rules                        passes               asks the rules
 *     new                         asks the rules; TCP without SYN       passes               asks the rules
 *                                 passes, judged by nobody *
 *
 *     * if it leaves for the switch of one host, which judges it then; otherwise, or when its epoch is over: asks the rules
 *
 * Whoever has asked the rules decides from then on, by the original tuple that it knows. What another switch has judged
 * for who opened a connection is remembered as decided elsewhere; an answer that another switch has judged leaves no trace,
 * since here nobody knows who opened it. So whatever two switches believe of each other, a packet that nobody has
 * judged is judged where it arrives. The epoch ends when a host moves to another switch, or a switch has lost what it
 * knew: then those who know who opened a connection ask, and do not rely on somebody who does not know any more.
 * Between switches the tag of a frame says who has judged it (docs/adr/0016).
 * No row matches the register `generation`: it makes what Open vSwitch caches behind ct() belong to one
 * generation, so that nothing cached under older rules is found under newer ones; a bit of pkt_mark does so for what is
 * decided before ct() (docs/adr/0008).
 * What is behind the order of the rows: docs/pipeline.md, and README.md of this folder.
 */
import {
  type Action,
  ctState,
  type FieldValue,
  type Masked,
  type Match,
  type Subfield,
} from '../../../openflow/values.js'
import { type Flow, flow, type Meter, meterNumber, type Origin } from '../../../pipeline/program.js'
import {
  bitsEqual,
  judgedHere,
  label,
  load,
  readLabel,
  registers,
} from '../../../pipeline/registers.js'
import { type TableName, tableId } from '../../../pipeline/tables.js'
import { writeUserdata } from '../../../pipeline/userdata.js'
import { masksOf } from '../meaning/ports.js'
import type { PortRange } from '../text/rule.js'
import { firstPiece, isInvalid, laterPiece, pieceRows } from './pieces.js'

const origin: Origin = { kind: 'base', name: 'firewall' }

export const ipVersions = { 4: 0x0800, 6: 0x86dd } as const

type State = Exclude<keyof typeof ctState, 'snat' | 'dnat'>

/** A ct_state with these bits on and those off. */
export const state = (on: readonly State[], off: readonly State[] = []): Masked => {
  const sum = (names: readonly State[]) => names.reduce((bits, name) => bits | ctState[name], 0)
  return { value: sum(on), mask: sum(on) | sum(off) }
}

/** The state in which the original tuple may be matched. */
export const isTracked = state(['trk'], ['inv'])

export const fromHost: Match = { reg0: bitsEqual([registers.fromFabric, 0]) }
/** Another switch has judged it; of which end of its connection it is, as that switch knows. */
export const judgedThere = (answers?: 0 | 1): Match => ({
  reg0: bitsEqual(
    [registers.fromFabric, 1],
    [registers.judged, 1],
    ...(answers === undefined ? [] : ([[registers.answers, answers]] as const)),
  ),
})
const labelled = (...parts: readonly (readonly [Subfield, number])[]): Match => ({
  ct_label: bitsEqual(...parts),
})

/** Of a connection that is judged here by the rules of today, and of one that another switch decides in this epoch. */
export const labelsOf = (generation: number, epoch: number) => ({
  current: labelled([label.generation, generation], [label.elsewhere, 0]),
  relied: labelled([label.generation, epoch], [label.elsewhere, 1]),
})

/** Nobody has judged it, and it answers somebody, as its own switch knows. */
const answersUnjudged: Match = {
  reg0: bitsEqual([registers.fromFabric, 1], [registers.judged, 0], [registers.answers, 1]),
}

const isUnkept: Match = { reg0: bitsEqual([registers.unkept, 1]) }

/** Keeps the connection, marked with these bits, and lets the packet go on. */
const commit = (exec: readonly Action[]): readonly Action[] => [
  { kind: 'ct', commit: true, zone: registers.zone, exec, table: tableId.accepted },
]

const commitElsewhere = (epoch: number) =>
  commit([load(label.generation, epoch), load(label.elsewhere, 1)])

/** Even where it was opened by the other end, as far as was known here. */
const forced = (action: Action): Action =>
  action.kind === 'ct' ? { ...action, force: true } : action

const commitHere = (generation: number, rule: Action) =>
  commit([load(label.generation, generation), rule, load(label.elsewhere, 0)])

const groupBit = { value: 0x010000000000, mask: 0x010000000000 }
const [syn, ack] = [0x02, 0x10]
/** Flags that tell the begin of a connection from the rest: FIN, SYN, RST, ACK. */
const openingFlags = 0x17
const tcp = 6

const isRead = (value: 0 | 1): Match => ({ reg0: bitsEqual([registers.helper, value]) })

type Then = { actions?: readonly Action[]; goto?: TableName }
type Row = readonly [priority: number, match: Match, then: Then, because: string]

const ip: readonly FieldValue[] = [ipVersions[4], ipVersions[6]]
/** The same row for IPv4 and IPv6; ct() is only allowed where the match says that it is IP. */
const each = (priority: number, match: Match, then: Then, because: string): Row[] =>
  ip.map(eth_type => [priority, { eth_type, ...match }, then, because])

/** Of the row that lets sessions of the current generation pass. */
const currentPriority = 85

/** The generation that a row of a switch lets pass, if it is the row that does so. */
export const generationOfRow = (
  table: number,
  priority: number,
  match: Match,
): number | undefined => {
  const { ct_label: value } = match
  if (table !== tableId.session || priority !== currentPriority) return undefined
  return typeof value === 'object' && typeof value.value === 'bigint'
    ? readLabel(value.value).generation
    : undefined
}

/**
 * Rows that send up the first packet of each connection that is accepted, besides keeping it.
 *
 * @param meter bounds what comes up
 * @param ports those at which a rule lets a helper read
 */
export const learningRows = (
  generation: number,
  meter: number,
  ports: readonly PortRange[],
): Flow[] => {
  const learn: Action = {
    kind: 'controller',
    maxLength: 128,
    userdata: writeUserdata('learn'),
    meter,
  }
  const here = commitHere(generation, { kind: 'move', from: registers.rule, to: label.rule })
  const watched = 'accepted, and watched to learn rules from'
  const rows = [
    ...each(20, { ct_state: state(['new', 'trk']) }, { actions: [learn, ...here] }, watched),
    ...helped(ports).flatMap(port =>
      each(
        35,
        { ct_state: state(['new', 'trk'], ['rel']), ...isRead(1), ...port },
        { actions: [learn, ...read(here)] },
        `${watched}, with what it agrees upon`,
      ),
    ),
  ]
  return rows.map(([priority, match, then, because]) =>
    flow('commit', priority, match, then, because, origin),
  )
}

/** TCP connections to these ports. */
const helped = (ports: readonly PortRange[]): readonly Match[] =>
  masksOf(ports).map(({ value, mask }) => ({
    ip_proto: tcp,
    ct_nw_proto: tcp,
    ct_tp_dst: mask === 0xffff ? value : { value, mask },
  }))

/**
 * Rows for connections that a helper reads (FTP): here those of rules that say so, and those that another switch has
 * let in, so that what they agree upon is known at both ends.
 */
export const helperRows = (
  generation: number,
  epoch: number,
  ports: readonly PortRange[],
): Flow[] =>
  helped(ports).flatMap(port => {
    const here = commitHere(generation, { kind: 'move', from: registers.rule, to: label.rule })
    const opening = state(['new', 'trk'], ['rel'])
    const rows: readonly (readonly [TableName, Row])[] = [
      ...each(
        96,
        { ...judgedThere(0), ct_state: opening, ...port },
        { actions: read(commitElsewhere(epoch)) },
        'opened at another switch: remember it, and what it agrees upon',
      ).map(row => ['session', row] as const),
      ...each(
        30,
        { ct_state: isTracked, ...isRead(1), ...port },
        { actions: read(here) },
        'accepted: remember it, and what it agrees upon',
      ).map(row => ['commit', row] as const),
    ]
    return rows.map(([table, [priority, match, then, because]]) =>
      flow(table, priority, match, then, because, origin),
    )
  })

/** Port of the protocol that `ct(alg)` knows. */
const ftp = 21

const read = (actions: readonly Action[]): readonly Action[] =>
  actions.map(action => (action.kind === 'ct' ? { ...action, alg: ftp } : action))

/** Looks the connection up in the zone that is chosen, and goes on to its session. */
export const toSession: Action = { kind: 'ct', zone: registers.zone, table: tableId.session }

/**
 * What becomes of a packet of which no stateless rule speaks.
 *
 * @param isTimed some service has a timeout, and so a zone, of its own
 */
export const trackIt = (generation: number, isTimed: boolean): Then => {
  const stamp = load(registers.generation, generation)
  return isTimed ? { actions: [stamp], goto: 'services' } : { actions: [stamp, toSession] }
}

/** A bit that no packet has, another for each generation until it is the same again 32 generations later. */
const markOf = (generation: number): Masked => {
  const bit = 2 ** (generation % 32)
  return { value: bit, mask: bit }
}

/** So many SYN that conntrack takes for invalid are looked at, at each switch. */
export const invalidMeter: Meter = {
  id: meterNumber('invalid'),
  unit: 'pktps',
  bands: [{ type: 'drop', rate: 1, burstSize: 1 }],
  because: 'invalid SYN whose checksums are looked at each second',
  origin,
}

/** Copies it to the controller; see controller/checksum-offload.ts. */
export const lookAt: Action = {
  kind: 'controller',
  maxLength: 0xffff,
  userdata: writeUserdata('invalid'),
  meter: invalidMeter.id,
}

/**
 * The rows of track, session, rely, commit and accepted.
 *
 * @param generation 1 to 65535
 * @param epoch 1 to 65535
 */
export const pipelineRows = (generation: number, epoch: number, isTimed: boolean): Flow[] => {
  const known = state(['trk'], ['new'])
  // One that another has agreed upon carries that one's label before it is remembered itself.
  const unanswered = state(['new', 'trk'], ['rel'])
  const reply = state(['rpl', 'trk'], ['new'])
  const request = state(['trk'], ['new', 'rpl'])
  const backwards = state(['rpl', 'trk'], ['new', 'rel'])
  const opening = state(['new', 'trk'])
  const relatedOpening = state(['new', 'rel', 'trk'])
  const { current, relied } = labelsOf(generation, epoch)
  const remember = commitElsewhere(epoch)
  const passed: Then = { actions: judgedHere, goto: 'forward' }
  const asked: Then = { actions: judgedHere, goto: 'ports' }
  // biome-ignore format: tables
  const rows: Partial<Record<TableName, readonly Row[]>> = {
    track: [
      [65_100, { pkt_mark: markOf(generation), eth_type: ipVersions[4], ip_proto: 255 }, {}, 'no packet is meant: that it could be makes cached flows of another generation too wide to stay'],
      ...each(10, {}, trackIt(generation, isTimed), 'a verdict needs the state of the connection'),
      [0, {}, { goto: 'forward' }, 'what is not IP has no sessions'],
    ],
    session: [
      ...each(101, { ip_proto: tcp, tcp_flags: { value: syn, mask: syn }, ...fromHost, ct_state: state(['inv', 'trk']) }, { actions: [lookAt] }, 'a SYN that opens nothing: the controller looks whether its checksum was left to a network card'),
      [100, { ct_state: isInvalid }, {}, 'belongs to no connection and opens none'],
      ...each(95, { ...judgedThere(0), ct_state: opening }, { actions: remember }, 'opened at another switch: remember, so that its replies pass'),
      [94, { ...judgedThere(0), ct_state: request, ...relied }, { goto: 'forward' }, 'decided elsewhere'],
      ...each(93, { ...judgedThere(0), ct_state: request }, { actions: remember }, 'the switch of who opened it decides now'),
      [94, { ...judgedThere(0), ct_state: reply, ...current }, { goto: 'forward' }, 'judged where it came in, and of the other direction here: both go on'],
      ...each(93, { ...judgedThere(0), ct_state: backwards, ...labelled([label.elsewhere, 0]) }, { actions: remember.map(forced) }, 'the switch of who opened it decides now; here the other end had opened it, by older rules'),
      [92, { ...judgedThere(), ct_state: state(['trk']) }, { goto: 'forward' }, 'judged where it came in'],
      [currentPriority, { ct_state: known, ...current }, passed, 'judged by the rules of today'],
      [currentPriority, { ct_state: unanswered, ...current }, passed, 'judged by the rules of today, and not answered yet'],
      [84, { ...fromHost, ct_state: reply, ...relied }, { actions: [load(registers.answers, 1)], goto: 'rely' }, 'the answer to what was decided elsewhere'],
      [81, { ...answersUnjudged, ct_state: opening }, { actions: [load(registers.unkept, 1), ...judgedHere], goto: 'ports' }, 'answers somebody who is not known here: ask, but do not take it for who opened it'],
      ...each(80, { ip_frag: laterPiece, ct_state: opening }, asked, 'a piece of a datagram that opens a session: ask the rules'),
      ...ip.map((eth_type): Row => [70, { eth_type, ip_proto: tcp, tcp_flags: { value: syn, mask: openingFlags }, ct_state: opening }, asked, 'a TCP session begins: ask the rules']),
      ...ip.map((eth_type): Row => [69, { eth_type, ip_proto: tcp, ip_frag: 0, ...fromHost, tcp_flags: { value: ack, mask: openingFlags }, ct_state: opening }, { goto: 'rely' }, 'in the middle of a TCP session that is not known here: where the other end is it may be']),
      ...ip.map((eth_type): Row => [68, { eth_type, ip_proto: tcp, tcp_flags: { value: ack, mask: openingFlags }, ct_state: opening }, asked, 'in the middle of a TCP session that is not known at its other end: ask the rules']),
      ...ip.map((eth_type): Row => [67, { eth_type, ip_proto: tcp, ct_state: opening }, {}, 'neither the begin of a TCP session nor the middle']),
      [0, {}, asked, 'new, judged by older rules, or by nobody: ask the rules'],
    ],
    rely: [
      [50, { eth_dst: groupBit }, asked, 'for all: every switch passes it on'],
      [0, {}, { actions: [load(registers.relied, 1)], goto: 'forward' }, 'the switch of its destination judges it'],
    ],
    commit: [
      [50, { ct_state: relatedOpening, ...isRead(0) }, {}, 'a rule without a helper lets no other connection in'],
      ...each(43, { ip_frag: firstPiece, ...isUnkept }, { actions: [{ kind: 'ct', zone: registers.zone, table: tableId.accepted }] }, 'let in, with the pieces that wait for it, and not remembered'),
      [42, isUnkept, { goto: 'forward' }, 'let in, and not remembered'],
      ...each(40, { ct_state: relatedOpening, ...isRead(1) }, { actions: commitHere(generation, { kind: 'move', from: registers.rule, to: label.rule }) }, 'agreed upon by a connection that a helper reads'),
      ...each(10, {}, { actions: commitHere(generation, { kind: 'move', from: registers.rule, to: label.rule }) }, 'accepted: remember it with its rule and the generation of the rules'),
      [0, {}, {}, 'only IP has sessions'],
    ],
    forward: [
      [2, { reg0: bitsEqual([registers.relied, 1]) }, { actions: [load(registers.relied, 0), ...judgedHere, { kind: 'resubmit', table: tableId.ports }] }, 'for nobody who is known: no other switch judges'],
    ],
    accepted: [
      [100, { ct_state: isInvalid }, {}, 'a piece of a datagram that never was whole'],
      [10, { ct_state: isTracked }, { goto: 'forward' }, 'accepted'],
      [0, {}, {}, 'nothing says that it was accepted'],
    ],
  }
  const fixed = Object.entries(rows).flatMap(([table, list]) =>
    list.map(([priority, match, then, because]) =>
      // The keys of the literal above are table names.
      flow(table as TableName, priority, match, then, because, origin),
    ),
  )
  return [...fixed, ...pieceRows()]
}
