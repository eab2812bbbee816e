import type { ErrorName } from '../error-codes.js'
import { DecodeError } from './decode-error.js'

/** BigInts from two halves without arithmetic on BigInts, which is slow. */
const halves = new Uint32Array(2)
const whole = new BigUint64Array(halves.buffer)
const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
const low = isLittleEndian ? 0 : 1
const high = 1 - low

/** One entry of a list that cannot be understood: its octets, and why. */
export interface UnreadableEntry {
  readonly bytes: Uint8Array
  readonly error: DecodeError
}

/** Deeper nesting (clone in clone in ...) is refused, whatever the bytes say. */
const maxDepth = 16

/**
 * Reads big-endian values and never past `end`. `narrow` and `widen` make the reader of a nested
 * structure out of this one without allocating: what is inside cannot see what is behind it.
 */
export class Reader {
  readonly bytes: Uint8Array
  offset: number
  end: number
  /**
   * Where entries that cannot be understood are put, when they are to cost no more than themselves; absent: they cost the
   * whole message.
   */
  unreadable: UnreadableEntry[] | undefined
  #depth = 0

  constructor(bytes: Uint8Array, offset = 0, end = bytes.length) {
    this.bytes = bytes
    this.offset = offset
    this.end = end
  }

  get remaining(): number {
    return this.end - this.offset
  }

  u8(): number {
    const at = this.offset
    if (at + 1 > this.end) throw this.tooShort(1)
    this.offset = at + 1
    return this.bytes[at]!
  }

  u16(): number {
    const at = this.offset
    if (at + 2 > this.end) throw this.tooShort(2)
    this.offset = at + 2
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!
  }

  u24(): number {
    return this.u8() * 0x10000 + this.u16()
  }

  u32(): number {
    const at = this.offset
    if (at + 4 > this.end) throw this.tooShort(4)
    this.offset = at + 4
    const bytes = this.bytes
    return (
      ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
    )
  }

  u48(): number {
    return this.u16() * 0x100000000 + this.u32()
  }

  u64(): bigint {
    const upper = this.u32()
    const lower = this.u32()
    if (upper === 0 && lower === 0) return 0n
    halves[high] = upper
    halves[low] = lower
    return whole[0]!
  }

  u128(): bigint {
    const upper = this.u64()
    return (upper << 64n) | this.u64()
  }

  /** A view of the next octets, not a copy. */
  take(size: number): Uint8Array {
    const at = this.offset
    if (size < 0 || at + size > this.end) throw this.tooShort(size)
    this.offset = at + size
    return this.bytes.subarray(at, at + size)
  }

  /** A view of all that is left. */
  rest(): Uint8Array {
    return this.take(this.end - this.offset)
  }

  skip(size: number): void {
    if (size < 0 || this.offset + size > this.end) throw this.tooShort(size)
    this.offset += size
  }

  /** Two octets `ahead` of here, without going on; zero behind the end. */
  peek16(ahead: number): number {
    const at = this.offset + ahead
    return at + 2 > this.end ? 0 : (this.bytes[at]! << 8) | this.bytes[at + 1]!
  }

  /** Ends reading `size` octets from here; gives back what `widen` needs. */
  narrow(size: number, answer?: ErrorName): number {
    const end = this.offset + size
    if (size < 0 || end > this.end) throw this.tooShort(size, answer)
    if (++this.#depth > maxDepth) throw this.error('nested too deeply', answer)
    const outer = this.end
    this.end = end
    return outer
  }

  /** Ends what `narrow` began; everything inside must have been read. */
  widen(outer: number, answer?: ErrorName): void {
    if (this.offset !== this.end) throw this.error(`${this.remaining} octets too many`, answer)
    this.#depth--
    this.end = outer
  }

  /**
   * Reads one of several by its own length; when it cannot be understood, and that is allowed, it is kept as octets.
   *
   * @param lengthAt where in the entry its length is, in 16 bits
   * @returns undefined when it was kept as octets
   */
  attempt<T>(lengthAt: number, item: { read(reader: Reader): T }): T | undefined {
    const start = this.offset
    const { end } = this
    const depth = this.#depth
    try {
      return item.read(this)
    } catch (error) {
      if (this.unreadable === undefined || !(error instanceof DecodeError)) throw error
      this.offset = start
      this.end = end
      this.#depth = depth
      const size = this.peek16(lengthAt)
      // Without a length that makes sense nobody knows where the next one begins.
      if (size < lengthAt + 2 || size > end - start) throw error
      this.unreadable.push({ bytes: this.take(size), error })
      return undefined
    }
  }

  error(reason: string, answer?: ErrorName): DecodeError {
    return new DecodeError(this.offset, reason, answer)
  }

  tooShort(size: number, answer?: ErrorName): DecodeError {
    return this.error(`needs ${size} octets, has ${this.remaining}`, answer)
  }
}
