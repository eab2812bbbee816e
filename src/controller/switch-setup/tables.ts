/** The part of the Open_vSwitch database that is watched, and how we mark what is ours in it. */
import type { Datum, NamedRow, TypedRow } from '../../ovsdb/datum.js'
import type { Watched } from '../../ovsdb/replica.js'
import type { Atom } from '../../ovsdb/schema.js'

export const database = 'Open_vSwitch'
/** Held while we write: another controller with the same object waits. */
export const lockName = 'sluice_switch_setup'

// biome-ignore format: a table
export const watched: Watched = {
  Open_vSwitch: ['bridges', 'datapaths', 'next_cfg', 'cur_cfg', 'ovs_version', 'external_ids'],
  Bridge: ['name', 'datapath_type', 'datapath_id', 'fail_mode', 'protocols', 'controller', 'ports', 'mirrors', 'other_config', 'external_ids'],
  Port: ['name', 'interfaces', 'qos', 'other_config', 'external_ids'],
  Interface: ['name', 'type', 'options', 'ofport', 'ofport_request', 'mtu_request', 'error', 'external_ids'],
  Controller: ['target', 'max_backoff', 'inactivity_probe', 'connection_mode', 'is_connected', 'external_ids'],
  Mirror: ['name', 'select_all', 'select_src_port', 'select_dst_port', 'output_port', 'snaplen', 'external_ids'],
  QoS: ['type', 'queues', 'other_config', 'external_ids'],
  Queue: ['dscp', 'other_config', 'external_ids'],
  Datapath: ['datapath_version', 'ct_zones', 'external_ids'],
  CT_Zone: ['timeout_policy', 'limit', 'external_ids'],
  CT_Timeout_Policy: ['timeouts', 'external_ids'],
}

/** external_ids of a row that we made: the object it was made for. */
export const ownerKey = 'sluice-owner'
/** Which QoS of the object a row is: QoS rows have no names. */
export const nameKey = 'sluice-name'
/**
 * What we set in a row, ours or adopted: `column`, or `column:key` of a map, in words. What is declared no
 * more is taken back by it, and nothing else is.
 */
export const setsKey = 'sluice-sets'

export type Ref = string | NamedRow
export type Pairs = ReadonlyMap<Atom, Atom | NamedRow>

export const mapOf = (datum: Datum): Pairs => (datum instanceof Map ? datum : noPairs)
const noPairs: Pairs = new Map()

export const listOf = (datum: Datum): readonly (Atom | NamedRow)[] =>
  Array.isArray(datum)
    ? (datum as readonly (Atom | NamedRow)[])
    : datum === undefined || datum instanceof Map
      ? []
      : [datum as Atom | NamedRow]

export const ownerOf = (row: TypedRow | undefined): string | undefined => {
  const owner = row && mapOf(row.external_ids).get(ownerKey)
  return typeof owner === 'string' ? owner : undefined
}

export const setsOf = (row: TypedRow | undefined): readonly string[] => {
  const sets = row && mapOf(row.external_ids).get(setsKey)
  return typeof sets === 'string' ? sets.split(' ').filter(word => word !== '') : []
}

/** Names come from outside: `constructor` is in every object, but declared in none. */
export const has = (record: object, name: unknown): boolean => Object.hasOwn(record, String(name))
