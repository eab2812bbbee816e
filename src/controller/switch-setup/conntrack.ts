/** Zones of connection tracking and their timeouts: Open_vSwitch.datapaths -> Datapath -> CT_Zone -> CT_Timeout_Policy. */

import { type RowWriter, refValue } from './row-writer.js'
import type { SwitchSpec, ZoneSpec } from './spec.js'
import type { Pairs, Ref } from './tables.js'
import { has, listOf, mapOf, ownerOf } from './tables.js'

type Zones = Readonly<Record<string, ZoneSpec>>

export const differConntrack = (
  writer: RowWriter,
  wanted: NonNullable<SwitchSpec['conntrack']>,
): void => {
  const [root] = writer.replica.table('Open_vSwitch').values()
  const known = mapOf(root?.datapaths)
  if (!writer.replica.schema.tables.has('CT_Zone')) {
    // Open vSwitch 2.13 brought it.
    if (Object.keys(wanted).length > 0)
      writer.object('conntrack', 'this Open vSwitch has no table CT_Zone')
    return
  }
  const all: Readonly<Record<string, Zones | undefined>> = wanted
  for (const [type, zones] of Object.entries(all)) {
    const uuid = known.get(type)
    if (zones === undefined || Object.keys(zones).length === 0) continue
    if (typeof uuid === 'string') differZones(writer, type, uuid, zones)
    else newDatapath(writer, type, zones)
  }
  for (const [type, uuid] of known)
    if (Object.keys(all[String(type)] ?? {}).length === 0)
      leaveDatapath(writer, String(type), String(uuid))
}

const newDatapath = (writer: RowWriter, type: string, zones: Zones): void => {
  const rows = Object.entries(zones).map(
    ([zone, spec]) => [Number(zone), putZone(writer, zone, undefined, spec)] as const,
  )
  const datapath = writer.put(`conntrack ${type}`, 'Datapath', undefined, {
    initial: { datapath_version: '0', ct_zones: new Map(rows) },
  })
  writer.mutate('Open_vSwitch', undefined, [
    ['datapaths', 'insert', ['map', [[type, refValue(datapath)]]]],
  ])
}

const differZones = (writer: RowWriter, type: string, uuid: string, zones: Zones): void => {
  const now = mapOf(writer.replica.row('Datapath', uuid)?.ct_zones)
  const fresh: (readonly [number, Ref])[] = []
  for (const [zone, spec] of Object.entries(zones)) {
    const known = now.get(Number(zone)) as string | undefined
    const ref = putZone(writer, zone, known, spec)
    if (known === undefined) fresh.push([Number(zone), ref])
  }
  if (fresh.length > 0)
    writer.mutate('Datapath', uuid, [
      ['ct_zones', 'insert', ['map', fresh.map(([zone, ref]) => [zone, refValue(ref)] as const)]],
    ])
  removeZones(writer, type, uuid, now, zone => has(zones, zone))
}

/** Somebody else's policy may be shared by zones, so a zone that we care for gets one of its own. */
const putZone = (
  writer: RowWriter,
  zone: string,
  uuid: string | undefined,
  spec: ZoneSpec,
): Ref => {
  const part = `zone ${zone}`
  const known = writer.replica.row('CT_Zone', uuid)
  const [now] = (listOf(known?.timeout_policy) as string[]).filter(
    ref => ownerOf(writer.replica.row('CT_Timeout_Policy', ref)) === writer.owner,
  )
  const policy =
    spec.timeouts === undefined
      ? undefined
      : writer.put(part, 'CT_Timeout_Policy', now, {
          values: { timeouts: new Map(Object.entries(spec.timeouts).sort()) },
        })
  return writer.put(part, 'CT_Zone', uuid, {
    values: {
      ...(policy !== undefined && { timeout_policy: policy }),
      ...(spec.limit !== undefined && { limit: spec.limit }),
    },
  })
}

const removeZones = (
  writer: RowWriter,
  type: string,
  uuid: string,
  now: Pairs,
  isWanted: (zone: unknown) => boolean,
): readonly unknown[] => {
  const unwanted = [...now].filter(([zone]) => !isWanted(zone))
  const ours = unwanted.filter(
    ([, ref]) => ownerOf(writer.replica.row('CT_Zone', ref)) === writer.owner,
  )
  if (ours.length > 0)
    writer.mutate('Datapath', uuid, [['ct_zones', 'delete', ['set', ours.map(([zone]) => zone)]]])
  for (const [zone, ref] of unwanted)
    if (!ours.some(([each]) => each === zone))
      writer.release(`zone ${String(zone)} of ${type}`, 'CT_Zone', String(ref))
  return ours
}

/** A datapath row of ours goes with its last zone. */
const leaveDatapath = (writer: RowWriter, type: string, uuid: string): void => {
  const row = writer.replica.row('Datapath', uuid)
  const now = mapOf(row?.ct_zones)
  const isOurs = ownerOf(row) === writer.owner
  const strangers = [...now.values()].filter(
    ref => ownerOf(writer.replica.row('CT_Zone', ref)) !== writer.owner,
  )
  if (isOurs && strangers.length === 0)
    writer.mutate('Open_vSwitch', undefined, [['datapaths', 'delete', ['set', [type]]]])
  else removeZones(writer, type, uuid, now, () => false)
}
