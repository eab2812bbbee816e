/** What could not be translated as it should be: what people are told, and which connection begins anew. */
import { formatIpv4, formatIpv6, type Ip } from '../../base/addresses.js'
import type { EventNamed } from '../../base/events.js'
import type { FlushFilter } from '../../openflow/index.js'
import { ctState, type FieldValue, type Match } from '../../openflow/values.js'
import { partOf, registers } from '../../pipeline/registers.js'
import type { PuntedPacket } from '../function.js'
import './events.js'
import { type UntranslatedAt, untranslatedAt } from './tables.js'

const reasons: Readonly<Record<UntranslatedAt, string>> = {
  settle: 'it was translated otherwise before: its connection is cut',
  led: 'what it came to was published otherwise before: its connection is cut',
  back: 'it answers a connection that was translated otherwise before: it is cut',
  undo: 'it answers a connection to what was published otherwise before: it is cut',
  translate: 'it was translated otherwise before: its connection is cut',
  session: 'rules have changed while a translated datagram came in pieces: that one is lost',
}

const exhausted =
  'no address or port is free for its source: nothing of it was sent on; give the statement more addresses or ports'

export interface Failure {
  readonly event: Omit<EventNamed<'translation-failed'>, 'dpid'>
  readonly flush?: FlushFilter
}

export const failureOf = ({ value, match, fields }: PuntedPacket): Failure => {
  const at = untranslatedAt[value] ?? 'settle'
  const state = Number(match.ct_state ?? 0)
  // Of one that it could not translate Open vSwitch does not say that it is new.
  const isNew = (state & (ctState.est | ctState.snat | ctState.dnat)) === 0
  const tuple = tracked(match) ?? {
    source: textOf(fields.ip_src, fields.ipv6_src),
    destination: textOf(fields.ip_dst, fields.ipv6_dst),
    sourcePort: numberOf(fields.tcp_src ?? fields.udp_src),
    destinationPort: numberOf(fields.tcp_dst ?? fields.udp_dst),
  }
  const { source, destination, sourcePort, destinationPort } = tuple
  const event = {
    kind: 'translation-failed' as const,
    ...(source && { source }),
    ...(destination && { destination }),
    ...(sourcePort !== undefined && { sourcePort }),
    ...(destinationPort !== undefined && { destinationPort }),
    protocol: Number(fields.ip_proto ?? 0),
    reason: isNew && (at === 'settle' || at === 'led') ? exhausted : reasons[at],
  }
  if (source === undefined || destination === undefined) return { event }
  const zone = tracked(match) ? Number(match.ct_zone ?? 0) : partOf(match.reg7, registers.zone)
  const original = {
    source,
    destination,
    ...(sourcePort && { sourcePort }),
    ...(destinationPort && { destinationPort }),
  }
  return { event, ...(zone > 0 && { flush: { zone, original } }) }
}

interface Tuple {
  readonly source: Ip | undefined
  readonly destination: Ip | undefined
  readonly sourcePort: number | undefined
  readonly destinationPort: number | undefined
}

/** The connection as it was opened, where the switch says so. */
const tracked = (match: Match): Tuple | undefined => {
  const source = textOf(match.ct_nw_src, match.ct_ipv6_src)
  if (source === undefined) return undefined
  const hasPorts = [6, 17].includes(Number(match.ct_nw_proto ?? 0))
  return {
    source,
    destination: textOf(match.ct_nw_dst, match.ct_ipv6_dst),
    sourcePort: hasPorts ? numberOf(match.ct_tp_src) : undefined,
    destinationPort: hasPorts ? numberOf(match.ct_tp_dst) : undefined,
  }
}

type Value = Match[keyof Match]

const numberOf = (value: Value): number | undefined =>
  typeof value === 'number' ? value : undefined

const textOf = (v4: Value, v6: Value): Ip | undefined => {
  const [four, six] = [plain(v4), plain(v6)]
  if (four !== undefined && Number(four) !== 0) return formatIpv4(Number(four))
  return six !== undefined && BigInt(six) !== 0n ? formatIpv6(BigInt(six)) : undefined
}

const plain = (value: Value): FieldValue | undefined =>
  typeof value !== 'object' ? value : 'value' in value ? value.value : undefined
