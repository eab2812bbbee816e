/** Properties of Nicira's `encap`, ovs-actions(7), "The encap action": class, type, size, then the value. */
import type { EncapProperty } from '../values.js'
import type { Reader } from '../wire/reader.js'
import type { Writer } from '../wire/writer.js'

export const readEncapProperties = (reader: Reader): EncapProperty[] => {
  const properties: EncapProperty[] = []
  while (reader.remaining >= 4) {
    const propertyClass = reader.u16()
    const type = reader.u8()
    const size = reader.u8()
    if (size < 4) throw reader.error(`a property of ${size} octets`, 'OFPBAC_BAD_ARGUMENT')
    properties.push({ class: propertyClass, type, data: reader.take(size - 4) })
    if (size % 8 !== 0) reader.skip(Math.min(8 - (size % 8), reader.remaining))
  }
  return properties
}

export const writeEncapProperty = (
  writer: Writer,
  { class: owner, type, data }: EncapProperty,
): void => {
  const start = writer.mark()
  writer.u16(owner)
  writer.u8(type)
  writer.u8(4 + data.length)
  writer.bytes(data)
  writer.align8(start)
}
