/** Flows, groups and meters as `ovs-ofctl dump-flows`, `dump-groups`, `dump-meters` print them. */
import type { GroupDescription, MeterConfig } from '../messages/index.js'
import { meterFlags } from '../messages/meter.js'
import type { Action, Bucket, Instruction, Match, MeterBand } from '../values.js'
import { formatActions } from './format-actions.js'
import { formatMatch, formatPort } from './format-match.js'

/** A flow of a switch, of a flow-mod or of a program: what is absent is not printed. */
export interface PrintableFlow {
  readonly cookie?: bigint
  readonly tableId?: number
  readonly priority?: number
  readonly idleTimeout?: number
  readonly hardTimeout?: number
  readonly flags?: number
  readonly match: Match
  readonly instructions?: readonly Instruction[]
  readonly actions?: readonly Action[]
  readonly durationSeconds?: number
  readonly durationNanoseconds?: number
  readonly packetCount?: bigint
  readonly byteCount?: bigint
}

/** A question mark where the switch does not count. */
const formatCounter = (value: bigint): string =>
  value === 0xffff_ffff_ffff_ffffn ? '?' : String(value)

const usualPriority = 0x8000

/** One flow on one line, as `dump-flows` prints it and, without counters, as `add-flow` takes it. */
export const formatFlow = (flow: PrintableFlow): string => {
  const head: string[] = []
  if (flow.cookie !== undefined) head.push(`cookie=0x${flow.cookie.toString(16)}`)
  if (flow.durationSeconds !== undefined)
    head.push(`duration=${formatDuration(flow.durationSeconds, flow.durationNanoseconds ?? 0)}`)
  if (flow.tableId !== undefined) head.push(`table=${flow.tableId}`)
  if (flow.packetCount !== undefined) head.push(`n_packets=${formatCounter(flow.packetCount)}`)
  if (flow.byteCount !== undefined) head.push(`n_bytes=${formatCounter(flow.byteCount)}`)
  if (flow.idleTimeout) head.push(`idle_timeout=${flow.idleTimeout}`)
  if (flow.hardTimeout) head.push(`hard_timeout=${flow.hardTimeout}`)
  const which = [formatFlowFlags(flow.flags ?? 0), formatRule(flow.priority, flow.match)]
  const tail = [
    which.filter(text => text !== '').join(' '),
    `actions=${formatActions(flow.instructions ?? flow.actions ?? [])}`,
  ]
  return [...head, tail.filter(text => text !== '').join(' ')].join(', ')
}

/** `priority=7,tcp`: the usual priority is left away. */
export const formatRule = (priority: number | undefined, match: Match): string => {
  const text = formatMatch(match)
  const first = priority === undefined || priority === usualPriority ? '' : `priority=${priority}`
  return first !== '' && text !== '' ? `${first},${text}` : first + text
}

// biome-ignore format: a table
const flowFlagNames = ['send_flow_rem', 'check_overlap', 'reset_counts', 'no_packet_counts', 'no_byte_counts']

export const formatFlowFlags = (flags: number): string =>
  flowFlagNames.filter((_, bit) => (flags >>> bit) & 1).join(' ')

/** `3.005s`: milliseconds where they are exact, else no more digits than needed. */
export const formatDuration = (seconds: number, nanoseconds: number): string => {
  const fraction = String(nanoseconds).padStart(9, '0')
  const milliseconds = fraction.slice(0, 3)
  if (nanoseconds === 0) return `${seconds}s`
  return nanoseconds % 1_000_000 === 0
    ? `${seconds}.${milliseconds}s`
    : `${seconds}.${fraction.replace(/0+$/, '')}s`
}

export const formatGroup = ({
  groupId,
  type,
  buckets,
}: Pick<GroupDescription, 'groupId' | 'type' | 'buckets'>): string =>
  [
    `group_id=${groupId}`,
    `type=${groupTypeNames[type]}`,
    ...buckets.map(bucket => formatBucket(bucket, type)),
  ].join(',')

const groupTypeNames = { all: 'all', select: 'select', indirect: 'indirect', ff: 'ff' } as const

export const formatGroupId = (group: number): string =>
  group === 0xffffffff ? 'ANY' : group === 0xfffffffc ? 'ALL' : String(group)

const formatBucket = (bucket: Bucket, type: string): string => {
  const parts: string[] = []
  const weight = bucket.weight ?? 0
  if (weight !== (type === 'select' ? 1 : 0)) parts.push(`weight:${weight}`)
  if (bucket.watchPort !== undefined && bucket.watchPort !== 0xffffffff)
    parts.push(`watch_port:${formatPort(bucket.watchPort)}`)
  if (bucket.watchGroup !== undefined && bucket.watchGroup !== 0xffffffff)
    parts.push(`watch_group:${formatGroupId(bucket.watchGroup)}`)
  return `bucket=${[...parts, `actions=${formatActions(bucket.actions)}`].join(',')}`
}

export const formatMeter = ({
  meterId,
  flags,
  bands,
}: Pick<MeterConfig, 'meterId' | 'flags' | 'bands'>): string =>
  `meter=${formatMeterId(meterId)} ${flags === 0 ? '' : `${formatMeterFlags(flags)} `}bands=${bands.map(band => `\n${formatBand(band, flags)}`).join('')}`

export const formatMeterId = (meter: number): string =>
  ({ 4294967293: 'slowpath', 4294967294: 'controller', 4294967295: 'all' })[meter] ??
  (meter > 0xffff0000 ? 'unknown' : String(meter))

export const formatMeterFlags = (flags: number, unknown = 'flags:'): string => {
  const words = Object.entries(meterFlags)
    .filter(([, bit]) => (flags & bit) !== 0)
    .map(([name]) => name)
  const others = (flags & ~15) >>> 0
  if (others !== 0) words.push(`${unknown}0x${others.toString(16)}`)
  return words.join(' ')
}

export const formatBand = (band: MeterBand, flags: number): string => {
  const type = band.type === 'dscp-remark' ? 'dscp_remark' : band.type
  const burst = flags & meterFlags.burst ? ` burst_size=${band.burstSize}` : ''
  const level = band.precedenceLevel === undefined ? '' : ` prec_level=${band.precedenceLevel}`
  return `type=${type} rate=${band.rate}${burst}${level}`
}
