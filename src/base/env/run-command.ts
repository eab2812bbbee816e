/** A program of this machine, asked for what it prints. */
import { execFile } from 'node:child_process'

export interface CommandResult {
  readonly code: number
  readonly out: string
  readonly err: string
}

const patienceMillis = 5_000

/** @returns undefined when there is no such program here */
export const runCommand = (words: readonly string[]): Promise<CommandResult | undefined> =>
  new Promise(resolve => {
    const [program = '', ...rest] = words
    execFile(program, rest, { timeout: patienceMillis, maxBuffer: 2 ** 24 }, (error, out, err) => {
      if (error === null) resolve({ code: 0, out, err })
      else if (error.code === 'ENOENT') resolve(undefined)
      else resolve({ code: typeof error.code === 'number' ? error.code : 1, out, err })
    })
  })
