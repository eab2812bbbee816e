/** Wires between ports, for tests of discovery: what goes out of one end comes in at the other. */
import type { Dpid, Mac } from '../../src/base/addresses.js'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import {
  Discovery,
  type DiscoveryOptions,
  defaultDiscovery,
} from '../../src/topology/discovery/discovery.js'
import { type Port, type PortRef, portKey } from '../../src/topology/model.js'
import { dpidOf } from './networks.js'

export const secret = new TextEncoder().encode('a secret of thirty-two octets...')

/** `1:2` is port 2 of switch 1. */
export const at = (text: string): PortRef => {
  const [node, port] = text.split(':').map(Number)
  return { dpid: dpidOf(node!), port: port! }
}
export const nameOf = (ref: PortRef): string => `${Number.parseInt(ref.dpid, 16)}:${ref.port}`

export const portOf = (number: number): Port => ({
  number,
  name: `eth${number}`,
  mac: `0e:00:00:00:00:0${number}` as Port['mac'],
  isUp: true,
  kind: 'unknown',
  speedKbps: 1_000_000,
})

export const aHost = '02:00:00:00:00:07' as Mac

export class Wires {
  readonly env = new SimulatedEnv({ seed: 3 })
  readonly discovery: Discovery
  /** What happened, in words. */
  readonly log: string[] = []
  /** Every frame that left a port. */
  readonly sent: { readonly at: string; readonly frame: Uint8Array; readonly atMillis: number }[] =
    []
  /** Where a frame that leaves a port comes in, and after how long. */
  readonly #wires = new Map<string, { readonly to: readonly string[]; readonly millis: number }>()
  /** Segments that are not ours: only frames to all pass. */
  readonly #foreign = new Set<string>()
  /** How often a switch was asked to confirm. */
  confirmedCount = 0
  readonly inhabited = new Map<string, Mac>()
  readonly edges = new Set<string>()
  /** Switches that say nothing any more, though they are connected; they go on forwarding. */
  readonly hung = new Set<Dpid>()
  /** Switches by which nothing passes. */
  readonly dead = new Set<Dpid>()
  /** Ends whose frames of their own get lost, while rounds pass. */
  readonly faint = new Set<string>()
  /** Switches that do not send rounds back. */
  readonly mute = new Set<Dpid>()

  constructor(options: Partial<DiscoveryOptions> = {}) {
    this.discovery = new Discovery(
      this.env,
      secret,
      {
        send: (dpid, frames) => void this.#send(dpid, frames),
        sendConfirmed: (dpid, frames) => {
          this.confirmedCount++
          return this.#send(dpid, frames)
        },
        macOf: ref => portOf(ref.port).mac,
        hostsAt: ref => [this.inhabited.get(nameOf(ref)) ?? []].flat(),
        isDeclaredEdge: ref => this.edges.has(nameOf(ref)),
        mayJoin: ref => !this.edges.has(nameOf(ref)) && !this.inhabited.has(nameOf(ref)),
      },
      { ...defaultDiscovery, ...options },
    )
    const say = (text: string) => this.log.push(text)
    this.discovery.on('port-decided', (ref, kind) => say(`${nameOf(ref)} is ${kind}`))
    this.discovery.on('link-seen', ({ from, to, isForeign }) =>
      say(`link ${nameOf(from)} to ${nameOf(to)}${isForeign ? ', foreign' : ''}`),
    )
    this.discovery.on('link-lost', ({ from, to }, reason) =>
      say(`lost ${nameOf(from)} to ${nameOf(to)}: ${reason}`),
    )
    this.discovery.on('probe-refused', (ref, reason) => say(`refused at ${nameOf(ref)}: ${reason}`))
    this.discovery.on('port-contested', ref => say(`contested ${nameOf(ref)}`))
    this.discovery.on('port-shut', (ref, reason) => say(`shut ${nameOf(ref)}: ${reason}`))
    this.discovery.start()
  }

  /** One direction: from `1:1` to `2:1`. */
  lay(from: string, to: string, millis = 0.1): void {
    this.#wires.set(from, { to: [to], millis })
  }

  cable(a: string, b: string, millis = 0.1): void {
    this.lay(a, b, millis)
    this.lay(b, a, millis)
  }

  /** A switch that is not ours, between these. */
  segment(...ends: string[]): void {
    for (const end of ends) {
      this.#wires.set(end, { to: ends.filter(other => other !== end), millis: 0.1 })
      this.#foreign.add(end)
    }
  }

  /** Nothing comes through any more, and nobody says so. */
  cut(from: string): void {
    this.#wires.delete(from)
  }

  watch(node: number, ...ports: number[]): void {
    this.discovery.watch(dpidOf(node), ports.map(portOf), () => undefined)
  }

  /** What was said since this was asked last, sorted where order says nothing. */
  news(): string[] {
    return this.log.splice(0)
  }

  #asked(end: string, frame: Uint8Array): void {
    if (this.mute.has(at(end).dpid)) this.#tell(end, frame)
    else this.#return(end, frame)
  }

  /** What rows of fabric ports do: back to where it came from, and on by the next port there. */
  #return(end: string, frame: Uint8Array): void {
    const returned = frame.slice()
    returned[5] = 0x0d
    returned.set([0x0e, 0, 0, 0, 0, at(end).port], 6)
    this.#carry(end, to => {
      const isEcho = frame[12] === 0x81
      const next = isEcho ? undefined : this.#nextOf(to)
      if (next === undefined) return this.#tell(to, returned)
      const onward = returned.slice()
      onward[5] = 0x03
      this.#carry(next, far => this.#asked(far, onward))
    })
  }

  #tell(end: string, frame: Uint8Array): void {
    if (!this.hung.has(at(end).dpid)) this.discovery.receive(at(end), frame)
  }

  #carry(from: string, arrive: (to: string) => void): void {
    const wire = this.#wires.get(from)
    for (const to of wire?.to ?? [])
      this.env.timers.after(wire!.millis, () => {
        if (!this.dead.has(at(to).dpid)) arrive(to)
      })
  }

  /** The next port of the same switch whose wire leads to a higher place. */
  #nextOf(end: string): string | undefined {
    const { dpid, port } = at(end)
    const higher = [...this.#wires]
      .filter(([from, { to }]) => at(from).dpid === dpid && at(from).port > port && to.length === 1)
      .filter(
        ([from, { to }]) => portKey(at(from)) < portKey(at(to[0]!)) && !this.#foreign.has(from),
      )
      .map(([from]) => from)
    return higher.sort((a, b) => at(a).port - at(b).port)[0]
  }

  async #send(dpid: Dpid, frames: readonly { port: number; frame: Uint8Array }[]): Promise<void> {
    if (this.hung.has(dpid)) return new Promise(() => undefined)
    for (const { port, frame } of frames) {
      const from = nameOf({ dpid, port })
      this.sent.push({ at: from, frame, atMillis: this.env.clock.nowMillis() })
      if (this.#foreign.has(from) && frame[0] !== 0xff) continue
      if (this.faint.has(from) && frame[5] !== 0x03) continue
      const wire = this.#wires.get(from)
      for (const to of wire?.to ?? [])
        this.env.timers.after(wire!.millis, () => {
          if (this.dead.has(at(to).dpid)) return
          if (frame[5] === 0x03) this.#asked(to, frame)
          else this.#tell(to, frame)
        })
    }
    await new Promise<void>(resolve => this.env.timers.after(0.2, resolve))
  }
}
