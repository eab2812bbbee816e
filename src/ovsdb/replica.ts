/**
 * A copy of the monitored part of a database, kept by the updates of its server: RFC 7047 section 4.1.6,
 * `update2` and `update3` of ovsdb-server(7). An update counts whole or not at all.
 */

import {
  applyDifference,
  ColumnError,
  columnOf,
  type Datum,
  defaultDatum,
  isSameDatum,
  isUuid,
  readRow,
  type TypedRow,
} from './datum.js'
import type { Row, TableUpdates, TableUpdates2 } from './protocol.js'
import { ProtocolError } from './protocol.js'
import { cut, isObject } from './rpc.js'
import type { DatabaseSchema, TableSchema } from './schema.js'

export interface RowChange {
  readonly table: string
  readonly uuid: string
  /** Absent: the row is new. */
  readonly before?: TypedRow
  /** Absent: the row is gone. */
  readonly after?: TypedRow
}

export interface ReplicaLimits {
  readonly rows: number
  /** Characters and values of all rows, about octets. */
  readonly size: number
}

const defaultReplicaLimits: ReplicaLimits = { rows: 500_000, size: 256 * 1024 * 1024 }

/** Which columns are watched, by table; they are what a row of the copy has. */
export type Watched = Readonly<Record<string, readonly string[]>>

export const allColumns = (schema: DatabaseSchema): Watched =>
  Object.fromEntries(
    [...schema.tables].map(([name, table]) => [
      name,
      [...table.columns.keys()].filter(column => !column.startsWith('_')),
    ]),
  )

/** Those of the wish that this server has: older and newer ones differ. */
export const columnsThere = (schema: DatabaseSchema, wish: Watched): Watched =>
  Object.fromEntries(
    Object.entries(wish).flatMap(([name, columns]) => {
      const table = schema.tables.get(name)
      return table ? [[name, columns.filter(column => table.columns.has(column))]] : []
    }),
  )

export class Replica {
  readonly schema: DatabaseSchema
  readonly watched: Watched
  readonly #limits: ReplicaLimits
  readonly #tables = new Map<string, Map<string, TypedRow>>()
  readonly #sizes = new WeakMap<TypedRow, number>()
  #rowCount = 0
  #size = 0

  constructor(schema: DatabaseSchema, watched: Watched, limits = defaultReplicaLimits) {
    this.schema = schema
    this.watched = watched
    this.#limits = limits
    for (const name of Object.keys(watched)) this.#tables.set(name, new Map())
  }

  get rowCount(): number {
    return this.#rowCount
  }

  /** Rows by UUID; empty for a table that is not watched. */
  table(name: string): ReadonlyMap<string, TypedRow> {
    return this.#tables.get(name) ?? none
  }

  row(table: string, uuid: unknown): TypedRow | undefined {
    return typeof uuid === 'string' ? this.#tables.get(table)?.get(uuid) : undefined
  }

  /** @throws {ProtocolError} when the update makes no sense; nothing is changed then */
  update(updates: TableUpdates): readonly RowChange[] {
    return this.#apply(updates, (table, before, update) => this.#whole(table, before, update))
  }

  /** The same for `update2` and `update3`. @throws {ProtocolError} */
  update2(updates: TableUpdates2): readonly RowChange[] {
    return this.#apply(updates, (table, before, update) => this.#difference(table, before, update))
  }

  /** What is there now is all there is: rows that are not among them are gone. @throws {ProtocolError} */
  replace(updates: TableUpdates | TableUpdates2): readonly RowChange[] {
    const changes = this.#changes(updates, (table, _, update) =>
      'new' in update
        ? this.#whole(table, undefined, update)
        : this.#difference(table, undefined, update),
    )
    const kept = new Set(changes.map(change => `${change.table} ${change.uuid}`))
    const gone = [...this.#tables].flatMap(([table, rows]) =>
      [...rows]
        .filter(([uuid]) => !kept.has(`${table} ${uuid}`))
        .map(([uuid, before]) => ({ table, uuid, before })),
    )
    return this.#commit([...gone, ...changes])
  }

  #apply(updates: object, next: NextRow): readonly RowChange[] {
    return this.#commit(this.#changes(updates, next))
  }

  #changes(updates: object, next: NextRow): RowChange[] {
    const changes: RowChange[] = []
    for (const [name, rows] of Object.entries(updates)) {
      const table = this.#tables.has(name) ? this.schema.tables.get(name) : undefined
      if (table === undefined)
        throw new ProtocolError(`an update of ${cut(name, 60)}, which is not watched`)
      for (const [key, update] of Object.entries(rows as Record<string, unknown>)) {
        const uuid = key.toLowerCase()
        if (!isUuid(uuid) || !isObject(update))
          throw new ProtocolError(`an update of ${name} ${cut(key, 60)}, which is no row`)
        const before = this.#tables.get(name)!.get(uuid)
        const after = asProtocol(() => next(table, before, update))
        if (before === undefined && after === undefined) continue
        changes.push({ table: name, uuid, ...(before && { before }), ...(after && { after }) })
      }
    }
    return changes
  }

  #commit(changes: readonly RowChange[]): readonly RowChange[] {
    const real = changes.filter(({ before, after }) => !isSameRow(before, after))
    let rows = this.#rowCount
    let size = this.#size
    for (const { before, after } of real) {
      rows += (after ? 1 : 0) - (before ? 1 : 0)
      size += this.#sizeOf(after) - this.#sizeOf(before)
    }
    if (rows > this.#limits.rows) throw new ProtocolError(`more than ${this.#limits.rows} rows`)
    if (size > this.#limits.size)
      throw new ProtocolError(`rows of more than ${this.#limits.size} octets`)
    this.#rowCount = rows
    this.#size = size
    for (const { table, uuid, after } of real)
      if (after) this.#tables.get(table)!.set(uuid, after)
      else this.#tables.get(table)!.delete(uuid)
    return real
  }

  #sizeOf(row: TypedRow | undefined): number {
    if (row === undefined) return 0
    const known = this.#sizes.get(row)
    if (known !== undefined) return known
    const size = Object.values(row).reduce<number>((sum, datum) => sum + datumSize(datum), 64)
    this.#sizes.set(row, size)
    return size
  }

  /** `update`: whole rows of what is watched. */
  #whole(table: TableSchema, _: unknown, update: Record<string, unknown>): TypedRow | undefined {
    if (update.new === undefined || update.new === null) return undefined
    if (!isObject(update.new)) throw new ProtocolError(`a row of ${table.name} that is none`)
    return this.#filled(table, update.new as Row)
  }

  /** `update2`: a row that is new, without columns at their default, or what differs in one that is known. */
  #difference(
    table: TableSchema,
    before: TypedRow | undefined,
    update: Record<string, unknown>,
  ): TypedRow | undefined {
    if ('delete' in update) return undefined
    const whole = update.initial ?? update.insert
    if (isObject(whole)) return this.#filled(table, whole as Row)
    if (!isObject(update.modify))
      throw new ProtocolError(`an update of ${table.name} that is neither of the four`)
    if (before === undefined)
      throw new ProtocolError(`a change of a row of ${table.name} that was never seen`)
    const after = Object.assign(Object.create(null) as Record<string, Datum>, before)
    for (const [name, difference] of Object.entries(update.modify)) {
      const column = columnOf(table, name)
      after[name] = applyDifference(column, before[name] ?? defaultDatum(column), difference)
    }
    return Object.freeze(after)
  }

  #filled(table: TableSchema, row: Row): TypedRow {
    const filled = Object.create(null) as Record<string, Datum>
    for (const name of this.watched[table.name] ?? [])
      filled[name] = defaultDatum(columnOf(table, name))
    return Object.freeze(Object.assign(filled, readRow(table, row)))
  }
}

type NextRow = (
  table: TableSchema,
  before: TypedRow | undefined,
  update: Record<string, unknown>,
) => TypedRow | undefined

const none: ReadonlyMap<string, TypedRow> = new Map()

/** A value outside of the server's own schema is a breach of the protocol. */
const asProtocol = <T>(run: () => T): T => {
  try {
    return run()
  } catch (error) {
    if (error instanceof ColumnError) throw new ProtocolError(error.message, { cause: error })
    throw error
  }
}

const isSameRow = (a: TypedRow | undefined, b: TypedRow | undefined): boolean => {
  if (a === undefined || b === undefined) return a === b
  const names = Object.keys(a)
  return (
    names.length === Object.keys(b).length && names.every(name => isSameDatum(a[name], b[name]))
  )
}

const datumSize = (datum: Datum): number => {
  if (typeof datum === 'string') return 16 + datum.length
  if (datum instanceof Map)
    return [...datum].reduce((sum, [key, value]) => sum + datumSize(key) + datumSize(value), 64)
  if (Array.isArray(datum))
    return (datum as readonly Datum[]).reduce<number>((sum, each) => sum + datumSize(each), 32)
  return 8
}
