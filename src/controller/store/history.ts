/** What a store remembers of its past: events for watches, and the values from before them. */
import { Compacted, type KeyValue, type Rev, type StoreEvent } from '../../base/store.js'

export interface Change {
  readonly key: string
  readonly before: KeyValue | undefined
  readonly after: KeyValue | undefined
}

interface Entry extends Change {
  readonly rev: Rev
  readonly weight: number
}

/** About as much is remembered. */
export interface Kept {
  readonly changes: number
  /** Characters of their values: a policy may have millions. */
  readonly characters: number
}

/** Cut seldom, so that each cut is paid for by many additions. */
const slack = 1.25

export class History {
  readonly #kept: Kept
  #entries: Entry[] = []
  #weight = 0
  /** What was before this revision is forgotten. */
  #min: Rev

  constructor(rev: Rev, kept: Kept) {
    this.#min = rev
    this.#kept = kept
  }

  /** The oldest revision that can be read. */
  get min(): Rev {
    return this.#min
  }

  add(changes: readonly Change[], rev: Rev): void {
    for (const change of changes) {
      const weight = weightOf(change.before?.value) + weightOf(change.after?.value)
      this.#weight += weight
      this.#entries.push({ ...change, rev, weight })
    }
    const { changes: count, characters } = this.#kept
    if (this.#entries.length > count * slack || this.#weight > characters * slack) this.#cut()
  }

  /** Forgets the oldest until no more is left than is to be kept. */
  #cut(): void {
    let [count, weight] = [this.#entries.length, this.#weight]
    for (const entry of this.#entries) {
      if (count <= this.#kept.changes && weight <= this.#kept.characters) break
      count--
      weight -= entry.weight
      this.#min = entry.rev
    }
    this.#forget()
  }

  #forget(): void {
    this.#entries = this.#entries.filter(entry => entry.rev > this.#min)
    this.#weight = this.#entries.reduce((sum, { weight }) => sum + weight, 0)
  }

  compact(rev: Rev): void {
    if (rev <= this.#min) return
    this.#min = rev
    this.#forget()
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

/** Characters of the texts in a value, and a little for the rest. */
const weightOf = (value: unknown): number => {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return 8
  let weight = 16
  for (const part of Object.values(value)) weight += weightOf(part)
  return weight
}
