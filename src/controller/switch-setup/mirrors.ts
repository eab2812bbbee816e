/** Mirrors of one bridge: found by name, adopted, made, taken away. */
import type { TypedRow } from '../../ovsdb/datum.js'
import { detach, oursGone, type RowWriter, refValue } from './row-writer.js'
import type { MirrorSpec } from './spec.js'
import { has, listOf, ownerOf, type Ref } from './tables.js'

export interface BridgePlace {
  readonly name: string
  readonly bridge: Ref
  /** Absent: the bridge is new. */
  readonly uuid: string | undefined
  readonly row: TypedRow | undefined
  /** Ports that are declared, by name. */
  readonly ports: ReadonlyMap<string, Ref>
}

export const differMirrors = (
  writer: RowWriter,
  place: BridgePlace,
  wanted: Readonly<Record<string, MirrorSpec>>,
): void => {
  const { row, uuid } = place
  const known = new Map(
    listOf(row?.mirrors).map(ref => [writer.replica.row('Mirror', ref)?.name, String(ref)]),
  )
  for (const [name, spec] of Object.entries(wanted)) {
    const id = known.get(name)
    const ref = differMirror(writer, place, name, id, spec)
    if (ref !== undefined && id === undefined)
      writer.mutate('Bridge', place.bridge, [['mirrors', 'insert', refValue(ref)]])
  }
  if (uuid === undefined) return
  const isWanted = (mirror: TypedRow) => has(wanted, mirror.name)
  detach(writer, uuid, 'mirrors', oursGone(writer, 'Mirror', row?.mirrors, isWanted))
  for (const [name, id] of known)
    if (!has(wanted, name) && ownerOf(writer.replica.row('Mirror', id)) !== writer.owner)
      writer.release(`mirror ${String(name)}`, 'Mirror', id)
}

const differMirror = (
  writer: RowWriter,
  place: BridgePlace,
  name: string,
  id: string | undefined,
  spec: MirrorSpec,
): Ref | undefined => {
  const part = `mirror ${name}`
  const missing: string[] = []
  const portOf = (port: string): Ref[] => {
    const ref = place.ports.get(port) ?? portOnBridge(writer, place, port)
    if (ref === undefined) missing.push(port)
    return ref === undefined ? [] : [ref]
  }
  const from = (spec.from ?? []).flatMap(portOf)
  const to = (spec.to ?? []).flatMap(portOf)
  const [output] = portOf(spec.output)
  if (missing.length > 0) {
    writer.object(part, `bridge ${place.name} has no port ${missing.join(', ')}`)
    return undefined
  }
  return writer.put(part, 'Mirror', id, {
    initial: { name },
    values: {
      select_all: spec.all ?? false,
      select_src_port: sorted(from),
      select_dst_port: sorted(to),
      output_port: output,
      ...(spec.snaplen !== undefined && { snaplen: spec.snaplen }),
    },
  })
}

/** As the replica holds sets. */
const sorted = (refs: readonly Ref[]): Ref[] =>
  [...refs].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))

const keyOf = (ref: Ref): string => (typeof ref === 'string' ? ref : `~${ref.named}`)

/** A port that somebody else put on the bridge can be mirrored as well. */
const portOnBridge = (writer: RowWriter, place: BridgePlace, name: string): Ref | undefined =>
  listOf(place.row?.ports)
    .map(String)
    .find(ref => writer.replica.row('Port', ref)?.name === name)
