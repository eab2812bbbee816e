/** The part of the Open_vSwitch database that is watched, and how we mark what is ours in it. */
import type { Datum, NamedRow, TypedRow } from '../../ovsdb/datum.js'
import type { Watched } from '../../ovsdb/replica.js'
import type { Atom } from '../../ovsdb/schema.js'

export const database = 'Open_vSwitch'
/**
 * Held while we write for an object: another controller with the same object waits. A lock is an identifier, so
 * other characters of a name are written as their numbers.
 */
export const lockNameOf = (name: string): string =>
  `sluice_switch_${name.replace(/[^A-Za-z0-9]/g, each => `_${each.charCodeAt(0)}_`)}`

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
 * What an object set in a row, its own or adopted: `column`, or `column:key` of a map, in words. What is
 * declared no more is taken back by it, and nothing else is; each object has a list of its own.
 */
export const setsKeyOf = (owner: string): string => `sluice-sets-${owner.replace(/^switch\//, '')}`

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

export const setsOf = (row: TypedRow | undefined, owner: string): readonly string[] => {
  const sets = row && mapOf(row.external_ids).get(setsKeyOf(owner))
  return typeof sets === 'string' ? sets.split(' ').filter(word => word !== '') : []
}

/** Names come from outside: `constructor` is in every object, but declared in none. */
export const has = (record: object, name: unknown): boolean => Object.hasOwn(record, String(name))
