/**
 * Datagrams in pieces: the rules decide by the first one, and all pass or none.
 *
 * Open vSwitch puts a datagram together for each ct(), and gives its pieces out again one by one, all with the state and
 * the label of the whole; but only the first has ports that flows see. Until a datagram is whole its pieces wait in ct()
 * for 15 seconds, and there is room for 1,000 of them in a switch: so no piece may wait for one that was dropped.
 * A list of waiting pieces has a zone and the table that they came to. Of each ct() all pieces go the way of the piece
 * that came last: so the first one must be the last to come to the ct() that decides.
 *
 *     ports ── first: asks the rules, notes their answer in pkt_mark ─┬─ ct(zone A) ─> pieces
 *           └─ later ─────────────────────────────────────────────────┘
 *     pieces, behind A ── first ───────────────────────────────────────┬─ ct(zone B) ─> pieces
 *                      └─ later ── waits in ct(zone of the connection) ┘
 *     pieces, behind B ── first ── accepted ── commit ── ct(commit, zone of the connection) ─> accepted
 *                      │        └─ denied ── ct(zone of the connection) ─> pieces ── all of them are dropped
 *                      └─ later ── dropped: it waits already
 *
 * Stateless rules with ports stand among the others for first pieces alone, and nothing is remembered of what they let in.
 * When all have come out of B, all later ones wait in the zone of the connection, and the first ends their wait at once.
 * Nothing is ever committed in A and B.
 */
import {
  type Action,
  type CtAction,
  ctState,
  type Match,
  type Subfield,
} from '../../../openflow/values.js'
import { etherTypes } from '../../../pipeline/packet.js'
import { type Flow, flow, type Origin } from '../../../pipeline/program.js'
import { bitsEqual, load, registers } from '../../../pipeline/registers.js'
import { type TableName, tableId } from '../../../pipeline/tables.js'
import { zoneOf } from '../../../pipeline/zones.js'
import type { ResolvedRule } from '../meaning/resolved.js'

const origin: Origin = { kind: 'base', name: 'firewall' }

/** `ip_frag` of the first piece, and of others. */
export const firstPiece = 1
export const laterPiece = 3

/**
 * Belongs to no connection and opens none. What waited in vain for the rest of its datagram comes out of whichever ct()
 * runs then, and so far as Open vSwitch says, untracked: with this bit alone.
 */
export const isInvalid = { value: ctState.inv, mask: ctState.inv }

const zoneA = zoneOf(1, 0)
const zoneB = zoneOf(2, 0)

const mark: Subfield = { field: 'pkt_mark', offset: 0, size: 32 }

/** What rules and the tables around them may have written; a ct() list wants the registers of all pieces to be the same. */
const written = [
  registers.onlyAsked,
  registers.helper,
  registers.auditedFiles,
  registers.audited,
  registers.rule,
  registers.destinationPortClass,
  registers.sourcePortClass,
] as const

const through = (zone: CtAction['zone']): Action => ({
  kind: 'ct',
  zone,
  table: tableId.pieces,
})

const asked = (value: 0 | 1): Match => ({ reg0: bitsEqual([registers.onlyAsked, value]) })

/** Of datagrams that a stateless rule lets in: nothing is remembered of them. @param rule one that is of pieces */
export const unkeptRows = (rule: ResolvedRule): Flow[] =>
  [etherTypes.ipv4, etherTypes.ipv6].map(eth_type =>
    flow(
      'commit',
      43,
      { eth_type, ip_frag: firstPiece, reg3: rule.id },
      { actions: [{ kind: 'ct', zone: registers.zone, table: tableId.accepted }] },
      `let in by ${rule.policy}/${rule.name}, with the pieces that wait for it, and not remembered`,
      origin,
    ),
  )

/** The rows of `pieces`, and those of other tables for pieces of datagrams that ask the rules. */
export const pieceRows = (): Flow[] => {
  const ask: readonly Action[] = [
    load(registers.onlyAsked, 1),
    load(mark, 0),
    { kind: 'push', from: registers.admitted },
    { kind: 'resubmit', table: tableId.ports },
    { kind: 'pop', to: registers.admitted },
    ...written.map(part => load(part, 0)),
    through(zoneA),
  ]
  const note: readonly Action[] = [{ kind: 'move', from: registers.rule, to: mark }]
  const accept: readonly Action[] = [
    { kind: 'move', from: mark, to: registers.rule },
    load(mark, 0),
  ]
  const wait: Action = { kind: 'clone', actions: [through(registers.zone)] }
  type Then = { actions?: readonly Action[]; goto?: TableName }
  type Row = readonly [
    table: TableName,
    priority: number,
    match: Match,
    then: Then,
    because: string,
  ]
  const first: Match = { ip_frag: firstPiece }
  const later: Match = { ip_frag: laterPiece }
  // biome-ignore format: a table
  const rows: readonly Row[] = [
    ['ports',  65_000, { ...first, ...asked(0) }, { actions: ask }, 'the rules are asked about the datagram'],
    ['ports',  65_000, later, { actions: [through(zoneA)] }, 'it goes on when the rules were asked about its datagram'],
    ['commit', 45, { ...first, ...asked(1) }, { actions: note }, 'the datagram is accepted'],
    ['pieces', 40, { ...first, ct_zone: zoneA }, { actions: [through(zoneB)] }, 'goes on when all others wait for it'],
    ['pieces', 40, { ...later, ct_zone: zoneA }, { actions: [wait, through(zoneB)] }, 'waits for the first piece'],
    ['pieces', 30, { ...first, ct_zone: zoneB, pkt_mark: 0 }, { actions: [through(registers.zone)] }, 'denied: with it all others come out, and are dropped'],
    ['pieces', 20, { ...first, ct_zone: zoneB }, { actions: accept, goto: 'commit' }, 'accepted: with it all others come out, and pass'],
  ]
  return [
    flow(
      'pieces',
      100,
      { ct_state: isInvalid },
      {},
      'a piece of a datagram that never was whole',
      origin,
    ),
    ...rows.flatMap(([table, priority, match, then, because]) =>
      [etherTypes.ipv4, etherTypes.ipv6].map(eth_type =>
        flow(table, priority, { eth_type, ...match }, then, because, origin),
      ),
    ),
    flow('pieces', 0, {}, {}, 'its datagram was denied, or it waits already', origin),
  ]
}
