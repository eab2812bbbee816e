/**
 * Conntrack zones for timeouts. Open vSwitch takes the timeouts of a connection from its zone, so every timeout that
 * services declare has a zone of its own in every network. A connection stays in the zone where it was opened; the book
 * remembers which ports a timeout has ever had, so that it is found there when its ports have another timeout now, or none.
 *
 * A timeout that is changed keeps its zone; one that nobody declares any more gives it to the next.
 */
import { lastSlot, slotOf } from '../../pipeline/zones.js'
import { everyPort, joinPorts, overlap } from './ports.js'
import { type TimedPorts, type TimedProtocol, type Timeout, timedProtocols } from './timeouts.js'

export interface TimedZone {
  readonly seconds: number
  /** Empty when no service declares it any more. */
  readonly ports: TimedPorts
  readonly portsEver: TimedPorts
  /** The upper bits of its zone, by the number of the network; a network that has none here got none. */
  readonly slots: Readonly<Record<number, number>>
}

/** The same object as long as it says the same. */
export interface TimeoutBook {
  readonly networks: readonly number[]
  readonly zones: readonly TimedZone[]
}

export const emptyBook: TimeoutBook = { networks: [], zones: [] }

/** @param networks numbers of the networks there are */
export const planZones = (
  before: TimeoutBook,
  timeouts: readonly Timeout[],
  networks: readonly number[],
): TimeoutBook => {
  if (before.zones.length === 0 && timeouts.length === 0) return before
  const zones = withSlots(assign(before.zones, timeouts), networks)
  const book = { networks: [...networks].sort((a, b) => a - b), zones }
  return JSON.stringify(book) === JSON.stringify(before) ? before : book
}

/** Which zone each timeout has: that of the same time, else one whose ports it has, else one that is free, else a new one. */
const assign = (before: readonly TimedZone[], timeouts: readonly Timeout[]): TimedZone[] => {
  const wanted = new Map<number, Timeout>()
  const take = (isFit: (zone: TimedZone, timeout: Timeout) => boolean) => {
    for (const timeout of timeouts) {
      if ([...wanted.values()].includes(timeout)) continue
      const at = before.findIndex((zone, at) => !wanted.has(at) && isFit(zone, timeout))
      if (at >= 0) wanted.set(at, timeout)
    }
  }
  take((zone, { seconds }) => zone.seconds === seconds)
  take((zone, { ports }) => sharePorts(zone.portsEver, ports))
  take(() => true)
  let next = before.length
  for (const timeout of timeouts)
    if (![...wanted.values()].includes(timeout)) wanted.set(next++, timeout)
  return Array.from({ length: next }, (_, at) => {
    const [zone, timeout] = [before[at], wanted.get(at)]
    if (timeout === undefined) return { ...zone!, ports: {} }
    const { seconds, ports } = timeout
    return {
      seconds,
      ports,
      portsEver: joined(zone?.portsEver ?? {}, ports),
      slots: zone?.slots ?? {},
    }
  })
}

const sharePorts = (a: TimedPorts, b: TimedPorts): boolean =>
  timedProtocols.some(protocol => overlap(a[protocol] ?? [], b[protocol] ?? []))

const joined = (a: TimedPorts, b: TimedPorts): TimedPorts => {
  const of = (protocol: TimedProtocol) => {
    const all = [...(a[protocol] ?? []), ...(b[protocol] ?? [])]
    return all.length === 0 ? undefined : (joinPorts(all) ?? everyPort)
  }
  return Object.fromEntries(
    timedProtocols.flatMap(protocol => {
      const ports = of(protocol)
      return ports === undefined ? [] : [[protocol, ports] as const]
    }),
  )
}

/** Slots stay; where one is that of a network now, or there was none, the highest that is free is taken. */
const withSlots = (zones: readonly TimedZone[], networks: readonly number[]): TimedZone[] => {
  const used = new Set(networks.map(slotOf))
  const kept = zones.map(({ slots }) => {
    const still = networks.flatMap(network => {
      const slot = slots[network]
      if (slot === undefined || used.has(slot)) return []
      used.add(slot)
      return [[network, slot] as const]
    })
    return new Map(still)
  })
  const free = Array.from({ length: lastSlot }, (_, at) => at + 1).filter(slot => !used.has(slot))
  return zones.map((zone, at) => {
    const slots = kept[at]!
    for (const network of networks) {
      if (slots.has(network)) continue
      const slot = free.pop()
      if (slot !== undefined) slots.set(network, slot)
    }
    return { ...zone, slots: Object.fromEntries([...slots].sort(([a], [b]) => a - b)) }
  })
}
