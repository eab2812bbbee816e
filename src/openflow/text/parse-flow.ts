/** Flows, groups and meters in `ovs-ofctl`'s syntax as messages (ovs-ofctl(8), "Flow Syntax", "Group Syntax", "Meter Syntax"). */
import { checkInstructions } from '../actions/check-actions.js'
import { groupTypes } from '../messages/group.js'
import type { Message } from '../messages/index.js'
import { meterFlags, meters } from '../messages/meter.js'
import { type Action, type Bucket, type GroupType, type MeterBand, ports } from '../values.js'
import { parseActions, parseInstructions } from './parse-actions.js'
import { FlowKey } from './parse-match.js'
import { type PortNames, parsePort } from './parse-value.js'
import {
  FlowTextError,
  parseDecimal,
  parseNumber,
  parseSmall,
  splitMask,
  splitWords,
  type Word,
} from './parse-words.js'

type FlowMod = Extract<Message, { kind: 'flow-mod' }>
type GroupMod = Extract<Message, { kind: 'group-mod' }>
type MeterMod = Extract<Message, { kind: 'meter-mod' }>
type Editable<T> = { -readonly [K in keyof T]: T[K] }

// biome-ignore format: a table
const flowCommands: Readonly<Record<string, FlowMod['command']>> = {
  add: 'add', modify: 'modify', modify_strict: 'modify-strict', delete: 'delete', delete_strict: 'delete-strict',
}

// biome-ignore format: a table
const flowFlags: Readonly<Record<string, number>> = {
  send_flow_rem: 1, check_overlap: 2, reset_counts: 4, no_packet_counts: 8, no_byte_counts: 16,
}

/** What `dump-flows` prints and `add-flow` passes over. */
const ignored = new Set([
  'allow_hidden_fields',
  'duration',
  'n_packets',
  'n_bytes',
  'idle_age',
  'hard_age',
])

/** `add priority=5,...`: the command may stand in front. */
const takeCommand = <T>(
  text: string,
  commands: Readonly<Record<string, T>>,
): [T | undefined, string] => {
  const found = /^\s*([a-z_]+)(?:\s+|$)/.exec(text)
  const command = found && Object.hasOwn(commands, found[1]!) ? commands[found[1]!] : undefined
  return command === undefined ? [undefined, text] : [command, text.slice(found![0].length)]
}

/**
 * The flow-mod that `ovs-ofctl -O OpenFlow13 add-flow` sends for this text; `modify`, `delete` and their
 * strict forms in front of it are taken too.
 *
 * @throws {FlowTextError}
 */
export const parseFlowMod = (text: string, portNumbers?: PortNames): FlowMod => {
  const [command = 'add', flow] = takeCommand(text, flowCommands)
  const isDelete = command.startsWith('delete')
  const [which, actions] = isDelete ? [flow, undefined] : splitActions(flow)
  const value: Editable<FlowMod> = {
    kind: 'flow-mod',
    command,
    tableId: 0xff,
  }
  const key = new FlowKey()
  for (const word of splitWords(which)) addWord(value, key, word, portNumbers)
  const match = key.toMatch()
  value.match = match
  if (isDelete) return value
  if (actions === undefined) throw new FlowTextError('must specify an action')
  const lenient = new Set<Action>()
  const context = {
    known: match,
    hasVlan: match.vlan_vid !== undefined && hasTag(match.vlan_vid),
    lenient,
    ...(portNumbers && { ports: portNumbers }),
  }
  const instructions = parseInstructions(actions, context)
  const wrong = checkInstructions(instructions, match, value.tableId, lenient)
  if (wrong !== undefined)
    throw new FlowTextError(`actions are invalid with specified match (${wrong})`)
  value.instructions = instructions
  // Flows are added and changed in one table, the first when none is said.
  if (value.tableId === 0xff) value.tableId = 0
  return value
}

const hasTag = (vid: unknown): boolean =>
  typeof vid === 'number'
    ? (vid & 0x1000) !== 0
    : (Number((vid as { value: number }).value) & 0x1000) !== 0

const splitActions = (text: string): [which: string, actions: string | undefined] => {
  const at = text.indexOf('action')
  if (at < 0) return [text, undefined]
  const equals = text.indexOf('=', at)
  return [text.slice(0, at), equals < 0 ? undefined : text.slice(equals + 1)]
}

const addWord = (
  value: Editable<FlowMod>,
  key: FlowKey,
  word: Word,
  portNumbers?: PortNames,
): void => {
  const { key: name, value: text } = word
  const isDelete = value.command.startsWith('delete')
  const flag = Object.hasOwn(flowFlags, name) ? flowFlags[name] : undefined
  if (flag !== undefined && !isDelete) {
    value.flags = (value.flags ?? 0) | flag
    return
  }
  if (ignored.has(name) || key.add(word, portNumbers)) return
  if (text === '') throw new FlowTextError(`field ${name} missing value`)
  if (isDelete && !isOfDelete(name, value.command))
    throw new FlowTextError(`unknown keyword ${name}`)
  switch (name) {
    case 'table':
      value.tableId = parseDecimal(text, 8, name)
      break
    case 'priority':
      value.priority = parseSmall(text, 16, name)
      break
    case 'idle_timeout':
      value.idleTimeout = parseSmall(text, 16, name)
      break
    case 'hard_timeout':
      value.hardTimeout = parseSmall(text, 16, name)
      break
    case 'importance':
      // Not in OpenFlow 1.3.
      parseSmall(text, 16, name)
      break
    case 'out_port':
      if (!value.command.startsWith('delete')) throw new FlowTextError(`unknown keyword ${name}`)
      value.outPort = parsePort(text, portNumbers)
      break
    case 'out_group':
      if (!value.command.startsWith('delete')) throw new FlowTextError(`unknown keyword ${name}`)
      value.outGroup = parseSmall(text, 32, name)
      break
    case 'cookie':
      addCookie(value, text)
      break
    default:
      throw new FlowTextError(`unknown keyword ${name}`)
  }
}

/** What says which flows are deleted; the priority counts for the strict form alone. */
const isOfDelete = (name: string, command: string): boolean =>
  ['table', 'cookie', 'out_port', 'out_group'].includes(name) ||
  (name === 'priority' && command === 'delete-strict')

const addCookie = (value: Editable<FlowMod>, text: string): void => {
  const [cookie, mask] = splitMask(text)
  const number = parseNumber(cookie, 64, 'cookie')
  // A change over OpenFlow 1.3 keeps the cookie: one without a mask is not sent.
  if (mask !== undefined || value.command === 'add') value.cookie = number
  if (mask !== undefined) {
    if (value.command === 'add') throw new FlowTextError('flow additions cannot use a cookie mask')
    value.cookieMask = parseNumber(mask, 64, 'cookie mask')
  } else if (value.command.startsWith('delete'))
    throw new FlowTextError(
      `cannot set cookie (to match on a cookie, specify a mask, e.g. cookie=${text}/-1)`,
    )
}

// biome-ignore format: a table
const groupCommands: Readonly<Record<string, GroupMod['command']>> = { add: 'add', modify: 'modify', delete: 'delete' }

const groupNumber = (text: string): number => {
  if (text.toLowerCase() === 'all') return allGroups
  const group = parseSmall(text, 32, 'group_id')
  if (group > greatestGroup && group !== allGroups)
    throw new FlowTextError(`invalid group id ${text}`)
  return group
}

const allGroups = 0xfffffffc
const greatestGroup = 0xffffff00

/**
 * The group-mod that `ovs-ofctl -O OpenFlow13 add-group` sends: `group_id=1,type=select,bucket=...`.
 * `selection_method` and ids of buckets are read, checked and, as 1.3 cannot say them, not sent.
 *
 * @throws {FlowTextError}
 */
export const parseGroupMod = (text: string, portNumbers?: PortNames): GroupMod => {
  const [command = 'add', group] = takeCommand(text, groupCommands)
  const [head, ...bucketTexts] = group.split(/[,\s]*\bbucket=/)
  let groupId: number | undefined
  let type: GroupType | undefined
  const selection: Selection = {}
  for (const { key, value } of splitWords(head ?? '')) {
    if (key === 'group_id') groupId = groupNumber(value)
    else if (command === 'delete') throw new FlowTextError(`${key} is not needed`)
    else if (key === 'type') type = groupType(value)
    else addSelection(selection, key, value)
  }
  if (groupId === undefined) {
    if (command !== 'delete') throw new FlowTextError('must specify a group_id')
    groupId = allGroups
  }
  if (command === 'delete') {
    if (bucketTexts.length > 0) throw new FlowTextError('bucket is not needed')
    return { kind: 'group-mod', command, groupId }
  }
  if (type === undefined) throw new FlowTextError('must specify a type')
  checkSelection(selection, bucketTexts.length > 0)
  const buckets = bucketTexts.map(bucket => parseBucket(bucket, type, portNumbers))
  if (type === 'indirect' && buckets.length > 1)
    throw new FlowTextError('indirect groups must have one bucket')
  return { kind: 'group-mod', command, type, groupId, buckets }
}

/** How a select group chooses a bucket: a word of OpenFlow 1.5. */
interface Selection {
  method?: string
  parameter?: bigint
  hasFields?: boolean
}

const addSelection = (selection: Selection, key: string, value: string): void => {
  switch (key) {
    case 'selection_method':
      if (value.length > 15)
        throw new FlowTextError('selection method is longer than 15 bytes long')
      selection.method = value
      break
    case 'selection_method_param':
      selection.parameter = parseNumber(value, 64, key)
      break
    case 'fields':
      selection.hasFields = true
      break
    case 'command_bucket_id':
      throw new FlowTextError('command bucket id is not needed')
    default:
      throw new FlowTextError(`unknown keyword ${key}`)
  }
}

const checkSelection = (
  { method = '', parameter = 0n, hasFields }: Selection,
  hasBuckets: boolean,
): void => {
  if (hasFields && method !== 'hash')
    throw new FlowTextError('fields may only be specified with "selection_method=hash"')
  if (parameter !== 0n && method === '')
    throw new FlowTextError('selection_method_param is only allowed with "selection_method"')
  if (method !== '' && !hasBuckets)
    throw new FlowTextError('selection_method cannot be said in OpenFlow 1.3')
}

const groupType = (text: string): GroupType => {
  const name = text === 'fast_failover' ? 'ff' : text
  if (!Object.hasOwn(groupTypes, name)) throw new FlowTextError(`invalid group type ${text}`)
  return name as GroupType
}

const parseBucket = (text: string, type: GroupType, portNumbers?: PortNames): Bucket => {
  const [which, named] = splitActions(text)
  const bucket: Editable<Bucket> = { actions: [] }
  if (type === 'select') bucket.weight = 1
  const loose: string[] = []
  for (const { key, value } of splitWords(which)) {
    if (key === 'weight') bucket.weight = parseSmall(value, 16, key)
    else if (key === 'watch_port') bucket.watchPort = watchedPort(value, portNumbers)
    else if (key === 'watch_group') bucket.watchGroup = parseSmall(value, 32, key)
    else if (key === 'bucket_id') parseSmall(value, 32, key)
    else
      loose.push(
        value === '' ? key : which.includes(`${key}(`) ? `${key}(${value})` : `${key}:${value}`,
      )
  }
  const context = { known: {}, hasVlan: false, ...(portNumbers && { ports: portNumbers }) }
  if (named === undefined && loose.length === 0)
    throw new FlowTextError('bucket must specify actions')
  bucket.actions = parseActions(named ?? loose.join(','), context)
  checkBucket(bucket, type)
  if (bucket.weight === 0) delete bucket.weight
  return bucket
}

/** Only a port with a number of its own can be watched. */
const watchedPort = (text: string, portNumbers?: PortNames): number => {
  const port = parsePort(text, portNumbers)
  if (port >= ports.max && port !== ports.any)
    throw new FlowTextError(`${text}: invalid watch_port`)
  return port
}

const checkBucket = (bucket: Bucket, type: GroupType): void => {
  if (
    type === 'ff' &&
    (bucket.watchPort ?? ports.any) === ports.any &&
    bucket.watchGroup === undefined
  )
    throw new FlowTextError('fast failover bucket requires watch_port or watch_group')
  if (type !== 'select' && bucket.weight)
    throw new FlowTextError('Only select groups can have bucket weights.')
}

// biome-ignore format: a table
const meterCommands: Readonly<Record<string, MeterMod['command']>> = { add: 'add', modify: 'modify', delete: 'delete' }

// biome-ignore format: a table
const meterNumbers: Readonly<Record<string, number>> = { all: meters.all, controller: meters.controller, slowpath: meters.slowPath }

const greatestMeter = 0xffff0000

/**
 * The meter-mod that `ovs-ofctl -O OpenFlow13 add-meter` sends: `meter=1,kbps,burst,bands=type=drop,rate=100,burst_size=10`.
 *
 * @throws {FlowTextError}
 */
export const parseMeterMod = (text: string): MeterMod => {
  const [command = 'add', meter] = takeCommand(text, meterCommands)
  const [head = '', bandText] = meter.split(/[,\s]*\bbands?\s*=\s*/, 2)
  let meterId: number | undefined
  let flags = 0
  for (const { key, value } of splitWords(head)) {
    if (key === 'meter') meterId = meterNumbers[value] ?? meterNumber(value)
    else if (command === 'delete') throw new FlowTextError(`unknown keyword ${key}`)
    else if (Object.hasOwn(meterFlags, key)) flags |= meterFlags[key as keyof typeof meterFlags]
    else throw new FlowTextError(`unknown keyword ${key}`)
  }
  if (meterId === undefined) throw new FlowTextError("must specify `meter=NUMBER'")
  if (command === 'delete') {
    if (bandText !== undefined) throw new FlowTextError('unknown keyword bands')
    return { kind: 'meter-mod', command, meterId }
  }
  if ((flags & 3) === 0) throw new FlowTextError('meter must specify either `kbps` or `pktps`')
  if (bandText === undefined) throw new FlowTextError('must specify bands')
  return { kind: 'meter-mod', command, flags, meterId, bands: parseBands(bandText, flags) }
}

const meterNumber = (text: string): number => {
  const meter = parseSmall(text, 32, 'meter')
  if (meter === 0 || meter > greatestMeter) throw new FlowTextError('invalid value for meter')
  return meter
}

const parseBands = (text: string, flags: number): MeterBand[] => {
  const bands: Editable<MeterBand>[] = []
  for (const { key, value } of splitWords(text)) {
    if (key === 'type') {
      bands.push({ type: bandType(value), rate: 0, burstSize: 0 })
      continue
    }
    const band = bands.at(-1)
    if (band === undefined) throw new FlowTextError('a band begins with `type=`')
    if (key === 'rate') band.rate = parseSmall(value, 32, key)
    else if (key === 'burst_size') band.burstSize = parseSmall(value, 32, key)
    else if (key === 'prec_level') band.precedenceLevel = parseSmall(value, 8, key)
    else throw new FlowTextError(`unknown keyword ${key}`)
  }
  for (const band of bands) {
    if (band.rate === 0) throw new FlowTextError('band must have a rate')
    if (band.type === 'dscp-remark' && band.precedenceLevel === undefined)
      throw new FlowTextError("'dscp_remark' band must have 'prec_level'")
    if (band.burstSize !== 0 && (flags & meterFlags.burst) === 0)
      throw new FlowTextError("band may have 'burst_size' only when 'burst' flag is set")
    if (band.burstSize === 0 && (flags & meterFlags.burst) !== 0)
      throw new FlowTextError("band must have 'burst_size' when 'burst' flag is set")
  }
  return bands
}

const bandType = (text: string): 'drop' | 'dscp-remark' => {
  if (text === 'drop') return 'drop'
  if (text === 'dscp_remark') return 'dscp-remark'
  throw new FlowTextError(`${text}: unknown type of band`)
}
