/** Rows brought to what is declared, by the fewest operations: what is right is not touched. */
import {
  columnOf,
  type Datum,
  defaultDatum,
  isSameDatum,
  type TypedRow,
  writeDatum,
} from '../../ovsdb/datum.js'
import type { Mutation, Operation, Row, Value } from '../../ovsdb/protocol.js'
import type { Replica } from '../../ovsdb/replica.js'
import type { Atom } from '../../ovsdb/schema.js'
import { NameIndex } from './name-index.js'
import {
  listOf,
  mapOf,
  nameKey,
  ownerKey,
  ownerOf,
  type Pairs,
  type Ref,
  setsKeyOf,
  setsOf,
} from './tables.js'

export interface RowWish {
  /** Whole values of columns. */
  readonly values?: Readonly<Record<string, Datum>>
  /** Pairs of columns that are maps; other pairs in them are somebody else's. */
  readonly pairs?: Readonly<Record<string, Pairs>>
  /** Only said when the row is made: what identifies it, and references that are kept apart. */
  readonly initial?: Readonly<Record<string, Datum>>
  /** `sluice-name`, where rows have no name of their own. */
  readonly name?: string
}

/** Something declared that this switch cannot do, or that would hurt what is not ours. */
export interface Objection {
  /** Such as `port p1`. */
  readonly part: string
  readonly reason: string
  /** The part is there, without something. */
  readonly isPartial?: boolean
}

/** Setting these on a live bridge disturbs traffic: they are never taken back, so nobody remembers who set them. */
const kept = ['Bridge.fail_mode', 'Bridge.datapath_type', 'Bridge.other_config:datapath-id']

export class RowWriter {
  readonly replica: Replica
  readonly names: NameIndex
  readonly owner: string
  readonly operations: Operation[] = []
  readonly objections: Objection[] = []
  #nameCount = 0

  constructor(replica: Replica, owner: string) {
    this.replica = replica
    this.names = new NameIndex(replica)
    this.owner = owner
  }

  object(part: string, reason: string, isPartial = false): void {
    this.objections.push({ part, reason, ...(isPartial && { isPartial }) })
  }

  /** A new row of ours, or the one that is there with what differs put right; how others refer to it. */
  put(part: string, table: string, uuid: string | undefined, wish: RowWish): Ref {
    const fitting = this.#fitting(part, table, wish)
    const row = this.replica.row(table, uuid)
    if (uuid === undefined || row === undefined) return this.#insert(table, fitting)
    this.#adjust(table, uuid, row, fitting)
    return uuid
  }

  /** Takes back what we set in a row that is declared no more. */
  release(part: string, table: string, uuid: string): void {
    const row = this.replica.row(table, uuid)
    if (row && setsOf(row, this.owner).length > 0)
      this.#adjust(table, uuid, row, this.#fitting(part, table, {}))
  }

  mutate(table: string, uuid: Ref | undefined, mutations: readonly Mutation[]): void {
    if (mutations.length === 0) return
    const last = this.operations.at(-1)
    const where = uuid === undefined ? [] : [['_uuid', '==', refValue(uuid)] as const]
    // Mutations of one row in a row are one operation.
    if (last?.op === 'mutate' && last.table === table && isSameWhere(last.where, where))
      this.operations[this.operations.length - 1] = {
        ...last,
        mutations: [...last.mutations, ...mutations],
      }
    else this.operations.push({ op: 'mutate', table, where, mutations })
  }

  delete(table: string, uuid: string): void {
    this.operations.push({ op: 'delete', table, where: [['_uuid', '==', ['uuid', uuid]]] })
  }

  /** Without columns that an older or newer server has not. */
  #fitting(part: string, table: string, wish: RowWish): Required<Omit<RowWish, 'name'>> & RowWish {
    const columns = this.replica.schema.tables.get(table)?.columns
    const only = <T>(record: Readonly<Record<string, T>> = {}): Record<string, T> =>
      Object.fromEntries(
        Object.entries(record).filter(([column]) => {
          const isThere = columns?.has(column) ?? false
          if (!isThere)
            this.object(
              part,
              `this Open vSwitch has no column ${column} in its table ${table}`,
              true,
            )
          return isThere
        }),
      )
    return {
      ...wish,
      values: only(wish.values),
      pairs: only(wish.pairs),
      initial: only(wish.initial),
    }
  }

  #insert(table: string, wish: RowWish): Ref {
    const ids = new Map<string, string>([[ownerKey, this.owner]])
    if (wish.name !== undefined) ids.set(nameKey, wish.name)
    const sets = setNames(table, wish).join(' ')
    if (sets !== '') ids.set(setsKeyOf(this.owner), sets)
    const name = `row${++this.#nameCount}`
    const row = { ...wish.initial, ...wish.values, ...wish.pairs, external_ids: ids }
    const written: Row = Object.fromEntries(
      Object.entries(row)
        .filter(([, datum]) => datum !== undefined && !(datum instanceof Map && datum.size === 0))
        .map(([column, datum]) => [column, this.#write(table, column, datum)]),
    )
    this.operations.push({ op: 'insert', table, row: written, 'uuid-name': name })
    return { named: name }
  }

  #adjust(table: string, uuid: string, row: TypedRow, wish: RowWish): void {
    const values: Record<string, Value> = {}
    const mutations: Mutation[] = []
    const differing: string[] = []
    for (const [column, datum] of Object.entries(wish.values ?? {})) {
      if (isSameDatum(row[column], datum)) continue
      values[column] = this.#write(table, column, datum)
      differing.push(column)
    }
    for (const [column, pairs] of Object.entries(wish.pairs ?? {})) {
      const now = mapOf(row[column])
      const changed = new Map(
        [...pairs].filter(([key, value]) => !isSameDatum(now.get(key), value)),
      )
      mutations.push(...this.#pairMutations(table, column, now, changed))
      differing.push(...[...changed.keys()].map(key => setName(column, key)))
    }
    const declared = new Set(setNames(table, wish))
    for (const set of setsOf(row, this.owner))
      if (!declared.has(set)) this.#takeBack(table, row, set, values, mutations)
    // Of a row that was adopted, only what we changed is ours to take back.
    const before = setsOf(row, this.owner)
    const isOurs = (set: string) =>
      ownerOf(row) === this.owner || differing.includes(set) || before.includes(set)
    const sets = [...declared].filter(isOurs)
    mutations.push(...this.#setsMutations(row, sets.join(' ')))
    const where = [['_uuid', '==', ['uuid', uuid]]] as const
    if (Object.keys(values).length > 0)
      this.operations.push({ op: 'update', table, where, row: values })
    this.mutate(table, uuid, mutations)
  }

  #takeBack(
    table: string,
    row: TypedRow,
    set: string,
    values: Record<string, Value>,
    mutations: Mutation[],
  ): void {
    const [column, ...rest] = set.split(':') as [string, ...string[]]
    const schema = this.replica.schema.tables.get(table)?.columns.get(column)
    if (schema === undefined) return
    if (rest.length === 0) {
      const datum = defaultDatum(schema)
      if (!isSameDatum(row[column], datum)) values[column] = this.#write(table, column, datum)
      return
    }
    const key = [...mapOf(row[column]).keys()].find(each => setName(column, each) === set)
    if (key !== undefined) mutations.push([column, 'delete', ['set', [key]]])
  }

  #pairMutations(table: string, column: string, now: Pairs, changed: Pairs): Mutation[] {
    const stale = [...changed.keys()].filter(key => now.has(key))
    const mutations: Mutation[] = []
    // An insert leaves a key that is there as it is.
    if (stale.length > 0) mutations.push([column, 'delete', ['set', stale]])
    if (changed.size > 0) mutations.push([column, 'insert', this.#write(table, column, changed)])
    return mutations
  }

  #setsMutations(row: TypedRow, sets: string): Mutation[] {
    const key = setsKeyOf(this.owner)
    const now = setsOf(row, this.owner).join(' ')
    if (now === sets) return []
    const mutations: Mutation[] = []
    if (now !== '') mutations.push(['external_ids', 'delete', ['set', [key]]])
    if (sets !== '') mutations.push(['external_ids', 'insert', ['map', [[key, sets]]]])
    return mutations
  }

  #write(table: string, column: string, datum: Datum): Value {
    return writeDatum(columnOf(this.replica.schema.tables.get(table)!, column), datum)
  }
}

/** A word without blanks, so that a list of them can be told apart again. */
const setName = (column: string, key: Atom): string =>
  `${column}:${encodeURIComponent(String(key))}`

const setNames = (table: string, wish: RowWish): string[] =>
  [
    ...Object.keys(wish.values ?? {}),
    ...Object.entries(wish.pairs ?? {}).flatMap(([column, pairs]) =>
      [...pairs.keys()].map(key => setName(column, key)),
    ),
  ]
    .filter(set => !kept.includes(`${table}.${set}`))
    .sort()

export const refValue = (ref: Ref): Value =>
  typeof ref === 'string' ? ['uuid', ref] : ['named-uuid', ref.named]

const isSameWhere = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/** Takes references out of a set of a bridge: rows that nobody else refers to are gone then. */
export const detach = (
  writer: RowWriter,
  uuid: string,
  column: string,
  refs: readonly string[],
): void => {
  if (refs.length > 0)
    writer.mutate('Bridge', uuid, [[column, 'delete', ['set', refs.map(refValue)]]])
}

/** Rows that we made and that are wanted no more. */
export const oursGone = (
  writer: RowWriter,
  table: string,
  refs: Datum,
  isWanted: (row: TypedRow) => boolean,
): string[] =>
  listOf(refs).filter((ref): ref is string => {
    const row = writer.replica.row(table, ref)
    return row !== undefined && ownerOf(row) === writer.owner && !isWanted(row)
  })
