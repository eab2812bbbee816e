/** What the command line ends with; the one place that says so. docs/cli.md is written from it. */
import { Failure } from '../base/failures.js'
import { Problem } from './client.js'
import { UsageError } from './usage.js'

// biome-ignore format: a table
export const exitCodes = {
  done:     { code: 0, means: 'done' },
  failed:   { code: 1, means: 'it could not be done, a check found mistakes, a difference was found, or a traced packet does not arrive' },
  usage:    { code: 2, means: 'the command was wrong; of `diff` also: what it compares could not be read, or could not be asked for' },
  notFound: { code: 3, means: 'there is nothing of that name' },
  denied:   { code: 4, means: 'a token is needed, or it may not do this' },
  conflict: { code: 5, means: 'what is there now stands against it: changed by somebody else in the meantime, connected, declared, taken' },
} as const

const byStatus: Readonly<Record<number, number>> = {
  401: exitCodes.denied.code,
  403: exitCodes.denied.code,
  404: exitCodes.notFound.code,
  409: exitCodes.conflict.code,
  412: exitCodes.conflict.code,
}

/** The code for what ended a command. */
export const exitCodeOf = (error: unknown): number => {
  if (error instanceof UsageError) return exitCodes.usage.code
  if (error instanceof Problem) return byStatus[error.status] ?? exitCodes.failed.code
  if (error instanceof Failure) {
    // What the program itself cannot understand was typed: a question that the controller refuses is a Problem.
    if (error.code === 'bad-request') return exitCodes.usage.code
    if (error.code === 'not-found') return exitCodes.notFound.code
  }
  return exitCodes.failed.code
}
