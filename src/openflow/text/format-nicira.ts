/** Messages of experimenters as `ofp-print` writes them. */
import type { FlushTuple } from '../messages/ct-flush.js'
import type { Received, ReceivedOf } from '../messages/index.js'
import type { Match } from '../values.js'
import { toHex } from '../wire/codecs.js'
import { formatContinuation } from './format-continuation.js'
import { formatMatch } from './format-match.js'
import { formatPacket } from './format-packet.js'

type FormatInner = (bytes: Uint8Array) => string

/**
 * What comes behind the head; undefined when the message is none of these.
 *
 * @param formatInner writes a message that another one holds
 */
export const formatNicira = (message: Received, formatInner: FormatInner): string | undefined => {
  switch (message.kind) {
    case 'bundle-control':
      return `\n ${formatBundle(message)} type=${message.control.replace('-', '_').toUpperCase()} flags=${formatBundleFlags(message.flags)}`
    case 'bundle-add':
      return formatBundleAdd(message, formatInner)
    case 'role-status':
      return ` role=${roleNames[message.role]} generation_id=${message.generationId} reason=${roleReasons[message.reason] ?? message.reason}`
    case 'set-packet-in-format':
      return ` format=${{ standard: 'standard', nxt: 'nxt_packet_in', nxt2: 'nxt_packet_in2' }[message.format]}`
    case 'set-controller-id':
      return ` id=${message.controllerId}`
    case 'ct-flush-zone':
      return ` zone_id=${message.zone}`
    case 'ct-flush':
      return formatFlush(message)
    case 'flow-mod-table-id':
      return message.isEnabled ? ' enable' : ' disable'
    case 'tlv-table-mod':
      return `\n ${{ add: 'ADD', delete: 'DEL', clear: 'CLEAR' }[message.command]}${message.command === 'clear' ? '' : formatMaps(message.maps)}`
    case 'tlv-table-reply':
      return `\n max option space=${message.maxSpace} max fields=${message.maxFields}\n allocated option space=${message.maps.reduce((sum, map) => sum + map.optionSize, 0)}\n\n${formatMaps(message.maps)}`
    default:
      return undefined
  }
}

// biome-ignore format: a table
export const roleNames = { nochange: 'nochange', equal: 'equal', master: 'primary', slave: 'secondary' } as const

const roleReasons: Readonly<Record<string, string>> = {
  'master-request': 'primary_request',
  config: 'configuration_changed',
  experimenter: 'experimenter_data_changed',
}

const formatBundle = ({ bundleId }: { readonly bundleId: number }): string =>
  `bundle_id=${bundleId === 0 ? '0' : `0x${bundleId.toString(16)}`}`

const formatBundleFlags = (flags: number): string => {
  const words = [...(flags & 1 ? ['atomic'] : []), ...(flags & 2 ? ['ordered'] : [])]
  const others = flags & ~3
  if (others) words.push(`0x${others.toString(16)}`)
  return words.join(' ') || '0'
}

const formatBundleAdd = (message: ReceivedOf<'bundle-add'>, formatInner: FormatInner): string =>
  `\n ${formatBundle(message)} flags=${formatBundleFlags(message.flags)}\n${formatInner(message.message)}`

/** A packet that is kept may come in part, but not with more than there is. */
export const formatLengths = (total: number, given: number, isKept: boolean): string[] => {
  if (isKept) return total < given ? ['(***total_len < data_len***)'] : []
  return total === given ? [] : ['(***total_len != data_len***)']
}

/** What Open vSwitch does not know of a packet it passes over. */
export const formatKnown = ({ unknown: _, ...match }: Match): string => formatMatch(match)

export const packetReason = (reason: string | number): string =>
  typeof reason === 'number' ? String(reason) : reason.replaceAll('-', '_')

/** Properties that are missing have their usual values. */
export const formatPacketIn2 = ({
  properties,
}: ReceivedOf<'packet-in2'> | ReceivedOf<'resume'>): string => {
  const {
    data = new Uint8Array(),
    tableId = 0,
    cookie,
    fullLength,
    match = {},
    bufferId,
    userdata,
    continuation,
  } = properties
  const parts: string[] = []
  if (tableId !== 0) parts.push(`table_id=${tableId}`)
  if (cookie !== undefined) parts.push(`cookie=0x${cookie.toString(16)}`)
  const total = fullLength ?? data.length
  parts.push(
    `total_len=${total}`,
    formatKnown(match),
    `(via ${packetReason(properties.reason ?? 'no-match')})`,
    `data_len=${data.length}`,
  )
  parts.push(
    bufferId === undefined ? '(unbuffered)' : `buffer=0x${bufferId.toString(16).padStart(8, '0')}`,
  )
  parts.push(...formatLengths(total, data.length, bufferId !== undefined))
  const lines = [` ${parts.join(' ')}`]
  if (userdata) lines.push(` userdata=${(toHex(userdata).match(/../g) ?? []).join('.')}`)
  if (continuation) lines.push(...formatContinuation(continuation).map(line => ` ${line}`))
  return [...lines, formatPacket(data)].join('\n')
}

const isIcmp = (protocol: number): boolean => protocol === 1 || protocol === 58

const formatFlush = ({ protocol, filter }: ReceivedOf<'ct-flush'>): string => {
  const isIpv4 = [filter.original, filter.reply].some(tuple =>
    [tuple?.source, tuple?.destination].some(address => address?.includes('.')),
  )
  const format = (tuple: FlushTuple = {}, isOriginal: boolean) =>
    formatTuple(tuple, protocol, isIpv4, isOriginal)
  return ` zone=${filter.zone ?? 0} '${format(filter.original, true)}' '${format(filter.reply, false)}'`
}

const formatTuple = (
  tuple: FlushTuple,
  protocol: number,
  isIpv4: boolean,
  isOriginal: boolean,
): string => {
  const family = isIpv4 ? 'nw' : 'ipv6'
  const parts = [
    `ct_${family}_src=${tuple.source ?? '::'}`,
    `ct_${family}_dst=${tuple.destination ?? '::'}`,
  ]
  if (isIcmp(protocol))
    parts.push(
      `icmp_id=${tuple.icmpId ?? 0}`,
      `icmp_type=${tuple.icmpType ?? 0}`,
      `icmp_code=${tuple.icmpCode ?? 0}`,
    )
  else parts.push(`ct_tp_src=${tuple.sourcePort ?? 0}`, `ct_tp_dst=${tuple.destinationPort ?? 0}`)
  if (isOriginal) parts.push(`ct_nw_proto=${protocol}`)
  return parts.join(',')
}

const formatMaps = (maps: ReceivedOf<'tlv-table-reply'>['maps']): string => {
  const hex = (value: number, width: number) =>
    (value === 0 ? '0' : `0x${value.toString(16)}`).padStart(width)
  const rows = maps.map(
    map =>
      ` ${hex(map.optionClass, 6)}  ${hex(map.optionType, 4)}  ${String(map.optionSize).padStart(6)}  tun_metadata${map.index}`,
  )
  return [
    ' mapping table:',
    '  class  type  length  match field',
    ' ------  ----  ------  --------------',
    ...rows,
  ].join('\n')
}
