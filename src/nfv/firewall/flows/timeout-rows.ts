/**
 * Rows that look a connection up where it may be, when services have timeouts:
 *
 *     track ──> services ── no timeout ─────────── ct(zone of the network) ──────────────────────> session
 *                  │ ports that have or had one, pieces of datagrams, ICMP errors
 *                  v
 *               zones ── ct(zone of its timeout) ──> zones ── known ─────────────────────────────> session
 *                  ^                                   │ not known
 *                  └── ct(next zone it may be in) <────┘ none left: ct(zone of its timeout) ─────> session
 *
 * So what was opened before its ports got a timeout, and what was opened by a datagram in pieces, of which only the first
 * shows its ports, goes on where it is. Only what is not known where it should be is looked for elsewhere: first packets.
 */

import type { Match } from '../../../openflow/values.js'
import { etherTypes, ipProtocols } from '../../../pipeline/packet.js'
import { type Flow, flow, type Origin, type Section, section } from '../../../pipeline/program.js'
import { bitsEqual, load, registers } from '../../../pipeline/registers.js'
import { type TableName, tableId } from '../../../pipeline/tables.js'
import { slotOf } from '../../../pipeline/zones.js'
import { masksOf, subtractPorts } from '../meaning/ports.js'
import type { TimedProtocol } from '../meaning/resolved.js'
import { maxTimeoutsOfPieces, portsBy, timedProtocols } from '../meaning/timeouts.js'
import { formatSpan } from '../text/times.js'
import { state, toSession } from './tables.js'
import type { TimedZone, TimeoutBook } from './timeout-zones.js'

const origin: Origin = { kind: 'base', name: 'timeouts' }

/** The zone of the network first, then all others; each timeout has the order of its own zone. */
const searchOrder = 0xff
/**
 * Of pieces of datagrams: the zones of timeouts of their protocol, and that of the network last, where they are new then.
 * Open vSwitch takes a packet through six ct() at most, and pieces that open a connection go through three more
 * (pieces.ts): so there are two such timeouts at most (timeouts.ts), and zones that nobody uses any more only as far as
 * there is room.
 */
const pieceOrder: Readonly<Record<TimedProtocol, number>> = { tcp: 0xfd, udp: 0xfe }
const orderOf = (at: number): number => at + 1

export const timeoutSections = (book: TimeoutBook): Section[] => [
  section('firewall/services', { flows: serviceRows(book.zones) }),
  section('firewall/zones', { flows: zoneRows(book) }),
]

const ipTypes = [etherTypes.ipv4, etherTypes.ipv6] as const

const goOn = (order: number) => ({
  actions: [load(registers.zoneOrder, order)],
  goto: 'zones' as const,
})

const serviceRows = (zones: readonly TimedZone[]): Flow[] => {
  const search = goOn(searchOrder)
  const piece = 'a piece of a datagram: only the first shows its ports'
  const error = 'an ICMP error: the ports of its connection are inside of it'
  // What few ports have comes first: a client's port is taken from many.
  const bySize = zones
    .map(({ ports, seconds }, at) => ({ ports, at, seconds, size: sizeOf(ports) }))
    .sort((a, b) => a.size - b.size || a.at - b.at)
  return [
    ...usedBy(zones).flatMap(protocol =>
      piecesOf(protocol).map(match =>
        flow('services', 100, match, goOn(pieceOrder[protocol]), piece, origin),
      ),
    ),
    ...errors.map(match => flow('services', 100, match, search, error, origin)),
    ...bySize.flatMap(({ ports, at, seconds }, rank) =>
      portRows(ports, 90 - rank, orderOf(at), `timeout ${formatSpan(seconds)}`),
    ),
    ...portRows(formerPorts(zones), 10, searchOrder, 'ports that had a timeout'),
    ...ipTypes.map(eth_type =>
      flow('services', 1, { eth_type }, { actions: [toSession] }, 'no timeout of its own', origin),
    ),
    flow('services', 0, {}, {}, 'only IP has sessions', origin),
  ]
}

const anyPiece = { value: 1, mask: 1 }

/**
 * Pieces that look into the zones of a protocol's timeouts. All of a datagram must look into the same ones, and later pieces
 * of IPv6 do not say their protocol to flows: Open vSwitch calls it 44, the fragment header (ovs-fields(7), `ip_proto`). So
 * all of IPv6 look where those of UDP do; TCP over IPv6 is not sent in pieces.
 */
const piecesOf = (protocol: TimedProtocol): readonly Match[] => [
  { eth_type: etherTypes.ipv4, ip_proto: ipProtocols[protocol], ip_frag: anyPiece },
  ...(protocol === 'udp' ? [{ eth_type: etherTypes.ipv6, ip_frag: anyPiece }] : []),
]

/** RFC 792, RFC 4443: those that quote the packet they are about. */
const errors: readonly Match[] = [
  ...[3, 4, 5, 11, 12].map(icmp_type => ({
    eth_type: etherTypes.ipv4,
    ip_proto: ipProtocols.icmp,
    icmp_type,
  })),
  ...[1, 2, 3, 4].map(icmpv6_type => ({
    eth_type: etherTypes.ipv6,
    ip_proto: ipProtocols.icmpv6,
    icmpv6_type,
  })),
]

type Ports = TimedZone['ports']

const sizeOf = (ports: Ports): number =>
  Object.values(ports)
    .flat()
    .reduce((sum, { from, to }) => sum + to - from + 1, 0)

const usedBy = (zones: readonly TimedZone[]): TimedProtocol[] =>
  timedProtocols.filter(protocol => zones.some(({ portsEver }) => portsEver[protocol]))

const formerPorts = (zones: readonly TimedZone[]): Ports =>
  portsBy(protocol =>
    subtractPorts(
      zones.flatMap(({ portsEver }) => portsEver[protocol] ?? []),
      zones.flatMap(({ ports }) => ports[protocol] ?? []),
    ),
  )

/** The ports at either end. */
const portRows = (ports: Ports, priority: number, order: number, because: string): Flow[] =>
  timedProtocols.flatMap(protocol =>
    masksOf(ports[protocol] ?? []).flatMap(({ value, mask }) =>
      (mask === 0 ? [undefined] : (['dst', 'src'] as const)).flatMap(side =>
        ipTypes.map(eth_type => {
          const match = {
            eth_type,
            ip_proto: ipProtocols[protocol],
            ...(side && { [`${protocol}_${side}`]: mask === 0xffff ? value : { value, mask } }),
          }
          return flow('services', priority, match, goOn(order), because, origin)
        }),
      ),
    ),
  )

const zoneRows = ({ networks, domains = {}, zones }: TimeoutBook): Flow[] => {
  const isKnown = state(['trk'], ['new', 'inv'])
  const isAgreedUpon = state(['trk', 'new', 'rel'], ['inv'])
  return [
    flow(
      'zones',
      110,
      { ct_state: state(['inv'], ['trk']) },
      {},
      'a piece of a datagram that never was whole',
      origin,
    ),
    flow('zones', 100, { ct_state: isKnown }, { goto: 'session' }, 'it is in this zone', origin),
    flow(
      'zones',
      99,
      { ct_state: isAgreedUpon },
      { goto: 'session' },
      'one of this zone has agreed upon it',
      origin,
    ),
    ...networks.flatMap(network => {
      const domain = domains[network]
      const rowsOf = (zonesOf: number, router?: number) =>
        ordersOf(zonesOf, zones).flatMap(([order, looks]) => lookUps(network, order, looks, router))
      return domain === undefined
        ? rowsOf(network)
        : [...rowsOf(network, 0), ...rowsOf(domain, domain)]
    }),
    ...ipTypes.map(eth_type =>
      flow(
        'zones',
        1,
        { eth_type },
        { actions: [toSession] },
        'no zone was left for this timeout',
        origin,
      ),
    ),
    flow('zones', 0, {}, {}, 'only IP has sessions', origin),
  ]
}

/** The slots to look into, by order; a network that got none for a timeout looks where it has one. */
const ordersOf = (
  network: number,
  zones: readonly TimedZone[],
): [order: number, looks: readonly number[]][] => {
  const base = slotOf(network)
  const all = [base, ...zones.flatMap(({ slots }) => slots[network] ?? [])]
  return [
    [searchOrder, andAgain(all)],
    ...usedBy(zones).map((protocol): [number, readonly number[]] => {
      const own = zones.filter(({ portsEver }) => portsEver[protocol])
      const latest = own.sort(
        (a, b) => Number(a.unused > 0) - Number(b.unused > 0) || b.unused - a.unused,
      )
      const slots = latest.slice(0, maxTimeoutsOfPieces).flatMap(each => each.slots[network] ?? [])
      return [pieceOrder[protocol], [...slots, base]]
    }),
    ...zones.map(({ slots }, at): [number, readonly number[]] => {
      const first = slots[network] ?? base
      return [orderOf(at), andAgain([first, ...all.filter(slot => slot !== first)])]
    }),
  ]
}

/** One look into each zone, then into the first again: there it is new, or nowhere. */
const andAgain = (slots: readonly number[]): readonly number[] =>
  slots.length === 1 ? slots : [...slots, slots[0]!]

/** @param router of what a router has passed on its domain, 0 of other packets; absent: of both */
const lookUps = (
  network: number,
  order: number,
  looks: readonly number[],
  router?: number,
): Flow[] =>
  looks.flatMap((slot, seen) => {
    const isLast = seen === looks.length - 1
    const table: TableName = isLast ? 'session' : 'zones'
    const actions = [
      load(registers.zoneSlot, slot),
      load(registers.zonesSeen, seen + 1),
      { kind: 'ct', zone: registers.zone, table: tableId[table] } as const,
    ]
    const because = isLast
      ? 'it is in no other zone'
      : `the ${seen === 0 ? 'first' : 'next'} zone it may be in`
    return ipTypes.map(eth_type => {
      const match = {
        eth_type,
        reg0: bitsEqual([registers.network, network]),
        reg9: bitsEqual(
          [registers.zoneOrder, order],
          [registers.zonesSeen, seen],
          ...(router === undefined ? [] : ([[registers.router, router]] as const)),
        ),
      }
      return flow('zones', 50, match, { actions }, because, origin)
    })
  })
