/**
 * One controller for a data folder: the store names the process that uses it. A process is named by its
 * number and when it started, so that a number used again after a crash locks nobody out.
 */
import type { Database, RootDatabase } from 'lmdb'
import type { Disk, Env } from '../../base/env.js'
import { Failure } from '../../base/failures.js'

interface Owner {
  readonly pid: number
  /** In ticks since the machine started; undefined where there is no /proc. */
  readonly started?: string
}

type Meta = Database<unknown, string>

/** Makes `pid` the owner. @throws {Failure} `already-running` when a living process is it */
export const take = async (
  env: Env,
  root: RootDatabase,
  meta: Meta,
  pid: number,
): Promise<void> => {
  const before = meta.get('owner') as Owner | undefined
  if (before !== undefined && before.pid !== pid && (await isAlive(env.disk, before)))
    throw new Failure('already-running', { pid: before.pid })
  const started = await startOf(env.disk, pid)
  // lmdb lets one process at a time write: two that start at once find out here.
  const now = root.transactionSync(() => {
    const owner = meta.get('owner') as Owner | undefined
    if (JSON.stringify(owner) !== JSON.stringify(before)) return owner
    meta.putSync('owner', { pid, ...(started !== undefined && { started }) } satisfies Owner)
    return undefined
  })
  if (now !== undefined) throw new Failure('already-running', { pid: now.pid })
}

export const release = async (root: RootDatabase, meta: Meta): Promise<void> => {
  await root.childTransaction(() => meta.removeSync('owner'))
}

const isAlive = async (disk: Disk, { pid, started }: Owner): Promise<boolean> => {
  const now = await startOf(disk, pid)
  return now !== undefined && (started === undefined || started === now)
}

/** When a process started (proc_pid_stat(5), field 22); undefined when there is none. */
const startOf = async (disk: Disk, pid: number): Promise<string | undefined> => {
  const path = `/proc/${pid}/stat`
  if ((await disk.stat(path)) === undefined) return undefined
  const stat = await disk.readText(path)
  // The name of the program, in parentheses, may contain anything.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}
