/** Elements of a hello, OpenFlow 1.3.5 section 7.5.1: only the version bitmap is defined. */
import type { Reader } from './reader.js'
import type { Writer } from './writer.js'

const bitmapType = 1

export interface HelloVersions {
  /** Wire versions (4 is OpenFlow 1.3) in rising order; absent when the sender gave no bitmap. */
  readonly bitmap?: readonly number[]
  /** Whole elements with head and padding. */
  readonly unknown: readonly Uint8Array[]
}

export const readHello = (reader: Reader): HelloVersions => {
  let bitmap: number[] | undefined
  const unknown: Uint8Array[] = []
  while (reader.remaining >= 4) {
    const start = reader.offset
    const type = reader.u16()
    const size = reader.u16()
    if (size < 4 || size - 4 > reader.remaining) {
      // No element: whoever sends it can still be spoken with.
      reader.offset = reader.end
      unknown.push(reader.bytes.subarray(start, reader.offset))
      break
    }
    const outer = reader.narrow(size - 4)
    const isBitmap = type === bitmapType && bitmap === undefined && reader.remaining % 4 === 0
    if (isBitmap) bitmap = readBitmap(reader)
    else reader.offset = reader.end
    reader.widen(outer)
    // The last element's padding may be missing.
    reader.skip(Math.min((8 - (size % 8)) % 8, reader.remaining))
    if (!isBitmap) unknown.push(reader.bytes.subarray(start, reader.offset))
  }
  reader.offset = reader.end
  return bitmap ? { bitmap, unknown } : { unknown }
}

const readBitmap = (reader: Reader): number[] => {
  const versions: number[] = []
  for (let base = 0; reader.remaining > 0; base += 32) {
    const bits = reader.u32()
    for (let bit = 0; bit < 32; bit++) if ((bits >>> bit) & 1) versions.push(base + bit)
  }
  return versions
}

export const writeHello = (writer: Writer, { bitmap, unknown }: HelloVersions): void => {
  if (bitmap) writeBitmap(writer, bitmap)
  for (const element of unknown) writer.bytes(element)
}

const writeBitmap = (writer: Writer, bitmap: readonly number[]): void => {
  const last = bitmap.reduce((most, version) => Math.max(most, version), 0)
  const words = new Array<number>(1 + Math.floor(last / 32)).fill(0)
  for (const version of bitmap) words[version >>> 5]! |= 1 << (version & 31)
  const start = writer.mark()
  writer.u16(bitmapType)
  writer.u16(4 + 4 * words.length)
  for (const word of words) writer.u32(word >>> 0)
  writer.align8(start)
}
