/** Rows for people, in the notation of `ovs-vsctl list` and `ovsdb-client dump`. */
import { type Datum, isUuid, type NamedRow } from '../datum.js'
import type { Atom, ColumnSchema } from '../schema.js'

/** A word that Open vSwitch's tools take without quotes. */
const plain = /^[A-Za-z_][A-Za-z0-9_.-]*$/

const formatAtom = (atom: Atom | NamedRow, isReference: boolean): string => {
  if (typeof atom === 'object') return atom.named
  if (typeof atom !== 'string' || isReference) return String(atom)
  const isPlain = plain.test(atom) && atom !== 'true' && atom !== 'false' && !isUuid(atom)
  return isPlain ? atom : JSON.stringify(atom)
}

/** `secure`, `"10.0.0.1"`, `[a, b]`, `{k=v}`; what is optional and absent is `[]`. */
export const formatDatum = (column: ColumnSchema, datum: Datum): string => {
  const { key, value } = column.type
  const isReference = key.type === 'uuid'
  if (datum instanceof Map)
    return `{${[...datum]
      .map(([k, v]) => `${formatAtom(k, isReference)}=${formatAtom(v, value?.type === 'uuid')}`)
      .join(', ')}}`
  if (Array.isArray(datum))
    return `[${(datum as readonly (Atom | NamedRow)[]).map(each => formatAtom(each, isReference)).join(', ')}]`
  if (datum === undefined) return '[]'
  return formatAtom(datum as Atom | NamedRow, isReference)
}

/** Headings, dashes, rows; aligned, without blanks at the end. */
export const formatTable = (
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): string => {
  const widths = headings.map((heading, at) =>
    rows.reduce((widest, row) => Math.max(widest, row[at]?.length ?? 0), heading.length),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join(' ')
      .trimEnd()
  return [headings, widths.map(width => '-'.repeat(width)), ...rows].map(line).join('\n')
}

/** One column a line, rows apart, as `ovs-vsctl list` prints them. */
export const formatList = (
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): string =>
  rows
    .map(row => headings.map((heading, at) => `${heading.padEnd(20)}: ${row[at]}`).join('\n'))
    .join('\n\n')
