/** Latency of links and their use, from round trips and counters. */
import type { Dpid } from '../../base/addresses.js'
import type { Clock } from '../../base/env/env.js'
import { type Link, type PortRef, portKey } from '../model.js'

export interface PortBytes {
  readonly port: number
  /** Sent, since the port is there. */
  readonly bytes: bigint
}

/** How fast a higher round trip is believed: a lower one is at once. */
const riseShare = 0.05
const remembered = 8

export class Measurements {
  readonly #clock: Clock
  /** Milliseconds that a switch takes to answer us. */
  readonly #controlMillis = new Map<Dpid, number>()
  /** What the last probes took, in turn, and how many there were; discovery keeps the object while the link is there. */
  readonly #lastMillis = new WeakMap<Link, { readonly millis: Float64Array; count: number }>()
  readonly #counts = new Map<string, { readonly bytes: bigint; readonly atMillis: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Takes the time of a question to a switch. */
  timed(dpid: Dpid, answer: Promise<void>): Promise<void> {
    const sentMillis = this.#clock.nowMillis()
    return answer.then(() => this.#answered(dpid, this.#clock.nowMillis() - sentMillis))
  }

  /**
   * Milliseconds on the wire: the round trip less what it takes to reach the one switch and to hear of the other.
   * With few samples it may be too high: then it says nothing against a latency that is known from before.
   */
  latencyOf(link: Link, rttMillis: number): number {
    const { from, to } = link
    const control =
      ((this.#controlMillis.get(from.dpid) ?? 0) + (this.#controlMillis.get(to.dpid) ?? 0)) / 2
    const wire = rttMillis - control
    let last = this.#lastMillis.get(link)
    if (last === undefined) {
      last = { millis: new Float64Array(remembered), count: 0 }
      this.#lastMillis.set(link, last)
    }
    last.millis[last.count++ % remembered] = Math.max(0, wire)
    // What is more than the least of late is waiting, here or in a switch.
    let least = Number.POSITIVE_INFINITY
    const known = Math.min(last.count, remembered)
    for (let index = 0; index < known; index++) least = Math.min(least, last.millis[index]!)
    const { latencyMillis } = link
    return known < remembered && latencyMillis !== undefined
      ? Math.min(least, latencyMillis)
      : least
  }

  /** The share of a port's speed in use since it was asked last; undefined when that cannot be said. */
  useOf(at: PortRef, bytes: bigint, speedKbps: number): number | undefined {
    const key = portKey(at)
    const before = this.#counts.get(key)
    const atMillis = this.#clock.nowMillis()
    this.#counts.set(key, { bytes, atMillis })
    // A counter that went back belongs to a new port.
    if (before === undefined || speedKbps <= 0 || bytes < before.bytes) return undefined
    const kilobits = Number(bytes - before.bytes) / 125
    const seconds = (atMillis - before.atMillis) / 1000
    return seconds <= 0 ? undefined : Math.min(1, kilobits / seconds / speedKbps)
  }

  forget(dpid: Dpid): void {
    this.#controlMillis.delete(dpid)
    for (const key of this.#counts.keys()) if (key.startsWith(`${dpid}/`)) this.#counts.delete(key)
  }

  #answered(dpid: Dpid, millis: number): void {
    const known = this.#controlMillis.get(dpid) ?? millis
    this.#controlMillis.set(dpid, millis < known ? millis : known + (millis - known) * riseShare)
  }
}
