/** Asks networks who has an address that nobody is known to have, instead of flooding what is for it. */
import type { Dpid } from '../../base/addresses.js'
import type { Clock } from '../../base/env/env.js'
import { searchFor } from './host-frames.js'

const pauseMillis = 1_000
/** Addresses that are remembered as sought. */
const maxSought = 4_096

export class Seeker {
  readonly #clock: Clock
  readonly #flood: (dpid: Dpid, network: number, frame: Uint8Array) => void
  readonly #soughtMillis = new Map<string, number>()

  constructor(clock: Clock, flood: (dpid: Dpid, network: number, frame: Uint8Array) => void) {
    this.#clock = clock
    this.#flood = flood
  }

  /** At most once a second for an address: along the network's tree, one frame for each port. */
  seek(dpid: Dpid, network: number, ip: number | bigint): void {
    const key = `${network} ${ip}`
    const now = this.#clock.nowMillis()
    if (now - (this.#soughtMillis.get(key) ?? -pauseMillis) < pauseMillis) return
    if (this.#soughtMillis.size >= maxSought) this.#soughtMillis.clear()
    this.#soughtMillis.set(key, now)
    this.#flood(dpid, network, searchFor(ip))
  }
}
