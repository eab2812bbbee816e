/**
 * Where log lines go: a queue of bounded size before a file or a pipe. A full disk and a reader that does not read
 * cost log lines, which are counted and told; they never hold up whoever logs, and never throw at it.
 */

/** Writes text and says when it is written, or why not. One at a time. */
export type WriteText = (text: string, done: (error: unknown) => void) => void

/** Characters that wait at most. */
const limit = 1_000_000

export class LogSink {
  readonly #write: WriteText
  readonly #nowMillis: () => number
  #waiting: string[] = []
  #size = 0
  #lost = 0
  #isWriting = false
  #idle: (() => void)[] = []

  constructor(write: WriteText, nowMillis: () => number) {
    this.#write = write
    this.#nowMillis = nowMillis
  }

  /** As pino calls it, with one line. */
  write(line: string): void {
    if (this.#size + line.length > limit) {
      this.#lost++
      return
    }
    this.#waiting.push(line)
    this.#size += line.length
    if (!this.#isWriting) this.#next()
  }

  /** Resolves when everything is written or lost. */
  flushed(): Promise<void> {
    return this.#isWriting ? new Promise(resolve => this.#idle.push(resolve)) : Promise.resolve()
  }

  #next(): void {
    const lines = this.#waiting
    if (lines.length === 0) {
      for (const resolve of this.#idle.splice(0)) resolve()
      return
    }
    const told = this.#lost
    const text = told === 0 ? lines.join('') : this.#lostLine(told) + lines.join('')
    this.#waiting = []
    this.#size = 0
    this.#isWriting = true
    this.#write(text, error => {
      this.#isWriting = false
      // What is told is told once; lines that could not be written are lost like those that did not fit.
      if (error) this.#lost += lines.length
      else this.#lost -= told
      this.#next()
    })
  }

  #lostLine(count: number): string {
    return `${JSON.stringify({ level: 40, time: this.#nowMillis(), lost: count, msg: 'log lines were lost: the log could not be written, or nobody read it' })}\n`
  }
}
