/** Messages to bytes and back: the headers of OpenFlow 1.3.5 sections 7.1 and 7.3.5 around the tables. */
import {
  type Message,
  type MessageKind,
  messageTables,
  type Received,
  type UnknownMessage,
} from './messages/index.js'
import type { MessageTable } from './messages/message.js'
import { DecodeError } from './wire/decode-error.js'
import { Reader, type UnreadableEntry } from './wire/reader.js'
import { Writer } from './wire/writer.js'

/** OpenFlow 1.3 on the wire. */
export const version = 4
export const headerSize = 8
export const maxMessageSize = 0xffff

// biome-ignore format: a table
const types = { hello: 0, error: 1, echoRequest: 2, echoReply: 3, experimenter: 4, multipartRequest: 18, multipartReply: 19 } as const
const experimenterMultipart = 0xffff
/** Where a multipart message has its flags. */
const flagsAt = 10

type Members = Record<string, unknown>

const byType: (MessageTable | undefined)[] = []
const requestByNumber = new Map<number, MessageTable>()
const replyByNumber = new Map<number, MessageTable>()
const byExperimenter = new Map<string, MessageTable>()
const byKind = new Map<string, MessageTable>()

const experimenterKey = (layer: string, experimenter: number, number: number): string =>
  `${layer}/${experimenter}/${number}`

const side = (isReply: boolean): string => (isReply ? 'reply' : 'request')

for (const table of messageTables as readonly MessageTable[]) {
  const { place } = table
  byKind.set(table.kind, table)
  if (place.layer === 'header') byType[place.type] = table
  else if (place.layer === 'multipart')
    (place.isReply ? replyByNumber : requestByNumber).set(place.number, table)
  else {
    const layer = place.layer === 'experimenter' ? 'message' : side(place.isReply)
    byExperimenter.set(experimenterKey(layer, place.experimenter, place.number), table)
  }
}

/**
 * The message in these octets, which must be exactly one. What has variable size is a view into
 * them: do not change them afterwards.
 *
 * @param keepsUnreadable entries of a list that cannot be understood, such as one flow among many, are left out of it
 *   and kept as octets: see `unreadableOf`
 * @throws {DecodeError} when they cannot be understood; never anything else
 */
export const decode = (bytes: Uint8Array, keepsUnreadable = false): Received => {
  const reader = new Reader(bytes)
  if (keepsUnreadable) reader.unreadable = []
  const messageVersion = reader.u8()
  const type = reader.u8()
  const length = reader.u16()
  const xid = reader.u32()
  if (length !== bytes.length)
    throw new DecodeError(2, `the header says ${length} octets, there are ${bytes.length}`)
  if (messageVersion !== version && type !== types.hello)
    throw new DecodeError(0, `version ${messageVersion}`, 'OFPBRC_BAD_VERSION')
  const isMultipart = type === types.multipartRequest || type === types.multipartReply
  const otherFlags = isMultipart ? reader.peek16(2) & ~1 : 0
  const message = isMultipart
    ? readMultipart(reader, xid, type === types.multipartReply)
    : type === types.experimenter
      ? readExperimenter(reader, xid)
      : readPlain(reader, xid, type)
  if (type === types.hello && messageVersion !== version)
    (message as Members).headerVersion = messageVersion
  // Flags that are not defined are kept, as everything that is unknown.
  if (otherFlags !== 0) (message as Members).otherFlags = otherFlags
  if (keepsUnreadable && reader.unreadable!.length > 0)
    (message as Members).unreadable = reader.unreadable
  if (reader.offset !== reader.end) throw reader.error(`${reader.remaining} octets too many`)
  return message
}

/** Entries that a message has but that could not be understood, of what `decode` gave when it was to keep them. */
export const unreadableOf = (message: Received): readonly UnreadableEntry[] =>
  (message as { readonly unreadable?: readonly UnreadableEntry[] }).unreadable ?? []

const readPlain = (reader: Reader, xid: number, type: number): Received => {
  const table = byType[type]
  if (table === undefined) return { kind: 'unknown', xid, type, data: reader.rest() }
  const members: Members = { kind: table.kind, xid }
  table.readInto(reader, members)
  return members as unknown as Received
}

const readMultipart = (reader: Reader, xid: number, isReply: boolean): Received => {
  const number = reader.u16()
  if (number === experimenterMultipart) return readExperimenterMultipart(reader, xid, isReply)
  const table = (isReply ? replyByNumber : requestByNumber).get(number)
  if (table === undefined) {
    const more = (reader.u16() & 1) !== 0
    reader.skip(4)
    const kind = `unknown-stats-${isReply ? 'reply' : 'request'}` as const
    return { kind, xid, number, more, data: reader.rest() }
  }
  const members: Members = { kind: table.kind, xid }
  table.readInto(reader, members)
  return members as unknown as Received
}

/** The experimenter's two numbers stand between the multipart header and the body. */
const readExperimenterMultipart = (reader: Reader, xid: number, isReply: boolean): Received => {
  const more = (reader.u16() & 1) !== 0
  reader.skip(4)
  const experimenter = reader.u32()
  const experimenterType = reader.u32()
  const table = byExperimenter.get(experimenterKey(side(isReply), experimenter, experimenterType))
  if (table === undefined) {
    const kind = `experimenter-stats-${isReply ? 'reply' : 'request'}` as const
    return { kind, xid, experimenter, experimenterType, more, data: reader.rest() }
  }
  const members: Members = { kind: table.kind, xid, more }
  table.readInto(reader, members)
  return members as unknown as Received
}

const readExperimenter = (reader: Reader, xid: number): Received => {
  const experimenter = reader.u32()
  const experimenterType = reader.u32()
  const table = byExperimenter.get(experimenterKey('message', experimenter, experimenterType))
  if (table === undefined)
    return { kind: 'experimenter', xid, experimenter, experimenterType, data: reader.rest() }
  const members: Members = { kind: table.kind, xid }
  table.readInto(reader, members)
  return members as unknown as Received
}

const writer = new Writer()

/**
 * The octets of a message. They are the caller's: later calls do not touch them.
 *
 * @param xid taken from the message when not given, else 0
 * @throws {RangeError} when it needs more than 65,535 octets
 */
export const encode = (message: Message, xid: number = message.xid ?? 0): Uint8Array => {
  writer.start()
  writer.u8((message as { headerVersion?: number }).headerVersion ?? version)
  writeMessage(message, xid)
  const { otherFlags } = message as { readonly otherFlags?: number }
  if (otherFlags !== undefined) writer.patch16(flagsAt, writer.peek16(flagsAt) | otherFlags)
  if (writer.size > maxMessageSize)
    throw new RangeError(`a ${message.kind} of ${writer.size} octets; a message has at most 65535`)
  writer.patch16(2, writer.size)
  return writer.finish()
}

const writeHeader = (type: number, xid: number): void => {
  writer.u8(type)
  writer.u16(0)
  writer.u32(xid)
}

const writeMessage = (message: Message, xid: number): void => {
  const table = byKind.get(message.kind)
  if (table === undefined) return writeUnknown(message as UnknownMessage, xid)
  const { place } = table
  switch (place.layer) {
    case 'header':
      writeHeader(place.type, xid)
      break
    case 'multipart':
      writeHeader(place.isReply ? types.multipartReply : types.multipartRequest, xid)
      writer.u16(place.number)
      break
    case 'experimenter':
      writeHeader(types.experimenter, xid)
      writer.u32(place.experimenter)
      writer.u32(place.number)
      break
    default:
      writeExperimenterMultipart(place.isReply, xid, isMore(message))
      writer.u32(place.experimenter)
      writer.u32(place.number)
  }
  table.write(writer, message as unknown as Members)
}

const isMore = (message: Message): boolean => (message as { readonly more?: boolean }).more === true

const writeExperimenterMultipart = (isReply: boolean, xid: number, more: boolean): void => {
  writeHeader(isReply ? types.multipartReply : types.multipartRequest, xid)
  writer.u16(experimenterMultipart)
  writer.u16(more ? 1 : 0)
  writer.zeros(4)
}

const writeUnknown = (message: UnknownMessage, xid: number): void => {
  switch (message.kind) {
    case 'unknown':
      writeHeader(message.type, xid)
      break
    case 'experimenter':
      writeHeader(types.experimenter, xid)
      writer.u32(message.experimenter)
      writer.u32(message.experimenterType)
      break
    case 'unknown-stats-request':
    case 'unknown-stats-reply':
      writeHeader(
        message.kind === 'unknown-stats-reply' ? types.multipartReply : types.multipartRequest,
        xid,
      )
      writer.u16(message.number)
      writer.u16(message.more ? 1 : 0)
      writer.zeros(4)
      break
    default:
      writeExperimenterMultipart(message.kind === 'experimenter-stats-reply', xid, message.more)
      writer.u32(message.experimenter)
      writer.u32(message.experimenterType)
  }
  writer.bytes(message.data)
}

/**
 * What message these octets begin, be it whole or not; undefined when they are too few to tell, or of
 * a kind or version that has no table.
 */
export const kindOf = (bytes: Uint8Array): MessageKind | undefined => {
  if (bytes.length < headerSize || bytes[0] !== version) return undefined
  const type = bytes[1]!
  const isMultipart = type === types.multipartRequest || type === types.multipartReply
  if (!isMultipart && type !== types.experimenter) return byType[type]?.kind as MessageKind
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const isReply = type === types.multipartReply
  if (isMultipart) {
    if (bytes.length < 16) return undefined
    const number = view.getUint16(8)
    if (number !== experimenterMultipart)
      return (isReply ? replyByNumber : requestByNumber).get(number)?.kind as MessageKind
  }
  const at = isMultipart ? 16 : 8
  if (bytes.length < at + 8) return undefined
  const layer = isMultipart ? side(isReply) : 'message'
  const key = experimenterKey(layer, view.getUint32(at), view.getUint32(at + 4))
  return byExperimenter.get(key)?.kind as MessageKind
}

/** The xid in the header of encoded octets. */
export const xidOf = (bytes: Uint8Array): number =>
  bytes.length < headerSize
    ? 0
    : ((bytes[4]! << 24) | (bytes[5]! << 16) | (bytes[6]! << 8) | bytes[7]!) >>> 0

/** Replaces the xid of encoded octets. */
export const setXid = (bytes: Uint8Array, xid: number): void => {
  bytes[4] = xid >>> 24
  bytes[5] = xid >>> 16
  bytes[6] = xid >>> 8
  bytes[7] = xid
}
