/** The lines of a file as they were read the last time, to be found again one after the other. */
import type { Line, TierName } from './rule.js'

export class OldLines {
  readonly #lines: readonly Line[]
  #at = -1

  constructor(lines: readonly Line[]) {
    this.#lines = lines
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
