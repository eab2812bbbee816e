/** Nicira's `ct` with its nested `nat`, ovs-actions(7), "The ct action". */

import type { Ip } from '../../base/addresses.js'
import { formatIpv4, formatIpv6, ipNumber, parseIpv4 } from '../../base/addresses.js'
import { checkedSubfield, fieldHeader, packBits, readBits } from '../match.js'
import type { Action, CtAction, NatAction, Subfield } from '../values.js'
import type { Reader } from '../wire/reader.js'
import type { Writer } from '../wire/writer.js'
import type { ActionList } from './action-list.js'

type Editable<T> = { -readonly [K in keyof T]: T[K] }

const ctFlags = { commit: 1, force: 2 } as const
const noTable = 0xff

const natNumber = 36
const natFlags = { src: 1, dst: 2, persistent: 4, hash: 8, random: 16 } as const
/** Which parts of the range are there, in this order. */
// biome-ignore format: a table
const natRange = { ipv4Min: 1, ipv4Max: 2, ipv6Min: 4, ipv6Max: 8, portMin: 16, portMax: 32 } as const

export const readCt = (reader: Reader, actions: ActionList): CtAction => {
  const flags = reader.u16()
  const zone = readZone(reader)
  const table = reader.u8()
  reader.skip(3)
  const alg = reader.u16()
  const value: Editable<CtAction> = { kind: 'ct', zone }
  if (flags & ctFlags.commit) value.commit = true
  if (flags & ctFlags.force) value.force = true
  if (table !== noTable) value.table = table
  if (alg !== 0) value.alg = alg
  readNested(reader, actions, value)
  return value
}

const readZone = (reader: Reader): number | Subfield => {
  const start = reader.offset
  if (reader.u32() === 0) return reader.u16()
  reader.offset = start
  const field = fieldHeader.read(reader)
  const { offset, size } = readBits(reader)
  return checkedSubfield(reader, field, offset, size)
}

const readNested = (reader: Reader, actions: ActionList, value: Editable<CtAction>): void => {
  const exec: Action[] = []
  while (reader.remaining > 0) {
    if (isNat(reader)) {
      if (value.nat) throw reader.error('ct with two nat actions', 'OFPBAC_BAD_ARGUMENT')
      value.nat = readNat(reader)
      if (exec.length > 0) value.isNatLast = true
      continue
    }
    const outer = reader.narrow(nextSize(reader), 'OFPBAC_BAD_LEN')
    exec.push(actions.readInCt(reader))
    reader.widen(outer)
  }
  if (exec.length > 0) value.exec = exec
}

/** Type, length, experimenter and number of the next action, without reading it. */
const nextSize = (reader: Reader): number => {
  if (reader.remaining < 8) throw reader.tooShort(8, 'OFPBAC_BAD_LEN')
  const { bytes, offset } = reader
  const size = (bytes[offset + 2]! << 8) | bytes[offset + 3]!
  if (size < 8 || size % 8 !== 0)
    throw reader.error(`an action of ${size} octets`, 'OFPBAC_BAD_LEN')
  return size
}

const isNat = (reader: Reader): boolean => {
  const { bytes, offset, remaining } = reader
  if (remaining < 16 || bytes[offset] !== 0xff || bytes[offset + 1] !== 0xff) return false
  return [0, 0, 0x23, 0x20, 0, natNumber].every((byte, index) => bytes[offset + 4 + index] === byte)
}

const readNat = (reader: Reader): NatAction => {
  const outer = reader.narrow(nextSize(reader), 'OFPBAC_BAD_LEN')
  reader.skip(12)
  const flags = reader.u16()
  const range = reader.u16()
  if ((flags & natFlags.src) !== 0 && (flags & natFlags.dst) !== 0)
    throw reader.error('nat of source and destination at once', 'OFPBAC_BAD_ARGUMENT')
  const nat: Editable<NatAction> = { kind: 'nat' }
  if (flags & natFlags.src) nat.type = 'src'
  if (flags & natFlags.dst) nat.type = 'dst'
  if (flags & natFlags.persistent) nat.persistent = true
  if (flags & natFlags.hash) nat.hash = true
  if (flags & natFlags.random) nat.random = true
  if (range & natRange.ipv4Min) nat.addressMin = formatIpv4(reader.u32())
  if (range & natRange.ipv4Max) nat.addressMax = formatIpv4(reader.u32())
  if (range & natRange.ipv6Min) nat.addressMin = formatIpv6(reader.u128())
  if (range & natRange.ipv6Max) nat.addressMax = formatIpv6(reader.u128())
  if (range & natRange.portMin) nat.portMin = reader.u16()
  if (range & natRange.portMax) nat.portMax = reader.u16()
  if (reader.remaining >= 8) throw reader.error('octets behind the range', 'OFPBAC_BAD_LEN')
  reader.offset = reader.end
  reader.widen(outer)
  return nat
}

export const writeCt = (writer: Writer, value: CtAction, actions: ActionList): void => {
  writer.u16((value.commit ? ctFlags.commit : 0) | (value.force ? ctFlags.force : 0))
  if (typeof value.zone === 'number') {
    writer.u32(0)
    writer.u16(value.zone)
  } else {
    fieldHeader.write(writer, value.zone.field)
    writer.u16(packBits(value.zone))
  }
  writer.u8(value.table ?? noTable)
  writer.zeros(3)
  writer.u16(value.alg ?? 0)
  if (value.nat && !value.isNatLast) writeNat(writer, value.nat)
  if (value.exec) actions.write(writer, value.exec)
  if (value.nat && value.isNatLast) writeNat(writer, value.nat)
}

const natFlagsOf = (nat: NatAction): number =>
  (nat.type === undefined ? 0 : natFlags[nat.type]) |
  (nat.persistent ? natFlags.persistent : 0) |
  (nat.hash ? natFlags.hash : 0) |
  (nat.random ? natFlags.random : 0)

const isIpv4 = (address: string): boolean => parseIpv4(address) !== undefined

const rangeOf = ({ addressMin, addressMax, portMin, portMax }: NatAction): number =>
  (addressMin === undefined ? 0 : isIpv4(addressMin) ? natRange.ipv4Min : natRange.ipv6Min) |
  (addressMax === undefined ? 0 : isIpv4(addressMax) ? natRange.ipv4Max : natRange.ipv6Max) |
  (portMin === undefined ? 0 : natRange.portMin) |
  (portMax === undefined ? 0 : natRange.portMax)

const writeNat = (writer: Writer, nat: NatAction): void => {
  const start = writer.mark()
  writer.u16(0xffff)
  writer.u16(0)
  writer.u32(0x2320)
  writer.u16(natNumber)
  writer.zeros(2)
  writer.u16(natFlagsOf(nat))
  writer.u16(rangeOf(nat))
  for (const address of [nat.addressMin, nat.addressMax]) {
    if (address === undefined) continue
    const number = ipNumber(address as Ip)
    if (typeof number === 'number') writer.u32(number)
    else writer.u128(number)
  }
  if (nat.portMin !== undefined) writer.u16(nat.portMin)
  if (nat.portMax !== undefined) writer.u16(nat.portMax)
  writer.align8(start)
  writer.patch16(start + 2, writer.since(start))
}
