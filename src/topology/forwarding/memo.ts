/** Sections and lists of them from one compile to the next: the same objects as long as what they are made of is. */
import { areSame } from '../../base/same.js'
import type { Section } from '../../pipeline/program.js'

export type Key = readonly unknown[]

/** Remembers sections by name and by what they were made of. */
export class Memo {
  readonly #known = new Map<string, { key: Key; section: Section; turn: number }>()
  #turn = 0

  get(name: string, key: Key, make: () => Section): Section {
    const known = this.#known.get(name)
    if (known && areSame(known.key, key)) {
      known.turn = this.#turn
      return known.section
    }
    const made = make()
    this.#known.set(name, { key, section: made, turn: this.#turn })
    return made
  }

  /** Forgets what was not asked for since the last sweep. */
  sweep(): void {
    for (const [name, { turn }] of this.#known) if (turn !== this.#turn) this.#known.delete(name)
    this.#turn++
  }
}

/** A list of sections: nothing of it is looked at while its key is the same. */
export class Part {
  #key: Key | undefined
  #sections: readonly Section[] = []
  readonly #memo = new Memo()

  of(key: Key, make: (memo: Memo) => readonly Section[]): readonly Section[] {
    if (this.#key && areSame(this.#key, key)) return this.#sections
    this.#sections = make(this.#memo)
    this.#memo.sweep()
    this.#key = key
    return this.#sections
  }
}
