/** The words of one statement, and a reader that walks over them and knows where it stands. */
import { counted } from './limits.js'

export interface Token {
  readonly kind: 'word' | 'string' | 'comma' | 'equals' | 'comment'
  /** Without the quotes of a string and the `#` of a comment. */
  readonly text: string
  /** Counted from 0, in the text of the statement. */
  readonly at: number
  readonly length: number
}

/** What stops the reading of a statement; caught where the statement began. */
export class Mistake extends Error {
  readonly at: number
  readonly length: number
  readonly hint: string
  /** It is not wrong but too much. */
  readonly isLimit: boolean

  constructor(at: number, length: number, message: string, hint: string, isLimit = false) {
    super(message)
    this.at = at
    this.length = length
    this.hint = hint
    this.isLimit = isLimit
  }
}

export const tooLong = (at: number, length: number, most: number): Mistake =>
  new Mistake(
    at,
    length,
    `the statement has more than ${counted(most)} words and commas, with what variables stand for`,
    'make several zones or rules of it',
    true,
  )

const lexeme = /[ \t\r\n]+|#([^\n]*)|"([^"\n]*)("?)|(,)|(=)|([^\s,="#]+)/gy

/** @throws {Mistake} when a string has no end, or there are more than `most` */
export const tokenize = (text: string, most = Number.POSITIVE_INFINITY): Token[] => {
  const tokens: Token[] = []
  lexeme.lastIndex = 0
  for (let found = lexeme.exec(text); found !== null; found = lexeme.exec(text)) {
    const [whole, comment, string, quote, comma, equals, word] = found
    const place = { at: found.index, length: whole.length }
    if (tokens.length >= most) throw tooLong(place.at, place.length, most)
    if (word !== undefined) tokens.push({ kind: 'word', text: word, ...place })
    else if (comma !== undefined) tokens.push({ kind: 'comma', text: comma, ...place })
    else if (equals !== undefined) tokens.push({ kind: 'equals', text: equals, ...place })
    else if (comment !== undefined) tokens.push({ kind: 'comment', text: comment, ...place })
    else if (string !== undefined) {
      if (quote === '')
        throw new Mistake(place.at, place.length, 'the text has no end', 'close it with "')
      tokens.push({ kind: 'string', text: string, ...place })
    }
  }
  return tokens
}

/** Whether the last of the words of one line is a comma, comments aside; `empty` when it has none. */
export const endsInComma = (line: string): 'open' | 'closed' | 'empty' => {
  let end: 'open' | 'closed' | 'empty' = 'empty'
  lexeme.lastIndex = 0
  for (let found = lexeme.exec(line); found !== null; found = lexeme.exec(line)) {
    const [, comment, string, quote, comma, equals, word] = found
    // A text without an end is a mistake of the line that it stands in.
    if (string !== undefined && quote === '') return 'closed'
    if (comma !== undefined) end = 'open'
    else if ((string ?? equals ?? word) !== undefined && comment === undefined) end = 'closed'
  }
  return end
}

/** The words as text again. */
export const formatTokens = (tokens: readonly Token[]): string =>
  tokens
    .map(({ kind, text }, at) => {
      const space = at === 0 || kind === 'comma' ? '' : ' '
      return `${space}${kind === 'string' ? `"${text}"` : text}`
    })
    .join('')

export class LineReader {
  readonly #tokens: readonly Token[]
  readonly #end: number
  #next = 0

  /** @param end where the statement ends: complaints about something missing point there */
  constructor(tokens: readonly Token[], end: number) {
    this.#tokens = tokens
    this.#end = end
  }

  get isAtEnd(): boolean {
    return this.#next >= this.#tokens.length
  }

  peek(ahead = 0): Token | undefined {
    return this.#tokens[this.#next + ahead]
  }

  isWord(...words: readonly string[]): boolean {
    const token = this.peek()
    return token?.kind === 'word' && words.includes(token.text)
  }

  /** Takes the next word if it is this one. */
  skip(word: string): boolean {
    if (!this.isWord(word)) return false
    this.#next++
    return true
  }

  skipComma(): boolean {
    if (this.peek()?.kind !== 'comma') return false
    this.#next++
    return true
  }

  take(kind: Token['kind'], what: string, hint: string): Token {
    const token = this.peek()
    if (token === undefined) this.fail(`${what} is missing`, hint)
    if (token.kind !== kind) this.fail(`${what} is expected here`, hint)
    this.#next++
    return token
  }

  /** Whatever comes; only where something does. */
  next(): Token {
    return this.#tokens[this.#next++]!
  }

  word(what: string, hint: string): Token {
    return this.take('word', what, hint)
  }

  /** The token just taken. */
  get last(): Token {
    return this.#tokens[this.#next - 1]!
  }

  fail(message: string, hint: string, token: Token | undefined = this.peek()): never {
    throw new Mistake(token?.at ?? this.#end, token?.length ?? 1, message, hint)
  }
}
