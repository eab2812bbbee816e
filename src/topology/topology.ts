/**
 * The topology: what the network looks like now, from what switches and packets tell.
 *
 * Events go in (a switch came, a port changed, a packet was punted); a new immutable `Topology` comes
 * out as 'changed', and what people want to know as 'event'.
 */
import { EventEmitter } from 'node:events'
import type { Dpid } from '../base/addresses.js'
import type { Cancel, Env } from '../base/env.js'
import { readPacket } from '../pipeline/packet.js'
import type { PuntReason } from '../pipeline/userdata.js'
import { Discovery, type DiscoveryOptions, defaultDiscovery } from './discovery.js'
import { EventLimiter } from './event-limiter.js'
import { claimOf, defaultHosts, type HostOptions, HostTracker } from './hosts.js'
import { type DeclaredLink, LinkBook } from './link-book.js'
import { Measurements, type PortBytes } from './measurements.js'
import {
  emptyTopology,
  type Host,
  isSamePort,
  type Link,
  type Port,
  type PortKind,
  type PortRef,
  portKey,
  type Switch,
  type Topology,
} from './model.js'

/** How the topology reaches the switches. */
export interface SwitchOutput {
  /** Sends frames out of ports; resolves when the switch has confirmed it with a barrier. */
  sendConfirmed(dpid: Dpid, frames: readonly { port: number; frame: Uint8Array }[]): Promise<void>
  /** Sends one frame out of a port, as soon as may be. */
  send(at: PortRef, frame: Uint8Array): void
  /** How many octets each port has sent. */
  sentBytes(dpid: Dpid): Promise<readonly PortBytes[]>
}

/** What people say of a port; it goes before what is found out. */
export interface DeclaredPort extends DeclaredLink {
  /** edge: hosts only, no probe makes a link of it. */
  readonly role?: 'edge'
}

/** What a switch says of a port; its kind is ours to find out. */
export type PortReport = Omit<Port, 'kind'>

export interface NetworkEvent {
  readonly kind: string
  readonly [detail: string]: unknown
}

export interface TopologyEvents {
  /** `current` is another one now. */
  changed: []
  event: [event: NetworkEvent]
}

export interface TopologyOptions {
  readonly discovery: DiscoveryOptions
  readonly hosts: HostOptions
}

export class TopologyService extends EventEmitter<TopologyEvents> {
  readonly #env: Env
  readonly #output: SwitchOutput
  readonly #discovery: Discovery
  readonly #tracker: HostTracker
  readonly #book: LinkBook
  readonly #measurements: Measurements
  readonly #limiter: EventLimiter
  readonly #cancels: Cancel[] = []
  #declaredPorts: ReadonlyMap<string, DeclaredPort> = new Map()
  readonly #switches = new Map<Dpid, Switch>()
  /** The last snapshot, and what of it is behind. */
  #topology: Topology = emptyTopology
  #stale: { switches?: boolean; links?: boolean; hosts?: boolean } = {}

  constructor(
    env: Env,
    secret: Uint8Array,
    output: SwitchOutput,
    options: TopologyOptions = { discovery: defaultDiscovery, hosts: defaultHosts },
  ) {
    super()
    this.#env = env
    this.#measurements = new Measurements(env.clock)
    this.#limiter = new EventLimiter(env, event => this.emit('event', event))
    this.#book = new LinkBook(env, event => this.emit('event', { ...event }))
    this.#discovery = new Discovery(
      env,
      secret,
      {
        sendConfirmed: (dpid, frames) =>
          this.#measurements.timed(dpid, output.sendConfirmed(dpid, frames)),
        isInhabited: at => this.#tracker.isInhabited(at),
        isDeclaredEdge: at => this.#declaredPorts.get(portKey(at))?.role === 'edge',
      },
      options.discovery,
    )
    this.#output = output
    this.#tracker = new HostTracker(
      env,
      { send: (at, frame) => output.send(at, frame), isUp: at => this.#isUp(at) },
      options.hosts,
    )
    this.#listen()
  }

  /** The network as it is known now; the same object until something changes. */
  get current(): Topology {
    const { switches, links, hosts } = this.#stale
    if (switches || links || hosts) {
      this.#topology = {
        ...this.#topology,
        ...(switches && { switches: new Map(this.#switches) }),
        ...(links && { links: this.#book.links }),
        ...(hosts && { hosts: new Map(this.#tracker.hosts) }),
      }
      this.#stale = {}
    }
    return this.#topology
  }

  start(): void {
    this.#discovery.start()
    this.#cancels.push(
      this.#env.timers.every(bookPeriodMillis, () => {
        if (this.#book.tick()) this.#takeLinks()
        this.#limiter.tick()
      }),
      this.#env.timers.every(measurePeriodMillis, () => this.#measureUse()),
    )
  }

  stop(): void {
    for (const cancel of this.#cancels.splice(0)) cancel()
    this.#discovery.stop()
    this.#tracker.stop()
  }

  /** Takes over what people say of ports, by `dpid/port`; it replaces what they said before. */
  declarePorts(ports: ReadonlyMap<string, DeclaredPort>): void {
    this.#declaredPorts = ports
    if (this.#book.declare(at => declaredLink(ports.get(portKey(at))))) this.#takeLinks()
  }

  /** Takes over what was known before a restart. */
  restore(facts: {
    readonly switches: readonly Switch[]
    readonly links: readonly Link[]
    readonly hosts: readonly Host[]
  }): void {
    this.#tracker.restore(facts.hosts)
    this.#book.restore(facts.links)
    for (const known of facts.switches) this.#switches.set(known.dpid, known)
    this.#stale = { switches: true, links: true, hosts: true }
    this.emit('changed')
  }

  /** A switch has connected; its ports are as it says, of the kinds they had before. */
  switchConnected(dpid: Dpid, name: string, reports: readonly PortReport[]): void {
    const known = this.#switches.get(dpid)
    const ports = new Map(
      reports.map(report => [
        report.number,
        { ...report, kind: kindAtStart(report, known?.ports.get(report.number)) },
      ]),
    )
    const gone = [...(known?.ports.values() ?? [])]
      .filter(port => !ports.get(port.number)?.isUp)
      .map(port => ({ dpid, port: port.number }))
    for (const at of gone) this.#discovery.forget(at, 'port down')
    const index = known?.index ?? this.#freeIndex()
    this.#putSwitch({ dpid, name, index, isConnected: true, ports })
    for (const at of gone) if (this.#book.portLost(at, 'port down')) this.#takeLinks()
    this.emit('event', { kind: 'switch-connected', dpid, name, ports: ports.size })
  }

  /** The switch carries our base program now, so probes that reach it come back to us. */
  switchReady(dpid: Dpid): void {
    const known = this.#switches.get(dpid)
    if (known) this.#discovery.watch(dpid, upPorts(known), at => this.#book.direction(at))
  }

  /** Its flows go on; nothing is known any better, so nothing else changes. */
  switchDisconnected(dpid: Dpid, reason: string): void {
    const known = this.#switches.get(dpid)
    if (known === undefined || !known.isConnected) return
    for (const port of known.ports.keys()) this.#discovery.forget({ dpid, port }, undefined)
    this.#putSwitch({ ...known, isConnected: false })
    this.emit('event', { kind: 'switch-disconnected', dpid, name: known.name, reason })
  }

  portChanged(dpid: Dpid, report: PortReport): void {
    const known = this.#switches.get(dpid)
    if (known === undefined) return
    const before = known.ports.get(report.number)
    const isNew = report.isUp && !before?.isUp
    const kind = isNew ? kindAtStart(report, undefined) : (before?.kind ?? 'unknown')
    const port: Port = { ...report, kind: report.isUp ? kind : 'unknown' }
    this.#putSwitch({ ...known, ports: new Map(known.ports).set(report.number, port) })
    if (before?.isUp && !report.isUp) this.#portDown({ dpid, port: report.number }, report.name)
    if (isNew) {
      this.emit('event', { kind: 'port-up', dpid, port: report.number, name: report.name })
      if (port.number <= 0xffffff00)
        this.#discovery.watch(dpid, [port], at => this.#book.direction(at))
    }
  }

  portRemoved(dpid: Dpid, number: number): void {
    const known = this.#switches.get(dpid)
    const port = known?.ports.get(number)
    if (known === undefined || port === undefined) return
    const ports = new Map(known.ports)
    ports.delete(number)
    this.#putSwitch({ ...known, ports })
    this.#portDown({ dpid, port: number }, port.name)
  }

  /**
   * A flow sent a packet up.
   *
   * @returns true when the sender is known there now, so that the packet may be given back to the switch
   */
  packetIn(at: PortRef, reason: PuntReason, frame: Uint8Array): boolean {
    if (reason === 'discover') {
      this.#discovery.receive(at, frame)
      return false
    }
    if (reason !== 'teach' && reason !== 'seek') return false
    const port = this.#switches.get(at.dpid)?.ports.get(at.port)
    if (port?.kind !== 'edge') return false
    const claim = claimOf(readPacket(frame).fields, at, 1)
    return claim !== undefined && this.#tracker.learn(claim)
  }

  #listen(): void {
    this.#discovery.on('port-decided', (at, kind) => this.#portDecided(at, kind))
    this.#discovery.on('link-seen', link => {
      if (this.#book.seen(link)) this.#takeLinks()
    })
    this.#discovery.on('link-lost', (link, reason) => {
      if (this.#book.lost(link, reason)) this.#takeLinks()
    })
    this.#discovery.on('link-measured', (link, rttMillis) => {
      const latencyMillis = this.#measurements.latencyOf(link, rttMillis)
      if (this.#book.measured(link.from, { rttMillis, latencyMillis })) this.#takeLinks()
    })
    this.#discovery.on('probe-refused', (at, reason) =>
      this.#limiter.add({ kind: 'probe-refused', ...at, reason }),
    )
    this.#discovery.on('port-contested', at => this.#tracker.challenge(at))
    this.#discovery.on('port-shut', (at, reason) =>
      this.emit('event', { kind: 'port-shut', ...at, reason }),
    )
    this.#tracker.on('host-learnt', host => this.#hostsChanged('host-learnt', host))
    this.#tracker.on('host-changed', (host, before) =>
      this.#hostsChanged(isSamePort(host.at, before.at) ? 'host-changed' : 'host-moved', host),
    )
    this.#tracker.on('host-gone', (host, reason) => this.#hostsChanged('host-gone', host, reason))
    this.#tracker.on('host-refused', (mac, at, reason) =>
      this.emit('event', { kind: 'host-refused', mac, ...at, reason }),
    )
  }

  #portDecided(at: PortRef, kind: PortKind): void {
    const known = this.#switches.get(at.dpid)
    const port = known?.ports.get(at.port)
    if (known === undefined || port === undefined || port.kind === kind) return
    this.#putSwitch({ ...known, ports: new Map(known.ports).set(at.port, { ...port, kind }) })
    if (kind === 'fabric') this.#tracker.forgetPort(at, 'the port leads to another switch')
    this.emit('event', { kind: 'port-decided', ...at, name: port.name, as: kind })
  }

  #takeLinks(): void {
    this.#changed('links')
  }

  #portDown(at: PortRef, name: string): void {
    this.#discovery.forget(at, 'port down')
    if (this.#book.portLost(at, 'port down')) this.#takeLinks()
    this.emit('event', { kind: 'port-down', ...at, name })
  }

  /** How much of each link is in use, from what its port has sent since the last time. */
  #measureUse(): void {
    for (const known of this.#switches.values()) {
      if (!known.isConnected || ![...known.ports.values()].some(port => port.kind === 'fabric'))
        continue
      this.#output.sentBytes(known.dpid).then(
        counts => this.#takeUse(known, counts),
        // The switch has gone meanwhile: whoever noticed says so.
        () => undefined,
      )
    }
  }

  #takeUse(known: Switch, counts: readonly PortBytes[]): void {
    let isChanged = false
    for (const { port, bytes } of counts) {
      const at = { dpid: known.dpid, port }
      const link = this.#book.link(at)
      const speed = link?.bandwidthKbps ?? known.ports.get(port)?.speedKbps ?? 0
      const utilisation = this.#measurements.useOf(at, bytes, speed)
      if (link && utilisation !== undefined)
        isChanged = this.#book.measured(at, { utilisation }) || isChanged
    }
    if (isChanged) this.#takeLinks()
  }

  #hostsChanged(kind: string, host: Host, reason?: string): void {
    this.#changed('hosts')
    this.emit('event', {
      kind,
      mac: host.mac,
      ips: host.ips,
      ...host.at,
      ...(reason && { reason }),
    })
  }

  #isUp(at: PortRef): boolean {
    const known = this.#switches.get(at.dpid)
    return known?.isConnected === true && known.ports.get(at.port)?.isUp === true
  }

  #freeIndex(): number {
    const taken = new Set([...this.#switches.values()].map(known => known.index))
    let index = 1
    while (taken.has(index)) index++
    return index
  }

  #putSwitch(next: Switch): void {
    this.#switches.set(next.dpid, next)
    this.#changed('switches')
  }

  /** Changes of one turn make one snapshot: it is taken when somebody looks. */
  #changed(part: 'switches' | 'links' | 'hosts'): void {
    this.#stale[part] = true
    this.emit('changed')
  }
}

const bookPeriodMillis = 1_000
const measurePeriodMillis = 5_000

const declaredLink = (port: DeclaredPort | undefined): DeclaredLink => {
  if (port === undefined) return {}
  const { role: _, ...link } = port
  return link
}

/** The bridge's own port has no wire behind it: whoever speaks there is a host. */
const isLocal = (report: PortReport): boolean => report.number === 0xfffffffe

const kindAtStart = (report: PortReport, before: Port | undefined): PortKind => {
  if (!report.isUp) return 'unknown'
  if (isLocal(report)) return 'edge'
  return before?.kind ?? 'unknown'
}

const upPorts = (known: Switch): Port[] =>
  [...known.ports.values()].filter(port => port.isUp && !isLocal(port))
