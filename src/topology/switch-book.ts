/** All switches that were ever here, and the numbers that they have in programs. */
import type { Dpid } from '../base/addresses.js'
import type { PortRef, Switch } from './model.js'

export class SwitchBook {
  readonly #byDpid = new Map<Dpid, Switch>()
  /** Numbers that switches have; switches are never forgotten, so the lowest free one only grows. */
  #indexes = new Set<number>()
  #lowestIndex = 1

  get(dpid: Dpid): Switch | undefined {
    return this.#byDpid.get(dpid)
  }

  values(): Iterable<Switch> {
    return this.#byDpid.values()
  }

  snapshot(): ReadonlyMap<Dpid, Switch> {
    return new Map(this.#byDpid)
  }

  put(next: Switch): void {
    this.#byDpid.set(next.dpid, next)
  }

  isConnected(dpid: Dpid): boolean {
    return this.#byDpid.get(dpid)?.isConnected === true
  }

  /** Connected, and the port is up. */
  isUp(at: PortRef): boolean {
    const known = this.#byDpid.get(at.dpid)
    return known?.isConnected === true && known.ports.get(at.port)?.isUp === true
  }

  freeIndex(): number {
    if (this.#indexes.size !== this.#byDpid.size)
      this.#indexes = new Set([...this.#byDpid.values()].map(known => known.index))
    while (this.#indexes.has(this.#lowestIndex)) this.#lowestIndex++
    this.#indexes.add(this.#lowestIndex)
    return this.#lowestIndex
  }
}
