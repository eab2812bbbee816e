/**
 * Who has gone: the packets of each host are counted where it sits; who has sent none for long is asked, and
 * forgotten only when it does not answer. Addresses age each by itself: a host that lives is asked for those of which
 * nothing was said for long. A few at a time, so that the answers fit through the port's meter.
 */
import type { Dpid } from '../../base/addresses.js'
import type { Cancel, Env } from '../../base/env/env.js'
import { inTurns } from '../../base/turns.js'
import { cookieOf, hash32 } from '../../pipeline/program.js'
import { type Host, hostKey, type PortRef, portKey } from '../model.js'
import type { HostOptions, HostTracker } from './hosts.js'

/** What ageing may ask of the network. */
export interface CountedNetwork {
  /** Packets of flows of hosts in table guard, by cookie. */
  hostPackets(dpid: Dpid): Promise<ReadonlyMap<bigint, bigint>>
  isConnected(dpid: Dpid): boolean
  isUp(at: PortRef): boolean
}

/** Hosts of one port that are asked in one round. */
const askedPerRound = 30
const roundMillis = 1_000

/** The cookie that flows of a host carry. */
export const hostCookie = (host: Pick<Host, 'network' | 'mac'>): bigint =>
  cookieOf('host', hash32(`host/${hostKey(host.network, host.mac)}`))

export class HostAgeing {
  readonly #env: Env
  readonly #tracker: HostTracker
  readonly #network: CountedNetwork
  readonly #options: HostOptions
  readonly #packets = new Map<string, bigint>()
  readonly #cancels: Cancel[] = []

  constructor(env: Env, tracker: HostTracker, network: CountedNetwork, options: HostOptions) {
    this.#env = env
    this.#tracker = tracker
    this.#network = network
    this.#options = options
  }

  start(): void {
    this.#cancels.push(
      inTurns(
        this.#env.timers,
        this.#options.idleMillis / 5,
        () => [...this.#tracker.table.switches()],
        dpid => this.#count(dpid),
      ),
      this.#env.timers.every(roundMillis, () => {
        this.#askIdle()
        this.#tracker.ageAddresses(
          askedPerRound,
          at => this.#network.isConnected(at.dpid) && this.#network.isUp(at),
        )
      }),
    )
  }

  stop(): void {
    for (const cancel of this.#cancels.splice(0)) cancel()
  }

  #count(dpid: Dpid): void {
    if (!this.#network.isConnected(dpid)) return
    // A switch that goes while it is asked is nobody's silence: its hosts are not judged.
    this.#network.hostPackets(dpid).then(
      packets => this.#take(dpid, packets),
      () => undefined,
    )
  }

  #take(dpid: Dpid, packets: ReadonlyMap<bigint, bigint>): void {
    for (const host of this.#tracker.table.all()) {
      if (host.at.dpid !== dpid) continue
      const key = hostKey(host.network, host.mac)
      const count = packets.get(hostCookie(host)) ?? 0n
      const before = this.#packets.get(key)
      this.#packets.set(key, count)
      // A count that fell belongs to new flows; those of a host that was silent have none.
      if (before !== undefined && count !== before && count > 0n) this.#tracker.heard(host)
    }
    this.#forgetGone()
  }

  /** Counts of hosts that are there no more. */
  #forgetGone(): void {
    const { table } = this.#tracker
    if (this.#packets.size <= table.size) return
    const known = new Set<string>()
    for (const { network, mac } of table.all()) known.add(hostKey(network, mac))
    for (const key of this.#packets.keys()) if (!known.has(key)) this.#packets.delete(key)
  }

  #askIdle(): void {
    const idle = new Map<string, Host[]>()
    for (const host of this.#tracker.table.all()) {
      if (host.isPinned || this.#tracker.idleMillisOf(host) < this.#options.idleMillis) continue
      if (!this.#network.isConnected(host.at.dpid)) continue
      const key = portKey(host.at)
      const list = idle.get(key) ?? []
      if (list.length < askedPerRound) list.push(host)
      idle.set(key, list)
    }
    for (const list of idle.values()) this.#ask(list)
  }

  #ask(list: readonly Host[]): void {
    const { at } = list[0]!
    for (const host of list) this.#packets.delete(hostKey(host.network, host.mac))
    if (this.#network.isUp(at))
      return this.#tracker.askAll(at, list, 'idle, and it does not answer')
    for (const host of list) this.#tracker.forget(host, 'idle, and its port is down')
  }
}
