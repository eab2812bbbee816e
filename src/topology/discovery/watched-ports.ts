/** All ports that are watched, by key and by switch; a switch is looked at only when one of its ports needs it. */
import type { Dpid } from '../../base/addresses.js'
import type { PortRef } from '../model.js'
import type { Home, Watched } from './watched-port.js'

export class Roster {
  readonly #byKey = new Map<string, Watched>()
  readonly #homes = new Map<Dpid, Home>()
  /** Switches that have come so far. */
  #count = 0
  /** Grows when a port or a link comes or goes. */
  version = 0

  get(key: string): Watched | undefined {
    return this.#byKey.get(key)
  }

  /** By switch. */
  home(dpid: Dpid): Home | undefined {
    return this.#homes.get(dpid)
  }

  /** Without making a key. */
  at({ dpid, port }: PortRef): Watched | undefined {
    return this.#homes.get(dpid)?.byPort.get(port)
  }

  values(): Iterable<Watched> {
    return this.#byKey.values()
  }

  get homes(): Iterable<Home> {
    return this.#homes.values()
  }

  /** Probes a second that all ask for. */
  get load(): number {
    let load = 0
    for (const home of this.#homes.values()) load += home.load
    return load
  }

  put(watched: Watched): void {
    this.remove(watched.key)
    const { dpid } = watched
    const home = this.#homes.get(dpid) ?? newHome(dpid, this.#count++)
    this.#homes.set(dpid, home)
    home.byPort.set(watched.at.port, watched)
    watched.home = home
    this.#byKey.set(watched.key, watched)
    this.version++
    this.wake(watched)
  }

  remove(key: string): void {
    const watched = this.#byKey.get(key)
    if (watched === undefined) return
    this.#byKey.delete(key)
    watched.home?.byPort.delete(watched.at.port)
    if (watched.home?.byPort.size === 0) this.#homes.delete(watched.dpid)
    watched.home = undefined
    this.version++
  }

  /** Something of this port has changed: it is looked at with the next tick. */
  wake(watched: Watched): void {
    if (watched.home) watched.home.wakeMillis = Number.NEGATIVE_INFINITY
  }
}

const newHome = (dpid: Dpid, number: number): Home => ({
  dpid,
  number,
  byPort: new Map(),
  wakeMillis: 0,
  load: 0,
  members: [],
  peers: [],
  isRounding: false,
  roundVersion: -1,
  roundAfterMillis: Number.NEGATIVE_INFINITY,
  isProving: false,
  missCount: 0,
})
