/** A difference as OpenFlow messages, in an order that never leaves a hole. */
import type { Message } from '../../openflow/index.js'
import { type Bucket, ports } from '../../openflow/values.js'
import { instructionsOf, type StrictMatch } from '../../pipeline/canonical.js'
import { cookieNamespace, type Flow, type Group, type Meter } from '../../pipeline/program.js'
import { tableId } from '../../pipeline/tables.js'
import type { Difference } from './difference.js'

/** A message, and the row it is for, so that a refusal finds whoever asked. */
export interface Change {
  readonly message: Message
  readonly flow?: Flow
  readonly group?: Group
  readonly meter?: Meter
}

/** Before everything: meters do not go into bundles. */
export const metersFirst = (change: Difference): Change[] => [
  ...change.addMeters.map(meter => ({ message: meterMod('add', meter), meter })),
  ...change.modifyMeters.map(meter => ({ message: meterMod('modify', meter), meter })),
]

/** The bundle: what is pointed to, then what points, then what goes. */
export const bundled = (change: Difference): Change[] => [
  ...change.addGroups.map(group => ({ message: groupMod('add', group), group })),
  ...change.modifyGroups.map(group => ({ message: groupMod('modify', group), group })),
  ...change.addFlows.map(flow => ({ message: flowMod('add', flow), flow })),
  ...change.modifyFlows.map(flow => ({ message: flowMod('modify-strict', flow), flow })),
  ...change.deleteFlows.map(strict => ({ message: deleteStrict(strict) })),
  ...change.deleteGroups.map(id => ({ message: groupDelete(id) })),
]

export const metersLast = (change: Difference): Change[] =>
  change.deleteMeters.map(id => ({ message: meterDelete(id) }))

const noBuffer = 0xffffffff

const flowMod = (command: 'add' | 'modify-strict', flow: Flow): Message => ({
  kind: 'flow-mod',
  cookie: flow.cookie,
  cookieMask: 0n,
  tableId: tableId[flow.table],
  command,
  idleTimeout: flow.idleTimeoutSeconds ?? 0,
  hardTimeout: 0,
  priority: flow.priority,
  bufferId: noBuffer,
  outPort: ports.any,
  outGroup: ports.any,
  flags: 0,
  match: flow.match,
  instructions: instructionsOf(flow),
})

/** Strict, and only what carries our namespace: a foreign row of the same match stays. */
const deleteStrict = (strict: StrictMatch): Message => ({
  kind: 'flow-mod',
  cookie: cookieNamespace << 48n,
  cookieMask: 0xffff_0000_0000_0000n,
  tableId: strict.tableId,
  command: 'delete-strict',
  idleTimeout: 0,
  hardTimeout: 0,
  priority: strict.priority,
  bufferId: noBuffer,
  outPort: ports.any,
  outGroup: ports.any,
  flags: 0,
  match: strict.match,
  instructions: [],
})

const groupMod = (command: 'add' | 'modify', group: Group): Message => ({
  kind: 'group-mod',
  command,
  type: group.type,
  groupId: group.id,
  buckets: group.buckets.map((bucket: Bucket) => ({
    weight: group.type === 'select' ? (bucket.weight ?? 1) : 0,
    watchPort: bucket.watchPort ?? ports.any,
    watchGroup: bucket.watchGroup ?? ports.any,
    actions: bucket.actions,
  })),
})

const groupDelete = (groupId: number): Message => ({
  kind: 'group-mod',
  command: 'delete',
  type: 'all',
  groupId,
  buckets: [],
})

/** OFPMF_KBPS 1, OFPMF_PKTPS 2, OFPMF_BURST 4, OFPMF_STATS 8: OpenFlow 1.3.5 section 7.3.4.4. */
const meterMod = (command: 'add' | 'modify', meter: Meter): Message => ({
  kind: 'meter-mod',
  command,
  flags: (meter.unit === 'kbps' ? 1 : 2) | 4 | 8,
  meterId: meter.id,
  bands: meter.bands,
})

const meterDelete = (meterId: number): Message => ({
  kind: 'meter-mod',
  command: 'delete',
  flags: 0,
  meterId,
  bands: [],
})
