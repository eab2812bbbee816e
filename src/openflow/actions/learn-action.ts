/**
 * Nicira's `learn`, ovs-actions(7), "The learn action". After a head come specifications:
 *
 *     0   2         13 12 11 10         0
 *     +---+---------+--+-----+----------+ - - - - - - - - - - - +
 *     | 0 | constant?  | to  | bits     | source | destination  |
 *     +---+---------+--+-----+----------+ - - - - - - - - - - - +
 */

import { checkedSubfield, fieldHeader, writableSubfield } from '../match.js'
import type { LearnAction, LearnSpec, Subfield } from '../values.js'
import type { Reader } from '../wire/reader.js'
import type { Writer } from '../wire/writer.js'
import type { NiciraAction } from './action-list.js'

type Editable<T> = { -readonly [K in keyof T]: T[K] }
type FieldBits = NonNullable<LearnSpec['destination']>

const writesResult = 4
const constantBit = 0x2000
const targets = ['match', 'load', 'output'] as const

const readLearn = (reader: Reader, hasLimit: boolean): LearnAction => {
  const value: Editable<LearnAction> = { kind: 'learn', priority: 0, table: 0, specs: [] }
  const idleTimeout = reader.u16()
  const hardTimeout = reader.u16()
  value.priority = reader.u16()
  const cookie = reader.u64()
  const flags = reader.u16()
  value.table = reader.u8()
  reader.skip(1)
  const finIdleTimeout = reader.u16()
  const finHardTimeout = reader.u16()
  if (idleTimeout !== 0) value.idleTimeout = idleTimeout
  if (hardTimeout !== 0) value.hardTimeout = hardTimeout
  if (cookie !== 0n) value.cookie = cookie
  if (flags !== 0) value.flags = flags
  if (finIdleTimeout !== 0) value.finIdleTimeout = finIdleTimeout
  if (finHardTimeout !== 0) value.finHardTimeout = finHardTimeout
  if (hasLimit) readLimit(reader, flags, value)
  value.specs = readSpecs(reader)
  return value
}

const readLimit = (reader: Reader, flags: number, value: Editable<LearnAction>): void => {
  value.limit = reader.u32()
  const offset = reader.u16()
  reader.skip(2)
  if (flags & writesResult)
    value.result = writableSubfield(reader, fieldHeader.read(reader), offset, 1)
}

const readSpecs = (reader: Reader): LearnSpec[] => {
  const specs: LearnSpec[] = []
  while (reader.remaining >= 2) {
    const head = reader.u16()
    // A head of zero begins the padding.
    if (head === 0) break
    specs.push(readSpec(reader, head))
  }
  reader.offset = reader.end
  return specs
}

const readSpec = (reader: Reader, head: number): LearnSpec => {
  const size = head & 0x7ff
  const to = targets[(head >>> 11) & 3]
  const isConstant = (head & constantBit) !== 0
  if (to === undefined || head >= 0x4000 || size === 0 || (isConstant && to === 'output'))
    throw reader.error(`no specification of learn: 0x${head.toString(16)}`, 'OFPBAC_BAD_ARGUMENT')
  const from = isConstant ? { value: readConstant(reader, size) } : readFieldBits(reader, size)
  if (to === 'output') return { to, from, size }
  const checked = to === 'load' ? writableSubfield : checkedSubfield
  return { to, from, destination: readFieldBits(reader, size, checked), size }
}

const readConstant = (reader: Reader, size: number): bigint => {
  let value = 0n
  for (const byte of reader.take(2 * Math.ceil(size / 16))) value = (value << 8n) | BigInt(byte)
  if (value >> BigInt(size) !== 0n)
    throw reader.error(`a constant of more than ${size} bits`, 'OFPBAC_BAD_ARGUMENT')
  return value
}

const readFieldBits = (
  reader: Reader,
  size: number,
  checked: typeof checkedSubfield = checkedSubfield,
): FieldBits => {
  const field = fieldHeader.read(reader)
  const offset = reader.u16()
  checked(reader, field, offset, size)
  return { field, offset }
}

const writeLearn = (writer: Writer, value: LearnAction): number => {
  const { limit, result } = value
  writer.u16(value.idleTimeout ?? 0)
  writer.u16(value.hardTimeout ?? 0)
  writer.u16(value.priority)
  writer.u64(value.cookie ?? 0n)
  writer.u16((value.flags ?? 0) | (result ? writesResult : 0))
  writer.u8(value.table)
  writer.zeros(1)
  writer.u16(value.finIdleTimeout ?? 0)
  writer.u16(value.finHardTimeout ?? 0)
  const hasLimit = limit !== undefined || result !== undefined
  if (hasLimit) writeLimit(writer, limit ?? 0, result)
  for (const spec of value.specs) writeSpec(writer, spec)
  return hasLimit ? 45 : 16
}

const writeLimit = (writer: Writer, limit: number, result: Subfield | undefined): void => {
  writer.u32(limit)
  writer.u16(result?.offset ?? 0)
  writer.zeros(2)
  if (result) fieldHeader.write(writer, result.field)
}

const writeSpec = (writer: Writer, { to, from, destination, size }: LearnSpec): void => {
  writer.u16(('value' in from ? constantBit : 0) | (targets.indexOf(to) << 11) | size)
  if ('value' in from) {
    const digits = 4 * Math.ceil(size / 16)
    writer.bytes(Buffer.from(from.value.toString(16).padStart(digits, '0'), 'hex'))
  } else writeFieldBits(writer, from)
  if (destination) writeFieldBits(writer, destination)
}

const writeFieldBits = (writer: Writer, { field, offset }: FieldBits): void => {
  fieldHeader.write(writer, field)
  writer.u16(offset)
}

const form = (number: number): NiciraAction => ({
  kind: 'learn',
  numbers: [number],
  isOpenEnded: true,
  read: reader => readLearn(reader, number === 45),
  write: (writer, action) => writeLearn(writer, action as LearnAction),
})

export const learnAction: readonly NiciraAction[] = [form(16), form(45)]
