/** What `sluice ovsdb` does: one function a verb, from a client to text. */
import { checkOperations } from '../check.js'
import type { Operation, OvsdbClient, Row } from '../client.js'
import { readRow } from '../datum.js'
import { formatJson, parseJson } from '../json.js'
import type { DatabaseLink } from '../link.js'
import type { Replica, RowChange } from '../replica.js'
import { isObject } from '../rpc.js'
import { type DatabaseSchema, formatType, type TableSchema } from '../schema.js'
import { chosenColumns, databaseOf, schemaOf, tableOf } from './connect.js'
import { formatDatum, formatList, formatTable } from './format.js'

const columnText = (table: TableSchema, name: string, row: Row | ReturnType<typeof readRow>) => {
  const column = table.columns.get(name)!
  return formatDatum(column, (row as ReturnType<typeof readRow>)[name])
}

/** Every row of the chosen tables, as of one moment. */
export const dump = async (
  client: OvsdbClient,
  words: readonly string[],
  output: string,
): Promise<string> => {
  const { database, rest } = await databaseOf(client, words)
  const schema = await schemaOf(client, database)
  const chosen = chosenColumns(schema, rest)
  const results = await client.transact(
    database,
    chosen.map(([table, columns]) => ({ op: 'select', table: table.name, where: [], columns })),
  )
  const rows = chosen.map(([,], at) => results[at]?.rows ?? [])
  if (output === 'json')
    return formatJson(Object.fromEntries(chosen.map(([table], at) => [table.name, rows[at]])))
  const parts = chosen.map(([table, columns], at) => {
    const cells = rows[at]!.map(row => {
      const typed = readRow(table, row)
      return columns.map(name => columnText(table, name, typed))
    }).sort((a, b) => (a.join() < b.join() ? -1 : 1))
    if (output === 'list') return formatList(columns, cells)
    return `${table.name} table\n${formatTable(columns, cells)}`
  })
  return parts.filter(part => part !== '').join('\n\n')
}

/** Databases, tables or columns with their types. */
export const describe = async (
  client: OvsdbClient,
  words: readonly string[],
  output: string,
): Promise<string> => {
  const { database, rest } = await databaseOf(client, words)
  const json = await client.getSchema(database)
  if (output === 'json') return formatJson(json)
  const schema = await schemaOf(client, database)
  const tables =
    rest.length > 0 ? rest.map(name => tableOf(schema, name)) : [...schema.tables.values()]
  const head = `${schema.name} ${schema.version}: ${schema.tables.size} tables`
  return [head, ...tables.map(describeTable)].join('\n\n')
}

const describeTable = (table: TableSchema): string => {
  const notes = [
    table.isRoot ? 'root' : 'kept while referred to',
    ...(table.maxRows === Number.POSITIVE_INFINITY ? [] : [`at most ${table.maxRows} rows`]),
    ...table.indexes.map(index => `unique ${index.join(', ')}`),
  ]
  const rows = [...table.columns.values()]
    .filter(column => !column.name.startsWith('_'))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, type, isEphemeral, isMutable }) => [
      name,
      [formatType(type), isMutable ? '' : 'fixed', isEphemeral ? 'ephemeral' : '']
        .filter(Boolean)
        .join(', '),
    ])
  return `${table.name} (${notes.join('; ')})\n${formatTable(['column', 'type'], rows)}`
}

/** Operations as JSON: `[op, ...]`, or with the database in front as `ovsdb-client transact` takes them. */
export const readTransaction = (
  text: string,
): { readonly database: string | undefined; readonly operations: readonly Operation[] } => {
  const json = parseJson(text, true)
  const list = Array.isArray(json) ? json : [json]
  const [first, ...rest] = list as unknown[]
  const database = typeof first === 'string' ? first : undefined
  const operations = database === undefined ? list : rest
  operations.forEach((each, at) => {
    if (!isObject(each) || typeof each.op !== 'string')
      throw new Error(`operation ${at + 1} is no object with an op`)
  })
  return { database, operations: operations as Operation[] }
}

export const transact = async (
  client: OvsdbClient,
  words: readonly string[],
  output: string,
  isChecked: boolean,
): Promise<string> => {
  const { database, rest } = await databaseOf(client, words)
  const [text] = rest
  if (text === undefined || rest.length > 1)
    throw new Error('write the operations as one JSON word: \'[{"op": "select", ...}]\'')
  const { operations, database: named } = readTransaction(text)
  const schema = await schemaOf(client, named ?? database)
  if (isChecked) checkOperations(schema, operations)
  const results = await client.transact(named ?? database, operations)
  if (output === 'json') return formatJson(results)
  return operations
    .map(
      (operation, at) =>
        `${operation.op}: ${resultText(schema, operation, results[at] ?? {}, output)}`,
    )
    .join('\n')
}

const resultText = (
  schema: DatabaseSchema,
  operation: Operation,
  { uuid, count, rows }: Awaited<ReturnType<OvsdbClient['transact']>>[number],
  output: string,
): string => {
  if (uuid !== undefined) return String(uuid[1])
  if (count !== undefined) return `${count} row${count === 1 ? '' : 's'}`
  if (rows === undefined || !('table' in operation)) return 'done'
  const table = tableOf(schema, operation.table)
  const columns = Object.keys(rows[0] ?? {})
  const cells = rows.map(row => {
    const typed = readRow(table, row)
    return columns.map(name => columnText(table, name, typed))
  })
  if (rows.length === 0) return '0 rows'
  const text = output === 'list' ? formatList(columns, cells) : formatTable(columns, cells)
  return `${rows.length} row${rows.length === 1 ? '' : 's'}\n${text}`
}

/** Changes as they come: `+` a new row, `-` one that is gone, `~` the columns that changed. */
export const follow = (link: DatabaseLink, output: string, print: (text: string) => void): void => {
  link.on('lost', reason => print(output === 'json' ? formatJson({ lost: reason }) : `! ${reason}`))
  link.on('changed', changes => {
    for (const change of changes) print(changeText(link.replica!, change, output))
  })
}

const changeText = (replica: Replica, change: RowChange, output: string): string => {
  const { table: name, uuid, before, after } = change
  const table = replica.schema.tables.get(name)!
  const row = after ?? before!
  const text = (column: string) => columnText(table, column, row)
  const columns = Object.keys(row).filter(
    column =>
      before === undefined ||
      after === undefined ||
      columnText(table, column, before) !== columnText(table, column, after),
  )
  const kind = before === undefined ? 'insert' : after === undefined ? 'delete' : 'modify'
  if (output === 'json')
    return formatJson({
      table: name,
      uuid,
      change: kind,
      row: Object.fromEntries(columns.map(column => [column, plainDatum(row[column])])),
    })
  const sign = { insert: '+', delete: '-', modify: '~' }[kind]
  return `${sign} ${name} ${uuid} ${columns.map(column => `${column}=${text(column)}`).join(' ')}`.trimEnd()
}

/** For JSON: maps as objects, what is absent as null. */
const plainDatum = (datum: unknown): unknown => {
  if (datum instanceof Map)
    return Object.fromEntries([...datum].map(([key, value]) => [String(key), value as unknown]))
  return datum === undefined ? null : datum
}
