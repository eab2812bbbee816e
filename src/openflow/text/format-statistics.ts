/** Multipart messages as `ofp-print` writes them. */
import type { Received, ReceivedOf } from '../messages/index.js'
import { ports } from '../values.js'
import {
  formatDuration,
  formatFlow,
  formatGroup,
  formatGroupId,
  formatMeter,
  formatMeterFlags,
  formatMeterId,
} from './format-flow.js'
import { formatMatch, formatPort } from './format-match.js'
import {
  formatPortDescription,
  formatPortStats,
  formatQueue,
  formatQueueStats,
  notCounted,
} from './format-port.js'
import { formatActionBitmap, formatTableFeatures, formatTableStats } from './format-tables.js'

/** What comes behind the head; undefined when the message is none of these. */
export const formatStatistics = (message: Received): string | undefined =>
  message.kind.endsWith('-request') ? formatRequest(message) : formatReply(message)

const formatRequest = (message: Received): string | undefined => {
  switch (message.kind) {
    case 'flow-stats-request':
    case 'aggregate-stats-request':
      return formatFilter(message)
    case 'port-stats-request':
      return ` port_no=${formatPort(message.port)}`
    case 'queue-stats-request':
      return ` port=${formatPort(message.port)} queue=${formatQueue(message.queue)}`
    case 'group-stats-request':
      return ` group_id=${formatGroupId(message.groupId)}`
    case 'group-desc-request':
      return ' group_id=ALL'
    case 'port-desc-request':
      return ' port=ANY'
    case 'meter-stats-request':
    case 'meter-config-request':
      return ` meter=${formatMeterId(message.meterId)}`
    case 'table-features-request':
      return formatTableFeatures(message.entries)
    default:
      return undefined
  }
}

const formatFilter = (
  message: ReceivedOf<'flow-stats-request'> | ReceivedOf<'aggregate-stats-request'>,
): string => {
  const parts: string[] = []
  if (message.tableId !== 0xff) parts.push(` table=${message.tableId}`)
  if (message.outPort !== ports.any) parts.push(` out_port=${formatPort(message.outPort)}`)
  const rule = formatMatch(message.match)
  return [...parts, ...(rule ? [` ${rule}`] : [])].join('')
}

const formatReply = (message: Received): string | undefined => {
  switch (message.kind) {
    case 'desc-reply':
      return `\nManufacturer: ${message.manufacturer}\nHardware: ${message.hardware}\nSoftware: ${message.software}\nSerial Num: ${message.serialNumber}\nDP Description: ${message.datapath}`
    case 'flow-stats-reply':
      return message.entries.map(entry => `\n ${formatFlow(entry)}`).join('')
    case 'aggregate-stats-reply':
      return ` packet_count=${message.packetCount} byte_count=${message.byteCount} flow_count=${message.flowCount}`
    case 'table-stats-reply':
      return formatTableStats(message.entries)
    case 'port-stats-reply':
      return [` ${message.entries.length} ports`, ...message.entries.map(formatPortStats)].join(
        '\n',
      )
    case 'port-desc-reply':
      return [...message.entries]
        .sort((a, b) => a.port - b.port)
        .map(port => `\n ${formatPortDescription(port)}`)
        .join('')
    case 'queue-stats-reply':
      return [` ${message.entries.length} queues`, ...message.entries.map(formatQueueStats)].join(
        '\n',
      )
    case 'group-stats-reply':
      return message.entries.map(formatGroupStats).join('')
    case 'group-desc-reply':
      return message.entries.map(entry => `\n ${formatGroup(entry)}`).join('')
    case 'group-features-reply':
      return formatGroupFeatures(message)
    case 'meter-stats-reply':
      return message.entries.map(formatMeterStats).join('\n')
    case 'meter-config-reply':
      return message.entries.map(entry => `\n${formatMeter(entry)}`).join('\n')
    case 'meter-features-reply':
      return `\nmax_meter:${message.maxMeters} max_bands:${message.maxBands} max_color:${message.maxColours}\nband_types: ${formatBandTypes(message.bandTypes)}\ncapabilities: ${formatMeterFlags(message.capabilities, '') || '0'}`
    case 'table-features-reply':
      return formatTableFeatures(message.entries)
    default:
      return undefined
  }
}

const formatGroupStats = (entry: ReceivedOf<'group-stats-reply'>['entries'][number]): string => {
  const buckets = entry.buckets.map(({ packetCount, byteCount }, index) =>
    packetCount === notCounted
      ? ''
      : `,bucket${index}:packet_count=${packetCount},byte_count=${byteCount}`,
  )
  return `\n group_id=${entry.groupId},duration=${formatDuration(entry.durationSeconds, entry.durationNanoseconds)},ref_count=${entry.referenceCount},packet_count=${entry.packetCount},byte_count=${entry.byteCount}${buckets.join('')}`
}

const groupKinds = ['all', 'select', 'indirect', 'fast failover'] as const

const formatGroupFeatures = (message: ReceivedOf<'group-features-reply'>): string =>
  [
    '\n Group table:',
    `    Types:  0x${message.types.toString(16)}`,
    `    Capabilities:  0x${message.capabilities.toString(16)}`,
    ...groupKinds.flatMap((name, index) =>
      (message.types >>> index) & 1
        ? [
            `    ${name} group:`,
            `       max_groups=0x${message.maxGroups[index]!.toString(16)}`,
            `       actions: ${formatActionBitmap(message.actions[index]!)}`,
          ]
        : [],
    ),
  ].join('\n')

const formatMeterStats = (entry: ReceivedOf<'meter-stats-reply'>['entries'][number]): string =>
  [
    `\nmeter:${formatMeterId(entry.meterId)} flow_count:${entry.flowCount} packet_in_count:${entry.packetCount} byte_in_count:${entry.byteCount} duration:${formatDuration(entry.durationSeconds, entry.durationNanoseconds)} bands:`,
    ...entry.bands.map(
      (band, index) => `${index}: packet_count:${band.packetCount} byte_count:${band.byteCount}`,
    ),
  ].join('\n')

const formatBandTypes = (types: number): string => {
  const words: string[] = []
  if (types & 2) words.push('drop')
  if (types & 4) words.push('dscp_remark')
  const others = (types & ~6) >>> 0
  if (others) words.push(`0x${others.toString(16)}`)
  return words.join(' ') || '0'
}
