/** One controller for a data folder: a lock of the kernel on a file in it, which ends with the process (ADR 0014). */
import { join } from 'node:path'
import type { Env, FolderLock } from '../../base/env/env.js'
import { Failure } from '../../base/failures.js'

/** @throws {Failure} `already-running` when another process has it, `no-lock` when nothing here can lock */
export const lockFolder = async (env: Env, folder: string): Promise<FolderLock> => {
  const path = join(folder, 'lock')
  const lock = await lockFile(env, path)
  if ('isHeld' in lock) return lock
  const owner =
    lock.owner === undefined
      ? 'the controller that uses it, in another container or on another machine'
      : `process ${lock.owner}`
  throw new Failure('already-running', { owner, ...(lock.owner && { pid: lock.owner }) })
}

const lockFile = async (env: Env, path: string) => {
  try {
    return await env.disk.lock(path)
  } catch (cause) {
    const isAbsent = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    const why = isAbsent
      ? 'the program flock (package util-linux) is not installed'
      : String((cause as Error).message)
    throw new Failure('no-lock', { path, why }, { cause })
  }
}
