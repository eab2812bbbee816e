/**
 * Who has which address of IPv6. A client's address follows from its name, so that it is the same again whatever was
 * forgotten; offers are not held, the store decides who was first. Time as in the book of IPv4.
 */
import { formatIpv6, type Ipv6, ipNumber, type Mac } from '../../../base/addresses.js'
import type { Clock } from '../../../base/env/env.js'
import { hash32 } from '../../../pipeline/program.js'
import { type PortRef, portKey } from '../../../topology/model.js'
import type { Served6 } from './scope.js'

/** As it is in the store, under `lease6/NETWORK/IP`. */
export interface StoredLease6 {
  readonly network: number
  readonly ip: Ipv6
  /** DUID, identity association and MAC. */
  readonly client: string
  readonly mac: Mac
  readonly state: 'bound' | 'released' | 'declined'
  /** Wall clock, in milliseconds. */
  readonly fromMillis: number
  readonly untilMillis: number
  readonly name?: string
  readonly at: PortRef
}

export interface Entry6 {
  readonly lease: StoredLease6
  readonly revision: number
  /** Monotonic. */
  readonly endMillis: number
}

/** Addresses that are looked at for one client. */
const mostTries = 1_024

export const lease6Prefix = 'lease6/'
export const lease6Key = (network: number, ip: bigint): string =>
  `${lease6Prefix}${network}/${formatIpv6(ip)}`

export class LeaseBook6 {
  readonly #clock: Clock
  readonly #entries = new Map<string, Entry6>()
  readonly #byClient = new Map<string, string>()
  readonly #running = new Set<string>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get entries(): Iterable<Entry6> {
    return this.#entries.values()
  }

  /** What the store says; absent: there is none any more. */
  take(key: string, lease: StoredLease6 | undefined, revision: number): void {
    const before = this.#entries.get(key)
    if (before !== undefined && before.revision >= revision) return
    this.#entries.delete(key)
    if (before && this.#byClient.get(clientKey(before.lease)) === key)
      this.#byClient.delete(clientKey(before.lease))
    if (lease === undefined) return
    const { fromMillis, untilMillis } = lease
    const leftMillis = Math.min(untilMillis - this.#clock.wallMillis(), untilMillis - fromMillis)
    this.#entries.set(key, { lease, revision, endMillis: this.#clock.nowMillis() + leftMillis })
    this.#byClient.set(clientKey(lease), key)
  }

  get(network: number, ip: bigint): Entry6 | undefined {
    return this.#entries.get(lease6Key(network, ip))
  }

  isRunning({ lease, endMillis }: Entry6): boolean {
    return lease.state !== 'released' && endMillis > this.#clock.nowMillis()
  }

  secondsLeft({ endMillis }: Entry6): number {
    return Math.max(0, (endMillis - this.#clock.nowMillis()) / 1_000)
  }

  countAt(at: PortRef): number {
    let count = 0
    const key = portKey(at)
    for (const entry of this.#entries.values())
      if (portKey(entry.lease.at) === key && this.isRunning(entry)) count++
    return count
  }

  /** The one that runs for a client. */
  ofClient(network: number, client: string): Entry6 | undefined {
    const key = this.#byClient.get(clientKey({ network, client }))
    const entry = key === undefined ? undefined : this.#entries.get(key)
    return entry && this.isRunning(entry) && entry.lease.state === 'bound' ? entry : undefined
  }

  isFree(network: number, ip: bigint, client: string): boolean {
    const entry = this.get(network, ip)
    if (entry === undefined || !this.isRunning(entry)) return true
    return entry.lease.client === client && entry.lease.state === 'bound'
  }

  /** @param isUsed somebody else is known to have the address */
  choose(
    served: Served6,
    client: string,
    reserved: bigint | undefined,
    isUsed: (ip: bigint) => boolean,
  ): bigint | undefined {
    const { network, first, size, kept } = served
    const { number } = network
    if (reserved !== undefined) return this.isFree(number, reserved, client) ? reserved : undefined
    const last = this.ofClient(number, client)
    const own = last && BigInt(ipNumber(last.lease.ip))
    const isRight = (ip: bigint) => !kept.has(ip) && this.isFree(number, ip, client) && !isUsed(ip)
    if (own !== undefined && own >= first && own < first + BigInt(size) && !kept.has(own))
      return own
    const start = hash32(client)
    for (let step = 0; step < Math.min(size, mostTries); step++) {
      const ip = first + BigInt((start + step) % size)
      if (isRight(ip)) return ip
    }
    return undefined
  }

  /** @returns leases that have ended since it was called last */
  tick(): readonly StoredLease6[] {
    const ended: StoredLease6[] = []
    for (const [key, entry] of this.#entries)
      if (this.isRunning(entry)) this.#running.add(key)
      else if (this.#running.delete(key)) ended.push(entry.lease)
    return ended
  }
}

const clientKey = ({ network, client }: Pick<StoredLease6, 'network' | 'client'>): string =>
  `${network} ${client}`
