/** Hosts by key, address and port: the maps that must agree, kept in one place. */
import type { Dpid, Ip, Mac } from '../../base/addresses.js'
import { type Host, hostKey, type PortRef, portKey } from '../model.js'

export class HostTable {
  readonly #byKey = new Map<string, Host>()
  /** The last to have been put comes last. */
  readonly #keysByIp = new Map<string, readonly string[]>()
  readonly #keysByPort = new Map<string, Set<string>>()
  readonly #addressesByPort = new Map<string, number>()

  get size(): number {
    return this.#byKey.size
  }

  /** The hosts as they are now; later changes do not show in it. */
  snapshot(): ReadonlyMap<string, Host> {
    return new Map(this.#byKey)
  }

  get(network: number, mac: Mac): Host | undefined {
    return this.#byKey.get(hostKey(network, mac))
  }

  /** Of several hosts at one port that share an address, the one that said or changed something last. */
  holderOf(network: number, ip: Ip): Host | undefined {
    const key = this.#keysByIp.get(ipKey(network, ip))?.at(-1)
    return key === undefined ? undefined : this.#byKey.get(key)
  }

  holdersOf(network: number, ip: Ip): readonly Host[] {
    return (this.#keysByIp.get(ipKey(network, ip)) ?? []).map(key => this.#byKey.get(key)!)
  }

  all(): IterableIterator<Host> {
    return this.#byKey.values()
  }

  at(at: PortRef): Host[] {
    return [...(this.#keysByPort.get(portKey(at)) ?? [])].map(key => this.#byKey.get(key)!)
  }

  countAt(at: PortRef): number {
    return this.#keysByPort.get(portKey(at))?.size ?? 0
  }

  /** Addresses of all hosts of a port together. */
  addressCountAt(at: PortRef): number {
    return this.#addressesByPort.get(portKey(at)) ?? 0
  }

  /** Switches with hosts. */
  switches(): ReadonlySet<Dpid> {
    return new Set([...this.#byKey.values()].map(host => host.at.dpid))
  }

  /** Addresses that others have are taken from them by whoever calls, before. */
  put(host: Host): void {
    const key = hostKey(host.network, host.mac)
    this.delete(host)
    this.#byKey.set(key, host)
    for (const ip of host.ips) {
      const place = ipKey(host.network, ip)
      const keys = this.#keysByIp.get(place)
      this.#keysByIp.set(place, keys === undefined ? [key] : [...keys, key])
    }
    const port = portKey(host.at)
    const keys = this.#keysByPort.get(port) ?? new Set()
    this.#keysByPort.set(port, keys.add(key))
    this.#count(port, host.ips.length)
  }

  delete({ network, mac }: Pick<Host, 'network' | 'mac'>): void {
    const key = hostKey(network, mac)
    const host = this.#byKey.get(key)
    if (host === undefined) return
    this.#byKey.delete(key)
    for (const ip of host.ips) this.#removeIp(ipKey(network, ip), key)
    const port = portKey(host.at)
    const keys = this.#keysByPort.get(port)
    keys?.delete(key)
    this.#count(port, -host.ips.length)
    if (keys?.size === 0) this.#keysByPort.delete(port)
  }

  #count(port: string, more: number): void {
    const count = (this.#addressesByPort.get(port) ?? 0) + more
    if (count === 0) this.#addressesByPort.delete(port)
    else this.#addressesByPort.set(port, count)
  }

  #removeIp(place: string, key: string): void {
    const left = this.#keysByIp.get(place)?.filter(each => each !== key) ?? []
    if (left.length === 0) this.#keysByIp.delete(place)
    else this.#keysByIp.set(place, left)
  }
}

const ipKey = (network: number, ip: Ip): string => `${network} ${ip}`
