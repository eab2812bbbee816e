/**
 * `sluice ovsdb`: an OVSDB of anybody's, read, followed and changed; no controller is needed. What does the
 * work is loaded when it is asked for.
 */
import { type Command, Option } from 'commander'
import type { Env } from '../../base/env/env.js'
import type { ToolOptions } from './connect.js'

const addressHelp = 'unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT; ptcp:PORT waits to be called'

export const addOvsdb = (
  program: Command,
  env: Env,
  print: (text: string) => void,
  ended: AbortSignal,
): void => {
  const ovsdb = program
    .command('ovsdb')
    .description('read, follow and change any OVSDB; needs no controller')
  const verb = (name: string, description: string, outputs: readonly string[]) =>
    ovsdb
      .command(name)
      .description(description)
      .argument('<address>', addressHelp)
      .option('-p, --private-key <file>', 'PEM file of our key, for ssl:')
      .option('-c, --certificate <file>', 'PEM file of our certificate')
      .option('-C, --ca-cert <file>', 'PEM file of the authority of the other end')
      .addOption(
        new Option('-o, --output <form>', 'how to print').choices(outputs).default(outputs[0]!),
      )

  verb('dbs', 'names of the databases', ['table', 'json']).action(
    async (address: string, options: ToolOptions) => {
      const { withClient } = await import('./connect.js')
      const names = await withClient(env, address, options, client => client.listDatabases())
      print(options.output === 'json' ? JSON.stringify(names) : names.join('\n'))
    },
  )
  verb('schema', 'tables, columns and their types', ['table', 'json'])
    .argument('[words...]', '[database] [table...]')
    .action(async (address: string, words: string[], options: ToolOptions) => {
      const { withClient } = await import('./connect.js')
      const { describe } = await import('./verbs.js')
      print(
        await withClient(env, address, options, client => describe(client, words, options.output)),
      )
    })
  verb('dump', 'rows, as of one moment', ['table', 'list', 'json'])
    .argument('[words...]', '[database] [table [column...]]')
    .action(async (address: string, words: string[], options: ToolOptions) => {
      const { withClient } = await import('./connect.js')
      const { dump } = await import('./verbs.js')
      print(await withClient(env, address, options, client => dump(client, words, options.output)))
    })
  verb('transact', 'operations of RFC 7047, all or none', ['table', 'list', 'json'])
    .argument('<words...>', '[database] OPERATIONS as a JSON array')
    .option('--no-check', 'send them as they are, for the server to judge')
    .action(async (address: string, words: string[], options: ToolOptions & { check: boolean }) => {
      const { withClient } = await import('./connect.js')
      const { transact } = await import('./verbs.js')
      print(
        await withClient(env, address, options, client =>
          transact(client, words, options.output, options.check),
        ),
      )
    })
  verb('monitor', 'rows, then every change, over reconnects, until interrupted', ['table', 'json'])
    .argument('[words...]', '[database] [table [column...]]')
    .action(async (address: string, words: string[], options: ToolOptions) => {
      await monitor(env, address, words, options, print, ended)
    })
}

/** The first connection tells what there is to watch; the link then keeps its own. */
const monitor = async (
  env: Env,
  address: string,
  words: readonly string[],
  options: ToolOptions,
  print: (text: string) => void,
  ended: AbortSignal,
): Promise<void> => {
  const { addressOf, callOf, chosenColumns, databaseOf, schemaOf, withClient } = await import(
    './connect.js'
  )
  const { DatabaseLink } = await import('../link.js')
  const { follow } = await import('./verbs.js')
  if (addressOf(address).isPassive)
    throw new Error('monitor calls the database: write unix:, tcp: or ssl:')
  const { database, watched } = await withClient(env, address, options, async client => {
    const { database, rest } = await databaseOf(client, words)
    const chosen = chosenColumns(await schemaOf(client, database), rest)
    const columns = chosen.map(
      ([table, names]) => [table.name, names.filter(name => !name.startsWith('_'))] as const,
    )
    return { database, watched: Object.fromEntries(columns) }
  })
  const link = new DatabaseLink(env, { database, watched, connect: callOf(env, address, options) })
  follow(link, options.output, print)
  link.start()
  await new Promise<void>(resolve => {
    if (ended.aborted) resolve()
    ended.addEventListener('abort', () => resolve())
  })
  link.stop()
}
