/** How much is set aside at once; messages are cut from it one after the other. */
const slabSize = 64 * 1024

const halves = new Uint32Array(2)
const whole = new BigUint64Array(halves.buffer)
const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
const low = isLittleEndian ? 0 : 1
const high = 1 - low

/**
 * Writes big-endian values into a buffer that grows. `start` and `finish` cut one message out of
 * it; what they gave stays untouched by later writes.
 */
export class Writer {
  #bytes = new Uint8Array(slabSize)
  #begin = 0
  offset = 0

  /** Begins a message. Whatever an earlier one left unfinished, by throwing, is forgotten. */
  start(): void {
    this.offset = this.#begin
  }

  /** Ends the message and gives its octets. */
  finish(): Uint8Array {
    const message = this.#bytes.subarray(this.#begin, this.offset)
    this.#begin = this.offset
    return message
  }

  /** Octets of the message written so far: where alignment counts from. */
  get size(): number {
    return this.offset - this.#begin
  }

  #room(size: number): number {
    const at = this.offset
    if (at + size > this.#bytes.length) return this.#grow(size)
    this.offset = at + size
    return at
  }

  #grow(size: number): number {
    const used = this.offset - this.#begin
    const next = new Uint8Array(Math.max(slabSize, 2 * (used + size)))
    next.set(this.#bytes.subarray(this.#begin, this.offset))
    this.#bytes = next
    this.#begin = 0
    this.offset = used + size
    return used
  }

  u8(value: number): void {
    const at = this.#room(1)
    this.#bytes[at] = value
  }

  u16(value: number): void {
    const at = this.#room(2)
    const bytes = this.#bytes
    bytes[at] = value >>> 8
    bytes[at + 1] = value
  }

  u24(value: number): void {
    this.u8(value >>> 16)
    this.u16(value & 0xffff)
  }

  u32(value: number): void {
    const at = this.#room(4)
    const bytes = this.#bytes
    bytes[at] = value >>> 24
    bytes[at + 1] = value >>> 16
    bytes[at + 2] = value >>> 8
    bytes[at + 3] = value
  }

  u48(value: number): void {
    this.u16(Math.floor(value / 0x100000000))
    this.u32(value % 0x100000000)
  }

  u64(value: bigint): void {
    whole[0] = value
    this.u32(halves[high]!)
    this.u32(halves[low]!)
  }

  u128(value: bigint): void {
    this.u64(value >> 64n)
    this.u64(value)
  }

  bytes(value: Uint8Array): void {
    const at = this.#room(value.length)
    this.#bytes.set(value, at)
  }

  zeros(size: number): void {
    const at = this.#room(size)
    const bytes = this.#bytes
    // Mostly a few octets: a call of `fill` costs more than they do.
    if (size <= 16) for (let index = at; index < at + size; index++) bytes[index] = 0
    else bytes.fill(0, at, at + size)
  }

  /** Where we are, counted from the start of the message: stays right when the buffer moves. */
  mark(): number {
    return this.offset - this.#begin
  }

  /** Forgets what was written after `mark`. */
  rewind(mark: number): void {
    this.offset = this.#begin + mark
  }

  /** Octets written since `mark`. */
  since(mark: number): number {
    return this.offset - this.#begin - mark
  }

  /** Zeros until the octets since `mark` are a multiple of eight. */
  align8(mark: number): void {
    const over = this.since(mark) % 8
    if (over !== 0) this.zeros(8 - over)
  }

  /** Two octets that were written. */
  peek16(mark: number): number {
    const at = this.#begin + mark
    return (this.#bytes[at]! << 8) | this.#bytes[at + 1]!
  }

  /** Writes a length that was not known when its place came by. */
  patch16(mark: number, value: number): void {
    const at = this.#begin + mark
    this.#bytes[at] = value >>> 8
    this.#bytes[at + 1] = value
  }
}
