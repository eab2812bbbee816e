/** QoS and queues: root rows without names, so they are always our own, told apart by `sluice-name`. */
import { type RowWriter, refValue } from './row-writer.js'
import type { BridgeSpec, QosSpec } from './spec.js'
import { has, mapOf, nameKey, ownerOf, type Ref, setsOf } from './tables.js'

/** Rows by the names of the object. */
export type QosRefs = ReadonlyMap<string, Ref>

const ourQos = (writer: RowWriter): [name: string, uuid: string][] =>
  [...writer.replica.table('QoS')]
    .filter(([, row]) => ownerOf(row) === writer.owner)
    .map(([uuid, row]) => [String(mapOf(row.external_ids).get(nameKey)), uuid])

export const differQos = (
  writer: RowWriter,
  wanted: Readonly<Record<string, QosSpec>>,
): QosRefs => {
  const known = new Map(ourQos(writer))
  return new Map(
    Object.entries(wanted).map(([name, spec]) => [
      name,
      differOne(writer, name, known.get(name), spec),
    ]),
  )
}

const differOne = (
  writer: RowWriter,
  name: string,
  uuid: string | undefined,
  spec: QosSpec,
): Ref => {
  const now = mapOf(writer.replica.row('QoS', uuid)?.queues)
  const wanted = Object.entries(spec.queues ?? {}).map(([number, queue]) => {
    const known = now.get(Number(number))
    const ref = writer.put(`qos ${name}`, 'Queue', known as string | undefined, {
      values: queue.dscp === undefined ? {} : { dscp: queue.dscp },
      pairs: { other_config: new Map(Object.entries(queue.otherConfig ?? {})) },
    })
    return [Number(number), ref] as const
  })
  const qos = writer.put(`qos ${name}`, 'QoS', uuid, {
    initial: { queues: new Map(wanted) },
    values: { type: spec.type },
    pairs: { other_config: new Map(Object.entries(spec.otherConfig ?? {})) },
    name,
  })
  if (uuid === undefined) return qos
  const fresh = wanted.filter(([number]) => !now.has(number))
  if (fresh.length > 0)
    writer.mutate('QoS', uuid, [
      ['queues', 'insert', ['map', fresh.map(([number, ref]) => [number, refValue(ref)] as const)]],
    ])
  const gone = [...now].filter(([number]) => !wanted.some(([each]) => each === number))
  removeQueues(writer, uuid, gone as [number, string][])
  return qos
}

const removeQueues = (writer: RowWriter, qos: string, gone: readonly [number, string][]): void => {
  const ours = gone.filter(([, ref]) => ownerOf(writer.replica.row('Queue', ref)) === writer.owner)
  if (ours.length === 0) return
  writer.mutate('QoS', qos, [['queues', 'delete', ['set', ours.map(([number]) => number)]]])
  for (const [, ref] of ours) writer.delete('Queue', ref)
}

/** After the ports: a row that is referred to cannot be deleted. */
export const removeQos = (
  writer: RowWriter,
  wanted: Readonly<Record<string, QosSpec>>,
  bridges: Readonly<Record<string, BridgeSpec>>,
): void => {
  for (const [name, uuid] of ourQos(writer)) {
    if (has(wanted, name)) continue
    const users = strangersOf(writer, uuid, bridges)
    if (users.length > 0) {
      writer.object(`qos ${name}`, `it stays, for ports use it: ${users.join(', ')}`)
      continue
    }
    const queues = [...mapOf(writer.replica.row('QoS', uuid)?.queues).values()].map(String)
    // Also ports that go with this transaction refer to it until its very end.
    if ([...writer.replica.table('Port').values()].some(port => port.qos === uuid))
      writer.operations.push({
        op: 'update',
        table: 'Port',
        where: [['qos', '==', ['uuid', uuid]]],
        row: { qos: ['set', []] },
      })
    writer.delete('QoS', uuid)
    for (const ref of queues)
      if (
        ownerOf(writer.replica.row('Queue', ref)) === writer.owner &&
        !isShared(writer, uuid, ref)
      )
        writer.delete('Queue', ref)
  }
}

/** Another QoS uses the queue. */
const isShared = (writer: RowWriter, qos: string, queue: string): boolean =>
  [...writer.replica.table('QoS')].some(
    ([uuid, row]) => uuid !== qos && [...mapOf(row.queues).values()].includes(queue),
  )

/** Ports that somebody else bound to it: those we bound are freed by the same transaction. */
const strangersOf = (
  writer: RowWriter,
  qos: string,
  bridges: Readonly<Record<string, BridgeSpec>>,
): string[] =>
  [...writer.replica.table('Port').values()]
    .filter(port => port.qos === qos)
    .filter(port => {
      const isOurs = ownerOf(port) === writer.owner
      const wasSetByUs = setsOf(port, writer.owner).includes('qos')
      const isDeclared = Object.values(bridges).some(each => has(each.ports ?? {}, port.name))
      return !wasSetByUs && (!isOurs || isDeclared)
    })
    .map(port => String(port.name))
