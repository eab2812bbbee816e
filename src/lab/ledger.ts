/** What a lab made on this machine, written down as it is made, so that a later run clears up after one that was killed. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isAlive, sleep, trySh } from './shell.js'

interface Entries {
  readonly processes: { readonly pid: number; readonly command: string }[]
  readonly namespaces: string[]
  readonly folders: string[]
}

let count = 0

/** A name for a ledger of this process, beside those of others: `PREFIX-PID-N.json`. */
export const ledgerName = (prefix: string): string => `${prefix}-${process.pid}-${++count}.json`

export class Ledger {
  readonly #path: string
  readonly #entries: Entries = { processes: [], namespaces: [], folders: [] }

  constructor(path: string) {
    this.#path = path
  }

  /** The number may belong to somebody else later: it is only ended while it still runs `command`. */
  process(pid: number, command: string): void {
    this.#entries.processes.push({ pid, command })
    this.#write()
  }

  namespace(name: string): void {
    this.#entries.namespaces.push(name)
    this.#write()
  }

  folder(path: string): void {
    this.#entries.folders.push(path)
    this.#write()
  }

  #write(): void {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 })
    writeFileSync(this.#path, JSON.stringify(this.#entries))
  }
}

/** Ends the processes and removes the namespaces and folders that a run wrote down. */
export const clear = async (path: string): Promise<void> => {
  const entries = readLedger(path)
  if (entries === undefined) return
  const runs = () => entries.processes.filter(isStillIt)
  // Newest first: ovs-vswitchd before its database.
  for (const { pid } of runs().reverse()) process.kill(pid, 'SIGTERM')
  for (let tries = 0; tries < 60 && runs().length > 0; tries++) await sleep(50)
  for (const { pid } of runs()) process.kill(pid, 'SIGKILL')
  await Promise.all(entries.namespaces.map(name => trySh('ip', 'netns', 'del', name)))
  for (const folder of entries.folders) rmSync(folder, { recursive: true, force: true })
  rmSync(path, { force: true })
}

/** Clears up behind runs whose process has ended; those that go on are left alone. */
export const clearStale = async (folder: string): Promise<void> => {
  for (const path of ledgersIn(folder)) {
    const owner = Number(/-(\d+)-\d+\.json$/.exec(basename(path))![1])
    if (owner !== process.pid && !isAlive(owner)) await clear(path)
  }
}

/** Clears up behind one process that has ended. */
export const clearBehind = async (folder: string, pid: number): Promise<void> => {
  for (const path of ledgersIn(folder)) if (basename(path).includes(`-${pid}-`)) await clear(path)
}

const ledgersIn = (folder: string): string[] => {
  try {
    return readdirSync(folder)
      .filter(name => /-\d+-\d+\.json$/.test(name))
      .map(name => join(folder, name))
  } catch {
    // No lab has ever run here.
    return []
  }
}

const readLedger = (path: string): Entries | undefined => {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Entries
  } catch {
    // Nothing was written down: there is nothing to clear.
    return undefined
  }
}

const isStillIt = ({ pid, command }: Entries['processes'][number]): boolean => {
  if (!isAlive(pid)) return false
  try {
    const [state] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').slice(1)
    return !state?.startsWith('Z') && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(command)
  } catch {
    // It ended between the two looks.
    return false
  }
}
