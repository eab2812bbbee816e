/** Table features as `ofp-print` writes them: equal tables are said once. */

import type { ReceivedOf } from '../messages/index.js'
import { findField } from '../oxm.js'
import { toHex } from '../wire/codecs.js'
import { formatFieldSet } from './format-field-set.js'
import { hex } from './format-match.js'

type TableStats = ReceivedOf<'table-stats-reply'>['entries'][number]
type TableFeatures = ReceivedOf<'table-features-reply'>['entries'][number]

const isSameStats = (a: TableStats | undefined, b: TableStats): boolean =>
  a !== undefined &&
  a.activeCount === b.activeCount &&
  a.lookupCount === b.lookupCount &&
  a.matchedCount === b.matchedCount

export const formatTableStats = (entries: readonly TableStats[]): string =>
  withDittos(
    entries,
    isSameStats,
    ({ tableId }) => String(tableId),
    entry =>
      `  table ${entry.tableId}:\n    active=${entry.activeCount}, lookup=${entry.lookupCount}, matched=${entry.matchedCount}`,
  )

/** Entries that are as the one before them are told together. */
const withDittos = <T extends { readonly tableId: number }>(
  entries: readonly T[],
  isSame: (before: T | undefined, entry: T) => boolean,
  title: (entry: T) => string,
  format: (entry: T) => string,
): string => {
  const parts: string[] = []
  for (let at = 0; at < entries.length; ) {
    const entry = entries[at]!
    if (!isSame(entries[at - 1], entry)) {
      parts.push(`${at > 0 ? '\n' : ''}\n${format(entry)}`)
      at++
      continue
    }
    let last = at
    while (last + 1 < entries.length && isSame(entries[last], entries[last + 1]!)) last++
    parts.push(`\n${formatDittos(entries.slice(at, last + 1), title)}`)
    at = last + 1
  }
  return parts.join('')
}

/** Tables without a name stand in one line. */
const formatDittos = <T extends { readonly tableId: number }>(
  entries: readonly T[],
  title: (entry: T) => string,
): string => {
  const first = entries[0]!.tableId
  const isUnnamed = entries.every(entry => title(entry) === String(entry.tableId))
  if (!isUnnamed) return entries.map(entry => `\n  table ${title(entry)}: ditto`).join('')
  return entries.length === 1
    ? `\n  table ${first}: ditto`
    : `\n  tables ${first}...${entries.at(-1)!.tableId}: ditto`
}

const propertyOf = ({ properties }: TableFeatures, type: number): Uint8Array | undefined =>
  properties.find(property => property.type === type)?.data

/** Two tables of one description differ in nothing but number and name. */
const sameness = (entry: TableFeatures): string =>
  JSON.stringify([
    ...[entry.metadataMatch, entry.metadataWrite].map(String),
    entry.maxEntries,
    ...entry.properties
      .filter(({ type }) => type !== 2 && type !== 3 && type < 0xfffe)
      .map(({ type, data }) => `${type}:${toHex(data)}`),
    ...nextTables(propertyOf(entry, 2), entry.tableId),
  ])

/** All tables behind this one are the usual thing, whatever this one's number is. */
const nextTables = (data: Uint8Array | undefined, tableId: number): string[] => {
  const list = [...(data ?? [])]
  const isUsual =
    list.length > 0 && list[0] === tableId + 1 && list.every((id, index) => id === list[0]! + index)
  return isUsual && list.at(-1)! >= 253 ? ['all behind'] : [list.join(',')]
}

const ranges = (list: readonly number[]): string => {
  const parts: string[] = []
  for (let at = 0; at < list.length; ) {
    let end = at
    while (list[end + 1] === list[end]! + 1) end++
    parts.push(end > at ? `${list[at]}-${list[end]}` : `${list[at]}`)
    at = end + 1
  }
  return parts.join(',')
}

// biome-ignore format: a table
const instructionNames: readonly (readonly [number, string])[] = [
  [6, 'meter'], [4, 'apply_actions'], [5, 'clear_actions'], [3, 'write_actions'], [2, 'write_metadata'], [1, 'goto_table'],
]

// biome-ignore format: a table
const actionNames: Readonly<Record<number, string>> = {
  0: 'output', 22: 'group', 25: 'set_field', 18: 'strip_vlan', 17: 'push_vlan', 23: 'mod_nw_ttl', 24: 'dec_ttl',
  15: 'set_mpls_ttl', 16: 'dec_mpls_ttl', 19: 'push_mpls', 20: 'pop_mpls', 21: 'set_queue',
}
const actionOrder = [0, 22, 25, 18, 17, 23, 24, 15, 16, 19, 20, 21]

/** Names of a bitmap of action types, in the order of Open vSwitch. */
export const formatActionBitmap = (bitmap: number): string =>
  actionOrder
    .filter(type => (bitmap >>> type) & 1)
    .map(type => actionNames[type])
    .join(' ') || '<none>'

const idsOf = (data: Uint8Array | undefined): number[] => {
  const ids: number[] = []
  for (let at = 0; data && at + 4 <= data.length; ) {
    ids.push((data[at]! << 8) | data[at + 1]!)
    at += Math.max(4, (data[at + 2]! << 8) | data[at + 3]!)
  }
  return ids
}

const bitmapOf = (ids: readonly number[]): number =>
  ids.reduce((bitmap, id) => (id < 32 ? bitmap | (1 << id) : bitmap), 0) >>> 0

interface ListedField {
  readonly name: string
  readonly isMasked: boolean
}

/** What `ovs-ofctl` calls fields, where that is not our name. */
// biome-ignore format: a table
const listedNames: Readonly<Record<string, string>> = {
  in_port: 'in_port_oxm', in_port16: 'in_port', ip_ecn: 'nw_ecn', ip_proto: 'nw_proto',
}

const listedFields = (data: Uint8Array | undefined): ListedField[] => {
  const found: ListedField[] = []
  for (let at = 0; data && at + 4 <= data.length; at += 4) {
    const isMasked = (data[at + 2]! & 1) === 1
    let size = data[at + 3]!
    let oxmClass = (data[at]! << 8) | data[at + 1]!
    if (oxmClass === 0xffff && at + 8 <= data.length) {
      oxmClass = 2 ** 32 + new DataView(data.buffer, data.byteOffset).getUint32(at + 4)
      size -= 4
    }
    const field = findField(oxmClass, data[at + 2]! >>> 1)
    if (oxmClass > 0xffff) at += 4
    if (field && (field.isVariable || size === (isMasked ? 2 : 1) * field.size))
      found.push({ name: listedNames[field.name] ?? field.name, isMasked })
  }
  return found
}

/** What may be matched: under any mask, wholly or not at all, or always. */
const matchingLines = (entry: TableFeatures): string[] => {
  const matched = listedFields(propertyOf(entry, 8))
  const optional = new Set(listedFields(propertyOf(entry, 10)).map(({ name }) => name))
  const line = (title: string, chosen: readonly ListedField[]): string[] =>
    chosen.length === 0 ? [] : [`      ${title}: ${formatFieldSet(chosen.map(({ name }) => name))}`]
  const exact = matched.filter(({ isMasked }) => !isMasked)
  const lines = [
    ...line(
      'arbitrary mask',
      matched.filter(({ isMasked }) => isMasked),
    ),
    ...line(
      'exact match or wildcard',
      exact.filter(({ name }) => optional.has(name)),
    ),
    ...line(
      'must exact match',
      exact.filter(({ name }) => !optional.has(name)),
    ),
  ]
  return lines.length === 0 ? [] : ['    matching:', ...lines]
}

const titleOf = ({ tableId, name }: TableFeatures): string =>
  name === '' ? String(tableId) : `${tableId} ("${name}")`

const formatFeatures = (entry: TableFeatures): string => {
  const next = [...(propertyOf(entry, 2) ?? [])]
  const instructions = idsOf(propertyOf(entry, 0))
  const lines = [
    `  table ${titleOf(entry)}:`,
    `    metadata: match=${hex(entry.metadataMatch)} write=${hex(entry.metadataWrite)}`,
    ...(entry.maxEntries === 0 ? [] : [`    max_entries=${entry.maxEntries}`]),
    '    instructions (table miss and others):',
    ...(next.length > 0 ? [`      next tables: ${ranges(next)}`] : []),
    `      instructions: ${instructionNames
      .filter(([type]) => instructions.includes(type))
      .map(([, name]) => name)
      .join(' ')}`,
    '      Write-Actions and Apply-Actions features:',
    `        actions: ${formatActionBitmap(bitmapOf(idsOf(propertyOf(entry, 4))))}`,
  ]
  const settable = listedFields(propertyOf(entry, 12)).map(({ name }) => name)
  if (settable.length > 0) lines.push(`        supported on Set-Field: ${formatFieldSet(settable)}`)
  return [...lines, ...matchingLines(entry)].join('\n')
}

export const formatTableFeatures = (entries: readonly TableFeatures[]): string =>
  withDittos(
    entries,
    (before, entry) => before !== undefined && sameness(before) === sameness(entry),
    titleOf,
    formatFeatures,
  )
