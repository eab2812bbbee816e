/**
 * What a message is: a row of fields behind the header of OpenFlow 1.3.5 section 7.1, and, for
 * multipart and experimenter messages, behind a second header of theirs.
 */
import { type Codec, pad, type ValueOf } from '../wire/codecs.js'
import type { Reader } from '../wire/reader.js'
import { type DraftOf, type Rows, RowsCodec, type StructureOf } from '../wire/structure.js'
import type { Writer } from '../wire/writer.js'

/** How the bytes say which message it is. */
export type Place =
  /** `ofp_header.type` */
  | { readonly layer: 'header'; readonly type: number }
  /** Type 18 or 19 and a multipart type. */
  | { readonly layer: 'multipart'; readonly isReply: boolean; readonly number: number }
  /** Type 4, an experimenter and its own type. */
  | { readonly layer: 'experimenter'; readonly experimenter: number; readonly number: number }
  /** Multipart type 0xffff, an experimenter and its own type. */
  | {
      readonly layer: 'experimenter-multipart'
      readonly isReply: boolean
      readonly experimenter: number
      readonly number: number
    }

export interface MessageTable<K extends string = string, R extends Rows = Rows> {
  readonly kind: K
  readonly place: Place
  /** The section of the specification, or the name of the extension. */
  readonly spec: string
  readonly fields: R
  /** Adds the fields to a message whose `kind` and `xid` are set. */
  readInto(reader: Reader, members: Record<string, unknown>): void
  write(writer: Writer, members: Record<string, unknown>): void
  /** Not in a table; carries the type of what is read. */
  readonly decoded?: { readonly kind: K; readonly xid: number } & StructureOf<R>
  readonly draft?: { readonly kind: K; readonly xid?: number } & DraftOf<R>
}

/** A message as it was read: every member is there. */
export type MessageOf<T extends MessageTable> = NonNullable<T['decoded']>
/** A message to be written: members with a default may be left away, `xid` too. */
export type DraftMessageOf<T extends MessageTable> = NonNullable<T['draft']>

const table = <K extends string, R extends Rows>(
  kind: K,
  place: Place,
  spec: string,
  fields: R,
): MessageTable<K, R> => {
  const codec = new RowsCodec(fields)
  return {
    kind,
    place,
    spec,
    fields,
    readInto: (reader, members) => codec.readInto(reader, members),
    write: (writer, members) => codec.write(writer, members),
  }
}

/** A message with a type of its own. */
export const message = <const K extends string, const R extends Rows>(definition: {
  kind: K
  type: number
  spec: string
  fields: R
}): MessageTable<K, R> =>
  table(
    definition.kind,
    { layer: 'header', type: definition.type },
    definition.spec,
    definition.fields,
  )

/** Rows behind the multipart header (section 7.3.5); `more` says that further parts follow. */
const multipart = <K extends string, R extends Rows>(
  kind: K,
  isReply: boolean,
  number: number,
  spec: string,
  fields: R,
) => table(kind, { layer: 'multipart', isReply, number }, spec, fields)

export const multipartRequest = <const K extends string, const R extends Rows>(definition: {
  kind: K
  number: number
  spec: string
  fields: R
}) =>
  multipart(definition.kind, false, definition.number, definition.spec, [
    moreRow,
    ['', pad(4), 'padding'],
    ...definition.fields,
  ] as const)

export const multipartReply = <const K extends string, const R extends Rows>(definition: {
  kind: K
  number: number
  spec: string
  fields: R
}) =>
  multipart(definition.kind, true, definition.number, definition.spec, [
    moreRow,
    ['', pad(4), 'padding'],
    ...definition.fields,
  ] as const)

/** Behind the experimenter's number and its type. */
export const experimenterMessage = <const K extends string, const R extends Rows>(definition: {
  kind: K
  experimenter: number
  number: number
  spec: string
  fields: R
}): MessageTable<K, R> =>
  table(
    definition.kind,
    {
      layer: 'experimenter',
      experimenter: definition.experimenter,
      number: definition.number,
    },
    definition.spec,
    definition.fields,
  )

/** The flag stands before the experimenter's numbers, so the codec itself reads and writes it. */
interface WithMore {
  readonly decoded?: { readonly more: boolean }
  readonly draft?: { readonly more?: boolean }
}

/** Behind the multipart header, the experimenter's number and its type. */
export const experimenterMultipart = <const K extends string, const R extends Rows>(definition: {
  kind: K
  isReply: boolean
  experimenter: number
  number: number
  spec: string
  fields: R
}): MessageTable<K, R> & WithMore =>
  // The rows do not hold `more`: see above.
  table(
    definition.kind,
    {
      layer: 'experimenter-multipart',
      isReply: definition.isReply,
      experimenter: definition.experimenter,
      number: definition.number,
    },
    definition.spec,
    definition.fields,
  ) as MessageTable<K, R> & WithMore

/** Multipart flags: only OFPMPF_MORE is defined, bit 0. */
const more: Codec<boolean> & { readonly fallback: boolean } = {
  fallback: false,
  read: reader => (reader.u16() & 1) !== 0,
  write: (writer, value) => writer.u16(value ? 1 : 0),
}
const moreRow = ['more', more, 'further parts follow'] as const

export type { ValueOf }
