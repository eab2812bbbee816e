/** Checks rule files away from any network, for the command line: hosts and chains that are named may exist. */
import { posix } from 'node:path'
import { type IsOver, type Limits, limits } from '../text/limits.js'
import type { PolicyInput } from '../text/load.js'
import { loadPolicy } from '../text/load.js'
import { Parser } from '../text/parse.js'
import { check, formatReport } from './check.js'
import { factsOf, knownAddresses } from './known-addresses.js'

export interface FileToCheck {
  readonly name: string
  readonly path: string
  readonly source: string
  /** Texts of included files, by path relative to the folder of `path`. */
  readonly includes: Readonly<Record<string, string>>
}

export interface FilesReport {
  readonly text: string
  readonly isGood: boolean
  readonly data: unknown
}

/** The files as policies that count together, in the order of their names. */
export const loadFiles = (
  files: readonly FileToCheck[],
  most: Limits = limits,
): Promise<PolicyInput[]> => {
  const parser = new Parser()
  return Promise.all(
    files.map(async ({ name, path, source, includes }): Promise<PolicyInput> => {
      const read = (included: string) => {
        const name = posix.relative(posix.dirname(path), included)
        // A name that every object has, as "constructor", is no file.
        if (!Object.hasOwn(includes, name)) throw new Error('there is no such file')
        return includes[name]!
      }
      return {
        name,
        order: 0,
        loaded: await loadPolicy(parser, path, source, read, { limits: most }),
      }
    }),
  )
}

/**
 * Checks the files as they would count together.
 *
 * @param notes say the lesser doubts as well
 * @param known addresses, as `knownAddresses` takes them
 * @param isOver what is not looked at by then is a mistake that says so
 */
export const checkFiles = async (
  files: readonly FileToCheck[],
  nowMillis: number,
  notes = false,
  isOver: IsOver = () => false,
  known: readonly string[] = [],
): Promise<FilesReport> => {
  const facts = factsOf(knownAddresses(known), nowMillis)
  const policies = await loadFiles(files, { ...limits, isOver })
  const report = check(policies, facts, isOver)
  const texts = new Map(policies.flatMap(({ loaded }) => [...loaded.texts]))
  return {
    text: formatReport(report, texts, { notes }),
    isGood: report.exitCode === 0,
    data: report,
  }
}
