/**
 * Messages of DNS as octets: RFC 1035 section 4, EDNS RFC 6891. Of others only what has to be known is read: the
 * question, where records and their times are. So what another server says goes on octet by octet, whatever is in it.
 *
 * Reading untrusted octets ends in a value or undefined, in time proportional to their number.
 */

// biome-ignore format: a table
export const rrTypes = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, TXT: 16, AAAA: 28, SRV: 33, OPT: 41, ANY: 255 } as const
// biome-ignore format: a table
export const rcodes = { ok: 0, formErr: 1, servFail: 2, nxDomain: 3, notImp: 4, refused: 5, badVersion: 16 } as const
export type Rcode = (typeof rcodes)[keyof typeof rcodes]

export interface Query {
  readonly id: number
  /** 0 for an ordinary question. */
  readonly opcode: number
  readonly wantsRecursion: boolean
  readonly checkingDisabled: boolean
  /** Lower case, without a dot at the end; empty: the root. */
  readonly name: string
  /** As it was asked, with the letters as they were. */
  readonly question: Uint8Array
  readonly type: number
  readonly class: number
  readonly edns?: { readonly size: number; readonly version: number; readonly wantsDnssec: boolean }
}

export interface RecordPlace {
  readonly type: number
  readonly section: 'answer' | 'authority' | 'additional'
  readonly class: number
  /** Of its time to live, in octets from the start. */
  readonly ttlAt: number
  readonly ttl: number
  readonly dataAt: number
  readonly dataSize: number
}

export interface Response {
  readonly id: number
  readonly rcode: number
  readonly isTruncated: boolean
  readonly name: string
  readonly type: number
  readonly class: number
  readonly records: readonly RecordPlace[]
}

const headSize = 12
const bits = {
  response: 0x8000,
  truncated: 0x0200,
  recursion: 0x0100,
  available: 0x0080,
  checkingDisabled: 0x0010,
  authoritative: 0x0400,
} as const
/** Records of one message that are looked at. */
const mostRecords = 512

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** A name that is written out, as in questions. */
const readName = (bytes: Uint8Array, from: number): { name: string; end: number } | undefined => {
  const labels: string[] = []
  let at = from
  for (;;) {
    const size = bytes[at]
    if (size === undefined || size > 63) return undefined
    if (size === 0) break
    if (at + 1 + size > bytes.length || at - from > 254) return undefined
    labels.push(Buffer.from(bytes.subarray(at + 1, at + 1 + size)).toString('latin1'))
    at += 1 + size
  }
  // A dot within a label would make another name of it.
  if (at - from > 254 || labels.some(label => label.includes('.'))) return undefined
  return { name: labels.join('.').toLowerCase(), end: at + 1 }
}

/** Where a name ends that may be written by reference. */
const skipName = (bytes: Uint8Array, from: number): number | undefined => {
  for (let at = from; at < bytes.length && at - from < 256; ) {
    const size = bytes[at]!
    if (size === 0) return at + 1
    if ((size & 0xc0) === 0xc0) return at + 2
    if (size > 63) return undefined
    at += 1 + size
  }
  return undefined
}

const readRecords = (bytes: Uint8Array, from: number): readonly RecordPlace[] | undefined => {
  const view = viewOf(bytes)
  const found: RecordPlace[] = []
  let at = from
  for (const [section, countAt] of [
    ['answer', 6],
    ['authority', 8],
    ['additional', 10],
  ] as const)
    for (let left = view.getUint16(countAt); left > 0; left--) {
      const head = skipName(bytes, at)
      if (head === undefined || head + 10 > bytes.length || found.length >= mostRecords)
        return undefined
      const dataSize = view.getUint16(head + 8)
      if (head + 10 + dataSize > bytes.length) return undefined
      found.push({
        section,
        type: view.getUint16(head),
        class: view.getUint16(head + 2),
        ttlAt: head + 4,
        ttl: view.getUint32(head + 4),
        dataAt: head + 10,
        dataSize,
      })
      at = head + 10 + dataSize
    }
  return found
}

/** @returns undefined for what is no question; an id alone for one that cannot be read, and is answered as such */
export const readQuery = (bytes: Uint8Array): Query | { readonly id: number } | undefined => {
  if (bytes.length < headSize) return undefined
  const view = viewOf(bytes)
  const id = view.getUint16(0)
  const flags = view.getUint16(2)
  if (flags & bits.response) return undefined
  const named = view.getUint16(4) === 1 ? readName(bytes, headSize) : undefined
  if (named === undefined || named.end + 4 > bytes.length) return { id }
  const records = readRecords(bytes, named.end + 4)
  if (records === undefined) return { id }
  const options = records.filter(({ type }) => type === rrTypes.OPT)
  if (options.length > 1) return { id }
  const [edns] = options
  return {
    id,
    opcode: (flags >> 11) & 15,
    wantsRecursion: (flags & bits.recursion) !== 0,
    checkingDisabled: (flags & bits.checkingDisabled) !== 0,
    name: named.name,
    question: bytes.subarray(headSize, named.end + 4),
    type: view.getUint16(named.end),
    class: view.getUint16(named.end + 2),
    ...(edns && {
      edns: {
        size: Math.max(512, edns.class),
        version: (edns.ttl >>> 16) & 255,
        wantsDnssec: (edns.ttl & 0x8000) !== 0,
      },
    }),
  }
}

export const readResponse = (bytes: Uint8Array): Response | undefined => {
  if (bytes.length < headSize) return undefined
  const view = viewOf(bytes)
  const flags = view.getUint16(2)
  const named = view.getUint16(4) === 1 ? readName(bytes, headSize) : undefined
  if ((flags & bits.response) === 0 || named === undefined || named.end + 4 > bytes.length)
    return undefined
  const records = readRecords(bytes, named.end + 4)
  if (records === undefined) return undefined
  return {
    id: view.getUint16(0),
    rcode: flags & 15,
    isTruncated: (flags & bits.truncated) !== 0,
    name: named.name,
    type: view.getUint16(named.end),
    class: view.getUint16(named.end + 2),
    records,
  }
}

/** A name as labels with their sizes; it is one of ours, or was read before. */
export const writeName = (name: string): Uint8Array =>
  new Uint8Array(
    Buffer.concat([
      ...(name === '' ? [] : name.split('.')).map(label => {
        const text = Buffer.from(label, 'latin1')
        return Buffer.concat([Uint8Array.of(text.length), text])
      }),
      Uint8Array.of(0),
    ]),
  )

export interface OwnRecord {
  readonly name: string
  readonly type: number
  readonly ttl: number
  readonly data: Uint8Array
}

export interface OwnAnswer {
  readonly rcode: Rcode
  readonly isAuthoritative?: boolean
  readonly answers?: readonly OwnRecord[]
  readonly authority?: readonly OwnRecord[]
}

/** Octets of an answer that we send by UDP to who understands EDNS: what passes every path of IPv6. */
export const ednsSize = 1_232
/** RFC 1035 section 4.2.1. */
const plainSize = 512

/** What a client takes in one datagram. */
export const sizeFor = ({ edns }: Pick<Query, 'edns'>): number =>
  edns === undefined ? plainSize : Math.min(edns.size, ednsSize)

/** An answer of our own; what does not fit is left out, and said to be. */
export const writeAnswer = (query: Query, answer: OwnAnswer): Uint8Array => {
  const whole = compose(query, answer, false)
  if (whole.length <= sizeFor(query)) return whole
  return compose(query, { ...answer, answers: [], authority: [] }, true)
}

const compose = (
  { id, opcode, wantsRecursion, checkingDisabled, name, question, edns }: Query,
  { rcode, isAuthoritative = false, answers = [], authority = [] }: OwnAnswer,
  isTruncated: boolean,
): Uint8Array => {
  const head = Buffer.alloc(headSize)
  head.writeUInt16BE(id, 0)
  head.writeUInt16BE(
    bits.response |
      (opcode << 11) |
      (isAuthoritative ? bits.authoritative : 0) |
      (isTruncated ? bits.truncated : 0) |
      (wantsRecursion ? bits.recursion : 0) |
      bits.available |
      (checkingDisabled ? bits.checkingDisabled : 0) |
      (rcode & 15),
    2,
  )
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(answers.length, 6)
  head.writeUInt16BE(authority.length, 8)
  head.writeUInt16BE(edns === undefined ? 0 : 1, 10)
  const parts: Uint8Array[] = [head, question]
  for (const record of [...answers, ...authority]) {
    const fields = Buffer.alloc(10)
    fields.writeUInt16BE(record.type, 0)
    fields.writeUInt16BE(1, 2)
    fields.writeUInt32BE(record.ttl, 4)
    fields.writeUInt16BE(record.data.length, 8)
    // The name of the question stands behind the header.
    parts.push(record.name === name ? nameOfQuestion : writeName(record.name), fields, record.data)
  }
  if (edns !== undefined) parts.push(optRecord(rcode >> 4, edns.wantsDnssec))
  return new Uint8Array(Buffer.concat(parts))
}

const nameOfQuestion = Uint8Array.of(0xc0, headSize)

const optRecord = (upperRcode: number, wantsDnssec: boolean): Uint8Array =>
  Uint8Array.of(
    0,
    0,
    rrTypes.OPT,
    ednsSize >> 8,
    ednsSize & 255,
    upperRcode,
    0,
    wantsDnssec ? 0x80 : 0,
    0,
    0,
    0,
  )

/** A question that could not be read. RFC 1035 section 4.1.1. */
export const formErr = (id: number): Uint8Array =>
  Uint8Array.of(id >> 8, id & 255, 0x80, rcodes.formErr, 0, 0, 0, 0, 0, 0, 0, 0)

/** A question to another server: with EDNS, so that long answers come whole. */
export const writeQuestion = (id: number, query: Query): Uint8Array => {
  const head = Buffer.alloc(headSize)
  head.writeUInt16BE(id, 0)
  head.writeUInt16BE(bits.recursion | (query.checkingDisabled ? bits.checkingDisabled : 0), 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(1, 10)
  const opt = optRecord(0, query.edns?.wantsDnssec === true)
  return new Uint8Array(Buffer.concat([head, query.question, opt]))
}

/**
 * What another server said, for somebody who asked the same: with his id and letters, and times that have gone down. What is
 * too long for him is left out, and said to be.
 */
export const relayed = (
  bytes: Uint8Array,
  { records }: Response,
  query: Query,
  passedSeconds: number,
): Uint8Array => {
  const copy = new Uint8Array(bytes)
  const view = viewOf(copy)
  view.setUint16(0, query.id)
  const flags = (view.getUint16(2) | bits.available) & ~(bits.authoritative | bits.recursion)
  view.setUint16(2, flags | (query.wantsRecursion ? bits.recursion : 0))
  copy.set(query.question, headSize)
  for (const { type, ttl, ttlAt } of records)
    if (type !== rrTypes.OPT) view.setUint32(ttlAt, Math.max(0, ttl - passedSeconds))
  const opt = records.at(-1)
  const isOptLast = opt?.type === rrTypes.OPT
  // Who does not know EDNS is not told of it: it is the last record of nearly all servers.
  if (query.edns === undefined && isOptLast) {
    view.setUint16(10, view.getUint16(10) - 1)
    const short = copy.subarray(0, opt.ttlAt - 5)
    return short.length <= sizeFor(query) ? short : cut(short, query)
  }
  return copy.length <= sizeFor(query) ? copy : cut(copy, query)
}

const cut = (bytes: Uint8Array, query: Query): Uint8Array => {
  const head = new Uint8Array(bytes.subarray(0, headSize))
  const view = viewOf(head)
  view.setUint16(2, view.getUint16(2) | bits.truncated)
  for (const at of [6, 8]) view.setUint16(at, 0)
  view.setUint16(10, query.edns === undefined ? 0 : 1)
  const opt = query.edns === undefined ? [] : [optRecord(0, query.edns.wantsDnssec)]
  return new Uint8Array(Buffer.concat([head, query.question, ...opt]))
}
