/**
 * Structures declared as tables: a row is `[name, codec, meaning]`, in the order of the wire. The
 * type of the value, its reader and its writer come from the rows and nowhere else.
 */
import type { ErrorName } from '../error-codes.js'
import type { Codec, DefaultedCodec, OmittableCodec, ValueOf } from './codecs.js'
import type { Reader } from './reader.js'
import type { Writer } from './writer.js'

/** A row without a name is padding, or `length16`. */
export type Row = readonly [name: string, codec: Codec<unknown>, meaning: string]
export type Rows = readonly Row[]

/**
 * Stands in a row for 16 bits that hold the size of the whole structure, which then ends there
 * whatever comes behind.
 */
export const length16: Codec<undefined> = {
  read: () => undefined,
  write: writer => writer.u16(0),
}

type Flat<T> = { [K in keyof T]: T[K] }
type NameOf<R extends Row> = R[0] extends '' ? never : R[0]

/** What reading gives. */
export type StructureOf<R extends Rows> = Flat<
  {
    readonly [E in R[number] as E[1] extends OmittableCodec<unknown> ? never : NameOf<E>]: ValueOf<
      E[1]
    >
  } & {
    readonly [E in R[number] as E[1] extends OmittableCodec<unknown> ? NameOf<E> : never]?: ValueOf<
      E[1]
    >
  }
>

type MayBeAbsent<C> = C extends OmittableCodec<unknown> | DefaultedCodec<unknown> ? true : false

/** What writing takes: rows with a default may be left away. */
export type DraftOf<R extends Rows> = Flat<
  {
    readonly [E in R[number] as MayBeAbsent<E[1]> extends true ? never : NameOf<E>]: ValueOf<E[1]>
  } & {
    readonly [E in R[number] as MayBeAbsent<E[1]> extends true ? NameOf<E> : never]?: ValueOf<E[1]>
  }
>

type Members = Record<string, unknown>

/** The reader and writer of rows; used through `structure` and the tables of messages. */
export class RowsCodec {
  readonly #names: readonly string[]
  readonly #codecs: readonly Codec<unknown>[]
  readonly #fallbacks: readonly unknown[]
  readonly #lengthAt: number
  readonly #answer: ErrorName | undefined

  constructor(rows: Rows, answer?: ErrorName) {
    this.#names = rows.map(row => row[0])
    this.#codecs = rows.map(row => row[1])
    this.#fallbacks = rows.map(row => (row[1] as Partial<DefaultedCodec<unknown>>).fallback)
    this.#lengthAt = this.#codecs.indexOf(length16)
    this.#answer = answer
  }

  readInto(reader: Reader, members: Members): void {
    if (this.#lengthAt >= 0) return this.#readWithLength(reader, members)
    this.#readRows(reader, members, 0, this.#codecs.length)
  }

  #readWithLength(reader: Reader, members: Members): void {
    const start = reader.offset
    this.#readRows(reader, members, 0, this.#lengthAt)
    const size = reader.u16()
    const rest = size - (reader.offset - start)
    if (rest < 0) throw reader.error(`a length of ${size} is less than its own head`, this.#answer)
    const outer = reader.narrow(rest, this.#answer)
    this.#readRows(reader, members, this.#lengthAt + 1, this.#codecs.length)
    reader.widen(outer, this.#answer)
  }

  #readRows(reader: Reader, members: Members, from: number, to: number): void {
    const names = this.#names
    const codecs = this.#codecs
    for (let index = from; index < to; index++) {
      const value = codecs[index]!.read(reader)
      if (value !== undefined) members[names[index]!] = value
    }
  }

  write(writer: Writer, members: Members): void {
    if (this.#lengthAt < 0) return this.#writeRows(writer, members, 0, this.#codecs.length)
    const start = writer.mark()
    this.#writeRows(writer, members, 0, this.#lengthAt)
    const lengthMark = writer.mark()
    this.#writeRows(writer, members, this.#lengthAt, this.#codecs.length)
    writer.patch16(lengthMark, writer.since(start))
  }

  #writeRows(writer: Writer, members: Members, from: number, to: number): void {
    const names = this.#names
    const codecs = this.#codecs
    const fallbacks = this.#fallbacks
    for (let index = from; index < to; index++) {
      const name = names[index]!
      // Padding has no name, and no value to look for.
      const value = name === '' ? undefined : members[name]
      codecs[index]!.write(writer, value === undefined ? fallbacks[index] : value)
    }
  }
}

/**
 * The codec of a structure inside a message.
 *
 * @param answer the OpenFlow error for a wrong `length16`
 */
export const structure = <const R extends Rows>(
  rows: R,
  answer?: ErrorName,
): Codec<StructureOf<R>> => {
  const codec = new RowsCodec(rows, answer)
  return {
    read(reader) {
      const members: Members = {}
      codec.readInto(reader, members)
      return members as StructureOf<R>
    },
    write: (writer, value) => codec.write(writer, value as Members),
  }
}
