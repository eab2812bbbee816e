/** DHCP of networks: leases in the store, answers by the controller through the switch that asks. */
import { formatIpv4, formatIpv6, formatMac, macNumber, parseMac } from '../../base/addresses.js'
import type { Cancel } from '../../base/env/env.js'
import { areSame } from '../../base/same.js'
import { readPacket } from '../../pipeline/packet.js'
import { readDhcp } from '../../topology/dhcp-message.js'
import { EventLimiter } from '../../topology/event-limiter.js'
import { isSamePort, type Network } from '../../topology/model.js'
import type {
  DeclaredObject,
  FunctionHost,
  NetworkFunction,
  ObjectState,
  PuntedPacket,
  PuntHandlers,
  RunningFunction,
  SectionsOf,
  View,
} from '../function.js'
import { type FunctionStore, functionStore, type KeptValue } from '../kept.js'
import { LeaseBook, leasePrefix, type StoredLease } from './book.js'
import { type DhcpSpec, dhcpMember } from './kind.js'
import { Probes } from './probes.js'
import type { Question } from './question.js'
import { replyFrame } from './replies.js'
import { type DeclaredHost, resolveDhcp, type Served } from './scope.js'
import { DhcpSections, sharedOf } from './sections.js'
import { DhcpServer } from './server.js'
import { type Dhcp6Spec, dhcp6Member } from './v6/kind.js'
import { Dhcp6, type Wish6 } from './v6/running.js'
import { leasesView } from './views.js'
import { LeaseWriter } from './writer.js'

const tickMillis = 5_000

interface Wish {
  readonly name: string
  readonly spec: DhcpSpec
  /** Of the network's own name server, where it has one. */
  readonly zone: string | undefined
}

interface NetworkMembers {
  readonly dhcp?: DhcpSpec
  readonly dhcp6?: Dhcp6Spec
  readonly dns?: { readonly zone: string }
}

class Dhcp implements RunningFunction {
  readonly #host: FunctionHost
  readonly #book: LeaseBook
  readonly #store: FunctionStore
  readonly #server: DhcpServer
  readonly #v6: Dhcp6
  readonly #sections = new DhcpSections()
  readonly #limiter: EventLimiter
  #wishes: readonly Wish[] = []
  #wishes6: readonly Wish6[] = []
  #hosts: readonly DeclaredHost[] = []
  #served: readonly Served[] = []
  #states: ReadonlyMap<string, ObjectState> = new Map()
  /** What was resolved last: the objects, and as text. */
  #seen: readonly unknown[] = []
  #resolved = ''
  #cancel: Cancel = () => undefined
  readonly views: readonly View[]

  constructor(host: FunctionHost) {
    this.#host = host
    const { clock, timers, topology } = host
    this.#book = new LeaseBook(clock)
    this.#limiter = new EventLimiter({ clock }, event => host.tell(event))
    const probes = new Probes(timers, topology)
    this.#store = functionStore(host.store, 'dhcp')
    const writer = new LeaseWriter(this.#store, timers)
    this.#server = new DhcpServer(this.#book, {
      clock,
      answer: (question, answer) => this.#send(question, replyFrame(question, answer)),
      keep: changes => writer.write(changes),
      probe: (question, ip) => probes.isFree(question, ip),
      isRelay: (question, agent) => this.#isAt(question, agent),
      isUnguarded: ({ at, served }) => topology.guardAt(at, served.network.number) === 'off',
      isShared: ({ served }) => sharedOf(topology.current).has(served.network.number),
      leased: (lease, seconds) => {
        if (lease.at !== undefined) topology.leased(lease.network, lease.mac, lease.ip, seconds)
      },
      tell: event => this.#limiter.add(event),
    })
    this.#v6 = new Dhcp6(host, writer, event => this.#limiter.add(event))
    this.views = [leasesView(this.#book, this.#v6.book, topology)]
  }

  get punts(): PuntHandlers {
    return {
      dhcp: { kind: 'addresses', receive: packet => this.#asked(packet) },
      dhcp6: { kind: 'addresses', receive: packet => this.#v6.asked(packet) },
      dhcpForeign: { kind: 'addresses', receive: packet => this.#foreign(packet) },
    }
  }

  compile(topology: Parameters<DhcpSections['compile']>[0]): SectionsOf {
    return this.#sections.compile(topology, this.#served, this.#v6.networks)
  }

  declare(kind: string, objects: readonly DeclaredObject[]): void {
    if (kind === 'Host') this.#hosts = objects.map(declaredHost)
    else {
      const specs = objects.map(({ name, spec }) => ({ name, ...(spec as NetworkMembers) }))
      this.#wishes = specs.flatMap(({ name, dhcp, dns }) =>
        dhcp === undefined ? [] : [{ name, spec: dhcp, zone: dns?.zone }],
      )
      this.#wishes6 = specs.flatMap(({ name, dhcp6, dns }) =>
        dhcp6 === undefined ? [] : [{ name, spec: dhcp6, zone: dns?.zone }],
      )
    }
    this.#resolve()
  }

  state(kind: string, name: string): ObjectState | undefined {
    return kind === 'Network' ? this.#states.get(name) : undefined
  }

  networkChanged(): void {
    this.#resolve()
  }

  /** Reads what was kept; from now on it hears what others write. */
  async load(): Promise<void> {
    const store = this.#store
    const take = (values: readonly KeptValue[]) => {
      for (const { key, value, revision } of values)
        if (key.startsWith(leasePrefix))
          this.#book.take(key, value as StoredLease | undefined, revision)
        else this.#v6.take(key, value, revision)
    }
    const takeAll = async () => take(await store.list())
    store.watch(take, () => void takeAll().catch(() => undefined))
    await takeAll()
  }

  start(): void {
    const { topology } = this.#host
    // A controller that was killed may have kept a lease, and not that the host has it.
    for (const [, entry] of this.#book.entries)
      if (this.#book.isRunning(entry) && entry.lease.state === 'bound' && entry.lease.at) {
        const { network, mac, ip } = entry.lease
        topology.leased(network, mac, ip, this.#book.secondsLeft(entry))
      }
    this.#v6.start()
    this.#cancel = this.#host.timers.every(tickMillis, () => {
      for (const { at, network, mac, ip } of this.#book.tick())
        if (at !== undefined) topology.leased(network, mac, ip, 0)
      this.#v6.tick()
      this.#limiter.tick()
    })
  }

  stop(): void {
    this.#cancel()
  }

  /** Looks up what people have declared; nothing happens when it leads to the same. */
  #resolve(): void {
    const { topology } = this.#host
    const { networks, gateways } = topology
    const seen = [networks, gateways, this.#wishes, this.#wishes6, this.#hosts]
    if (areSame(seen, this.#seen)) return
    this.#seen = seen
    const all = [this.#wishes, this.#wishes6]
    const known = JSON.stringify(
      [...all, this.#hosts, all.flat().length === 0 ? [] : [networks, gateways]],
      (_, value) => (typeof value === 'bigint' ? `${value}n` : value),
    )
    if (known === this.#resolved) return
    this.#resolved = known
    const states = new Map<string, ObjectState>()
    this.#served = this.#wishes.flatMap(({ name, spec, zone }) => {
      const network = networks.find(each => each.name === name)
      if (network === undefined) return []
      const found = resolveDhcp(spec, network, gateways, this.#hosts, zone)
      if (typeof found === 'string') {
        states.set(name, { state: 'failed', reason: `dhcp: ${found}` })
        return []
      }
      states.set(name, { state: 'installed' })
      return [found]
    })
    for (const [name, reason] of this.#v6.resolve(this.#wishes6, this.#hosts))
      if (reason !== undefined) states.set(name, { state: 'failed', reason })
      else if (!states.has(name)) states.set(name, { state: 'installed' })
    this.#states = states
    topology.declareStations(
      'dhcp',
      this.#served
        .filter(({ server }) => !server.isRouter)
        .map(({ network, server }) => ({
          network: network.number,
          mac: server.mac,
          ips: [formatIpv4(server.ip)],
          what: `the DHCP server of network ${network.name}`,
        })),
    )
    this.#host.changed()
  }

  #servedIn(network: number): Served | undefined {
    return this.#served.find(each => each.network.number === network)
  }

  #asked({ at, value, frame, fields }: PuntedPacket): void {
    const served = this.#servedIn(value)
    const message = readDhcp(frame.subarray(readPacket(frame).payload), 1)
    if (served === undefined || message === undefined) return
    const { topology } = this.#host
    // It tells the name of its sender, and that it is there.
    topology.packetIn(at, 'hear', frame, value)
    void this.#server.receive({ message, served, at, sender: Number(fields.eth_src ?? 0) })
  }

  #foreign({ at, value, fields }: PuntedPacket): void {
    const network = this.#networkOf(value)
    if (network === undefined) return
    const mac = formatMac(Number(fields.eth_src ?? 0))
    this.#limiter.add({
      kind: 'dhcp-server-refused',
      network: network.name,
      mac,
      ip:
        fields.ipv6_src === undefined
          ? formatIpv4(Number(fields.ip_src ?? 0))
          : formatIpv6(BigInt(fields.ipv6_src)),
      ...at,
      reason: `it answers for DHCP where network ${network.name} has its own server: what it says is dropped; a Port with "serves: [dhcp]" lets it`,
    })
  }

  #networkOf(number: number): Network | undefined {
    return this.#host.topology.networks.find(each => each.number === number)
  }

  #isAt({ at, served, sender }: Question, ip: string): boolean {
    return this.#host.topology
      .holdersOf(served.network.number, ip as StoredLease['ip'])
      .some(host => isSamePort(host.at, at) && macNumber(host.mac) === sender)
  }

  #send({ at, served, sender }: Question, frame: Uint8Array): void {
    const { topology } = this.#host
    const { number } = served.network
    const back = topology.placeOfSender(at, number, formatMac(sender))
    this.#host.send(back, topology.tagged(back, number, frame))
  }
}

const declaredHost = ({ name, spec }: DeclaredObject): DeclaredHost => {
  const { mac, network, ips } = spec as { mac: string; network?: string; ips?: string[] }
  return { name, mac: parseMac(mac)!, network, ips: ips ?? [] }
}

export const dhcpFunction: NetworkFunction = {
  name: 'dhcp',
  members: [dhcpMember, dhcp6Member],
  reads: ['Network', 'Host'],
  create: async host => {
    const dhcp = new Dhcp(host)
    await dhcp.load()
    return dhcp
  },
}
