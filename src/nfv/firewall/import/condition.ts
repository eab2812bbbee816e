/** Conditions of a rule as they are read: each narrows the boxes, says something that cannot be said, or both. */
import {
  type Cidr,
  formatCidr,
  ipv4Mask,
  parseCidr,
  parseIpv4,
  parseIpv6,
} from '../../../base/addresses.js'
import {
  type AddressSet,
  everyAddress,
  isEmpty,
  noAddress,
  type Range,
  setOfCidr,
  setOfRange,
  subtract,
  union,
} from '../meaning/address-set.js'
import {
  type Box,
  type End,
  everyPort,
  everything,
  intersect,
  only,
  otherRanges,
  sorted,
} from './box.js'
import type { Match, State } from './chains.js'
import { states } from './chains.js'
import { icmpNumbers, portNumber, protocolNumber } from './numbers.js'

/** A word that the source's own tool would refuse, or that we do not know. */
export class NotUnderstood extends Error {}

export type Direction = 'from' | 'to'

export class Condition {
  #boxes: readonly Box[] = [everything]
  #states: ReadonlySet<State> | undefined
  readonly unsaid: string[] = []
  /** What was left away, since it changes nothing. */
  readonly remarks: string[] = []

  get match(): Match {
    return { boxes: this.#boxes, states: this.#states, unsaid: [...this.unsaid] }
  }

  /** A packet is of one of these boxes as well. */
  and(boxes: readonly Box[]): void {
    this.#boxes = this.#boxes.flatMap(one => boxes.flatMap(other => intersect(one, other) ?? []))
  }

  never(): void {
    this.#boxes = []
  }

  /** A packet that opens a connection is never so. */
  neverOpening(what: string): void {
    this.remarks.push(what)
    this.never()
  }

  unsayable(what: string): void {
    this.unsaid.push(what)
  }

  addresses(direction: Direction, set: AddressSet, isNot = false): void {
    const addresses = isNot ? otherAddresses(set) : set
    if (isEmpty(addresses)) return this.never()
    this.and([{ ...everything, [direction]: { addresses, zones: [] } satisfies End }])
  }

  zone(direction: Direction, zone: string, isNot: boolean): void {
    const end: End = { addresses: everyAddress, zones: [{ zone, isNot }] }
    this.and([{ ...everything, [direction]: end }])
  }

  protocols(protocols: readonly Range<number>[], isNot = false): void {
    const wanted = isNot ? otherRanges(protocols, 255) : sorted(protocols)
    if (wanted.length === 0) return this.never()
    this.and([{ ...everything, protocols: wanted }])
  }

  /** @param protocols those whose ports are meant */
  ports(
    field: 'sourcePorts' | 'destinationPorts',
    ports: readonly Range<number>[],
    protocols: readonly Range<number>[],
    isNot = false,
  ): void {
    const wanted = isNot ? otherRanges(ports, 65_535) : sorted(ports)
    if (wanted.length === 0) return this.never()
    this.and([{ ...everything, protocols, [field]: wanted }])
  }

  icmp(version: 4 | 6, types: readonly Range<number>[], isNot = false): void {
    const protocol = only(version === 4 ? 1 : 58)
    const wanted = isNot ? otherRanges(types, 65_535) : sorted(types)
    if (wanted.length === 0) return this.never()
    this.and([{ ...everything, protocols: protocol, destinationPorts: wanted }])
  }

  states(wanted: Iterable<State>, isNot = false): void {
    const named = new Set(wanted)
    const found = states.filter(
      state => named.has(state) !== isNot && (this.#states?.has(state) ?? true),
    )
    this.#states = new Set(found)
  }

  /** The protocols that are left. */
  get protocolsLeft(): readonly Range<number>[] {
    return this.#boxes.length === 1 ? this.#boxes[0]!.protocols : []
  }
}

/** All others of the same version, or versions: `!=` of an IPv4 address says nothing of IPv6. */
const otherAddresses = (set: AddressSet): AddressSet => ({
  v4: set.v4.length > 0 ? subtract({ v4: everyAddress.v4, v6: [] }, set).v4 : [],
  v6: set.v6.length > 0 ? subtract({ v4: [], v6: everyAddress.v6 }, set).v6 : [],
})

/** Ports of TCP, UDP, DCCP, SCTP and UDP-Lite stand in the same place. */
export const protocolsWithPorts: readonly Range<number>[] = [6, 17, 33, 132, 136].map(value => ({
  first: value,
  last: value,
}))

/** `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `a-b`, one address. @throws {NotUnderstood} */
export const addressesOf = (text: string): AddressSet => {
  const [first = '', last] = text.split('-')
  if (last !== undefined) return rangeOf(first, last)
  const cidr = parseCidr(text) ?? dotted(text)
  if (cidr === undefined) throw new NotUnderstood(`"${text}" is no address`)
  return setOfCidr(cidr)
}

const rangeOf = (first: string, last: string): AddressSet => {
  const [a4, b4] = [parseIpv4(first), parseIpv4(last)]
  if (a4 !== undefined && b4 !== undefined) return a4 <= b4 ? setOfRange(4, a4, b4) : noAddress
  const [a6, b6] = [parseIpv6(first), parseIpv6(last)]
  if (a6 === undefined || b6 === undefined)
    throw new NotUnderstood(`"${first}-${last}" is no range of addresses`)
  return a6 <= b6 ? setOfRange(6, a6, b6) : noAddress
}

/** An address with its mask written out; undefined where the mask has holes. */
const dotted = (text: string): Cidr | undefined => {
  const [host = '', mask = ''] = text.split('/')
  const [address, bits] = [parseIpv4(host), parseIpv4(mask)]
  if (address === undefined || bits === undefined) return undefined
  for (let length = 0; length <= 32; length++)
    if (ipv4Mask(length) === bits) return { version: 4, address: (address & bits) >>> 0, length }
  throw new NotUnderstood(`the mask ${mask} has holes`)
}

export const unionOf = (texts: readonly string[]): AddressSet =>
  texts.length === 0 ? noAddress : union(texts.map(addressesOf))

/** `80`, `http`, `1024:2048`, `1024-2048`, `:1023`, `1024:`. @throws {NotUnderstood} */
export const portsOf = (text: string): Range<number> => {
  const whole = portNumber(text)
  if (whole !== undefined) return { first: whole, last: whole }
  const split = text.includes(':') ? ':' : '-'
  const parts = text.split(split)
  const [first = '', last = ''] = parts
  const from = first === '' ? 0 : portNumber(first)
  const to = last === '' ? 65_535 : portNumber(last)
  if (parts.length !== 2 || from === undefined || to === undefined)
    throw new NotUnderstood(`"${text}" is no port`)
  return { first: from, last: to }
}

/** @throws {NotUnderstood} */
export const protocolOf = (text: string): Range<number> => {
  const number = protocolNumber(text)
  if (number === undefined) throw new NotUnderstood(`"${text}" is no protocol`)
  return { first: number, last: number }
}

/** A type, or a type and a code, as type * 256 + code. @throws {NotUnderstood} */
export const icmpOf = (version: 4 | 6, text: string): readonly Range<number>[] => {
  if (text === 'any') return everyPort
  const found = icmpNumbers(version, text)
  if (found === undefined) throw new NotUnderstood(`"${text}" is no type of ICMP`)
  const first = found.type * 256 + (found.code ?? 0)
  return [{ first, last: found.code === undefined ? first + 255 : first }]
}

/** What is known behind an interface: addresses, or the name of a zone. */
export const behind = (value: string): AddressSet | string => {
  const words = value.split(',').map(word => word.trim())
  return words.every(word => parseCidr(word) !== undefined) ? unionOf(words) : value
}

export { formatCidr }
