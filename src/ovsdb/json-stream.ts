/** Cuts a stream of bytes into JSON objects (RFC 7047 section 4: objects follow one another without a frame). */

export interface JsonLimits {
  /** Octets of one object. */
  readonly size: number
  /** Objects and arrays within one another. */
  readonly depth: number
}

const defaults: JsonLimits = { size: 64 * 1024 * 1024, depth: 128 }

const quote = 0x22
const backslash = 0x5c
const opening = new Set([0x7b, 0x5b])
const closing = new Set([0x7d, 0x5d])

/** Looks at each octet once, however the stream is cut. */
export class JsonStream {
  readonly #limits: JsonLimits
  #chunks: Uint8Array[] = []
  #size = 0
  #depth = 0
  #isInString = false
  #isEscaped = false

  constructor(limits = defaults) {
    this.#limits = limits
  }

  /**
   * @returns the objects that are complete now
   * @throws {SyntaxError} when the bytes are no JSON or go beyond the limits
   */
  push(chunk: Uint8Array): unknown[] {
    const found: unknown[] = []
    let start = 0
    for (let at = 0; at < chunk.length; at++) {
      if (!this.#step(chunk[at]!)) continue
      this.#keep(chunk.subarray(start, at + 1))
      found.push(JSON.parse(Buffer.concat(this.#chunks).toString('utf8')))
      this.#chunks = []
      this.#size = 0
      start = at + 1
    }
    const rest = chunk.subarray(start)
    if (this.#depth > 0 || rest.some(octet => octet > 0x20)) this.#keep(rest)
    return found
  }

  #keep(part: Uint8Array): void {
    this.#chunks.push(part)
    this.#size += part.length
    if (this.#size > this.#limits.size)
      throw new SyntaxError(`an object of more than ${this.#limits.size} octets`)
  }

  /** True when this octet ends an object. */
  #step(octet: number): boolean {
    if (this.#isInString) {
      if (this.#isEscaped) this.#isEscaped = false
      else if (octet === backslash) this.#isEscaped = true
      else if (octet === quote) this.#isInString = false
      return false
    }
    if (octet === quote) this.#isInString = true
    else if (opening.has(octet) && ++this.#depth > this.#limits.depth)
      throw new SyntaxError(`more than ${this.#limits.depth} levels`)
    else if (closing.has(octet)) return --this.#depth === 0
    else if (this.#depth === 0 && octet > 0x20) throw new SyntaxError('not an object')
    if (this.#depth < 0) throw new SyntaxError('an end without a beginning')
    return false
  }
}
