/** Files that a ruleset of nft includes (nft(8), "include files"), put where it names them. */
import { posix } from 'node:path'
import { ImportError } from '../rule-writer.js'

/** The part of the disk that is asked. */
export interface Files {
  readText(path: string): Promise<string>
  list(folder: string): Promise<string[]>
}

export interface Whole {
  readonly text: string
  /** Where a line of the text stands, both 1-based. */
  placeOf(line: number): { readonly file: string; readonly line: number }
}

const [deepest, mostFiles] = [16, 1_000]
const includeLine = /^\s*include\s+"([^"]+)"\s*;?\s*(#.*)?$/

/** @throws {ImportError} when a file is not there, or files include one another */
export const withIncludes = async (file: string, text: string, files: Files): Promise<Whole> => {
  const lines: { readonly text: string; readonly file: string; readonly line: number }[] = []
  let count = 0
  const read = async (path: string, content: string, depth: number): Promise<void> => {
    if (depth > deepest || ++count > mostFiles)
      throw new ImportError(`${path}: files include one another without an end`)
    for (const [at, line] of content.split(/\r?\n/).entries()) {
      const wanted = includeLine.exec(line)?.[1]
      if (wanted === undefined) {
        lines.push({ text: line, file: path, line: at + 1 })
        continue
      }
      const found = await included(wanted, posix.dirname(path), files)
      if (found === undefined)
        throw new ImportError(
          `include "${wanted}": there is no such file${path === file ? '' : ` (${path}:${at + 1})`}`,
          path === file ? at + 1 : 0,
        )
      for (const each of found) await read(each, await files.readText(each), depth + 1)
    }
  }
  await read(file, text, 0)
  return {
    text: lines.map(line => line.text).join('\n'),
    placeOf: line => lines[line - 1] ?? { file, line },
  }
}

/** Where nft itself looks for names without a folder, and where the file lies. */
const folders = (own: string): string[] => [own, '/etc']

/** Undefined: none; a pattern may name none at all. */
const included = async (
  wanted: string,
  own: string,
  files: Files,
): Promise<string[] | undefined> => {
  const bases = posix.isAbsolute(wanted) ? [''] : folders(own)
  const isPattern = /[*?[]/.test(wanted)
  for (const base of bases) {
    const path = base === '' ? wanted : posix.join(base, wanted)
    const folder = posix.dirname(path)
    const names = await files.list(folder).catch(() => [])
    const isMeant = isPattern ? patternOf(posix.basename(path)) : undefined
    const found = names.filter(name => isMeant?.test(name) ?? name === posix.basename(path))
    if (found.length > 0) return found.map(name => posix.join(folder, name))
  }
  return isPattern ? [] : undefined
}

/** `*` and `?` of a shell: neither begins with a dot. */
const patternOf = (glob: string): RegExp => {
  const body = glob
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^(?!\\.)${body}$`)
}
