/** What is true of a declared switch now, read from the replica of its database. Pure. */
import type { TypedRow } from '../../ovsdb/datum.js'
import type { Replica } from '../../ovsdb/replica.js'
import { NameIndex } from './name-index.js'
import type { Objection } from './row-writer.js'
import type { BridgeSpec, SwitchSpec } from './spec.js'
import { listOf } from './tables.js'

export type State = 'pending' | 'installed' | 'degraded' | 'failed'

export interface PartStatus {
  /** Such as `bridge br0`, `port p1`, `controller tcp:127.0.0.1:6653`. */
  readonly part: string
  readonly state: State
  readonly reason?: string
}

export interface SwitchStatus {
  readonly state: State
  readonly reason?: string
  /** ovs_version of the switch, once it was reached. */
  readonly version?: string
  readonly isConnected: boolean
  /** The revision of the object that the switch was last brought to. */
  readonly installedRevision?: number
  readonly parts: readonly PartStatus[]
  /** Operations sent since the controller started. */
  readonly operationsSent: number
}

/** The parts as ovs-vswitchd made them; objections come first, since they are why something is missing. */
export const partsOf = (
  spec: Pick<SwitchSpec, 'bridges'>,
  replica: Replica,
  objections: readonly Objection[],
): PartStatus[] => {
  const names = new NameIndex(replica)
  const parts = Object.entries(spec.bridges ?? {}).flatMap(([name, bridge]) =>
    bridgeParts(replica, names, name, bridge),
  )
  const refused = objections.map(
    ({ part, reason, isPartial }): PartStatus => ({
      part,
      state: isPartial ? 'degraded' : 'failed',
      reason,
    }),
  )
  const named = new Set(refused.map(each => each.part))
  return [...refused, ...parts.filter(each => !named.has(each.part))]
}

/** The worst of the parts, as one word and sentence. */
export const summary = (parts: readonly PartStatus[]): Pick<SwitchStatus, 'state' | 'reason'> => {
  const bad = parts.filter(each => each.state !== 'installed')
  const [first] = bad
  if (first === undefined) return { state: 'installed' }
  const more = bad.length > 1 ? ` (and ${bad.length - 1} more)` : ''
  const isAll = parts.every(each => each.state === 'failed')
  return {
    state: isAll ? 'failed' : 'degraded',
    reason: `${first.part}: ${first.reason ?? first.state}${more}`,
  }
}

const bridgeParts = (
  replica: Replica,
  names: NameIndex,
  name: string,
  spec: BridgeSpec,
): PartStatus[] => {
  const [, row] = names.find('Bridge', name) ?? []
  if (row === undefined) return [{ part: `bridge ${name}`, state: 'pending' }]
  return [
    bridgeStatus(name, spec, row),
    ...Object.entries(spec.ports ?? {}).map(([port, { ofport }]) =>
      portStatus(names, port, ofport),
    ),
    ...(spec.controllers ?? []).map(target => controllerStatus(replica, row, target)),
  ]
}

const bridgeStatus = (name: string, spec: BridgeSpec, row: TypedRow): PartStatus => {
  const part = `bridge ${name}`
  if (row.datapath_id === undefined)
    return { part, state: 'degraded', reason: 'ovs-vswitchd has not made it' }
  if (spec.datapathId !== undefined && row.datapath_id !== spec.datapathId)
    return { part, state: 'degraded', reason: `its datapath id is ${String(row.datapath_id)}` }
  return { part, state: 'installed' }
}

const portStatus = (names: NameIndex, name: string, wanted: number | undefined): PartStatus => {
  const part = `port ${name}`
  const [, row] = names.find('Interface', name) ?? []
  if (row === undefined) return { part, state: 'pending' }
  if (row.error !== undefined) return { part, state: 'failed', reason: String(row.error) }
  if (row.ofport === undefined)
    return { part, state: 'degraded', reason: 'ovs-vswitchd has not made it' }
  if (row.ofport === -1)
    return { part, state: 'failed', reason: 'ovs-vswitchd could not make it; its log says why' }
  if (wanted !== undefined && row.ofport !== wanted)
    return {
      part,
      state: 'degraded',
      reason: `it has OpenFlow number ${String(row.ofport)}, ${wanted} was taken`,
    }
  return { part, state: 'installed' }
}

const controllerStatus = (replica: Replica, bridge: TypedRow, target: string): PartStatus => {
  const row = listOf(bridge.controller)
    .map(ref => replica.row('Controller', ref))
    .find(each => each?.target === target)
  const part = `controller ${target}`
  if (row === undefined) return { part, state: 'pending' }
  return row.is_connected === true
    ? { part, state: 'installed' }
    : { part, state: 'degraded', reason: 'the switch is not connected to it' }
}
