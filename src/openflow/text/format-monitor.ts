/** Flow monitors, and Nicira's older messages, as `ofp-print` writes them. */
import type { Received, ReceivedOf } from '../messages/index.js'
import { type FlowMonitor, type FlowUpdate, monitorFlags } from '../messages/monitor.js'
import { asyncProperties } from '../messages/nicira-older.js'
import { ports } from '../values.js'
import { formatActions } from './format-actions.js'
import { formatDuration, formatRule } from './format-flow.js'
import { formatMatch, formatPort } from './format-match.js'

/** What comes behind the head; undefined when the message is none of these. */
export const formatMonitorMessage = (message: Received): string | undefined => {
  switch (message.kind) {
    case 'flow-monitor-request':
    case 'nicira-monitor-request':
      return message.monitors.map(formatMonitor).join('')
    case 'flow-monitor-reply':
    case 'nicira-monitor-reply':
      return message.updates
        .map(update => `\n event=${formatUpdate(update)}`)
        .join('')
        .trimEnd()
    case 'flow-monitor-cancel':
    case 'nicira-monitor-cancel':
      return ` id=${message.monitorId}`
    case 'nicira-flow-removed':
      return formatRemoved(message)
    case 'ipfix-bridge-reply':
      return message.entries.map(entry => formatIpfix(entry, '\n  bridge ipfix: ', 16)).join('')
    case 'ipfix-flow-reply':
      return ` ${message.entries.length} ids${message.entries
        .map(entry => formatIpfix(entry, `\n  id ${String(entry.collectorSet).padStart(3)}: `, 10))
        .join('')}`
    default:
      return undefined
  }
}

const formatMonitor = ({ id, flags, outPort, tableId, match }: FlowMonitor): string => {
  const words = Object.entries(monitorFlags).filter(([, bit]) => (flags & bit) !== 0)
  const parts = [`id=${id}`, `flags=${words.map(([name]) => name).join(',') || '0'}`]
  if (outPort !== ports.any) parts.push(`out_port=${formatPort(outPort)}`)
  if (tableId !== 0xff) parts.push(`table=${tableId}`)
  const conditions = formatMatch(match)
  if (conditions) parts.push(conditions)
  return `\n ${parts.join(' ')}`
}

// biome-ignore format: a table
const removedReasons = ['idle', 'hard', 'delete', 'group_delete', 'meter_delete', 'eviction'] as const

const formatUpdate = (update: FlowUpdate): string => {
  if (update.event === 'abbreviated') return `ABBREV xid=0x${update.xid.toString(16)}`
  const parts: string[] = [update.event.toUpperCase()]
  if (update.event === 'deleted')
    parts.push(`reason=${removedReasons[update.reason] ?? update.reason}`)
  parts.push(`table=${update.tableId}`)
  if (update.idleTimeout) parts.push(`idle_timeout=${update.idleTimeout}`)
  if (update.hardTimeout) parts.push(`hard_timeout=${update.hardTimeout}`)
  parts.push(`cookie=${update.cookie === 0n ? '0' : `0x${update.cookie.toString(16)}`}`)
  const conditions = formatMatch(update.match)
  const actions = update.actions ?? update.instructions ?? []
  const what = actions.length > 0 ? `actions=${formatActions(actions)}` : ''
  // A blank stands behind the cookie even when nothing follows.
  return `${parts.join(' ')} ${conditions}${conditions && what ? ' ' : ''}${what}`
}

const formatRemoved = (message: ReceivedOf<'nicira-flow-removed'>): string => {
  const { flow, reason, tableNumber, cookie } = message
  const names: Readonly<Record<string, string>> = {
    'idle-timeout': 'idle',
    'hard-timeout': 'hard',
    delete: 'delete',
    'group-delete': 'group_delete',
    'meter-delete': 'meter_delete',
    eviction: 'eviction',
  }
  const parts = [formatRule(message.priority, flow.match), `reason=${names[reason] ?? reason}`]
  if (tableNumber !== 0) parts.push(`table_id=${tableNumber - 1}`)
  if (cookie !== 0n) parts.push(`cookie:0x${cookie.toString(16)}`)
  parts.push(
    `duration${formatDuration(message.durationSeconds, message.durationNanoseconds)}`,
    `idle${message.idleTimeout}`,
    `pkts${flow.packetCount}`,
    `bytes${flow.byteCount}`,
  )
  return ` ${parts.join(' ')}`
}

const formatIpfix = (
  entry: ReceivedOf<'ipfix-flow-reply'>['entries'][number],
  head: string,
  indent: number,
): string =>
  `${head}flows=${entry.totalFlows}, current flows=${entry.currentFlows}, sampled pkts=${entry.packets}, ipv4 ok=${entry.ipv4Packets}, ipv6 ok=${entry.ipv6Packets}, tx pkts=${entry.txPackets}\n${' '.repeat(indent)}pkts errs=${entry.errorPackets}, ipv4 errs=${entry.ipv4ErrorPackets}, ipv6 errs=${entry.ipv6ErrorPackets}, tx errs=${entry.txErrors}`

/** Masks for masters and slaves from properties of OpenFlow 1.4. */
export const masksOf = ({ properties }: ReceivedOf<'nicira-set-async2'>) => {
  const mask = (type: number): number => {
    const data = properties.find(property => property.type === type)?.data
    return data === undefined || data.length < 4
      ? 0
      : new DataView(data.buffer, data.byteOffset).getUint32(0)
  }
  const pair = (slave: number) => ({ master: mask(slave + 1), slave: mask(slave) })
  return {
    packetIn: pair(asyncProperties.packetInSlave),
    portStatus: pair(asyncProperties.portStatusSlave),
    flowRemoved: pair(asyncProperties.flowRemovedSlave),
    roleStatus: pair(asyncProperties.roleStatusSlave),
    tableStatus: pair(asyncProperties.tableStatusSlave),
    requestForward: pair(asyncProperties.requestForwardSlave),
  }
}
