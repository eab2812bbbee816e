/**
 * Commands and child processes: the labs build namespaces and start switches, so this folder, alone beside
 * `base/real-env.ts`, touches the system.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'

export class CommandFailed extends Error {}

/** Runs a command to its end; resolves to what it printed. @throws {CommandFailed} with its complaint */
export const sh = (command: string, ...words: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(command, [...words], { maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error)
        reject(
          new CommandFailed(`${command} ${words.join(' ')}: ${stderr.trim() || error.message}`),
        )
      else resolve(stdout)
    })
  })

/** The same, where failing is no surprise: undefined then. */
export const trySh = async (
  command: string,
  ...words: readonly string[]
): Promise<string | undefined> => {
  try {
    return await sh(command, ...words)
  } catch (error) {
    if (error instanceof CommandFailed) return undefined
    throw error
  }
}

export const start = (
  command: string,
  words: readonly string[],
  options: Parameters<typeof spawn>[2] = {},
): ChildProcess => spawn(command, [...words], options)

/**
 * Ends a process: asked first, then not. Resolves when it has ended.
 *
 * @param graceMillis time to end by itself, before it is asked
 */
export const end = (child: ChildProcess, patienceMillis = 3_000, graceMillis = 0): Promise<void> =>
  new Promise(resolve => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    const timers = [
      setTimeout(() => child.kill('SIGTERM'), graceMillis),
      setTimeout(() => child.kill('SIGKILL'), graceMillis + patienceMillis),
    ]
    child.once('exit', () => {
      for (const timer of timers) clearTimeout(timer)
      resolve()
    })
  })

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

export const sleep = (millis: number): Promise<void> =>
  new Promise(resolve => {
    setTimeout(resolve, millis)
  })
