/** Hosts by key, address and port: the maps that must agree, kept in one place. */
import type { Dpid, Ip, Mac } from '../base/addresses.js'
import { type Host, hostKey, type PortRef, portKey } from './model.js'

export class HostTable {
  readonly #byKey = new Map<string, Host>()
  readonly #keyByIp = new Map<string, string>()
  readonly #keysByPort = new Map<string, Set<string>>()

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

  holderOf(network: number, ip: Ip): Host | undefined {
    const key = this.#keyByIp.get(ipKey(network, ip))
    return key === undefined ? undefined : this.#byKey.get(key)
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

  /** Switches with hosts. */
  switches(): ReadonlySet<Dpid> {
    return new Set([...this.#byKey.values()].map(host => host.at.dpid))
  }

  /** Addresses that others have are taken from them by whoever calls, before. */
  put(host: Host): void {
    const key = hostKey(host.network, host.mac)
    this.delete(host)
    this.#byKey.set(key, host)
    for (const ip of host.ips) this.#keyByIp.set(ipKey(host.network, ip), key)
    const port = portKey(host.at)
    const keys = this.#keysByPort.get(port) ?? new Set()
    this.#keysByPort.set(port, keys.add(key))
  }

  delete({ network, mac }: Pick<Host, 'network' | 'mac'>): void {
    const key = hostKey(network, mac)
    const host = this.#byKey.get(key)
    if (host === undefined) return
    this.#byKey.delete(key)
    for (const ip of host.ips)
      if (this.#keyByIp.get(ipKey(network, ip)) === key) this.#keyByIp.delete(ipKey(network, ip))
    const port = portKey(host.at)
    const keys = this.#keysByPort.get(port)
    keys?.delete(key)
    if (keys?.size === 0) this.#keysByPort.delete(port)
  }
}

const ipKey = (network: number, ip: Ip): string => `${network} ${ip}`
