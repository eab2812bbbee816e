/**
 * Controllers that one speaks to, by name: address, whom to believe, and who one is. `sluice login` writes them,
 * `sluice config` chooses, as kubectl does. The file holds secrets: it is its owner's alone, or not read.
 */
import { join } from 'node:path'
import type { Command } from 'commander'
import type { Disk } from '../base/env/env.js'
import type { TrustOptions } from '../base/env/web-client.js'
import { Failure } from '../base/failures.js'
import { nearest } from '../base/nearest.js'
import { configFolder } from '../base/places.js'
import type { Cli } from './cli.js'
import { Client } from './client.js'
import { formatColumns } from './reading/columns.js'
import { UsageError } from './usage.js'

type Variables = Readonly<Record<string, string | undefined>>

/** With PEM texts, so that a context does not break when a file moves. */
export interface Context extends TrustOptions {
  readonly server: string
  readonly token?: string
}

export interface Contexts {
  readonly current?: string
  readonly contexts: Readonly<Record<string, Context>>
}

export const contextsFile = (variables: Variables): string =>
  join(configFolder(variables), 'contexts.json')

/** @throws {Failure} `unsafe-file` when others may read it, `bad-document` */
export const readContexts = async (disk: Disk, variables: Variables): Promise<Contexts> => {
  const path = contextsFile(variables)
  const found = await disk.stat(path)
  if (found === undefined) return { contexts: {} }
  if ((found.mode & 0o077) !== 0) throw new Failure('unsafe-file', { path })
  try {
    const { current, contexts } = JSON.parse(await disk.readText(path)) as Contexts
    return { ...(current !== undefined && { current }), contexts: { ...contexts } }
  } catch (cause) {
    const detail = `${path} is no file of contexts; mend or remove it, and run "sluice login" again.`
    throw new Failure('bad-document', { detail }, { cause })
  }
}

/** The context that is asked for, or the current one; undefined when there is none. @throws {UsageError} */
export const contextMeant = async (
  disk: Disk,
  variables: Variables,
  name: string | undefined,
): Promise<Context | undefined> => {
  const known = await readContexts(disk, variables)
  const wanted = name ?? known.current
  return wanted === undefined ? undefined : contextNamed(known, wanted)
}

const contextNamed = ({ contexts }: Contexts, name: string): Context => {
  const found = Object.hasOwn(contexts, name) ? contexts[name] : undefined
  if (found) return found
  const meant = nearest(name, Object.keys(contexts))
  throw new UsageError(
    `no context is named ${name}; ${meant === undefined ? '"sluice config get-contexts" lists them' : `did you mean ${meant}?`}`,
  )
}

const writeContexts = async (disk: Disk, variables: Variables, all: Contexts): Promise<void> => {
  await disk.makeFolder(configFolder(variables), 0o700)
  await disk.writeText(contextsFile(variables), `${JSON.stringify(all, null, 2)}\n`, 0o600)
}

interface LoginOptions {
  readonly name?: string
  readonly tokenFile?: string
  readonly certificate?: string
  readonly key?: string
}

interface Global {
  readonly token?: string
  readonly ca?: string
}

export const addContexts = (program: Command, cli: Cli): void => {
  program
    .command('login')
    .description('keep address, authority and token of a controller, and speak to it from now on')
    .argument('<url>', 'such as https://sluice.example:8443')
    .option('--name <name>', 'of the context (default: the host of the address)')
    .option('--token-file <file>', 'holds the token; - is standard input')
    .option('--certificate <file>', 'to show instead of a token')
    .option('--key <file>', 'of the certificate')
    .action(async (url: string, options: LoginOptions) => {
      await login(cli, url, { ...options, ...program.opts<Global>() })
    })
  const config = program.command('config').description('contexts: which controller is spoken to')
  config
    .command('get-contexts')
    .description('list them; * is the current one')
    .action(async () => {
      const { current, contexts } = await readContexts(cli.disk, cli.variables)
      const rows = Object.entries(contexts).map(([name, { server, token, certificate }]) => [
        name === current ? '*' : '',
        name,
        server,
        token === undefined ? (certificate === undefined ? 'nothing' : 'certificate') : 'token',
      ])
      cli.print(
        rows.length === 0 ? 'none' : formatColumns(['CURRENT', 'NAME', 'SERVER', 'BY'], rows),
      )
    })
  config
    .command('current-context')
    .description('the name of the current one')
    .action(async () => {
      const { current } = await readContexts(cli.disk, cli.variables)
      if (current === undefined)
        throw new UsageError('there is no current context; "sluice login" makes one')
      cli.print(current)
    })
  config
    .command('use-context')
    .description('speak to this controller from now on')
    .argument('<name>', 'as get-contexts has it')
    .action(async (name: string) => {
      const known = await readContexts(cli.disk, cli.variables)
      contextNamed(known, name)
      await writeContexts(cli.disk, cli.variables, { ...known, current: name })
      cli.print(`the current context is ${name}`)
    })
  config
    .command('delete-context')
    .description('forget it, with its token')
    .argument('<name>', 'as get-contexts has it')
    .action(async (name: string) => {
      const known = await readContexts(cli.disk, cli.variables)
      contextNamed(known, name)
      const { [name]: _, ...contexts } = known.contexts
      await writeContexts(cli.disk, cli.variables, {
        ...(known.current !== undefined && known.current !== name && { current: known.current }),
        contexts,
      })
      cli.print(`context ${name} is forgotten`)
    })
}

const login = async (cli: Cli, url: string, options: LoginOptions & Global): Promise<void> => {
  if (!/^https?:\/\/[^/]/.test(url) || !URL.canParse(url))
    throw new UsageError(`"${url}" is no address of a controller, such as https://HOST:8443`)
  if ((options.certificate === undefined) !== (options.key === undefined))
    throw new UsageError('--certificate and --key belong together')
  const token = await tokenOf(cli, options)
  if (token === undefined && options.certificate === undefined)
    throw new UsageError(
      'a token is needed: "sluice token create" prints one; give its file with --token-file, or - for standard input',
    )
  const read = async (path: string | undefined) =>
    path === undefined ? undefined : cli.disk.readText(path)
  const [authority, certificate, key] = await Promise.all([
    read(options.ca ?? cli.variables.SLUICE_CA),
    read(options.certificate),
    read(options.key),
  ])
  const context: Context = {
    server: url.replace(/\/+$/, ''),
    ...(authority !== undefined && { authority }),
    ...(certificate !== undefined && { certificate }),
    ...(key !== undefined && { key }),
    ...(token !== undefined && { token }),
  }
  const me = await Client.of(context).get<{ name: string; role: string }>('/api/v1/whoami')
  const known = await readContexts(cli.disk, cli.variables)
  const name = options.name ?? new URL(url).hostname
  await writeContexts(cli.disk, cli.variables, {
    current: name,
    contexts: { ...known.contexts, [name]: context },
  })
  cli.print(`${me.name} (${me.role}) at ${context.server}: the current context is ${name}`)
}

const tokenOf = async (
  cli: Cli,
  { tokenFile, token }: LoginOptions & Global,
): Promise<string | undefined> => {
  if (tokenFile === undefined) return token ?? cli.variables.SLUICE_TOKEN
  const text = await cli.disk.readText(tokenFile === '-' ? '/dev/stdin' : tokenFile)
  return text.trim()
}
