/** One controller for a data folder: a file with the process id of its owner. */
import { join } from 'node:path'
import type { Env } from '../base/env.js'
import { Failure } from '../base/failures.js'

/**
 * @returns how to give the folder free
 * @throws {Failure} `already-running` when a living process has it
 */
export const lockFolder = async (
  env: Env,
  folder: string,
  pid: number,
): Promise<() => Promise<void>> => {
  const path = join(folder, 'lock')
  if ((await env.disk.stat(path)) !== undefined) {
    const owner = Number((await env.disk.readText(path)).trim())
    if (owner !== pid && isAlive(owner)) throw new Failure('already-running', { pid: owner })
  }
  await env.disk.writeText(path, `${pid}\n`, 0o600)
  return () => env.disk.remove(path)
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
