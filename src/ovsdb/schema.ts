/** RFC 7047 section 3: what a server says that its tables and columns are. */
import { cut, isObject, show } from './rpc.js'

export const atomicTypes = ['integer', 'real', 'boolean', 'string', 'uuid'] as const
export type AtomicType = (typeof atomicTypes)[number]

/** A value of one column of one row that stands alone: section 3.1. UUIDs are strings. */
export type Atom = string | number | bigint | boolean

export interface BaseType {
  readonly type: AtomicType
  readonly enum?: readonly Atom[]
  /** Of integers and reals. */
  readonly minimum?: number | bigint
  readonly maximum?: number | bigint
  /** Of strings, in characters. */
  readonly minLength?: number
  readonly maxLength?: number
  readonly refTable?: string
  readonly refType?: 'strong' | 'weak'
}

export interface ColumnType {
  readonly key: BaseType
  /** Of maps. */
  readonly value?: BaseType
  readonly min: number
  /** Infinity: unlimited. */
  readonly max: number
}

/** How the values of a column look: one, one or none, several, several with keys. */
export type Shape = 'scalar' | 'optional' | 'set' | 'map'

export interface ColumnSchema {
  readonly name: string
  readonly table: string
  readonly type: ColumnType
  readonly shape: Shape
  readonly isEphemeral: boolean
  readonly isMutable: boolean
}

export interface TableSchema {
  readonly name: string
  readonly columns: ReadonlyMap<string, ColumnSchema>
  /** Infinity: as many as there are. */
  readonly maxRows: number
  /** Rows live without being referred to. */
  readonly isRoot: boolean
  readonly indexes: readonly (readonly string[])[]
}

export interface DatabaseSchema {
  readonly name: string
  readonly version: string
  readonly tables: ReadonlyMap<string, TableSchema>
}

/** The server's schema is none. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError'

  constructor(place: string, problem: string) {
    super(`${place}: ${problem}`)
  }
}

const identifier = /^[A-Za-z_][A-Za-z0-9_]{0,254}$/
const maxTables = 1_000
const maxColumns = 1_000

/** @throws {SchemaError} with the place */
export const readSchema = (json: unknown): DatabaseSchema => {
  if (!isObject(json)) throw new SchemaError('schema', 'not an object')
  const name = readName(json.name, 'schema.name')
  // Old schemas have none.
  const { version = '' } = json
  if (typeof version !== 'string') throw new SchemaError(`${name}.version`, 'not a string')
  if (!isObject(json.tables)) throw new SchemaError(`${name}.tables`, 'not an object')
  const entries = Object.entries(json.tables)
  if (entries.length > maxTables) throw new SchemaError(name, `more than ${maxTables} tables`)
  const hasRoots = entries.some(([, table]) => isObject(table) && table.isRoot !== undefined)
  const tables = new Map(
    entries.map(([table, value]) => [
      readName(table, `${name}.tables`),
      readTable(table, value, !hasRoots),
    ]),
  )
  for (const table of tables.values())
    for (const column of table.columns.values()) checkReferences(column, tables)
  return { name, version, tables }
}

const readName = (value: unknown, place: string): string => {
  if (typeof value === 'string' && identifier.test(value)) return value
  throw new SchemaError(place, `${show(value, 60)} is no identifier`)
}

/** In a schema that names no root at all, all tables are: section 3.2. */
const readTable = (name: string, json: unknown, isRootAnyway: boolean): TableSchema => {
  if (!isObject(json)) throw new SchemaError(name, 'not an object')
  if (!isObject(json.columns)) throw new SchemaError(`${name}.columns`, 'not an object')
  const entries = Object.entries(json.columns)
  if (entries.length > maxColumns) throw new SchemaError(name, `more than ${maxColumns} columns`)
  const columns = new Map<string, ColumnSchema>([
    ['_uuid', implicit(name, '_uuid')],
    ['_version', implicit(name, '_version')],
  ])
  for (const [column, value] of entries)
    columns.set(readName(column, name), readColumn(name, column, value))
  return {
    name,
    columns,
    maxRows: json.maxRows === undefined ? Number.POSITIVE_INFINITY : readCount(json.maxRows, name),
    isRoot: isRootAnyway || json.isRoot === true,
    indexes: readIndexes(json.indexes, name),
  }
}

const implicit = (table: string, name: string): ColumnSchema => ({
  name,
  table,
  type: { key: { type: 'uuid' }, min: 1, max: 1 },
  shape: 'scalar',
  isEphemeral: name === '_version',
  isMutable: false,
})

const readIndexes = (json: unknown, table: string): string[][] => {
  if (json === undefined) return []
  const isGood =
    Array.isArray(json) &&
    json.every(index => Array.isArray(index) && index.every(name => typeof name === 'string'))
  if (!isGood) throw new SchemaError(`${table}.indexes`, 'not arrays of column names')
  return json as string[][]
}

const readColumn = (table: string, name: string, json: unknown): ColumnSchema => {
  const place = `${table}.${name}`
  if (!isObject(json)) throw new SchemaError(place, 'not an object')
  const type = readType(json.type, place)
  return {
    name,
    table,
    type,
    shape: shapeOf(type),
    isEphemeral: json.ephemeral === true,
    isMutable: json.mutable !== false,
  }
}

const shapeOf = (type: ColumnType): Shape => {
  if (type.value !== undefined) return 'map'
  if (type.max > 1) return 'set'
  return type.min === 0 ? 'optional' : 'scalar'
}

const readType = (json: unknown, place: string): ColumnType => {
  if (!isObject(json)) return { key: readBase(json, place), min: 1, max: 1 }
  const key = readBase(json.key, place)
  const value = json.value === undefined ? undefined : readBase(json.value, place)
  const min = json.min === undefined ? 1 : readCount(json.min, `${place} min`)
  const max =
    json.max === undefined
      ? 1
      : json.max === 'unlimited'
        ? Number.POSITIVE_INFINITY
        : readCount(json.max, `${place} max`)
  if (min > 1 || max < 1 || min > max)
    throw new SchemaError(place, `min ${min} and max ${max}: min is 0 or 1, max at least 1`)
  return { key, ...(value && { value }), min, max }
}

const readCount = (value: unknown, place: string): number => {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new SchemaError(place, 'not a whole number')
}

const readBase = (json: unknown, place: string): BaseType => {
  const { type, ...rest } = isObject(json) ? json : { type: json }
  const known = atomicTypes.find(each => each === type)
  if (known === undefined)
    throw new SchemaError(
      place,
      `${show(type, 60)} is no type; there are ${atomicTypes.join(', ')}`,
    )
  const bounds = known === 'real' ? ['minReal', 'maxReal'] : ['minInteger', 'maxInteger']
  const number = (name: string) => optional(rest[name], isNumber, `${place} ${name}`)
  const minimum = number(bounds[0]!)
  const maximum = number(bounds[1]!)
  const minLength = optional(rest.minLength, isCount, `${place} minLength`)
  const maxLength = optional(rest.maxLength, isCount, `${place} maxLength`)
  const refTable = optional(rest.refTable, isText, `${place} refTable`)
  return {
    type: known,
    ...(rest.enum !== undefined && { enum: readEnum(rest.enum, known, place) }),
    ...(minimum !== undefined && { minimum }),
    ...(maximum !== undefined && { maximum }),
    ...(minLength !== undefined && { minLength }),
    ...(maxLength !== undefined && { maxLength }),
    ...(refTable !== undefined && { refTable }),
    ...(refTable !== undefined && { refType: rest.refType === 'weak' ? 'weak' : 'strong' }),
  }
}

const isNumber = (value: unknown): value is number | bigint =>
  typeof value === 'number' || typeof value === 'bigint'
const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
const isText = (value: unknown): value is string => typeof value === 'string'

const optional = <T>(
  value: unknown,
  isGood: (value: unknown) => value is T,
  place: string,
): T | undefined => {
  if (value === undefined || isGood(value)) return value
  throw new SchemaError(place, `${show(value, 60)} does not belong here`)
}

const jsTypes: Readonly<Record<AtomicType, readonly string[]>> = {
  integer: ['number', 'bigint'],
  real: ['number', 'bigint'],
  boolean: ['boolean'],
  string: ['string'],
  uuid: ['object'],
}

/** `["set", [...]]`, or one value alone. */
const readEnum = (json: unknown, type: AtomicType, place: string): Atom[] => {
  const isSet = Array.isArray(json) && json[0] === 'set' && Array.isArray(json[1])
  const values: unknown[] = isSet ? json[1] : [json]
  if (values.length === 0 || values.some(value => !jsTypes[type].includes(typeof value)))
    throw new SchemaError(`${place} enum`, `not values of type ${type}`)
  return values.map(value => (type === 'uuid' ? String((value as unknown[])[1]) : (value as Atom)))
}

const checkReferences = (column: ColumnSchema, tables: ReadonlyMap<string, TableSchema>): void => {
  for (const base of [column.type.key, column.type.value])
    if (base?.refTable !== undefined && !tables.has(base.refTable))
      throw new SchemaError(
        `${column.table}.${column.name}`,
        `refers to ${cut(base.refTable, 60)}, which is no table`,
      )
}

/** For people: `set of string (secure, standalone)`, `map of integer 0 to 4294967295 to Queue`. */
export const formatType = ({ key, value, min, max }: ColumnType): string => {
  const text = value ? `${formatBase(key)} to ${formatBase(value)}` : formatBase(key)
  if (value) return `map of ${text}${max === Number.POSITIVE_INFINITY ? '' : `, at most ${max}`}`
  if (max === 1) return min === 0 ? `optional ${text}` : text
  return `set of ${text}${min === 1 ? ', not empty' : ''}${max === Number.POSITIVE_INFINITY ? '' : `, at most ${max}`}`
}

const formatBase = (base: BaseType): string => {
  if (base.refTable !== undefined)
    return `${base.refType === 'weak' ? 'weak ' : ''}reference to ${base.refTable}`
  const allowed = formatAllowed(base)
  return allowed === '' ? base.type : `${base.type} (${allowed})`
}

/** What a base type allows beyond its type: `one of secure, standalone`, `0 to 4095`; empty for all. */
export const formatAllowed = (base: BaseType): string => {
  if (base.enum) return `one of ${base.enum.join(', ')}`
  const { minimum, maximum, minLength, maxLength } = base
  if (minimum !== undefined && maximum !== undefined) return `${minimum} to ${maximum}`
  if (minimum !== undefined) return `at least ${minimum}`
  if (maximum !== undefined) return `at most ${maximum}`
  if (minLength !== undefined && maxLength !== undefined)
    return `${minLength} to ${maxLength} characters`
  if (minLength !== undefined) return `at least ${minLength} characters`
  if (maxLength !== undefined) return `at most ${maxLength} characters`
  return ''
}
