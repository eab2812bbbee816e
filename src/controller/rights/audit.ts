/**
 * The audit log: who asked for what change, proven how, from where, and what came of it. Lines of JSON in files of their
 * own (`audit.jsonl`, older ones `audit.1.jsonl` to `audit.8.jsonl`), each with the hash of the line before. An answer is given when its
 * line is on disk. `audit.head` beside them says where the oldest line that is kept begins, and which was the last, at
 * most a second ago: lines that are taken from either end are missed.
 */

import { EventEmitter } from 'node:events'
import { join } from 'node:path'
import {
  type AuditContent,
  type AuditEntry,
  type ChainBegin,
  ChainCheck,
  chained,
  entryOfLine,
  hashOfNothing,
} from '../../base/audit-chain.js'
import type { Env, JournalFile } from '../../base/env/env.js'
import type { EventNamed } from '../../base/events.js'
import { wordsOf } from '../../base/system-errors.js'

export interface AuditEvents {
  event: [event: EventNamed<'audit-lost' | 'audit-writable' | 'audit-dropped'>]
}

export interface AuditVerdict {
  readonly isWhole: boolean
  readonly entries: number
  /** What is wrong, the first hundred. */
  readonly broken: readonly string[]
  /** Number of the first line. */
  readonly first?: number
  /** Kept elsewhere, it shows later that nothing was cut off at the end. */
  readonly last?: { readonly sequence: number; readonly hash: string }
}

/** Octets of a file, and how many older ones are kept. */
const fileSize = 32 * 2 ** 20
const olderFiles = 8
const pieceSize = 2 ** 20
const mostBroken = 100
const headName = 'audit.head'
const headMillis = 1_000

type Last = { readonly sequence: number; readonly hash: string }

/** What is kept beside the log. */
interface Head {
  readonly first: ChainBegin
  readonly last: Last
}

const emptyHead: Head = {
  first: { sequence: 1, previous: hashOfNothing },
  last: { sequence: 0, hash: hashOfNothing },
}

export class Audit extends EventEmitter<AuditEvents> {
  readonly #env: Env
  readonly #folder: string
  readonly #size: number
  #file: JournalFile
  #offset: number
  #first: ChainBegin
  #last: Last
  #headMillis = Number.NEGATIVE_INFINITY
  #waiting: { content: AuditContent; done: () => void }[] = []
  #writing: Promise<void> = Promise.resolve()
  #isBroken = false

  private constructor(
    env: Env,
    folder: string,
    size: number,
    file: JournalFile,
    offset: number,
    { first, last }: Head,
  ) {
    super()
    this.#env = env
    this.#folder = folder
    this.#size = size
    this.#file = file
    this.#offset = offset
    this.#first = first
    this.#last = last
  }

  /** @param size octets of a file, after which a new one is begun */
  static async open(env: Env, folder: string, size = fileSize): Promise<Audit> {
    const path = join(folder, 'audit.jsonl')
    const file = await env.disk.openJournal(path, 0o600)
    const head = await headOf(env, folder)
    let { last } = head
    let offset = 0
    for (const name of [olderName(1), 'audit.jsonl'])
      for await (const { line, end, isWhole } of linesOf(env, join(folder, name))) {
        const entry = isWhole ? entryOfLine(line) : undefined
        if (name === 'audit.jsonl' && isWhole) offset = end
        // What was the last goes on being the one before the next, although it is there no more.
        if (entry && entry.sequence > last.sequence)
          last = { sequence: entry.sequence, hash: entry.hash }
      }
    // The end of a line that was being written when the machine went down.
    await file.truncate(offset)
    return new Audit(env, folder, size, file, offset, { first: head.first, last })
  }

  /** Resolves when it is on disk, or it was told that it cannot be. */
  add(content: AuditContent): Promise<void> {
    const written = new Promise<void>(done => {
      this.#waiting.push({ content, done })
    })
    if (this.#waiting.length === 1) this.#writing = this.#writing.then(() => this.#write())
    return written
  }

  /** Newest last. @param after only what came behind this number */
  async list(after: number, limit: number): Promise<readonly AuditEntry[]> {
    await this.#writing
    const found: AuditEntry[] = []
    for await (const line of this.#lines()) {
      const entry = entryOfLine(line)
      if (entry === undefined || entry.sequence <= after) continue
      found.push(entry)
      if (found.length === limit) break
    }
    return found
  }

  /** The last so many, newest last. */
  async latest(limit: number): Promise<readonly AuditEntry[]> {
    return this.list(Math.max(0, this.#last.sequence - limit), limit)
  }

  async verify(): Promise<AuditVerdict> {
    await this.#writing
    const check = new ChainCheck(this.#first)
    const broken: string[] = []
    for await (const line of this.#lines()) {
      const wrong = check.take(line)
      if (wrong !== undefined && broken.length < mostBroken) broken.push(wrong)
    }
    const { sequence, hash } = this.#last
    if (broken.length === 0 && sequence > 0 && check.last?.hash !== hash)
      broken.push(`${sequence}: it was written and is not there`)
    return {
      isWhole: broken.length === 0,
      entries: check.count,
      broken,
      ...(check.first && { first: check.first.sequence }),
      ...(sequence > 0 && { last: { sequence, hash } }),
    }
  }

  async close(): Promise<void> {
    await this.#writing
    await this.#keepHead(0)
    await this.#file.close()
  }

  async *#lines(): AsyncGenerator<string> {
    for (const name of fileNames)
      for await (const { line } of linesOf(this.#env, join(this.#folder, name))) yield line
  }

  /** All that waits, with one sync. */
  async #write(): Promise<void> {
    const batch = this.#waiting.splice(0)
    let last = this.#last
    const lines = batch.map(({ content }) => {
      const entry = chained(content, last)
      last = { sequence: entry.sequence, hash: entry.hash }
      return `${JSON.stringify(entry)}\n`
    })
    const bytes = Buffer.from(lines.join(''))
    try {
      if (this.#offset > this.#size) await this.#begin()
      await this.#file.write(bytes, this.#offset)
      await this.#file.sync()
      this.#offset += bytes.length
      this.#last = last
      // Where the log goes, others can hold the chain against it.
      this.#env.log.info(last, 'audit')
      if (this.#isBroken) this.emit('event', { kind: 'audit-writable' })
      this.#isBroken = false
      await this.#keepHead(headMillis)
    } catch (error) {
      // The change is made, and who made it is nowhere: that is for people to know.
      this.#env.log.error({ err: error, lost: batch.length }, 'the audit log cannot be written')
      if (!this.#isBroken) this.emit('event', { kind: 'audit-lost', reason: wordsOf(error) })
      this.#isBroken = true
    }
    for (const { done } of batch) done()
  }

  /** Tells what is kept, unless that was done a moment ago. Never rejects. */
  async #keepHead(afterMillis: number): Promise<void> {
    const { clock, disk, log } = this.#env
    const now = clock.nowMillis()
    if (now - this.#headMillis < afterMillis) return
    this.#headMillis = now
    const text = JSON.stringify({ first: this.#first, last: this.#last } satisfies Head)
    await disk.writeText(join(this.#folder, headName), text, 0o600).catch((error: unknown) => {
      log.error({ err: error }, 'where the audit log begins and ends cannot be written')
    })
  }

  /** Numbers of the first and the last line of a file that is kept, with the hash of the last. */
  async #rangeOf(name: string): Promise<{ first: number; last: number; hash: string } | undefined> {
    let range: { first: number; last: number; hash: string } | undefined
    for await (const { line } of linesOf(this.#env, join(this.#folder, name))) {
      const entry = entryOfLine(line)
      if (entry)
        range = { first: range?.first ?? entry.sequence, last: entry.sequence, hash: entry.hash }
    }
    return range
  }

  /** A new file; the oldest goes. */
  async #begin(): Promise<void> {
    const { disk } = this.#env
    const path = join(this.#folder, 'audit.jsonl')
    await this.#file.close()
    const oldest = await this.#rangeOf(olderName(olderFiles))
    if (oldest) {
      const { first, last, hash } = oldest
      this.emit('event', { kind: 'audit-dropped', first, last })
      this.#first = { sequence: last + 1, previous: hash }
      await this.#keepHead(0)
    }
    for (let n = olderFiles - 1; n >= 1; n--) {
      const from = join(this.#folder, olderName(n))
      if ((await disk.stat(from)) !== undefined)
        await disk.replace(from, join(this.#folder, olderName(n + 1)))
    }
    await disk.replace(path, join(this.#folder, olderName(1)))
    this.#file = await disk.openJournal(path, 0o600)
    this.#offset = 0
  }
}

const olderName = (n: number): string => `audit.${n}.jsonl`

/** Of all files, oldest first. */
const fileNames = [
  ...Array.from({ length: olderFiles }, (_, n) => olderName(olderFiles - n)),
  'audit.jsonl',
]

/** As it was kept; of a log without one, whatever is there. */
const headOf = async (env: Env, folder: string): Promise<Head> => {
  const path = join(folder, headName)
  if ((await env.disk.stat(path)) !== undefined)
    try {
      const { first, last } = JSON.parse(await env.disk.readText(path)) as Head
      if (Number.isSafeInteger(first.sequence) && Number.isSafeInteger(last.sequence))
        return { first, last }
    } catch (error) {
      env.log.error({ err: error }, 'where the audit log begins and ends cannot be read')
    }
  for (const name of fileNames)
    for await (const { line } of linesOf(env, join(folder, name))) {
      const entry = entryOfLine(line)
      if (entry)
        return { ...emptyHead, first: { sequence: entry.sequence, previous: entry.previous } }
    }
  return emptyHead
}

interface Line {
  readonly line: string
  /** Octets to the end of the line. */
  readonly end: number
  /** False when the file ends within it. */
  readonly isWhole: boolean
}

async function* linesOf(env: Pick<Env, 'disk'>, path: string): AsyncGenerator<Line> {
  if ((await env.disk.stat(path)) === undefined) return
  let rest = Buffer.alloc(0)
  let end = 0
  for (let offset = 0; ; ) {
    const piece = await env.disk.readBytes(path, offset, pieceSize)
    offset += piece.length
    let bytes = Buffer.concat([rest, piece])
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10)) {
      end += at + 1
      yield { line: bytes.subarray(0, at).toString('utf8'), end, isWhole: true }
      bytes = bytes.subarray(at + 1)
    }
    rest = bytes
    if (piece.length < pieceSize) break
  }
  if (rest.length > 0) yield { line: rest.toString('utf8'), end: end + rest.length, isWhole: false }
}
