/** Any message as `ovs-ofctl ofp-print` prints it. */
import { decode, encode, kindOf } from '../codec.js'
import { findError } from '../error-codes.js'
import type { Message, MessageKind, Received, ReceivedOf } from '../messages/index.js'
import { noBuffer } from '../messages/packet.js'
import { ports } from '../values.js'
import { DecodeError } from '../wire/decode-error.js'
import { formatActions } from './format-actions.js'
import {
  formatDuration,
  formatFlowFlags,
  formatGroup,
  formatMeter,
  formatRule,
} from './format-flow.js'
import { formatHexDump } from './format-hex.js'
import { formatPort } from './format-match.js'
import { formatMonitorMessage, masksOf } from './format-monitor.js'
import {
  formatKnown,
  formatLengths,
  formatNicira,
  formatPacketIn2,
  packetReason,
  roleNames,
} from './format-nicira.js'
import { formatPacket } from './format-packet.js'
import { formatPortDescription, formatPortMod, formatQueueConfig } from './format-port.js'
import { formatStatistics } from './format-statistics.js'
import { messageHeads } from './message-heads.js'

/** A message that is to be sent, or that came. Long ones take several lines; no newline at the end. */
export const formatMessage = (message: Message): string =>
  // What a draft leaves away is there once it has been on the wire.
  formatReceived(decode(encode(message)))

/** Messages within messages (errors, bundles, forwarded ones) are shown as octets from here on, as deep as they may be. */
const maxDepth = 8

/**
 * As `formatMessage`, for what `decode` gave.
 *
 * @param depth how many messages this one is within
 */
export const formatReceived = (message: Received, depth = 0): string => {
  const head = messageHeads[message.kind as keyof typeof messageHeads]
  if (head === undefined) return formatUnknown(message)
  const flags = formatMultipartFlags(message as { more?: boolean; otherFlags?: number })
  const version = formatVersion((message as { headerVersion?: number }).headerVersion ?? 4)
  return `${head}${version} (xid=0x${message.xid.toString(16)}):${flags}${formatBody(message, depth)}`
}

/** OpenFlow 1.0 is not said. */
const formatVersion = (version: number): string => {
  if (version === 1) return ''
  return version >= 2 && version <= 6
    ? ` (OF1.${version - 1})`
    : ` (OF 0x${version.toString(16).padStart(2, '0')})`
}

const formatMultipartFlags = ({ more, otherFlags }: { more?: boolean; otherFlags?: number }) => {
  const unknown =
    otherFlags === undefined
      ? ''
      : `[***unknown flags 0x${otherFlags.toString(16).padStart(4, '0')}***]`
  return more || unknown ? ` flags=${more ? '[more]' : ''}${unknown}` : ''
}

/** Open vSwitch knows as little of these as we do. */
const formatUnknown = (message: Received): string => {
  const error: Partial<Record<MessageKind, string>> = {
    unknown: 'OFPBRC_BAD_TYPE',
    'unknown-stats-request': 'OFPBRC_BAD_STAT',
    'unknown-stats-reply': 'OFPBRC_BAD_STAT',
  }
  return `***decode error: ${error[message.kind] ?? 'OFPBRC_BAD_VENDOR'}***\n${formatHexDump(encode(message))}`
}

const formatBody = (message: Received, depth: number): string => {
  switch (message.kind) {
    case 'hello':
      return `\n version bitmap: ${helloVersions(message)
        .map(version => `0x0${version.toString(16)}`.replace(/0x0(..)/, '0x$1'))
        .join(', ')}${unknownElements(message)}`
    case 'error':
      return formatError(message, depth)
    case 'echo-request':
    case 'echo-reply':
      return ` ${message.data.length} bytes of payload${dumped(message.data)}`
    case 'features-reply':
      return formatFeatures(message)
    case 'get-config-reply':
    case 'set-config':
      return ` frags=${fragmentNames[message.flags & 3]} miss_send_len=${message.missSendLength}`
    case 'packet-in':
    case 'nicira-packet-in':
      return formatPacketIn(message)
    case 'packet-out':
      return formatPacketOut(message)
    case 'flow-mod':
      return ` ${formatFlowMod(message)}`
    case 'flow-removed':
      return ` ${formatFlowRemoved(message)}`
    case 'group-mod':
      return `\n ${{ add: 'ADD', modify: 'MOD', delete: 'DEL' }[message.command]} ${formatGroup(message)}`
    case 'meter-mod':
      return ` ${{ add: 'ADD', modify: 'MOD', delete: 'DEL' }[message.command]} ${formatMeter(message.command === 'delete' ? { ...message, flags: 0, bands: [] } : message)}`
    case 'port-status':
      return ` ${portReasons[message.reason] ?? message.reason}: ${formatPortDescription(message.description)}`
    case 'port-mod':
      return formatPortMod(message)
    case 'table-mod':
      return message.tableId === 0xff ? ' table_id: ALL_TABLES' : ` table_id=${message.tableId}`
    case 'queue-get-config-request':
      return ` port=${formatPort(message.port)}`
    case 'queue-get-config-reply':
      if (message.queues.length === 0) return ''
      return [
        ` port=${formatPort(message.port)}`,
        ...message.queues.toSorted((a, b) => a.queue - b.queue).map(formatQueueConfig),
      ].join('\n')
    case 'role-request':
    case 'role-reply':
      return ` ${formatRole(message)}`
    case 'get-async-reply':
    case 'set-async':
    case 'nicira-set-async':
      return formatAsync(message)
    case 'nicira-set-async2':
      return formatAsync(masksOf(message), true)
    case 'request-forward':
      return formatForwarded(message.message, depth)
    case 'packet-in2':
    case 'resume':
      return formatPacketIn2(message)
    default:
      return (
        formatStatistics(message) ??
        formatNicira(message, bytes => formatInner(bytes, depth)) ??
        formatMonitorMessage(message) ??
        ''
      )
  }
}

/** Octets of a message that stands too deep within others to be read. */
const tooDeep = (bytes: Uint8Array): string => `***nested too deeply***\n${formatHexDump(bytes)}`

/** A whole message within another one. */
export const formatInner = (bytes: Uint8Array, depth: number): string => {
  if (depth >= maxDepth) return tooDeep(bytes)
  try {
    return formatReceived(decode(bytes), depth + 1)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return `***decode error: ${error.answer}***\n${formatHexDump(bytes)}`
  }
}

/** The group-mod or meter-mod of somebody else. */
const formatForwarded = (bytes: Uint8Array, depth: number): string => {
  if (depth >= maxDepth) return ` ${tooDeep(bytes)}`
  try {
    const inner = decode(bytes)
    return inner.kind === 'meter-mod'
      ? ` reason=meter_mod${formatBody(inner, depth + 1)}`
      : ` reason=group_mod${formatBody(inner, depth + 1)}`
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return ` ***decode error: ${error.answer}***\n${formatHexDump(bytes)}`
  }
}

const dumped = (bytes: Uint8Array): string =>
  bytes.length === 0 ? '' : `\n${formatHexDump(bytes)}`

/** Without a bitmap all versions up to that of the header are meant. */
const helloVersions = (message: ReceivedOf<'hello'>): readonly number[] => {
  const highest = (message as { headerVersion?: number }).headerVersion ?? 4
  return (
    message.versions.bitmap?.filter(version => version > 0) ??
    Array.from({ length: Math.min(highest, 31) }, (_, index) => index + 1)
  )
}

const unknownElements = (message: ReceivedOf<'hello'>): string =>
  message.versions.unknown.length === 0
    ? ''
    : `\n unknown data in hello:\n${formatHexDump(encode(message))}`

const fragmentNames = ['normal', 'drop', 'reassemble', 'nx-match'] as const

const portReasons: Readonly<Record<string, string>> = { add: 'ADD', delete: 'DEL', modify: 'MOD' }

const helloFailed = 0

const formatError = (
  { type, code, experimenter, data }: ReceivedOf<'error'>,
  depth: number,
): string => {
  const known = findError(type, code, experimenter)
  const numbers =
    experimenter === undefined
      ? `type ${type}, code ${code}`
      : `experimenter 0x${experimenter.toString(16)}, type ${code}`
  const name = ` ${known?.ovsName ?? `***unknown error: ${numbers}***`}`
  if (type === helloFailed) return `${name}\n${formatText(data)}`
  return `${name}\n${formatErred(data, depth)}`
}

/** Text of others, whose control characters mean nothing to a terminal any more. */
const formatText = (data: Uint8Array): string =>
  Array.from(data, octet =>
    octet >= 0x20 && octet < 0x7f && octet !== 0x5c
      ? String.fromCharCode(octet)
      : `\\${octet.toString(8).padStart(3, '0')}`,
  ).join('')

/** The request that failed, or as much as there is of it. */
const formatErred = (data: Uint8Array, depth: number): string => {
  if (data.length === 0) return 'OpenFlow message is empty'
  if (data.length < 8)
    return `OpenFlow packet too short (only ${data.length} bytes):\n${formatHexDump(data)}`
  const size = ((data[2] ?? 0) << 8) | (data[3] ?? 0)
  if (size === data.length) return formatInner(data, depth)
  const head = size > data.length ? headOf(data) : ''
  const note =
    size > data.length
      ? `(***truncated to ${data.length} bytes from ${size}***)\n`
      : size < data.length && data.length >= 8
        ? `(***only uses ${size} bytes out of ${data.length}***)\n`
        : ''
  return `${head}${note}${formatHexDump(data)}`
}

/** The name of a message that is there in part. */
const headOf = (data: Uint8Array): string => {
  const kind = kindOf(data)
  const name = kind === undefined ? undefined : messageHeads[kind as keyof typeof messageHeads]
  if (name === undefined) return ''
  const xid = new DataView(data.buffer, data.byteOffset).getUint32(4)
  return `${name} (OF1.3) (xid=0x${xid.toString(16)}):\n`
}

// biome-ignore format: a table
const capabilityNames: readonly (readonly [number, string])[] = [
  [1, 'FLOW_STATS'], [2, 'TABLE_STATS'], [4, 'PORT_STATS'], [32, 'IP_REASM'], [64, 'QUEUE_STATS'], [128, 'ARP_MATCH_IP'],
  [8, 'GROUP_STATS'], [256, 'PORT_BLOCKED'],
]
const capabilityOrder = [
  'FLOW_STATS',
  'TABLE_STATS',
  'PORT_STATS',
  'GROUP_STATS',
  'IP_REASM',
  'QUEUE_STATS',
  'PORT_BLOCKED',
]

const formatFeatures = (message: ReceivedOf<'features-reply'>): string => {
  const set = capabilityNames.filter(([bit]) => message.capabilities & bit).map(([, name]) => name)
  const auxiliary = message.auxiliaryId ? `, auxiliary_id:${message.auxiliaryId}` : ''
  return ` dpid:${message.datapathId.toString(16).padStart(16, '0')}\nn_tables:${message.tableCount}, n_buffers:${message.bufferCount}${auxiliary}\ncapabilities: ${capabilityOrder.filter(name => set.includes(name)).join(' ') || '0'}`
}

const buffered = (bufferId: number): string =>
  bufferId === noBuffer ? '(unbuffered)' : `buffer=0x${bufferId.toString(16).padStart(8, '0')}`

const formatPacketIn = (
  message: ReceivedOf<'packet-in'> | ReceivedOf<'nicira-packet-in'>,
): string => {
  const { tableId, cookie, totalLength, match, data, bufferId } = message
  const parts: string[] = []
  if (tableId !== 0) parts.push(`table_id=${tableId}`)
  if (cookie !== 0xffff_ffff_ffff_ffffn) parts.push(`cookie=0x${cookie.toString(16)}`)
  // A blank stands on each side of the match, even when it is empty.
  parts.push(`total_len=${totalLength}`, formatKnown(match))
  parts.push(`(via ${packetReason(message.reason)})`, `data_len=${data.length}`, buffered(bufferId))
  parts.push(...formatLengths(totalLength, data.length, bufferId !== noBuffer))
  return ` ${parts.join(' ')}\n${formatPacket(data)}`
}

const formatPacketOut = ({ bufferId, inPort, actions, data }: ReceivedOf<'packet-out'>): string => {
  const head = ` in_port=${formatPort(inPort)} actions=${formatActions(actions)} `
  return bufferId === noBuffer
    ? `${head}data_len=${data.length}${data.length > 0 ? `\n${formatPacket(data)}` : ''}`
    : `${head}${buffered(bufferId)}`
}

// biome-ignore format: a table
const commandNames = { 'add': 'ADD', 'modify': 'MOD', 'modify-strict': 'MOD_STRICT', 'delete': 'DEL', 'delete-strict': 'DEL_STRICT' } as const

/** `ADD table:3 priority=7,tcp cookie:0x5 actions=...` */
const formatFlowMod = (message: ReceivedOf<'flow-mod'>): string => {
  const { cookie, cookieMask, idleTimeout, hardTimeout, bufferId, outPort, flags } = message
  const parts: string[] = [commandNames[message.command]]
  if (message.tableId !== 0) parts.push(`table:${message.tableId}`)
  const rule = formatRule(message.priority, message.match)
  if (rule) parts.push(rule)
  // A new flow is given a cookie; the other commands look for one.
  if (message.command === 'add') {
    if (cookie !== 0n && cookie !== 0xffff_ffff_ffff_ffffn)
      parts.push(`cookie:0x${cookie.toString(16)}`)
  } else if (cookieMask !== 0n)
    parts.push(`cookie:0x${cookie.toString(16)}/0x${cookieMask.toString(16)}`)
  if (idleTimeout) parts.push(`idle:${idleTimeout}`)
  if (hardTimeout) parts.push(`hard:${hardTimeout}`)
  if (bufferId !== noBuffer) parts.push(`buf:0x${bufferId.toString(16)}`)
  if (outPort !== ports.any) parts.push(`out_port:${formatPort(outPort)}`)
  const words = formatFlowFlags(flags)
  if (words) parts.push(words)
  return [...parts, `actions=${formatActions(message.instructions)}`].join(' ')
}

// biome-ignore format: a table
const removedReasons: Readonly<Record<string, string>> = {
  'idle-timeout': 'idle', 'hard-timeout': 'hard', 'delete': 'delete', 'group-delete': 'group_delete',
  'meter-delete': 'meter_delete', 'eviction': 'eviction',
}

const formatFlowRemoved = (message: ReceivedOf<'flow-removed'>): string => {
  const { cookie, idleTimeout, hardTimeout } = message
  const parts = [
    formatRule(message.priority, message.match),
    `reason=${removedReasons[message.reason] ?? message.reason}`,
    `table_id=${message.tableId}`,
  ]
  if (cookie !== 0n) parts.push(`cookie:0x${cookie.toString(16)}`)
  parts.push(
    `duration${formatDuration(message.durationSeconds, message.durationNanoseconds)}`,
    `idle${idleTimeout}`,
  )
  if (hardTimeout) parts.push(`hard${hardTimeout}`)
  return [...parts, `pkts${message.packetCount}`, `bytes${message.byteCount}`].join(' ')
}

const formatRole = ({
  kind,
  role,
  generationId,
}: ReceivedOf<'role-request'> | ReceivedOf<'role-reply'>): string => {
  const isGiven =
    generationId !== 0xffff_ffff_ffff_ffffn && (kind === 'role-reply' || role !== 'nochange')
  return `role=${roleNames[role]}${isGiven ? ` generation_id=${generationId}` : ''}`
}

const asyncNames = {
  packetIn: ['no_match', 'action', 'invalid_ttl', 'action_set', 'group', 'packet_out'],
  portStatus: ['add', 'delete', 'modify'],
  flowRemoved: ['idle', 'hard', 'delete', 'group_delete', 'meter_delete', 'eviction'],
  roleStatus: ['primary_request', 'configuration_changed', 'experimenter_data_changed'],
  tableStatus: ['', '', '', 'vacancy_down', 'vacancy_up'],
  requestForward: ['group_mod_request', 'meter_mod_request'],
} as const

type Masks = { readonly master: number; readonly slave: number }

const noMasks: Masks = { master: 0, slave: 0 }

const formatAsync = (
  message: {
    readonly packetIn: Masks
    readonly portStatus: Masks
    readonly flowRemoved: Masks
    readonly roleStatus?: Masks
    readonly tableStatus?: Masks
    readonly requestForward?: Masks
  },
  isLater = false,
): string =>
  (['master', 'slave'] as const)
    .map(side => {
      const line = (name: string, words: readonly string[], bits: number) =>
        `${name.padStart(16)}: ${words.filter((_, bit) => (bits >>> bit) & 1).join(' ') || '(off)'}`
      return [
        ` ${roleNames[side]}:`,
        // Reasons that OpenFlow 1.3 does not have are not its to set.
        line('PACKET_IN', asyncNames.packetIn.slice(0, isLater ? 6 : 3), message.packetIn[side]),
        line('PORT_STATUS', asyncNames.portStatus, message.portStatus[side]),
        line('FLOW_REMOVED', asyncNames.flowRemoved, message.flowRemoved[side]),
        line('ROLE_STATUS', asyncNames.roleStatus, (message.roleStatus ?? noMasks)[side]),
        line('TABLE_STATUS', asyncNames.tableStatus, (message.tableStatus ?? noMasks)[side]),
        line(
          'REQUESTFORWARD',
          asyncNames.requestForward,
          (message.requestForward ?? noMasks)[side],
        ),
      ].join('\n')
    })
    .map(text => `\n${text}`)
    .join('\n')
