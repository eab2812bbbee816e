/** DNS of networks: names of hosts, routers and leases; all else is asked of others. */
import { formatMac, macNumber, parseIpv4 } from '../../base/addresses.js'
import { areSame } from '../../base/same.js'
import { buildFrame } from '../../pipeline/build.js'
import { type Fields, ipProtocols, readPacket } from '../../pipeline/packet.js'
import { stationMac } from '../../topology/hosts/host-frames.js'
import { portKey, type Topology } from '../../topology/model.js'
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
import { type DnsSpec, dnsMember, parseUpstream, type Upstream } from './kind.js'
import { type NamedHost, Names, type Served } from './names.js'
import { Resolver } from './resolver.js'
import { DnsSections, type Station } from './sections.js'

interface Wish {
  readonly name: string
  readonly dns: DnsSpec
  /** The address of the network's DHCP server, where no router has one. */
  readonly server: string | undefined
}

interface DeclaredHost {
  readonly name: string
  readonly network: string | undefined
  readonly ips: readonly string[]
}

interface Answering {
  readonly served: Served
  readonly station: Station
  readonly upstream: readonly Upstream[]
}

/** Names are looked up anew when the network is another one, at most so often. */
const namesMillis = 250

class Dns implements RunningFunction {
  readonly #host: FunctionHost
  readonly #resolver: Resolver
  readonly #sections = new DnsSections()
  #wishes: readonly Wish[] = []
  #hosts: readonly DeclaredHost[] = []
  #answering: readonly Answering[] = []
  #stations: readonly Station[] = []
  #states: ReadonlyMap<string, ObjectState> = new Map()
  #seen: readonly unknown[] = []
  #resolved = ''
  /** By routing domain. */
  #names = new Map<number, Names>()
  #namesOf: readonly unknown[] = []
  #namesMillis = Number.NEGATIVE_INFINITY

  constructor(host: FunctionHost) {
    this.#host = host
    this.#resolver = new Resolver(host)
  }

  get punts(): PuntHandlers {
    return { dns: { kind: 'names', receive: packet => this.#asked(packet) } }
  }

  get views(): readonly View[] {
    return [
      {
        name: 'names',
        summary: 'names that the name servers of networks answer for, and who says so',
        columns: [
          ['NAME', 'name'],
          ['ADDRESS', 'ip'],
          ['FROM', 'from'],
          ['NETWORK', 'network'],
        ],
        items: () => {
          const domains = new Set(this.#answering.map(({ served }) => domainOf(served)))
          return [...domains].flatMap(domain =>
            this.#namesIn(domain).entries.map(each => ({ ...each })),
          )
        },
      },
    ]
  }

  compile(topology: Topology): SectionsOf {
    return this.#sections.compile(topology, this.#stations)
  }

  declare(kind: string, objects: readonly DeclaredObject[]): void {
    if (kind === 'Host')
      this.#hosts = objects.map(({ name, spec }) => {
        const { network, ips } = spec as { network?: string; ips?: string[] }
        return { name, network, ips: ips ?? [] }
      })
    else
      this.#wishes = objects.flatMap(({ name, spec }) => {
        const { dns, dhcp } = spec as { dns?: DnsSpec; dhcp?: { server?: string } }
        return dns === undefined ? [] : [{ name, dns, server: dhcp?.server }]
      })
    this.#namesOf = []
    this.#resolve()
  }

  state(kind: string, name: string): ObjectState | undefined {
    return kind === 'Network' ? this.#states.get(name) : undefined
  }

  networkChanged(): void {
    this.#resolve()
  }

  #resolve(): void {
    const { networks, gateways } = this.#host.topology
    const seen = [networks, gateways, this.#wishes]
    if (areSame(seen, this.#seen)) return
    this.#seen = seen
    const known = JSON.stringify(
      this.#wishes.length === 0 ? [] : [this.#wishes, networks, gateways],
      (_, value) => (typeof value === 'bigint' ? `${value}n` : value),
    )
    if (known === this.#resolved) return
    this.#resolved = known
    const states = new Map<string, ObjectState>()
    this.#answering = this.#wishes.flatMap(({ name, dns, server }): Answering[] => {
      const network = networks.find(each => each.name === name)
      if (network === undefined) return []
      const gateway = gateways.find(each => each.network === network.number)
      const own = parseIpv4(server?.split('/')[0] ?? '')
      if (gateway === undefined && own === undefined) {
        const reason = `dns: nobody has an address in network ${name} to answer from: give a Router with an interface there, or dhcp with a server`
        states.set(name, { state: 'failed', reason })
        return []
      }
      states.set(name, { state: 'installed' })
      const station: Station = {
        network,
        mac: macNumber(gateway?.mac ?? stationMac),
        addresses: gateway?.addresses.map(({ version, address }) => ({
          version,
          value: address,
        })) ?? [{ version: 4, value: own! }],
      }
      const zone = dns.zone.replace(/\.$/, '').toLowerCase()
      return [
        {
          served: { network, zone, services: dns.services ?? [] },
          station,
          upstream: (dns.upstream ?? []).map(text => parseUpstream(text)!),
        },
      ]
    })
    this.#states = states
    this.#stations = this.#answering.map(({ station }) => station)
    this.#namesOf = []
    this.#host.changed()
  }

  /** Names of the networks that one router joins, or of one network. */
  #namesIn(domain: number): Names {
    const { topology, clock } = this.#host
    const now = clock.nowMillis()
    if (now - this.#namesMillis >= namesMillis || this.#namesOf.length === 0) {
      const { hosts, leases, gateways } = topology.current
      const of = [hosts, leases, gateways, this.#answering]
      if (!areSame(of, this.#namesOf)) this.#names = new Map()
      this.#namesOf = of
      this.#namesMillis = now
    }
    const known = this.#names.get(domain)
    if (known) return known
    const served = this.#answering
      .map(each => each.served)
      .filter(each => domainOf(each) === domain)
    const made = new Names(served, topology.current, this.#declared(served))
    this.#names.set(domain, made)
    return made
  }

  #declared(served: readonly Served[]): readonly NamedHost[] {
    return this.#hosts.flatMap(({ name, network, ips }) => {
      const own = served.find(each =>
        network === undefined ? each.network.number === 1 : each.network.name === network,
      )
      return own === undefined ? [] : [{ name, network: own.network.number, ips }]
    })
  }

  #asked({ at, value, frame, fields }: PuntedPacket): void {
    const answering = this.#answering.find(({ station }) => station.network.number === value)
    if (answering === undefined) return
    const { served, upstream } = answering
    const asker = { names: this.#namesIn(domainOf(served)), upstream, port: portKey(at) }
    const answer = this.#resolver.answer(frame.subarray(readPacket(frame).payload), asker)
    const send = (bytes: Uint8Array | undefined) => {
      if (bytes === undefined) return
      const { topology } = this.#host
      const back = topology.placeOfSender(at, value, formatMac(Number(fields.eth_src ?? 0)))
      this.#host.send(back, topology.tagged(back, value, buildFrame(turned(fields), bytes)))
    }
    if (answer instanceof Promise) void answer.then(send)
    else send(answer)
  }
}

const turned = (fields: Fields): Fields => ({
  eth_src: fields.eth_dst ?? 0,
  eth_dst: fields.eth_src ?? 0,
  eth_type: fields.eth_type ?? 0,
  ip_proto: ipProtocols.udp,
  ...(fields.ip_src === undefined
    ? { ipv6_src: fields.ipv6_dst ?? 0n, ipv6_dst: fields.ipv6_src ?? 0n }
    : { ip_src: fields.ip_dst ?? 0, ip_dst: fields.ip_src }),
  udp_src: fields.udp_dst ?? 53,
  udp_dst: fields.udp_src ?? 0,
  nw_ttl: 64,
})

const domainOf = ({ network }: Served): number => network.domain ?? network.number

export const dnsFunction: NetworkFunction = {
  name: 'dns',
  members: [dnsMember],
  reads: ['Network', 'Host'],
  create: host => new Dns(host),
}
