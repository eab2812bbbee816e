/**
 * The rehearsal: a clock that stands still until it is told to go on, a network and a disk in
 * memory, randomness from a seed. The same seed gives the same run, as fast as the machine can.
 *
 *     const env = new SimulatedEnv({ seed: 1 })
 *     const listener = await env.net.listen({ host: '10.0.0.1', port: 6653 }, accept)
 *     await env.advance(5_000)   // everything that is due within five seconds happens, in order
 *
 * What is due happens in the order of time, then of asking; after each the promises it settled run first.
 */

import { CollectingLog, type Log } from '../log/log.js'
import type {
  Address,
  Cancel,
  Clock,
  Disk,
  Env,
  Listener,
  Net,
  Random,
  Timers,
  UdpSocket,
  Workers,
} from './env.js'
import { connectionPair, type SimulatedLink } from './simulated-connection.js'
import { SimulatedDisk } from './simulated-disk.js'

export interface SimulatedOptions {
  readonly seed?: number
  readonly log?: Log
  /** How long octets travel. */
  readonly latencyMillis?: number
  /** Cuts what is sent into pieces of random size, as a network may. */
  readonly cutsChunks?: boolean
  /** Octets a reader that has paused takes before its sender has to keep the rest. */
  readonly windowSize?: number
}

interface Due {
  readonly atMillis: number
  readonly order: number
  readonly run: () => void
  isCancelled: boolean
}

/** Steps of a chain of promises that run before the next event does. */
const promiseSteps = 40

/** 2026-01-01, so that printed times are plausible. */
const startWallMillis = 1_767_225_600_000

export class SimulatedEnv implements Env {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly net: SimulatedNet
  readonly disk: Disk
  /** Work is done on the spot, on a copy as elsewhere, and takes no time. */
  readonly workers: Workers = {
    run: async (module, input) => {
      const { work } = (await import(module)) as { work(input: unknown): unknown }
      return structuredClone(await work(structuredClone(input)))
    },
  }
  readonly log: Log
  #nowMillis = 0
  #order = 0
  #heap: Due[] = []

  constructor(options: SimulatedOptions = {}) {
    this.log = options.log ?? new CollectingLog()
    this.clock = {
      nowMillis: () => this.#nowMillis,
      wallMillis: () => startWallMillis + this.#nowMillis,
    }
    this.timers = {
      after: (millis, run) => this.#schedule(millis, run),
      every: (millis, run) => this.#repeat(millis, run),
      soon: run => this.#schedule(0, run),
    }
    this.random = seededRandom(options.seed ?? 1)
    this.net = new SimulatedNet({
      timers: this.timers,
      random: this.random,
      latencyMillis: options.latencyMillis ?? 0,
      cutsChunks: options.cutsChunks ?? false,
      windowSize: options.windowSize ?? 64 * 1024,
    })
    this.disk = new SimulatedDisk(this.clock, this.timers)
  }

  /** Lets so much time pass, with all that happens in it. */
  async advance(millis: number): Promise<void> {
    const endMillis = this.#nowMillis + millis
    await settlePromises()
    for (let due = this.#next(endMillis); due; due = this.#next(endMillis)) {
      this.#nowMillis = Math.max(this.#nowMillis, due.atMillis)
      due.run()
      await settlePromises()
    }
    this.#nowMillis = endMillis
  }

  /** What is due now happens, and what that causes now; no time passes. */
  settle(): Promise<void> {
    return this.advance(0)
  }

  /**
   * Lets time pass until `isDone` holds.
   *
   * @throws when it does not within `limitMillis`
   */
  async until(isDone: () => boolean, limitMillis = 60_000): Promise<void> {
    const endMillis = this.#nowMillis + limitMillis
    await settlePromises()
    while (!isDone()) {
      const due = this.#next(endMillis)
      if (due === undefined) throw new Error(`not done within ${limitMillis} simulated ms`)
      this.#nowMillis = Math.max(this.#nowMillis, due.atMillis)
      due.run()
      await settlePromises()
    }
  }

  /** How many timers and deliveries wait. */
  get pendingCount(): number {
    return this.#heap.filter(due => !due.isCancelled).length
  }

  #schedule(millis: number, run: () => void): Cancel {
    const due: Due = {
      atMillis: this.#nowMillis + Math.max(0, millis),
      order: this.#order++,
      run,
      isCancelled: false,
    }
    pushHeap(this.#heap, due)
    return () => {
      due.isCancelled = true
    }
  }

  #repeat(millis: number, run: () => void): Cancel {
    // A period of nothing would never let time pass.
    const period = Math.max(millis, 0.001)
    let cancel: Cancel = () => undefined
    const again = () => {
      cancel = this.#schedule(period, again)
      run()
    }
    cancel = this.#schedule(period, again)
    return () => cancel()
  }

  #next(endMillis: number): Due | undefined {
    while (this.#heap.length > 0 && this.#heap[0]!.atMillis <= endMillis) {
      const due = popHeap(this.#heap)
      if (!due.isCancelled) return due
    }
    return undefined
  }
}

const settlePromises = async (): Promise<void> => {
  for (let step = 0; step < promiseSteps; step++) await undefined
}

const isBefore = (a: Due, b: Due): boolean =>
  a.atMillis < b.atMillis || (a.atMillis === b.atMillis && a.order < b.order)

const pushHeap = (heap: Due[], due: Due): void => {
  let at = heap.length
  heap.push(due)
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (!isBefore(due, heap[parent]!)) break
    heap[at] = heap[parent]!
    at = parent
  }
  heap[at] = due
}

const popHeap = (heap: Due[]): Due => {
  const top = heap[0]!
  const last = heap.pop()!
  if (heap.length === 0) return top
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
    if (!isBefore(heap[child]!, last)) break
    heap[at] = heap[child]!
    at = child
  }
  heap[at] = last
  return top
}

/** Mulberry32: small, fast, good enough to rehearse with; no secrets come from it. */
export const seededRandom = (seed: number): Random => {
  let state = seed >>> 0
  const uint32 = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  return { uint32, bytes: size => Uint8Array.from({ length: size }, () => uint32() & 255) }
}

interface NetOptions {
  readonly timers: Timers
  readonly random: Random
  readonly latencyMillis: number
  readonly cutsChunks: boolean
  readonly windowSize: number
}

const firstFreePort = 40_000

const keyOf = (at: Address): string => ('path' in at ? at.path : `${at.host}:${at.port}`)

/** A network in which everybody reaches everybody, until links are cut. */
export class SimulatedNet implements Net {
  readonly #options: NetOptions
  readonly #listeners = new Map<string, (link: SimulatedLink) => void>()
  readonly #links = new Set<SimulatedLink>()
  #nextPort = firstFreePort

  constructor(options: NetOptions) {
    this.#options = options
  }

  readonly maxDescriptors = Number.POSITIVE_INFINITY

  async listen(at: Address, onConnection: Parameters<Net['listen']>[1]): Promise<Listener> {
    const bound = 'port' in at && at.port === 0 ? { ...at, port: this.#nextPort++ } : at
    const key = keyOf(bound)
    if (this.#listeners.has(key))
      throw Object.assign(new Error(`address in use: ${key}`), { code: 'EADDRINUSE' })
    const mine = new Set<SimulatedLink>()
    this.#listeners.set(key, link => {
      mine.add(link)
      onConnection(link.far)
    })
    return {
      address: 'path' in bound ? bound : { host: bound.host, port: bound.port },
      reload: () => undefined,
      close: async () => {
        this.#listeners.delete(key)
        for (const link of mine) link.far.destroy()
      },
    }
  }

  readonly #udp = new Map<
    string,
    (bytes: Uint8Array, answer: (bytes: Uint8Array) => void) => void
  >()

  /** Hears datagrams for an address, and may answer each. */
  listenUdp(
    at: { readonly host: string; readonly port: number },
    heard: (bytes: Uint8Array, answer: (bytes: Uint8Array) => void) => void,
  ): void {
    this.#udp.set(keyOf(at), heard)
  }

  async openUdp(to: { readonly host: string; readonly port: number }): Promise<UdpSocket> {
    const { timers, latencyMillis } = this.#options
    let handler: (bytes: Uint8Array) => void = () => undefined
    let isClosed = false
    const answer = (bytes: Uint8Array) =>
      void timers.after(latencyMillis, () => {
        if (!isClosed) handler(bytes)
      })
    return {
      send: bytes =>
        void timers.after(latencyMillis, () => {
          if (!isClosed) this.#udp.get(keyOf(to))?.(bytes, answer)
        }),
      onMessage: heard => {
        handler = heard
      },
      close: () => {
        isClosed = true
      },
    }
  }

  async connect(to: Address): ReturnType<Net['connect']> {
    const accept = this.#listeners.get(keyOf(to))
    if (accept === undefined)
      throw Object.assign(new Error(`connection refused: ${keyOf(to)}`), { code: 'ECONNREFUSED' })
    const near = 'path' in to ? to.path : `127.0.0.1:${this.#nextPort++}`
    const link = connectionPair(keyOf(to), near, this.#options)
    this.#links.add(link)
    accept(link)
    return link.near
  }

  /** Cuts all connections, as a lost link does after its time-out. */
  cutAll(): void {
    for (const link of this.#links) link.cut()
    this.#links.clear()
  }
}
