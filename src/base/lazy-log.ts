/** A logger that is made when the first word is said: most commands say none. */
import type { Log } from './log/log.js'

type Fields = Record<string, unknown>

export class LazyLog<L extends Log> implements Log {
  readonly #make: () => L
  #made: L | undefined

  constructor(make: () => L) {
    this.#make = make
  }
  get made(): L {
    this.#made ??= this.#make()
    return this.#made
  }
  child(fields: Fields): Log {
    return this.made.child(fields)
  }
  error(fields: Fields, sentence: string): void {
    this.made.error(fields, sentence)
  }
  warn(fields: Fields, sentence: string): void {
    this.made.warn(fields, sentence)
  }
  info(fields: Fields, sentence: string): void {
    this.made.info(fields, sentence)
  }
  debug(fields: Fields, sentence: string): void {
    this.made.debug(fields, sentence)
  }
  trace(fields: Fields, sentence: string): void {
    this.made.trace(fields, sentence)
  }
  isLevelEnabled(level: string): boolean {
    return this.made.isLevelEnabled(level)
  }
}
