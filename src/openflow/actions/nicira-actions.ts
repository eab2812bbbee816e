/**
 * Nicira's actions that Open vSwitch 3.1 takes over OpenFlow 1.3 (ovs-actions(7)): experimenter
 * 0x00002320, a 16-bit number each. One row an action. The larger ones have files of their own.
 */

import {
  checkedSubfield,
  fieldHeader,
  fullMask,
  hasLongHeader,
  packBits,
  readBits,
  readSetField,
  writableSubfield,
  writeSetField,
} from '../match.js'
import { type Action, type HashFields, type HashName, ports, type Subfield } from '../values.js'
import { names, u16 } from '../wire/codecs.js'
import type { Reader } from '../wire/reader.js'
import type { Writer } from '../wire/writer.js'
import type { ActionList, NiciraAction } from './action-list.js'
import { ending, readController, writeController } from './controller-action.js'
import { readCt, writeCt } from './ct-action.js'
import { readEncapProperties, writeEncapProperty } from './encap-properties.js'
import { learnAction } from './learn-action.js'

export const niciraExperimenter = 0x00002320

type Kind = Action['kind']
type ActionOf<K extends Kind> = Extract<Action, { kind: K }>
/** An action with one number. */
const nicira = <K extends Kind>(
  kind: K,
  number: number,
  read: (reader: Reader, actions: ActionList) => ActionOf<K>,
  write: (writer: Writer, action: ActionOf<K>, actions: ActionList) => void,
): NiciraAction => ({
  kind,
  numbers: [number],
  isOpenEnded: false,
  read,
  write(writer, action, actions) {
    write(writer, action as ActionOf<K>, actions)
    return number
  },
})

/** An action whose number depends on what it says; `read` is told which one came. */
const niciraForms = <K extends Kind>(
  kind: K,
  forms: readonly number[],
  read: (reader: Reader, number: number) => ActionOf<K>,
  write: (writer: Writer, action: ActionOf<K>) => number,
): readonly NiciraAction[] =>
  forms.map(number => ({
    kind,
    numbers: [number],
    isOpenEnded: false,
    read: reader => read(reader, number),
    write: (writer, action) => write(writer, action as ActionOf<K>),
  }))

const openEnded = (entry: NiciraAction): NiciraAction => ({ ...entry, isOpenEnded: true })

/** Ports have 16 bits here; the reserved ones are the last 256. */
const readPort16 = (reader: Reader): number => {
  const port = reader.u16()
  return port >= 0xff00 ? (0xffff0000 | port) >>> 0 : port
}
const writePort16 = (writer: Writer, port: number): void => writer.u16(port & 0xffff)

/** `offset << 6 | size - 1`, then the header of the field. */
const readPacked = (reader: Reader): Subfield => {
  const { offset, size } = readBits(reader)
  return writableSubfield(reader, fieldHeader.read(reader), offset, size)
}
const writePacked = (writer: Writer, bits: Subfield): void => {
  writer.u16(packBits(bits))
  fieldHeader.write(writer, bits.field)
}

const usualMaxLength = 0xffff
const noTable = 0xff

// biome-ignore format: a table
const hashNames = names(u16, {
  'eth_src': 0, 'symmetric_l4': 1, 'symmetric_l3l4': 2, 'symmetric_l3l4+udp': 3,
  'nw_src': 4, 'nw_dst': 5, 'symmetric_l3': 6,
} as const satisfies Record<HashName, number>, 'OFPBAC_BAD_ARGUMENT')

// biome-ignore format: a table
const multipathAlgorithms = names(u16, {
  modulo_n: 0, hash_threshold: 1, hrw: 2, iter_hash: 3,
}, 'OFPBAC_BAD_ARGUMENT')

const bundleAlgorithms = names(u16, { active_backup: 0, hrw: 1 }, 'OFPBAC_BAD_ARGUMENT')

const readHash = (reader: Reader): HashFields => ({
  fields: hashNames.read(reader),
  basis: reader.u16(),
})

const resubmit = niciraForms(
  'resubmit',
  [1, 14, 44],
  (reader, number) => {
    const port = readPort16(reader)
    const table = number === 1 ? noTable : reader.u8()
    return {
      kind: 'resubmit',
      ...(port === ports.inPort ? {} : { port }),
      ...(table === noTable ? {} : { table }),
      ...(number === 44 ? { ct: true } : {}),
      ...(number === 1 ? { isShort: true } : {}),
    }
  },
  (writer, { port, table, ct, isShort }) => {
    writePort16(writer, port ?? ports.inPort)
    writer.u8(isShort ? 0 : (table ?? noTable))
    writer.zeros(3)
    return isShort ? 1 : ct === true ? 44 : 14
  },
)

const outputReg = niciraForms(
  'output_reg',
  [15, 32],
  (reader, number) => {
    const { offset, size } = readBits(reader)
    let maxLength = number === 32 ? reader.u16() : 0
    const field = fieldHeader.read(reader)
    if (number === 15) {
      maxLength = reader.u16()
      reader.skip(6)
    }
    const from = checkedSubfield(reader, field, offset, size)
    return {
      kind: 'output_reg',
      from,
      ...(maxLength === usualMaxLength ? {} : { maxLength }),
    }
  },
  (writer, { from, maxLength }) => {
    const isLong = hasLongHeader(from.field)
    writer.u16(packBits(from))
    if (isLong) writer.u16(maxLength ?? usualMaxLength)
    fieldHeader.write(writer, from.field)
    if (!isLong) {
      writer.u16(maxLength ?? usualMaxLength)
      writer.zeros(6)
    }
    return isLong ? 32 : 15
  },
)

const move = nicira(
  'move',
  6,
  reader => {
    const size = reader.u16()
    const fromOffset = reader.u16()
    const toOffset = reader.u16()
    const from = fieldHeader.read(reader)
    const to = fieldHeader.read(reader)
    return {
      kind: 'move',
      from: checkedSubfield(reader, from, fromOffset, size),
      to: writableSubfield(reader, to, toOffset, size),
    }
  },
  (writer, { from, to }) => {
    writer.u16(from.size)
    writer.u16(from.offset)
    writer.u16(to.offset)
    fieldHeader.write(writer, from.field)
    fieldHeader.write(writer, to.field)
  },
)

const isWideField = (bits: Subfield): boolean => typeof fullMask(bits.field) === 'bigint'

/** A header of eight octets leaves no room for the value; `reg_load2` is used for those. */
const load: NiciraAction = {
  ...nicira(
    'load',
    7,
    reader => {
      const to = readPacked(reader)
      const value = reader.u64()
      if (value >> BigInt(to.size) !== 0n)
        throw reader.error(`more than ${to.size} bits to load`, 'OFPBAC_BAD_SET_ARGUMENT')
      return { kind: 'load', to, value: isWideField(to) ? value : Number(value) }
    },
    () => undefined,
  ),
  write(writer, action) {
    const { to, value } = action as ActionOf<'load'>
    if (hasLongHeader(to.field)) {
      const shift = 2 ** to.offset
      const mask = (2 ** to.size - 1) * shift
      writeSetField(writer, to.field, Number(value) * shift, mask)
      return 33
    }
    writePacked(writer, to)
    writer.u64(BigInt(value))
    return 7
  },
}

/** Nicira's set_field, which takes a mask. Without one all bits are meant. */
const regLoad2 = nicira(
  'set_field',
  33,
  reader => {
    const { field, value, mask } = readSetField(reader)
    // Padding may be longer than it need be.
    if (reader.rest().some(octet => octet !== 0))
      throw reader.error('padding that is not zero', 'OFPBAC_BAD_SET_ARGUMENT')
    const all = fullMask(field)
    return {
      kind: 'set_field',
      field,
      value,
      mask: mask ?? all,
      ...(mask === all ? { isMasked: true as const } : {}),
    }
  },
  (writer, { field, value, mask, isMasked }) =>
    writeSetField(writer, field, value, mask === fullMask(field) && !isMasked ? undefined : mask),
)

const multipath = nicira(
  'multipath',
  10,
  reader => {
    const hash = readHash(reader)
    reader.skip(2)
    const algorithm = multipathAlgorithms.read(reader)
    const linkCount = reader.u16() + 1
    const argument = reader.u32()
    reader.skip(2)
    return { kind: 'multipath', hash, algorithm, linkCount, argument, to: readPacked(reader) }
  },
  (writer, { hash, algorithm, linkCount, argument, to }) => {
    hashNames.write(writer, hash.fields)
    writer.u16(hash.basis)
    writer.zeros(2)
    multipathAlgorithms.write(writer, algorithm)
    writer.u16(linkCount - 1)
    writer.u32(argument)
    writer.zeros(2)
    writePacked(writer, to)
  },
)

/** Members of a bundle are ports: the header of NXM_OF_IN_PORT says so. */
const memberType = 0x00000002

const bundle = niciraForms(
  'bundle',
  [12, 13],
  (reader, number) => {
    const algorithm = bundleAlgorithms.read(reader)
    const hash = readHash(reader)
    if (reader.u32() !== memberType)
      throw reader.error('members of a bundle must be ports', 'OFPBAC_BAD_ARGUMENT')
    const count = reader.u16()
    const packed = readBits(reader)
    let to: Subfield | undefined
    if (number === 13) {
      to = writableSubfield(reader, fieldHeader.read(reader), packed.offset, packed.size)
      reader.skip(4)
    } else reader.skip(8)
    if (2 * count > reader.remaining) throw reader.tooShort(2 * count, 'OFPBAC_BAD_LEN')
    const members = Array.from({ length: count }, () => readPort16(reader))
    return { kind: 'bundle', hash, algorithm, ports: members, ...(to && { to }) }
  },
  (writer, { hash, algorithm, ports: members, to }) => {
    bundleAlgorithms.write(writer, algorithm)
    hashNames.write(writer, hash.fields)
    writer.u16(hash.basis)
    writer.u32(memberType)
    writer.u16(members.length)
    if (to) {
      writePacked(writer, to)
      writer.zeros(4)
    } else writer.zeros(10)
    for (const port of members) writePort16(writer, port)
    return to ? 13 : 12
  },
)

const decTtlForControllers = nicira(
  'dec_ttl',
  21,
  reader => {
    const count = reader.u16()
    reader.skip(4)
    if (2 * count > reader.remaining) throw reader.tooShort(2 * count, 'OFPBAC_BAD_LEN')
    return { kind: 'dec_ttl', controllerIds: Array.from({ length: count }, () => reader.u16()) }
  },
  (writer, { controllerIds = [] }) => {
    writer.u16(controllerIds.length)
    writer.zeros(4)
    for (const id of controllerIds) writer.u16(id)
  },
)

const controller = niciraForms('controller', [20, 37], readController, writeController)

/** Offset, field, number of bits. */
const readStackBits = (reader: Reader, checked: typeof checkedSubfield): Subfield => {
  const offset = reader.u16()
  const field = fieldHeader.read(reader)
  const bits = checked(reader, field, offset, reader.u16())
  reader.offset = reader.end
  return bits
}
const writeStackBits = (writer: Writer, bits: Subfield): void => {
  writer.u16(bits.offset)
  fieldHeader.write(writer, bits.field)
  writer.u16(bits.size)
  if (!hasLongHeader(bits.field)) writer.zeros(6)
}

const samplingDirections = ['default', 'ingress', 'egress'] as const

const sample = niciraForms(
  'sample',
  [29, 38, 41],
  (reader, number) => {
    const action: ActionOf<'sample'> = {
      kind: 'sample',
      probability: reader.u16(),
      collectorSet: reader.u32(),
      observationDomain: reader.u32(),
      observationPoint: reader.u32(),
    }
    if (number === 29) return action
    const samplingPort = readPort16(reader)
    const direction = number === 41 ? samplingDirections[reader.u8()] : 'default'
    if (direction === undefined)
      throw reader.error('no direction of sampling', 'OFPBAC_BAD_ARGUMENT')
    return { ...action, samplingPort, ...(direction === 'default' ? {} : { direction }) }
  },
  (writer, action) => {
    writer.u16(action.probability)
    writer.u32(action.collectorSet)
    writer.u32(action.observationDomain)
    writer.u32(action.observationPoint)
    if (action.samplingPort === undefined && action.direction === undefined) return 29
    writePort16(writer, action.samplingPort ?? ports.any)
    writer.u8(samplingDirections.indexOf(action.direction ?? 'default'))
    writer.zeros(5)
    return action.direction === undefined ? 38 : 41
  },
)

// biome-ignore format: a table
export const niciraActions: readonly NiciraAction[] = [
  ...resubmit,
  nicira('set_tunnel', 2, reader => { reader.skip(2); return { kind: 'set_tunnel', id: BigInt(reader.u32()) } },
    (writer, { id }) => { writer.zeros(2); writer.u32(Number(id)) }),
  nicira('pop_queue', 5, () => ({ kind: 'pop_queue' }), writer => writer.zeros(6)),
  move,
  load,
  openEnded(nicira('note', 8, reader => ({ kind: 'note', note: reader.rest() }),
    (writer, { note }) => { writer.bytes(note); writer.zeros(Math.max(0, 6 - note.length)) })),
  nicira('set_tunnel', 9, reader => { reader.skip(6); return { kind: 'set_tunnel', id: reader.u64(), isWide: true } },
    (writer, { id }) => { writer.zeros(6); writer.u64(id) }),
  multipath,
  ...bundle,
  ...outputReg,
  ...learnAction.map(openEnded),
  nicira('exit', 17, () => ({ kind: 'exit' }), writer => writer.zeros(6)),
  nicira('fin_timeout', 19, reader => ({ kind: 'fin_timeout', idleTimeout: reader.u16(), hardTimeout: reader.u16() }),
    (writer, action) => { writer.u16(action.idleTimeout); writer.u16(action.hardTimeout); writer.zeros(2) }),
  decTtlForControllers,
  ...controller.map(openEnded),
  nicira('write_metadata', 22, reader => { reader.skip(6); return { kind: 'write_metadata', metadata: reader.u64(), mask: reader.u64() } },
    (writer, { metadata, mask }) => { writer.zeros(6); writer.u64(metadata); writer.u64(mask) }),
  nicira('push', 27, reader => ({ kind: 'push', from: readStackBits(reader, checkedSubfield) }), (writer, { from }) => writeStackBits(writer, from)),
  nicira('pop', 28, reader => ({ kind: 'pop', to: readStackBits(reader, writableSubfield) }), (writer, { to }) => writeStackBits(writer, to)),
  ...sample,
  nicira('set_mpls_label', 30, reader => { reader.skip(2); return { kind: 'set_mpls_label', label: reader.u32() } },
    (writer, { label }) => { writer.zeros(2); writer.u32(label) }),
  nicira('set_mpls_tc', 31, reader => ({ kind: 'set_mpls_tc', tc: reader.u8() }), (writer, { tc }) => writer.u8(tc)),
  openEnded(regLoad2),
  nicira('conjunction', 34, reader => ({ kind: 'conjunction', clause: reader.u8(), clauseCount: reader.u8(), id: reader.u32() }),
    (writer, { id, clause, clauseCount }) => { writer.u8(clause); writer.u8(clauseCount); writer.u32(id) }),
  openEnded(nicira('ct', 35, readCt, writeCt)),
  nicira('output_trunc', 39, reader => ({ kind: 'output_trunc', port: readPort16(reader), maxLength: reader.u32() }),
    (writer, { port, maxLength }) => { writePort16(writer, port); writer.u32(maxLength) }),
  openEnded(nicira('clone', 42, (reader, actions) => { reader.skip(6); return { kind: 'clone', actions: actions.read(reader) } },
    (writer, value, actions) => { writer.zeros(6); actions.write(writer, value.actions) })),
  nicira('ct_clear', 43, () => ({ kind: 'ct_clear' }), writer => writer.zeros(6)),
  openEnded(nicira('encap', 46, reader => {
    const headerSize = reader.u16()
    const packetType = reader.u32()
    return { kind: 'encap', packetType, ...(headerSize === 0 ? {} : { headerSize }), properties: readEncapProperties(reader) }
  }, (writer, { headerSize = 0, packetType, properties }) => {
    writer.u16(headerSize)
    writer.u32(packetType)
    for (const property of properties) writeEncapProperty(writer, property)
  })),
  nicira('decap', 47, reader => { reader.skip(2); return { kind: 'decap', packetType: reader.u32() } },
    (writer, { packetType }) => { writer.zeros(2); writer.u32(packetType) }),
  nicira('dec_nsh_ttl', 48, () => ({ kind: 'dec_nsh_ttl' }), writer => writer.zeros(6)),
  nicira('check_pkt_larger', 49, reader => {
    const size = reader.u16()
    const offset = reader.u16()
    return { kind: 'check_pkt_larger', size, to: writableSubfield(reader, fieldHeader.read(reader), offset, 1) }
  }, (writer, { size, to }) => { writer.u16(size); writer.u16(to.offset); fieldHeader.write(writer, to.field) }),
  openEnded(nicira('delete_field', 50, reader => ({ kind: 'delete_field', field: ending(reader, fieldHeader.read(reader)) }),
    (writer, { field }) => { fieldHeader.write(writer, field); writer.zeros(hasLongHeader(field) ? 6 : 10) })),
]

export const niciraActionByNumber = new Map(
  niciraActions.flatMap(entry => entry.numbers.map(number => [number, entry] as const)),
)

/** The last row of a kind writes it: the one with the wider form. */
export const niciraActionByKind = new Map<string, NiciraAction>(
  niciraActions.map(entry => [entry.kind, entry]),
)
