/**
 * Who has which address, who was offered one, and which is free. Leases run by the monotonic clock, so that a clock that is
 * put forward ends none early; over a restart the clock of the wall counts, and no lease is longer than it was given.
 *
 *     free ── offered (memory only, 30 s) ──> bound ──> over: the same client gets it again; others when nothing else is left
 *                                               └──> released, declined (put aside for ten minutes)
 */
import { formatIpv4, type Ipv4, ipNumber, type Mac, macNumber } from '../../base/addresses.js'
import type { Clock } from '../../base/env/env.js'

import { type PortRef, portKey } from '../../topology/model.js'
import { isPooled, type Reservations, type Scope } from './scope.js'

/** As it is in the store, under `lease/NETWORK/IP`. */
export interface StoredLease {
  readonly network: number
  readonly ip: Ipv4
  /** Hexadecimal digits: its client identifier, or hardware type and address. */
  readonly client: string
  readonly mac: Mac
  readonly state: 'bound' | 'released' | 'declined'
  /** Wall clock, in milliseconds. */
  readonly fromMillis: number
  readonly untilMillis: number
  readonly name?: string
  readonly at?: PortRef
  readonly relay?: RelayInfo
}

/** What a relay agent says of the client: option 82, in hexadecimal digits. */
export interface RelayInfo {
  readonly agent?: Ipv4
  readonly circuitId?: string
  readonly remoteId?: string
}

export interface Entry {
  readonly lease: StoredLease
  readonly revision: number
  /** Monotonic. */
  readonly endMillis: number
}

interface Offer {
  readonly client: string
  readonly at: string
  readonly untilMillis: number
}

const offerMillis = 30_000

export const leasePrefix = 'lease/'
export const leaseKey = (network: number, ip: number): string =>
  `${leasePrefix}${network}/${formatIpv4(ip)}`
const clientKey = (network: number, client: string): string => `${network} ${client}`

export class LeaseBook {
  readonly #clock: Clock
  /** By `leaseKey`. */
  readonly #entries = new Map<string, Entry>()
  readonly #byClient = new Map<string, Set<string>>()
  readonly #byPort = new Map<string, Set<string>>()
  readonly #offers = new Map<string, Offer>()
  readonly #offerOf = new Map<string, number>()
  /** Leases that ran at the last tick. */
  readonly #running = new Set<string>()
  /** Addresses that somebody else was found to use; until when. */
  readonly #aside = new Map<string, number>()
  /** Where the search for an address that was never given goes on, and when the next one ends. */
  readonly #cursors = new WeakMap<Scope, { next: number; fullUntilMillis: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get entries(): Iterable<readonly [key: string, entry: Entry]> {
    return this.#entries
  }

  get size(): number {
    return this.#entries.size
  }

  /** What the store says, also of what other controllers have written; absent: there is none any more. */
  take(key: string, lease: StoredLease | undefined, revision: number): void {
    const before = this.#entries.get(key)
    if (before !== undefined) {
      if (before.revision >= revision) return
      this.#byClient.get(clientKey(before.lease.network, before.lease.client))?.delete(key)
      this.#entries.delete(key)
    }
    if (lease === undefined) return
    const { fromMillis, untilMillis, network, client, at } = lease
    const leftMillis = Math.min(untilMillis - this.#clock.wallMillis(), untilMillis - fromMillis)
    this.#entries.set(key, { lease, revision, endMillis: this.#clock.nowMillis() + leftMillis })
    setOf(this.#byClient, clientKey(network, client)).add(key)
    if (at !== undefined) setOf(this.#byPort, portKey(at)).add(key)
  }

  get(network: number, ip: number): Entry | undefined {
    return this.#entries.get(leaseKey(network, ip))
  }

  ofClient(network: number, client: string): readonly Entry[] {
    const keys = this.#byClient.get(clientKey(network, client)) ?? []
    return [...keys].map(key => this.#entries.get(key)!)
  }

  /** While it runs nobody else gets the address. */
  isRunning({ lease, endMillis }: Entry): boolean {
    return lease.state !== 'released' && endMillis > this.#clock.nowMillis()
  }

  secondsLeft({ endMillis }: Entry): number {
    return Math.max(0, (endMillis - this.#clock.nowMillis()) / 1_000)
  }

  /** The address that a client was offered a moment ago. */
  offered(network: number, client: string): number | undefined {
    const ip = this.#offerOf.get(clientKey(network, client))
    return ip !== undefined && this.#liveOffer(leaseKey(network, ip))?.client === client
      ? ip
      : undefined
  }

  offer(network: number, ip: number, client: string, at: PortRef): void {
    this.withdraw(network, client)
    const untilMillis = this.#clock.nowMillis() + offerMillis
    const key = leaseKey(network, ip)
    this.#offers.set(key, { client, at: portKey(at), untilMillis })
    this.#offerOf.set(clientKey(network, client), ip)
    setOf(this.#byPort, portKey(at)).add(key)
  }

  withdraw(network: number, client: string): void {
    const own = clientKey(network, client)
    const ip = this.#offerOf.get(own)
    if (ip === undefined) return
    this.#offerOf.delete(own)
    this.#offers.delete(leaseKey(network, ip))
  }

  /** Somebody uses it who has it not from here. */
  putAside(network: number, ip: number, millis: number): void {
    this.#aside.set(leaseKey(network, ip), this.#clock.nowMillis() + millis)
  }

  /** Addresses that hosts at a port have or were offered. */
  countAt(at: PortRef): number {
    const place = portKey(at)
    const keys = this.#byPort.get(place)
    if (keys === undefined) return 0
    for (const key of keys) {
      const entry = this.#entries.get(key)
      const isHere =
        entry?.lease.at !== undefined && portKey(entry.lease.at) === place && this.isRunning(entry)
      if (!isHere && this.#liveOffer(key)?.at !== place) keys.delete(key)
    }
    return keys.size
  }

  /** Whether a client may have an address now. */
  isFree(scope: Scope, ip: number, client: string, mac: number, reserved: Reservations): boolean {
    const { network } = scope
    const key = leaseKey(network, ip)
    const isOwn = reserved.of(client, mac) === ip
    if (!isOwn && (reserved.has(ip) || !isPooled(scope, ip))) return false
    const now = this.#clock.nowMillis()
    const entry = this.#entries.get(key)
    // Who was found to use it may be the one that had it last.
    const isAside = (this.#aside.get(key) ?? 0) > now
    if (isAside && entry?.lease.client !== client) return false
    const offer = this.#liveOffer(key)
    if (offer !== undefined && offer.client !== client) return false
    if (entry === undefined || !this.isRunning(entry)) return true
    if (entry.lease.state === 'declined') return false
    // Who it is reserved for by its MAC may call itself otherwise when it starts.
    return entry.lease.client === client || (isOwn && macIs(entry.lease.mac, mac))
  }

  /**
   * An address for a client: reserved for it, or its last one, or one that it asks for, or one that nobody had yet, or the one that has been
   * free for longest.
   */
  choose(
    scope: Scope,
    client: string,
    mac: number,
    wanted: number,
    reserved: Reservations,
  ): number | undefined {
    const isFree = (ip: number) => this.isFree(scope, ip, client, mac, reserved)
    const own = reserved.of(client, mac)
    if (own !== undefined && isFree(own)) return own
    const last = this.ofClient(scope.network, client)
      .map(({ lease }) => ipOf(lease))
      .find(isFree)
    if (last !== undefined) return last
    if (wanted !== 0 && isFree(wanted)) return wanted
    return this.#fresh(scope, isFree)
  }

  #fresh(scope: Scope, isFree: (ip: number) => boolean): number | undefined {
    const now = this.#clock.nowMillis()
    const cursor = this.#cursors.get(scope) ?? { next: 0, fullUntilMillis: 0 }
    this.#cursors.set(scope, cursor)
    for (; ; cursor.next++) {
      const ip = at(scope, cursor.next)
      if (ip === undefined) break
      if (!this.#entries.has(leaseKey(scope.network, ip)) && isFree(ip)) return ip
    }
    if (now < cursor.fullUntilMillis) return undefined
    const ended = this.#longestEnded(scope, isFree)
    // Nothing is looked for again in the same second: a flood of questions costs one search.
    if (ended === undefined) cursor.fullUntilMillis = now + 1_000
    return ended
  }

  /** Also those that were only offered, or put aside, when the cursor passed them. */
  #longestEnded(scope: Scope, isFree: (ip: number) => boolean): number | undefined {
    let best: { ip: number; endMillis: number } | undefined
    for (let index = 0; ; index++) {
      const ip = at(scope, index)
      if (ip === undefined) return best?.ip
      const entry = this.#entries.get(leaseKey(scope.network, ip))
      const endMillis = entry?.endMillis ?? Number.NEGATIVE_INFINITY
      if ((best === undefined || endMillis < best.endMillis) && isFree(ip)) best = { ip, endMillis }
    }
  }

  /** Forgets offers and what was put aside that are over. @returns leases that have ended since it was called last */
  tick(): readonly StoredLease[] {
    const now = this.#clock.nowMillis()
    const ended: StoredLease[] = []
    for (const [key, entry] of this.#entries)
      if (this.isRunning(entry)) this.#running.add(key)
      else if (this.#running.delete(key)) ended.push(entry.lease)
    for (const [key, until] of this.#aside) if (until <= now) this.#aside.delete(key)
    for (const [own, ip] of this.#offerOf) {
      const key = leaseKey(Number(own.split(' ', 1)[0]), ip)
      if (this.#liveOffer(key) !== undefined) continue
      this.#offers.delete(key)
      this.#offerOf.delete(own)
    }
    for (const [key, places] of this.#byClient) if (places.size === 0) this.#byClient.delete(key)
    for (const [key, places] of this.#byPort) if (places.size === 0) this.#byPort.delete(key)
    return ended
  }

  #liveOffer(key: string): Offer | undefined {
    const offer = this.#offers.get(key)
    return offer !== undefined && offer.untilMillis > this.#clock.nowMillis() ? offer : undefined
  }
}

const setOf = (sets: Map<string, Set<string>>, key: string): Set<string> => {
  const known = sets.get(key)
  if (known) return known
  const made = new Set<string>()
  sets.set(key, made)
  return made
}

/** The address of a scope at an index, over all its ranges. */
const at = ({ ranges }: Scope, index: number): number | undefined => {
  let left = index
  for (const { first, last } of ranges) {
    const size = last - first + 1
    if (left < size) return first + left
    left -= Math.max(0, size)
  }
  return undefined
}

export const ipOf = ({ ip }: Pick<StoredLease, 'ip'>): number => Number(ipNumber(ip))

const macIs = (mac: Mac, value: number): boolean => macNumber(mac) === value
