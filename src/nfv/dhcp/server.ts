/**
 * The protocol: what a client asks and what it is told. RFC 2131 sections 4.1 to 4.4; relay agents RFC 3046, 3527;
 * client identifiers RFC 6842. A network with `dhcp` is ours: what we know nothing of is refused or, when it is free,
 * granted.
 */
import { formatIpv4, formatMac, isGroupMac } from '../../base/addresses.js'
import type { Clock } from '../../base/env/env.js'
import { type DhcpMessage, dhcpOption as option } from '../../topology/dhcp-message.js'
import type { LimitedEvent } from '../../topology/event-limiter.js'
import { nameOf } from '../../topology/hosts/dhcp.js'
import './events.js'
import type { KeptChange } from '../kept.js'
import {
  type Entry,
  ipOf,
  type LeaseBook,
  leaseKey,
  type RelayInfo,
  type StoredLease,
} from './book.js'
import type { Answer, Question } from './question.js'
import { isOfScope, type Scope } from './scope.js'

/** What the server needs of the world. */
export interface DhcpWorld {
  readonly clock: Clock
  answer(question: Question, answer: Answer): void
  /** Durable, or undefined when another controller was first. */
  keep(changes: readonly KeptChange[]): Promise<number | undefined>
  /** Whether nobody answers for an address that was never given by us. */
  probe(question: Question, ip: number): Promise<boolean>
  /** Whether a relay agent is where a question comes from. */
  isRelay(question: Question, agent: string): boolean
  /** Senders need not have the MAC that they ask for. */
  isUnguarded(question: Question): boolean
  /** Another server that people have declared is in the network. */
  isShared(question: Question): boolean
  leased(lease: StoredLease, seconds: number): void
  tell(event: LimitedEvent): void
}

/** How many addresses are tried that somebody else is found to use. */
const probes = 3
const asideMillis = 600_000
const shortestLease = 60
/** Questions that wait for the store or for probes. */
const mostWaiting = 4_096

export class DhcpServer {
  readonly #book: LeaseBook
  readonly #world: DhcpWorld
  /** By network and client: it asks again while its question is looked into. */
  readonly #busy = new Set<string>()
  readonly counts = { asked: 0, answered: 0, refused: 0, ignored: 0 }

  constructor(book: LeaseBook, world: DhcpWorld) {
    this.#book = book
    this.#world = world
  }

  async receive(question: Question): Promise<void> {
    this.counts.asked++
    const { message, served } = question
    const who = clientOf(question)
    const scope = who && this.#scopeOf(question)
    // What a relay agent passes on has its MAC: the scope says that it may.
    const isItself =
      scope?.via !== undefined || who?.mac === question.sender || this.#world.isUnguarded(question)
    if (who === undefined || scope === undefined || !isItself || message.type === undefined) {
      this.counts.ignored++
      return
    }
    const busy = `${served.network.number} ${who.client}`
    if (this.#busy.has(busy) || this.#busy.size >= mostWaiting) return
    this.#busy.add(busy)
    try {
      await this.#handle({ ...question, ...who, scope })
    } finally {
      this.#busy.delete(busy)
    }
  }

  async #handle(asked: Asked): Promise<void> {
    switch (asked.message.type) {
      case 'discover':
        return this.#discover(asked)
      case 'request':
        return this.#request(asked)
      case 'decline':
        return this.#decline(asked)
      case 'release':
        return this.#release(asked)
      case 'inform':
        if (asked.message.client !== 0) this.#say(asked, { kind: 'ack', ip: 0, seconds: 0 })
    }
  }

  /** The subnet that a client is in: of the network, or behind its relay agent. */
  #scopeOf(question: Question): Scope | undefined {
    const { message, served } = question
    const [main, ...relayed] = served.scopes
    const link = numberOf(suboption(message, linkSelection))
    const place = link || message.relay || message.client
    if (main === undefined) return undefined
    const found = relayed.find(scope => place !== 0 && isOfScope(scope, place))
    if (found !== undefined) return this.#world.isRelay(question, found.via!) ? found : undefined
    return message.relay === 0 || isOfScope(main, place) ? main : undefined
  }

  async #discover(asked: Asked): Promise<void> {
    const { message, served, scope, client, mac, at } = asked
    const { number } = served.network
    if (!this.#mayHaveMore(asked)) return
    const wanted = numberOf(message.options.get(option.requestedAddress))
    for (let tries = 0; tries < probes; tries++) {
      const before = this.#book.offered(number, client)
      const isStill =
        before !== undefined && this.#book.isFree(scope, before, client, mac, served.reserved)
      const ip = isStill ? before : this.#book.choose(scope, client, mac, wanted, served.reserved)
      if (ip === undefined) return this.#exhausted(asked)
      this.#book.offer(number, ip, client, at)
      const isKnown = isStill || this.#book.get(number, ip)?.lease.client === client
      if (isKnown || scope.via !== undefined || (await this.#world.probe(asked, ip)))
        return this.#say(asked, { kind: 'offer', ip, seconds: this.#secondsOf(asked) })
      this.#book.withdraw(number, client)
      this.#book.putAside(number, ip, asideMillis)
      this.#world.tell({
        kind: 'dhcp-address-in-use',
        network: served.network.name,
        ip: formatIpv4(ip),
        reason: 'a host has it that did not get it here: it is not given to others for ten minutes',
      })
    }
  }

  async #request(asked: Asked): Promise<void> {
    const { message, served, scope, client, mac } = asked
    const { number } = served.network
    const chosen = message.options.get(option.serverId)
    if (chosen !== undefined && numberOf(chosen) !== served.server.ip)
      return this.#book.withdraw(number, client)
    const ip = message.client || numberOf(message.options.get(option.requestedAddress))
    if (ip === 0) return
    const isRight =
      isOfScope(scope, ip) && this.#book.isFree(scope, ip, client, mac, served.reserved)
    if (!isRight) return this.#refuse(asked, `${formatIpv4(ip)} is not for this client here`)
    const known = this.#book.get(number, ip)
    const isOwn = known?.lease.client === client || this.#book.offered(number, client) === ip
    if (!isOwn && !this.#mayHaveMore(asked)) return
    const seconds = this.#secondsOf(asked)
    const lease = this.#leaseOf(asked, ip, seconds)
    // A client has one address of a subnet: what it had before is free.
    const others = this.#book
      .ofClient(number, client)
      .filter(
        each =>
          ipOf(each.lease) !== ip &&
          each.lease.state === 'bound' &&
          isOfScope(scope, ipOf(each.lease)),
      )
    const freed = others.map(each => [each, this.#ended(each, 'released', 0)] as const)
    if (!(await this.#keep([[known, lease], ...freed])))
      return this.#refuse(asked, `${formatIpv4(ip)} was given to somebody else`)
    this.#book.withdraw(number, client)
    for (const [, { network, mac: holder, ip: old }] of freed)
      this.#world.leased({ ...lease, network, mac: holder, ip: old }, 0)
    this.#world.leased(lease, seconds)
    this.#say(asked, { kind: 'ack', ip, seconds })
  }

  /** The client has found somebody else at the address. */
  async #decline(asked: Asked): Promise<void> {
    const { message, served } = asked
    const ip = numberOf(message.options.get(option.requestedAddress))
    const entry = this.#ownEntry(asked, ip)
    if (entry === undefined) return
    if (!(await this.#keep([[entry, this.#ended(entry, 'declined', asideMillis)]]))) return
    this.#world.leased(entry.lease, 0)
    this.#world.tell({
      kind: 'dhcp-declined',
      network: served.network.name,
      ip: formatIpv4(ip),
      mac: entry.lease.mac,
      reason: 'the client found somebody else there: it is not given to others for ten minutes',
    })
  }

  async #release(asked: Asked): Promise<void> {
    const entry = this.#ownEntry(asked, asked.message.client)
    if (entry === undefined) return
    if (await this.#keep([[entry, this.#ended(entry, 'released', 0)]]))
      this.#world.leased(entry.lease, 0)
  }

  #ownEntry({ served, client }: Asked, ip: number): Entry | undefined {
    const entry = this.#book.get(served.network.number, ip)
    return entry?.lease.client === client && entry.lease.state === 'bound' ? entry : undefined
  }

  #ended({ lease }: Entry, state: 'released' | 'declined', millis: number): StoredLease {
    const fromMillis = this.#world.clock.wallMillis()
    return { ...lease, state, fromMillis, untilMillis: fromMillis + millis }
  }

  #leaseOf({ served, client, mac, message, at, scope }: Asked, ip: number, seconds: number) {
    const fromMillis = this.#world.clock.wallMillis()
    const name = nameOf(message.options)
    const relay = relayInfo(message)
    return {
      network: served.network.number,
      ip: formatIpv4(ip),
      client,
      mac: formatMac(mac),
      state: 'bound' as const,
      fromMillis,
      untilMillis: fromMillis + seconds * 1_000,
      ...(name !== undefined && { name }),
      ...(scope.via === undefined && { at }),
      ...(relay !== undefined && { relay }),
    }
  }

  /** Before anybody is told: two controllers never give one address to two. */
  async #keep(
    changes: readonly (readonly [before: Entry | undefined, after: StoredLease])[],
  ): Promise<boolean> {
    try {
      const revision = await this.#world.keep(
        changes.map(([before, after]) => ({
          key: leaseKey(after.network, ipOf(after)),
          value: after,
          seen: before?.revision ?? 0,
        })),
      )
      if (revision === undefined) return false
      for (const [, after] of changes)
        this.#book.take(leaseKey(after.network, ipOf(after)), after, revision)
      return true
    } catch (error) {
      this.#world.tell({
        kind: 'dhcp-not-kept',
        reason: `leases cannot be written, so none is given: ${error instanceof Error ? error.message : String(error)}`,
      })
      return false
    }
  }

  /** A port that has its share gets no more, unless the client has something already. */
  #mayHaveMore({ served, scope, client, at }: Asked): boolean {
    const { number, name } = served.network
    // A relay agent speaks for many, and is declared.
    if (scope.via !== undefined) return true
    const isKnown =
      this.#book.offered(number, client) !== undefined ||
      this.#book.ofClient(number, client).some(each => this.#book.isRunning(each))
    if (isKnown || this.#book.countAt(at) < served.perPort) return true
    this.#world.tell({
      kind: 'dhcp-port-limited',
      network: name,
      ...at,
      reason: `hosts at this port have ${served.perPort} addresses, the most that it may have (dhcp.perPort)`,
    })
    return false
  }

  #exhausted({ served }: Asked): void {
    this.#world.tell({
      kind: 'dhcp-exhausted',
      network: served.network.name,
      reason: 'no address is left in the range: make it longer, or the lease shorter',
    })
  }

  #secondsOf({ message, scope }: Asked): number {
    const wanted = numberOf(message.options.get(option.leaseTime))
    const { leaseSeconds } = scope
    return wanted === 0 ? leaseSeconds : Math.max(shortestLease, Math.min(wanted, leaseSeconds))
  }

  #refuse(asked: Asked, reason: string): void {
    // What is not ours may be the other's to grant, unless the client has chosen us.
    const isChosen = asked.message.options.has(option.serverId)
    if (!isChosen && this.#world.isShared(asked)) return
    this.counts.refused++
    this.#say(asked, { kind: 'nak', ip: 0, seconds: 0, reason })
  }

  #say(asked: Asked, answer: Omit<Answer, 'options'>): void {
    this.counts.answered++
    this.#world.answer(asked, { ...answer, options: asked.scope.options })
  }
}

interface Asked extends Question {
  readonly scope: Scope
  readonly client: string
  readonly mac: number
}

/** Who asks; undefined for a client that is none of Ethernet. */
const clientOf = ({ message }: Question): { client: string; mac: number } | undefined => {
  const { hardwareType, hardware, options } = message
  if (hardwareType !== 1 || hardware.length !== 6) return undefined
  const mac = Buffer.from(hardware).readUIntBE(0, 6)
  if (mac === 0 || isGroupMac(mac)) return undefined
  const id = options.get(option.clientId)
  const isId = id !== undefined && id.length >= 2 && id.length <= 255
  return { client: isId ? hexOf(id) : `01${hexOf(hardware)}`, mac }
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const [circuitId, remoteId, linkSelection] = [1, 2, 5]

/** Of option 82: code, size and value one after the other. */
const suboption = ({ options }: DhcpMessage, wanted: number): Uint8Array | undefined => {
  const bytes = options.get(option.relay)
  for (let at = 0; bytes !== undefined && at + 2 <= bytes.length; at += 2 + bytes[at + 1]!)
    if (bytes[at] === wanted) return bytes.subarray(at + 2, at + 2 + bytes[at + 1]!)
  return undefined
}

const relayInfo = (message: DhcpMessage): RelayInfo | undefined => {
  const [circuit, remote] = [circuitId, remoteId].map(code => suboption(message, code))
  if (message.relay === 0 && circuit === undefined && remote === undefined) return undefined
  return {
    ...(message.relay !== 0 && { agent: formatIpv4(message.relay) }),
    ...(circuit !== undefined && { circuitId: hexOf(circuit) }),
    ...(remote !== undefined && { remoteId: hexOf(remote) }),
  }
}

/** Four octets; 0 when there are others, or none. */
const numberOf = (bytes: Uint8Array | undefined): number =>
  bytes?.length === 4 ? Buffer.from(bytes).readUInt32BE(0) : 0
