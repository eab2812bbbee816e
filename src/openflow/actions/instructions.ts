/** Instructions as bytes: OpenFlow 1.3.5 section 7.2.4. */

import type { Instruction } from '../values.js'
import type { Codec } from '../wire/codecs.js'
import type { Reader } from '../wire/reader.js'
import type { Writer } from '../wire/writer.js'
import { actionList } from './actions.js'

// biome-ignore format: a table
export const instructionTypes = {
  'goto-table': 1, 'write-metadata': 2, 'write-actions': 3, 'apply-actions': 4, 'clear-actions': 5, 'meter': 6,
} as const

const readInstruction = (reader: Reader): Instruction => {
  const start = reader.offset
  const type = reader.u16()
  const length = reader.u16()
  if (length < 4) throw reader.error(`an instruction of ${length} octets`, 'OFPBIC_BAD_LEN')
  const outer = reader.narrow(length - 4, 'OFPBIC_BAD_LEN')
  const value = readBody(reader, type) ?? keep(reader, start)
  reader.widen(outer, 'OFPBIC_BAD_LEN')
  return value
}

const keep = (reader: Reader, start: number): Instruction => {
  reader.offset = reader.end
  return { kind: 'unknown', bytes: reader.bytes.subarray(start, reader.end) }
}

const readBody = (reader: Reader, type: number): Instruction | undefined => {
  switch (type) {
    case instructionTypes['goto-table']: {
      const table = reader.u8()
      reader.skip(3)
      return { kind: 'goto-table', table }
    }
    case instructionTypes['write-metadata']:
      reader.skip(4)
      return { kind: 'write-metadata', metadata: reader.u64(), mask: reader.u64() }
    case instructionTypes['write-actions']:
      reader.skip(4)
      return { kind: 'write-actions', actions: actionList.read(reader) }
    case instructionTypes['apply-actions']:
      reader.skip(4)
      return { kind: 'apply-actions', actions: actionList.read(reader) }
    case instructionTypes['clear-actions']:
      reader.skip(4)
      return { kind: 'clear-actions' }
    case instructionTypes.meter:
      return { kind: 'meter', meter: reader.u32() }
    default:
      return undefined
  }
}

const writeInstruction = (writer: Writer, value: Instruction): void => {
  if (value.kind === 'unknown') return writer.bytes(value.bytes)
  const start = writer.mark()
  writer.u16(instructionTypes[value.kind])
  writer.u16(0)
  switch (value.kind) {
    case 'goto-table':
      writer.u8(value.table)
      writer.zeros(3)
      break
    case 'meter':
      writer.u32(value.meter)
      break
    case 'write-metadata':
      writer.zeros(4)
      writer.u64(value.metadata)
      writer.u64(value.mask)
      break
    case 'clear-actions':
      writer.zeros(4)
      break
    default:
      writer.zeros(4)
      actionList.write(writer, value.actions)
  }
  writer.patch16(start + 2, writer.since(start))
}

/** Instructions up to the end of what holds them. */
export const instructionList: Codec<readonly Instruction[]> = {
  read(reader) {
    const instructions: Instruction[] = []
    while (reader.offset < reader.end) instructions.push(readInstruction(reader))
    return instructions
  },
  write(writer, instructions) {
    for (const one of instructions) writeInstruction(writer, one)
  },
}
