/**
 * TCP streams of captured packets put together again, and cut into OpenFlow messages. Segments may come
 * twice, overlapping or out of order; what was not captured makes a gap, behind which the stream goes
 * on at the next segment that begins with a message.
 */
import { formatIpv4, formatIpv6 } from '../../base/addresses.js'
import { DecodeError } from '../wire/decode-error.js'
import { Framer } from '../wire/framing.js'
import type { CapturedPacket } from './capture.js'

export interface CapturedMessage {
  readonly millis: number
  /** `10.0.0.1.6653` as `ovs-ofctl ofp-parse-pcap` writes it. */
  readonly from: string
  readonly to: string
  readonly bytes: Uint8Array
}

/** Octets of a stream that were not captured, or that are no whole message. */
export interface CapturedGap {
  readonly millis: number
  readonly from: string
  readonly to: string
  readonly leftOut: number
}

interface Segment {
  readonly from: string
  readonly to: string
  readonly sequence: number
  readonly isSyn: boolean
  readonly data: Uint8Array
}

/** What is held at most; a stream with more waiting has a gap. */
const limits = { waitingSize: 1 << 18, waitingSegments: 256, streams: 4096 } as const

const linkTypes = {
  null: 0,
  ethernet: 1,
  rawBsd: 12,
  raw: 101,
  linux: 113,
  ipv4: 228,
  ipv6: 229,
  linux2: 276,
} as const

const u16 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
const u32 = (bytes: Uint8Array, at: number): number => u16(bytes, at) * 0x10000 + u16(bytes, at + 2)

/** Where the network header begins. */
const networkAt = ({ linkType, bytes }: CapturedPacket): number | undefined => {
  switch (linkType) {
    case linkTypes.null:
      return 4
    case linkTypes.raw:
    case linkTypes.rawBsd:
    case linkTypes.ipv4:
    case linkTypes.ipv6:
      return 0
    case linkTypes.linux:
      return 16
    case linkTypes.linux2:
      return 20
    case linkTypes.ethernet: {
      let at = 12
      while (u16(bytes, at) === 0x8100 || u16(bytes, at) === 0x88a8) at += 4
      return at + 2
    }
    default:
      return undefined
  }
}

const tcp = 6

const segmentOf = (packet: CapturedPacket): Segment | undefined => {
  const at = networkAt(packet)
  if (at === undefined) return undefined
  const { bytes } = packet
  const version = (bytes[at] ?? 0) >>> 4
  if (version === 4) {
    if (bytes[at + 9] !== tcp) return undefined
    const end = at + u16(bytes, at + 2)
    const transport = at + 4 * (bytes[at]! & 15)
    return tcpOf(
      bytes,
      transport,
      end > at ? end : bytes.length,
      formatIpv4(u32(bytes, at + 12)),
      formatIpv4(u32(bytes, at + 16)),
    )
  }
  if (version !== 6 || bytes[at + 6] !== tcp) return undefined
  return tcpOf(
    bytes,
    at + 40,
    at + 40 + u16(bytes, at + 4),
    ipv6At(bytes, at + 8),
    ipv6At(bytes, at + 24),
  )
}

const ipv6At = (bytes: Uint8Array, at: number): string => {
  let value = 0n
  for (let index = 0; index < 16; index += 4)
    value = (value << 32n) | BigInt(u32(bytes, at + index))
  return formatIpv6(value)
}

const tcpOf = (
  bytes: Uint8Array,
  at: number,
  end: number,
  from: string,
  to: string,
): Segment | undefined => {
  const start = at + 4 * ((bytes[at + 12] ?? 0) >>> 4)
  if (start < at + 20 || start > bytes.length) return undefined
  return {
    from: `${from}.${u16(bytes, at)}`,
    to: `${to}.${u16(bytes, at + 2)}`,
    sequence: u32(bytes, at + 4),
    isSyn: ((bytes[at + 13] ?? 0) & 2) !== 0,
    data: bytes.subarray(start, Math.min(end, bytes.length)),
  }
}

/** `a - b` where sequence numbers turn over. */
const distance = (a: number, b: number): number => (a - b) | 0

/** What a stream brings: whole messages, and between them octets that are left out. */
type Found = Uint8Array | { readonly leftOut: number }

/** Versions 1.0 to 1.5, a type that there is, and at least a header. */
const looksLikeMessage = (data: Uint8Array): boolean =>
  data.length >= 8 && data[0]! >= 1 && data[0]! <= 6 && data[1]! <= 35 && u16(data, 2) >= 8

class Stream {
  #expected: number | undefined
  #waiting: Segment[] = []
  #waitingSize = 0
  #framer = new Framer()
  /** Octets that were captured or not, and belong to no message that is shown; told before the next message. */
  #leftOut = 0
  /** Behind a gap: the next message begins where a segment does. */
  #isLost = false

  push(segment: Segment): Found[] {
    if (segment.isSyn) {
      const rest = this.end()
      this.#expected = (segment.sequence + 1) >>> 0
      return rest
    }
    if (segment.data.length === 0) return []
    this.#expected ??= segment.sequence
    this.#waiting.push(segment)
    this.#waitingSize += segment.data.length
    const found = this.#drain()
    const { waitingSize, waitingSegments } = limits
    while (this.#waitingSize > waitingSize || this.#waiting.length > waitingSegments) {
      this.#skipGap()
      found.push(...this.#drain())
    }
    return found
  }

  /** No more comes: what waits behind gaps is shown, and what is no whole message is told. */
  end(): Found[] {
    const found: Found[] = []
    while (this.#waiting.length > 0) {
      this.#skipGap()
      found.push(...this.#drain())
    }
    this.#leaveOut(0)
    if (this.#leftOut > 0) found.push({ leftOut: this.#leftOut })
    this.#leftOut = 0
    this.#isLost = false
    return found
  }

  #skipGap(): void {
    this.#waiting.sort((a, b) => distance(a.sequence, b.sequence))
    const next = this.#waiting[0]!.sequence
    this.#leaveOut(distance(next, this.#expected!))
    this.#expected = next
    this.#isLost = true
  }

  /** So many octets, and those of a message that has begun. */
  #leaveOut(size: number): void {
    this.#leftOut += size + this.#framer.size
    this.#framer = new Framer()
  }

  #drain(): Found[] {
    const found: Found[] = []
    for (;;) {
      const index = this.#waiting.findIndex(
        ({ sequence }) => distance(sequence, this.#expected!) <= 0,
      )
      if (index < 0) return found
      const [segment] = this.#waiting.splice(index, 1)
      this.#waitingSize -= segment!.data.length
      const known = -distance(segment!.sequence, this.#expected!)
      if (known >= segment!.data.length) continue
      this.#expected = (segment!.sequence + segment!.data.length) >>> 0
      found.push(...this.#take(segment!.data.subarray(known)))
    }
  }

  #take(data: Uint8Array): Found[] {
    if (this.#isLost && !looksLikeMessage(data)) {
      this.#leftOut += data.length
      return []
    }
    this.#isLost = false
    this.#framer.push(data)
    const messages: Uint8Array[] = []
    try {
      for (let message = this.#framer.next(); message; message = this.#framer.next())
        messages.push(message)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      // The stream is no OpenFlow, or we came in amid a message: the next segment may begin one.
      this.#leaveOut(0)
      this.#isLost = true
    }
    if (messages.length === 0 || this.#leftOut === 0 || this.#isLost) return messages
    const gap = { leftOut: this.#leftOut }
    this.#leftOut = 0
    return [gap, ...messages]
  }
}

/** OpenFlow's ports, old and new. */
const isOpenflowPort = (end: string): boolean => /\.(?:6633|6653)$/.test(end)

const looksLikeHello = (data: Uint8Array): boolean =>
  data.length >= 8 &&
  data[0]! >= 1 &&
  data[0]! <= 6 &&
  data[1] === 0 &&
  u16(data, 2) >= 8 &&
  u16(data, 2) <= 64

/** Messages of all connections with an OpenFlow port, or that begin with a hello; and what is left out of them. */
export async function* reassemble(
  captured: AsyncIterable<CapturedPacket>,
): AsyncGenerator<CapturedMessage | CapturedGap> {
  const streams = new Map<string, { from: string; to: string; stream: Stream }>()
  let millis = 0
  const told = ({ from, to }: { from: string; to: string }, found: readonly Found[]) =>
    found.map(one =>
      one instanceof Uint8Array ? { millis, from, to, bytes: one } : { millis, from, to, ...one },
    )
  for await (const packet of captured) {
    const segment = segmentOf(packet)
    if (segment === undefined) continue
    const { from, to } = segment
    const key = `${from} ${to}`
    let known = streams.get(key)
    if (known === undefined) {
      const isOurs = isOpenflowPort(from) || isOpenflowPort(to) || looksLikeHello(segment.data)
      if (!isOurs) continue
      if (streams.size >= limits.streams) {
        const [oldest] = streams
        streams.delete(oldest![0])
        yield* told(oldest![1], oldest![1].stream.end())
      }
      known = { from, to, stream: new Stream() }
      streams.set(key, known)
    }
    millis = packet.millis
    yield* told(known, known.stream.push(segment))
  }
  for (const known of streams.values()) yield* told(known, known.stream.end())
}
