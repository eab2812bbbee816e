/**
 * From what is declared and what a database holds to the operations that lead from one to the other. Pure.
 *
 *     declared, and there        adopted: only what differs is put right
 *     declared, not there        made, and marked as ours in external_ids
 *     ours, declared no more     deleted
 *     somebody else's            never deleted; settings that we made in it are taken back
 *
 * Nothing differs: no operations.
 */
import type { Datum, TypedRow } from '../../ovsdb/datum.js'
import type { Operation } from '../../ovsdb/protocol.js'
import type { Replica } from '../../ovsdb/replica.js'
import { differConntrack } from './conntrack.js'
import { differMirrors } from './mirrors.js'
import { differQos, type QosRefs, removeQos } from './qos.js'
import { detach, type Objection, oursGone, RowWriter, refValue } from './row-writer.js'
import type { BridgeSpec, PortSpec, SwitchSpec } from './spec.js'
import { has, listOf, ownerOf, type Ref } from './tables.js'

export interface Difference {
  readonly operations: readonly Operation[]
  readonly objections: readonly Objection[]
}

/** What is declared; undefined: nothing any more, what we made goes. */
export type Wanted = Omit<SwitchSpec, 'ovsdb'> | undefined

/**
 * @param owner the object that rows are marked with, such as `switch/edge1`
 * @throws {ColumnError} when a declared value does not fit this server's schema
 */
export const difference = (wanted: Wanted, replica: Replica, owner: string): Difference => {
  const writer = new RowWriter(replica, owner)
  if (wanted !== undefined && replica.table('Open_vSwitch').size === 0)
    writer.operations.push({ op: 'insert', table: 'Open_vSwitch', row: {} })
  const qos = differQos(writer, wanted?.qos ?? {})
  const bridges = wanted?.bridges ?? {}
  for (const [name, spec] of Object.entries(bridges)) differBridge(writer, name, spec, qos)
  removeBridges(writer, bridges)
  differConntrack(writer, wanted?.conntrack ?? {})
  removeQos(writer, wanted?.qos ?? {}, bridges)
  return { operations: writer.operations, objections: writer.objections }
}

const stringPairs = (record: Readonly<Record<string, string>> = {}): Map<string, string> =>
  new Map(Object.entries(record))

const defined = (values: Readonly<Record<string, Datum>>): Record<string, Datum> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))

const differBridge = (writer: RowWriter, name: string, spec: BridgeSpec, qos: QosRefs): void => {
  const [uuid, row] = writer.names.find('Bridge', name) ?? []
  const config = stringPairs({ 'disable-in-band': 'true', ...spec.otherConfig })
  if (spec.datapathId !== undefined) config.set('datapath-id', spec.datapathId)
  // The port of the bridge's own name is as much declared as the bridge.
  const wishes = { ...spec.ports, [name]: { type: 'internal', ...spec.ports?.[name] } as PortSpec }
  const ports = new Map<string, Ref>()
  for (const [portName, port] of Object.entries(wishes)) {
    const ref = differPort(writer, uuid, portName, port, qos)
    if (ref !== undefined) ports.set(portName, ref)
  }
  const controllers = (spec.controllers ?? []).map(target => differController(writer, row, target))
  const held = new Set(listOf(row?.ports))
  const missing = [...ports.values()].filter(ref => typeof ref !== 'string' || !held.has(ref))
  const bridge = writer.put(`bridge ${name}`, 'Bridge', uuid, {
    initial: { name, ports: missing, controller: controllers },
    values: defined({
      datapath_type: spec.datapathType === 'system' ? '' : spec.datapathType,
      fail_mode: spec.failMode,
      protocols: spec.protocols && [...spec.protocols].sort(),
    }),
    pairs: { other_config: config },
  })
  if (uuid !== undefined) {
    attach(writer, uuid, 'ports', missing)
    const present = new Set(listOf(row?.controller))
    attach(
      writer,
      uuid,
      'controller',
      controllers.filter(ref => typeof ref !== 'string' || !present.has(ref)),
    )
    detach(
      writer,
      uuid,
      'controller',
      oursGone(writer, 'Controller', row?.controller, each =>
        (spec.controllers ?? []).includes(String(each.target)),
      ),
    )
    detach(
      writer,
      uuid,
      'ports',
      oursGone(writer, 'Port', row?.ports, each => has(wishes, each.name)),
    )
    releasePorts(writer, row, wishes)
    releaseControllers(writer, row, spec.controllers ?? [])
  } else writer.mutate('Open_vSwitch', undefined, [['bridges', 'insert', refValue(bridge)]])
  differMirrors(writer, { name, bridge, uuid, row, ports }, spec.mirrors ?? {})
}

const attach = (writer: RowWriter, uuid: string, column: string, refs: readonly Ref[]): void =>
  writer.mutate(
    'Bridge',
    uuid,
    refs.length === 0 ? [] : [[column, 'insert', ['set', refs.map(refValue)]]],
  )

/** @returns nothing when the port cannot be had: why is among the objections */
const differPort = (
  writer: RowWriter,
  bridge: string | undefined,
  name: string,
  spec: PortSpec,
  qos: QosRefs,
): Ref | undefined => {
  const part = `port ${name}`
  const [uuid, row] = writer.names.find('Port', name) ?? []
  const home = uuid === undefined ? undefined : writer.names.bridgeOf(uuid)
  if (home && home[0] !== bridge) {
    writer.object(part, `it is on bridge ${String(home[1].name)} already`)
    return undefined
  }
  const [interfaceId] = writer.names.find('Interface', name) ?? []
  if (row && (interfaceId === undefined || !listOf(row.interfaces).includes(interfaceId))) {
    writer.object(part, 'a port of this name is there and holds other interfaces')
    return undefined
  }
  if (!row && interfaceId !== undefined) {
    writer.object(part, 'an interface of this name is part of another port')
    return undefined
  }
  const device = writer.put(part, 'Interface', interfaceId, {
    initial: { name },
    values: defined({
      type: spec.type === 'system' ? '' : spec.type,
      ofport_request: spec.ofport,
      mtu_request: spec.mtu,
    }),
    pairs: { options: stringPairs(spec.options) },
  })
  return writer.put(part, 'Port', uuid, {
    initial: { name, interfaces: [device] },
    values: defined({ qos: spec.qos === undefined ? undefined : qos.get(spec.qos) }),
    pairs: { other_config: stringPairs(spec.otherConfig) },
  })
}

/** What is asked of every connection: back within a second, and noticed when it hangs. */
const connection = { max_backoff: 1_000, inactivity_probe: 5_000, connection_mode: 'out-of-band' }

const differController = (writer: RowWriter, bridge: TypedRow | undefined, target: string): Ref => {
  const known = listOf(bridge?.controller).find(
    ref => writer.replica.row('Controller', ref)?.target === target,
  )
  return writer.put(`controller ${target}`, 'Controller', known as string | undefined, {
    initial: { target },
    values: connection,
  })
}

/** Adopted ports that are declared no more keep living, without what we set in them. */
const releasePorts = (
  writer: RowWriter,
  bridge: TypedRow | undefined,
  wishes: Readonly<Record<string, unknown>>,
): void => {
  for (const ref of listOf(bridge?.ports)) {
    const port = writer.replica.row('Port', ref)
    if (port === undefined || ownerOf(port) === writer.owner || has(wishes, port.name)) continue
    writer.release(`port ${String(port.name)}`, 'Port', String(ref))
    for (const each of listOf(port.interfaces))
      writer.release(`port ${String(port.name)}`, 'Interface', String(each))
  }
}

const releaseControllers = (
  writer: RowWriter,
  bridge: TypedRow | undefined,
  targets: readonly string[],
): void => {
  for (const ref of listOf(bridge?.controller)) {
    const row = writer.replica.row('Controller', ref)
    const target = String(row?.target)
    if (ownerOf(row) !== writer.owner && !targets.includes(target))
      writer.release(`controller ${target}`, 'Controller', String(ref))
  }
}

const removeBridges = (writer: RowWriter, wanted: Readonly<Record<string, BridgeSpec>>): void => {
  for (const [uuid, row] of writer.replica.table('Bridge')) {
    const name = String(row.name)
    if (has(wanted, name)) continue
    const strangers = listOf(row.ports)
      .map(ref => writer.replica.row('Port', ref))
      .filter(port => port !== undefined && ownerOf(port) !== writer.owner)
    if (ownerOf(row) === writer.owner && strangers.length === 0) {
      writer.mutate('Open_vSwitch', undefined, [['bridges', 'delete', ['uuid', uuid]]])
      continue
    }
    if (ownerOf(row) === writer.owner)
      writer.object(
        `bridge ${name}`,
        `it stays, for it holds ports that somebody else made: ${strangers.map(port => String(port?.name)).join(', ')}`,
      )
    leaveBridge(writer, uuid, row, ownerOf(row) === writer.owner)
  }
}

/** A bridge that is not ours to delete, without what is ours in it. */
const leaveBridge = (writer: RowWriter, uuid: string, row: TypedRow, isOurs: boolean): void => {
  const name = String(row.name)
  const never = () => false
  detach(writer, uuid, 'controller', oursGone(writer, 'Controller', row.controller, never))
  detach(writer, uuid, 'mirrors', oursGone(writer, 'Mirror', row.mirrors, never))
  detach(
    writer,
    uuid,
    'ports',
    oursGone(writer, 'Port', row.ports, port => isOurs && port.name === name),
  )
  releaseControllers(writer, row, [])
  releasePorts(writer, row, {})
  if (!isOurs) writer.release(`bridge ${name}`, 'Bridge', uuid)
}
