/** What we ask of a logger: pino's shape, values in fields and a short lowercase sentence. */
export interface Log {
  child(fields: Record<string, unknown>): Log
  error(fields: Record<string, unknown>, sentence: string): void
  warn(fields: Record<string, unknown>, sentence: string): void
  info(fields: Record<string, unknown>, sentence: string): void
  debug(fields: Record<string, unknown>, sentence: string): void
  trace(fields: Record<string, unknown>, sentence: string): void
  isLevelEnabled(level: string): boolean
}

/** A logger that keeps what it is told, for tests. */
export class CollectingLog implements Log {
  readonly lines: { level: string; sentence: string; fields: Record<string, unknown> }[]
  readonly #bound: Record<string, unknown>

  constructor(bound: Record<string, unknown> = {}, lines: CollectingLog['lines'] = []) {
    this.#bound = bound
    this.lines = lines
  }
  child(fields: Record<string, unknown>): Log {
    return new CollectingLog({ ...this.#bound, ...fields }, this.lines)
  }
  error(fields: Record<string, unknown>, sentence: string): void {
    this.#keep('error', fields, sentence)
  }
  warn(fields: Record<string, unknown>, sentence: string): void {
    this.#keep('warn', fields, sentence)
  }
  info(fields: Record<string, unknown>, sentence: string): void {
    this.#keep('info', fields, sentence)
  }
  debug(fields: Record<string, unknown>, sentence: string): void {
    this.#keep('debug', fields, sentence)
  }
  trace(fields: Record<string, unknown>, sentence: string): void {
    this.#keep('trace', fields, sentence)
  }
  isLevelEnabled(): boolean {
    return true
  }
  #keep(level: string, fields: Record<string, unknown>, sentence: string): void {
    this.lines.push({ level, sentence, fields: { ...this.#bound, ...fields } })
  }
}
