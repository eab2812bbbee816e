/** A rule file with what it includes: one list of statements in the order they count. */
import { posix } from 'node:path'
import { complaintAt } from './complaint.js'
import { Budget, type Limits, limits, maxMistakes } from './limits.js'
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
  /** There was too much of it: it was not read to its end. */
  readonly isCut?: true
}

/** Lets others have their turn. */
export type Pause = () => Promise<void>

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
  { limits: most = limits, pause }: { readonly limits?: Limits; readonly pause?: Pause } = {},
): Promise<LoadedPolicy> => {
  const loader = new Loader(parser, read, new Budget(most), pause)
  const root = await loader.file(file, text)
  const { lines, complaints, texts, isCut } = loader
  return { lines, complaints, texts, root, ...(isCut && { isCut }) }
}

/** The same for text that includes nothing, without waiting. */
export const loadText = (parser: Parser, file: string, text: string): LoadedPolicy => {
  const root = parser.parse(text, file)
  const complaints = [...root.complaints]
  for (const line of root.lines)
    if (line.statement.kind === 'include')
      complaints.push(missing(line, line.statement, 'no files can be read here'))
  const texts = new Map([[file, text]])
  return { lines: root.lines, complaints, texts, root, ...(root.isCut && { isCut: true }) }
}

class Loader {
  readonly lines: Line[] = []
  readonly complaints: RuleError[] = []
  readonly texts = new Map<string, string>()
  isCut = false
  readonly #parser: Parser
  readonly #read: ReadFile
  readonly #budget: Budget
  readonly #pause: Pause | undefined
  /** The files we are inside of, the outermost first. */
  readonly #open: string[] = []

  constructor(parser: Parser, read: ReadFile, budget: Budget, pause: Pause | undefined) {
    this.#parser = parser
    this.#read = read
    this.#budget = budget
    this.#pause = pause
  }

  async file(file: string, text: string, isAudited = false): Promise<ParsedFile> {
    this.texts.set(file, text)
    this.#open.push(file)
    const parsed = await this.#parse(text, file)
    this.complaints.push(...parsed.complaints)
    if (parsed.isCut || this.complaints.length >= maxMistakes) this.isCut = true
    for (const line of parsed.lines) {
      if (this.isCut && parsed.isCut !== true) break
      const here: Line = isAudited && line.audit !== 'file' ? { ...line, audit: 'file' } : line
      this.lines.push(here)
      if (line.statement.kind === 'include') await this.#include(here, line.statement)
    }
    this.#open.pop()
    return parsed
  }

  async #parse(text: string, file: string): Promise<ParsedFile> {
    if (this.#pause === undefined) return this.#parser.parse(text, file, this.#budget)
    const reading = this.#parser.reading(text, file, this.#budget)
    for (;;) {
      const { done, value } = reading.next()
      if (done) return value
      await this.#pause()
    }
  }

  async #include(line: Line, include: Extract<Statement, { kind: 'include' }>): Promise<void> {
    const path = posix.join(posix.dirname(line.file), include.path)
    if (this.#open.includes(path)) {
      const circle = [...this.#open.slice(this.#open.indexOf(path)), path].join(' -> ')
      this.complaints.push(missing(line, include, `the files include one another: ${circle}`))
      return
    }
    if (this.isCut || this.texts.has(path)) return
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
