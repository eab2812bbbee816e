/** From the words of a command to a connection and a database. */
import type { Env } from '../../base/env/env.js'
import {
  addressForms,
  type DatabaseAddress,
  type KeyFiles,
  parseAddress,
  resolveAddress,
} from '../address.js'
import { OvsdbClient } from '../client.js'
import { type DatabaseSchema, readSchema, type TableSchema } from '../schema.js'

export interface ToolOptions {
  readonly privateKey?: string
  readonly certificate?: string
  readonly caCert?: string
  readonly output: string
}

/** A tool of one person on their own database may take more than a controller takes from strangers. */
const options = { limits: { size: 512 * 1024 * 1024 } }

export const addressOf = (text: string): DatabaseAddress => {
  const address = parseAddress(text)
  if (address === undefined) throw new Error(`"${text}" is no address; write ${addressForms}`)
  return address
}

export const callOf = (
  env: Env,
  text: string,
  { privateKey, certificate, caCert }: ToolOptions,
): (() => Promise<OvsdbClient>) => {
  const address = addressOf(text)
  const files: KeyFiles = { key: privateKey, certificate, authority: caCert }
  return async () => {
    const at = await resolveAddress(env.disk, address, files)
    if (!address.isPassive) return OvsdbClient.connect(env, at, options)
    return new Promise((resolve, reject) => {
      const listening = env.net.listen(at, connection => {
        const client = new OvsdbClient(env, connection, options)
        client.once('closed', () => {
          listening.then(listener => listener.close()).catch(reject)
        })
        resolve(client)
      })
      listening.catch(reject)
    })
  }
}

/** One connection for one command, closed after it. */
export const withClient = async <T>(
  env: Env,
  text: string,
  toolOptions: ToolOptions,
  run: (client: OvsdbClient) => Promise<T>,
): Promise<T> => {
  const client = await callOf(env, text, toolOptions)().catch((error: unknown) => {
    throw new Error(`${text}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  })
  try {
    return await run(client)
  } finally {
    client.close()
  }
}

/**
 * The first word may name a database, as with `ovsdb-client`; otherwise it is the only one that is not the
 * server's own.
 */
export const databaseOf = async (
  client: OvsdbClient,
  words: readonly string[],
): Promise<{ readonly database: string; readonly rest: readonly string[] }> => {
  const names = await client.listDatabases()
  const [first, ...rest] = words
  if (first !== undefined && names.includes(first)) return { database: first, rest }
  const own = names.filter(name => !name.startsWith('_'))
  if (own.length === 1) return { database: own[0]!, rest: words }
  throw new Error(`say which database: ${names.join(', ')}`)
}

export const schemaOf = async (client: OvsdbClient, database: string): Promise<DatabaseSchema> =>
  readSchema(await client.getSchema(database))

/** @throws with the names that there are */
export const tableOf = (schema: DatabaseSchema, name: string): TableSchema => {
  const table = schema.tables.get(name)
  if (table !== undefined) return table
  throw new Error(
    `${schema.name} has no table ${name}; it has ${[...schema.tables.keys()].sort().join(', ')}`,
  )
}

/** Tables and their columns as chosen by words: none is all. @throws for a name that is not there */
export const chosenColumns = (
  schema: DatabaseSchema,
  [table, ...columns]: readonly string[],
): [TableSchema, string[]][] => {
  const all = (each: TableSchema): [TableSchema, string[]] => [
    each,
    [...each.columns.keys()].filter(name => name !== '_version').sort(),
  ]
  if (table === undefined)
    return [...schema.tables.values()].sort((a, b) => (a.name < b.name ? -1 : 1)).map(all)
  const chosen = tableOf(schema, table)
  const unknown = columns.find(name => !chosen.columns.has(name))
  if (unknown !== undefined)
    throw new Error(
      `${chosen.name} has no column ${unknown}; it has ${[...chosen.columns.keys()].sort().join(', ')}`,
    )
  return [columns.length === 0 ? all(chosen) : [chosen, columns]]
}
