/** All switches that are known, connected or not, and the numbers that they have in programs. */
import type { Dpid } from '../base/addresses.js'
import { registers } from '../pipeline/registers.js'
import type { PortRef, Switch } from './model.js'

/** Conntrack zones have room for so many numbers of switches; higher ones share zones. */
const separateIndexes = 2 ** registers.zoneSlot.offset - 1

export class SwitchBook {
  readonly #byDpid = new Map<Dpid, Switch>()
  readonly #indexes = new Set<number>()
  #givenCount = 0

  /** How many numbers were given or passed over so far. */
  get givenCount(): number {
    return this.#givenCount
  }

  get(dpid: Dpid): Switch | undefined {
    return this.#byDpid.get(dpid)
  }

  values(): Iterable<Switch> {
    return this.#byDpid.values()
  }

  snapshot(): ReadonlyMap<Dpid, Switch> {
    return new Map(this.#byDpid)
  }

  restore(switches: Iterable<Switch>, givenCount: number): void {
    this.#givenCount = givenCount
    for (const known of switches) {
      this.put(known)
      this.#givenCount = Math.max(this.#givenCount, Math.min(known.index, separateIndexes))
    }
  }

  put(next: Switch): void {
    this.#byDpid.set(next.dpid, next)
    this.#indexes.add(next.index)
  }

  delete(dpid: Dpid): void {
    const known = this.#byDpid.get(dpid)
    if (known === undefined) return
    this.#byDpid.delete(dpid)
    this.#indexes.delete(known.index)
  }

  isConnected(dpid: Dpid): boolean {
    return this.#byDpid.get(dpid)?.isConnected === true
  }

  /** Connected, and the port is up. */
  isUp(at: PortRef): boolean {
    const known = this.#byDpid.get(at.dpid)
    return known?.isConnected === true && known.ports.get(at.port)?.isUp === true
  }

  /**
   * A number for a new switch: the next in turn that is free, so that the number of a forgotten switch is given again as
   * late as possible. `isReused`: another switch had it before, and connections of that one may be in its zones.
   */
  newIndex(): { readonly index: number; readonly isReused: boolean } {
    for (let count = 0; count < separateIndexes; count++) {
      const index = (this.#givenCount++ % separateIndexes) + 1
      if (!this.#indexes.has(index)) return { index, isReused: this.#givenCount > separateIndexes }
    }
    let index = separateIndexes + 1
    while (this.#indexes.has(index)) index++
    return { index, isReused: true }
  }
}
