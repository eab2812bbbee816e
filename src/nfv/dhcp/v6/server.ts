/**
 * The protocol for IPv6: RFC 8415 sections 18.2 and 18.3, without relay agents, temporary addresses and prefixes. A client is
 * its DUID, its identity association and its MAC: a DUID is sent in the open, and no host gets what another has by it.
 */
import { formatIpv6, formatMac, ipNumber } from '../../../base/addresses.js'
import type { Clock } from '../../../base/env/env.js'
import { buildFrame } from '../../../pipeline/build.js'
import { etherTypes, ipProtocols } from '../../../pipeline/packet.js'
import {
  type Dhcp6Message,
  type Dhcp6Type,
  type Option6,
  dhcp6Option as option,
  readOptions6,
  writeDhcp6,
  writeOptions6,
} from '../../../topology/dhcp6-message.js'
import type { LimitedEvent } from '../../../topology/event-limiter.js'
import type { PortRef } from '../../../topology/model.js'
import type { KeptChange } from '../../kept.js'
import { contains } from '../../router/addresses.js'
import '../events.js'
import { type Entry6, type LeaseBook6, lease6Key, type StoredLease6 } from './book.js'
import { addressBytes, isStateful, type Served6 } from './scope.js'

export interface Question6 {
  readonly message: Dhcp6Message
  readonly served: Served6
  readonly at: PortRef
  /** MAC and link-local address of who sent it. */
  readonly sender: number
  readonly source: bigint
  readonly name?: string | undefined
}

export interface Dhcp6World {
  readonly clock: Clock
  answer(question: Question6, frame: Uint8Array): void
  keep(changes: readonly KeptChange[]): Promise<number | undefined>
  /** Another host is known to have the address. */
  isUsed(question: Question6, ip: bigint): boolean
  leased(lease: StoredLease6, seconds: number): void
  tell(event: LimitedEvent): void
}

// biome-ignore format: a table
const status = { success: 0, noAddresses: 2, noBinding: 3, notOnLink: 4, noPrefix: 6 } as const
const asideMillis = 600_000
/** Identity associations of one message. */
const mostAssociations = 4
const mostBusy = 4_096

interface Association {
  readonly id: string
  readonly iaid: Uint8Array
  readonly addresses: readonly bigint[]
}

export class Dhcp6Server {
  readonly #book: LeaseBook6
  readonly #world: Dhcp6World
  readonly #busy = new Set<number>()

  constructor(book: LeaseBook6, world: Dhcp6World) {
    this.#book = book
    this.#world = world
  }

  async receive(question: Question6): Promise<void> {
    const { sender } = question
    if (this.#busy.has(sender) || this.#busy.size >= mostBusy) return
    this.#busy.add(sender)
    try {
      await this.#handle(question)
    } finally {
      this.#busy.delete(sender)
    }
  }

  async #handle(question: Question6): Promise<void> {
    const { message, served } = question
    const { type } = message
    const duid = first(message, option.clientId)
    const server = first(message, option.serverId)
    const isOurs = server !== undefined && Buffer.compare(server, served.duid) === 0
    const isForOne = ['request', 'renew', 'release', 'decline'].includes(type)
    if (
      server === undefined ? isForOne : !isOurs || ['solicit', 'confirm', 'rebind'].includes(type)
    )
      return
    if (type === 'information') return this.#say(question, 'reply', [...served.options])
    if (duid === undefined || duid.length < 3 || duid.length > 130 || !isStateful(served)) return
    const associations = associationsOf(message)
    if (associations === undefined) return
    if (type === 'confirm') return this.#confirm(question, associations)
    if (type === 'release' || type === 'decline')
      return this.#end(question, associations, duid, type)
    const isCommitted = type !== 'solicit'
    const parts: Option6[] = []
    for (const each of associations)
      parts.push(await this.#associate(question, each, duid, isCommitted))
    for (const [code, value] of message.options)
      if (code === option.prefix)
        parts.push([code, join(value.subarray(0, 4), times(0, 0), statusOption(status.noPrefix))])
    if (parts.length === 0) return
    this.#say(question, isCommitted ? 'reply' : 'advertise', [...parts, ...served.options])
  }

  /** @returns the association with its address, or why it has none */
  async #associate(
    question: Question6,
    association: Association,
    duid: Uint8Array,
    isCommitted: boolean,
  ): Promise<Option6> {
    const { served, at, sender, message } = question
    const { number, name } = served.network
    const client = clientOf(duid, association, sender)
    const known = this.#book.ofClient(number, client)
    if (known === undefined && this.#book.countAt(at) >= served.perPort) {
      this.#world.tell({
        kind: 'dhcp-port-limited',
        network: name,
        ...at,
        reason: `hosts at this port have ${served.perPort} addresses of IPv6, the most that it may have (dhcp6.perPort)`,
      })
      return nothing(association, status.noAddresses)
    }
    const reserved = served.reserved.get(hexOf(duid)) ?? served.reserved.get(sender)
    const ip = this.#book.choose(served, client, reserved, each =>
      this.#world.isUsed(question, each),
    )
    if (ip === undefined) {
      this.#world.tell({
        kind: 'dhcp-exhausted',
        network: name,
        reason: 'no address of IPv6 is left in the range: make it longer, or the lease shorter',
      })
      return nothing(association, status.noAddresses)
    }
    const seconds = served.leaseSeconds
    if (isCommitted) {
      const fromMillis = this.#world.clock.wallMillis()
      const lease: StoredLease6 = {
        network: number,
        ip: formatIpv6(ip),
        client,
        mac: formatMac(sender),
        state: 'bound',
        fromMillis,
        untilMillis: fromMillis + seconds * 1_000,
        ...(question.name !== undefined && { name: question.name }),
        at,
      }
      const isKept = await this.#keep(this.#book.get(number, ip), lease)
      if (!isKept) return nothing(association, status.noAddresses)
      this.#world.leased(lease, seconds)
    }
    // What it had before and has no more it is to give up at once.
    const gone =
      message.type === 'renew' || message.type === 'rebind'
        ? association.addresses.filter(each => each !== ip).map(each => addressOption(each, 0))
        : []
    return [
      option.nonTemporary,
      join(
        association.iaid,
        times(Math.floor(seconds / 2), Math.floor((seconds * 4) / 5)),
        writeOptions6([addressOption(ip, seconds), ...gone]),
      ),
    ]
  }

  /** Whether addresses fit to this link; nothing is said of a question without any. */
  #confirm(question: Question6, associations: readonly Association[]): void {
    const all = associations.flatMap(({ addresses }) => addresses)
    if (all.length === 0) return
    const isOnLink = all.every(value =>
      question.served.subnets.some(each => contains(each, { version: 6, value })),
    )
    const [code, value] = statusPart(isOnLink ? status.success : status.notOnLink)
    this.#say(question, 'reply', [[code, value]])
  }

  async #end(
    question: Question6,
    associations: readonly Association[],
    duid: Uint8Array,
    type: 'release' | 'decline',
  ): Promise<void> {
    const { served, sender } = question
    const { number, name } = served.network
    const parts: Option6[] = []
    for (const association of associations) {
      const client = clientOf(duid, association, sender)
      for (const ip of association.addresses) {
        const entry = this.#book.get(number, ip)
        if (entry?.lease.client !== client || entry.lease.state !== 'bound') {
          parts.push(nothing(association, status.noBinding))
          continue
        }
        const fromMillis = this.#world.clock.wallMillis()
        const isDeclined = type === 'decline'
        const lease: StoredLease6 = {
          ...entry.lease,
          state: isDeclined ? 'declined' : 'released',
          fromMillis,
          untilMillis: fromMillis + (isDeclined ? asideMillis : 0),
        }
        if (!(await this.#keep(entry, lease))) continue
        this.#world.leased(lease, 0)
        if (isDeclined)
          this.#world.tell({
            kind: 'dhcp-declined',
            network: name,
            ip: lease.ip,
            mac: lease.mac,
            reason:
              'the client found somebody else there: it is not given to others for ten minutes',
          })
      }
    }
    this.#say(question, 'reply', [statusPart(status.success), ...parts])
  }

  async #keep(before: Entry6 | undefined, lease: StoredLease6): Promise<boolean> {
    const key = lease6Key(lease.network, BigInt(ipNumber(lease.ip)))
    try {
      const change = { key, value: lease, seen: before?.revision ?? 0 }
      const revision = await this.#world.keep([change])
      if (revision === undefined) return false
      this.#book.take(key, lease, revision)
      return true
    } catch (error) {
      this.#world.tell({
        kind: 'dhcp-not-kept',
        reason: `leases cannot be written, so none is given: ${error instanceof Error ? error.message : String(error)}`,
      })
      return false
    }
  }

  #say(question: Question6, type: Dhcp6Type, options: readonly Option6[]): void {
    const { message, served, sender, source } = question
    const client = first(message, option.clientId)
    const body = writeDhcp6({
      type,
      transaction: message.transaction,
      options: [
        ...(client === undefined ? [] : [[option.clientId, client] as const]),
        [option.serverId, served.duid],
        ...options,
      ],
    })
    this.#world.answer(
      question,
      buildFrame(
        {
          eth_src: served.mac,
          eth_dst: sender,
          eth_type: etherTypes.ipv6,
          ip_proto: ipProtocols.udp,
          ipv6_src: served.ip,
          ipv6_dst: source,
          udp_src: 547,
          udp_dst: 546,
          nw_ttl: 64,
        },
        body,
      ),
    )
  }
}

const first = ({ options }: Dhcp6Message, wanted: number): Uint8Array | undefined =>
  options.find(([code]) => code === wanted)?.[1]

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const clientOf = (duid: Uint8Array, { id }: Association, sender: number): string =>
  `${hexOf(duid)}-${id}-${sender.toString(16).padStart(12, '0')}`

const associationsOf = ({ options }: Dhcp6Message): readonly Association[] | undefined => {
  const found: Association[] = []
  for (const [code, value] of options) {
    if (code !== option.nonTemporary) continue
    const inner = value.length < 12 ? undefined : readOptions6(value.subarray(12))
    if (inner === undefined || found.length >= mostAssociations) return undefined
    const iaid = value.subarray(0, 4)
    const addresses = inner.flatMap(([kind, bytes]) =>
      kind === option.address && bytes.length >= 24 ? [addressIn(bytes)] : [],
    )
    found.push({ id: hexOf(iaid), iaid, addresses })
  }
  return found
}

const addressIn = (bytes: Uint8Array): bigint => BigInt(`0x${hexOf(bytes.subarray(0, 16))}`)

const times = (...values: readonly number[]): Uint8Array => {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index)
  return new Uint8Array(bytes)
}

const join = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))

const addressOption = (ip: bigint, seconds: number): Option6 => [
  option.address,
  join(addressBytes(ip), times(seconds, seconds)),
]

const statusPart = (code: number): Option6 => [option.status, Uint8Array.of(code >> 8, code & 255)]
const statusOption = (code: number): Uint8Array => writeOptions6([statusPart(code)])

const nothing = ({ iaid }: Association, code: number): Option6 => [
  option.nonTemporary,
  join(iaid, times(0, 0), statusOption(code)),
]
