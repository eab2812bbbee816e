/**
 * Addresses that a DHCP server has given to somebody: ours, or one at a port that is declared for it. While a lease runs
 * its address is its holder's, also when the holder is silent; then it is like any other. It runs by the monotonic clock:
 * the clock of the wall counts only over a restart.
 */
import type { Ip, Mac } from '../../base/addresses.js'
import type { Clock } from '../../base/env/env.js'

/** One address of a network, given to a host. */
export interface Lease {
  readonly network: number
  readonly ip: Ip
  readonly mac: Mac
  /** Wall clock, in milliseconds. */
  readonly untilMillis: number
}

const maxLeases = 100_000

export class LeaseBook {
  readonly #clock: Clock
  readonly #byKey = new Map<string, Lease>()
  /** By key, monotonic. */
  readonly #endMillis = new Map<string, number>()
  #snapshot: ReadonlyMap<string, Lease> | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** By network and address; the same object as long as nothing changes. */
  get all(): ReadonlyMap<string, Lease> {
    this.#snapshot ??= new Map(this.#byKey)
    return this.#snapshot
  }

  restore(leases: Iterable<Lease>): void {
    for (const lease of leases) {
      const key = keyOf(lease.network, lease.ip)
      this.#byKey.set(key, lease)
      const leftMillis = lease.untilMillis - this.#clock.wallMillis()
      this.#endMillis.set(key, this.#clock.nowMillis() + leftMillis)
    }
    this.#snapshot = undefined
  }

  /** A server has given an address, or given it again; with no time left it has taken it back. */
  put(network: number, ip: Ip, mac: Mac, seconds: number): void {
    const key = keyOf(network, ip)
    if (!this.#byKey.has(key) && this.#byKey.size >= maxLeases) return
    const untilMillis = this.#clock.wallMillis() + seconds * 1_000
    this.#byKey.set(key, { network, ip, mac, untilMillis })
    this.#endMillis.set(key, this.#clock.nowMillis() + seconds * 1_000)
    this.#snapshot = undefined
  }

  /** Whose it is as long as the lease runs. */
  holderOf(network: number, ip: Ip): Mac | undefined {
    const key = keyOf(network, ip)
    const isOver = (this.#endMillis.get(key) ?? 0) <= this.#clock.nowMillis()
    return isOver ? undefined : this.#byKey.get(key)?.mac
  }

  /** Forgets those that are over. True when there were any. */
  tick(): boolean {
    const now = this.#clock.nowMillis()
    const over = [...this.#endMillis].filter(([, end]) => end <= now)
    for (const [key] of over) {
      this.#byKey.delete(key)
      this.#endMillis.delete(key)
    }
    if (over.length > 0) this.#snapshot = undefined
    return over.length > 0
  }
}

const keyOf = (network: number, ip: Ip): string => `${network}/${ip}`
