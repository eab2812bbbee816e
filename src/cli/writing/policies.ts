/** The verbs about rule files: apply, delete, check, history. */

import type { Cli } from '../cli.js'
import type { Client } from '../client.js'
import { onOneLine } from '../reading/columns.js'
import { numberOf, secondsOf, UsageError } from '../usage.js'
import { signs } from './change-signs.js'
import { isObjectFile } from './file-mistakes.js'
import { bodyOf, passedBy, policyName, readRuleFiles } from './rule-files.js'
import type { Applied } from './sets.js'

interface ApplyOptions {
  readonly file: string
  readonly order?: string
  readonly watch?: boolean
  readonly wait?: boolean
  readonly timeout: string
  readonly message?: string
  /** `60s`, `5m`. */
  readonly confirm?: string
  readonly dryRun?: boolean
  /** Is told what became of each. */
  readonly applied?: (each: Applied) => void
}

/** Query of a change: who asks is who runs the command. */
const changeQuery = (cli: Cli, options: Partial<ApplyOptions>): string => {
  const query = new URLSearchParams()
  if (options.wait) query.set('wait', 'installed')
  if (options.wait && options.timeout)
    query.set('timeout', String(numberOf(options.timeout, '--timeout', 'seconds, 0 to 240', 240)))
  const who = cli.variables.SUDO_USER ?? cli.variables.USER
  if (who) query.set('who', who)
  if (options.message !== undefined) query.set('why', options.message)
  if (options.confirm !== undefined)
    query.set('confirm', String(secondsOf(options.confirm, '--confirm')))
  if (options.dryRun) query.set('dryRun', 'true')
  return query.size === 0 ? '' : `?${query}`
}

export const apply = async (cli: Cli, client: Client, options: ApplyOptions): Promise<number> => {
  const files = await readRuleFiles(cli.disk, options.file)
  for (const told of await passedBy(cli.disk, options.file)) cli.complain(told)
  if (files.length === 0) throw new Error(`${options.file}: no file here ends in .rules`)
  const query = changeQuery(cli, options)
  const reply = await client.send<{ items: AppliedPolicy[] }>('POST', `/api/v1/policies${query}`, {
    policies: files.map(file => ({
      name: file.name,
      ...bodyOf(file),
      ...(options.order !== undefined && {
        order: numberOf(options.order, '--order', 'a number, 0 to 1000000', 1_000_000),
      }),
      ...(options.watch && { watch: true }),
    })),
  })
  for (const { name, change } of reply.items) options.applied?.({ kind: 'Policy', name, change })
  if (options.dryRun) {
    for (const policy of reply.items as unknown as PlannedPolicy[]) cli.print(plannedLines(policy))
    return 0
  }
  for (const policy of reply.items) {
    cli.print(appliedLine(policy))
    for (const { file, line, message, hint } of policy.warnings)
      cli.complain(`${file}:${line}: ${message}\n  ${hint}`)
  }
  const isChanged = reply.items.some(({ change }) => change !== 'unchanged')
  if (options.confirm !== undefined && isChanged)
    cli.print(
      `it is taken back in ${secondsOf(options.confirm, '--confirm')} s unless you run: sluice confirm`,
    )
  return isGood(
    reply.items.map(policy => policy.state),
    options.wait,
  )
    ? 0
    : 1
}

interface AppliedPolicy {
  readonly name: string
  readonly state: string
  readonly change: string
  readonly rules: number
  readonly generation: number
  readonly reason?: string
  readonly warnings: readonly Omit<Remark, 'level'>[]
}

/** Who waits wants it installed; who does not wants nothing but that it did not fail. */
export const isGood = (states: readonly string[], isWaiting: boolean | undefined): boolean =>
  states.every(state => (isWaiting ? state === 'installed' : state !== 'failed'))

/** What a dry run tells. */
interface PlannedPolicy {
  readonly name: string
  readonly change: string
  readonly statements: readonly { readonly change: string; readonly text: string }[]
}

const plannedLines = ({ name, change, statements }: PlannedPolicy): string =>
  [
    `policy ${name} would be ${change}`,
    ...statements.map(one => `  ${signs[one.change] ?? '?'} ${one.text}`),
  ].join('\n')

const appliedLine = (policy: AppliedPolicy): string =>
  `policy ${policy.name} ${policy.change}: ${policy.rules} rules, generation ${policy.generation}, ${policy.state}${policy.reason === undefined ? '' : ` (${policy.reason})`}`

export const remove = async (
  cli: Cli,
  client: Client,
  kind: string,
  name: string,
  options: Partial<ApplyOptions>,
): Promise<number> => {
  if (kind !== 'policy' && kind !== 'policies')
    throw new UsageError(
      `${kind} cannot be deleted: policies and the kinds of "sluice explain" are what people declare`,
    )
  const query = changeQuery(cli, options)
  await client.send('DELETE', `/api/v1/policies/${encodeURIComponent(policyName(name))}${query}`)
  cli.print(`policy ${policyName(name)} deleted`)
  const { items } = await client.get<{ items: unknown[] }>('/api/v1/policies')
  if (items.length === 0) cli.complain(nothingInForce)
  return 0
}

interface CheckOptions {
  readonly output: string
  readonly notes?: boolean
  readonly address?: readonly string[]
  /** How long a rule in force must have decided nothing. */
  readonly since?: string
}

/** Checks files; without any, the rules that are in force, with what is known of the network and of their use. */
export const check = async (
  cli: Cli,
  client: () => Promise<Client>,
  paths: readonly string[],
  options: CheckOptions,
): Promise<number> => {
  const { output, notes = false, address = [] } = options
  if (paths.length === 0) return checkForce(cli, await client(), options)
  const rulePaths = paths.filter(path => !isObjectFile(path))
  const files = (await Promise.all(rulePaths.map(path => readRuleFiles(cli.disk, path)))).flat()
  if (files.length === 0) throw new Error(`no rule file in ${paths.join(', ')}`)
  const known = [...address, ...(await declaredAddresses(cli, paths))]
  const report = await cli.checkRules(files, notes, known)
  cli.print(output === 'json' ? JSON.stringify(report.data, null, 2) : report.text)
  return report.isGood ? 0 : 1
}

interface Remark {
  readonly level: 'warning' | 'note'
  readonly file: string
  readonly line: number
  readonly message: string
  readonly hint: string
}

/** Addresses of hosts and networks that object files among the paths, and in folders among them, declare. */
const declaredAddresses = async (cli: Cli, paths: readonly string[]): Promise<string[]> => {
  const isFolder = async (path: string) => (await cli.disk.stat(path))?.isFolder === true
  const found: string[] = []
  const { readObjectFiles } = await import('./object-files.js')
  for (const path of paths) {
    if (!isObjectFile(path) && !(await isFolder(path))) continue
    for (const { kind, name, spec } of await readObjectFiles(cli.disk, path)) {
      const { ips = [], subnets = [] } = (spec ?? {}) as Readonly<Record<string, string[]>>
      const { mac } = (spec ?? {}) as { readonly mac?: string }
      const addresses = kind === 'Host' ? ips : kind === 'Network' ? subnets : []
      found.push(...addresses.map(address => `${name}=${address}`))
      if (kind === 'Host' && mac !== undefined) found.push(...ips.map(ip => `${mac}=${ip}`))
    }
  }
  return found
}

const checkForce = async (
  cli: Cli,
  client: Client,
  { output, notes = false, since }: CheckOptions,
): Promise<number> => {
  const query = since === undefined ? '' : `?since=${encodeURIComponent(since)}`
  const found = await client.get<{ items: Remark[] }>(`/api/v1/remarks${query}`)
  const reply = { items: found.items.filter(one => notes || one.level === 'warning') }
  if (output === 'json') cli.print(JSON.stringify(reply, null, 2))
  else
    for (const { file, line, message, hint } of reply.items)
      cli.print(`${file}:${line}: ${message}\n  ${hint}`)
  if (output !== 'json' && reply.items.length === 0) cli.print('nothing is doubtful')
  return 0
}

interface HistoryEntry {
  readonly number: number
  readonly time: string
  readonly by?: string
  readonly who?: string
  readonly why?: string
  readonly changes: readonly { readonly name: string; readonly change: string }[]
}

/** Who it was proven to be, and who they say they are: one token may have several users. */
const personOf = (by: string | undefined, who: string | undefined): string =>
  by === undefined || who === undefined || by === who ? (by ?? who ?? '-') : `${by}(${who})`

const entryLine = ({ number, time, by, who, why, changes }: HistoryEntry): string => {
  const what = changes.map(({ name, change }) => `${signs[change] ?? '?'}${name}`)
  return onOneLine(
    `${number} ${time} ${personOf(by, who)} ${what.join(' ')}${why === undefined ? '' : ` "${why}"`}`,
  )
}

/** Newest last, as it is read on a terminal. */
export const showHistory = async (cli: Cli, client: Client): Promise<void> => {
  const { items, unconfirmed } = await client.get<{
    items: HistoryEntry[]
    unconfirmed?: { number: number; deadlineMillis: number }
  }>('/api/v1/history')
  for (const entry of items) cli.print(entryLine(entry))
  if (items.length === 0) cli.print('none')
  if (unconfirmed)
    cli.print(
      `${unconfirmed.number} waits for "sluice confirm" until ${new Date(unconfirmed.deadlineMillis).toISOString()}`,
    )
}

export const confirm = async (cli: Cli, client: Client): Promise<void> => {
  const entry = await client.send<HistoryEntry>('POST', '/api/v1/history/confirm', {})
  cli.print(`confirmed: ${entryLine(entry)}`)
}

const nothingInForce =
  'sluice: no policy is left, so everything is allowed now; "sluice apply -f FILE" puts rules in force, "sluice undo" takes this back'

export const undo = async (
  cli: Cli,
  client: Client,
  number: string | undefined,
  options: Partial<ApplyOptions> & { readonly writeFile?: boolean },
): Promise<void> => {
  const query = new URLSearchParams(changeQuery(cli, options))
  if (number !== undefined)
    query.set(
      'number',
      String(numberOf(number, 'undo', 'the number of a change, as "sluice history" counts')),
    )
  if (options.writeFile) query.set('writeFile', 'true')
  const entry = await client.send<
    HistoryEntry & {
      readonly files?: readonly string[]
      readonly written?: readonly string[]
      readonly opens?: true
    }
  >('POST', `/api/v1/history/undo?${query}`, {})
  cli.print(`taken back: ${entryLine(entry)}`)
  if (entry.opens) cli.complain(nothingInForce)
  for (const file of entry.written ?? []) cli.print(`written: ${file}`)
  for (const file of entry.files ?? [])
    cli.complain(
      `sluice: ${file} is watched and still says otherwise: its next edit, or the next start, puts it in force again; write into it what is right ("sluice undo --write-file" does so where the file was there before)`,
    )
}
