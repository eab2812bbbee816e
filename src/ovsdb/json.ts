/**
 * JSON as OVSDB uses it: integers have 64 bits (RFC 7047 section 3.1), which a JavaScript number has not.
 * An integer beyond 2^53 is a bigint here, in both directions; all others stay numbers.
 */

/** @throws {SyntaxError} when the text is no JSON */
export const parseJson = (text: string, hasLongNumbers: boolean): unknown => {
  const value: unknown = JSON.parse(text)
  return hasLongNumbers ? new ExactReader(text).value() : value
}

/** @throws {TypeError} for what JSON cannot hold: a function, a symbol, a number without an end */
export const formatJson = (value: unknown): string => {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new TypeError(`${value} has no form in JSON`)
  if (Array.isArray(value)) return `[${value.map(formatJson).join(',')}]`
  if (typeof value === 'object' && value !== null)
    return `{${Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([name, member]) => `${JSON.stringify(name)}:${formatJson(member)}`)
      .join(',')}}`
  const text = JSON.stringify(value) as string | undefined
  if (text === undefined) throw new TypeError(`a ${typeof value} has no form in JSON`)
  return text
}

/** Reads text that JSON.parse has found good, so it looks for no mistakes. Depth is bounded by the stream. */
class ExactReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  value(): unknown {
    const first = this.#next()
    if (first === '{') return this.#object()
    if (first === '[') return this.#array()
    if (first === '"') return this.#string()
    return this.#word()
  }

  /** The character at which the next token begins. */
  #next(): string {
    while (this.#text.charCodeAt(this.#at) <= 0x20) this.#at++
    return this.#text[this.#at]!
  }

  #object(): unknown {
    const members: [string, unknown][] = []
    this.#at++
    while (this.#next() !== '}') {
      if (this.#next() === ',') this.#at++
      this.#next()
      const name = this.#string()
      this.#next()
      this.#at++
      members.push([name, this.value()])
    }
    this.#at++
    // Like JSON.parse: a member named __proto__ is a member, not the prototype.
    return Object.fromEntries(members)
  }

  #array(): unknown[] {
    const items: unknown[] = []
    this.#at++
    while (this.#next() !== ']') {
      if (this.#next() === ',') this.#at++
      items.push(this.value())
    }
    this.#at++
    return items
  }

  #string(): string {
    const start = this.#at++
    while (this.#text[this.#at] !== '"') this.#at += this.#text[this.#at] === '\\' ? 2 : 1
    this.#at++
    return JSON.parse(this.#text.slice(start, this.#at)) as string
  }

  #word(): unknown {
    const start = this.#at
    while (this.#at < this.#text.length && !/[\s,\]}]/.test(this.#text[this.#at]!)) this.#at++
    const word = this.#text.slice(start, this.#at)
    const value = JSON.parse(word) as unknown
    return /^-?\d{16,}$/.test(word) && !Number.isSafeInteger(value) ? BigInt(word) : value
  }
}
