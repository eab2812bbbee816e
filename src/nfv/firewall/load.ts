/** A rule file with what it includes: one list of statements in the order they count. */
import { posix } from 'node:path'
import { complaintAt } from './complaint.js'
import type { ParsedFile, Parser } from './parse.js'
import type { Line, RuleError, Statement } from './rule.js'

/** Gives the text of a file; throws when it cannot. */
export type ReadFile = (path: string) => Promise<string> | string

export interface LoadedPolicy {
  readonly lines: readonly Line[]
  /** Parse mistakes of all files, and includes that lead nowhere or in a circle. */
  readonly complaints: readonly RuleError[]
  /** Texts by file, for carets. */
  readonly texts: ReadonlyMap<string, string>
  /** The file itself, as written. */
  readonly root: ParsedFile
}

export interface PolicyInput {
  readonly name: string
  /** Lower numbers come first. */
  readonly order: number
  readonly loaded: LoadedPolicy
}

/**
 * Reads a policy and, in place, the files it includes; paths are relative to the file that names
 * them. A file counts once, where it is named first. Each file begins in tier `main`, and the
 * tier of the including file goes on behind the `include`.
 */
export const loadPolicy = async (
  parser: Parser,
  file: string,
  text: string,
  read: ReadFile,
): Promise<LoadedPolicy> => {
  const loader = new Loader(parser, read)
  const root = await loader.file(file, text)
  return { lines: loader.lines, complaints: loader.complaints, texts: loader.texts, root }
}

/** The same for text that includes nothing, without waiting. */
export const loadText = (parser: Parser, file: string, text: string): LoadedPolicy => {
  const root = parser.parse(text, file)
  const complaints = [...root.complaints]
  for (const line of root.lines)
    if (line.statement.kind === 'include')
      complaints.push(missing(line, line.statement, 'no files can be read here'))
  return { lines: root.lines, complaints, texts: new Map([[file, text]]), root }
}

class Loader {
  readonly lines: Line[] = []
  readonly complaints: RuleError[] = []
  readonly texts = new Map<string, string>()
  readonly #parser: Parser
  readonly #read: ReadFile
  /** The files we are inside of, the outermost first. */
  readonly #open: string[] = []

  constructor(parser: Parser, read: ReadFile) {
    this.#parser = parser
    this.#read = read
  }

  async file(file: string, text: string, isAudited = false): Promise<ParsedFile> {
    this.texts.set(file, text)
    this.#open.push(file)
    const parsed = this.#parser.parse(text, file)
    this.complaints.push(...parsed.complaints)
    for (const line of parsed.lines) {
      const here: Line = isAudited && line.audit !== 'file' ? { ...line, audit: 'file' } : line
      this.lines.push(here)
      if (line.statement.kind === 'include') await this.#include(here, line.statement)
    }
    this.#open.pop()
    return parsed
  }

  async #include(line: Line, include: Extract<Statement, { kind: 'include' }>): Promise<void> {
    const path = posix.join(posix.dirname(line.file), include.path)
    if (this.#open.includes(path)) {
      const circle = [...this.#open.slice(this.#open.indexOf(path)), path].join(' -> ')
      this.complaints.push(missing(line, include, `the files include one another: ${circle}`))
      return
    }
    if (this.texts.has(path)) return
    let text: string
    try {
      text = await this.#read(path)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      this.complaints.push(missing(line, include, `"${path}" cannot be read: ${why}`))
      return
    }
    await this.file(path, text, line.audit === 'file')
  }
}

const missing = (
  line: Line,
  include: Extract<Statement, { kind: 'include' }>,
  message: string,
): RuleError =>
  complaintAt(
    line,
    include.at ?? 0,
    include.path.length + 2,
    message,
    'the path is relative to the file that names it',
  )
