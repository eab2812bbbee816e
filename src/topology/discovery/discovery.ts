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
 * What happens when probes stay away is in `doubts.ts`.
 *
 * Links that are known in both directions are kept proven by rounds, `rounds.ts`. Switches that are not ours between
 * ports of ours: `segments.ts`.
 */
import { EventEmitter } from 'node:events'
import { type Dpid, macNumber } from '../../base/addresses.js'
import type { Cancel, Env } from '../../base/env/env.js'
import { isSamePort, type Link, type Port, type PortKind, type PortRef, portKey } from '../model.js'
import { AwakeClock } from './awake-clock.js'
import type { DiscoveryEvents, DiscoveryNetwork, Refusal } from './discovery-network.js'
import { type DiscoveryOptions, defaultDiscovery, graceMillis } from './discovery-options.js'
import { backOf, Doubts } from './link-doubts.js'
import { isGenuine, isSame, type ReadProbe, readProbe, returnerOf } from './lldp.js'
import { Nonces } from './nonces.js'
import { isProvenBy, nextTurn, partnerOf, takeRound, variantsFor } from './probe-rounds.js'
import { Segments } from './segments.js'
import { type Home, Watched } from './watched-port.js'
import { Roster } from './watched-ports.js'

export type { DiscoveryEvents, DiscoveryNetwork, Refusal } from './discovery-network.js'
export { type DiscoveryOptions, defaultDiscovery, fastDiscovery } from './discovery-options.js'

export class Discovery extends EventEmitter<DiscoveryEvents> {
  readonly #env: Env
  readonly #clock: AwakeClock
  readonly #options: DiscoveryOptions
  readonly #network: DiscoveryNetwork
  readonly #secret: Uint8Array
  readonly #nonces: Nonces
  readonly #tickMillis: number
  readonly #watched = new Roster()
  readonly #doubts: Doubts
  readonly #segments: Segments
  /** Of the roster, when segments were looked at. */
  #settledVersion = -1
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
    // As slow as edge ports are probed: one that stays shut without need is better than a loop.
    this.#segments = new Segments(() => 3 * options.edgePeriodMillis * this.#stretch)
    this.#doubts = new Doubts(network, options, this.#clock, {
      lose: watched => this.#lose(watched, silence),
      lost: link => this.emit('link-lost', link, silence),
    })
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
        place => this.#watched.at(place),
      )
      one.link = linkFrom({ dpid, port: port.number })
      this.#watched.put(one)
      this.#segments.resume(one.at, now)
      return one
    })
    this.#probe(dpid, added)
  }

  /**
   * Stops watching. Nothing is said of its links: whoever knows that the port is gone takes them away.
   *
   * @param isGone the port went down; otherwise its switch cannot be reached, which by itself takes no link away
   */
  forget(at: PortRef, isGone: boolean): void {
    const watched = this.#watched.at(at)
    if (watched === undefined) {
      if (isGone) this.#leaveSegment(at)
      return
    }
    const { peer } = watched
    this.#watched.remove(watched.key)
    if (!isGone) {
      // What carries a segment goes on doing so.
      if (watched.kind === 'unknown') this.#leaveSegment(at)
      else this.#segments.hold(at)
      return this.#doubtPeer(peer)
    }
    for (const other of this.#watched.values())
      if (other.link && isSamePort(other.link.to, at)) this.#unlink(other)
    this.#leaveSegment(at)
  }

  /** Somebody spoke at one port who lives at the other: do both lead to the same segment? */
  suspect(a: PortRef, b: PortRef): void {
    const now = this.#clock.nowMillis()
    for (const at of [a, b]) {
      const watched = this.#watched.at(at)
      if (
        watched === undefined ||
        watched.link ||
        now - watched.suspectedMillis < suspectPauseMillis
      )
        continue
      watched.suspectedMillis = now
      this.#probe(watched.dpid, [watched])
    }
  }

  /** What people say of ports has changed. */
  settleAll(): void {
    for (const at of this.#segments.ports()) this.#settle(at, this.#clock.nowMillis())
  }

  /** The switch of its other end says nothing any more: does it still forward? */
  #doubtPeer(peer: Watched | undefined): void {
    if (peer?.link === undefined) return
    peer.nextMillis = Number.NEGATIVE_INFINITY
    this.#watched.wake(peer)
  }

  /** A discovery frame came in at a port. */
  receive(at: PortRef, frame: Uint8Array): void {
    if (this.#receiveRound(at, frame)) return
    const probe = readProbe(frame)
    if (probe === undefined) return void this.emit('probe-refused', at, 'alien')
    if (probe === 'malformed') return void this.emit('probe-refused', at, 'forged')
    const sender = this.#watched.at(probe)
    const sentMillis = sender?.outstanding(probe.nonce)?.clockMillis
    const rttMillis =
      sentMillis === undefined ? undefined : this.#env.clock.nowMillis() - sentMillis
    const reason = this.#options.isGuarded ? this.#refusalOf(probe, sender, at) : undefined
    if (reason) return void this.emit('probe-refused', at, reason)
    if (sender === undefined) return
    if (probe.variant === 'echo') this.#hearEcho(sender, at, returnerOf(frame))
    else this.#hear(sender, at, probe, rttMillis)
  }

  /** The common case, found without reading: the round of this switch has come back by its last port. */
  #receiveRound(at: PortRef, frame: Uint8Array): boolean {
    const home = this.#watched.home(at.dpid)
    const last = home?.members.at(-1)
    if (home === undefined || last?.at.port !== at.port) return false
    const now = this.#clock.nowMillis()
    const returnedBy = home.members[0]!.takeRound(frame, now - this.#lifeMillis())
    if (returnedBy === undefined || returnedBy !== last.peer?.mac) return false
    home.missCount = 0
    const period = this.#options.linkPeriodMillis * this.#stretch
    for (const member of home.members)
      for (const end of [member, partnerOf(member)])
        if (end && isProvenBy(end, now, period)) prove(end, now)
    return true
  }

  /** Sent back by the other end of the link; while that end cannot prove itself, it is all there is. */
  #hearEcho(sender: Watched, at: PortRef, returnedBy: number | undefined): void {
    const { peer } = sender
    const link = sender.link ?? sender.awaited
    const far = link && this.#network.macOf(link.to)
    const isFar = far !== undefined && macNumber(far) === returnedBy
    if (link === undefined || link.isForeign || !isFar || !isSamePort(at, sender.at)) return
    const now = this.#clock.nowMillis()
    sender.echoedMillis = now
    if (sender.link === undefined) {
      this.#believe(sender, link, now, undefined)
      this.emit('link-seen', backOf(link))
    } else if (peer === undefined) prove(sender, now)
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
    if (sent.variant === 'broadcast') {
      if (sent.heardAt?.has(portKey(at))) return 'replayed'
      sent.heardAt = (sent.heardAt ?? new Set()).add(portKey(at))
    } else sender.spend(probe.nonce)
    // Hosts may live on a segment between two switches; that the broadcast variant comes says nothing of them.
    const isTelling = probe.variant !== 'broadcast' || isSamePort(at, sender.at)
    for (const end of [at, sender.at]) {
      if (isTelling && this.#network.isDeclaredEdge(end)) return 'edge'
      if (isTelling && this.#isContested(end, end === at ? sender.at : at)) return 'inhabited'
    }
    return undefined
  }

  /** A host lives there; whoever hears of it asks the host, and it is forgotten when it does not answer. */
  #isContested(at: PortRef, other: PortRef): boolean {
    if (this.#watched.at(at)?.kind !== 'edge' || !this.#isInhabited(at, other)) return false
    this.emit('port-contested', at)
    return true
  }

  /**
   * A port of a switch is an interface of a machine, which speaks by itself while the switch is down (IPv6 does, on any
   * interface): at the other end of its link it looks like a host.
   */
  #isInhabited(at: PortRef, other: PortRef): boolean {
    const far = this.#network.macOf(other)
    return this.#network.hostsAt(at).some(mac => mac !== far)
  }

  /** Two periods, as long as they are now. */
  #lifeMillis(): number {
    return 2 * this.#options.linkPeriodMillis * this.#stretch
  }

  #hear(sender: Watched, at: PortRef, probe: ReadProbe, rttMillis: number | undefined): void {
    const now = this.#clock.nowMillis()
    if (probe.variant === 'round') return
    if (isSamePort(sender.at, at)) return this.#shut(sender, 'it leads to itself')
    if (probe.variant === 'broadcast') return this.#hearForeign(sender, at, now)
    this.#believe(sender, { from: sender.at, to: at, cost: 1 }, now, rttMillis)
  }

  /** Through somebody else's switch; believed when the direct variant does not come as well. */
  #hearForeign(sender: Watched, to: PortRef, now: number): void {
    const receiver = this.#watched.at(to)
    if (receiver === undefined || isWired(sender) || isWired(receiver)) return
    const isNew = this.#segments.seen(sender.at, to, now)
    if (sender.link && isSamePort(sender.link.to, to))
      return this.#believe(sender, sender.link, now, undefined)
    if (!isNew) return
    this.#watched.wake(sender)
    this.#watched.wake(receiver)
    if (!this.#segments.isMutual(sender.at, to, now)) this.#probe(receiver.dpid, [receiver])
    this.#settle(sender.at, now)
  }

  #believe(sender: Watched, link: Link, now: number, rttMillis: number | undefined): void {
    const known = sender.link
    if (known && !isSamePort(known.to, link.to)) this.#lose(sender, 'wired to another port')
    const isNew = sender.link === undefined
    // The same object as long as it is the same link.
    if (isNew || known?.isForeign !== link.isForeign) {
      sender.link = link
      this.#watched.version++
    }
    if (!link.isForeign) this.#leaveSegment(sender.at, link.to)
    sender.isSpare = false
    prove(sender, now)
    sender.provenMillis = now
    sender.former = undefined
    this.#decide(sender, 'fabric')
    const receiver = this.#watched.at(link.to)
    if (receiver) {
      receiver.heardMillis = now
      // The way back is confirmed at once rather than at the next period.
      if (receiver.link === undefined) this.#probe(receiver.dpid, [receiver])
      this.#decide(receiver, 'fabric')
    }
    if (isNew) this.emit('link-seen', link)
    if (rttMillis !== undefined) this.emit('link-measured', sender.link!, rttMillis)
  }

  #decide(watched: Watched, kind: PortKind): void {
    if (watched.kind === kind) return
    watched.kind = kind
    this.#watched.wake(watched)
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

  #leaveSegment(...ports: readonly PortRef[]): void {
    const now = this.#clock.nowMillis()
    const left = ports.flatMap(at => this.#segments.forget(at))
    for (const other of left) if (!ports.some(at => isSamePort(at, other))) this.#settle(other, now)
  }

  /** Decides which of the ports of a segment carries it; what is undecided and may yet turn out to be a wire waits. */
  #settle(at: PortRef, now: number): void {
    const ports = this.#segments.of(at, now)
    const all = ports.map(each => this.#watched.at(each))
    const ready = all.filter(each => each !== undefined).filter(each => this.#isReady(each, now))
    if (ports.length === 1) {
      for (const each of ready) this.#carry(each)
      return
    }
    const groups = this.#groupsOf(ports)
    /** Of those that reach each other otherwise, the one that carries the segment; of a switch that is away, that one. */
    const chosen: Watched[] = []
    for (const group of groups) {
      const isAway = ports.some(
        each => group.has(each.dpid) && this.#watched.at(each) === undefined,
      )
      const [best, ...spare] = ready
        .filter(({ dpid }) => group.has(dpid))
        .sort((a, b) => this.#standing(b) - this.#standing(a) || (a.key < b.key ? -1 : 1))
      if (best && !isAway) chosen.push(best)
      for (const each of best && isAway ? [best, ...spare] : spare) this.#spare(each)
    }
    this.#join(chosen, groups.length, now)
  }

  /** A pair of ports whose switches nothing else joins is a link; more would be one too many. */
  #join(chosen: readonly Watched[], groupCount: number, now: number): void {
    const sorted = chosen.toSorted(
      (a, b) => this.#standing(b) - this.#standing(a) || (a.key < b.key ? -1 : 1),
    )
    const [first, second, ...spare] = sorted
    if (first === undefined) return
    if (second === undefined) {
      if (groupCount === 1) this.#carry(first)
      return
    }
    for (const each of spare) this.#spare(each)
    // Hosts that are known there may pass probes to each other.
    const isLink = first.link && isSamePort(first.link.to, second.at)
    if (!isLink && ![first, second].every(({ at }) => this.#network.mayJoin(at))) {
      this.#carry(first)
      return this.#spare(second)
    }
    // They do not reach each other: no loop can come of waiting.
    if (!this.#segments.isMutual(first.at, second.at, now)) {
      for (const each of [first, second]) if (each.link === undefined) this.#carry(each)
      return
    }
    for (const [from, to] of [
      [first, second],
      [second, first],
    ] as const)
      if (from.link === undefined) this.#believe(from, foreignLink(from.at, to.at), now, undefined)
  }

  /** Whoever carries a segment goes on doing so, before who is declared to, before who knows hosts there. */
  #standing(watched: Watched): number {
    const isCarrying = watched.kind !== 'unknown'
    const isDeclared = this.#network.isDeclaredEdge(watched.at)
    const isInhabited = isCarrying && this.#network.hostsAt(watched.at).length > 0
    return (isDeclared ? 4 : 0) + (isInhabited ? 2 : 0) + (isCarrying ? 1 : 0)
  }

  /** The port leads to hosts, and nothing else does. */
  #carry(watched: Watched): void {
    if (watched.link?.isForeign) this.#lose(watched, 'another way joins its switches')
    if (watched.link) return
    const { isSpare } = watched
    watched.isSpare = false
    this.#decide(watched, 'edge')
    if (isSpare) this.emit('port-took-over', watched.at)
  }

  #spare(watched: Watched): void {
    const reason = 'another port leads to the same segment'
    if (watched.link) this.#lose(watched, reason)
    this.#decide(watched, 'unknown')
    if (watched.isSpare) return
    watched.isSpare = true
    this.emit('port-shut', watched.at, reason)
  }

  /** Decided, or quiet for so long that it would be. */
  #isReady(watched: Watched, now: number): boolean {
    if (isWired(watched) || watched.shutUntilMillis > now) return false
    return watched.kind !== 'unknown' || watched.isSpare || this.#isQuiet(watched, now)
  }

  #isQuiet({ awaited, confirmedMillis }: Watched, now: number): boolean {
    const { quietMillis } = this.#options
    return (
      awaited === undefined && confirmedMillis !== undefined && now - confirmedMillis >= quietMillis
    )
  }

  /** Switches of these ports, in groups that links join which do not lead over the segment itself. */
  #groupsOf(ports: readonly PortRef[]): readonly ReadonlySet<Dpid>[] {
    const onSegment = new Set(ports.map(portKey))
    const joined = new Map<Dpid, Set<Dpid>>()
    const join = (a: Dpid, b: Dpid) => joined.set(a, (joined.get(a) ?? new Set()).add(b))
    for (const { key, link } of this.#watched.values())
      if (link && !onSegment.has(key)) {
        join(link.from.dpid, link.to.dpid)
        join(link.to.dpid, link.from.dpid)
      }
    const groups: Set<Dpid>[] = []
    for (const { dpid } of ports) {
      if (groups.some(group => group.has(dpid))) continue
      const group = new Set([dpid])
      for (const each of group) for (const next of joined.get(each) ?? []) group.add(next)
      groups.push(group)
    }
    return groups
  }

  #unlink(watched: Watched): void {
    watched.link = undefined
    this.#watched.version++
    watched.doubtCount = 0
    this.#watched.wake(watched)
  }

  #lose(watched: Watched, reason: string): void {
    const link = watched.link
    if (link === undefined) return
    this.#unlink(watched)
    this.emit('link-lost', link, reason)
    if (reason === silence) {
      this.#segments.lost(link.from, link.to)
      watched.confirmedMillis = undefined
      this.#decide(watched, 'unknown')
    }
  }

  #tick(): void {
    this.#clock.tick()
    const now = this.#clock.nowMillis()
    let isLoadNew = false
    for (const home of this.#watched.homes) {
      if (home.wakeMillis > now) continue
      this.#visit(home, now)
      isLoadNew = true
    }
    if (isLoadNew) this.#stretchTo(Math.max(1, this.#watched.load / this.#options.probesPerSecond))
    if (this.#segments.isEmpty || this.#settledVersion === this.#watched.version) return
    this.#settledVersion = this.#watched.version
    this.settleAll()
  }

  /** Probes a second if nothing were stretched, against the budget. When there is room again, nobody waits as before. */
  #stretchTo(stretch: number): void {
    if (stretch < this.#stretch)
      for (const home of this.#watched.homes) home.wakeMillis = Number.NEGATIVE_INFINITY
    this.#stretch = stretch
  }

  /** What is nearly due goes along, so that a switch gets its probes in one batch with one barrier. */
  #visit(home: Home, now: number): void {
    // Whatever changes one of its ports meanwhile wakes it again.
    home.wakeMillis = Number.POSITIVE_INFINITY
    const period = this.#options.linkPeriodMillis * this.#stretch
    takeRound(home, now, period, this.#watched.version)
    let isDue = false
    let load = 0
    for (const watched of home.byPort.values()) {
      this.#judge(watched, now)
      watched.nextMillis = Math.min(watched.nextMillis, this.#next(watched, now))
      isDue ||= watched.nextMillis <= now
      load += (1000 / this.#period(watched)) * variantsFor(watched).length
    }
    home.load = load
    if (isDue) {
      const early = (watched: Watched) =>
        watched.nextMillis - this.#period(watched) * this.#stretch * 0.25 <= now
      this.#probe(home.dpid, [...home.byPort.values()].filter(early))
    }
    for (const watched of home.byPort.values())
      home.wakeMillis = Math.min(home.wakeMillis, watched.nextMillis, this.#deadline(watched))
  }

  /** When a port has to be judged, however its probes go. */
  #deadline(watched: Watched): number {
    const { linkPeriodMillis, doubtPeriodMillis, quietMillis } = this.#options
    if (watched.doubtCount > 0) return watched.nextMillis
    if (watched.link)
      return watched.seenMillis + linkPeriodMillis * this.#stretch + doubtPeriodMillis
    if (watched.kind === 'unknown' && !watched.isSpare && watched.confirmedMillis !== undefined)
      return watched.confirmedMillis + quietMillis
    return Number.POSITIVE_INFINITY
  }

  #period(watched: Watched): number {
    const { linkPeriodMillis, doubtPeriodMillis, edgePeriodMillis, quietMillis } = this.#options
    if (watched.doubtCount > 0) return doubtPeriodMillis
    if (watched.kind === 'fabric' || watched.awaited) return linkPeriodMillis
    const isShut = watched.isSpare || watched.shutUntilMillis > this.#clock.nowMillis()
    if (watched.kind === 'edge' || isShut) return edgePeriodMillis
    return quietMillis / 4
  }

  /** Links that are well go by the turns of their switch. */
  #next(watched: Watched, now: number): number {
    const period = this.#period(watched) * this.#stretch
    const isWell = watched.kind === 'fabric' && watched.doubtCount === 0 && watched.home
    return isWell ? nextTurn(isWell, now, period) : now + period
  }

  #judge(watched: Watched, now: number): void {
    if (watched.link) this.#doubts.judge(watched, watched.link, now, this.#stretch)
    else if (watched.kind === 'fabric') {
      const allowance = this.#options.linkPeriodMillis * this.#stretch * 3
      if (now - watched.heardMillis <= allowance + graceMillis) return
      watched.confirmedMillis = undefined
      this.#decide(watched, 'unknown')
    } else this.#judgeQuiet(watched, now)
  }

  #judgeQuiet(watched: Watched, now: number): void {
    if (watched.shutUntilMillis > now || !this.#isQuiet(watched, now)) return
    if (watched.isSpare || this.#segments.of(watched.at, now).length > 1)
      return this.#settle(watched.at, now)
    if (watched.kind === 'unknown') this.#decide(watched, 'edge')
  }

  #probe(dpid: Dpid, list: readonly Watched[]): void {
    const now = this.#clock.nowMillis()
    const frames: { port: number; frame: Uint8Array }[] = []
    let isTimed = false
    for (const watched of list) {
      const variants = variantsFor(watched)
      if (watched.doubtCount > 0) watched.doubtCount++
      watched.nextMillis = this.#next(watched, now)
      for (const variant of variants) {
        isTimed ||= variant === 'direct'
        const { frame } = watched.probe(
          variant,
          this.#nonces.next(),
          now,
          this.#env.clock.nowMillis(),
        )
        frames.push({ port: watched.at.port, frame })
      }
    }
    if (frames.length === 0) return
    const needsProof = list.filter(watched => watched.confirmedMillis === undefined)
    // A round that comes back says enough; of direct probes the time is taken.
    if (needsProof.length === 0 && !isTimed) return this.#network.send(dpid, frames)
    this.#network.sendConfirmed(dpid, frames).then(() => {
      const confirmed = this.#clock.nowMillis()
      for (const watched of needsProof) {
        watched.confirmedMillis ??= confirmed
        this.#watched.wake(watched)
      }
    }, noMatter)
  }
}

const prove = (watched: Watched, nowMillis: number): void => {
  watched.seenMillis = nowMillis
  watched.heardMillis = nowMillis
  watched.doubtCount = 0
}

const silence = 'probes stopped coming'

/** The switch has gone: its ports are forgotten by whoever told us of them. */
const noMatter = (): void => undefined

const foreignLink = (from: PortRef, to: PortRef): Link => ({ from, to, cost: 1, isForeign: true })

/** A cable leads from there to another port of ours. */
const isWired = ({ link }: Watched): boolean => link !== undefined && !link.isForeign

/** Two ports that look like one segment are probed at once, but not for each frame that says so. */
const suspectPauseMillis = 500
