/**
 * One table of a switch: finds the row that a packet matches.
 *
 * Rows with the same set of fields and masks share a hash table (tuple space search), so a lookup
 * costs one probe for each distinct set of masks, not one for each row.
 */
import { type FieldName, fieldByName } from '../openflow/oxm.js'
import type { Action, FieldValue, Masked, Match } from '../openflow/values.js'
import type { Fields } from './packet.js'

export interface Row {
  readonly priority: number
  readonly match: Match
  readonly actions: readonly Action[]
}

interface Condition {
  readonly field: FieldName
  readonly mask: FieldValue | undefined
}

interface Tuple<R extends Row> {
  readonly conditions: readonly Condition[]
  readonly rowsByKey: Map<string, R[]>
  highest: number
}

export class FlowTable<R extends Row> {
  #tuples: Tuple<R>[] = []
  readonly #tupleBySignature = new Map<string, Tuple<R>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Adds a row; one with the same match and priority is replaced and returned. */
  add(row: R): R | undefined {
    const conditions = conditionsOf(row.match)
    const signature = signatureOf(conditions)
    let tuple = this.#tupleBySignature.get(signature)
    if (tuple === undefined) {
      tuple = { conditions, rowsByKey: new Map(), highest: row.priority }
      this.#tupleBySignature.set(signature, tuple)
      this.#tuples.push(tuple)
    }
    const key = keyOfMatch(conditions, row.match)
    const rows = tuple.rowsByKey.get(key) ?? []
    const at = rows.findIndex(other => other.priority <= row.priority)
    const replaced = at >= 0 && rows[at]!.priority === row.priority ? rows[at] : undefined
    if (replaced) rows[at] = row
    else {
      rows.splice(at < 0 ? rows.length : at, 0, row)
      this.#size++
    }
    tuple.rowsByKey.set(key, rows)
    if (row.priority >= tuple.highest) {
      tuple.highest = row.priority
      this.#tuples.sort((a, b) => b.highest - a.highest)
    }
    return replaced
  }

  remove(row: R): boolean {
    const conditions = conditionsOf(row.match)
    const tuple = this.#tupleBySignature.get(signatureOf(conditions))
    const key = keyOfMatch(conditions, row.match)
    const rows = tuple?.rowsByKey.get(key)
    const at = rows?.findIndex(other => other.priority === row.priority) ?? -1
    if (tuple === undefined || rows === undefined || at < 0) return false
    rows.splice(at, 1)
    this.#size--
    if (rows.length === 0) tuple.rowsByKey.delete(key)
    if (tuple.rowsByKey.size === 0) this.#forget(tuple)
    return true
  }

  /** The row with exactly this match and priority. */
  find(match: Match, priority: number): R | undefined {
    const conditions = conditionsOf(match)
    const tuple = this.#tupleBySignature.get(signatureOf(conditions))
    return tuple?.rowsByKey
      .get(keyOfMatch(conditions, match))
      ?.find(row => row.priority === priority)
  }

  *rows(): IterableIterator<R> {
    for (const tuple of this.#tuples) for (const rows of tuple.rowsByKey.values()) yield* rows
  }

  /**
   * The row of highest priority that matches, conjunctions resolved as Open vSwitch does: rows that
   * only name a clause win when every clause of their id has a row of that same priority.
   */
  lookup(fields: Fields): R | undefined {
    const matching = this.#matching(fields)
    for (let at = 0; at < matching.length; ) {
      const row = matching[at]!
      if (!isClause(row)) return row
      const peers = matching.filter(other => other.priority === row.priority)
      const plain = peers.find(other => !isClause(other))
      if (plain) return plain
      const found = completeConjunctions(peers)
        .map(id => this.lookup({ ...fields, conj_id: id }))
        .find(candidate => candidate?.match.conj_id !== undefined)
      if (found) return found
      at += peers.length
    }
    return undefined
  }

  #matching(fields: Fields): R[] {
    const found: R[] = []
    let best = -1
    for (const tuple of this.#tuples) {
      if (tuple.highest < best) break
      const key = keyOfPacket(tuple.conditions, fields)
      const rows = key === undefined ? undefined : tuple.rowsByKey.get(key)
      if (rows === undefined) continue
      for (const row of rows) {
        found.push(row)
        if (!isClause(row) && row.priority > best) best = row.priority
      }
    }
    return found.sort((a, b) => b.priority - a.priority)
  }

  #forget(tuple: Tuple<R>): void {
    this.#tuples = this.#tuples.filter(other => other !== tuple)
    for (const [signature, other] of this.#tupleBySignature)
      if (other === tuple) this.#tupleBySignature.delete(signature)
  }
}

const isClause = (row: Row): boolean =>
  row.actions.length > 0 && row.actions.every(action => action.kind === 'conjunction')

/** Ids of which every clause has a row here. */
const completeConjunctions = (rows: readonly Row[]): number[] => {
  const clausesById = new Map<number, { seen: Set<number>; count: number }>()
  for (const row of rows)
    for (const action of row.actions)
      if (action.kind === 'conjunction') {
        const known = clausesById.get(action.id) ?? { seen: new Set(), count: action.clauseCount }
        known.seen.add(action.clause)
        clausesById.set(action.id, known)
      }
  return [...clausesById].filter(([, { seen, count }]) => seen.size === count).map(([id]) => id)
}

const signatureOf = (conditions: readonly Condition[]): string =>
  conditions.map(({ field, mask }) => `${field}/${mask ?? ''}`).join()

const conditionsOf = (match: Match): Condition[] =>
  (Object.keys(match) as (FieldName | 'unknown')[])
    .filter((name): name is FieldName => name !== 'unknown')
    .sort((a, b) => fieldOrder(a) - fieldOrder(b))
    .map(field => {
      const wanted = match[field]
      return { field, mask: typeof wanted === 'object' ? wanted.mask : undefined }
    })

const fieldOrder = (name: FieldName): number => {
  const field = fieldByName.get(name)
  return field === undefined ? -1 : field.oxmClass * 1024 + field.number
}

const keyOfMatch = (conditions: readonly Condition[], match: Match): string =>
  conditions
    .map(({ field }) => {
      const wanted = match[field] as FieldValue | Masked
      return typeof wanted === 'object' ? wanted.value : wanted
    })
    .join()

const keyOfPacket = (conditions: readonly Condition[], fields: Fields): string | undefined => {
  let key = ''
  for (let index = 0; index < conditions.length; index++) {
    const { field, mask } = conditions[index]!
    const value = fieldValue(fields, field)
    if (value === undefined) return undefined
    key += index === 0 ? masked(value, mask) : `,${masked(value, mask)}`
  }
  return key
}

/** Fields that every packet has, 0 until somebody writes them. */
const isMetadata = (name: FieldName): boolean =>
  /^(reg|xreg|xxreg|metadata|tun_|pkt_|ct_|conj)/.test(name)

const zeroByField = new Map<FieldName, FieldValue | undefined>()

export const fieldValue = (fields: Fields, name: FieldName): FieldValue | undefined => {
  const value = fields[name]
  if (value !== undefined) return value
  if (!zeroByField.has(name))
    zeroByField.set(
      name,
      isMetadata(name) ? (fieldByName.get(name)!.bits > 48 ? 0n : 0) : undefined,
    )
  return zeroByField.get(name)
}

/** `value & mask` for numbers up to 48 bits and bigints. */
export const masked = (value: FieldValue, mask: FieldValue | undefined): FieldValue => {
  if (mask === undefined) return value
  if (typeof value === 'bigint' || typeof mask === 'bigint') return BigInt(value) & BigInt(mask)
  if (mask <= 0xffffffff) return ((value % 0x100000000) & mask) >>> 0
  return Number(BigInt(value) & BigInt(mask))
}
