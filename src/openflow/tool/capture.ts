/**
 * Packets of a capture file, one after the other: pcap (draft-ietf-opsawg-pcap) and pcapng
 * (draft-ietf-opsawg-pcapng), both byte orders, micro- and nanoseconds.
 */

export interface CapturedPacket {
  /** Since 1970. */
  readonly millis: number
  readonly linkType: number
  readonly bytes: Uint8Array
}

/** A file that is no capture, or that breaks off in a way that cannot be read on. */
export class CaptureError extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'CaptureError'
  }
}

const maxBlockSize = 16 << 20

/** Octets in the amounts that are asked for. */
const brokenOff = 'the capture breaks off: what is left of its last packet is not shown'

class Source {
  readonly #chunks: AsyncIterator<Uint8Array>
  #rest: Uint8Array = new Uint8Array()

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /**
   * Undefined when the file ends here.
   *
   * @throws {CaptureError} when it ends within what is asked for
   */
  async take(size: number): Promise<DataView | undefined> {
    if (size > maxBlockSize) throw new CaptureError(`a block of ${size} octets is no block`)
    const parts: Uint8Array[] = []
    let missing = size
    while (missing > 0) {
      if (this.#rest.length === 0) {
        const next = await this.#chunks.next()
        if (next.done === true) {
          if (parts.length === 0) return undefined
          throw new CaptureError(brokenOff)
        }
        this.#rest = next.value
        continue
      }
      const part = this.#rest.subarray(0, missing)
      this.#rest = this.#rest.subarray(part.length)
      parts.push(part)
      missing -= part.length
    }
    const whole = Buffer.concat(parts)
    return new DataView(whole.buffer, whole.byteOffset, whole.length)
  }
}

const bytesOf = (view: DataView, from: number, size: number): Uint8Array =>
  new Uint8Array(
    view.buffer,
    view.byteOffset + from,
    Math.max(0, Math.min(size, view.byteLength - from)),
  )

// biome-ignore format: a table
const magics: ReadonlyMap<number, readonly [isLittle: boolean, perSecond: number]> = new Map([
  [0xa1b2c3d4, [false, 1e6] as const], [0xd4c3b2a1, [true, 1e6] as const],
  [0xa1b23c4d, [false, 1e9] as const], [0x4d3cb2a1, [true, 1e9] as const],
])
const sectionHeader = 0x0a0d0d0a

/** The first four octets of a capture. */
export const isCapture = (head: Uint8Array): boolean => {
  if (head.length < 4) return false
  const magic = new DataView(head.buffer, head.byteOffset).getUint32(0)
  return magic === sectionHeader || magics.has(magic)
}

/** @throws {CaptureError} */
export async function* packets(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<CapturedPacket> {
  const source = new Source(chunks)
  const head = await source.take(4)
  const magic = head?.getUint32(0)
  if (magic === sectionHeader) yield* readBlocks(source)
  else {
    const form = magic === undefined ? undefined : magics.get(magic)
    if (form === undefined) throw new CaptureError('neither pcap nor pcapng')
    yield* readRecords(source, form[0], form[1])
  }
}

async function* readRecords(
  source: Source,
  isLittle: boolean,
  perSecond: number,
): AsyncGenerator<CapturedPacket> {
  const file = await source.take(20)
  if (file === undefined) throw new CaptureError('the file header is cut off')
  const linkType = file.getUint32(16, isLittle) & 0x0fffffff
  for (;;) {
    const record = await source.take(16)
    if (record === undefined) return
    const bytes = await source.take(record.getUint32(8, isLittle))
    if (bytes === undefined) throw new CaptureError(brokenOff)
    const millis =
      record.getUint32(0, isLittle) * 1000 + (record.getUint32(4, isLittle) * 1000) / perSecond
    yield { millis, linkType, bytes: bytesOf(bytes, 0, bytes.byteLength) }
  }
}

const blockTypes = { interface: 1, simple: 3, enhanced: 6 } as const

interface Interface {
  readonly linkType: number
  readonly perSecond: number
}

async function* readBlocks(source: Source): AsyncGenerator<CapturedPacket> {
  let isLittle = false
  let interfaces: Interface[] = []
  let type = sectionHeader
  for (;;) {
    const size = await source.take(4)
    if (size === undefined) throw new CaptureError(brokenOff)
    if (type === sectionHeader) {
      const order = await source.take(4)
      if (order === undefined) throw new CaptureError(brokenOff)
      isLittle = order.getUint32(0) === 0x4d3c2b1a
      interfaces = []
      if ((await source.take(size.getUint32(0, isLittle) - 12)) === undefined)
        throw new CaptureError(brokenOff)
    } else {
      const length = size.getUint32(0, isLittle)
      if (length < 12) throw new CaptureError(`a block of ${length} octets`)
      const body = await source.take(length - 8)
      if (body === undefined) throw new CaptureError(brokenOff)
      if (type === blockTypes.interface) interfaces.push(readInterface(body, isLittle))
      const packet = readPacket(type, body, isLittle, interfaces)
      if (packet !== undefined) yield packet
    }
    const next = await source.take(4)
    if (next === undefined) return
    type = next.getUint32(0, isLittle)
  }
}

const resolutionOption = 9

const readInterface = (body: DataView, isLittle: boolean): Interface => {
  let perSecond = 1e6
  for (let at = 8; at + 4 <= body.byteLength - 4; ) {
    const code = body.getUint16(at, isLittle)
    const size = body.getUint16(at + 2, isLittle)
    if (code === 0) break
    if (code === resolutionOption && size >= 1 && at + 4 < body.byteLength) {
      const value = body.getUint8(at + 4)
      perSecond = value & 0x80 ? 2 ** (value & 0x7f) : 10 ** value
    }
    at += 4 + 4 * Math.ceil(size / 4)
  }
  return { linkType: body.getUint16(0, isLittle), perSecond }
}

const readPacket = (
  type: number,
  body: DataView,
  isLittle: boolean,
  interfaces: readonly Interface[],
): CapturedPacket | undefined => {
  if (type === blockTypes.simple && interfaces[0])
    return {
      millis: 0,
      linkType: interfaces[0].linkType,
      bytes: bytesOf(body, 4, body.getUint32(0, isLittle)),
    }
  if (type !== blockTypes.enhanced || body.byteLength < 24) return undefined
  const from = interfaces[body.getUint32(0, isLittle)]
  if (from === undefined) return undefined
  const ticks = body.getUint32(4, isLittle) * 0x100000000 + body.getUint32(8, isLittle)
  return {
    millis: (ticks * 1000) / from.perSecond,
    linkType: from.linkType,
    bytes: bytesOf(body, 20, body.getUint32(12, isLittle)),
  }
}
