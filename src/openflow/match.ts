/** Matches as bytes: OpenFlow 1.3.5 section 7.2.3, and Nicira's headers of fields in actions. */
import { type Field, type FieldName, fieldByName, fields, findField } from './oxm.js'
import { isMet, type Known } from './prerequisites.js'
import type { FieldValue, Masked, Match, Subfield } from './values.js'
import type { Codec } from './wire/codecs.js'
import { DecodeError } from './wire/decode-error.js'
import type { Reader } from './wire/reader.js'
import type { Writer } from './wire/writer.js'

const oxmMatchType = 1
const experimenterClass = 0xffff
const experimenterBase = 0x1_0000_0000

/** One bit for each field that others need before them. */
const providerBits: { readonly [name in FieldName]?: number } = {
  eth_type: 1,
  ip_proto: 2,
  icmpv6_type: 4,
  vlan_vid: 8,
  in_port: 16,
  ct_state: 32,
}

const neededBits: { readonly [name in Field['prerequisite']]: number } = {
  none: 0,
  'in-port': 16,
  vlan: 8,
  ip: 1,
  ipv4: 1,
  ipv6: 1,
  arp: 1,
  mpls: 1,
  pbb: 1,
  nsh: 1,
  tcp: 3,
  udp: 3,
  sctp: 3,
  icmpv4: 3,
  icmpv6: 3,
  nd: 7,
  'nd-solicit': 7,
  'nd-advert': 7,
  ct: 33,
}

/** A field made ready for its bytes. */
interface Wire {
  readonly field: Field
  readonly name: FieldName
  readonly size: number
  /** The header's upper 16 bits and the number: `| hasMask << 8 | length` makes it whole. */
  readonly header: number
  readonly nxmHeader: number
  readonly experimenter: number | undefined
  readonly nxmExperimenter: number | undefined
  readonly provides: number
  readonly needs: number
  /** The greatest value, for fields of 48 bits or fewer. */
  readonly limit: number
  readonly wideLimit: bigint
  /** Bits within the limit that are always zero. */
  readonly unused: number
}

/** What Open vSwitch has no room for: operations of ARP above 255, ECN in the TOS, states of connections that are none. */
const unusedBits: { readonly [name in FieldName]?: number } = {
  arp_op: 0xff00,
  nw_tos: 0x03,
  ct_state: 0xffffff00,
}

const headOf = (oxmClass: number, number: number): number =>
  (((oxmClass >= experimenterBase ? experimenterClass : oxmClass) << 16) | (number << 9)) >>> 0

const experimenterOf = (oxmClass: number): number | undefined =>
  oxmClass >= experimenterBase ? oxmClass - experimenterBase : undefined

const wireOf = (field: Field): Wire => ({
  field,
  name: field.name,
  size: field.size,
  header: headOf(field.oxmClass, field.number),
  nxmHeader: headOf(field.nxmClass, field.nxmNumber),
  experimenter: experimenterOf(field.oxmClass),
  nxmExperimenter: experimenterOf(field.nxmClass),
  provides: providerBits[field.name] ?? 0,
  needs: neededBits[field.prerequisite],
  limit: 2 ** Math.min(field.bits, 48) - 1,
  unused: unusedBits[field.name] ?? 0,
  wideLimit: (1n << BigInt(field.bits)) - 1n,
})

const wireByName = new Map<string, Wire>(fields.map(field => [field.name, wireOf(field)]))

/** By the header's class and number (its upper 23 bits) for the two classes that fill matches. */
const wiresOf = (oxmClass: number): (Wire | undefined)[] =>
  Array.from({ length: 128 }, (_, number) => {
    const field = findField(oxmClass, number)
    return field && wireByName.get(field.name)
  })
const openflowWires = wiresOf(0x8000)
const niciraWires = wiresOf(0x0001)

const findWire = (oxmClass: number, number: number): Wire | undefined => {
  if (oxmClass === 0x8000) return openflowWires[number]
  if (oxmClass === 0x0001) return niciraWires[number]
  const field = findField(oxmClass, number)
  return field && wireByName.get(field.name)
}

const isWide = (wire: Wire): boolean => wire.field.bits > 48

type Members = Record<string, FieldValue | Masked | Uint8Array[]>

/** An `ofp_match` with its type, length and padding. */
export const match: Codec<Match> = {
  read(reader) {
    const type = reader.u16()
    if (type !== oxmMatchType)
      throw new DecodeError(reader.offset - 2, `a match of type ${type}`, 'OFPBMC_BAD_TYPE')
    const length = reader.u16()
    const outer = reader.narrow(length - 4, 'OFPBMC_BAD_LEN')
    const value = readFields(reader)
    reader.widen(outer)
    if (length % 8 !== 0) reader.skip(8 - (length % 8))
    return value
  },
  write(writer, value) {
    const start = writer.mark()
    writer.u16(oxmMatchType)
    writer.u16(0)
    writeFields(writer, value)
    writer.patch16(start + 2, writer.since(start))
    writer.align8(start)
  },
}

/**
 * Fields up to the end, without the head and padding of an `ofp_match`.
 *
 * @throws {DecodeError} `OFPBMC_BAD_PREREQ` when a field comes without, or before, what it needs
 */
export const readFields = (reader: Reader): Match => {
  const members: Members = {}
  while (reader.offset < reader.end) {
    const start = reader.offset
    const wire = readField(reader, members)
    if (wire !== undefined && wire.needs !== 0) checkNeeds(wire, members, start)
  }
  return members as Match
}

const checkNeeds = ({ field }: Wire, members: Members, start: number): void => {
  if (isMet(field.prerequisite, members as Known)) return
  throw new DecodeError(
    start,
    `${field.name} without what it needs: ${field.prerequisite}`,
    'OFPBMC_BAD_PREREQ',
  )
}

/** @param isSet it is to be written to packets: any bits of any field can be, whatever a match may say of it */
const readField = (reader: Reader, members: Members, isSet = false): Wire | undefined => {
  const start = reader.offset
  const header = reader.u32()
  let oxmClass = header >>> 16
  let length = header & 0xff
  if (length > reader.end - reader.offset) throw reader.tooShort(length, 'OFPBMC_BAD_LEN')
  if (oxmClass === experimenterClass) {
    if (length < 4) throw reader.tooShort(4, 'OFPBMC_BAD_LEN')
    oxmClass = experimenterBase + reader.u32()
    length -= 4
  }
  const wire = findWire(oxmClass, (header >>> 9) & 0x7f)
  if (wire === undefined) {
    reader.skip(length)
    keepUnknown(members, reader.bytes.subarray(start, reader.offset))
    return undefined
  }
  if (members[wire.name] !== undefined)
    throw new DecodeError(start, `${wire.name} occurs twice`, 'OFPBMC_DUP_FIELD')
  members[wire.name] = readValue(reader, wire, (header & 0x100) !== 0, length, start, isSet)
  return wire
}

const keepUnknown = (members: Members, bytes: Uint8Array): void => {
  const others = members.unknown
  if (Array.isArray(others)) others.push(bytes)
  else members.unknown = [bytes]
}

const readValue = (
  reader: Reader,
  wire: Wire,
  hasMask: boolean,
  length: number,
  start: number,
  isSet: boolean,
): FieldValue | Masked => {
  if (wire.field.isVariable) return readVariable(reader, hasMask, length)
  if (length !== (hasMask ? 2 * wire.size : wire.size))
    throw new DecodeError(start, `${length} octets for ${wire.name}`, 'OFPBMC_BAD_LEN')
  const value = readUnsigned(reader, wire.size)
  const isTooLarge =
    typeof value === 'number'
      ? value > wire.limit || (value & wire.unused) !== 0
      : value > wire.wideLimit
  if (wire.name === 'in_port' && isNoPort(value as number))
    throw new DecodeError(start, `there is no port ${value}`, 'OFPBMC_BAD_VALUE')
  if (isTooLarge)
    throw new DecodeError(start, `${wire.name} has no such bits: ${value}`, 'OFPBMC_BAD_VALUE')
  if (!hasMask) return value
  const mask = readUnsigned(reader, wire.size)
  if (!isSet && !wire.field.isMaskable && !isAllOrNothing(wire, mask))
    throw new DecodeError(start, `${wire.name} takes no mask`, 'OFPBMC_BAD_MASK')
  if (hasBitsOutside(value, mask))
    throw new DecodeError(start, `${wire.name} has bits outside its mask`, 'OFPBMC_BAD_WILDCARDS')
  return { value, mask }
}

/** Open vSwitch numbers ports up to 0xfeff; the reserved ones are the last 256 of 32 bits. */
const isNoPort = (port: number): boolean => port >= 0xff00 && port < 0xffffff00

const isAllOrNothing = (wire: Wire, mask: FieldValue): boolean =>
  Number(mask) === 0 ||
  mask === (isWide(wire) ? wire.wideLimit : wire.limit) ||
  (typeof mask === 'number' && mask === 2 ** (8 * wire.size) - 1)

/** Tunnel metadata is as long as the option that is bound to it, so its size is part of the value. */
const readVariable = (reader: Reader, hasMask: boolean, length: number): Masked => {
  const size = hasMask ? length / 2 : length
  if (!Number.isInteger(size)) throw reader.error('an odd length with a mask', 'OFPBMC_BAD_LEN')
  const value = bigintOf(reader.take(size))
  const mask = hasMask ? bigintOf(reader.take(size)) : (1n << BigInt(8 * size)) - 1n
  if ((value & ~mask) !== 0n) throw reader.error('bits outside the mask', 'OFPBMC_BAD_WILDCARDS')
  const isMasked = hasMask && mask === (1n << BigInt(8 * size)) - 1n
  return isMasked ? { value, mask, size, isMasked: true } : { value, mask, size }
}

const bigintOf = (bytes: Uint8Array): bigint => {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return value
}

const hasBitsOutside = (value: FieldValue, mask: FieldValue): boolean => {
  if (typeof value === 'bigint') return (value & ~(mask as bigint)) !== 0n
  const wideMask = mask as number
  if ((value & ~wideMask) !== 0) return true
  return (Math.floor(value / 0x100000000) & ~Math.floor(wideMask / 0x100000000)) !== 0
}

const readUnsigned = (reader: Reader, size: number): FieldValue => {
  switch (size) {
    case 1:
      return reader.u8()
    case 2:
      return reader.u16()
    case 3:
      return reader.u24()
    case 4:
      return reader.u32()
    case 6:
      return reader.u48()
    case 8:
      return reader.u64()
    default:
      return reader.u128()
  }
}

const writeUnsigned = (writer: Writer, size: number, value: FieldValue): void => {
  switch (size) {
    case 1:
      return writer.u8(Number(value))
    case 2:
      return writer.u16(Number(value))
    case 3:
      return writer.u24(Number(value))
    case 4:
      return writer.u32(Number(value))
    case 6:
      return writer.u48(Number(value))
    case 8:
      return writer.u64(BigInt(value))
    default:
      return writer.u128(BigInt(value))
  }
}

/**
 * Fields in the order of the value's keys, as long as each comes behind what it needs; otherwise all
 * are put into an order that does, since switches refuse a field before its prerequisite.
 */
export const writeFields = (writer: Writer, value: Match): void => {
  const start = writer.mark()
  let needed = 0
  for (const name in value) {
    const wire = wireByName.get(name)
    if (wire === undefined) {
      writeUnknown(writer, value)
      continue
    }
    if ((wire.provides & needed) !== 0) {
      writer.rewind(start)
      return writeSorted(writer, value)
    }
    needed |= wire.needs
    writeField(writer, wire, value[wire.name]!)
  }
}

const writeSorted = (writer: Writer, value: Match): void => {
  const wires = Object.keys(value).flatMap(name => wireByName.get(name) ?? [])
  const step = (wire: Wire): number =>
    wire.provides === 32 ? 0 : [0, 1, 1, 2, 2, 2, 2, 3][wire.needs & 7]! + (wire.needs > 7 ? 1 : 0)
  wires.sort((a, b) => step(a) - step(b))
  for (const wire of wires) writeField(writer, wire, value[wire.name]!)
  writeUnknown(writer, value)
}

const writeUnknown = (writer: Writer, value: Match): void => {
  if (value.unknown !== undefined) for (const bytes of value.unknown) writer.bytes(bytes)
}

const writeField = (writer: Writer, wire: Wire, value: FieldValue | Masked): void => {
  if (wire.field.isVariable) return writeVariable(writer, wire, value)
  const extra = wire.experimenter === undefined ? 0 : 4
  if (typeof value === 'object') {
    writer.u32(wire.header | 0x100 | (2 * wire.size + extra))
    if (wire.experimenter !== undefined) writer.u32(wire.experimenter)
    writeUnsigned(writer, wire.size, value.value)
    writeUnsigned(writer, wire.size, value.mask)
    return
  }
  writer.u32(wire.header | (wire.size + extra))
  if (wire.experimenter !== undefined) writer.u32(wire.experimenter)
  writeUnsigned(writer, wire.size, value)
}

const sizeOfBigint = (value: bigint): number =>
  value === 0n ? 0 : Math.ceil(value.toString(16).length / 2)

const writeVariable = (writer: Writer, wire: Wire, given: FieldValue | Masked): void => {
  const isMasked = typeof given === 'object'
  const value = BigInt(isMasked ? given.value : given)
  const mask = isMasked ? BigInt(given.mask) : undefined
  const size =
    (isMasked ? given.size : undefined) ?? Math.max(sizeOfBigint(value), sizeOfBigint(mask ?? 0n))
  const isWhole = isMasked && given.size !== undefined && given.isMasked !== true
  const hasMask = mask !== undefined && !(isWhole && mask === (1n << BigInt(8 * size)) - 1n)
  writer.u32(wire.header | (hasMask ? 0x100 | (2 * size) : size))
  writeBigint(writer, value, size)
  if (hasMask) writeBigint(writer, mask, size)
}

const writeBigint = (writer: Writer, value: bigint, size: number): void => {
  if (size > 0) writer.bytes(Buffer.from(value.toString(16).padStart(2 * size, '0'), 'hex'))
}

/** An action names a field that we do not know: the action is then kept as bytes. */
export class UnknownFieldError extends DecodeError {
  constructor(offset: number) {
    super(offset, 'the field is unknown', 'OFPBAC_BAD_SET_TYPE')
  }
}

/** The header of a field alone, four octets or eight, as Nicira's actions write it. */
export const fieldHeader: Codec<FieldName> = {
  read: reader => readHeader(reader).field.name,
  write(writer, name) {
    const wire = wireByName.get(name)!
    const extra = wire.nxmExperimenter === undefined ? 0 : 4
    writer.u32(wire.nxmHeader | (wire.size + extra))
    if (wire.nxmExperimenter !== undefined) writer.u32(wire.nxmExperimenter)
  },
}

const readHeader = (reader: Reader): Wire => {
  const start = reader.offset
  const header = reader.u32()
  let oxmClass = header >>> 16
  if (oxmClass === experimenterClass) oxmClass = experimenterBase + reader.u32()
  const wire = findWire(oxmClass, (header >>> 9) & 0x7f)
  if (wire === undefined) throw new UnknownFieldError(start)
  return wire
}

/** True when the field's header in Nicira's actions takes eight octets. */
export const hasLongHeader = (name: FieldName): boolean =>
  wireByName.get(name)!.nxmExperimenter !== undefined

/** One field with its value: the body of set_field. */
export const readSetField = (
  reader: Reader,
): { field: FieldName; value: FieldValue; mask?: FieldValue } => {
  const members: Members = {}
  const start = reader.offset
  readField(reader, members, true)
  const name = Object.keys(members)[0] as FieldName | 'unknown'
  if (name === 'unknown') throw new UnknownFieldError(start)
  checkWritable(reader, name)
  const given = members[name] as FieldValue | Masked
  if (typeof given !== 'object') return { field: name, value: given }
  const isWhole =
    given.size !== undefined &&
    given.isMasked !== true &&
    given.mask === (1n << BigInt(8 * given.size)) - 1n
  return isWhole
    ? { field: name, value: given.value }
    : { field: name, value: given.value, mask: given.mask }
}

export const writeSetField = (
  writer: Writer,
  name: FieldName,
  value: FieldValue,
  mask: FieldValue | undefined,
): void => {
  const wire = wireByName.get(name)!
  writeField(writer, wire, mask === undefined ? value : { value, mask })
}

/** All the bits a field has. */
export const fullMask = (name: FieldName): FieldValue => {
  const wire = wireByName.get(name)!
  return isWide(wire) ? wire.wideLimit : wire.limit
}

/** Offset and size in 16 bits as Nicira writes them: `offset << 6 | size - 1`. */
export const readBits = (reader: Reader): { offset: number; size: number } => {
  const packed = reader.u16()
  return { offset: packed >>> 6, size: (packed & 0x3f) + 1 }
}

export const packBits = (bits: Subfield): number => (bits.offset << 6) | (bits.size - 1)

/** @throws {DecodeError} when the bits are not all in the field */
export const checkedSubfield = (
  reader: Reader,
  field: FieldName,
  offset: number,
  size: number,
): Subfield => {
  if (size === 0 || offset + size > widthOf(fieldByName.get(field)!))
    throw reader.error(
      `${field} has no bits ${offset} to ${offset + size - 1}`,
      'OFPBAC_BAD_SET_LEN',
    )
  return { field, offset, size }
}

/** As many bits as subfields may address: the bit that says that there is a tag is none of a VLAN's number. */
export const widthOf = ({ name, bits, size }: Field): number =>
  name === 'vlan_vid' ? 12 : Math.min(bits, 8 * size)

/** The same for bits that an action writes. */
export const writableSubfield = (
  reader: Reader,
  field: FieldName,
  offset: number,
  size: number,
): Subfield => {
  checkWritable(reader, field)
  return checkedSubfield(reader, field, offset, size)
}

const checkWritable = (reader: Reader, field: FieldName): void => {
  if (!fieldByName.get(field)!.isWritable)
    throw reader.error(`${field} is read-only`, 'OFPBAC_BAD_SET_ARGUMENT')
}
