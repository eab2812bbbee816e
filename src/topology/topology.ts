/**
 * The topology: what the network looks like now, from what switches and packets tell.
 *
 * Events go in (a switch came, a port changed, a packet was punted); a new immutable `Topology` comes
 * with 'changed', and what people want to know as 'event'.
 */
import { EventEmitter } from 'node:events'
import {
  type Dpid,
  formatIpv4,
  formatIpv6,
  formatMac,
  type Ip,
  ipNumber,
  ipv4Mask,
  type Mac,
  macNumber,
  parseCidr,
} from '../base/addresses.js'
import type { Cancel, Env } from '../base/env/env.js'
import { RateLimit } from '../base/rate-limit.js'
import type { Match } from '../openflow/values.js'
import type { CarrierName } from '../pipeline/carriers.js'
import { type Fields, readPacket } from '../pipeline/packet.js'
import { isRouted, networkEntered } from '../pipeline/registers.js'
import { rewriteFrame } from '../pipeline/rewrite.js'
import { unrouted } from '../pipeline/unrouted.js'
import type { PuntReason } from '../pipeline/userdata.js'
import { Discovery, defaultDiscovery } from './discovery/discovery.js'
import { endTowards, segmentAt } from './discovery/foreign-segment.js'
import { EventLimiter } from './event-limiter.js'
import { fabricVlan } from './forwarding/tags.js'
import { Seeker } from './hosts/address-search.js'
import { isBeyond, isOfStation, notItsAddress, notItsMac } from './hosts/gateway-claims.js'
import { guardAt } from './hosts/guard.js'
import type { GuardLevel } from './hosts/guard-level.js'
import { HostAgeing } from './hosts/host-ageing.js'
import { announcementOf, claimOf, placeAnnouncement, stationMac } from './hosts/host-frames.js'
import { Teacher } from './hosts/host-learning.js'
import { defaultHosts, HostTracker } from './hosts/hosts.js'
import type { Intent } from './intents/intent.js'
import { IntentKeeper } from './intents/keeper.js'
import type { IntentResult } from './intents/lanes.js'
import { LinkBook } from './links/link-book.js'
import { LinkMeter } from './links/link-meter.js'
import { type Memberships, membershipsOf, withTag } from './memberships.js'
import {
  emptyTopology,
  type Gateway,
  type Host,
  hostKey,
  isSamePort,
  type Link,
  type Network,
  type Port,
  type PortKind,
  type PortRef,
  portKey,
  portOfKey,
  type Service,
  type Station,
  type Switch,
  type Topology,
} from './model.js'
import { Listeners } from './multicast/listeners.js'
import { MulticastTable } from './multicast/multicast.js'
import {
  type DeclaredPort,
  declaredLink,
  kindAtStart,
  type PortReport,
  upPorts,
} from './port-reports.js'
import { SwitchBook } from './switch-book.js'
import type { SwitchOutput } from './switch-output.js'
import type { TopologyEvents, TopologyFacts, TopologyOptions } from './topology-events.js'
import { TreeKeeper } from './tree-keeper.js'

export type { TopologyEvents, TopologyOptions } from './topology-events.js'

/** Measures are latency and use of links, and leases: whoever looks sees them, nothing is compiled for them. */
type Part = 'switches' | 'links' | 'hosts' | 'measures'

/** Hosts that are gone and remembered. */
const maxLeft = 4_096

/** Of an answer to somebody: the MACs as numbers. */
export interface WayBack {
  readonly at: PortRef
  readonly network: number
  readonly from: number
  readonly to: number
}

/** The address and the port that a sender has asked for. */
export interface AskedFor {
  readonly address: number | bigint
  /** Absent: the one that it has now. */
  readonly port?: number
}

export class TopologyService extends EventEmitter<TopologyEvents> {
  readonly #env: Env
  readonly #output: SwitchOutput
  readonly #discovery: Discovery
  /** The switches of hosts that are gone, who left last comes last. */
  readonly #left = new Map<string, Dpid>()
  readonly #tracker: HostTracker
  readonly #ageing: HostAgeing
  readonly #book: LinkBook
  readonly #meter: LinkMeter
  readonly #limiter: EventLimiter
  readonly #treeKeeper: TreeKeeper
  readonly #intents: IntentKeeper
  readonly #multicast: MulticastTable
  readonly #listeners: Listeners
  readonly #teacher: Teacher
  readonly #cancels: Cancel[] = []
  #askedFor: ((match: Match) => AskedFor | undefined) | undefined
  #declaredPorts: ReadonlyMap<string, DeclaredPort> = new Map()
  /** By who has declared them. */
  readonly #stations = new Map<string, readonly Station[]>()
  #memberships: Memberships = membershipsOf(emptyTopology.networks)
  readonly #switches = new SwitchBook()
  /** The last snapshot, and what of it is behind. */
  #topology: Topology = emptyTopology
  #stale: { [part in Part]?: boolean } = {}
  /** What the next step has to look at. */
  #behind: { tree?: boolean; intents?: boolean } = {}
  readonly #seeker: Seeker
  readonly #spreads: RateLimit

  constructor(
    env: Env,
    secret: Uint8Array,
    output: SwitchOutput,
    options: TopologyOptions = { discovery: defaultDiscovery, hosts: defaultHosts },
  ) {
    super()
    this.#env = env
    this.#limiter = new EventLimiter(env, event => this.emit('event', event))
    this.#book = new LinkBook(env, event => this.emit('event', { ...event }))
    this.#meter = new LinkMeter(env.clock, this.#book, {
      current: () => this.current,
      sentBytes: dpid => output.sentBytes(dpid),
      measured: () => {
        this.#stale.measures = true
      },
    })
    this.#discovery = new Discovery(
      env,
      secret,
      {
        send: (dpid, frames) => output.send(dpid, frames),
        sendConfirmed: (dpid, frames) =>
          this.#meter.timed(dpid, output.sendConfirmed(dpid, frames)),
        macOf: at => this.#switches.get(at.dpid)?.ports.get(at.port)?.mac,
        hostsAt: at => this.#tracker.hostsAt(at),
        isDeclaredEdge: at => this.#isDeclaredEdge(at),
        mayJoin: at =>
          !this.#isDeclaredEdge(at) &&
          (this.#tracker.hostsAt(at).length === 0 || this.guardAt(at, 1) !== 'strict'),
      },
      options.discovery,
    )
    this.#output = output
    this.#spreads = new RateLimit(env.clock, spreadsPerSecond, spreadBurst)
    this.#seeker = new Seeker(env.clock, (dpid, network, frame) =>
      output.flood(dpid, network, frame),
    )
    this.#multicast = new MulticastTable(env.clock)
    this.#listeners = new Listeners(
      env.timers,
      () => ({
        switches: this.#switches.values(),
        networks: this.#topology.networks,
        links: this.#book.links,
      }),
      {
        flood: (dpid, network, frame) => output.flood(dpid, network, frame),
        send: (at, network, frame) =>
          output.send(at.dpid, [{ port: at.port, frame: this.tagged(at, network, frame) }]),
      },
    )
    this.#treeKeeper = new TreeKeeper({
      programmed: () => output.programmed(),
      again: () => this.#stepAgain({ tree: true }),
    })
    this.#intents = new IntentKeeper({
      confirmed: dpid => output.confirmed(dpid),
      again: () => this.#stepAgain({ intents: true }),
    })
    this.#tracker = new HostTracker(
      env,
      {
        ask: (at, network, frames) =>
          output.sendConfirmed(
            at.dpid,
            frames.map(frame => ({ port: at.port, frame: this.tagged(at, network, frame) })),
          ),
        send: (at, network, frames) =>
          output.send(
            at.dpid,
            frames.map(frame => ({ port: at.port, frame: this.tagged(at, network, frame) })),
          ),
        isUp: at => this.#switches.isUp(at),
        isRoaming: at => this.#declaredPorts.get(portKey(at))?.role === 'roaming',
        guardAt: (at, network) => guardAt(this.#topology, at, network),
        notItsMac: mac =>
          notItsMac(this.#topology.gateways, mac) ??
          (mac === stationMac ? 'the MAC is ours' : undefined),
        notItsAddress: (network, ip, at) =>
          notItsAddress(this.#topology.gateways, network, ip) ??
          isOfStation([...this.#stations.values()].flat(), network, ip) ??
          (this.#isUplink(at) ? isBeyond(this.#topology.gateways, network, ip) : undefined),
      },
      options.hosts,
    )
    this.#topology = {
      ...emptyTopology,
      guards: { usual: options.hosts.guard, byPort: new Map() },
    }
    this.#ageing = new HostAgeing(
      env,
      this.#tracker,
      {
        hostPackets: dpid => output.hostPackets(dpid),
        isConnected: dpid => this.#switches.isConnected(dpid),
        isUp: at => this.#switches.isUp(at),
      },
      options.hosts,
    )
    this.#teacher = new Teacher(this.#tracker, this.#multicast, {
      isDhcpServer: at => this.#declaredPorts.get(portKey(at))?.serves?.includes('dhcp') === true,
      groupsChanged: () => this.#takeGroups(),
      leased: () => {
        this.#stale.measures = true
      },
    })
    this.#listen()
  }

  /**
   * The network as it is known now; the same object until something changes. Reading it does nothing: the tree and the
   * entries of intents are those of the last `step`.
   */
  get current(): Topology {
    const { switches, links, hosts, measures } = this.#stale
    if (!switches && !links && !hosts && !measures) return this.#topology
    this.#stale = {}
    this.#topology = {
      ...this.#topology,
      ...(switches && {
        switches: this.#switches.snapshot(),
        givenIndexes: this.#switches.givenCount,
      }),
      ...((links || measures) && { links: this.#book.links }),
      ...(hosts && { hosts: this.#tracker.table.snapshot() }),
      ...(measures && { leases: this.#tracker.leases.all }),
    }
    return this.#topology
  }

  /**
   * What follows from the network as it is known now: the next tree, and where intents lead next. Both go by way of
   * states that switches must have confirmed, so a step may begin to wait for them, and asks for another when they have.
   *
   * @returns what is to be compiled
   */
  step(): Topology {
    const { tree, intents } = this.#behind
    this.#behind = {}
    let topology = this.current
    if (tree) {
      const next = this.#treeKeeper.next(topology)
      if (next !== topology.tree) topology = { ...topology, tree: next }
    }
    if (intents) {
      const laid = this.#intents.next(topology)
      if (laid !== topology.laid) topology = { ...topology, laid }
    }
    this.#topology = topology
    return topology
  }

  start(): void {
    this.#discovery.start()
    this.#cancels.push(
      this.#env.timers.every(bookPeriodMillis, () => {
        if (this.#book.tick()) this.#takeLinks()
        if (this.#multicast.tick()) this.#takeGroups()
        if (this.#tracker.leases.tick()) this.#stale.measures = true
        this.#limiter.tick()
      }),
      this.#env.timers.every(measurePeriodMillis, () => this.#meter.measureUse()),
    )
    this.#ageing.start()
    this.#listeners.start()
  }

  stop(): void {
    for (const cancel of this.#cancels.splice(0)) cancel()
    this.#discovery.stop()
    this.#ageing.stop()
    this.#listeners.stop()
    this.#tracker.stop()
  }

  /** Takes over what people say of ports, by `dpid/port`; it replaces what they said before. */
  declarePorts(ports: ReadonlyMap<string, DeclaredPort>): void {
    this.#declaredPorts = ports
    const serving = new Map<string, readonly Service[]>()
    for (const [key, { serves }] of ports) if (serves) serving.set(key, serves)
    const isSame = JSON.stringify([...serving]) === JSON.stringify([...this.#topology.serving])
    if (!isSame) this.#set({ serving })
    const carrying = new Map<string, readonly CarrierName[]>()
    for (const [key, { carries }] of ports) if (carries) carrying.set(key, carries)
    if (JSON.stringify([...carrying]) !== JSON.stringify([...this.#topology.carrying]))
      this.#set({ carrying })
    const byPort = new Map<string, GuardLevel>()
    for (const [key, { guard, role }] of ports) {
      // What comes from outside has addresses that nobody could list.
      const level = guard ?? (role === 'uplink' ? 'default' : undefined)
      if (level) byPort.set(key, level)
    }
    const uplink = [...ports].find(([, { role }]) => role === 'uplink')?.[0]
    const { uplink: before } = this.#topology
    if (uplink !== (before && portKey(before)))
      this.#set({ uplink: uplink === undefined ? undefined : portOfKey(uplink) })
    this.#forgetBeyond()
    const { guards } = this.#topology
    if (JSON.stringify([...byPort]) !== JSON.stringify([...guards.byPort]))
      this.#set({ guards: { ...guards, byPort } })
    if (this.#book.declare(at => declaredLink(ports.get(portKey(at))))) this.#takeLinks()
    this.#discovery.settleAll()
  }

  /** Takes over the gateways of routers; networks that a router joins become one domain. */
  declareGateways(gateways: readonly Gateway[]): void {
    if (
      JSON.stringify(gateways, bigintText) === JSON.stringify(this.#topology.gateways, bigintText)
    )
      return
    this.#set({ gateways, networks: inDomains(this.#topology.networks, gateways) })
    for (const { mac, network, addresses } of gateways) {
      for (const { version, address } of addresses)
        this.#tracker.takeAway(
          network,
          version === 4 ? formatIpv4(Number(address)) : formatIpv6(BigInt(address)),
        )
      const known = this.#tracker.table.get(network, mac)
      if (known !== undefined) this.#tracker.forget(known, 'its MAC is that of a router')
    }
    this.#forgetBeyond()
  }

  /** Takes over the addresses that a function of ours has in networks: no host has them. */
  declareStations(owner: string, stations: readonly Station[]): void {
    this.#stations.set(owner, stations)
    for (const { network, ips } of stations)
      for (const ip of ips) this.#tracker.takeAway(network, ip)
  }

  /**
   * A server of ours gave an address to a host; with no time left it has taken it back, and the host has it no more: when
   * it uses it all the same, it says so by its answers.
   */
  leased(network: number, mac: Mac, ip: Ip, seconds: number): void {
    this.#tracker.lease(network, mac, ip, seconds)
    if (seconds === 0) this.#tracker.takeAway(network, ip, mac)
    this.#stale.measures = true
  }

  /** Takes over the networks; the first is the one of ports that none names. */
  declareNetworks(declared: readonly Network[]): void {
    const networks = inDomains(declared, this.#topology.gateways)
    this.#memberships = membershipsOf(networks)
    for (const host of [...this.#tracker.table.all()])
      if (!this.#isMember(host)) this.#tracker.forget(host, 'its port left the network')
    if (this.#multicast.forgetStrangers((at, network) => this.#isMember({ at, network })))
      this.#takeGroups()
    this.#set({ networks })
  }

  /**
   * Takes over declared hosts; those that were declared before and are not now are like any other.
   *
   * @param names by `hostKey`, also of hosts that have no declared place
   */
  declareHosts(hosts: readonly Host[], names: ReadonlyMap<string, string> = new Map()): void {
    const declared = new Set(hosts.map(host => hostKey(host.network, host.mac)))
    for (const host of [...this.#tracker.table.all()])
      if (host.isPinned && !declared.has(hostKey(host.network, host.mac)))
        this.#tracker.release(host.network, host.mac)
    for (const host of hosts) this.#tracker.declare({ ...host, isPinned: true })
    this.#tracker.nameAll(names)
  }

  /** Takes over the paths that people ask for. */
  declareIntents(intents: readonly Intent[]): void {
    this.#behind.intents = true
    this.#set({ intents })
  }

  /** Where an intent leads now, and whether the switches have all of it; undefined when there is none of that name. */
  intent(name: string): { readonly result: IntentResult; readonly isSettled: boolean } | undefined {
    if (!this.current.intents.some(intent => intent.name === name)) return undefined
    const result = this.#intents.result(name)
    return result && { result, isSettled: this.#intents.isSettled(name) }
  }

  /** Where who sent a frame is reached: at the port where it came in, or behind the switch that it comes from. */
  placeOfSender(at: PortRef, network: number, mac: Mac): PortRef {
    const isDirect = this.#switches.get(at.dpid)?.ports.get(at.port)?.kind !== 'fabric'
    if (isDirect) return at
    const place = this.#tracker.table.get(network, mac)?.at ?? at
    // A segment has two ends: what comes by the other one would tell its switches that the answerer is there.
    const segment = segmentAt(this.#book, place)
    return (segment && endTowards(this.#book.links, segment, at.dpid)) ?? place
  }

  /**
   * Where and how who sent a packet is told something: from which MAC to which; undefined when nobody knows where that
   * is. What a router of ours has passed on comes from whoever has its source address.
   */
  wayBack(at: PortRef, match: Match, frame: Uint8Array): WayBack | undefined {
    const { fields } = readPacket(frame)
    const { gateways } = this.#topology
    const [sender, receiver] = [Number(fields.eth_src ?? 0), Number(fields.eth_dst ?? 0)]
    const network = networkEntered(match)
    const own = gateways.find(each => each.network === network)
    if (own === undefined || macNumber(own.mac) !== sender) {
      const from = isRouted(match) && own !== undefined ? macNumber(own.mac) : receiver
      const place = this.placeOfSender(at, network, formatMac(sender))
      return { at: place, network, from, to: sender }
    }
    const ip = readSource(fields)
    const holder = gateways
      .filter(({ router }) => router === own.router)
      .flatMap(gateway =>
        (ip === undefined ? [] : this.holdersOf(gateway.network, ip)).map(host => ({
          gateway,
          host,
        })),
      )
      .at(-1)
    return (
      holder && {
        at: holder.host.at,
        network: holder.host.network,
        from: macNumber(holder.gateway.mac),
        to: macNumber(holder.host.mac),
      }
    )
  }

  /** A frame of a network as it is at a port. */
  tagged(at: PortRef, network: number, frame: Uint8Array): Uint8Array {
    const isFabric = this.#switches.get(at.dpid)?.ports.get(at.port)?.kind === 'fabric'
    return withTag(
      frame,
      isFabric ? fabricVlan({ number: network }) : this.#memberships.tagAt(at, network),
    )
  }

  /** The frame of a packet-in to the address that its sender asked for: what is published leads to another one. */
  asAddressed(match: Match, frame: Uint8Array): Uint8Array {
    const asked = this.#askedFor?.(match)
    if (asked === undefined) return frame
    const packet = readPacket(frame)
    const { fields } = packet
    const { address, port } = asked
    return rewriteFrame(frame, packet, {
      ...fields,
      ...(typeof address === 'number' ? { ip_dst: address } : { ipv6_dst: address }),
      ...(port !== undefined && fields.tcp_dst !== undefined && { tcp_dst: port }),
      ...(port !== undefined && fields.udp_dst !== undefined && { udp_dst: port }),
    })
  }

  /** Who translates destinations tells what was asked for, by what the switch says of a packet. */
  translateBack(askedFor: (match: Match) => AskedFor | undefined): void {
    this.#askedFor = askedFor
  }

  /** The frame of a packet-in as it was at the port: before a router of ours has passed it on. */
  asItCame(at: PortRef, match: Match, whole: Uint8Array): Uint8Array {
    const frame = this.asAddressed(match, whole)
    const network = networkEntered(match)
    const gateway = this.#topology.gateways.find(each => each.network === network)
    const isBack = isRouted(match) && gateway !== undefined
    return this.tagged(at, network, isBack ? unrouted(frame, macNumber(gateway.mac)) : frame)
  }

  /**
   * Whether an address means all hosts of a subnet: one that is declared for the network, or, where none that has the
   * address is, one of 24 bits, unless a host is known to have the address.
   */
  isBroadcast(number: number, address: number): boolean {
    const declared = this.#topology.networks.find(each => each.number === number)?.subnets ?? []
    const around = declared
      .map(text => parseCidr(text))
      .filter(subnet => subnet?.version === 4)
      .map(subnet => ({ first: Number(subnet!.address), length: subnet!.length }))
      .filter(({ first, length }) => (address & ipv4Mask(length)) >>> 0 === first)
    const hasHost = () => this.#tracker.table.holderOf(number, formatIpv4(address)) !== undefined
    // Where nobody says how long subnets are, most are of 24 bits.
    if (around.length === 0) return isEndOf(address, 24) && !hasHost()
    // RFC 3021: a subnet of two addresses has no broadcast.
    return around.some(({ length }) => length <= 30 && isEndOf(address, length))
  }

  /** Asks a network who has an address, at most once a second: along its tree, one frame for each port. */
  seek(at: PortRef, network: number, ip: number | bigint): void {
    this.#seeker.seek(at.dpid, network, ip)
  }

  /** True when a host is known where it is, whatever it says of addresses. */
  isAt(at: PortRef, network: number, mac: Mac): boolean {
    const host = this.#tracker.table.get(network, mac)
    return host !== undefined && isSamePort(host.at, at)
  }

  guardAt(at: PortRef, network: number): GuardLevel {
    return guardAt(this.#topology, at, network)
  }

  /**
   * A frame for a MAC that is known nowhere goes out of every edge port of its network but the one where it came in, as
   * a plain switch would do; from here, so that no switch has to agree with another about it. Limited in all.
   */
  spread(from: PortRef, network: number, frame: Uint8Array): void {
    const byPort: { at: PortRef; frame: Uint8Array }[] = []
    for (const known of this.#switches.values()) {
      if (!known.isConnected) continue
      for (const { kind, isUp, number } of known.ports.values()) {
        const at = { dpid: known.dpid, port: number }
        const isSegment = kind === 'fabric' && network === 1 && this.#leadsFrom(from, at)
        if ((kind !== 'edge' && !isSegment) || !isUp || isSamePort(at, from)) continue
        if (!isSegment && !this.#isMember({ at, network })) continue
        byPort.push({ at, frame: this.tagged(at, network, frame) })
      }
    }
    if (!this.#spreads.take(byPort.length)) return
    for (const { at, frame: copy } of byPort)
      this.#output.send(at.dpid, [{ port: at.port, frame: copy }])
  }

  /** Takes over what was known before a restart. */
  restore(facts: TopologyFacts): void {
    this.#tracker.restore(facts.hosts)
    this.#tracker.leases.restore(facts.leases)
    this.#book.restore(facts.links)
    this.#switches.restore(facts.switches, facts.givenIndexes)
    const { multicast, multicastRouters } = facts
    this.#multicast.restore(multicast, multicastRouters)
    this.#topology = {
      ...this.#topology,
      ...{ multicast: this.#multicast.list(), multicastRouters },
      leases: this.#tracker.leases.all,
      tree: new Set(facts.tree),
    }
    this.#stale = { switches: true, links: true, hosts: true }
    this.#behind = { tree: true, intents: true }
    this.emit('changed')
  }

  /**
   * A switch has connected; its ports are as it says, of the kinds they had before.
   *
   * @returns true when it is new and has the index of a forgotten switch, whose connections may be in its zones
   */
  switchConnected(dpid: Dpid, name: string, reports: readonly PortReport[]): boolean {
    const known = this.#switches.get(dpid)
    const taken = reports.length > maxPorts ? firstPorts(reports) : reports
    if (taken.length < reports.length) this.#limitPorts(dpid, reports.length)
    const ports = new Map(
      taken.map(report => [
        report.number,
        { ...report, kind: kindAtStart(report, known?.ports.get(report.number)) },
      ]),
    )
    const gone = [...(known?.ports.values() ?? [])]
      .filter(port => !ports.get(port.number)?.isUp)
      .map(port => ({ dpid, port: port.number }))
    for (const at of gone) this.#discovery.forget(at, true)
    const { index, isReused } =
      known === undefined ? this.#switches.newIndex() : { index: known.index, isReused: false }
    this.#putSwitch({ dpid, name, index, isConnected: true, ports })
    for (const at of gone) {
      if (this.#book.portLost(at, 'port down')) this.#takeLinks()
      if (this.#multicast.forgetPort(at)) this.#takeGroups()
      this.#tracker.forgetPort(at, 'its port is down')
    }
    for (const port of known?.ports.values() ?? [])
      if (isReplaced(port, ports.get(port.number)))
        this.#tracker.forgetPort({ dpid, port: port.number }, 'its port is another one now')
    this.emit('event', { kind: 'switch-connected', dpid, name, ports: ports.size })
    return isReused
  }

  /** The switch carries our base program now, so probes that reach it come back to us. */
  switchReady(dpid: Dpid): void {
    const known = this.#switches.get(dpid)
    if (known) this.#discovery.watch(dpid, upPorts(known), at => this.#book.direction(at))
    this.#listeners.switchReady()
  }

  /** Its flows go on; nothing is known any better, so nothing else changes. */
  switchDisconnected(dpid: Dpid, reason: string): void {
    const known = this.#switches.get(dpid)
    if (known === undefined || !known.isConnected) return
    for (const port of known.ports.keys()) this.#discovery.forget({ dpid, port }, false)
    this.#putSwitch({ ...known, isConnected: false })
    this.emit('event', { kind: 'switch-disconnected', dpid, name: known.name, reason })
  }

  /**
   * Forgets a switch that is not connected, with its ports, links, hosts and listeners. One that comes again is a new one.
   *
   * @param reason for the event that tells of it
   * @returns false when there is none, or it is connected: nothing changes then
   */
  forget(dpid: Dpid, reason: string): boolean {
    const known = this.#switches.get(dpid)
    if (known === undefined || known.isConnected) return false
    for (const host of [...this.#tracker.table.all()])
      if (host.at.dpid === dpid) this.#tracker.forget(host, 'its switch is forgotten')
    for (const port of known.ports.keys()) this.#discovery.forget({ dpid, port }, true)
    if (this.#book.switchLost(dpid, reason)) this.#takeLinks()
    if (this.#multicast.forgetSwitch(dpid)) this.#takeGroups()
    this.#meter.forget(dpid)
    this.#switches.delete(dpid)
    this.#changed('switches')
    this.emit('event', { kind: 'switch-forgotten', dpid, name: known.name, reason })
    return true
  }

  /** Hosts with this MAC, address or name. */
  hostsNamed(text: string): readonly Host[] {
    const word = text.toLowerCase()
    return [...this.current.hosts.values()].filter(
      ({ mac, ips, name }) =>
        name === text || mac === word || (ips as readonly string[]).includes(word),
    )
  }

  /** The networks as they are now; reading them makes no snapshot. */
  get networks(): readonly Network[] {
    return this.#topology.networks
  }

  /** The gateways of routers as they are now; reading them makes no snapshot. */
  get gateways(): readonly Gateway[] {
    return this.#topology.gateways
  }

  /** Hosts of a network that have an address. */
  holdersOf(network: number, ip: Ip): readonly Host[] {
    return this.#tracker.table.holdersOf(network, ip)
  }

  /** As if it had gone; it is learnt again when it speaks. */
  forgetHost(host: Host, reason: string): void {
    this.#tracker.forget(host, reason)
  }

  portChanged(dpid: Dpid, report: PortReport): void {
    const known = this.#switches.get(dpid)
    if (known === undefined) return
    const before = known.ports.get(report.number)
    if (before === undefined && known.ports.size >= maxPorts)
      return this.#limitPorts(dpid, known.ports.size + 1)
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

  #limitPorts(dpid: Dpid, count: number): void {
    this.#limiter.add({ kind: 'ports-limited', dpid, count, taken: maxPorts })
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
   * @param network the number that the flow put beside it
   * @returns true when the sender is known there now, so that the packet may be given back to the switch
   */
  packetIn(at: PortRef, reason: PuntReason, frame: Uint8Array, network: number): boolean {
    if (reason === 'discover') {
      this.#discovery.receive(at, frame)
      return false
    }
    if (reason === 'asked') {
      this.#doubt(network, frame)
      return false
    }
    if (reason !== 'teach' && reason !== 'seek' && reason !== 'hear') return false
    const port = this.#switches.get(at.dpid)?.ports.get(at.port)
    if (port?.kind === 'fabric') return this.#hearSegment(at, frame, network)
    // A switch that has not been told yet may send what has just become another network's.
    if (port?.kind !== 'edge' || !this.#isMember({ at, network })) return false
    return this.#teacher.hear(at, reason, frame, network)
  }

  /** An unmanaged switch still sends to the cable that carried it before: it learns that everybody is behind this one. */
  #announcePlaces(at: PortRef): void {
    const frames: { port: number; frame: Uint8Array }[] = []
    for (const { mac, network, at: place } of this.#tracker.table.all()) {
      if (frames.length >= announcedPlaces) break
      if (isSamePort(place, at) || !this.#isMember({ at, network })) continue
      frames.push({ port: at.port, frame: this.tagged(at, network, placeAnnouncement(mac)) })
    }
    this.#output.send(at.dpid, frames)
  }

  /** Whether a frame from there enters the segment of a port by it: its switches learn from what they carry. */
  #leadsFrom(from: PortRef, at: PortRef): boolean {
    const segment = segmentAt(this.#book, at)
    const end = segment && endTowards(this.#book.links, segment, from.dpid)
    return end !== undefined && isSamePort(end, at)
  }

  /** What hosts at the uplink have said of addresses outside before it was one. */
  #forgetBeyond(): void {
    const { uplink, gateways } = this.#topology
    if (uplink === undefined) return
    for (const { network, ips } of this.#tracker.table.at(uplink))
      for (const ip of ips) if (isBeyond(gateways, network, ip)) this.#tracker.takeAway(network, ip)
  }

  #isUplink(at: PortRef): boolean {
    const { uplink } = this.#topology
    return uplink !== undefined && isSamePort(uplink, at)
  }

  #isDeclaredEdge(at: PortRef): boolean {
    return this.#declaredPorts.size > 0 && this.#declaredPorts.get(portKey(at))?.role !== undefined
  }

  /** Hosts on a segment between two of our ports, which is a link, are at one of its ends; the others are not new there. */
  #hearSegment(at: PortRef, frame: Uint8Array, network: number): boolean {
    const link = this.#book.link(at)
    if (link?.isForeign !== true) return false
    const place = segmentPlace(link)
    const claim = claimOf(readPacket(frame).fields, place, network)
    const known = claim && this.#tracker.table.get(network, claim.mac)
    const isThere = known === undefined || isSamePort(known.at, place)
    if (isThere) this.#teacher.hear(place, 'hear', frame, network)
    return false
  }

  /** A switch has told somebody where an address is. */
  #doubt(network: number, frame: Uint8Array): void {
    const { arp_tpa, nd_target } = readPacket(frame).fields
    if (typeof arp_tpa === 'number') this.#tracker.doubt(network, formatIpv4(arp_tpa))
    else if (typeof nd_target === 'bigint') this.#tracker.doubt(network, formatIpv6(nd_target))
  }

  #listen(): void {
    this.#discovery.on('port-decided', (at, kind) => this.#portDecided(at, kind))
    this.#discovery.on('link-seen', link => {
      if (this.#book.seen(link)) this.#takeLinks()
    })
    this.#discovery.on('link-lost', (link, reason) => {
      if (this.#book.lost(link, reason)) this.#takeLinks()
    })
    this.#discovery.on('link-measured', (link, rttMillis) => this.#meter.roundTrip(link, rttMillis))
    this.#discovery.on('probe-refused', (at, reason) =>
      this.#limiter.add({ kind: 'probe-refused', ...at, reason }),
    )
    this.#discovery.on('port-contested', at => this.#tracker.challenge(at))
    this.#discovery.on('port-shut', (at, reason) => {
      this.#tracker.forgetPort(at, reason)
      this.emit('event', { kind: 'port-shut', ...at, reason })
    })
    this.#discovery.on('port-took-over', at => this.#announcePlaces(at))
    this.#tracker.on('host-contested', ({ at }, holder) => this.#discovery.suspect(at, holder.at))
    this.#tracker.on('host-learnt', host => {
      this.#hostsChanged('host-learnt', host)
      this.#arrived(host)
    })
    this.#tracker.on('host-changed', (host, before) => {
      this.#hostsChanged(isSamePort(host.at, before.at) ? 'host-changed' : 'host-moved', host)
      if (host.at.dpid !== before.at.dpid) this.emit('moved', host)
    })
    this.#tracker.on('host-gone', (host, reason) => {
      this.#hostsChanged('host-gone', host, reason)
      this.#left.set(hostKey(host.network, host.mac), host.at.dpid)
      const [longest] = this.#left.keys()
      if (this.#left.size > maxLeft && longest !== undefined) this.#left.delete(longest)
    })
    this.#tracker.on('address-moved', ({ at, mac, network }, ip) =>
      this.#output.flood(at.dpid, network, announcementOf(mac, ip), at.port),
    )
    this.#tracker.on('address-lost', ({ at, network }, ip) => this.seek(at, network, ipNumber(ip)))
    this.#tracker.on('host-refused', ({ mac, at }, reason) =>
      this.#limiter.add({ kind: 'host-refused', mac, ...at, reason }),
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

  #takeGroups(): void {
    this.#set({
      multicast: this.#multicast.list(),
      multicastRouters: this.#multicast.listRouters(),
    })
  }

  #portDown(at: PortRef, name: string): void {
    this.#discovery.forget(at, true)
    if (this.#book.portLost(at, 'port down')) this.#takeLinks()
    if (this.#multicast.forgetPort(at)) this.#takeGroups()
    this.#tracker.forgetPort(at, 'its port is down')
    this.emit('event', { kind: 'port-down', ...at, name })
  }

  #isMember({ at, network }: Pick<Host, 'at' | 'network'>): boolean {
    const { untagged, tagged } = this.#memberships.of(at)
    return [untagged, ...tagged.values()].some(each => each?.number === network)
  }

  /** A host that was gone is here: at the switch that it had left, or at another one. */
  #arrived(host: Host): void {
    const key = hostKey(host.network, host.mac)
    const before = this.#left.get(key)
    this.#left.delete(key)
    if (before !== undefined && before !== host.at.dpid) this.emit('moved', host)
  }

  #hostsChanged(
    kind: `host-${'learnt' | 'changed' | 'moved' | 'gone'}`,
    host: Host,
    reason?: string,
  ): void {
    this.#changed('hosts')
    this.emit('event', {
      kind,
      mac: host.mac,
      ips: host.ips,
      ...host.at,
      ...(reason && { reason }),
    })
  }

  #putSwitch(next: Switch): void {
    this.#switches.put(next)
    this.#changed('switches')
  }

  /** Changes of one turn make one snapshot: it is taken when somebody looks. */
  #changed(part: Exclude<Part, 'measures'>): void {
    this.#stale[part] = true
    if (part !== 'hosts') this.#behind.tree = true
    this.#stepAgain({ intents: true })
  }

  #stepAgain(behind: { tree?: boolean; intents?: boolean }): void {
    Object.assign(this.#behind, behind)
    this.emit('changed')
  }

  #set(
    change: Partial<
      Omit<Topology, 'switches' | 'givenIndexes' | 'links' | 'hosts' | 'tree' | 'laid'>
    >,
  ): void {
    this.#topology = { ...this.#topology, ...change }
    this.emit('changed')
  }
}

/** Networks with the domain of their router. */
const inDomains = (
  networks: readonly Network[],
  gateways: readonly Gateway[],
): readonly Network[] =>
  networks.map(({ domain: _, ...network }) => {
    const domain = gateways.find(gateway => gateway.network === network.number)?.domain
    return domain === undefined ? network : { ...network, domain }
  })

const readSource = ({ ip_src, ipv6_src }: Fields): Ip | undefined =>
  ip_src !== undefined
    ? formatIpv4(Number(ip_src))
    : ipv6_src === undefined
      ? undefined
      : formatIpv6(BigInt(ipv6_src))

const bigintText = (_: string, value: unknown): unknown =>
  typeof value === 'bigint' ? `${value}n` : value

/** The number stayed the same while the switch was away; the interface behind it did not. */
const isReplaced = (before: Port, now: PortReport | undefined): boolean =>
  now !== undefined && (now.mac !== before.mac || now.name !== before.name)

/** Where hosts are said to be that live on the segment of a link: at one of its ends. */
const segmentPlace = ({ from, to }: Link): PortRef => (portKey(from) < portKey(to) ? from : to)

/** The first or last address of its subnet. */
const isEndOf = (address: number, length: number): boolean => {
  const hostBits = ~ipv4Mask(length) >>> 0
  const host = (address & hostBits) >>> 0
  return host === 0 || host === hostBits
}

/** Hosts of which a switch behind a port hears when that takes over. */
const announcedPlaces = 1_024
/** Frames for unknown MACs that leave edge ports, all switches together. */
const spreadsPerSecond = 2_000
const spreadBurst = 4_000
const bookPeriodMillis = 1_000
const measurePeriodMillis = 5_000
/** Ports of one switch; more are not used, so that one that lies costs the others no more. */
const maxPorts = 4_096

/** The lowest numbers, as they are given to ports of hosts and links first. */
const firstPorts = (reports: readonly PortReport[]): readonly PortReport[] =>
  [...reports].sort((a, b) => a.number - b.number).slice(0, maxPorts)
