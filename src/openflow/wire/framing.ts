/** Cuts a stream of bytes into OpenFlow messages by the length in their headers, section 7.1. */
import { DecodeError } from './decode-error.js'

const headerSize = 8

/**
 * Chunks go in, whole messages come out, as views into the chunks where possible. Only a message
 * that straddles chunks is copied, once. Holds at most one incomplete message (64 KiB) beside the last chunk.
 */
export class Framer {
  #chunks: Uint8Array[] = []
  /** Octets of all chunks that were not handed out yet. */
  #size = 0
  /** Octets of the first chunk that were handed out. */
  #used = 0

  get size(): number {
    return this.#size
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#size += chunk.length
  }

  /**
   * The next whole message, or undefined until more bytes come.
   *
   * @throws {DecodeError} when the header's length is less than a header: the stream is lost
   */
  next(): Uint8Array | undefined {
    if (this.#size < headerSize) return undefined
    const size = (this.#peek(2) << 8) | this.#peek(3)
    if (size < headerSize)
      throw new DecodeError(2, `a message of ${size} octets is less than its header`)
    if (this.#size < size) return undefined
    return this.#take(size)
  }

  #peek(index: number): number {
    let at = this.#used + index
    for (const chunk of this.#chunks) {
      if (at < chunk.length) return chunk[at]!
      at -= chunk.length
    }
    return 0
  }

  #take(size: number): Uint8Array {
    const first = this.#chunks[0]!
    this.#size -= size
    if (first.length - this.#used >= size) {
      const message = first.subarray(this.#used, this.#used + size)
      this.#used += size
      if (this.#used === first.length) this.#drop(1)
      return message
    }
    return this.#gather(size)
  }

  #gather(size: number): Uint8Array {
    const message = new Uint8Array(size)
    let filled = 0
    let whole = 0
    for (const chunk of this.#chunks) {
      const piece = chunk.subarray(this.#used, this.#used + size - filled)
      message.set(piece, filled)
      filled += piece.length
      this.#used += piece.length
      if (this.#used < chunk.length) break
      whole++
      this.#used = 0
      if (filled === size) break
    }
    this.#chunks.splice(0, whole)
    return message
  }

  #drop(count: number): void {
    this.#chunks.splice(0, count)
    this.#used = 0
  }
}
