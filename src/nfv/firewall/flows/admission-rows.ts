/**
 * Rules that count what they allow (`limit`, `max`): each new connection asks the controller, packets of connections
 * that were admitted never do. What the rows and the controller say to one another: docs/adr/0009.
 *
 *     rules* ── load rule, look into counted ─┐
 *     session ── current, rule counts ────────┴─> admission ── admitted, stale or new ──> commit
 *                                                    │  └───── admitted and current ────> forward
 *                                                    └──────── else ──> controller, through the rule's meter
 *
 * The register `admitted` holds the rule that has admitted the packet: loaded by the controller when it gives a packet
 * back, and by the row of the connection in `counted`, which the controller writes for rules with `max`. A connection
 * whose host has moved is asked about by its new switch: it has its place already, and gets a row there too. The rows are
 * one place, until one of them has seen the end of the connection.
 */
import type { Action, Match } from '../../../openflow/values.js'
import { etherTypes } from '../../../pipeline/packet.js'
import { type Flow, flow, type Origin } from '../../../pipeline/program.js'
import {
  bitsEqual,
  isFirstTime,
  judgedHere,
  label,
  load,
  registers,
} from '../../../pipeline/registers.js'
import { type TableName, tableId } from '../../../pipeline/tables.js'
import { writeUserdata } from '../../../pipeline/userdata.js'
import type { ResolvedRule } from '../meaning/resolved.js'
import { laterPiece } from './pieces.js'
import { state } from './tables.js'

const origin: Origin = { kind: 'base', name: 'firewall' }

/** What an allowing rule that counts does with a packet. */
export const askAdmission = (rule: ResolvedRule): readonly Action[] => [
  load(registers.rule, rule.id),
  { kind: 'resubmit', table: tableId.counted },
]

/** Before sessions of the current generation pass. */
const countedPriority = 86

/**
 * The rows of one rule that counts.
 *
 * @param meter bounds what asks the controller
 * @param log says that a connection was let in; empty for a rule that does not log
 */
export const admissionRows = (
  rule: ResolvedRule,
  generation: number,
  meter: number,
  log: readonly Action[],
): Flow[] => {
  const letIn = { actions: log, goto: 'commit' as const }
  const who = `${rule.policy}/${rule.name}`
  const ofRule: Match = { reg3: rule.id }
  const admitted: Match = { reg2: rule.id, ...ofRule }
  const running = state(['trk'], ['new'])
  // ICMP errors go with the connection that they are about.
  const itself = state(['trk'], ['inv', 'rel'])
  const current = bitsEqual(
    [label.generation, generation],
    [label.rule, rule.id],
    [label.elsewhere, 0],
  )
  const row = (
    table: TableName,
    priority: number,
    match: Match,
    then: { actions?: readonly Action[]; goto?: TableName },
    because: string,
  ) => flow(table, priority, match, then, `${because} ${who}`, origin)
  const ask = row(
    'admission',
    10,
    { reg0: bitsEqual(isFirstTime), ...ofRule },
    {
      actions: [
        {
          kind: 'controller',
          maxLength: 0xffff,
          userdata: writeUserdata('admit', rule.id),
          meter,
        },
      ],
    },
    'asks the controller for a place among the connections of',
  )
  if (rule.caps === undefined)
    return [
      row('admission', 30, admitted, letIn, 'admitted now by'),
      row('admission', 30, { ...ofRule, ct_state: running }, letIn, 'runs already:'),
      row(
        'admission',
        30,
        { ...ofRule, ct_label: bitsEqual([label.rule, rule.id]) },
        letIn,
        'was admitted and is not answered yet:',
      ),
      ask,
    ]
  return [
    // They show no ports to look for: without the first piece they come to nothing.
    ...[etherTypes.ipv4, etherTypes.ipv6].map(eth_type =>
      row(
        'session',
        countedPriority + 1,
        { eth_type, ip_frag: laterPiece, ct_state: itself, ct_label: current },
        { actions: judgedHere, goto: 'forward' },
        'its first piece shows its place:',
      ),
    ),
    row(
      'session',
      countedPriority,
      { ct_state: itself, ct_label: current },
      { actions: [...judgedHere, ...askAdmission(rule)], goto: 'admission' },
      'its place is looked up:',
    ),
    row(
      'admission',
      40,
      { ...admitted, ct_state: itself, ct_label: current },
      { goto: 'forward' },
      'has its place among the connections of',
    ),
    row(
      'admission',
      35,
      { ...ofRule, ct_state: state(['rel', 'trk'], ['new']) },
      { goto: 'commit' },
      'an error about a connection of',
    ),
    row('admission', 30, admitted, letIn, 'admitted by'),
    ask,
  ]
}

/** Where no row speaks. */
export const admissionMisses = (): Flow[] => [
  flow('counted', 0, {}, {}, 'this connection has no place', origin),
  flow('admission', 0, {}, {}, 'no rule that counts', origin),
]
