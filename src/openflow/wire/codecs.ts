/**
 * The laws of this folder, kept by every codec and tested:
 *
 * - `read(write(v))` is `v`, and `write(read(b))` is `b` for canonical bytes;
 * - reading untrusted bytes ends in a value or a `DecodeError`, in bounded time;
 * - what is unknown but well formed is kept as bytes, not refused.
 */
import { formatMac, type Mac, macNumber } from '../../base/addresses.js'
import type { ErrorName } from '../error-codes.js'
import type { Reader } from './reader.js'
import type { Writer } from './writer.js'

export interface Codec<T> {
  read(reader: Reader): T
  write(writer: Writer, value: T): void
}

/** The writer may be given no value and then writes `fallback`; the reader always gives one. */
export interface DefaultedCodec<T> extends Codec<T> {
  readonly fallback: T
}

/** As a member that may be absent: the reader leaves it away when it has its usual value. */
export interface OmittableCodec<T> extends Codec<T | undefined> {
  readonly isOmittable: true
}

export type ValueOf<C> =
  C extends OmittableCodec<infer T> ? T : C extends Codec<infer T> ? T : never

export const u8: Codec<number> = {
  read: reader => reader.u8(),
  write: (writer, value) => writer.u8(value),
}
export const u16: Codec<number> = {
  read: reader => reader.u16(),
  write: (writer, value) => writer.u16(value),
}
export const u32: Codec<number> = {
  read: reader => reader.u32(),
  write: (writer, value) => writer.u32(value),
}
export const u64: Codec<bigint> = {
  read: reader => reader.u64(),
  write: (writer, value) => writer.u64(value),
}
export const mac: Codec<Mac> = {
  read: reader => formatMac(reader.u48()),
  write: (writer, value) => writer.u48(macNumber(value)),
}

/** Octets without meaning: skipped whatever they are, written as zeros. */
export const pad = (size: number): Codec<undefined> => ({
  read(reader) {
    reader.skip(size)
    return undefined
  },
  write: writer => writer.zeros(size),
})

/** All octets up to the end of the structure, as a view. */
export const rest: Codec<Uint8Array> = {
  read: reader => reader.rest(),
  write: (writer, value) => writer.bytes(value),
}

export const octets = (size: number): Codec<Uint8Array> => ({
  read: reader => reader.take(size),
  write(writer, value) {
    writer.bytes(value.subarray(0, size))
    writer.zeros(Math.max(0, size - value.length))
  },
})

export const withDefault = <T>(codec: Codec<T>, fallback: T): DefaultedCodec<T> => ({
  read: reader => codec.read(reader),
  write: (writer, value) => codec.write(writer, value),
  fallback,
})

/** A name for each number; other numbers are refused with `answer`. */
export const names = <const N extends Readonly<Record<string, number>>>(
  codec: Codec<number>,
  numbers: N,
  answer: ErrorName,
): Codec<keyof N & string> => {
  const byNumber = new Map(Object.entries(numbers).map(([name, number]) => [number, name]))
  return {
    read(reader) {
      const number = codec.read(reader)
      const name = byNumber.get(number)
      if (name === undefined) throw reader.error(`no meaning has the number ${number}`, answer)
      return name
    },
    write: (writer, name) => codec.write(writer, numbers[name]!),
  }
}

/** A name for the numbers we know, the number itself for others. */
export const openNames = <const N extends Readonly<Record<string, number>>>(
  codec: Codec<number>,
  numbers: N,
): Codec<(keyof N & string) | number> => {
  const byNumber: (string | undefined)[] = []
  for (const [name, number] of Object.entries(numbers)) byNumber[number] = name
  return {
    read(reader) {
      const number = codec.read(reader)
      return byNumber[number] ?? number
    },
    write: (writer, value) =>
      codec.write(writer, typeof value === 'number' ? value : numbers[value]!),
  }
}

/** As many as fit until the end of the structure. */
export const list = <T>(item: Codec<T>): Codec<readonly T[]> => ({
  read(reader) {
    const items: T[] = []
    while (reader.offset < reader.end) {
      const before = reader.offset
      items.push(item.read(reader))
      if (reader.offset === before) throw reader.error('an element without octets')
    }
    return items
  },
  write(writer, items) {
    for (const one of items) item.write(writer, one)
  },
})

/**
 * The same for entries with a length of their own: what is wrong in one need not cost the others, see `Reader.unreadable`.
 *
 * @param lengthAt where in an entry its length is
 */
export const entries = <T>(item: Codec<T>, lengthAt = 0): Codec<readonly T[]> => ({
  read(reader) {
    const items: T[] = []
    while (reader.offset < reader.end) {
      const before = reader.offset
      const one = reader.attempt(lengthAt, item)
      if (one !== undefined) items.push(one)
      if (reader.offset === before) throw reader.error('an element without octets')
    }
    return items
  },
  write: list(item).write,
})

/** A 16-bit size, `gap` octets of padding, then so many octets of `inner`. */
export const sized = <T>(inner: Codec<T>, gap: number, answer?: ErrorName): Codec<T> => ({
  read(reader) {
    const size = reader.u16()
    reader.skip(gap)
    const outer = reader.narrow(size, answer)
    const value = inner.read(reader)
    reader.widen(outer, answer)
    return value
  },
  write(writer, value) {
    const mark = writer.mark()
    writer.u16(0)
    writer.zeros(gap)
    const start = writer.mark()
    inner.write(writer, value)
    writer.patch16(mark, writer.since(start))
  },
})

const decoder = new TextDecoder('utf-8', { fatal: true })
const encoder = new TextEncoder()

/**
 * Text in a fixed number of octets, filled up with zeros. Octets that are not printable UTF-8 are
 * written `\xNN`, a backslash `\\`, so that hostile names are harmless and still come back the same.
 */
export const text = (size: number): Codec<string> => ({
  read: reader => readText(reader.take(size)),
  write(writer, value) {
    const bytes = writeText(value).subarray(0, size)
    writer.bytes(bytes)
    writer.zeros(size - bytes.length)
  },
})

export const readText = (field: Uint8Array): string => {
  const zero = field.indexOf(0)
  const bytes = zero < 0 ? field : field.subarray(0, zero)
  if (bytes.every(byte => byte >= 0x20 && byte < 0x7f && byte !== 0x5c))
    return String.fromCharCode(...bytes)
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch {
    // Not UTF-8: each octet by itself.
    return Array.from(bytes, escapeOctet).join('')
  }
  return text.replace(/[\\\p{C}\p{Zl}\p{Zp}]/gu, character =>
    Array.from(encoder.encode(character), escapeOctet).join(''),
  )
}

const escapeOctet = (byte: number): string => {
  if (byte === 0x5c) return '\\\\'
  return byte >= 0x20 && byte < 0x7f
    ? String.fromCharCode(byte)
    : `\\x${byte.toString(16).padStart(2, '0')}`
}

const writeText = (text: string): Uint8Array => {
  const parts: number[] = []
  for (const [piece] of text.matchAll(/\\x[0-9a-f]{2}|\\\\|[^\\]+|\\/g)) {
    if (piece.startsWith('\\x') && piece.length === 4)
      parts.push(Number.parseInt(piece.slice(2), 16))
    else if (piece === '\\\\') parts.push(0x5c)
    else for (const byte of encoder.encode(piece)) parts.push(byte)
  }
  return Uint8Array.from(parts)
}

export const toHex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
