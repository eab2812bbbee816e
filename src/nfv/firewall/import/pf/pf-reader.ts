/** The words of pf.conf one after the other, with what is asked of them often. */
import type { Place } from '../chains.js'
import { ImportError } from '../rule-writer.js'
import type { Word } from './pf-words.js'

export class PfReader {
  readonly #words: readonly Word[]
  #at = 0

  constructor(words: readonly Word[]) {
    this.#words = words
  }

  /** Empty at the end of the file. */
  get next(): string {
    return this.#words[this.#at]?.text ?? ''
  }

  get line(): number {
    return (this.#words[this.#at] ?? this.#words.at(-1))?.line ?? 0
  }

  get place(): Place {
    return { line: this.line }
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#words.length
  }

  get isQuoted(): boolean {
    return this.#words[this.#at]?.isQuoted === true
  }

  /** A line is over, or the rules in braces are. */
  get isAtLineEnd(): boolean {
    return this.isAtEnd || (!this.isQuoted && (this.next === '\n' || this.next === '}'))
  }

  take(): string {
    const word = this.next
    if (this.isAtEnd) this.fail('the file ends in the middle of a rule')
    this.#at++
    return word
  }

  skip(...words: readonly string[]): boolean {
    const isNext = !this.isQuoted && words.includes(this.next) && !this.isAtEnd
    if (isNext) this.#at++
    return isNext
  }

  /** The last line whole, from a mark on, for notes. */
  textFrom(mark: number): string {
    return this.#words
      .slice(mark, this.#at)
      .map(word => (word.isQuoted ? `"${word.text}"` : word.text))
      .join(' ')
      .replace(/ \n ?/g, ' ')
      .trim()
  }

  get mark(): number {
    return this.#at
  }

  expect(word: string): void {
    if (!this.skip(word)) this.fail(`"${word}" is missing before "${this.next.trim()}"`)
  }

  /** `{ a, b c }`, or one of them. */
  list<T>(one: () => T): T[] {
    if (!this.skip('{')) return [one()]
    const found: T[] = []
    this.#skipFilling()
    while (!this.skip('}')) {
      found.push(...this.list(one))
      this.#skipFilling()
    }
    return found
  }

  #skipFilling(): void {
    while (this.skip(',', '\n'));
  }

  /** `( ... )`, words as they are; none when there is no bracket. */
  bracket(): string[] {
    const words: string[] = []
    if (!this.skip('(')) return words
    for (let depth = 1; depth > 0; ) {
      const word = this.take()
      if (word === '(') depth++
      if (word === ')') depth--
      if (depth > 0 && word !== '\n') words.push(word)
    }
    return words
  }

  skipLine(): void {
    for (let depth = 0; !this.isAtEnd; ) {
      if (depth === 0 && !this.isQuoted && this.next === '\n') return
      const word = this.take()
      if (word === '{') depth++
      if (word === '}') depth--
    }
  }

  fail(message: string): never {
    throw new ImportError(message, this.line)
  }
}
