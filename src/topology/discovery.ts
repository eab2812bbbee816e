/**
 * Finds links: sends signed probes out of every port and believes what comes back.
 *
 *     unknown ── a probe of ours arrives ──> fabric ── port down, or probes stop coming ──> unknown
 *        │                                     ^
 *        └── quiet after confirmed probes ──> edge ── a probe of ours arrives ──┘
 *
 * A port carries nothing until it is decided, so rings are safe from the first packet. A port counts as quiet only
 * when the switch has confirmed (barrier) that the probes went out.
 */
import { EventEmitter } from 'node:events'
import type { Dpid } from '../base/addresses.js'
import type { Cancel, Env } from '../base/env.js'
import { buildProbe, readProbe } from './lldp.js'
import { type Link, type Port, type PortKind, type PortRef, portKey } from './model.js'

export interface DiscoveryOptions {
  /** How often a known link is probed. */
  readonly linkPeriodMillis: number
  /** How often an edge port is probed: somebody may plug in a switch. */
  readonly edgePeriodMillis: number
  /** A new port is decided after this time without an answer. */
  readonly quietMillis: number
  /** Probes a second over all ports; periods stretch when there are more. */
  readonly probesPerSecond: number
  /** A link is lost after this many probes in a row stayed away. */
  readonly missedProbes: number
}

export const defaultDiscovery: DiscoveryOptions = {
  linkPeriodMillis: 250,
  edgePeriodMillis: 5_000,
  quietMillis: 400,
  probesPerSecond: 2_000,
  missedProbes: 3,
}

export interface DiscoveryEvents {
  'port-decided': [at: PortRef, kind: PortKind]
  'link-seen': [link: Link]
  'link-lost': [link: Link, reason: string]
  /** A frame that claims to be a probe but is not one of ours sent lately. */
  'probe-refused': [at: PortRef, reason: 'forged' | 'replayed' | 'stale']
}

/** Sends frames out of ports of one switch; resolves when the switch has confirmed that it did. */
export type SendProbes = (
  dpid: Dpid,
  frames: readonly { port: number; frame: Uint8Array }[],
) => Promise<void>

interface Watched {
  readonly at: PortRef
  readonly port: Port
  kind: PortKind
  /** When the quiet time began: the switch has confirmed the first probe. */
  confirmedMillis: number | undefined
  nextMillis: number
  /** Probes on their way, by nonce; the last few are remembered. */
  readonly outstanding: Map<bigint, number>
  link: Link | undefined
  /** When the link from here was last proven. */
  seenMillis: number
  /** When a probe last came in here, or came from here. */
  heardMillis: number
}

const remembered = 8
/** What a link gets on top when one of its switches has just come back. */
const graceMillis = 2_000
const tickMillis = 50

export class Discovery extends EventEmitter<DiscoveryEvents> {
  readonly #env: Env
  readonly #options: DiscoveryOptions
  readonly #send: SendProbes
  readonly #secret: Uint8Array
  readonly #watched = new Map<string, Watched>()
  #cancel: Cancel | undefined

  constructor(env: Env, secret: Uint8Array, send: SendProbes, options = defaultDiscovery) {
    super()
    this.#env = env
    this.#secret = secret
    this.#send = send
    this.#options = options
  }

  start(): void {
    this.#cancel ??= this.#env.timers.every(tickMillis, () => this.#tick())
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  /**
   * Begins to watch ports of a switch that is ready to punt probes. Ports whose kind is known (from
   * before a restart) keep it while they are checked again, with `link` as the proof to renew.
   */
  watch(dpid: Dpid, ports: readonly Port[], links: ReadonlyMap<string, Link>): void {
    const now = this.#env.clock.nowMillis()
    for (const port of ports) {
      const at = { dpid, port: port.number }
      const link = links.get(portKey(at))
      this.#watched.set(portKey(at), {
        at,
        port,
        kind: port.kind,
        confirmedMillis: undefined,
        nextMillis: now,
        outstanding: new Map(),
        link,
        // A link from before gets one full allowance, and some time for its other end to come back.
        seenMillis: now + graceMillis,
        heardMillis: now + graceMillis,
      })
    }
    this.#probe(
      dpid,
      ports.map(port => this.#watched.get(portKey({ dpid, port: port.number }))!),
    )
  }

  /** Stops watching: the port went down, or its switch has gone (which by itself takes no link away). */
  forget(at: PortRef, reason: string | undefined): void {
    const watched = this.#watched.get(portKey(at))
    if (watched === undefined) return
    this.#watched.delete(portKey(at))
    if (watched.link && reason !== undefined) this.emit('link-lost', watched.link, reason)
    if (reason === undefined) return
    for (const other of this.#watched.values())
      if (other.link && portKey(other.link.to) === portKey(at)) this.#lose(other, reason)
  }

  /** A discovery frame came in at a port. */
  receive(at: PortRef, frame: Uint8Array): void {
    const probe = readProbe(frame, this.#secret)
    if (probe === undefined) return
    if (probe === 'forged') return void this.emit('probe-refused', at, 'forged')
    const sender = this.#watched.get(portKey(probe))
    const sentMillis = sender?.outstanding.get(probe.nonce)
    if (sender === undefined || sentMillis === undefined)
      return void this.emit('probe-refused', at, sender ? 'replayed' : 'stale')
    sender.outstanding.delete(probe.nonce)
    const now = this.#env.clock.nowMillis()
    if (now - sentMillis > this.#options.linkPeriodMillis * 8 + 2_000)
      return void this.emit('probe-refused', at, 'stale')
    this.#believe(sender, at, now, now - sentMillis)
  }

  #believe(sender: Watched, to: PortRef, now: number, rttMillis: number): void {
    const known = sender.link
    if (known && portKey(known.to) !== portKey(to)) this.#lose(sender, 'wired to another port')
    const isNew = sender.link === undefined
    sender.link = { from: sender.at, to, cost: 1, rttMillis: Math.round(rttMillis * 100) / 100 }
    sender.seenMillis = now
    sender.heardMillis = now
    this.#decide(sender, 'fabric')
    const receiver = this.#watched.get(portKey(to))
    if (receiver) {
      receiver.heardMillis = now
      // The way back is confirmed at once rather than at the next period.
      if (receiver.link === undefined) this.#probe(receiver.at.dpid, [receiver])
      this.#decide(receiver, 'fabric')
    }
    if (isNew) this.emit('link-seen', sender.link)
  }

  #decide(watched: Watched, kind: PortKind): void {
    if (watched.kind === kind) return
    watched.kind = kind
    this.emit('port-decided', watched.at, kind)
  }

  #lose(watched: Watched, reason: string): void {
    const link = watched.link
    if (link === undefined) return
    watched.link = undefined
    this.emit('link-lost', link, reason)
    if (reason === 'probes stopped coming') {
      watched.confirmedMillis = undefined
      this.#decide(watched, 'unknown')
    }
  }

  #tick(): void {
    const now = this.#env.clock.nowMillis()
    const stretch = Math.max(1, this.#load() / this.#options.probesPerSecond)
    const due = new Map<Dpid, Watched[]>()
    for (const watched of this.#watched.values()) {
      this.#judge(watched, now, stretch)
      if (watched.nextMillis > now) continue
      const list = due.get(watched.at.dpid) ?? []
      list.push(watched)
      due.set(watched.at.dpid, list)
    }
    for (const [dpid, list] of due) this.#probe(dpid, list, stretch)
  }

  /** Probes a second if nothing were stretched. */
  #load(): number {
    let load = 0
    for (const watched of this.#watched.values()) load += 1000 / this.#period(watched)
    return load
  }

  #period(watched: Watched): number {
    if (watched.kind === 'fabric') return this.#options.linkPeriodMillis
    if (watched.kind === 'edge') return this.#options.edgePeriodMillis
    return this.#options.quietMillis / 4
  }

  #judge(watched: Watched, now: number, stretch: number): void {
    const allowance = this.#options.linkPeriodMillis * stretch * this.#options.missedProbes
    // The far switch is not connected and cannot tell us: that says nothing about the link.
    if (watched.link && !this.#watched.has(portKey(watched.link.to)))
      watched.seenMillis = now + graceMillis
    if (watched.link && now - watched.seenMillis > allowance + tickMillis)
      this.#lose(watched, 'probes stopped coming')
    const isForsaken = watched.kind === 'fabric' && watched.link === undefined
    if (isForsaken && now - watched.heardMillis > allowance + graceMillis) {
      watched.confirmedMillis = undefined
      this.#decide(watched, 'unknown')
    }
    const isQuiet =
      watched.kind === 'unknown' &&
      watched.confirmedMillis !== undefined &&
      now - watched.confirmedMillis >= this.#options.quietMillis
    if (isQuiet) this.#decide(watched, 'edge')
  }

  #probe(dpid: Dpid, list: readonly Watched[], stretch = 1): void {
    const now = this.#env.clock.nowMillis()
    const frames = list.map(watched => {
      const nonce = nonceOf(this.#env.random.bytes(8))
      watched.outstanding.set(nonce, now)
      if (watched.outstanding.size > remembered)
        watched.outstanding.delete(watched.outstanding.keys().next().value!)
      watched.nextMillis = now + this.#period(watched) * stretch
      return {
        port: watched.at.port,
        frame: buildProbe({ ...watched.at, nonce, sentMillis: now }, watched.port, this.#secret),
      }
    })
    const needsProof = list.filter(watched => watched.confirmedMillis === undefined)
    this.#send(dpid, frames).then(
      () => {
        const confirmed = this.#env.clock.nowMillis()
        for (const watched of needsProof) watched.confirmedMillis ??= confirmed
      },
      // The switch has gone: its ports are forgotten by whoever told us of them.
      () => undefined,
    )
  }
}

const nonceOf = (bytes: Uint8Array): bigint =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getBigUint64(0)
