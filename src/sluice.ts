#!/usr/bin/env node
/**
 * The program: `sluice run` is the controller, `sluice lab` the labs, every other verb speaks REST to a
 * controller. Each part is loaded only when it is asked for.
 */
import { createRequire } from 'node:module'
import { userInfo } from 'node:os'
import { fileURLToPath } from 'node:url'
import { type Command, Option } from 'commander'
import type { pino } from 'pino'
import { realEnv, writeStandardError } from './base/env/real-env.js'
import { notifyService } from './base/env/service-notify.js'
import { Failure } from './base/failures.js'
import { LazyLog } from './base/lazy-log.js'
import { LogSink } from './base/log/log-sink.js'
import { dataFolder } from './base/places.js'
import { shown } from './base/shown.js'
import { wordsOf } from './base/system-errors.js'
import { runCli } from './cli/main.js'
import { UsageError } from './cli/usage.js'
import { addBackup } from './controller/backup/commands.js'
import type { Config } from './controller/config.js'
import { addLab } from './lab/commands.js'
import type { FilesQuestion } from './nfv/firewall/meaning/trace-files.js'
import { addOvsdb } from './ovsdb/tool/commands.js'

const sink = new LogSink(writeStandardError(), () => env.clock.wallMillis())
const log = new LazyLog(() => {
  const make = createRequire(import.meta.url)('pino') as typeof pino
  return make({ level: process.env.SLUICE_LOG ?? 'info' }, sink)
})
const env = realEnv(log)
const ended = new AbortController()

const version = async (): Promise<string> => {
  const file = fileURLToPath(new URL('../../package.json', import.meta.url))
  return (JSON.parse(await env.disk.readText(file)) as { version: string }).version
}

/** As the system knows it; a process may run as a number that has no name. */
const userName = (): string | undefined => {
  try {
    return userInfo().username
  } catch {
    return undefined
  }
}

const runController = async (
  options: {
    openflow?: string[]
    rest?: string[]
    ryuFirewall?: string
    config?: string
    rules?: string[]
    openvswitch?: string[]
    adopt?: boolean
    open?: boolean
    ruleFolders?: string[]
  },
  data: string,
): Promise<void> => {
  const { run } = await import('./controller/main.js')
  const { readConfig, restSettings } = await import('./controller/config.js')
  const config = options.config === undefined ? {} : await readConfig(env.disk, options.config)
  const running = await run(env, {
    southbound: southboundOf(options.openflow, config),
    rest: restSettings(options.rest, config),
    data: data ?? config.data ?? dataFolder(process.env),
    rules: options.rules ?? config.rules ?? [],
    ...ryuOf(options.ryuFirewall ?? config.ryuFirewall),
    ...(options.adopt && { adopts: true }),
    ruleFolders: options.ruleFolders ?? config.ruleFolders ?? startFolder(),
    opens: options.open ?? config.open ?? false,
    ...(options.openvswitch && { openvswitch: options.openvswitch }),
    ...(config.packetsPerSecond && { packetsPerSecond: config.packetsPerSecond }),
    ...(config.forgetAfterDays && { forgetAfterDays: config.forgetAfterDays }),
    ...(config.discovery && { discovery: config.discovery }),
    variables: process.env,
    pid: process.pid,
    version: await version(),
  })
  const { restUrls, openflow } = running.endpoints
  process.stdout.write(
    `sluice is ready: API ${restUrls.join(' ')}  OpenFlow ${config.openflowTls ? 'ssl' : 'tcp'}:${openflow}  data ${running.endpoints.data}\n`,
  )
  await tellService('READY=1')
  process.on('SIGHUP', () => {
    running
      .reload()
      .catch((error: unknown) => log.error({ err: error }, 'the old certificates stay in use'))
  })
  await new Promise<void>(resolve => {
    if (ended.signal.aborted) resolve()
    ended.signal.addEventListener('abort', () => resolve())
  })
  const told = tellService('STOPPING=1')
  await running.stop()
  await told
}

/** systemd starts what waits for this service; where it is not told, it ends it after a while. */
const tellService = async (state: 'READY=1' | 'STOPPING=1'): Promise<void> => {
  const why = await notifyService(process.env, state)
  if (why !== undefined) log.error({ reason: why }, 'systemd cannot be told how this service is')
}

/** Where it was started, unless that is everything. */
const startFolder = (): string[] => (process.cwd() === '/' ? [] : [process.cwd()])

const ryuOf = (address: string | undefined) =>
  address === undefined ? {} : { ryuFirewall: address }

/** Words on the command line win over the file. */
const southboundOf = (openflow: readonly string[] | undefined, config: Config) => {
  const { names, ...tls } = config.openflowTls ?? {}
  return {
    listen: openflow ?? [config.openflow ?? '127.0.0.1:6653'].flat(),
    connect: config.connect ?? [],
    ...('key' in tls && { tls }),
    ...(names && { names }),
  }
}

const addRun = (program: Command): void => {
  program
    .command('run')
    .description('run the controller, in the foreground')
    .option('--openflow <host:port...>', 'where switches connect (default 127.0.0.1:6653)')
    .option('--rest <host:port...>', 'where the API listens (default 127.0.0.1:8080)')
    .option('--data <folder>', 'where it keeps its data (default per user)')
    .option('--rules <path...>', 'rule files or folders to keep in force, edits included')
    .option(
      '--openvswitch <path...>',
      'control sockets of ovs-vswitchd on this machine, or their folders (default /var/run/openvswitch)',
    )
    .option(
      '--ryu-firewall <host:port>',
      "serve the paths of Ryu's firewall there, without a token (loopback only; default: not at all)",
    )
    .option(
      '--rule-folders <folder...>',
      'where policies may name rule files to be watched (default: where it was started, and the folders of --rules)',
    )
    .option(
      '--open',
      'a file of --rules that is missing or wrong, and was never in force, leaves everything open instead of closed',
    )
    .option(
      '--adopt',
      'take switches that hold rows of another store, such as one that is lost: they are replaced',
    )
    .option('--config <file>', 'the same settings as YAML')
    .action(async options => runController(options, options.data ?? program.opts().data))
}

/** Octets of a file in pieces, so that captures of any size pass through. */
async function* readFile(path: string): AsyncGenerator<Uint8Array> {
  const piece = 1 << 18
  for (let offset = 0; ; offset += piece) {
    const bytes = await env.disk.readBytes(path, offset, piece)
    if (bytes.length > 0) yield bytes
    if (bytes.length < piece) return
  }
}

/** Writes and waits until it is taken, so that nothing piles up. */
const write = (text: string): Promise<void> =>
  process.stdout.write(shown(text))
    ? Promise.resolve()
    : new Promise(resolve => process.stdout.once('drain', resolve))

const showWire = async (inputs: readonly string[], isJsonl: boolean): Promise<boolean> => {
  const { HexMessages, showStream } = await import('./openflow/tool/wire.js')
  const { CaptureError } = await import('./openflow/tool/capture.js')
  const isHex = (text: string): boolean => /^[0-9a-fA-F\s]{16,}$/.test(text)
  let hasFailed = false
  const put = async (output: { readonly text: string; readonly hasFailed: boolean }) => {
    hasFailed ||= output.hasFailed
    await write(output.text)
  }
  for (const input of inputs.length === 0 ? ['-'] : inputs) {
    if (isHex(input)) {
      const messages = new HexMessages({ isJsonl })
      for (const output of [...messages.push(input), ...messages.end()]) await put(output)
      continue
    }
    try {
      for await (const output of showStream(input === '-' ? process.stdin : readFile(input), {
        isJsonl,
      }))
        await put(output)
    } catch (error) {
      // A file that is not there, or a capture that is none: the other inputs are shown all the same.
      if (!(error instanceof CaptureError) && !(error instanceof Error && 'code' in error))
        throw error
      complain(`sluice: ${input}: ${wordsOf(error)}`)
      hasFailed = true
    }
  }
  return hasFailed
}

const addWire = (program: Command, exit: (code: number) => void): void => {
  program
    .command('wire')
    .description(
      'print OpenFlow messages given as hex digits, as a pcap or pcapng file, or on standard input',
    )
    .argument(
      '[inputs...]',
      'hex digits, or files with hex digits or a capture; - for standard input',
    )
    .option('--jsonl', 'a JSON object a line, in and out: {"hex"} or {"text", "as"}')
    .action(async (inputs: string[], options: { jsonl?: boolean }) => {
      if (await showWire(inputs, options.jsonl === true)) exit(1)
    })
}

const addVersion = (program: Command): void => {
  program
    .command('version')
    .description('of this program and of what it runs on')
    .addOption(new Option('-o, --output <form>', 'table or json').choices(['table', 'json']))
    .action(async options => {
      const { arch, platform, versions } = process
      const all = { sluice: await version(), node: versions.node, system: `${platform}/${arch}` }
      print(
        options.output === 'json'
          ? JSON.stringify(all, null, 2)
          : `sluice ${all.sluice} (node ${all.node}, ${all.system})`,
      )
    })
}

/** Verbs that are no clients of the API. */
const addVerbs = async (program: Command, exit: (code: number) => void): Promise<void> => {
  addVersion(program)
  addRun(program)
  addImport(program, exit)
  addWire(program, exit)
  addBackup(program, env, print, data => data ?? dataFolder(process.env), version)
  addLab(program, env, print, ended.signal, exit)
  addOvsdb(program, env, print, ended.signal)
}

const addImport = (program: Command, exit: (code: number) => void): void => {
  program
    .command('import')
    .description('write a rule file from the rules of another firewall; needs no controller')
    .argument(
      '<format>',
      'iptables (iptables-save, ip6tables-save), nft (nft list ruleset, with -j or without), kubernetes (NetworkPolicy with pods), openstack (security groups with ports), faucet (faucet.yaml), pf (pf.conf), config.xml (of pfSense and OPNsense)',
    )
    .argument('<file>', 'what to read; - is standard input')
    .option(
      '--on-loss <how>',
      'what cannot be said: close (its whole reach is kept out) or fail',
      'close',
    )
    .option('--strict', 'the same as --on-loss fail')
    .option(
      '--interface <NAME=ZONE>',
      'the zone, or the addresses, behind an interface',
      gather,
      [],
    )
    .option(
      '--host <ADDRESS>',
      "a host's own rules (input and output) instead of what passes",
      gather,
      [],
    )
    .option(
      '--prove [COUNT]',
      'compare that many connections with the original: iptables and nft in a network namespace, the others by an evaluator',
    )
    .option('--seed <N>', 'of the connections', '1')
    .action(async (format: string, file: string, options: ImportFlags) => {
      const { importers, ImportError, withIncludes } = await import(
        './nfv/firewall/import/index.js'
      )
      const read = importers[format]
      if (read === undefined)
        throw new UsageError(
          `no format is named ${format}; there are ${Object.keys(importers).join(', ')}`,
        )
      let placeOf = (line: number) => ({ file, line })
      const place = (line: number, path = '') => {
        const found = placeOf(line)
        return `${found.file}${line > 0 ? `:${found.line}` : ''}${path && `: ${path}`}`
      }
      try {
        const own = file === '-' ? await standardInput() : await env.disk.readText(file)
        const whole = format === 'nft' ? await withIncludes(file, own, env.disk) : undefined
        const source = whole?.text ?? own
        if (whole) placeOf = whole.placeOf
        const { text, notes, summary } = read(source, importOptions(options))
        for (const { line, path, kind, message } of notes)
          complain(`${place(line, path)}: ${kind === 'info' ? '' : `${kind}: `}${message}`)
        const { taken, closed, leftOut } = summary
        complain(`${file}: ${taken} rules taken, ${closed} closed, ${leftOut} left out`)
        if (options.prove === undefined) print(text.trimEnd())
        else if (!(await proveImport(format, source, text, options))) exit(1)
      } catch (error) {
        if (!(error instanceof ImportError)) throw error
        complain(`${place(error.line)}: ${error.message}`)
        exit(1)
      }
    })
}

/** @returns false when something is allowed that the original drops */
const proveImport = async (
  format: string,
  source: string,
  text: string,
  options: ImportFlags,
): Promise<boolean> => {
  const { prove, formatConnection } = await import('./lab/prove/prove.js')
  const { originalOf } = await import('./lab/prove/original.js')
  const { CommandFailed } = await import('./lab/shell.js')
  const count = options.prove === true ? 500 : Number(options.prove)
  const seed = Number(options.seed)
  if (!Number.isInteger(count) || count < 1 || count > 100_000 || !Number.isInteger(seed))
    throw new Error('--prove takes 1 to 100000 connections, --seed a whole number')
  const { interfaces } = importOptions(options)
  const behind = new Map([...interfaces].map(([name, value]) => [name, value.split(',')]))
  const name = `sluice-prove-${process.pid}`
  const original = originalOf(format, source, behind, name, complain)
  const proof = await prove(original, text, { count, seed }).catch((error: unknown) => {
    if (!(error instanceof CommandFailed)) throw error
    complain(`the original cannot be loaded here: ${error.message}`)
    return undefined
  })
  if (proof === undefined) return false
  const { connections, passInBoth, stopInBoth, wider, narrower } = proof
  for (const [what, list] of Object.entries({ WIDER: wider, narrower }))
    for (const one of list.slice(0, 20)) print(`${what}: ${formatConnection(one)}`)
  print(
    `${connections} connections (seed ${seed}): ${passInBoth} pass in both, ${stopInBoth} in none, ${narrower.length} narrower, ${wider.length} WIDER`,
  )
  return wider.length === 0
}

interface ImportFlags {
  readonly prove?: string | true
  readonly seed: string
  readonly onLoss: string
  readonly strict?: boolean
  readonly interface: readonly string[]
  readonly host: readonly string[]
}

const gather = (value: string, before: readonly string[]): string[] => [...before, value]

const importOptions = (flags: ImportFlags) => {
  const { onLoss, strict, interface: interfaces, host } = flags
  if (onLoss !== 'close' && onLoss !== 'fail') throw new Error('--on-loss is close or fail')
  const known = interfaces.map((text): [string, string] => {
    const [name = '', value = ''] = text.split(/=(.*)/s)
    if (name === '' || value === '')
      throw new Error(`--interface is NAME=ZONE or NAME=ADDRESS, not ${text}`)
    return [name, value]
  })
  return {
    onLoss: strict === true || onLoss === 'fail' ? ('fail' as const) : ('close' as const),
    interfaces: new Map(known),
    ...(host.length > 0 && { host }),
  }
}

const standardInput = async (): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

/** The two ways to a terminal: what others wrote reaches it escaped. */
const print = (text: string): void => {
  process.stdout.write(`${shown(text)}\n`)
}

const complain = (text: string): void => {
  process.stderr.write(`${shown(text)}\n`)
}

/** How long rule files are looked at. */
const checkMillis = 30_000

const main = async (): Promise<void> => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => ended.abort())
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', error => {
      if ('code' in error && error.code === 'EPIPE') process.exit(0)
      throw error
    })
  process.exitCode = await runCli(
    {
      disk: env.disk,
      version: await version(),
      variables: { USER: userName(), ...process.env },
      print,
      complain,
      edit: async (name, text) => {
        const { editText } = await import('./base/env/editor.js')
        return editText(process.env.VISUAL || process.env.EDITOR || 'vi', name, text)
      },
      readInput: standardInput,
      run: async words => (await import('./base/env/run-command.js')).runCommand(words),
      wallMillis: () => env.clock.wallMillis(),
      signal: ended.signal,
      pause: millis =>
        new Promise(resolve => {
          env.timers.after(millis, resolve)
          ended.signal.addEventListener('abort', () => resolve())
        }),
      checkRules: async (files, notes, known) => {
        const { checkFiles } = await import('./nfv/firewall/meaning/check-files.js')
        const endMillis = env.clock.nowMillis() + checkMillis
        const isOver = () => env.clock.nowMillis() >= endMillis
        return checkFiles(files, env.clock.wallMillis(), notes, isOver, known)
      },
      traceRules: async (files, question, known) =>
        (await import('./nfv/firewall/meaning/trace-files.js')).traceFiles(
          files,
          question as unknown as FilesQuestion,
          known,
          env.clock.wallMillis(),
        ),
    },
    process.argv.slice(2),
    addVerbs,
  )
}

/** The last lines have a moment to be written. */
const lastWordsMillis = 300

const exit = async (code: typeof process.exitCode): Promise<void> => {
  await Promise.race([
    sink.flushed(),
    new Promise<void>(resolve => env.timers.after(lastWordsMillis, resolve)),
  ])
  process.exit(code)
}

main().then(
  () => exit(process.exitCode),
  (error: unknown) => {
    if (error instanceof Failure) complain(`sluice: ${error.message}`)
    else log.made.fatal({ err: error }, 'stopped by a mistake of its own')
    return exit(1)
  },
)
