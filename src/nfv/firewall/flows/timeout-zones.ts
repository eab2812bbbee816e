/**
 * Conntrack zones for timeouts. Open vSwitch takes the timeouts of a connection from its zone, so every timeout that
 * services declare has a zone of its own in every network. A connection stays in the zone where it was opened, with the
 * timeout of that zone; the book remembers which ports a timeout has ever had, so that it is found there when its ports
 * have another timeout now, or none.
 *
 * Open vSwitch forgets what a connection was to have when its zone gets another time. So a time that is new gets a zone
 * that is new, as long as there are some; then that of the time that nobody has declared for longest.
 */

import { lastSlot, slotOf } from '../../../pipeline/zones.js'
import type { TimedPorts, Timeout } from '../meaning/resolved.js'
import { portsBy } from '../meaning/timeouts.js'

export interface TimedZone {
  readonly seconds: number
  /** Empty when no service declares it any more. */
  readonly ports: TimedPorts
  readonly portsEver: TimedPorts
  /** 0 while a service declares it; then the higher the later nobody did any more. */
  readonly unused: number
  /** The upper bits of its zone, by the number of the network; a network that has none here got none. */
  readonly slots: Readonly<Record<number, number>>
}

/** The same object as long as it says the same. */
export interface TimeoutBook {
  readonly networks: readonly number[]
  /** What is routed in a network uses the zones of another one: of networks that a router joins, but the first of them. */
  readonly domains?: Readonly<Record<number, number>>
  readonly zones: readonly TimedZone[]
}

export const emptyBook: TimeoutBook = { networks: [], zones: [] }

/** Zones that a network may have: each is one more place to look for a connection that nobody knows. */
const mostZones = 8

/** @param networks numbers of the networks there are */
export const planZones = (
  before: TimeoutBook,
  timeouts: readonly Timeout[],
  networks: readonly number[],
  domains: Readonly<Record<number, number>> = {},
): TimeoutBook => {
  if (before.zones.length === 0 && timeouts.length === 0) return before
  const most = Math.min(mostZones, Math.floor(lastSlot / Math.max(1, networks.length)) - 1)
  const zones = withSlots(assign(before.zones, timeouts, most), networks)
  const book = {
    networks: [...networks].sort((a, b) => a - b),
    ...(Object.keys(domains).length > 0 && { domains }),
    zones,
  }
  return JSON.stringify(book) === JSON.stringify(before) ? before : book
}

/** True when there are more networks and timeouts than zones: some connections have no timeout of their own. */
export const isShort = ({ networks, zones }: TimeoutBook): boolean =>
  zones.some(({ unused, slots }) => unused === 0 && networks.some(each => !(each in slots)))

const assign = (
  before: readonly TimedZone[],
  timeouts: readonly Timeout[],
  most: number,
): TimedZone[] => {
  const places = placesOf(before, timeouts, most)
  const length = Math.max(before.length, ...[...places.keys()].map(at => at + 1))
  const last = Math.max(0, ...before.map(({ unused }) => unused))
  return Array.from({ length }, (_, at) => {
    const [zone, timeout] = [before[at], places.get(at)]
    if (timeout === undefined) return { ...zone!, ports: {}, unused: zone!.unused || last + 1 }
    const { seconds, ports } = timeout
    const portsEver = joined(zone?.portsEver ?? {}, ports)
    return { seconds, ports, portsEver, unused: 0, slots: zone?.slots ?? {} }
  })
}

/** Which zone each timeout has: that of the same time, else a new one, else the one that is unused for longest. */
const placesOf = (
  before: readonly TimedZone[],
  timeouts: readonly Timeout[],
  most: number,
): ReadonlyMap<number, Timeout> => {
  const places = new Map<number, Timeout>()
  const others: Timeout[] = []
  for (const timeout of timeouts) {
    const at = before.findIndex(({ seconds }) => seconds === timeout.seconds)
    if (at < 0) others.push(timeout)
    else places.set(at, timeout)
  }
  const age = ({ unused }: TimedZone) => unused || Number.MAX_SAFE_INTEGER
  const free = [...before.keys()]
    .filter(at => !places.has(at))
    .sort((a, b) => age(before[a]!) - age(before[b]!))
  let next = before.length
  for (const timeout of others) {
    const isRoom = next < most || free.length === 0
    places.set(isRoom ? next++ : free.shift()!, timeout)
  }
  return places
}

const joined = (a: TimedPorts, b: TimedPorts): TimedPorts =>
  portsBy(protocol => [...(a[protocol] ?? []), ...(b[protocol] ?? [])])

/**
 * Slots stay. Where one is that of a network now, or there was none, the highest that is free is taken; when there are no
 * others, one of a zone that nobody uses any more.
 */
const withSlots = (zones: readonly TimedZone[], networks: readonly number[]): TimedZone[] => {
  const used = new Set(networks.map(slotOf))
  const kept = ({ slots }: TimedZone): Map<number, number> => {
    const still = networks.filter(network => network in slots && !used.has(slots[network]!))
    for (const network of still) used.add(slots[network]!)
    return new Map(still.map(network => [network, slots[network]!]))
  }
  const slotsOf = new Map<TimedZone, Map<number, number>>()
  const [inUse, unused] = [
    zones.filter(zone => zone.unused === 0),
    zones.filter(zone => zone.unused > 0),
  ]
  for (const zone of inUse) slotsOf.set(zone, kept(zone))
  const old = new Set(unused.flatMap(({ slots }) => Object.values(slots)))
  const free = Array.from({ length: lastSlot }, (_, at) => at + 1)
    .filter(slot => !used.has(slot))
    .sort((a, b) => Number(old.has(b)) - Number(old.has(a)) || a - b)
  for (const slots of slotsOf.values())
    for (const network of networks) {
      const slot = slots.has(network) ? undefined : free.pop()
      if (slot !== undefined) slots.set(network, slot)
      if (slot !== undefined) used.add(slot)
    }
  for (const zone of unused) slotsOf.set(zone, kept(zone))
  return zones.map(zone => {
    const slots = [...slotsOf.get(zone)!].sort(([a], [b]) => a - b)
    return { ...zone, slots: Object.fromEntries(slots) }
  })
}
