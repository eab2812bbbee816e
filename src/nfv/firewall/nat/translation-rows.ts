/**
 * The firewall's part of address translation: fixed rows, there while some statement is. They stamp generation and epoch,
 * so they change with the rules; what is translated to what is in the rows of `nfv/nat`, which do not.
 *
 * What is translated is looked up in the zone of its router, whatever timeouts services have, and asks no stateless rules:
 * these would let it go on as it came.
 */
import type { Action, Match } from '../../../openflow/values.js'
import { type Flow, flow, type Origin } from '../../../pipeline/program.js'
import { bitsEqual, load, registers } from '../../../pipeline/registers.js'
import { type TableName, tableId } from '../../../pipeline/tables.js'
import { tellUntranslated } from '../../nat/tables.js'
import { ipVersions, judgedThere, state } from '../flows/tables.js'

const origin: Origin = { kind: 'base', name: 'firewall' }

const isOutward: Match = { reg10: bitsEqual([registers.outward, 1]) }
const isLed: Match = { reg10: bitsEqual([registers.led, 1]) }
const isFound: Match = { reg10: bitsEqual([registers.found, 1]) }
const anyPiece = { value: 1, mask: 1 }

type Row = readonly [
  table: TableName,
  priority: number,
  match: Match,
  then: { actions?: readonly Action[]; goto?: TableName },
  because: string,
]

/** @param generation @param epoch see `pipelineRows` */
export const translationRows = (generation: number, epoch: number): Flow[] => {
  const stamp = load(registers.generation, generation)
  const lookUp = (table: TableName): readonly Action[] => [
    stamp,
    { kind: 'ct', zone: registers.zone, nat: { kind: 'nat' }, table: tableId[table] },
  ]
  const elsewhere = [load(registers.generation, epoch), load(registers.elsewhere, 1)]
  const opening = state(['new', 'trk'])
  const running = state(['trk'], ['new', 'inv'])
  const stale =
    'a piece of a datagram whose connection is judged by older rules: its next one begins anew'
  // biome-ignore format: a table
  const rows: readonly Row[] = [
    ['track',   65_080, isOutward, { actions: lookUp('session') }, 'what leaves by the uplink: its connection, and the source that it has outside'],
    ['track',   65_060, isLed, { actions: lookUp('session') }, 'it came to a published address'],
    ['inward',  65_500, { reg9: bitsEqual([registers.undone, 1]) }, { actions: lookUp('back') }, 'whether it is an answer to a translated connection'],
    ['inward',  10, {}, { actions: lookUp('back') }, 'whether it is an answer to a translated connection'],
    ['session', 98, { ...isOutward, ...judgedThere(0), ct_state: opening }, { actions: elsewhere, goto: 'translate' }, 'opened at another switch: remember, and translate'],
    ['session', 83, { ...isOutward, ip_frag: anyPiece, ct_state: running }, { actions: [tellUntranslated('session')] }, stale],
    ['session', 83, { ...isFound, ip_frag: anyPiece, ct_state: running }, { actions: [tellUntranslated('session')] }, stale],
    ['session', 83, { ...isOutward, ip_frag: anyPiece, ct_state: isAgain }, { actions: [tellUntranslated('session')] }, stale],
    ['commit',  41, isOutward, { goto: 'translate' }, 'accepted: remember and translate it'],
    ['commit',  41, isLed, { goto: 'translate' }, 'accepted: remember it, and that it came to a published address'],
  ]
  return [
    flow(
      'track',
      65_090,
      isFound,
      { goto: 'session' },
      'its connection was looked up before it was routed',
      origin,
    ),
    ...rows.flatMap(([table, priority, match, then, because]) =>
      Object.values(ipVersions).map(eth_type =>
        flow(table, priority, { eth_type, ...match }, then, because, origin),
      ),
    ),
  ]
}

/** New, and translated already: not answered yet. */
const isAgain = { value: 0x61, mask: 0x61 }
