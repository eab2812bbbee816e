/**
 * Finds links: sends signed probes out of every port and believes what comes back.
 *
 *     unknown ── a probe of ours arrives ──> fabric ── port down, or proven dead ──> unknown
 *        │                                     ^
 *        └── quiet after confirmed probes ──> edge ── a probe of ours arrives, no host answers ──┘
 *
 * A port carries nothing until it is decided, so rings are safe from the first packet. A port counts as quiet only
 * when the switch has confirmed (barrier) that the probes went out.
 *
 * A link whose probe stays away is in doubt: more probes follow quickly. It is lost when they stay away too,
 * the sending switch has confirmed them, and the receiving switch has answered a barrier since: a control
 * connection that hangs takes no link away.
 */
import { EventEmitter } from 'node:events'
import type { Dpid } from '../base/addresses.js'
import type { Cancel, Env } from '../base/env.js'
import { AwakeClock } from './awake-clock.js'
import { isGenuine, isSame, type ReadProbe, readProbe, type Variant } from './lldp.js'
import { isSamePort, type Link, type Port, type PortKind, type PortRef, portKey } from './model.js'
import { Nonces } from './nonces.js'
import { Watched } from './watched.js'

export interface DiscoveryOptions {
  /** How often a known link is probed. */
  readonly linkPeriodMillis: number
  /** How quickly probes follow while a link is in doubt. */
  readonly doubtPeriodMillis: number
  /** A link is lost after this many probes in doubt. */
  readonly doubtProbes: number
  /** How often an edge port is probed: somebody may plug in a switch. */
  readonly edgePeriodMillis: number
  /** A new port is decided after this time without an answer. */
  readonly quietMillis: number
  /** Probes a second over all ports; periods stretch when there are more. */
  readonly probesPerSecond: number
  /** False believes whatever carries a link's form: for tests of what the guard is worth. */
  readonly isGuarded: boolean
}

/** A silent failure is found within linkPeriod + doubtPeriod x (doubtProbes + 1) and two ticks: 0.95 s. */
export const defaultDiscovery: DiscoveryOptions = {
  linkPeriodMillis: 600,
  doubtPeriodMillis: 75,
  doubtProbes: 3,
  edgePeriodMillis: 5_000,
  quietMillis: 400,
  probesPerSecond: 5_000,
  isGuarded: true,
}

/** The same within 0.3 s, for twice the work and more. */
export const fastDiscovery: DiscoveryOptions = {
  ...defaultDiscovery,
  linkPeriodMillis: 130,
  doubtPeriodMillis: 30,
  doubtProbes: 3,
}

/**
 * forged: no proof, or a wrong one · replayed: it has come in already · stale: older than its life ·
 * inhabited: a host lives at one of the ports · edge: the port is declared to have hosts only
 */
export type Refusal = 'forged' | 'replayed' | 'stale' | 'inhabited' | 'edge' | 'alien'

export interface DiscoveryEvents {
  'port-decided': [at: PortRef, kind: PortKind]
  'link-seen': [link: Link]
  /** The round trip of a known link. */
  'link-measured': [link: Link, rttMillis: number]
  'link-lost': [link: Link, reason: string]
  /** A frame that claims to be a probe but makes no link. */
  'probe-refused': [at: PortRef, reason: Refusal]
  /** A probe came from or to a port where hosts are known: somebody should ask them. */
  'port-contested': [at: PortRef]
  /** The port leads to itself, or to a segment that another port leads to. */
  'port-shut': [at: PortRef, reason: string]
}

/** What discovery needs of the rest. */
export interface DiscoveryNetwork {
  /** Sends frames out of ports of one switch; resolves when the switch has confirmed that it did. */
  sendConfirmed(dpid: Dpid, frames: readonly { port: number; frame: Uint8Array }[]): Promise<void>
  /** True while hosts are known at a port. */
  isInhabited(at: PortRef): boolean
  /** True when a port is declared to have hosts only. */
  isDeclaredEdge(at: PortRef): boolean
}

/** What a link gets on top when one of its switches has just come back. */
const graceMillis = 2_000

export class Discovery extends EventEmitter<DiscoveryEvents> {
  readonly #env: Env
  readonly #clock: AwakeClock
  readonly #options: DiscoveryOptions
  readonly #network: DiscoveryNetwork
  readonly #secret: Uint8Array
  readonly #nonces: Nonces
  readonly #tickMillis: number
  readonly #watched = new Map<string, Watched>()
  #stretch = 1
  #cancel: Cancel | undefined

  constructor(
    env: Env,
    secret: Uint8Array,
    network: DiscoveryNetwork,
    options: DiscoveryOptions = defaultDiscovery,
  ) {
    super()
    this.#env = env
    this.#secret = secret
    this.#network = network
    this.#options = options
    this.#nonces = new Nonces(env.random)
    this.#tickMillis = Math.min(50, options.doubtPeriodMillis / 2)
    this.#clock = new AwakeClock(env.clock, this.#tickMillis)
  }

  start(): void {
    this.#cancel ??= this.#env.timers.every(this.#tickMillis, () => this.#tick())
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  /**
   * Begins to watch ports of a switch that is ready to punt probes. Ports whose kind is known (from
   * before a restart) keep it while they are checked again, with `link` as the proof to renew.
   */
  watch(dpid: Dpid, ports: readonly Port[], linkFrom: (at: PortRef) => Link | undefined): void {
    const now = this.#clock.nowMillis()
    const added = ports.map(port => {
      // A link from before gets one full allowance, and some time for its other end to come back.
      const one = new Watched(
        { dpid, port: port.number },
        port,
        this.#secret,
        now,
        now + graceMillis,
      )
      one.link = linkFrom({ dpid, port: port.number })
      this.#watched.set(one.key, one)
      return one
    })
    this.#probe(dpid, added)
  }

  /** Stops watching: the port went down, or its switch has gone (which by itself takes no link away). */
  forget(at: PortRef, reason: string | undefined): void {
    const watched = this.#watched.get(portKey(at))
    if (watched === undefined) return
    this.#watched.delete(watched.key)
    if (reason === undefined) return
    if (watched.link) this.emit('link-lost', watched.link, reason)
    for (const other of this.#watched.values())
      if (other.link && isSamePort(other.link.to, at)) this.#lose(other, reason)
  }

  /** A discovery frame came in at a port. */
  receive(at: PortRef, frame: Uint8Array): void {
    const probe = readProbe(frame)
    if (probe === undefined) return void this.emit('probe-refused', at, 'alien')
    if (probe === 'malformed') return void this.emit('probe-refused', at, 'forged')
    const sender = this.#watched.get(portKey(probe))
    const reason = this.#options.isGuarded ? this.#refusalOf(probe, sender, at) : undefined
    if (reason) return void this.emit('probe-refused', at, reason)
    if (sender) this.#hear(sender, at, probe)
  }

  #refusalOf(probe: ReadProbe, sender: Watched | undefined, at: PortRef): Refusal | undefined {
    const now = this.#clock.nowMillis()
    const sent = sender?.outstanding(probe.nonce)
    if (sent === undefined || sender === undefined) {
      if (!isGenuine(probe, this.#secret)) return 'forged'
      return now - probe.sentMillis > this.#lifeMillis() ? 'stale' : 'replayed'
    }
    if (!isSame(sent.proof, probe.proof) || !isSame(sent.signed, probe.signed)) return 'forged'
    if (now - sent.sentMillis > this.#lifeMillis()) return 'stale'
    if (sent.heardAt.has(portKey(at))) return 'replayed'
    sent.heardAt.add(portKey(at))
    if (sent.variant === 'direct') sender.spend(probe.nonce)
    // Hosts may live on a segment between two switches; that the broadcast variant comes says nothing of them.
    const isTelling = probe.variant === 'direct' || isSamePort(at, sender.at)
    for (const end of [at, sender.at]) {
      if (this.#network.isDeclaredEdge(end)) return 'edge'
      if (isTelling && this.#isContested(end)) return 'inhabited'
    }
    return undefined
  }

  /** A host lives there; whoever hears of it asks the host, and it is forgotten when it does not answer. */
  #isContested(at: PortRef): boolean {
    if (this.#watched.get(portKey(at))?.kind !== 'edge' || !this.#network.isInhabited(at))
      return false
    this.emit('port-contested', at)
    return true
  }

  /** Two periods, as long as they are now. */
  #lifeMillis(): number {
    return 2 * this.#options.linkPeriodMillis * this.#stretch
  }

  #hear(sender: Watched, at: PortRef, probe: ReadProbe): void {
    const now = this.#clock.nowMillis()
    if (isSamePort(sender.at, at)) return this.#shut(sender, 'it leads to itself')
    if (probe.variant === 'broadcast') return this.#hearForeign(sender, at, now)
    sender.foreign = undefined
    this.#believe(sender, { from: sender.at, to: at, cost: 1 }, now, now - probe.sentMillis)
  }

  /** Through somebody else's switch; believed when the direct variant does not come as well. */
  #hearForeign(sender: Watched, to: PortRef, now: number): void {
    const receiver = this.#watched.get(portKey(to))
    if (receiver === undefined || (sender.link && !sender.link.isForeign)) return
    const isJoined = sender.link ?? (receiver.link?.isForeign ? receiver.link : undefined)
    if (isJoined && isSameCable(isJoined, sender.at, to))
      return this.#believe(sender, foreignLink(sender.at, to), now, undefined)
    const isFresh =
      sender.foreign && now - sender.foreign.atMillis < 2 * this.#options.edgePeriodMillis
    // Of three ports on one segment two are enough.
    if (isFresh && !isSamePort(sender.foreign!.to, to)) return this.#shutHigher(sender, to, now)
    const isNew = sender.foreign === undefined
    sender.foreign = { to, atMillis: now }
    if (isNew && !receiver.link) this.#probe(receiver.dpid, [receiver])
  }

  #believe(sender: Watched, link: Link, now: number, rttMillis: number | undefined): void {
    const known = sender.link
    if (known && !isSamePort(known.to, link.to)) this.#lose(sender, 'wired to another port')
    const isNew = sender.link === undefined
    sender.link = link
    sender.seenMillis = now
    sender.heardMillis = now
    sender.doubtCount = 0
    this.#decide(sender, 'fabric')
    const receiver = this.#watched.get(portKey(link.to))
    if (receiver) {
      receiver.heardMillis = now
      // The way back is confirmed at once rather than at the next period.
      if (receiver.link === undefined) this.#probe(receiver.dpid, [receiver])
      this.#decide(receiver, 'fabric')
    }
    if (isNew) this.emit('link-seen', link)
    if (rttMillis !== undefined) this.emit('link-measured', link, rttMillis)
  }

  #decide(watched: Watched, kind: PortKind): void {
    if (watched.kind === kind) return
    watched.kind = kind
    this.emit('port-decided', watched.at, kind)
  }

  /** Nothing passes there for a while; as long as the reason lasts, it is found again in time. */
  #shut(watched: Watched, reason: string): void {
    const now = this.#clock.nowMillis()
    const isNew = watched.shutUntilMillis < now
    watched.shutUntilMillis = now + 3 * this.#options.edgePeriodMillis
    if (watched.link) this.#lose(watched, reason)
    this.#decide(watched, 'unknown')
    if (isNew) this.emit('port-shut', watched.at, reason)
  }

  /** Two ports on one segment that is not ours: one of them is enough, the other would make a loop. */
  #shutHigher(sender: Watched, to: PortRef, now: number): void {
    const receiver = this.#watched.get(portKey(to))
    if (receiver === undefined || receiver.shutUntilMillis > now || sender.shutUntilMillis > now)
      return
    const higher = sender.key > receiver.key ? sender : receiver
    if (higher.link) return
    this.#shut(higher, 'another port leads to the same segment')
  }

  #lose(watched: Watched, reason: string): void {
    const link = watched.link
    if (link === undefined) return
    watched.link = undefined
    watched.foreign = undefined
    watched.doubtCount = 0
    this.emit('link-lost', link, reason)
    if (reason === silence) {
      watched.confirmedMillis = undefined
      this.#decide(watched, 'unknown')
    }
  }

  #tick(): void {
    this.#clock.tick()
    const now = this.#clock.nowMillis()
    const due = new Set<Dpid>()
    let load = 0
    for (const watched of this.#watched.values()) {
      this.#judge(watched, now)
      load += (1000 / this.#period(watched)) * variantsFor(watched).length
      if (watched.nextMillis <= now) due.add(watched.dpid)
    }
    // Probes a second if nothing were stretched, against the budget.
    this.#stretch = Math.max(1, load / this.#options.probesPerSecond)
    if (due.size > 0) this.#probeDue(due, now)
  }

  /** What is nearly due goes along, so that a switch gets its probes in one batch with one barrier. */
  #probeDue(due: ReadonlySet<Dpid>, now: number): void {
    const batches = new Map<Dpid, Watched[]>([...due].map(dpid => [dpid, []]))
    for (const watched of this.#watched.values()) {
      const early = watched.nextMillis - this.#period(watched) * this.#stretch * 0.25
      if (early <= now) batches.get(watched.dpid)?.push(watched)
    }
    for (const [dpid, list] of batches) this.#probe(dpid, list)
  }

  #period(watched: Watched): number {
    const { linkPeriodMillis, doubtPeriodMillis, edgePeriodMillis, quietMillis } = this.#options
    if (watched.doubtCount > 0) return doubtPeriodMillis
    if (watched.kind === 'fabric') return linkPeriodMillis
    if (watched.kind === 'edge' || watched.shutUntilMillis > this.#clock.nowMillis())
      return edgePeriodMillis
    return quietMillis / 4
  }

  #judge(watched: Watched, now: number): void {
    if (watched.link) this.#judgeLink(watched, watched.link, now)
    else if (watched.kind === 'fabric') {
      const allowance = this.#options.linkPeriodMillis * this.#stretch * 3
      if (now - watched.heardMillis <= allowance + graceMillis) return
      watched.confirmedMillis = undefined
      this.#decide(watched, 'unknown')
    } else this.#judgeQuiet(watched, now)
  }

  #judgeLink(watched: Watched, link: Link, now: number): void {
    // The far switch is not connected and cannot tell us: that says nothing about the link.
    if (!this.#watched.has(watched.peerKey!)) {
      watched.seenMillis = now + graceMillis
      watched.doubtCount = 0
      return
    }
    const { linkPeriodMillis, doubtPeriodMillis, doubtProbes } = this.#options
    const silentMillis = now - watched.seenMillis
    if (
      watched.doubtCount === 0 &&
      silentMillis > linkPeriodMillis * this.#stretch + doubtPeriodMillis
    ) {
      watched.doubtCount = 1
      watched.nextMillis = now
    } else if (
      watched.doubtCount > doubtProbes &&
      watched.nextMillis <= now &&
      !watched.isBeingAsked
    )
      this.#ask(watched, link)
  }

  /** Both switches must have spoken since the last probe; then the silence is the link's. */
  #ask(watched: Watched, link: Link): void {
    const { seenMillis } = watched
    watched.isBeingAsked = true
    this.#network
      .sendConfirmed(watched.dpid, [])
      .then(() => this.#network.sendConfirmed(link.to.dpid, []))
      .then(() => {
        const isSilent = watched.seenMillis === seenMillis && watched.link === link
        if (isSilent && this.#watched.get(watched.key) === watched) this.#lose(watched, silence)
      }, noMatter)
      .finally(() => {
        watched.isBeingAsked = false
      })
  }

  #judgeQuiet(watched: Watched, now: number): void {
    const { foreign } = watched
    const isQuiet =
      watched.confirmedMillis !== undefined &&
      now - watched.confirmedMillis >= this.#options.quietMillis
    if (!isQuiet || watched.shutUntilMillis > now) return
    if (foreign && now - foreign.atMillis < 2 * this.#options.edgePeriodMillis)
      return this.#joinForeign(watched, foreign.to, now)
    if (watched.kind === 'unknown') this.#decide(watched, 'edge')
  }

  /** A segment with hosts keeps one edge port; one without becomes a link. */
  #joinForeign(watched: Watched, to: PortRef, now: number): void {
    const receiver = this.#watched.get(portKey(to))
    if (receiver === undefined || receiver.shutUntilMillis > now) return
    if (receiver.link && !isSamePort(receiver.link.to, watched.at)) return
    const isInhabited = [watched.at, to].some(
      end => this.#network.isInhabited(end) || this.#network.isDeclaredEdge(end),
    )
    if (isInhabited) return this.#shutHigher(watched, to, now)
    this.#believe(watched, foreignLink(watched.at, to), now, undefined)
  }

  #probe(dpid: Dpid, list: readonly Watched[]): void {
    const now = this.#clock.nowMillis()
    const frames = list.flatMap(watched => {
      if (watched.doubtCount > 0) watched.doubtCount++
      watched.nextMillis = now + this.#period(watched) * this.#stretch
      return variantsFor(watched).map(variant => ({
        port: watched.at.port,
        frame: watched.probe(variant, this.#nonces.next(), now).frame,
      }))
    })
    const needsProof = list.filter(watched => watched.confirmedMillis === undefined)
    this.#network.sendConfirmed(dpid, frames).then(() => {
      const confirmed = this.#clock.nowMillis()
      for (const watched of needsProof) watched.confirmedMillis ??= confirmed
    }, noMatter)
  }
}

const silence = 'probes stopped coming'

/** The switch has gone: its ports are forgotten by whoever told us of them. */
const noMatter = (): void => undefined

/** A known link is probed as it was found; where nothing was found, both ways are tried. */
const variantsFor = (watched: Watched): readonly Variant[] =>
  watched.link && !watched.link.isForeign ? ['direct'] : ['direct', 'broadcast']

const foreignLink = (from: PortRef, to: PortRef): Link => ({ from, to, cost: 1, isForeign: true })

const isSameCable = (link: Link, a: PortRef, b: PortRef): boolean =>
  (isSamePort(link.from, a) && isSamePort(link.to, b)) ||
  (isSamePort(link.from, b) && isSamePort(link.to, a))
