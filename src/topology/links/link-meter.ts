/** Takes what is measured of links over into the book of links, where it is news. */
import type { Dpid } from '../../base/addresses.js'
import type { Clock } from '../../base/env/env.js'
import type { Link, Topology } from '../model.js'
import { isLatencyNews, type LinkBook } from './link-book.js'
import { measureUse } from './link-use.js'
import { Measurements, type PortBytes } from './measurements.js'

export interface MeterNetwork {
  current(): Topology
  /** How many octets each port has sent. */
  sentBytes(dpid: Dpid): Promise<readonly PortBytes[]>
  /** Something in the book is news. */
  measured(): void
}

export class LinkMeter {
  readonly #book: LinkBook
  readonly #network: MeterNetwork
  readonly #measurements: Measurements
  /** The latency that each link was last said to have. */
  readonly #toldMillis = new WeakMap<Link, number>()

  constructor(clock: Clock, book: LinkBook, network: MeterNetwork) {
    this.#book = book
    this.#network = network
    this.#measurements = new Measurements(clock)
  }

  /** Takes the time of a question to a switch. */
  timed(dpid: Dpid, answer: Promise<void>): Promise<void> {
    return this.#measurements.timed(dpid, answer)
  }

  forget(dpid: Dpid): void {
    this.#measurements.forget(dpid)
  }

  /** Looked up only when it is news. */
  roundTrip(link: Link, rttMillis: number): void {
    const latencyMillis = this.#measurements.latencyOf(link, rttMillis)
    const told = this.#toldMillis.get(link)
    if (told !== undefined && !isLatencyNews(told, latencyMillis)) return
    this.#toldMillis.set(link, latencyMillis)
    if (this.#book.measured(link.from, { rttMillis, latencyMillis })) this.#network.measured()
  }

  measureUse(): void {
    measureUse(this.#network.current(), this.#measurements, {
      sentBytes: dpid => this.#network.sentBytes(dpid),
      link: at => this.#book.link(at),
      measured: (at, utilisation) => {
        if (this.#book.measured(at, { utilisation })) this.#network.measured()
      },
    })
  }
}
