/** Table features as `ofp-print` writes them: equal tables are said once. */
import type { ReceivedOf } from '../messages/index.js'
import { findField } from '../oxm.js'
import { toHex } from '../wire/codecs.js'

type TableStats = ReceivedOf<'table-stats-reply'>['entries'][number]
type TableFeatures = ReceivedOf<'table-features-reply'>['entries'][number]

const isSameStats = (a: TableStats | undefined, b: TableStats): boolean =>
  a !== undefined &&
  a.activeCount === b.activeCount &&
  a.lookupCount === b.lookupCount &&
  a.matchedCount === b.matchedCount

export const formatTableStats = (entries: readonly TableStats[]): string =>
  entries
    .map((entry, index) =>
      isSameStats(entries[index - 1], entry)
        ? `\n  table ${entry.tableId}: ditto`
        : `\n  table ${entry.tableId}:\n    active=${entry.activeCount}, lookup=${entry.lookupCount}, matched=${entry.matchedCount}`,
    )
    .join('\n')

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

const fieldNames = (data: Uint8Array | undefined): string[] => {
  const found: string[] = []
  for (let at = 0; data && at + 4 <= data.length; at += 4) {
    const field = findField((data[at]! << 8) | data[at + 1]!, data[at + 2]! >>> 1)
    if (field && data[at + 3] === field.size) found.push(field.name)
  }
  return found
}

const formatFeatures = (entry: TableFeatures): string => {
  const next = [...(propertyOf(entry, 2) ?? [])]
  const instructions = idsOf(propertyOf(entry, 0))
  const lines = [
    `  table ${entry.tableId} ("${entry.name}"):`,
    `    metadata: match=0x${entry.metadataMatch.toString(16)} write=0x${entry.metadataWrite.toString(16)}`,
    `    max_entries=${entry.maxEntries}`,
    '    instructions (table miss and others):',
    ...(next.length > 0 ? [`      next tables: ${ranges(next)}`] : []),
    `      instructions: ${instructionNames
      .filter(([type]) => instructions.includes(type))
      .map(([, name]) => name)
      .join(' ')}`,
    '      Write-Actions and Apply-Actions features:',
    `        actions: ${formatActionBitmap(bitmapOf(idsOf(propertyOf(entry, 4))))}`,
  ]
  const settable = fieldNames(propertyOf(entry, 12))
  if (settable.length > 0) lines.push(`        supported on Set-Field: ${settable.join(' ')}`)
  const matched = fieldNames(propertyOf(entry, 8))
  if (matched.length > 0) lines.push('    matching:', ...matched.map(name => `      ${name}`))
  return lines.join('\n')
}

export const formatTableFeatures = (entries: readonly TableFeatures[]): string =>
  entries
    .map((entry, index) => {
      const before = entries[index - 1]
      if (before && sameness(before) === sameness(entry))
        return `${index === 1 || sameness(entries[index - 2]!) !== sameness(before) ? '\n' : ''}\n  table ${entry.tableId} ("${entry.name}"): ditto`
      return `${index > 0 ? '\n' : ''}\n${formatFeatures(entry)}`
    })
    .join('')
