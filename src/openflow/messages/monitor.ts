/**
 * Flow monitors: a switch tells a controller how flows change. ONF EXT-187 is what Open vSwitch speaks
 * over OpenFlow 1.3; Nicira's NXST_FLOW_MONITOR is its forerunner, with 16-bit ports and bare actions.
 */
import { actionList } from '../actions/actions.js'
import { instructionList } from '../actions/instructions.js'
import { match, readFields, writeFields } from '../match.js'
import { type Action, type Instruction, type Match, ports } from '../values.js'
import { type Codec, entries, list, names, u16, u32, withDefault } from '../wire/codecs.js'
import type { Reader } from '../wire/reader.js'
import type { Writer } from '../wire/writer.js'
import { nicira, onf } from './experimenters.js'
import { experimenterMessage, experimenterMultipart } from './message.js'

/** Bits of a monitor's flags: what is told, and whether with actions and of one's own changes. */
export const monitorFlags = {
  initial: 1,
  add: 2,
  delete: 4,
  modify: 8,
  actions: 16,
  own: 32,
} as const

export interface FlowMonitor {
  readonly id: number
  /** See `monitorFlags`. */
  readonly flags: number
  /** Only flows that send there; OFPP_ANY: all. */
  readonly outPort: number
  readonly tableId: number
  readonly match: Match
}

/** How a flow changed; `abbreviated` stands for a change that the controller asked for itself. */
export type FlowUpdate =
  | {
      readonly event: 'added' | 'deleted' | 'modified'
      /** Why it was deleted, as in flow-removed. */
      readonly reason: number
      readonly priority: number
      readonly idleTimeout: number
      readonly hardTimeout: number
      readonly tableId: number
      readonly cookie: bigint
      readonly match: Match
      /** Of ONF's messages; empty unless asked for. */
      readonly instructions?: readonly Instruction[]
      /** Of Nicira's. */
      readonly actions?: readonly Action[]
    }
  | { readonly event: 'abbreviated'; readonly xid: number }

/** How the two kinds of messages hold a match behind its length. */
interface MatchForm {
  read(reader: Reader, size: number): Match
  /** Gives the length. */
  write(writer: Writer, value: Match): number
}

const whole: MatchForm = {
  read(reader, size) {
    if (reader.remaining < 4 || reader.peek16(2) !== size)
      throw reader.error(`no match of ${size} octets`, 'OFPBMC_BAD_LEN')
    return match.read(reader)
  },
  write(writer, value) {
    const start = writer.mark()
    match.write(writer, value)
    return writer.peek16(start + 2)
  },
}

const bare: MatchForm = {
  read(reader, size) {
    const outer = reader.narrow(size, 'OFPBMC_BAD_LEN')
    const value = readFields(reader)
    reader.widen(outer)
    if (size % 8 !== 0) reader.skip(8 - (size % 8))
    return value
  },
  write(writer, value) {
    const start = writer.mark()
    writeFields(writer, value)
    const size = writer.since(start)
    writer.align8(start)
    return size
  },
}

/** A match of Nicira's messages: bare fields of `size` octets, then padding. */
export const readBareMatch = bare.read
export const writeBareMatch = bare.write

const onfMonitor: Codec<FlowMonitor> = {
  read(reader) {
    const id = reader.u32()
    const flags = reader.u16()
    const size = reader.u16()
    const outPort = reader.u32()
    const tableId = reader.u8()
    reader.skip(3)
    return { id, flags, outPort, tableId, match: whole.read(reader, size) }
  },
  write(writer, value) {
    writer.u32(value.id)
    writer.u16(value.flags)
    const sizeAt = writer.mark()
    writer.u16(0)
    writer.u32(value.outPort)
    writer.u8(value.tableId)
    writer.zeros(3)
    writer.patch16(sizeAt, whole.write(writer, value.match))
  },
}

const widePort = (port: number): number => (port >= 0xff00 ? (0xffff0000 | port) >>> 0 : port)

const niciraMonitor: Codec<FlowMonitor> = {
  read(reader) {
    const id = reader.u32()
    const flags = reader.u16()
    const outPort = widePort(reader.u16())
    const size = reader.u16()
    const tableId = reader.u8()
    reader.skip(5)
    return { id, flags, outPort, tableId, match: bare.read(reader, size) }
  },
  write(writer, value) {
    writer.u32(value.id)
    writer.u16(value.flags)
    writer.u16(value.outPort & 0xffff)
    const sizeAt = writer.mark()
    writer.u16(0)
    writer.u8(value.tableId)
    writer.zeros(5)
    writer.patch16(sizeAt, bare.write(writer, value.match))
  },
}

// biome-ignore format: a table
const events = names(u16, { added: 0, deleted: 1, modified: 2, abbreviated: 3 }, 'OFPBRC_BAD_LEN')

const update = (form: MatchForm, isNicira: boolean): Codec<FlowUpdate> => ({
  read(reader) {
    const size = reader.u16()
    if (size < 8) throw reader.error(`an update of ${size} octets`)
    const outer = reader.narrow(size - 2)
    const event = events.read(reader)
    const value =
      event === 'abbreviated'
        ? { event, xid: reader.u32() }
        : { event, ...readChange(reader, form, isNicira) }
    reader.widen(outer)
    return value
  },
  write(writer, value) {
    const start = writer.mark()
    writer.u16(0)
    events.write(writer, value.event)
    if (value.event === 'abbreviated') writer.u32(value.xid)
    else writeChange(writer, value, form)
    writer.patch16(start, writer.since(start))
  },
})

type Change = Exclude<FlowUpdate, { readonly event: 'abbreviated' }>

const readChange = (reader: Reader, form: MatchForm, isNicira: boolean): Omit<Change, 'event'> => {
  const reason = reader.u16()
  const priority = reader.u16()
  const idleTimeout = reader.u16()
  const hardTimeout = reader.u16()
  const size = reader.u16()
  const tableId = reader.u8()
  reader.skip(1)
  const cookie = reader.u64()
  const found = form.read(reader, size)
  const head = { reason, priority, idleTimeout, hardTimeout, tableId, cookie, match: found }
  return isNicira
    ? { ...head, actions: actionList.read(reader) }
    : { ...head, instructions: instructionList.read(reader) }
}

const writeChange = (writer: Writer, value: Change, form: MatchForm): void => {
  writer.u16(value.reason)
  writer.u16(value.priority)
  writer.u16(value.idleTimeout)
  writer.u16(value.hardTimeout)
  const sizeAt = writer.mark()
  writer.u16(0)
  writer.u8(value.tableId)
  writer.zeros(1)
  writer.u64(value.cookie)
  writer.patch16(sizeAt, form.write(writer, value.match))
  if (value.actions) actionList.write(writer, value.actions)
  if (value.instructions) instructionList.write(writer, value.instructions)
}

/** All flows of all tables, with their actions, now and whenever they change. */
export const wholeMonitor: FlowMonitor = {
  id: 0,
  flags: 31,
  outPort: ports.any,
  tableId: 0xff,
  match: {},
}

export const flowMonitorRequest = experimenterMultipart({
  kind: 'flow-monitor-request',
  isReply: false,
  experimenter: onf,
  number: 1870,
  spec: 'ONF EXT-187 Flow Monitor Extension, ONFST_FLOW_MONITOR',
  fields: [['monitors', withDefault(list(onfMonitor), [wholeMonitor]), 'what to tell']],
})

export const flowMonitorReply = experimenterMultipart({
  kind: 'flow-monitor-reply',
  isReply: true,
  experimenter: onf,
  number: 1870,
  spec: 'ONF EXT-187 Flow Monitor Extension, ONFST_FLOW_MONITOR',
  fields: [['updates', entries(update(whole, false)), 'what changed']],
})

export const niciraMonitorRequest = experimenterMultipart({
  kind: 'nicira-monitor-request',
  isReply: false,
  experimenter: nicira,
  number: 2,
  spec: 'Nicira NXST_FLOW_MONITOR',
  fields: [['monitors', withDefault(list(niciraMonitor), [wholeMonitor]), 'what to tell']],
})

export const niciraMonitorReply = experimenterMultipart({
  kind: 'nicira-monitor-reply',
  isReply: true,
  experimenter: nicira,
  number: 2,
  spec: 'Nicira NXST_FLOW_MONITOR',
  fields: [['updates', entries(update(bare, true)), 'what changed']],
})

const monitorId = [['monitorId', u32, 'as it was given']] as const

export const flowMonitorCancel = experimenterMessage({
  kind: 'flow-monitor-cancel',
  experimenter: onf,
  number: 1870,
  spec: 'ONF EXT-187 Flow Monitor Extension, ONFT_FLOW_MONITOR_CANCEL',
  fields: monitorId,
})

export const flowMonitorPaused = experimenterMessage({
  kind: 'flow-monitor-paused',
  experimenter: onf,
  number: 1871,
  spec: 'ONF EXT-187 Flow Monitor Extension, ONFT_FLOW_MONITOR_PAUSED',
  fields: [],
})

export const flowMonitorResumed = experimenterMessage({
  kind: 'flow-monitor-resumed',
  experimenter: onf,
  number: 1872,
  spec: 'ONF EXT-187 Flow Monitor Extension, ONFT_FLOW_MONITOR_RESUMED',
  fields: [],
})

export const niciraMonitorCancel = experimenterMessage({
  kind: 'nicira-monitor-cancel',
  experimenter: nicira,
  number: 21,
  spec: 'Nicira NXT_FLOW_MONITOR_CANCEL',
  fields: monitorId,
})

export const niciraMonitorPaused = experimenterMessage({
  kind: 'nicira-monitor-paused',
  experimenter: nicira,
  number: 22,
  spec: 'Nicira NXT_FLOW_MONITOR_PAUSED',
  fields: [],
})

export const niciraMonitorResumed = experimenterMessage({
  kind: 'nicira-monitor-resumed',
  experimenter: nicira,
  number: 23,
  spec: 'Nicira NXT_FLOW_MONITOR_RESUMED',
  fields: [],
})
