/** What a store remembers of its past: events for watches, and the values from before them. */
import { Compacted, type KeyValue, type Rev, type StoreEvent } from './store.js'

export interface Change {
  readonly key: string
  readonly before: KeyValue | undefined
  readonly after: KeyValue | undefined
}

interface Entry extends Change {
  readonly rev: Rev
}

export class History {
  readonly #kept: number
  #entries: Entry[] = []
  /** What was before this revision is forgotten. */
  #min: Rev

  /** @param kept about as many changes are remembered */
  constructor(rev: Rev, kept: number) {
    this.#min = rev
    this.#kept = kept
  }

  /** The oldest revision that can be read. */
  get min(): Rev {
    return this.#min
  }

  add(changes: readonly Change[], rev: Rev): void {
    for (const change of changes) this.#entries.push({ ...change, rev })
    // Cut seldom, so that each cut is paid for by many additions.
    if (this.#entries.length > this.#kept * 1.25)
      this.compact(this.#entries[this.#entries.length - this.#kept]!.rev)
  }

  compact(rev: Rev): void {
    if (rev <= this.#min) return
    this.#min = rev
    this.#entries = this.#entries.filter(entry => entry.rev > rev)
  }

  /** Events under a prefix with a revision of `from` or higher. @throws {Compacted} */
  since(from: Rev, prefix: string): StoreEvent[] {
    if (from <= this.#min) throw new Compacted(this.#min + 1)
    return this.#entries
      .filter(entry => entry.rev >= from && entry.key.startsWith(prefix))
      .map(entry => eventOf(entry, entry.rev))
  }

  /** The keys that were changed after `rev`, with their values of then. @throws {Compacted} */
  undone(rev: Rev): ReadonlyMap<string, KeyValue | undefined> {
    if (rev < this.#min) throw new Compacted(this.#min)
    const values = new Map<string, KeyValue | undefined>()
    for (let at = this.#entries.length - 1; at >= 0; at--) {
      const entry = this.#entries[at]!
      if (entry.rev <= rev) break
      values.set(entry.key, entry.before)
    }
    return values
  }
}

export const eventOf = ({ key, after }: Change, rev: Rev): StoreEvent =>
  after ? { kind: 'put', key, value: after.value, rev } : { kind: 'delete', key, rev }
