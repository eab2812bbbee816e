/**
 * Values of columns, RFC 7047 section 5.1: from the notation of the wire to typed ones and back, checked
 * against the schema. Every complaint is `Table.column: what is wrong (what is allowed)`.
 *
 *     column             wire                                   typed
 *     one value          "x"                                    'x'
 *     one or none        ["set", []]                            undefined
 *     a set              ["set", ["a", "b"]], or "a" for one    ['a', 'b'], sorted
 *     a map              ["map", [["k", "v"]]]                  Map { 'k' => 'v' }
 *     a reference        ["uuid", "..."]                        '...'
 *     to a row being     ["named-uuid", "row1"]                 { named: 'row1' }
 *     inserted
 */
import { formatJson } from './json.js'
import type { Row, Value } from './protocol.js'
import { cut } from './rpc.js'
import {
  type Atom,
  type BaseType,
  type ColumnSchema,
  type ColumnType,
  formatAllowed,
  formatType,
  type TableSchema,
} from './schema.js'

/** A row that the same transaction inserts, by its `uuid-name`. */
export interface NamedRow {
  readonly named: string
}
export type Datum =
  | Atom
  | NamedRow
  | undefined
  | readonly (Atom | NamedRow)[]
  | ReadonlyMap<Atom, Atom | NamedRow>

/** Columns by name; without a prototype, so that no name of a server means anything else. */
export type TypedRow = Readonly<Record<string, Datum>>

/** A value does not fit its column. */
export class ColumnError extends Error {
  override readonly name = 'ColumnError'
  /** `Table.column` */
  readonly place: string

  constructor(place: string, problem: string, allowed: string) {
    super(`${place}: ${problem}${allowed === '' ? '' : ` (allowed: ${allowed})`}`)
    this.place = place
  }
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const namePattern = /^[A-Za-z_][A-Za-z0-9_]*$/
export const isUuid = (text: string): boolean => uuidPattern.test(text)

const placeOf = (column: ColumnSchema): string => `${column.table}.${column.name}`

/** @throws {ColumnError} when there is no such column */
export const columnOf = (table: TableSchema, name: string): ColumnSchema => {
  const column = table.columns.get(name)
  if (column !== undefined) return column
  throw new ColumnError(
    `${table.name}.${cut(name, 60)}`,
    'there is no such column',
    [...table.columns.keys()].filter(each => !each.startsWith('_')).join(', '),
  )
}

/** @throws {ColumnError} */
export const readRow = (table: TableSchema, row: Row): TypedRow => {
  const typed: Record<string, Datum> = Object.create(null) as Record<string, Datum>
  for (const [name, value] of Object.entries(row))
    typed[name] = readDatum(columnOf(table, name), value)
  return Object.freeze(typed)
}

/** @throws {ColumnError} */
export const writeRow = (table: TableSchema, row: TypedRow): Row =>
  Object.fromEntries(
    Object.entries(row).map(([name, datum]) => [name, writeDatum(columnOf(table, name), datum)]),
  )

/** @throws {ColumnError} */
export const readDatum = (column: ColumnSchema, value: unknown): Datum => {
  const { type } = column
  const fail = (problem: string, allowed = formatType(type)) =>
    new ColumnError(placeOf(column), problem, allowed)
  if (type.value !== undefined) return readMap(column, value, fail)
  const atoms = membersOf(value, 'set', fail)
  checkLength(type, atoms.length, fail)
  const read = atoms.map(atom => readAtom(type.key, atom, fail))
  if (column.shape !== 'set') return read[0]
  const sorted = read.sort(compareAtoms)
  if (sorted.some((atom, at) => at > 0 && compareAtoms(sorted[at - 1]!, atom) === 0))
    throw fail('the set holds a value twice')
  return Object.freeze(sorted)
}

type Fail = (problem: string, allowed?: string) => ColumnError

/** `["set", [...]]`, or one value without it. */
const membersOf = (value: unknown, tag: 'set' | 'map', fail: Fail): readonly unknown[] => {
  const isTagged = Array.isArray(value) && (value[0] === 'set' || value[0] === 'map')
  if (!isTagged) {
    if (tag === 'map') throw fail(`${show(value)} is no map`)
    return [value]
  }
  if (value[0] !== tag || value.length !== 2 || !Array.isArray(value[1]))
    throw fail(`${show(value)} is no ${tag}`)
  return value[1] as unknown[]
}

const readMap = (column: ColumnSchema, value: unknown, fail: Fail): Datum => {
  const { type } = column
  const pairs = membersOf(value, 'map', fail).map((pair): [Atom, Atom | NamedRow] => {
    if (!Array.isArray(pair) || pair.length !== 2) throw fail(`${show(pair)} is no pair`)
    const key = readAtom(type.key, pair[0], fail)
    if (typeof key === 'object') throw fail('a key of a map that is no value')
    return [key, readAtom(type.value!, pair[1], fail)]
  })
  checkLength(type, pairs.length, fail)
  const map = new Map(pairs.sort(([a], [b]) => compareAtoms(a, b)))
  if (map.size !== pairs.length) throw fail('the map holds a key twice')
  return map
}

const checkLength = (type: ColumnType, length: number, fail: Fail): void => {
  if (length < type.min) throw fail('a value is needed')
  if (length > type.max) throw fail(`${length} values`)
}

const readAtom = (base: BaseType, value: unknown, fail: Fail): Atom | NamedRow => {
  if (base.type === 'uuid') return readUuid(value, fail)
  const isGood =
    base.type === 'integer'
      ? typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))
      : base.type === 'real'
        ? (typeof value === 'number' && Number.isFinite(value)) || typeof value === 'bigint'
        : typeof value === base.type
  if (!isGood) throw fail(`${show(value)} is no ${base.type}`)
  const atom = value as Atom
  if (typeof atom === 'bigint' && BigInt.asIntN(64, atom) !== atom)
    throw fail(`${atom} has more than 64 bits`)
  checkAtom(base, atom, fail)
  return atom
}

const readUuid = (value: unknown, fail: Fail): Atom | NamedRow => {
  const [tag, text] = Array.isArray(value) && value.length === 2 ? value : []
  if (tag === 'uuid' && typeof text === 'string' && uuidPattern.test(text))
    return text.toLowerCase()
  if (tag === 'named-uuid' && typeof text === 'string' && namePattern.test(text))
    return { named: text }
  throw fail(`${show(value)} is no uuid`)
}

/** Enumerations, ranges and lengths: section 3.2, base types. */
const checkAtom = (base: BaseType, atom: Atom, fail: Fail): void => {
  const refuse = () => fail(`${show(atom)} is not allowed`, formatAllowed(base))
  if (base.enum && !base.enum.some(each => each === atom)) throw refuse()
  if (typeof atom === 'number' || typeof atom === 'bigint') {
    if (base.minimum !== undefined && atom < base.minimum) throw refuse()
    if (base.maximum !== undefined && atom > base.maximum) throw refuse()
  }
  if (typeof atom === 'string' && (base.minLength !== undefined || base.maxLength !== undefined)) {
    const length = [...atom].length
    if (length < (base.minLength ?? 0)) throw refuse()
    if (length > (base.maxLength ?? Number.POSITIVE_INFINITY)) throw refuse()
  }
}

/** As in JSON, so that 7 and "7" differ. */
const show = (value: unknown): string =>
  cut(value === undefined ? 'nothing' : formatJson(value), 80)

/** @throws {ColumnError} */
export const writeDatum = (column: ColumnSchema, datum: Datum): Value => {
  const value = rawDatum(column, datum)
  // What is written is read again: one set of checks, and they are the ones that a reader makes.
  readDatum(column, value)
  return value
}

const rawDatum = (column: ColumnSchema, datum: Datum): Value => {
  const { key, value } = column.type
  if (datum instanceof Map) {
    if (value === undefined)
      throw new ColumnError(placeOf(column), 'a map', formatType(column.type))
    return ['map', [...datum].map(([k, v]) => [writeAtom(key, k), writeAtom(value, v)] as const)]
  }
  if (Array.isArray(datum)) {
    const atoms = [...(datum as readonly (Atom | NamedRow)[])].sort(compareAtoms)
    const written = atoms.map(atom => writeAtom(key, atom))
    return written.length === 1 ? written[0]! : ['set', written]
  }
  if (datum === undefined) return value === undefined ? ['set', []] : ['map', []]
  return writeAtom(key, datum as Atom | NamedRow)
}

const writeAtom = (base: BaseType, atom: Atom | NamedRow): Value => {
  if (typeof atom === 'object') return ['named-uuid', atom.named]
  return base.type === 'uuid' ? ['uuid', String(atom)] : atom
}

/** What a column holds that nobody gave a value: section 5.2.1. */
export const defaultDatum = (column: ColumnSchema): Datum => {
  if (column.shape === 'map') return emptyMap
  if (column.shape === 'set' && column.type.min === 0) return emptySet
  if (column.shape === 'optional') return undefined
  const zero = zeros[column.type.key.type]
  return column.shape === 'set' ? Object.freeze([zero]) : zero
}

const emptyMap: ReadonlyMap<Atom, Atom> = new Map()
const emptySet: readonly Atom[] = Object.freeze([])
const zeros = {
  integer: 0,
  real: 0,
  boolean: false,
  string: '',
  uuid: '00000000-0000-0000-0000-000000000000',
} as const

/** An order of atoms of one type; rows to come are behind those that are there. */
export const compareAtoms = (a: Atom | NamedRow, b: Atom | NamedRow): number => {
  if (typeof a === 'object' || typeof b === 'object') {
    const [left, right] = [a, b].map(each => (typeof each === 'object' ? `~${each.named}` : ''))
    return left! < right! ? -1 : left! > right! ? 1 : 0
  }
  return a < b ? -1 : a > b ? 1 : 0
}

export const isSameDatum = (a: Datum, b: Datum): boolean => {
  if (a === b) return true
  if (a instanceof Map && b instanceof Map)
    return a.size === b.size && [...a].every(([key, value]) => isSameDatum(b.get(key), value))
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((atom, at) => isSameDatum(atom, b[at] as Datum))
  if (isNamed(a) && isNamed(b)) return a.named === b.named
  return false
}

const isNamed = (datum: Datum): datum is NamedRow => typeof datum === 'object' && 'named' in datum

/**
 * A value after a difference of `update2`, ovsdb-server(7): a single value is replaced; of a set, members
 * that are in it leave and others enter; of a map, a pair that is in it leaves, another value replaces.
 *
 * @throws {ColumnError}
 */
export const applyDifference = (column: ColumnSchema, old: Datum, difference: unknown): Datum => {
  const { type } = column
  if (type.max === 1) return readDatum(column, difference)
  // The difference itself may hold more or fewer values than the column allows.
  const loose = { ...column, type: { ...type, min: 0, max: Number.POSITIVE_INFINITY } }
  const change = readDatum(loose, difference)
  if (change instanceof Map) {
    const next = new Map(old as ReadonlyMap<Atom, Atom | NamedRow>)
    for (const [key, value] of change)
      if (next.has(key) && isSameDatum(next.get(key), value)) next.delete(key)
      else next.set(key, value)
    return new Map([...next].sort(([a], [b]) => compareAtoms(a, b)))
  }
  const before = new Set(old as readonly Atom[])
  for (const atom of change as readonly Atom[]) if (!before.delete(atom)) before.add(atom)
  return Object.freeze([...before].sort(compareAtoms))
}
