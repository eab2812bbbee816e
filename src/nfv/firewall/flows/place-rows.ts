/**
 * Rows of the table `counted`: one for each connection that holds a place among those of a rule with `max`. The
 * controller writes them outside of the compiled program, so they carry a namespace of their own in the cookie:
 *
 *     [16 namespace 0x5148][15 nothing][1 half-open][32 rule]
 *
 * A row ends when nothing of its connection has come by for its idle time, soon after a FIN or RST; the switch says so.
 */
import { formatIpv4, formatIpv6, ipNumber } from '../../../base/addresses.js'
import { flowFlags, type Message } from '../../../openflow/index.js'
import type { Action, Match } from '../../../openflow/values.js'
import type { Connection } from '../../../pipeline/connection.js'
import { bitsEqual, load, registers } from '../../../pipeline/registers.js'
import { tableId } from '../../../pipeline/tables.js'
import { writeUserdata } from '../../../pipeline/userdata.js'
import { slotIn } from '../../../pipeline/zones.js'
import { inWireOrder } from './rule-flows.js'
import { ipVersions, isTracked, state } from './tables.js'

export const placeNamespace = 0x5148n
const namespaceMask = 0xffff_0000_0000_0000n

export const isPlaceCookie = (cookie: bigint): boolean => cookie >> 48n === placeNamespace

const cookieOf = (ruleId: number, isHalfOpen: boolean): bigint =>
  (placeNamespace << 48n) | (BigInt(isHalfOpen) << 32n) | BigInt(ruleId)

/** The connection by its original tuple, in a zone. */
export interface CountedConnection extends Connection {
  readonly zone: number
}

/** Names a connection on its switch. */
export const placeKey = (one: CountedConnection): string => `${one.zone} ${tupleOf(one)}`

/** Names a connection on whichever switch. */
export const connectionKey = (one: CountedConnection): string =>
  `${slotIn(one.zone)} ${tupleOf(one)}`

const tupleOf = (one: CountedConnection): string =>
  `${one.protocol} ${one.source} ${one.sourcePort} ${one.destination} ${one.destinationPort}`

/** Seconds without a packet until a place is free: an open TCP connection (RFC 5382 section 5), one that is not open yet, others. */
export const idleSeconds = { open: 7_440, halfOpen: 30, other: 60 } as const
/** Behind a FIN or RST. */
export const finSeconds = 5

const [rowPriority, reportPriority] = [10, 20]
const tcp = 6
/** The third segment of a handshake, and all that follow. */
const confirming = { value: 0x10, mask: 0x16 } as const

/** The connection that a row stands for. */
const matchOf = (one: CountedConnection, more: Match): Match => {
  const isV4 = !one.source.includes(':')
  const hasPorts = [1, 6, 17, 58].includes(one.protocol)
  return inWireOrder({
    eth_type: ipVersions[isV4 ? 4 : 6],
    reg7: bitsEqual([registers.zone, one.zone]),
    ct_state: isTracked,
    ct_nw_proto: one.protocol,
    ...(isV4
      ? { ct_nw_src: ipNumber(one.source), ct_nw_dst: ipNumber(one.destination) }
      : { ct_ipv6_src: ipNumber(one.source), ct_ipv6_dst: ipNumber(one.destination) }),
    ...(hasPorts && { ct_tp_src: one.sourcePort, ct_tp_dst: one.destinationPort }),
    ...more,
  })
}

/** Gives the connection its place; what it had before is replaced. */
export const placeRows = (
  one: CountedConnection,
  ruleId: number,
  isHalfOpen: boolean,
): readonly Message[] => {
  const isTcp = one.protocol === tcp
  const mark = load(registers.admitted, ruleId)
  const fin: Action = { kind: 'fin_timeout', idleTimeout: finSeconds, hardTimeout: 0 }
  const row: Message = {
    kind: 'flow-mod',
    command: 'add',
    tableId: tableId.counted,
    priority: rowPriority,
    cookie: cookieOf(ruleId, isHalfOpen),
    idleTimeout: isHalfOpen ? idleSeconds.halfOpen : isTcp ? idleSeconds.open : idleSeconds.other,
    flags: flowFlags.sendFlowRemoved,
    match: matchOf(one, isTcp ? { ip_proto: tcp } : {}),
    instructions: [{ kind: 'apply-actions', actions: isTcp ? [fin, mark] : [mark] }],
  }
  if (!isTcp) return [row]
  const report = reportOf(one)
  const isThere = isHalfOpen
    ? { ...report, command: 'add' as const, ...reportOptions(ruleId, [fin, mark]) }
    : { ...report, command: 'delete-strict' as const }
  return [row, isThere]
}

/** Sends a copy of the segment that confirms the handshake, until the place is that of an open connection. */
const reportOf = (one: CountedConnection) => ({
  kind: 'flow-mod' as const,
  tableId: tableId.counted,
  priority: reportPriority,
  match: matchOf(one, {
    ip_proto: tcp,
    tcp_flags: confirming,
    ct_state: state(['est', 'trk'], ['inv', 'rpl']),
  }),
})

const reportOptions = (ruleId: number, marks: readonly Action[]) => ({
  cookie: cookieOf(ruleId, true),
  idleTimeout: idleSeconds.halfOpen,
  instructions: [
    {
      kind: 'apply-actions' as const,
      actions: [
        ...marks,
        {
          kind: 'controller' as const,
          maxLength: 128,
          userdata: writeUserdata('opened', ruleId),
        },
      ],
    },
  ],
})

/** Takes the place away. */
export const removePlace = (one: CountedConnection): readonly Message[] => {
  const isTcp = one.protocol === tcp
  const row: Message = {
    kind: 'flow-mod',
    command: 'delete-strict',
    tableId: tableId.counted,
    priority: rowPriority,
    match: matchOf(one, isTcp ? { ip_proto: tcp } : {}),
  }
  return isTcp ? [row, { ...reportOf(one), command: 'delete-strict' }] : [row]
}

/** What to ask a switch for, to know all places that it holds. */
export const placesRequest: Message = {
  kind: 'flow-stats-request',
  tableId: tableId.counted,
  cookie: placeNamespace << 48n,
  cookieMask: namespaceMask,
  match: {},
}

/** What a row says; undefined for rows that are no places, and those that only report. */
export const readPlace = (row: {
  readonly tableId: number
  readonly priority: number
  readonly cookie: bigint
  readonly match: Match
}):
  | { readonly one: CountedConnection; readonly ruleId: number; readonly isHalfOpen: boolean }
  | undefined => {
  if (row.tableId !== tableId.counted || row.priority !== rowPriority) return undefined
  const one = isPlaceCookie(row.cookie) ? countedOf(row.match) : undefined
  if (one === undefined) return undefined
  return {
    one,
    ruleId: Number(row.cookie & 0xffff_ffffn),
    isHalfOpen: ((row.cookie >> 32n) & 1n) === 1n,
  }
}

/** The connection that a match or a packet sent up is of, by what the switch tracks; undefined when it does not. */
export const countedOf = (match: Match): CountedConnection | undefined => {
  const { ct_nw_src: v4, ct_ipv6_src: v6, ct_nw_dst, ct_ipv6_dst } = match
  const [source, destination] =
    typeof v4 === 'number' && typeof ct_nw_dst === 'number'
      ? [formatIpv4(v4), formatIpv4(ct_nw_dst)]
      : typeof v6 === 'bigint' && typeof ct_ipv6_dst === 'bigint'
        ? [formatIpv6(v6), formatIpv6(ct_ipv6_dst)]
        : []
  if (source === undefined || destination === undefined) return undefined
  const protocol = plainNumber(match.ct_nw_proto)
  const hasPorts = [1, 6, 17, 58].includes(protocol)
  return {
    zone: plainNumber(match.reg7) & 0xffff,
    protocol,
    source,
    destination,
    sourcePort: hasPorts ? plainNumber(match.ct_tp_src) : 0,
    destinationPort: hasPorts ? plainNumber(match.ct_tp_dst) : 0,
  }
}

/** A field that a switch says in full; 0 when it says nothing. */
export const plainNumber = (value: Match[keyof Match]): number => {
  const plain = typeof value === 'object' && 'value' in value ? value.value : value
  return typeof plain === 'number' ? plain : 0
}
