/**
 * The command line: every verb is a few lines over the REST API. What only some verbs need is loaded by them: the
 * program starts for one of them. Exit codes: exit-codes.ts.
 */
import { Command, Option } from 'commander'
import { Failure } from '../base/failures.js'
import { sentenceOf } from '../base/system-errors.js'
import { addAudit } from './audit.js'
import type { Cli } from './cli.js'
import { Client, type ClientOptions, Problem } from './client.js'
import { addCompletion } from './completion.js'
import { addContexts, contextMeant } from './contexts.js'
import { addDoctor } from './doctor/doctor.js'
import { exitCodeOf, exitCodes } from './exit-codes.js'
import { addHelp } from './help.js'
import { addDescribe } from './reading/describe.js'
import { addEvents } from './reading/events.js'
import { addExplain } from './reading/explain.js'
import { addLog } from './reading/log.js'
import { nounMeant } from './reading/nouns.js'
import { addPath } from './reading/path.js'
import { addGet, addWait } from './reading/reading.js'
import { addTrace } from './reading/trace.js'
import { addSupportBundle } from './support-bundle.js'
import { UsageError } from './usage.js'
import { diff } from './writing/diff.js'
import { addEdit } from './writing/edit.js'
import { FileMistakes, isObjectFile } from './writing/file-mistakes.js'
import { addLearn } from './writing/learn.js'
import { applyObjects, deleteObject } from './writing/objects.js'
import { apply, check, confirm, remove, showHistory, undo } from './writing/policies.js'
import { readRuleFiles } from './writing/rule-files.js'
import { type Applied, keepSet } from './writing/sets.js'
import { addToken } from './writing/tokens.js'

type Verbs = (program: Command, exit: (code: number) => void) => Promise<void>

/** @returns the exit code */
export const runCli = async (cli: Cli, words: readonly string[], more: Verbs): Promise<number> => {
  const ended: { code: number } = { code: exitCodes.done.code }
  const program = await programOf(cli, more, value => {
    ended.code = value
  })
  try {
    await program.parseAsync(words, { from: 'user' })
  } catch (error) {
    return complain(cli, error)
  }
  return ended.code
}

/** All verbs, with what they take. */
export const programOf = async (
  cli: Cli,
  more: Verbs,
  exit: (code: number) => void,
): Promise<Command> => {
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
    .helpCommand(false)
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
  addGet(program, cli, client)
  addDescribe(program, cli, client)
  addExplain(program, cli, client)
  addWait(program, cli, client, exit)
  addPolicies(program, cli, client, exit)
  addEdit(program, cli, client)
  addTrace(program, cli, client, exit)
  addPath(program, client, text => cli.print(text))
  addEvents(program, cli, client)
  addLog(program, cli, client)
  addLearn(program, cli, client)
  addDoctor(program, cli, client, exit)
  addSupportBundle(program, cli, client)
  addContexts(program, cli)
  addToken(program, cli, client)
  addAudit(program, cli, client, exit)
  await more(program, exit)
  addCompletion(program, cli, client)
  addHelp(program, cli)
  return program
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
    .requiredOption(
      '-f, --file <path>',
      'a .rules, .yaml or .json file, a folder of them, or - for objects on standard input',
    )
    .option('--dry-run', 'only say what would change; nothing is')
    .option('--set <name>', 'they are one set: what it makes is remembered')
    .option('--prune', 'delete what earlier applies of the set have made and this one lacks')
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
    .action(async options => {
      try {
        exit(await diff(cli, await client(), options.file, options.output))
      } catch (error) {
        const code = complain(cli, error)
        // 1 says that there is a difference.
        exit(code === exitCodes.failed.code ? exitCodes.usage.code : code)
      }
    })
  program
    .command('delete')
    .description(
      'take a policy out of force, declare an object no more, or forget a switch or host that is gone',
    )
    .argument('<kind>', 'policy, switch, host, or a kind of "sluice explain"')
    .argument('<name>', 'its name; a switch by name or dpid, a host by name, MAC or address')
    .option('--leave', 'what was made for an object stays')
    .option('-m, --message <text>', 'why, for the history of policies')
    .option('--wait', 'return when every switch that should have it has confirmed')
    .option('--timeout <seconds>', 'how long to wait', '30')
    .action(async (kind: string, name: string, options) => {
      const at = await client()
      const noun = await nounMeant(at, kind)
      exit(
        noun.declared === undefined
          ? await remove(cli, at, noun.plural, name, options)
          : await deleteObject(cli, at, noun.declared, name, options.leave === true),
      )
    })
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

type ApplyAll = Omit<Parameters<typeof apply>[2], 'applied'> & {
  readonly set?: string
  readonly prune?: boolean
}

/** With what the set made before and no longer has, where it is one. */
const applyAll = async (cli: Cli, client: Client, options: ApplyAll): Promise<number> => {
  if (options.prune && options.set === undefined)
    throw new UsageError(
      '--prune deletes what earlier applies of the same set have made: say which with --set NAME',
    )
  const all: Applied[] = []
  const code = await applyFiles(cli, client, { ...options, applied: each => all.push(each) })
  if (options.set !== undefined && code === exitCodes.done.code)
    await keepSet(cli, client, options.set, all, options)
  return code
}

/** Objects first: rules may speak of what they bring. */
const applyFiles = async (
  cli: Cli,
  client: Client,
  options: Parameters<typeof apply>[2],
): Promise<number> => {
  const isFolder = (await cli.disk.stat(options.file))?.isFolder === true
  const isInput = options.file === '-'
  if (!isInput && !isFolder && !isObjectFile(options.file)) return apply(cli, client, options)
  const { readObjectFiles, readObjects } = await import('./writing/object-files.js')
  const documents = isInput
    ? readObjects('standard input', await cli.readInput())
    : await readObjectFiles(cli.disk, options.file)
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

/** What ended a command, in words. @returns the exit code */
const complain = (cli: Cli, error: unknown): number => {
  if (isCommanderExit(error))
    return error.exitCode === 0 ? exitCodes.done.code : exitCodes.usage.code
  if (!(error instanceof Error)) throw error
  if (error.name === 'AbortError') return exitCodes.done.code
  if (error instanceof FileMistakes) cli.complain(error.message)
  else if (error instanceof Problem) cli.complain(problemText(error))
  else if (error instanceof UsageError || error instanceof Failure)
    cli.complain(`sluice: ${error.message}`)
  else cli.complain(`sluice: ${sentenceOf(error)}`)
  return exitCodeOf(error)
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
