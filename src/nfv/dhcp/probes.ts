/** Asks a network whether somebody has an address, before it is given for the first time: RFC 2131 section 2.2. */
import { formatIpv4 } from '../../base/addresses.js'
import type { Timers } from '../../base/env/env.js'
import { stationMac } from '../../topology/hosts/host-frames.js'
import type { TopologyService } from '../../topology/topology.js'
import type { Question } from './question.js'

/** Hosts answer ARP in a millisecond, sleeping radios in a hundred. */
const waitMillis = 300
const mostAtOnce = 200
const mostWaiting = 4_096

export class Probes {
  readonly #timers: Timers
  readonly #topology: TopologyService
  readonly #waiting: (() => void)[] = []
  #open = 0

  constructor(timers: Timers, topology: TopologyService) {
    this.#timers = timers
    this.#topology = topology
  }

  /** True when nobody answers for the address but the client itself. */
  async isFree({ served, message, at }: Question, ip: number): Promise<boolean> {
    if (this.#waiting.length >= mostWaiting) return false
    if (this.#open >= mostAtOnce) await new Promise<void>(next => this.#waiting.push(next))
    const { number } = served.network
    const isHeld = () =>
      this.#topology
        .holdersOf(number, formatIpv4(ip))
        .some(
          ({ mac }) =>
            mac !== stationMac &&
            Buffer.from(mac.replaceAll(':', ''), 'hex').compare(message.hardware) !== 0,
        )
    if (isHeld()) return this.#end(false)
    this.#open++
    this.#topology.seek(at, number, ip)
    await new Promise<void>(done => this.#timers.after(waitMillis, done))
    this.#open--
    return this.#end(!isHeld())
  }

  #end(isFree: boolean): boolean {
    this.#waiting.shift()?.()
    return isFree
  }
}
