/** The shipped program as a process of its own, for figures. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const path = new URL('../src/sluice.js', import.meta.url).pathname

export interface Program {
  readonly child: ChildProcess
  readonly openflowPort: number
  readonly rest: string
  readonly data: string
  readonly readyMillis: number
  /** What it has logged; only errors, unless SLUICE_LOG says otherwise. */
  readonly complaints: readonly string[]
  get<T>(path: string): Promise<T>
  put(path: string, body: unknown): Promise<void>
  /** Resident set, in MiB. */
  memoryMib(): number
  /** Seconds of CPU so far. */
  cpuSeconds(): number
  hasEnded(): boolean
  /** Also when it has ended by itself: its data are removed. */
  stop(): Promise<void>
}

/** `SLUICE_BENCH_NODE='--cpu-prof --cpu-prof-dir=DIR'` profiles the controller. */
const usualNodeWords = process.env.SLUICE_BENCH_NODE?.split(' ') ?? []

export interface ProgramOptions {
  /** For Node itself. */
  readonly nodeWords?: readonly string[]
  /** With a channel for messages to what `nodeWords` loads. */
  readonly canTalk?: boolean
  readonly variables?: Readonly<Record<string, string>>
}

export const startProgram = async (
  more: readonly string[] = [],
  { nodeWords = usualNodeWords, canTalk = false, variables = {} }: ProgramOptions = {},
): Promise<Program> => {
  const data = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  const words = [
    'run',
    '--openflow',
    '127.0.0.1:0',
    '--rest',
    '127.0.0.1:0',
    '--data',
    data,
    ...more,
  ]
  const began = performance.now()
  const child = spawn(process.execPath, [...nodeWords, path, ...words], {
    stdio: ['ignore', 'pipe', 'pipe', ...(canTalk ? (['ipc'] as const) : [])],
    env: { ...process.env, SLUICE_LOG: process.env.SLUICE_LOG ?? 'error', ...variables },
  })
  const complaints: string[] = []
  child.stderr!.on('data', chunk => {
    if (complaints.length < 1_000) complaints.push(String(chunk))
  })
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout!.once('data', chunk => resolve(String(chunk)))
    child.once('exit', code =>
      reject(new Error(`the controller ended with ${code}: ${complaints.join('')}`)),
    )
  })
  const readyMillis = performance.now() - began
  const rest = /API http:\/\/(\S+)/.exec(line)![1]!
  const openflowPort = Number(/tcp:[^:]+:(\d+)/.exec(line)![1])
  const token = readFileSync(join(data, 'token'), 'utf8').trim()
  return {
    child,
    data,
    rest,
    openflowPort,
    readyMillis,
    complaints,
    get: async <T>(at: string) => (await (await fetch(`http://${rest}${at}`)).json()) as T,
    put: async (at, body) => {
      const reply = await fetch(`http://${rest}${at}`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      if (!reply.ok) throw new Error(`${at}: ${reply.status} ${await reply.text()}`)
    },
    memoryMib: () =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) / 1024,
    cpuSeconds: () => {
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
      return (Number(fields[11]) + Number(fields[12])) / 100
    },
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = new Promise(resolve => child.once('exit', resolve))
        child.kill('SIGTERM')
        await gone
      }
      rmSync(data, { recursive: true, force: true })
    },
  }
}

export const sleep = (millis: number): Promise<void> =>
  new Promise(resolve => setTimeout(resolve, millis))

/** The value below which `share` of the numbers are. */
export const quantile = (numbers: readonly number[], share: number): number => {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export const median = (numbers: readonly number[]): number => quantile(numbers, 0.5)
