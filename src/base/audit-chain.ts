/**
 * The chain of the audit log: each line is a JSON object whose last member, `hash`, is SHA-256 of the octets of the line
 * without it; among them is `previous`, the hash of the line before. Whoever changes an octet, or adds or takes away a
 * line in the middle, breaks it.
 */
import { createHash } from 'node:crypto'

export interface AuditEntry {
  /** One more than the line before. */
  readonly sequence: number
  /** ISO 8601. */
  readonly time: string
  /** As it was proven. */
  readonly who: string
  readonly role?: string
  /** By what it was proven. */
  readonly how?: string
  /** Address of whoever asked. */
  readonly from: string
  /** Method and route. */
  readonly action: string
  /** What was asked for, without its query. */
  readonly path: string
  /** What it changed. */
  readonly difference?: unknown
  /** The status of the answer, with the code of a failure. */
  readonly result: string
  readonly previous: string
  readonly hash: string
}

export const hashOfNothing = '0'.repeat(64)

/** What `previous` and the hash are made for. */
export type AuditContent = Omit<AuditEntry, 'sequence' | 'previous' | 'hash'>

export const chained = (
  content: AuditContent,
  after: { readonly sequence: number; readonly hash: string },
): AuditEntry => {
  const entry = { sequence: after.sequence + 1, ...content, previous: after.hash }
  return { ...entry, hash: hashOf(entry) }
}

const hashOf = (entry: object): string => hashOfText(JSON.stringify(entry))

const hashOfText = (text: string): string => createHash('sha256').update(text).digest('hex')

/** What a line says; undefined when it is none of the log. */
export const entryOfLine = (line: string): AuditEntry | undefined => {
  try {
    const entry = JSON.parse(line) as AuditEntry | null
    const isOne =
      Number.isSafeInteger(entry?.sequence) &&
      typeof entry?.previous === 'string' &&
      typeof entry.hash === 'string'
    return isOne ? entry : undefined
  } catch {
    // Verifying tells of it; nothing else can be said of such a line.
    return undefined
  }
}

/** Where a chain begins: the number of its first line, and the hash of the one before, which is not kept any more. */
export interface ChainBegin {
  readonly sequence: number
  readonly previous: string
}

const lineShape = /^(\{.*),"hash":"([0-9a-f]{64})"\}$/s

/** Holds lines one by one against those before. */
export class ChainCheck {
  readonly #begin: ChainBegin | undefined
  #first: AuditEntry | undefined
  #last: AuditEntry | undefined
  #count = 0

  /** @param begin where it must begin, or before; absent: wherever it does */
  constructor(begin?: ChainBegin) {
    this.#begin = begin
  }

  get count(): number {
    return this.#count
  }

  get first(): AuditEntry | undefined {
    return this.#first
  }

  get last(): AuditEntry | undefined {
    return this.#last
  }

  /** @returns what is wrong with the line; undefined when nothing is */
  take(line: string): string | undefined {
    const entry = entryOfLine(line)
    if (entry === undefined)
      return `behind ${this.#last?.sequence ?? 'the beginning'}: a line that is none of the log`
    const before = this.#last
    this.#first ??= entry
    this.#last = entry
    this.#count++
    const [, said = '', hash] = lineShape.exec(line) ?? []
    if (hash === undefined || hash !== hashOfText(`${said}}`))
      return `${entry.sequence}: it says something else than was written`
    if (before === undefined) return this.#wrongBegin(entry)
    if (entry.sequence !== before.sequence + 1)
      return `${entry.sequence}: it follows ${before.sequence}, so lines are missing or too many`
    if (entry.previous !== before.hash) return `${entry.sequence}: the line before is another one`
    return undefined
  }

  #wrongBegin({ sequence, previous }: AuditEntry): string | undefined {
    const begin = sequence === 1 ? { sequence, previous: hashOfNothing } : this.#begin
    if (begin === undefined || sequence < begin.sequence) return undefined
    if (sequence > begin.sequence)
      return `${sequence}: it is the first, and the log begins with ${begin.sequence}`
    return previous === begin.previous ? undefined : `${sequence}: the line before was another one`
  }
}
