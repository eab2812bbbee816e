/** The lines of a file as they were read the last time, to be found again one after the other. */
import type { Line, TierName } from './rule.js'

export class OldLines {
  readonly #lines: readonly Line[]
  readonly #words: readonly number[]
  #at = -1

  /** @param words how many each has, with what variables stand for */
  constructor(lines: readonly Line[], words: readonly number[]) {
    this.#lines = lines
    this.#words = words
  }

  /** Of the line that was found last. */
  get words(): number {
    return this.#words[this.#at] ?? 0
  }

  /** The line with this text, at the place behind the one found before or a few lines from there. */
  find(text: string): Line | undefined {
    for (const offset of [1, 2, 0, 3]) {
      const old = this.#lines[this.#at + offset]
      if (old?.text !== text) continue
      this.#at += offset
      return old
    }
    this.#at++
    return undefined
  }

  /** Whether all that is known of it besides its text stayed; a line that says something of others is read anew. */
  stands(old: Line, line: number, tier: TierName, audit: Line['audit']): boolean {
    const { kind } = old.statement
    const isPlain = kind === 'rule' || kind === 'blank' || kind === 'test'
    return isPlain && old.line === line && old.tier === tier && old.audit === audit
  }
}
