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

/** What an octet outside of strings means: 1 opens, 2 closes, 3 is white space, 4 a digit, 0 the rest. */
const meanings = new Uint8Array(256)
for (const octet of [0x7b, 0x5b]) meanings[octet] = 1
for (const octet of [0x7d, 0x5d]) meanings[octet] = 2
for (const octet of [0x20, 0x09, 0x0a, 0x0d]) meanings[octet] = 3
for (let octet = 0x30; octet <= 0x39; octet++) meanings[octet] = 4

/** Digits in a row from which on a number may not fit: 2^53 has 16. */
const longDigits = 16

/**
 * Looks at each octet once and copies it at most a few times, however the stream is cut: work is linear in
 * the bytes that came, memory is at most twice the limit.
 */
export class JsonStream {
  readonly #limits: JsonLimits
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
    for (let at = 0; at < chunk.length; at++) {
      if (!this.#step(chunk[at]!)) continue
      take(this.#finish(chunk.subarray(start, at + 1)))
      start = at + 1
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

  /** True when this octet ends an object. */
  #step(octet: number): boolean {
    if (this.#isInString) {
      if (this.#isEscaped) this.#isEscaped = false
      else if (octet === backslash) this.#isEscaped = true
      else if (octet === quote) this.#isInString = false
      return false
    }
    const meaning = meanings[octet]!
    if (this.#depth === 0) return this.#begin(octet, meaning)
    this.#digits = meaning === 4 ? this.#digits + 1 : 0
    if (this.#digits >= longDigits) this.#hasLongNumbers = true
    if (octet === quote) this.#isInString = true
    else if (meaning === 2) return --this.#depth === 0
    else if (meaning === 1 && ++this.#depth > this.#limits.depth)
      throw new SyntaxError(`more than ${this.#limits.depth} objects within one another`)
    return false
  }

  #begin(octet: number, meaning: number): boolean {
    if (meaning === 3) return false
    if (octet !== 0x7b)
      throw new SyntaxError(
        `an octet 0x${octet.toString(16).padStart(2, '0')} where an object begins`,
      )
    this.#depth = 1
    this.#digits = 0
    return false
  }
}
