/**
 * What all imports have in common: the lines of a rule file, names that it may have, and notes about what is not as it was in the
 * source. Nothing is ever wider than there.
 */
import { reserved } from '../text/words.js'
import type { Loss, Place } from './chains.js'

export interface Note {
  /** In the imported file, 1-based; 0: the whole file. */
  readonly line: number
  /** In a source without lines: the place in its structure. */
  readonly path?: string | undefined
  readonly message: string
  /** `left out`, `closed`: the meaning is narrower than the source's; `info`: it is the same. */
  readonly kind: Loss['kind'] | 'info'
}

/** How many rules of the source came out in which way. */
export interface Summary {
  readonly taken: number
  /** Rules that keep out more than they did. */
  readonly closed: number
  readonly leftOut: number
}

export interface Imported {
  /** A rule file. */
  readonly text: string
  readonly notes: readonly Note[]
  readonly summary: Summary
}

export interface ImportOptions {
  /** `fail`: the first thing that cannot be said ends the import. */
  readonly onLoss?: 'close' | 'fail' | undefined
  /** What the zone, or the addresses, behind each interface are called. */
  readonly interfaces?: ReadonlyMap<string, string> | undefined
  /** Addresses of the host whose own rules are wanted: chains input and output instead of forward. */
  readonly host?: readonly string[] | undefined
}

/** The source says what cannot be said here, and the user wants it all or nothing. */
export class ImportError extends Error {
  readonly line: number

  constructor(message: string, line = 0) {
    super(message)
    this.line = line
  }
}

/** Names for rules and zones: words of the language, doubles and strange characters are changed. */
export class UniqueNames {
  readonly #used = new Set<string>()

  of(wanted: string, what = 'rule'): string {
    const plain = wanted.replace(/[^A-Za-z0-9_.-]+/g, '-').replace(/^[-.]+|[-.]+$/g, '') || what
    const begun = /^[A-Za-z_]/.test(plain) && !reserved.has(plain) ? plain : `${what[0]}-${plain}`
    let name = begun
    for (let count = 2; this.#used.has(name); count++) name = `${begun}-${count}`
    this.#used.add(name)
    return name
  }
}

/** Collects the lines of a rule file. */
export class RuleWriter {
  readonly notes: Note[] = []
  readonly #lines: string[] = []
  readonly #taken = new Set<string>()
  readonly #onLoss: 'close' | 'fail'

  constructor({ onLoss = 'close' }: ImportOptions = {}) {
    this.#onLoss = onLoss
  }

  /** Something that is not in force as in the source. @throws {ImportError} when nothing may be lost */
  loss({ line, path }: Place, kind: Loss['kind'], message: string): void {
    const where = path === undefined ? '' : `${path}: `
    if (this.#onLoss === 'fail') throw new ImportError(`${where}${message}`, line)
    this.notes.push({ line, path, message, kind })
  }

  /** Something that a reader should know, and that changes nothing. */
  info({ line, path }: Place, message: string): void {
    this.notes.push({ line, path, message, kind: 'info' })
  }

  /** A rule of the source whose meaning came out. @param key its place */
  take(key: string): void {
    this.#taken.add(key)
  }

  line(text: string): void {
    this.#lines.push(text)
  }

  comment(text: string): void {
    this.#lines.push(`# ${oneLine(text)}`)
  }

  done(): Imported {
    const keys = (kind: Note['kind']) =>
      new Set(
        this.notes
          .filter(note => note.kind === kind)
          .map(({ line, path, message }) => (line > 0 || path ? `${line} ${path ?? ''}` : message)),
      )
    const [closed, leftOut] = [keys('closed'), keys('left out')]
    const taken = [...this.#taken].filter(key => !closed.has(key) && !leftOut.has(key)).length
    return {
      text: `${this.#lines.join('\n')}\n`,
      notes: this.notes,
      summary: { taken, closed: closed.size, leftOut: leftOut.size },
    }
  }
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim()
