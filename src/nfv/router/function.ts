/** Routers: declared by people, in every switch, and what only a controller can answer. */
import { formatMac, macNumber } from '../../base/addresses.js'
import { type IcmpError, icmpErrorOf, rejectionOf } from '../../pipeline/answers.js'
import { etherTypes, ipProtocols, readPacket } from '../../pipeline/packet.js'
import { networkEntered, partOf, registers } from '../../pipeline/registers.js'
import { type Gateway, hostKey, type Network, type Topology } from '../../topology/model.js'
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
import { type Address, formatAddress, linkLocalOf } from './addresses.js'
import type { Told } from './advertisement.js'
import { Advertiser } from './advertiser.js'
import './events.js'
import { type RouterSpec, routerKind } from './kind.js'
import { gatewaysOf, type Router, resolveRouters } from './model.js'
import { NeighbourSearch, type WaitingPacket } from './neighbours.js'
import { RouterSections } from './sections.js'
import { routerViews } from './views.js'

/** RFC 792, RFC 1812 section 5.2.7, RFC 4443 section 3. */
const errors = {
  expired: { v4: { type: 11, code: 0 }, v6: { type: 3, code: 0 } },
  netUnreachable: { v4: { type: 3, code: 0 }, v6: { type: 1, code: 0 } },
  hostUnreachable: { v4: { type: 3, code: 1 }, v6: { type: 1, code: 3 } },
  protocolUnreachable: { v4: { type: 3, code: 2 }, v6: { type: 4, code: 1 } },
  portUnreachable: { v4: { type: 3, code: 3 }, v6: { type: 1, code: 4 } },
} as const satisfies Readonly<Record<string, IcmpError>>

/** What other functions hand out in a network. */
interface NetworkMembers {
  readonly dhcp6?: { readonly range?: string; readonly reservations?: readonly unknown[] }
  readonly dns?: unknown
}

const toldOf = ({ dhcp6, dns }: NetworkMembers): Told => ({
  managed: dhcp6?.range !== undefined || (dhcp6?.reservations ?? []).length > 0,
  other: dhcp6 !== undefined,
  names: dns !== undefined,
})

class Routers implements RunningFunction {
  readonly #host: FunctionHost
  readonly #sections = new RouterSections()
  readonly #search: NeighbourSearch
  readonly #advertiser: Advertiser
  /** By network: what its hosts are told besides. */
  #told: ReadonlyMap<string, Told> = new Map()
  #wishes: readonly { readonly name: string; readonly spec: RouterSpec }[] = []
  #routers: readonly Router[] = []
  #states: ReadonlyMap<string, ObjectState> = new Map()
  #seen: readonly Network[] | undefined
  /** A router waits for its MAC to be free: the host that has it may go. */
  #isBlocked = false

  constructor(host: FunctionHost) {
    this.#host = host
    this.#search = new NeighbourSearch(host, packet => this.#tell(packet, errors.hostUnreachable))
    this.#advertiser = new Advertiser(host)
  }

  get views(): readonly View[] {
    return routerViews(this.#host.topology, this.#search, () => this.#routers)
  }

  get punts(): PuntHandlers {
    const of = (receive: (packet: PuntedPacket) => void) => ({ kind: 'routed' as const, receive })
    return {
      expired: of(packet => this.#tell(waiting(packet), errors.expired)),
      unreachable: of(packet => this.#tell(waiting(packet), errors.netUnreachable)),
      addressed: of(packet => this.#addressed(packet)),
      neighbour: of(packet => {
        const hop = nextHopOf(packet)
        if (hop !== undefined) this.#search.wait(packet.value, hop, this.#asAddressed(packet))
      }),
      solicited: of(({ at, value, fields }) => {
        const mac = Number(fields.eth_src ?? 0)
        this.#advertiser.answer(at, value, { mac, ip: BigInt(fields.ipv6_src ?? 0) })
      }),
    }
  }

  /** A packet to what is published waits as it came; an answer to a translated connection cannot, and is asked for again. */
  #asAddressed(packet: PuntedPacket): WaitingPacket {
    const isAnswer = partOf(packet.match.reg10, registers.found) === 1
    const frame = isAnswer ? none : this.#host.topology.asAddressed(packet.match, packet.frame)
    return { ...waiting(packet), frame }
  }

  compile(topology: Topology): SectionsOf {
    return this.#sections.compile(topology, this.#routers)
  }

  declare(kind: string, objects: readonly DeclaredObject[]): void {
    if (kind === 'Network') {
      this.#told = new Map(objects.map(({ name, spec }) => [name, toldOf(spec as NetworkMembers)]))
      this.#advertiser.use(this.#routers, name => this.#told.get(name))
      return
    }
    this.#wishes = objects.map(({ name, spec }) => ({ name, spec: spec as RouterSpec }))
    this.#resolve(this.#host.topology.networks)
  }

  state(kind: string, name: string): ObjectState | undefined {
    return kind === routerKind.kind ? this.#states.get(name) : undefined
  }

  networkChanged(): void {
    this.#search.look()
    const { networks } = this.#host.topology
    if ((networks !== this.#seen || this.#isBlocked) && this.#wishes.length > 0)
      this.#resolve(networks)
  }

  start(): void {
    this.#advertiser.start()
  }

  stop(): void {
    this.#search.stop()
    this.#advertiser.stop()
  }

  #resolve(networks: readonly Network[]): void {
    this.#seen = networks
    const resolved = resolveRouters(this.#wishes, networks)
    const states = new Map<string, ObjectState>(resolved.states)
    const routers = resolved.routers.filter(router => {
      const host = this.#hostWithMacOf(router)
      if (host === undefined) return true
      const reason = `${router.mac} is the MAC of a host in network ${host.network}: give the router another mac`
      states.set(router.name, { state: 'failed', reason })
      return false
    })
    this.#isBlocked = routers.length < resolved.routers.length
    this.#routers = routers
    this.#states = states
    for (const gateway of routers.flatMap(gatewaysOf)) this.#tellHolders(gateway)
    this.#host.topology.declareGateways(routers.flatMap(gatewaysOf))
    this.#advertiser.use(routers, name => this.#told.get(name))
    this.#host.changed()
  }

  /** Of a MAC that somebody gave the router: that a host has it already. */
  #hostWithMacOf({ name, mac, interfaces }: Router): { readonly network: string } | undefined {
    const { topology } = this.#host
    const isKnown = topology.gateways.some(each => each.router === name && each.mac === mac)
    if (isKnown) return undefined
    const { hosts } = topology.current
    const found = interfaces.find(({ network }) => hosts.has(hostKey(network.number, mac)))
    return found && { network: found.network.name }
  }

  /** Hosts that have had an address of the router until now: two cannot have it. */
  #tellHolders({ router, network, addresses }: Gateway): void {
    const { topology } = this.#host
    if (topology.gateways.some(each => each.router === router && each.network === network)) return
    for (const { version, address } of addresses) {
      const ip = formatAddress({ version, value: address })
      for (const { mac, at } of topology.holdersOf(network, ip))
        this.#host.tell({
          kind: 'router-address-in-use',
          ...{ router, ip, mac, ...at },
          reason: `${mac} had ${ip} until now; from now on it is the router's: give one of them another address`,
        })
    }
  }

  /** To the router itself, and no echo. */
  #addressed(packet: PuntedPacket): void {
    const { ip_proto: protocol } = packet.fields
    if (protocol === ipProtocols.tcp) {
      const answer = rejectionOf(packet.frame)
      if (answer !== undefined) this.#send(waiting(packet), answer)
    } else if (protocol === ipProtocols.udp) this.#tell(waiting(packet), errors.portUnreachable)
    else if (protocol !== ipProtocols.icmp && protocol !== ipProtocols.icmpv6)
      this.#tell(waiting(packet), errors.protocolUnreachable)
  }

  /** Tells the sender what became of a packet. */
  #tell(packet: WaitingPacket, error: IcmpError): void {
    const { topology } = this.#host
    const gateway = topology.gateways.find(({ network }) => network === packet.network)
    const from =
      gateway &&
      sourceOf(gateway, readPacket(packet.frame).fields.eth_type === etherTypes.ipv6 ? 6 : 4)
    if (from === undefined) return
    const answer = icmpErrorOf(packet.frame, error, from, address =>
      topology.isBroadcast(packet.network, address),
    )
    if (answer !== undefined) this.#send(packet, answer)
  }

  #send({ at, network, frame }: WaitingPacket, answer: Uint8Array): void {
    const { topology } = this.#host
    const sender = formatMac(Number(readPacket(frame).fields.eth_src))
    const back = topology.placeOfSender(at, network, sender)
    this.#host.send(back, topology.tagged(back, network, answer))
  }
}

/** The router's own end of an error. */
const sourceOf = ({ mac, addresses }: Gateway, version: 4 | 6) => {
  const eth_src = macNumber(mac)
  const own = addresses.find(each => each.version === version)
  if (version === 4) return own && { eth_src, ip_src: Number(own.address) }
  return { eth_src, ipv6_src: own ? BigInt(own.address) : linkLocalOf(eth_src) }
}

const waiting = ({ at, value, match, frame }: PuntedPacket): WaitingPacket => ({
  at,
  network: networkEntered(match) || value,
  frame,
})

const none = new Uint8Array()

/** What the switch has put into the registers of the next hop. */
const nextHopOf = ({
  match,
  fields,
}: PuntedPacket): Pick<Address, 'version' | 'value'> | undefined => {
  const { reg12 = 0, reg13 = 0, reg14 = 0, reg15 = 0 } = match
  const word = (value: unknown) => BigInt(Number(value))
  if (fields.eth_type === etherTypes.ipv4) return { version: 4, value: Number(reg12) }
  if (fields.eth_type !== etherTypes.ipv6) return undefined
  return {
    version: 6,
    value: (word(reg12) << 96n) | (word(reg13) << 64n) | (word(reg14) << 32n) | word(reg15),
  }
}

export const routerFunction: NetworkFunction = {
  name: 'router',
  kinds: [routerKind],
  reads: ['Network'],
  create: host => new Routers(host),
}
