/**
 * The chain of the audit log: each line is a JSON object whose `hash` is SHA-256 of `previous`, which is the hash of the
 * line before, and of all else that it says. Whoever changes, adds or takes away a line in the middle breaks it.
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

const hashOf = (entry: object): string =>
  createHash('sha256').update(JSON.stringify(entry)).digest('hex')

/** Holds lines one by one against those before. */
export class ChainCheck {
  #last: AuditEntry | undefined
  #count = 0

  get count(): number {
    return this.#count
  }

  get last(): AuditEntry | undefined {
    return this.#last
  }

  /** @returns what is wrong with the line; undefined when nothing is */
  take(line: string): string | undefined {
    let entry: AuditEntry
    try {
      entry = JSON.parse(line) as AuditEntry
    } catch {
      return `behind ${this.#last?.sequence ?? 'the beginning'}: a line that is no JSON`
    }
    const { hash, ...rest } = entry
    const before = this.#last
    this.#last = entry
    this.#count++
    if (hash !== hashOf(rest)) return `${entry.sequence}: it says something else than was written`
    if (before === undefined) return undefined
    if (entry.sequence !== before.sequence + 1)
      return `${entry.sequence}: it follows ${before.sequence}, so lines are missing or too many`
    if (entry.previous !== before.hash) return `${entry.sequence}: the line before is another one`
    return undefined
  }
}
