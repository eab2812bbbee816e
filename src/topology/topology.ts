/**
 * The topology: what the network looks like now, from what switches and packets tell.
 *
 * Events go in (a switch came, a port changed, a packet was punted); a new immutable `Topology` comes
 * out as 'changed', and what people want to know as 'event'.
 */
import { EventEmitter } from 'node:events'
import type { Dpid, Mac } from '../base/addresses.js'
import type { Env } from '../base/env.js'
import { readPacket } from '../pipeline/packet.js'
import type { PuntReason } from '../pipeline/userdata.js'
import { Discovery, type DiscoveryOptions, defaultDiscovery } from './discovery.js'
import { claimOf, defaultHosts, type HostOptions, HostTracker } from './hosts.js'
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
}

/** What a switch says of a port; its kind is ours to find out. */
export type PortReport = Omit<Port, 'kind'>

export interface NetworkEvent {
  readonly kind: string
  readonly [detail: string]: unknown
}

export interface TopologyEvents {
  changed: [topology: Topology]
  event: [event: NetworkEvent]
}

export interface TopologyOptions {
  readonly discovery: DiscoveryOptions
  readonly hosts: HostOptions
}

export class TopologyService extends EventEmitter<TopologyEvents> {
  readonly #discovery: Discovery
  readonly #tracker: HostTracker
  #topology: Topology = emptyTopology
  /** Directions seen, also those whose way back is not confirmed yet. */
  readonly #directions = new Map<string, Link>()

  constructor(
    env: Env,
    secret: Uint8Array,
    output: SwitchOutput,
    options: TopologyOptions = { discovery: defaultDiscovery, hosts: defaultHosts },
  ) {
    super()
    this.#discovery = new Discovery(
      env,
      secret,
      (dpid, frames) => output.sendConfirmed(dpid, frames),
      options.discovery,
    )
    this.#tracker = new HostTracker(
      env,
      { send: (at, frame) => output.send(at, frame), isUp: at => this.#isUp(at) },
      options.hosts,
    )
    this.#listen()
  }

  get current(): Topology {
    return this.#topology
  }

  start(): void {
    this.#discovery.start()
  }

  stop(): void {
    this.#discovery.stop()
    this.#tracker.stop()
  }

  /** Takes over what was known before a restart. */
  restore(facts: {
    readonly switches: readonly Switch[]
    readonly links: readonly Link[]
    readonly hosts: readonly Host[]
  }): void {
    this.#tracker.restore(facts.hosts)
    for (const link of facts.links) this.#directions.set(portKey(link.from), link)
    this.#set({
      switches: new Map(facts.switches.map(known => [known.dpid, known])),
      links: this.#twoWayLinks(),
      hosts: new Map(this.#tracker.hosts),
    })
  }

  /** A switch has connected; its ports are as it says, of the kinds they had before. */
  switchConnected(dpid: Dpid, name: string, reports: readonly PortReport[]): void {
    const known = this.#topology.switches.get(dpid)
    const ports = new Map(
      reports.map(report => [
        report.number,
        { ...report, kind: kindAtStart(report, known?.ports.get(report.number)) },
      ]),
    )
    for (const port of known?.ports.values() ?? [])
      if (!ports.get(port.number)?.isUp)
        this.#discovery.forget({ dpid, port: port.number }, 'port down')
    const index = known?.index ?? this.#freeIndex()
    this.#putSwitch({ dpid, name, index, isConnected: true, ports })
    for (const key of [...this.#directions.keys()]) {
      const link = this.#directions.get(key)!
      const end = link.from.dpid === dpid ? link.from : link.to.dpid === dpid ? link.to : undefined
      if (end && !ports.get(end.port)?.isUp) this.#dropDirection(link, 'port down')
    }
    this.emit('event', { kind: 'switch-connected', dpid, name, ports: ports.size })
  }

  /** The switch carries our base program now, so probes that reach it come back to us. */
  switchReady(dpid: Dpid): void {
    const known = this.#topology.switches.get(dpid)
    if (known) this.#discovery.watch(dpid, upPorts(known), this.#directions)
  }

  /** Its flows go on; nothing is known any better, so nothing else changes. */
  switchDisconnected(dpid: Dpid, reason: string): void {
    const known = this.#topology.switches.get(dpid)
    if (known === undefined || !known.isConnected) return
    for (const port of known.ports.keys()) this.#discovery.forget({ dpid, port }, undefined)
    this.#putSwitch({ ...known, isConnected: false })
    this.emit('event', { kind: 'switch-disconnected', dpid, name: known.name, reason })
  }

  portChanged(dpid: Dpid, report: PortReport): void {
    const known = this.#topology.switches.get(dpid)
    if (known === undefined) return
    const before = known.ports.get(report.number)
    const isNew = report.isUp && !before?.isUp
    const kind = isNew ? kindAtStart(report, undefined) : (before?.kind ?? 'unknown')
    const port: Port = { ...report, kind: report.isUp ? kind : 'unknown' }
    this.#putSwitch({ ...known, ports: new Map(known.ports).set(report.number, port) })
    if (before?.isUp && !report.isUp) this.#portDown({ dpid, port: report.number }, report.name)
    if (isNew) {
      this.emit('event', { kind: 'port-up', dpid, port: report.number, name: report.name })
      if (port.number <= 0xffffff00) this.#discovery.watch(dpid, [port], this.#directions)
    }
  }

  portRemoved(dpid: Dpid, number: number): void {
    const known = this.#topology.switches.get(dpid)
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
    const port = this.#topology.switches.get(at.dpid)?.ports.get(at.port)
    if (port?.kind !== 'edge') return false
    const claim = claimOf(readPacket(frame).fields, at, 1)
    return claim !== undefined && this.#tracker.learn(claim)
  }

  #listen(): void {
    this.#discovery.on('port-decided', (at, kind) => this.#portDecided(at, kind))
    this.#discovery.on('link-seen', link => this.#linkSeen(link))
    this.#discovery.on('link-lost', (link, reason) => this.#dropDirection(link, reason))
    this.#discovery.on('probe-refused', (at, reason) =>
      this.emit('event', { kind: 'probe-refused', ...at, reason }),
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
    const known = this.#topology.switches.get(at.dpid)
    const port = known?.ports.get(at.port)
    if (known === undefined || port === undefined || port.kind === kind) return
    this.#putSwitch({ ...known, ports: new Map(known.ports).set(at.port, { ...port, kind }) })
    if (kind === 'fabric') this.#tracker.forgetPort(at, 'the port leads to another switch')
    this.emit('event', { kind: 'port-decided', ...at, name: port.name, as: kind })
  }

  #linkSeen(link: Link): void {
    this.#directions.set(portKey(link.from), link)
    const before = this.#topology.links
    const links = this.#twoWayLinks()
    this.#set({ links })
    if (links.has(portKey(link.from)) && !before.has(portKey(link.from)))
      this.emit('event', { kind: 'link-up', from: link.from, to: link.to })
  }

  #dropDirection(link: Link, reason: string): void {
    const known = this.#directions.get(portKey(link.from))
    if (known === undefined || portKey(known.to) !== portKey(link.to)) return
    this.#directions.delete(portKey(link.from))
    const wasUp = this.#topology.links.has(portKey(link.from))
    this.#set({ links: this.#twoWayLinks() })
    if (wasUp) this.emit('event', { kind: 'link-down', from: link.from, to: link.to, reason })
  }

  #portDown(at: PortRef, name: string): void {
    this.#discovery.forget(at, 'port down')
    for (const link of [...this.#directions.values()])
      if (isSamePort(link.from, at) || isSamePort(link.to, at))
        this.#dropDirection(link, 'port down')
    this.emit('event', { kind: 'port-down', ...at, name })
  }

  #twoWayLinks(): ReadonlyMap<string, Link> {
    const found = new Map<string, Link>()
    for (const [key, link] of this.#directions) {
      const back = this.#directions.get(portKey(link.to))
      if (back && portKey(back.to) === key) found.set(key, link)
    }
    return found
  }

  #hostsChanged(kind: string, host: Host, reason?: string): void {
    this.#set({ hosts: new Map<Mac, Host>(this.#tracker.hosts) })
    this.emit('event', {
      kind,
      mac: host.mac,
      ips: host.ips,
      ...host.at,
      ...(reason && { reason }),
    })
  }

  #isUp(at: PortRef): boolean {
    const known = this.#topology.switches.get(at.dpid)
    return known?.isConnected === true && known.ports.get(at.port)?.isUp === true
  }

  #freeIndex(): number {
    const taken = new Set([...this.#topology.switches.values()].map(known => known.index))
    let index = 1
    while (taken.has(index)) index++
    return index
  }

  #putSwitch(next: Switch): void {
    this.#set({ switches: new Map(this.#topology.switches).set(next.dpid, next) })
  }

  #set(change: Partial<Topology>): void {
    this.#topology = { ...this.#topology, ...change }
    this.emit('changed', this.#topology)
  }
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
