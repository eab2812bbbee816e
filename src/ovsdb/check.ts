/** Whether a transaction fits a schema, before it is sent: RFC 7047 section 5.2, operation by operation. */
import { ColumnError, columnOf, readDatum } from './datum.js'
import type { Condition, Mutation, Operation, Row, Value } from './protocol.js'
import { cut, show } from './rpc.js'
import { type ColumnSchema, type DatabaseSchema, formatType, type TableSchema } from './schema.js'

/** An operation that the server would refuse. */
export class OperationError extends Error {
  override readonly name = 'OperationError'
}

/** @throws {OperationError} `operation 2 (insert Bridge): Bridge.fail_mode: "open" is not allowed (allowed: ...)` */
export const checkOperations = (schema: DatabaseSchema, operations: readonly Operation[]): void => {
  const named = new Set<string>()
  operations.forEach((operation, index) => {
    const table = 'table' in operation ? ` ${operation.table}` : ''
    const place = `operation ${index + 1} (${operation.op}${cut(table, 60)})`
    try {
      checkOperation(schema, operation, named)
    } catch (error) {
      if (error instanceof ColumnError || error instanceof OperationError)
        throw new OperationError(`${place}: ${error.message}`, { cause: error })
      throw error
    }
  })
  checkNames(operations, named)
}

const checkOperation = (schema: DatabaseSchema, operation: Operation, named: Set<string>): void => {
  if (!('table' in operation)) return
  const table = schema.tables.get(operation.table)
  if (table === undefined)
    throw new OperationError(
      `there is no table ${show(operation.table, 60)} (allowed: ${[...schema.tables.keys()].join(', ')})`,
    )
  if ('where' in operation) for (const each of operation.where) checkCondition(table, each)
  if ('columns' in operation) for (const name of operation.columns ?? []) columnOf(table, name)
  switch (operation.op) {
    case 'insert':
      checkRow(table, operation.row)
      return checkName(operation['uuid-name'], named)
    case 'update':
      for (const name of Object.keys(operation.row)) checkMutable(columnOf(table, name))
      return checkRow(table, operation.row)
    case 'mutate':
      return operation.mutations.forEach(mutation => {
        checkMutation(table, mutation)
      })
    case 'wait':
      return operation.rows.forEach(row => {
        checkRow(table, row)
      })
  }
}

const checkName = (name: string | undefined, named: Set<string>): void => {
  if (name === undefined) return
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    throw new OperationError(`uuid-name ${cut(name, 60)} is no identifier`)
  if (named.has(name)) throw new OperationError(`uuid-name ${name} is used twice`)
  named.add(name)
}

const checkRow = (table: TableSchema, row: Row): void => {
  for (const [name, value] of Object.entries(row)) readDatum(columnOf(table, name), value)
}

const checkMutable = (column: ColumnSchema): void => {
  if (!column.isMutable)
    throw new ColumnError(`${column.table}.${column.name}`, 'it cannot be changed', '')
}

/** Any number of values of the column's kinds: what `includes`, `excludes`, `insert` and `delete` take. */
const loose = (column: ColumnSchema): ColumnSchema => ({
  ...column,
  shape: column.type.value ? 'map' : 'set',
  type: { ...column.type, min: 0, max: Number.POSITIVE_INFINITY },
})

const tests = ['==', '!=', '<', '<=', '>', '>=', 'includes', 'excludes']
const orders = ['<', '<=', '>', '>=']

const checkCondition = (table: TableSchema, condition: Condition): void => {
  const [name, test, value] = condition
  const column = columnOf(table, name)
  const place = `${table.name}.${name}`
  if (!tests.includes(test))
    throw new ColumnError(place, `${show(test, 20)} is no test`, tests.join(', '))
  const isNumber = ['integer', 'real'].includes(column.type.key.type) && !column.type.value
  if (orders.includes(test) && (!isNumber || column.type.max > 1))
    throw new ColumnError(place, `${test} on ${formatType(column.type)}`, 'one number')
  readDatum(test === 'includes' || test === 'excludes' ? loose(column) : column, value)
}

const sums = ['+=', '-=', '*=', '/=', '%=']

const checkMutation = (table: TableSchema, [name, mutator, value]: Mutation): void => {
  const column = columnOf(table, name)
  const place = `${table.name}.${name}`
  checkMutable(column)
  if (sums.includes(mutator)) {
    const { key } = column.type
    if (column.type.value || !['integer', 'real'].includes(key.type))
      throw new ColumnError(place, `${mutator} on ${formatType(column.type)}`, 'numbers')
    // Only the result has to be in the column's range: the operand is a number of its type.
    readDatum(
      { ...column, shape: 'scalar', type: { key: { type: key.type }, min: 1, max: 1 } },
      value,
    )
    return
  }
  if (mutator !== 'insert' && mutator !== 'delete')
    throw new ColumnError(
      place,
      `${show(mutator, 20)} is no mutator`,
      [...sums, 'insert', 'delete'].join(', '),
    )
  if (column.shape === 'scalar')
    throw new ColumnError(place, `${mutator} on ${formatType(column.type)}`, 'sets and maps')
  if (mutator === 'delete' && column.type.value && !isMapValue(value))
    return void readDatum(
      {
        ...loose(column),
        shape: 'set',
        type: { key: column.type.key, min: 0, max: Number.POSITIVE_INFINITY },
      },
      value,
    )
  readDatum(loose(column), value)
}

const isMapValue = (value: Value): boolean => Array.isArray(value) && value[0] === 'map'

/** Every row that is referred to by a name is inserted by the same transaction: section 5.2.1. */
const checkNames = (operations: readonly Operation[], named: ReadonlySet<string>): void => {
  operations.forEach((operation, index) => {
    for (const name of namesIn(operation))
      if (!named.has(name))
        throw new OperationError(
          `operation ${index + 1} (${operation.op}): no row is inserted as ${cut(name, 60)}`,
        )
  })
}

const namesIn = (value: unknown): string[] => {
  if (Array.isArray(value)) {
    if (value.length === 2 && value[0] === 'named-uuid') return [show(value[1])]
    return value.flatMap(namesIn)
  }
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(namesIn) : []
}
