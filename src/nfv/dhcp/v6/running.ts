/** DHCP for IPv6 while it runs: its part of the function. */
import { formatIpv6, formatMac, macNumber } from '../../../base/addresses.js'
import { readPacket } from '../../../pipeline/packet.js'
import { readDhcp6 } from '../../../topology/dhcp6-message.js'
import type { LimitedEvent } from '../../../topology/event-limiter.js'
import { reportedNameOf } from '../../../topology/hosts/dhcp.js'
import type { Network } from '../../../topology/model.js'
import type { FunctionHost, PuntedPacket } from '../../function.js'
import type { DeclaredHost } from '../scope.js'
import type { LeaseWriter } from '../writer.js'
import { LeaseBook6, lease6Prefix, type StoredLease6 } from './book.js'
import type { Dhcp6Spec } from './kind.js'
import { resolveDhcp6, type Served6 } from './scope.js'
import { Dhcp6Server } from './server.js'

export interface Wish6 {
  readonly name: string
  readonly spec: Dhcp6Spec
  readonly zone: string | undefined
}

export class Dhcp6 {
  readonly #host: FunctionHost
  readonly #server: Dhcp6Server
  readonly book: LeaseBook6
  #served: readonly Served6[] = []
  networks: readonly Network[] = []

  constructor(host: FunctionHost, writer: LeaseWriter, tell: (event: LimitedEvent) => void) {
    this.#host = host
    const { topology } = host
    this.book = new LeaseBook6(host.clock)
    this.#server = new Dhcp6Server(this.book, {
      clock: host.clock,
      answer: ({ at, served, sender }, frame) => {
        const { number } = served.network
        const back = topology.placeOfSender(at, number, formatMac(sender))
        host.send(back, topology.tagged(back, number, frame))
      },
      keep: changes => writer.write(changes),
      isUsed: ({ served, sender }, ip) =>
        topology
          .holdersOf(served.network.number, formatIpv6(ip))
          .some(({ mac }) => macNumber(mac) !== sender),
      leased: ({ network, mac, ip }, seconds) => topology.leased(network, mac, ip, seconds),
      tell,
    })
  }

  /** @returns by network: why it is not served; undefined when it is */
  resolve(
    wishes: readonly Wish6[],
    hosts: readonly DeclaredHost[],
  ): ReadonlyMap<string, string | undefined> {
    const { networks, gateways } = this.#host.topology
    const reasons = new Map<string, string | undefined>()
    this.#served = wishes.flatMap(({ name, spec, zone }) => {
      const network = networks.find(each => each.name === name)
      if (network === undefined) return []
      const found = resolveDhcp6(spec, network, gateways, hosts, zone)
      reasons.set(name, typeof found === 'string' ? `dhcp6: ${found}` : undefined)
      return typeof found === 'string' ? [] : [found]
    })
    this.networks = this.#served.map(({ network }) => network)
    return reasons
  }

  take(key: string, value: unknown, revision: number): void {
    if (key.startsWith(lease6Prefix))
      this.book.take(key, value as StoredLease6 | undefined, revision)
  }

  start(): void {
    for (const entry of this.book.entries) {
      const { network, mac, ip, state } = entry.lease
      if (this.book.isRunning(entry) && state === 'bound')
        this.#host.topology.leased(network, mac, ip, this.book.secondsLeft(entry))
    }
  }

  tick(): void {
    for (const { network, mac, ip } of this.book.tick())
      this.#host.topology.leased(network, mac, ip, 0)
  }

  asked({ at, value, frame, fields }: PuntedPacket): void {
    const served = this.#served.find(({ network }) => network.number === value)
    const packet = readPacket(frame)
    const message = readDhcp6(frame.subarray(packet.payload))
    const source = BigInt(fields.ipv6_src ?? 0)
    // A client asks from its link-local address, RFC 8415 section 13.1.
    if (served === undefined || message === undefined || source >> 118n !== 0x3fan) return
    this.#host.topology.packetIn(at, 'hear', frame, value)
    const name = reportedNameOf(frame, packet)
    const sender = Number(fields.eth_src ?? 0)
    void this.#server.receive({ message, served, at, sender, source, name })
  }
}
