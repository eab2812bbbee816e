/** Cuts a stream of bytes into JSON objects (RFC 7047 section 4: objects follow one another without a frame). */
import { parseJson } from './json.js'

export interface JsonLimits {
  /** Octets of one object. */
  readonly size: number
  /** Objects and arrays within one another. */
  readonly depth: number
}

export const defaultLimits: JsonLimits = { size: 32 * 1024 * 1024, depth: 64 }

const quote = 0x22
const backslash = 0x5c

/** What an octet outside of strings means; all others are part of a word, a comma or a colon. */
const opening = 1
const closing = 2
const blank = 3
const digit = 4
const meanings = new Uint8Array(256)
for (const octet of [0x7b, 0x5b]) meanings[octet] = opening
for (const octet of [0x7d, 0x5d]) meanings[octet] = closing
for (const octet of [0x20, 0x09, 0x0a, 0x0d]) meanings[octet] = blank
for (let octet = 0x30; octet <= 0x39; octet++) meanings[octet] = digit

/** Digits in a row from which on a number may not fit: 2^53 has 16. */
const longDigits = 16

/**
 * Looks at each octet once and copies it at most a few times, however the stream is cut: work is linear in
 * the bytes that came, memory is at most twice the limit.
 */
export class JsonStream {
  #limits: JsonLimits
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  /** The beginning of an object of which the end has not come. */
  #kept = new Uint8Array(0)
  #size = 0
  #depth = 0
  #isInString = false
  #isEscaped = false
  #digits = 0
  #hasLongNumbers = false

  constructor(limits: JsonLimits = defaultLimits) {
    this.#limits = limits
  }

  /** Of objects that end from now on. */
  limitSize(size: number): void {
    this.#limits = { ...this.#limits, size }
  }

  /** Octets that wait for the end of their object. */
  get waitingSize(): number {
    return this.#size
  }

  /**
   * @param take is given each object as it is complete, also those before a mistake
   * @throws {SyntaxError} when the bytes are no JSON objects or go beyond the limits: the stream is useless then
   */
  push(chunk: Uint8Array, take: (message: unknown) => void): void {
    let start = 0
    for (let end = this.#end(chunk, 0); end >= 0; end = this.#end(chunk, start)) {
      take(this.#finish(chunk.subarray(start, end + 1)))
      start = end + 1
    }
    if (this.#depth > 0) this.#keep(chunk.subarray(start))
  }

  #finish(last: Uint8Array): unknown {
    this.#check(this.#size + last.length)
    let whole = last
    if (this.#size > 0) {
      this.#keep(last)
      whole = this.#kept.subarray(0, this.#size)
    }
    const hasLongNumbers = this.#hasLongNumbers
    this.#hasLongNumbers = false
    const value = parseJson(this.#text(whole), hasLongNumbers)
    this.#kept = new Uint8Array(0)
    this.#size = 0
    return value
  }

  #text(bytes: Uint8Array): string {
    try {
      return this.#decoder.decode(bytes)
    } catch (error) {
      throw new SyntaxError('text that is no UTF-8', { cause: error })
    }
  }

  #check(size: number): void {
    if (size > this.#limits.size)
      throw new SyntaxError(`an object of more than ${this.#limits.size} octets`)
  }

  #keep(part: Uint8Array): void {
    const size = this.#size + part.length
    this.#check(size)
    if (size > this.#kept.length) {
      const grown = new Uint8Array(Math.max(size, Math.min(2 * size, this.#limits.size)))
      grown.set(this.#kept.subarray(0, this.#size))
      this.#kept = grown
    }
    this.#kept.set(part, this.#size)
    this.#size = size
  }

  /**
   * Where the first object ends that ends in this stretch, or -1. The inner loop of everything that a database
   * says: its state is in local variables, and in fields only from one stretch to the next.
   */
  #end(chunk: Uint8Array, from: number): number {
    let depth = this.#depth
    let isInString = this.#isInString
    let isEscaped = this.#isEscaped
    let digits = this.#digits
    let end = -1
    for (let at = from; at < chunk.length; at++) {
      const octet = chunk[at]!
      if (isInString) {
        if (isEscaped) isEscaped = false
        else if (octet === backslash) isEscaped = true
        else if (octet === quote) isInString = false
        continue
      }
      const meaning = meanings[octet]!
      if (meaning === digit) {
        if (++digits >= longDigits) this.#hasLongNumbers = true
      } else digits = 0
      if (depth === 0) {
        if (meaning !== blank) depth = this.#begin(octet)
      } else if (octet === quote) isInString = true
      else if (meaning === opening) {
        if (++depth > this.#limits.depth) this.#refuseDepth()
      } else if (meaning === closing && --depth === 0) {
        end = at
        break
      }
    }
    this.#depth = depth
    this.#isInString = isInString
    this.#isEscaped = isEscaped
    this.#digits = digits
    return end
  }

  #refuseDepth(): never {
    throw new SyntaxError(`more than ${this.#limits.depth} objects within one another`)
  }

  /** @returns the depth behind the octet */
  #begin(octet: number): number {
    if (octet === 0x7b) return 1
    const hex = octet.toString(16).padStart(2, '0')
    throw new SyntaxError(`an octet 0x${hex} where an object begins`)
  }
}
