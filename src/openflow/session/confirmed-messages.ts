/** Messages that are sent together and confirmed together: in order with a barrier behind, or as one bundle (ONF EXT-230). */
import { encode } from '../codec.js'
import { bundleFlags } from '../messages/bundle.js'
import type { Message, Reply } from '../messages/index.js'
import type { SwitchError } from './requests.js'

/** One message that the switch refused, by its place in what was sent together. */
export interface Refusal {
  readonly index: number
  /** OpenFlow's name, such as OFPFMFC_TABLE_FULL. */
  readonly error: string
}

/** A bundle was refused: nothing of it is in force. */
export class BundleError extends Error {
  readonly refusals: readonly Refusal[]
  constructor(refusals: readonly Refusal[], options?: ErrorOptions) {
    super(
      `bundle refused: ${refusals.map(one => `message ${one.index}: ${one.error}`).join(', ')}`,
      options,
    )
    this.name = 'BundleError'
    this.refusals = refusals
  }
}

/** What it needs of the connection. */
export interface Sending {
  newXid(): number
  transmit(message: Message, xid: number): void
  request(message: Message): Promise<Reply>
  /** Asked before anything is awaited, so that what is sent together leaves in one piece. */
  isBehind(): boolean
  /** Resolves when the switch has read enough of what it was sent. */
  caughtUp(): Promise<void>
}

export class Together {
  readonly #sending: Sending
  /** Messages whose errors are waited for, until a barrier is past. */
  readonly #watched = new Map<number, (error: SwitchError) => void>()
  #lastBundle = 0

  constructor(sending: Sending) {
    this.#sending = sending
  }

  has(xid: number): boolean {
    return this.#watched.has(xid)
  }

  /** Takes an error; false when it is for none of these messages. */
  take(error: SwitchError, xid: number): boolean {
    const watcher = this.#watched.get(xid)
    watcher?.(error)
    return watcher !== undefined
  }

  /** Sends in order with a barrier behind; resolves to what was refused. */
  sendAll(messages: readonly Message[]): Promise<readonly Refusal[]> {
    return this.#watching(async (refusals, watch) => {
      const waiting = this.#each(messages, (message, index) =>
        this.#sending.transmit(message, watch(index)),
      )
      if (waiting) await waiting
      await this.#sending.request({ kind: 'barrier-request' })
      return refusals
    })
  }

  /**
   * All of them or none, in order.
   *
   * @throws {BundleError} when the switch refuses any; an Error when the connection closes meanwhile
   */
  async bundle(messages: readonly Message[]): Promise<void> {
    if (messages.length === 0) return
    this.#lastBundle = (this.#lastBundle + 1) >>> 0
    const bundleId = this.#lastBundle
    const flags = bundleFlags.atomic | bundleFlags.ordered
    const control = (what: 'open' | 'close' | 'commit' | 'discard') =>
      this.#sending.request({ kind: 'bundle-control', bundleId, control: `${what}-request`, flags })
    await this.#watching(async (refusals, watch) => {
      try {
        // Not awaited before the messages follow: were it refused, closing would be too.
        const opened = control('open')
        opened.catch(() => undefined)
        const waiting = this.#each(messages, (message, index) => {
          const xid = watch(index)
          const add = {
            kind: 'bundle-add',
            bundleId,
            flags,
            message: encode(message, xid),
          } as const
          this.#sending.transmit(add, xid)
        })
        if (waiting) await waiting
        await Promise.all([opened, control('close')])
        if (refusals.length > 0) {
          await control('discard')
          throw new BundleError(refusals)
        }
        await control('commit')
      } catch (error) {
        if (refusals.length > 0 && !(error instanceof BundleError))
          throw new BundleError(refusals, { cause: error })
        throw error
      }
    })
  }

  /** @returns undefined when nothing had to be waited for: what follows then leaves in the same piece */
  #each(
    messages: readonly Message[],
    send: (message: Message, index: number) => void,
    first = 0,
  ): Promise<void> | undefined {
    for (let index = first; index < messages.length; index++) {
      if (this.#sending.isBehind())
        return this.#sending.caughtUp().then(() => {
          send(messages[index]!, index)
          return this.#each(messages, send, index + 1)
        })
      send(messages[index]!, index)
    }
    return undefined
  }

  /** Gathers what is refused of the messages whose numbers `watch` gives, while the work lasts. */
  async #watching<T>(
    work: (refusals: Refusal[], watch: (index: number) => number) => Promise<T>,
  ): Promise<T> {
    const refusals: Refusal[] = []
    const xids: number[] = []
    try {
      return await work(refusals, index => {
        const xid = this.#sending.newXid()
        this.#watched.set(xid, error => refusals.push({ index, error: error.name }))
        xids.push(xid)
        return xid
      })
    } finally {
      for (const xid of xids) this.#watched.delete(xid)
    }
  }
}
