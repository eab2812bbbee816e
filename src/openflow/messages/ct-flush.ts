/** Nicira's NXT_CT_FLUSH, new in Open vSwitch 3.1: forgets connections by zone and tuple. */
import { formatIpv4, formatIpv6, type Ip, ipNumber } from '../../base/addresses.js'
import { type Codec, pad, u8, withDefault } from '../wire/codecs.js'
import type { Reader } from '../wire/reader.js'
import type { Writer } from '../wire/writer.js'
import { nicira } from './experimenters.js'
import { experimenterMessage } from './message.js'

/** One direction of a connection; what is absent may be anything. */
export interface FlushTuple {
  readonly source?: Ip
  readonly destination?: Ip
  readonly sourcePort?: number
  readonly destinationPort?: number
  readonly icmpId?: number
  readonly icmpType?: number
  readonly icmpCode?: number
}

export interface FlushFilter {
  readonly original?: FlushTuple
  readonly reply?: FlushTuple
  readonly zone?: number
}

const properties = { original: 0, reply: 1, zone: 2 } as const
// biome-ignore format: a table
const tupleProperties = { source: 0, destination: 1, sourcePort: 2, destinationPort: 3, icmpId: 4, icmpType: 5, icmpCode: 6 } as const
type TupleName = keyof typeof tupleProperties
const tupleNames = Object.keys(tupleProperties) as TupleName[]

type Editable<T> = { -readonly [K in keyof T]: T[K] }

/** Reads a property's head, gives its body to `read`, skips the padding behind it. */
const readProperties = (reader: Reader, read: (type: number) => void): void => {
  while (reader.remaining > 0) {
    const type = reader.u16()
    const size = reader.u16()
    if (size < 4) throw reader.error(`a property of ${size} octets`, 'OFPTFFC_BAD_LEN')
    const outer = reader.narrow(size - 4, 'OFPTFFC_BAD_LEN')
    read(type)
    reader.offset = reader.end
    reader.widen(outer)
    reader.skip(Math.min((8 - (size % 8)) % 8, reader.remaining))
  }
}

const writeProperty = (writer: Writer, type: number, write: () => void): void => {
  const start = writer.mark()
  writer.u16(type)
  writer.u16(0)
  write()
  writer.patch16(start + 2, writer.since(start))
  writer.align8(start)
}

const ipv4Prefix = 0x0000ffff
/** An address has 16 octets, an IPv4 one behind `::ffff:`. */
const readAddress = (reader: Reader): Ip => {
  const value = reader.u128()
  return value >> 32n === BigInt(ipv4Prefix)
    ? formatIpv4(Number(value & 0xffffffffn))
    : formatIpv6(value)
}
const writeAddress = (writer: Writer, address: Ip): void => {
  const number = ipNumber(address)
  writer.u128(typeof number === 'number' ? (BigInt(ipv4Prefix) << 32n) | BigInt(number) : number)
}

const isAddress = (name: TupleName): name is 'source' | 'destination' =>
  name === 'source' || name === 'destination'
const isShort = (name: TupleName): boolean => name === 'icmpType' || name === 'icmpCode'

const readTuple = (reader: Reader): FlushTuple => {
  const tuple: Editable<FlushTuple> = {}
  reader.skip(4)
  readProperties(reader, type => {
    const name = tupleNames[type]
    if (name === undefined) throw reader.error(`no property ${type}`, 'OFPTFFC_BAD_TYPE')
    if (isAddress(name)) tuple[name] = readAddress(reader)
    else tuple[name] = isShort(name) ? reader.u8() : reader.u16()
  })
  return tuple
}

const writeTuple = (writer: Writer, tuple: FlushTuple): void => {
  writer.zeros(4)
  for (const name of tupleNames) {
    const value = tuple[name]
    if (value === undefined) continue
    writeProperty(writer, tupleProperties[name], () => {
      if (typeof value === 'string') writeAddress(writer, value)
      else if (isShort(name)) writer.u8(value)
      else writeShort(writer, value)
    })
  }
}

const writeShort = (writer: Writer, value: number): void => {
  writer.u16(value)
  writer.zeros(2)
}

const filter: Codec<FlushFilter> = {
  read(reader) {
    const value: Editable<FlushFilter> = {}
    readProperties(reader, type => {
      if (type === properties.zone) value.zone = reader.u16()
      else if (type === properties.original) value.original = readTuple(reader)
      else if (type === properties.reply) value.reply = readTuple(reader)
      else throw reader.error(`no property ${type}`, 'OFPTFFC_BAD_TYPE')
    })
    return value
  },
  write(writer, { original, reply, zone }) {
    if (original) writeProperty(writer, properties.original, () => writeTuple(writer, original))
    if (reply) writeProperty(writer, properties.reply, () => writeTuple(writer, reply))
    if (zone !== undefined) writeProperty(writer, properties.zone, () => writeShort(writer, zone))
  },
}

export const ctFlush = experimenterMessage({
  kind: 'ct-flush',
  experimenter: nicira,
  number: 32,
  spec: 'Nicira NXT_CT_FLUSH',
  fields: [
    ['protocol', withDefault(u8, 0), 'IP protocol of the tuples; 0: any'],
    ['', pad(7), 'padding'],
    ['filter', withDefault(filter, {}), 'which connections; empty: all'],
  ],
})
