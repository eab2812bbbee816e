import type { Undo } from './refusal.js'

/** What a message changed: it can be taken back until its effects on others were let out. */
export class Change {
  readonly #undos: Undo[] = []
  readonly #effects: (() => void)[] = []

  did(undo: Undo): void {
    this.#undos.push(undo)
  }

  /** Happens only when the change stays. */
  then(effect: () => void): void {
    this.#effects.push(effect)
  }

  keep(): void {
    this.#undos.length = 0
    for (const effect of this.#effects.splice(0)) effect()
  }

  takeBack(): void {
    this.#effects.length = 0
    for (const undo of this.#undos.splice(0).reverse()) undo()
  }
}
