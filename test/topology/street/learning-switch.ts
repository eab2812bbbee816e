/** A switch that nobody manages: it learns where MACs are, floods what it does not know, and drops reserved addresses. */
import type { Timers } from '../../../src/base/env/env.js'

interface Port {
  readonly deliver: (frame: Uint8Array) => void
  isUp: boolean
}

const lifeMillis = 300_000
const wireMillis = 0.05

export class LearningSwitch {
  readonly #timers: Timers
  readonly #now: () => number
  readonly #ports: Port[] = []
  readonly #places = new Map<string, { port: number; atMillis: number }>()
  /** False where it keeps who was behind a port that goes down, as cheap ones do. */
  isForgetting = true
  /** Frames that have left it. */
  forwarded = 0

  constructor(env: { readonly timers: Timers; readonly clock: { nowMillis(): number } }) {
    this.#timers = env.timers
    this.#now = () => env.clock.nowMillis()
  }

  /** @returns the number of a new port whose frames go there */
  plug(deliver: (frame: Uint8Array) => void): number {
    this.#ports.push({ deliver, isUp: true })
    return this.#ports.length - 1
  }

  /** A port that goes down forgets who was behind it. */
  setUp(port: number, isUp: boolean): void {
    this.#ports[port]!.isUp = isUp
    if (isUp || !this.isForgetting) return
    for (const [mac, place] of this.#places) if (place.port === port) this.#places.delete(mac)
  }

  receive(port: number, frame: Uint8Array): void {
    if (!this.#ports[port]!.isUp) return
    const to = hex(frame, 0)
    const from = hex(frame, 6)
    if (to.startsWith('0180c200000')) return
    this.#places.set(from, { port, atMillis: this.#now() })
    const place = this.#places.get(to)
    const isKnown = place !== undefined && this.#now() - place.atMillis < lifeMillis
    if (isKnown && (frame[0]! & 1) === 0) {
      if (place.port !== port) this.#send(place.port, frame)
      return
    }
    for (const out of this.#ports.keys()) if (out !== port) this.#send(out, frame)
  }

  #send(port: number, frame: Uint8Array): void {
    const { deliver, isUp } = this.#ports[port]!
    if (!isUp) return
    this.forwarded++
    const copy = frame.slice()
    this.#timers.after(wireMillis, () => deliver(copy))
  }
}

const hex = (frame: Uint8Array, from: number): string =>
  Buffer.from(frame.buffer, frame.byteOffset + from, 6).toString('hex')
