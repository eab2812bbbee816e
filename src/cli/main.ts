/**
 * The command line: every verb is a few lines over the REST API.
 *
 * Exit codes: 0 done · 1 it could not be done, or a check found mistakes · 2 the command was wrong.
 */
import { Command, Option } from 'commander'
import { Failure } from '../base/failures.js'
import { nearest } from '../base/nearest.js'
import { sentenceOf } from '../base/system-errors.js'
import { addAudit } from './audit.js'
import type { Cli } from './cli.js'
import { Client, type ClientOptions, Problem } from './client.js'
import { onOneLine } from './columns.js'
import { addContexts, contextMeant } from './contexts.js'
import { declaredKind, declaredPlurals, listDeclared } from './declared.js'
import { diff } from './diff.js'
import { follow } from './follow.js'
import { type Item, kindNamed, kinds, listKind, viewNamed } from './get.js'
import { addLearn } from './learn.js'
import { addLog } from './log.js'
import { FileMistakes, isObjectFile, readObjectFiles } from './object-files.js'
import { applyObjects, deleteObject } from './objects.js'
import { addPath } from './path.js'
import { apply, check, confirm, remove, showHistory, undo } from './policies.js'
import { readRuleFiles } from './rule-files.js'
import { addToken } from './tokens.js'
import { addTrace } from './trace.js'
import { numberOf, UsageError } from './usage.js'

/** @returns the exit code */
export const runCli = async (
  cli: Cli,
  words: readonly string[],
  more: (program: Command, exit: (code: number) => void) => Promise<void>,
): Promise<number> => {
  let code = 0
  const program = new Command('sluice')
    .description('An SDN controller for Open vSwitch with a stateful firewall.')
    .version(cli.version, '-V, --version', 'which version this is')
    .addOption(new Option('--server <url>', 'the controller (SLUICE_SERVER)'))
    .addOption(new Option('--token <token>', 'who asks (SLUICE_TOKEN)').hideHelp())
    .addOption(new Option('--context <name>', 'one of "sluice login" (SLUICE_CONTEXT)'))
    .addOption(new Option('--ca <file>', 'who signs its certificate (SLUICE_CA)'))
    .addOption(new Option('--data <folder>', "the controller's data folder, for its token"))
    .configureOutput({
      writeOut: text => cli.print(text.trimEnd()),
      writeErr: text => cli.complain(text.trimEnd()),
    })
    .showHelpAfterError('(sluice COMMAND --help tells what it takes)')
    .exitOverride()
  const client = () => {
    const options = program.opts<ClientOptions & { readonly context?: string }>()
    if (options.context !== undefined && (options.server ?? options.data) !== undefined)
      throw new UsageError('--context names a controller, and so do --server and --data')
    return Client.find(
      cli.disk,
      options,
      // A context that is asked for counts before an address that the environment names.
      options.context === undefined
        ? cli.variables
        : { ...cli.variables, SLUICE_SERVER: undefined, SLUICE_DATA: undefined },
      () => contextMeant(cli.disk, cli.variables, options.context ?? cli.variables.SLUICE_CONTEXT),
    )
  }
  addContexts(program, cli)
  addReading(program, cli, client)
  addPath(program, client, text => cli.print(text))
  addLearn(program, cli, client)
  addLog(program, cli, client)
  addToken(program, cli, client)
  const exit = (value: number) => {
    code = value
  }
  addTrace(program, cli, client, exit)
  addAudit(program, cli, client, exit)
  addPolicies(program, cli, client, exit)
  await more(program, exit)
  try {
    await program.parseAsync(words, { from: 'user' })
  } catch (error) {
    return complain(cli, error)
  }
  return code
}

const output = () =>
  new Option('-o, --output <form>', 'how to print')
    .choices(['table', 'wide', 'json', 'ofctl'])
    .default('table')

const addReading = (program: Command, cli: Cli, client: () => Promise<Client>): void => {
  program
    .command('get')
    .description(`list ${listed.join(', ')}`)
    .argument('<kind>', 'what to list')
    .argument('[name]', 'only of this switch, or this one')
    .addOption(output())
    .action(async (name: string, only: string | undefined, options: { output: string }) => {
      cli.print(await list(await client(), name, only, options.output))
    })
  program
    .command('events')
    .description('what happens, as it happens')
    .option('--since <sequence>', 'begin behind this event', '0')
    .option('-o, --output <form>', 'table or json', 'table')
    .action(async options => {
      const since = numberOf(options.since, '--since', 'the number of an event')
      for await (const event of follow(cli, await client(), since))
        cli.print(options.output === 'json' ? JSON.stringify(event) : eventLine(event))
    })
}

const eventLine = (event: Readonly<Record<string, unknown>>): string => {
  const { sequence, time, kind, ...rest } = event
  const details = Object.entries(rest).map(
    ([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : value}`,
  )
  return onOneLine(`${sequence} ${time} ${kind} ${details.join(' ')}`)
}

const addPolicies = (
  program: Command,
  cli: Cli,
  client: () => Promise<Client>,
  exit: (code: number) => void,
): void => {
  program
    .command('apply')
    .description('put rule files and objects in force: a file, or every file of a folder')
    .requiredOption('-f, --file <path>', 'a .rules, .yaml or .json file, or a folder of them')
    .option('--dry-run', 'only say what would change; nothing is')
    .option('--order <number>', 'which comes first when there are several policies')
    .option('--watch', 'put later edits of the file in force as well')
    .option('-m, --message <text>', 'why, for the history of policies')
    .option('--confirm <time>', 'take rules back after 60s, 5m, ... unless "sluice confirm" is run')
    .option('--wait', 'return when every switch that should have it has confirmed')
    .option('--timeout <seconds>', 'how long to wait', '30')
    .action(async options => exit(await applyAll(cli, await client(), options)))
  program
    .command('adopt')
    .description(
      'take a switch that holds rows of another store: what this one wants replaces them',
    )
    .argument('<switch>', 'its name or dpid, of state not-adopted in "sluice get switches"')
    .action(async (name: string) => {
      await (await client()).send('POST', `/api/v1/switches/${encodeURIComponent(name)}/adopt`)
      cli.print(`switch ${name} is adopted`)
    })
  program
    .command('history')
    .description('changes of the policies: who, when, why')
    .action(async () => showHistory(cli, await client()))
  program
    .command('confirm')
    .description('let the change that waits stay')
    .action(async () => confirm(cli, await client()))
  program
    .command('undo')
    .description(
      'take the last change of the policies back that is not taken back yet, or another one',
    )
    .argument('[number]', 'as "sluice history" counts; the number of an undo takes that back')
    .option('--write-file', 'write what is in force again into the watched file, too')
    .option('-m, --message <text>', 'why')
    .option('--wait', 'return when every switch that should have it has confirmed')
    .option('--timeout <seconds>', 'how long to wait', '30')
    .action(async (number: string | undefined, options) =>
      undo(cli, await client(), number, options),
    )
  program
    .command('diff')
    .description('what applying would change; exit code 1 when there is a difference')
    .requiredOption('-f, --file <path>', 'a .rules, YAML or JSON file, or a folder')
    .addOption(
      new Option('-o, --output <form>', 'wide: with every flow')
        .choices(['table', 'wide', 'json'])
        .default('table'),
    )
    .action(async options => exit(await diff(cli, await client(), options.file, options.output)))
  program
    .command('delete')
    .description(
      'take a policy out of force, declare an object no more, or forget a switch or host that is gone',
    )
    .argument('<kind>', `policy, ${declaredPlurals.join(', ')}`)
    .argument('<name>', 'its name; a switch by name or dpid, a host by name, MAC or address')
    .option('--leave', 'what was made for an object stays')
    .option('-m, --message <text>', 'why, for the history of policies')
    .option('--wait', 'return when every switch that should have it has confirmed')
    .option('--timeout <seconds>', 'how long to wait', '30')
    .action(async (kind: string, name: string, options) =>
      exit(
        declaredKind(kind) === undefined
          ? await remove(cli, await client(), kind, name, options)
          : await deleteObject(
              cli,
              await client(),
              declaredKind(kind)!,
              name,
              options.leave === true,
            ),
      ),
    )
  program
    .command('check')
    .description(
      'find mistakes and doubtful rules in rule files and run their tests; needs no controller. Without files: doubts about the rules in force',
    )
    .argument('[path...]', 'rule files or folders, and files of Host and Network objects')
    .option('--notes', 'say the lesser doubts as well')
    .option('--address <name=ip...>', 'addresses of hosts, networks (NAME=CIDR) and ports')
    .option('--since <time>', 'in force: rules that decided nothing for so long, such as 30d')
    .option('-o, --output <form>', 'table or json', 'table')
    .action(async (paths: string[], options) => exit(await check(cli, client, paths, options)))
}

/** Objects first: rules may speak of what they bring. */
const applyAll = async (
  cli: Cli,
  client: Client,
  options: Parameters<typeof apply>[2] & { readonly dryRun?: boolean },
): Promise<number> => {
  const isFolder = (await cli.disk.stat(options.file))?.isFolder === true
  if (!isFolder && !isObjectFile(options.file)) return apply(cli, client, options)
  const documents = await readObjectFiles(cli.disk, options.file)
  const hasRules = isFolder && (await readRuleFiles(cli.disk, options.file)).length > 0
  if (documents.length === 0 && !hasRules)
    throw new Error(`${options.file}: there is no object and no rule file here`)
  if (documents.length > 0 && options.confirm !== undefined)
    throw new Error(
      `${options.file}: objects are not taken back by themselves; apply them without --confirm, and rule files with it`,
    )
  const code = documents.length > 0 ? await applyObjects(cli, client, documents, options) : 0
  return hasRules ? Math.max(code, await apply(cli, client, options)) : code
}

/** Kinds whose name is that of a switch: none of them is an answer. */
const ofSwitch: ReadonlySet<string> = new Set(['links', 'flows', 'drift'])

/**
 * What is found, then what is declared.
 *
 * @throws {UsageError} when there is no such kind, {Failure} `not-found` when nothing of the kind has that name
 */
const list = async (
  client: Client,
  word: string,
  only: string | undefined,
  output: string,
): Promise<string> => {
  const declared = declaredKind(word)
  const kind =
    kindNamed(word) ?? (declared === undefined ? await viewNamed(client, word) : undefined)
  if (kind === undefined && declared === undefined)
    throw new UsageError(
      `no kind is named ${word}; ${guess(word, kindWords, `there are ${listed.join(', ')}`)}`,
    )
  if (only !== undefined && kind?.isWhole)
    throw new UsageError(`${word} are listed as a whole: "sluice get ${word}" takes no name`)
  const query = only === undefined ? '' : `?name=${encodeURIComponent(only)}`
  const found = kind && (await listKind(client, kind, query, output))
  const asked =
    declared === undefined ? undefined : await listDeclared(client, declared, query, output)
  const isNone = (found?.items.length ?? 0) + (asked?.items.length ?? 0) === 0
  if (only !== undefined && isNone && !(kind && ofSwitch.has(pathWord(kind.path))))
    throw await noneOf(client, word, only)
  if (output === 'json') {
    const { items } = asked ?? {}
    if (found === undefined) return JSON.stringify({ items }, null, 2)
    return items
      ? JSON.stringify({ ...JSON.parse(found.text), declared: items }, null, 2)
      : found.text
  }
  if (found === undefined || (only !== undefined && found.items.length === 0))
    return asked?.table ?? found?.text ?? 'none'
  return asked?.table === undefined ? found.text : `${found.text}\n\n${asked.table}`
}

const pathWord = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** Nothing has this name: with the name that was meant, where one is near. */
const noneOf = async (client: Client, word: string, only: string): Promise<Failure> => {
  const [kind, declared] = [kindNamed(word), declaredKind(word)]
  const lists = await Promise.all([
    kind ? client.get<{ items: Item[] }>(kind.path) : { items: [] },
    declared ? client.get<{ items: Item[] }>(`/api/v1/objects/${declared}`) : { items: [] },
  ])
  const names = lists.flatMap(({ items }) =>
    items.flatMap(({ name, mac, dpid, ips = [] }) => [name, mac, dpid, ...(ips as unknown[])]),
  )
  const meant = nearest(
    only,
    names.filter(name => typeof name === 'string'),
  )
  const name = meant === undefined ? only : `${only} (did you mean ${meant}?)`
  const list = kind ? pathWord(kind.path) : word
  const what = list
    .replace(/ies$/, 'y')
    .replace(/(ch|x)es$/, '$1')
    .replace(/s$/, '')
  return new Failure('not-found', { what, name, list: `"sluice get ${list}"` })
}

const guess = (word: string, words: readonly string[], otherwise: string): string => {
  const meant = nearest(word, words)
  return meant === undefined ? otherwise : `did you mean ${meant}?`
}

const listed = [...new Set([...Object.keys(kinds), ...declaredPlurals, 'routes', 'neighbours'])]
const kindWords = [
  ...listed,
  'switch',
  'link',
  'host',
  'policy',
  'rule',
  'flow',
  'network',
  'port',
  'router',
  'intent',
]

const complain = (cli: Cli, error: unknown): number => {
  if (error instanceof FileMistakes) {
    cli.complain(error.message)
    return 1
  }
  if (error instanceof Problem) {
    cli.complain(problemText(error))
    return 1
  }
  // What the program itself cannot understand was typed: a question that the controller refuses is a Problem.
  if (error instanceof UsageError || (error instanceof Failure && error.code === 'bad-request')) {
    cli.complain(`sluice: ${error.message}`)
    return 2
  }
  if (isCommanderExit(error)) return error.exitCode === 0 ? 0 : 2
  if (error instanceof Failure || error instanceof Error) {
    if (error.name !== 'AbortError') cli.complain(`sluice: ${sentenceOf(error)}`)
    return error.name === 'AbortError' ? 0 : 1
  }
  throw error
}

const isCommanderExit = (error: unknown): error is { exitCode: number } =>
  error instanceof Error &&
  'exitCode' in error &&
  'code' in error &&
  String(error.code).startsWith('commander.')

/** Complaints of rule files come with place and caret; they are the whole message then. */
export const problemText = (problem: Problem): string => {
  const complaints = problem.body.complaints as { text: string }[] | undefined
  if (complaints === undefined) return `sluice: ${problem.message}`
  return [...complaints.map(complaint => complaint.text), '', `sluice: ${problem.message}`].join(
    '\n',
  )
}
