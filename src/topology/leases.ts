/**
 * Addresses that a DHCP server has given to somebody, as heard from ports that are declared for one. While a lease runs
 * its address is its holder's, also when the holder is silent; then it is like any other.
 */
import type { Ip, Mac } from '../base/addresses.js'
import type { Clock } from '../base/env.js'

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
    for (const lease of leases) this.#byKey.set(keyOf(lease.network, lease.ip), lease)
    this.#snapshot = undefined
  }

  /** A server has given an address, or given it again; with no time left it has taken it back. */
  put(network: number, ip: Ip, mac: Mac, seconds: number): void {
    const key = keyOf(network, ip)
    if (!this.#byKey.has(key) && this.#byKey.size >= maxLeases) return
    const untilMillis = this.#clock.wallMillis() + seconds * 1_000
    this.#byKey.set(key, { network, ip, mac, untilMillis })
    this.#snapshot = undefined
  }

  /** Whose it is as long as the lease runs. */
  holderOf(network: number, ip: Ip): Mac | undefined {
    const lease = this.#byKey.get(keyOf(network, ip))
    return lease && lease.untilMillis > this.#clock.wallMillis() ? lease.mac : undefined
  }

  /** Forgets those that are over. True when there were any. */
  tick(): boolean {
    const now = this.#clock.wallMillis()
    const over = [...this.#byKey].filter(([, lease]) => lease.untilMillis <= now)
    for (const [key] of over) this.#byKey.delete(key)
    if (over.length > 0) this.#snapshot = undefined
    return over.length > 0
  }
}

const keyOf = (network: number, ip: Ip): string => `${network}/${ip}`
