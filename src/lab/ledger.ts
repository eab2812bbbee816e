/** What a lab made on this machine, written down as it is made, so that a later run clears up after one that was killed. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { isAlive, sleep, trySh } from './shell.js'

interface Entries {
  readonly processes: { readonly pid: number; readonly command: string }[]
  readonly namespaces: string[]
  readonly folders: string[]
}

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
