/** Requests that wait for their answer: by xid, each with a deadline, parts of multipart replies joined. */
import { unreadableOf } from '../codec.js'
import { errorName } from '../error-codes.js'
import type { Message, Received, ReceivedOf, Reply } from '../messages/index.js'
import type { UnreadableEntry } from '../wire/reader.js'

/** A switch refused something; `name` is OpenFlow's name of the error, such as OFPFMFC_TABLE_FULL. */
export class SwitchError extends Error {
  readonly type: number
  readonly code: number
  /** What it refused, where we know. */
  readonly request: Message | undefined

  constructor(error: ReceivedOf<'error'>, request?: Message) {
    const name = errorName(error.type, error.code, error.experimenter)
    super(request ? `${request.kind} was refused: ${name}` : name)
    this.name = name
    this.type = error.type
    this.code = error.code
    this.request = request
  }
}

/** The connection ended before the answer came: whether the switch did what was asked is not known. */
export class ConnectionLost extends Error {
  constructor(reason: string) {
    super(`the connection is closed: ${reason}`)
    this.name = 'ConnectionLost'
  }
}

/** What came for a request is no answer to it, or none came: it may have been done or not. */
export class NoAnswer extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'NoAnswer'
  }
}

export interface RequestLimits {
  readonly deadlineMillis: number
  /** Octets of all parts of one reply. */
  readonly maxReplySize: number
  /** Entries of all parts of one reply. */
  readonly maxReplyEntries: number
  /** Parts of one reply, of which most hold entries. */
  readonly maxReplyParts: number
}

export const requestLimits: RequestLimits = {
  deadlineMillis: 10_000,
  maxReplySize: 64 * 1024 * 1024,
  maxReplyEntries: 250_000,
  maxReplyParts: 50_000,
}

interface Pending {
  readonly request: Message
  readonly replyKind: string
  readonly deadlineMillis: number
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: Error) => void
  size: number
  parts: Received | undefined
  partCount: number
  entries: unknown[]
  unreadable: UnreadableEntry[]
}

/** The kind that answers a request; undefined when nothing does. */
export const replyKindOf = (message: Message): string | undefined => {
  if (message.kind === 'bundle-control') return 'bundle-control'
  if (message.kind === 'experimenter') return 'experimenter'
  return message.kind.endsWith('-request') ? message.kind.replace(/-request$/, '-reply') : undefined
}

export class RequestBook {
  readonly #limits: RequestLimits
  /** In the order of their deadlines, since all wait equally long. */
  readonly #pending = new Map<number, Pending>()
  readonly #endless: (reason: string) => void
  /** Parts that came for a request that is over. */
  readonly #late = { size: 0, count: 0 }

  /** @param endless called when a reply goes on and on: nothing good comes behind it */
  constructor(
    limits: RequestLimits = requestLimits,
    endless: (reason: string) => void = () => undefined,
  ) {
    this.#limits = limits
    this.#endless = endless
  }

  get size(): number {
    return this.#pending.size
  }

  has(xid: number): boolean {
    return this.#pending.has(xid)
  }

  /** @throws {TypeError} for messages that no switch answers */
  open(
    xid: number,
    request: Message,
    nowMillis: number,
    resolve: (reply: Reply) => void,
    reject: (error: Error) => void,
  ): void {
    const replyKind = replyKindOf(request)
    if (replyKind === undefined) throw new TypeError(`nothing answers a ${request.kind}`)
    const deadlineMillis = nowMillis + this.#limits.deadlineMillis
    this.#pending.set(xid, {
      request,
      replyKind,
      deadlineMillis,
      resolve,
      reject,
      size: 0,
      parts: undefined,
      partCount: 0,
      entries: [],
      unreadable: [],
    })
  }

  /**
   * Takes a reply or an error.
   *
   * @param size octets of the message
   * @returns false when no request of ours has its xid
   */
  take(message: Received, size: number): boolean {
    const pending = this.#pending.get(message.xid)
    if (pending === undefined) {
      this.#countLate(message, size)
      return false
    }
    if (message.kind === 'error') this.fail(message.xid, new SwitchError(message, pending.request))
    else if (message.kind !== pending.replyKind)
      this.fail(message.xid, new NoAnswer(`a ${message.kind} came for a ${pending.request.kind}`))
    else this.#join(message, size, pending)
    return true
  }

  /** A request may be over while its reply still comes; but every reply has an end. */
  #countLate(message: Received, size: number): void {
    if ((message as { readonly more?: boolean }).more !== true) return
    this.#late.size += size
    this.#late.count++
    if (
      this.#late.size > this.#limits.maxReplySize ||
      this.#late.count > this.#limits.maxReplyParts
    )
      this.#endless(`a ${message.kind} that nobody waits for has no end`)
  }

  #join(message: Received, size: number, pending: Pending): void {
    pending.size += size
    const entries = (message as { readonly entries?: readonly unknown[] }).entries
    const more = (message as { readonly more?: boolean }).more === true
    if (pending.parts === undefined && !more) return this.#settle(message.xid, pending, message)
    pending.parts ??= message
    pending.partCount++
    for (const entry of entries ?? []) pending.entries.push(entry)
    pending.unreadable.push(...unreadableOf(message))
    const { maxReplySize, maxReplyEntries, maxReplyParts } = this.#limits
    if (
      pending.size > maxReplySize ||
      pending.entries.length + pending.unreadable.length > maxReplyEntries ||
      pending.partCount > maxReplyParts
    ) {
      const reason = `the reply to ${pending.request.kind} is too large`
      this.fail(message.xid, new NoAnswer(reason))
      return this.#endless(reason)
    }
    if (more) return
    const whole = {
      ...pending.parts,
      more: false,
      ...(entries && { entries: pending.entries }),
      ...(pending.unreadable.length > 0 && { unreadable: pending.unreadable }),
    }
    this.#settle(message.xid, pending, whole as Received)
  }

  #settle(xid: number, pending: Pending, reply: Received): void {
    this.#pending.delete(xid)
    pending.resolve(reply)
  }

  /** Ends one request; nothing happens when there is none. */
  fail(xid: number, error: Error): void {
    const pending = this.#pending.get(xid)
    this.#pending.delete(xid)
    pending?.reject(error)
  }

  /** Ends those whose time is over. */
  expire(nowMillis: number): void {
    for (const [xid, pending] of this.#pending) {
      if (pending.deadlineMillis > nowMillis) return
      this.fail(xid, new NoAnswer(`no answer to ${pending.request.kind} in time`))
    }
  }

  failAll(reason: string): void {
    for (const xid of [...this.#pending.keys()]) this.fail(xid, new ConnectionLost(reason))
  }

  nextDeadlineMillis(): number {
    for (const pending of this.#pending.values()) return pending.deadlineMillis
    return Number.POSITIVE_INFINITY
  }
}
