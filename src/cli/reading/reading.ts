/** `sluice get`, `wait`: what there is, once, as it changes, and until it is as it should be. */
import { type Command, Option } from 'commander'
import type { Cli } from '../cli.js'
import type { Client } from '../client.js'
import { secondsOf, UsageError } from '../usage.js'
import { formatColumns } from './columns.js'
import type { Item } from './get.js'
import { type Listing, listingOf, type PrintOptions, printed } from './listing.js'
import { type Noun, nameOfItem, nounMeant } from './nouns.js'

interface GetOptions extends PrintOptions {
  readonly watch?: boolean
}

export const addGet = (program: Command, cli: Cli, client: () => Promise<Client>): void => {
  program
    .command('get')
    .description('list things of one kind or several, all or some by name')
    .argument('<kind[,kind]>', 'what to list: switches, hosts, policies ...; sw, hs, pol for short')
    .argument('[name...]', 'only these; of links, flows and drift: only of these switches')
    .addOption(
      new Option('-o, --output <form>', 'how to print')
        .choices(['table', 'wide', 'json', 'yaml', 'name', 'ofctl'])
        .default('table'),
    )
    .option('--no-headers', 'rows alone')
    .option('--sort-by <column>', 'a column, or a member of the JSON with a dot before it')
    .option('-w, --watch', 'then every row that changes, as it changes')
    .action(async (kind: string, names: string[], options: GetOptions) => {
      const at = await client()
      const asked = await askedFor(at, kind, names)
      const isWide = options.output === 'wide'
      const read = () => Promise.all(asked.map(one => listingOf(at, one.noun, one.names, isWide)))
      const first = await read()
      cli.print(await printed(first, options))
      if (options.watch) await watch(cli, read, first, options)
    })
}

interface Asked {
  readonly noun: Noun
  readonly names: readonly string[]
}

/** `hosts ann bob`, `switches,hosts`, `switch/s1 host/ann`. */
export const askedFor = async (
  client: Client,
  kind: string,
  names: readonly string[],
): Promise<readonly Asked[]> => {
  if (kind.includes('/')) {
    const pairs = [kind, ...names].map(word => {
      const [own = '', name = ''] = word.split(/\/(.*)/s)
      if (own === '' || name === '')
        throw new UsageError(`"${word}": say KIND/NAME in each word, or KIND NAME...`)
      return [own, name] as const
    })
    return Promise.all(
      pairs.map(async ([own, name]) => ({ noun: await nounMeant(client, own), names: [name] })),
    )
  }
  const words = kind.split(',').filter(word => word !== '')
  return Promise.all(words.map(async word => ({ noun: await nounMeant(client, word), names })))
}

const pollMillis = 1_000

/** Lines of what changed since the last look; what is gone says so. */
const changesOf = (
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): string[] => [
  ...[...after].flatMap(([name, text]) => (before.get(name) === text ? [] : [text])),
  ...[...before.keys()].flatMap(name => (after.has(name) ? [] : [`${name} is gone`])),
]

const watch = async (
  cli: Cli,
  read: () => Promise<readonly Listing[]>,
  first: readonly Listing[],
  options: PrintOptions,
): Promise<void> => {
  let before = linesOf(first, options)
  while (!cli.signal.aborted) {
    await cli.pause(pollMillis)
    if (cli.signal.aborted) return
    const after = linesOf(await read(), options)
    for (const line of changesOf(before, after)) cli.print(line)
    before = after
  }
}

/** By what each is called, or its place in the list. */
const linesOf = (
  listings: readonly Listing[],
  { output }: PrintOptions,
): ReadonlyMap<string, string> => {
  const lines = new Map<string, string>()
  for (const { noun, found, declared } of listings)
    for (const [which, table] of [found, declared].entries()) {
      if (table === undefined) continue
      const whole = formatColumns(
        table.headings,
        table.rows.map(({ cells }) => cells),
      ).split('\n')
      for (const [at, { item }] of table.rows.entries()) {
        const name = nameOfItem(noun, item) ?? String(at)
        lines.set(
          `${which === 0 ? '' : 'declared '}${noun.singular} ${name}`,
          ['json', 'yaml'].includes(output) ? JSON.stringify(item) : whole[at + 1]!,
        )
      }
    }
  return lines
}

export const addWait = (
  program: Command,
  cli: Cli,
  client: () => Promise<Client>,
  exit: (code: number) => void,
): void => {
  program
    .command('wait')
    .description('until things are as they should be; exit code 1 when they are not in time')
    .argument('<kind>', 'as for get: policy, switch, or KIND/NAME in each word')
    .argument('[name...]', 'which')
    .option('--for <state>', 'installed, any other state, present, or deleted', 'installed')
    .option('--timeout <time>', 'how long, such as 30s or 5m', '30s')
    .action(async (kind: string, names: string[], options: { for: string; timeout: string }) => {
      const at = await client()
      const asked = await askedFor(at, kind, names)
      if (asked.some(one => one.names.length === 0))
        throw new UsageError(`say which: sluice wait ${kind} NAME`)
      const limit = secondsOf(options.timeout, '--timeout') * 1_000
      let waited = 0
      for (;;) {
        const states = (
          await Promise.all(
            asked.flatMap(({ noun, names: own }) => own.map(name => stateOf(at, noun, name))),
          )
        ).map(each => ({ ...each, isDone: isAsWanted(each, options.for) }))
        const open = states.filter(each => !each.isDone)
        if (open.length === 0 || waited >= limit || cli.signal.aborted) {
          for (const each of states)
            cli.print(`${each.name}: ${each.state}${each.reason ? ` (${each.reason})` : ''}`)
          return exit(open.length === 0 ? 0 : 1)
        }
        await cli.pause(waitMillis)
        waited += waitMillis
      }
    })
}

const waitMillis = 200

interface State {
  readonly name: string
  readonly state: string
  readonly reason?: string | undefined
}

const isAsWanted = ({ state }: State, wanted: string): boolean =>
  wanted === 'present'
    ? state !== 'absent'
    : wanted === 'deleted'
      ? state === 'absent'
      : state === wanted

/** Of what is declared, where it is; else of what is found. What has no state is there or not. */
const stateOf = async (client: Client, noun: Noun, name: string): Promise<State> => {
  const query = `?name=${encodeURIComponent(name)}`
  const [objects, things] = await Promise.all([
    noun.declared && client.get<{ items: Item[] }>(`/api/v1/objects/${noun.declared}${query}`),
    noun.found && client.get<{ items: Item[] }>(`${noun.found.path}${query}`),
  ])
  const declared = (objects || undefined)?.items[0]?.status as State | undefined
  const found = things?.items[0] as (Item & Partial<State>) | undefined
  const of = declared ?? found
  return {
    name: `${noun.singular} ${name}`,
    state: of === undefined ? 'absent' : (of.state ?? 'present'),
    reason: of?.reason,
  }
}
