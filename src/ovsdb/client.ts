/**
 * One connection to an OVSDB server: all methods of RFC 7047 section 4.1 and the extensions of
 * ovsdb-server(7), over any stream of the environment. The other end is a stranger: whatever it sends ends
 * in an event, a settled request, or the close of this connection, in work and memory bounded by limits.
 */
import { EventEmitter } from 'node:events'
import type { Address, Cancel, Connection, Env } from '../base/env/env.js'
import { formatJson } from './json.js'
import { JsonStream } from './json-stream.js'
import {
  type ClientLimits,
  clientLimits,
  type MonitorRequests,
  type Operation,
  type OperationResult,
  OvsdbError,
  ProtocolError,
  type TableUpdates,
  type TableUpdates2,
} from './protocol.js'
import { checkResults, listed } from './requests.js'
import { cut, errorOf, type Incoming, isObject, readMessage } from './rpc.js'

export * from './protocol.js'

export interface OvsdbEvents {
  /** RFC 7047 section 4.1.6: what changed in a monitored table. */
  update: [monitor: unknown, tables: TableUpdates]
  /** The same for a `monitor_cond`. */
  update2: [monitor: unknown, tables: TableUpdates2]
  /** The same for a `monitor_cond_since`, with the transaction that did it. */
  update3: [monitor: unknown, lastId: string, tables: TableUpdates2]
  /** The database went away, or changed its schema. */
  'monitor-canceled': [monitor: unknown]
  locked: [lock: string]
  stolen: [lock: string]
  closed: [reason: string]
}

export interface ClientOptions {
  readonly limits?: Partial<ClientLimits>
  /** How long a request waits for its reply. */
  readonly requestTimeoutMillis?: number
  /** Silence after which an echo is sent, and after which again the connection is given up. */
  readonly probeMillis?: number
}

export interface RequestOptions {
  readonly timeoutMillis?: number
  /** Sends `cancel`; the request then ends as the server says, or soon with the error `canceled`. */
  readonly signal?: AbortSignal
}

interface Waiting {
  readonly method: string
  resolve(result: unknown): void
  reject(error: Error): void
  release(): void
}

/** How long a server has to answer what was cancelled. */
const cancelMillis = 500

/** Messages handled before other connections get their turn. */
const sliceLength = 64

export class OvsdbClient extends EventEmitter<OvsdbEvents> {
  readonly #connection: Connection
  readonly #env: Env
  readonly #limits: ClientLimits
  readonly #timeoutMillis: number
  readonly #probeMillis: number
  readonly #stream: JsonStream
  readonly #waiting = new Map<number, Waiting>()
  #inbox: unknown[] = []
  #isDraining = false
  #lastId = 0
  #strayCount = 0
  #heardMillis: number
  #cancelProbe: Cancel = () => undefined
  #closedBecause: string | undefined

  /** Takes over a connection that is there, such as one that a switch opened. */
  constructor(env: Env, connection: Connection, options: ClientOptions = {}) {
    super()
    this.setMaxListeners(0)
    this.#env = env
    this.#connection = connection
    this.#limits = { ...clientLimits, ...options.limits }
    this.#timeoutMillis = options.requestTimeoutMillis ?? 10_000
    this.#probeMillis = options.probeMillis ?? 5_000
    this.#stream = new JsonStream(this.#limits)
    this.#heardMillis = env.clock.nowMillis()
    connection.onBytes(chunk => this.#receive(chunk))
    connection.onClose(error => {
      this.#drain(Number.POSITIVE_INFINITY)
      this.#closed(error?.message ?? 'closed by the server')
    })
    this.#watch(false)
  }

  /** It is known who the other end is: its messages may be as long as those of any database. */
  takeWholeSizes(): void {
    this.#stream.limitSize(clientLimits.size)
  }

  static async connect(
    env: Env,
    address: Address,
    options: ClientOptions = {},
  ): Promise<OvsdbClient> {
    return new OvsdbClient(env, await env.net.connect(address), options)
  }

  get remote(): string {
    return this.#connection.remote
  }

  /** The subject of the server's certificate, on TLS. */
  get peerName(): string | undefined {
    return this.#connection.peerName
  }

  /** Why it ended; undefined while it is open. */
  get closedBecause(): string | undefined {
    return this.#closedBecause
  }

  /** Replies without a request: late ones after a time-out, or inventions. */
  get strayCount(): number {
    return this.#strayCount
  }

  get pendingCount(): number {
    return this.#waiting.size
  }

  close(reason = 'closed by us'): void {
    this.#connection.destroy()
    this.#closed(reason)
  }

  async listDatabases(): Promise<string[]> {
    const names = await this.request('list_dbs', [])
    if (!Array.isArray(names) || names.some(name => typeof name !== 'string'))
      throw this.#broken('list_dbs was not answered with names')
    return names as string[]
  }

  /** As JSON: `readSchema` makes types of it. */
  getSchema(database: string): Promise<unknown> {
    return this.request('get_schema', [database])
  }

  /**
   * All operations, or none.
   *
   * @throws {OvsdbError} naming the operation that failed; `timed out` and `closed` leave open whether it happened
   */
  async transact(
    database: string,
    operations: readonly Operation[],
    options: RequestOptions = {},
  ): Promise<readonly OperationResult[]> {
    const waits = operations.map(each => (each.op === 'wait' ? (each.timeout ?? 0) : 0))
    const results = await this.request('transact', [database, ...operations], {
      timeoutMillis: this.#timeoutMillis + Math.max(0, ...waits),
      ...options,
    })
    const isGood =
      Array.isArray(results) &&
      results.length <= operations.length + 1 &&
      results.every(each => each === null || isObject(each))
    if (!isGood) throw this.#broken('transact was not answered with a result per operation')
    return checkResults(results, operations)
  }

  /** Begins to watch tables; resolves to their contents, later changes come as 'update'. */
  async monitor(
    database: string,
    monitor: unknown,
    tables: MonitorRequests,
  ): Promise<TableUpdates> {
    return this.#tables(await this.request('monitor', [database, monitor, tables]), 'monitor')
  }

  /** The same with conditions; later changes come as 'update2'. */
  async monitorCond(
    database: string,
    monitor: unknown,
    tables: MonitorRequests,
  ): Promise<TableUpdates2> {
    const reply = await this.request('monitor_cond', [database, monitor, listed(tables)])
    return this.#tables(reply, 'monitor_cond')
  }

  /**
   * The same from a transaction on that was seen before; later changes come as 'update3'.
   *
   * @returns `found`: the server knew `lastId`, and `tables` is what changed since; otherwise it is all there is
   */
  async monitorCondSince(
    database: string,
    monitor: unknown,
    tables: MonitorRequests,
    lastId: string = zeroId,
  ): Promise<{ readonly found: boolean; readonly lastId: string; readonly tables: TableUpdates2 }> {
    const method = 'monitor_cond_since'
    const reply = await this.request(method, [database, monitor, listed(tables), lastId])
    const [found, id, updates] = Array.isArray(reply) ? reply : []
    if (typeof found !== 'boolean' || typeof id !== 'string')
      throw this.#broken(`${method} was not answered with found, last-txn-id and updates`)
    return { found, lastId: id, tables: this.#tables(updates, method) }
  }

  /** Other conditions for a running monitor, which is called `next` from then on. */
  async changeMonitor(monitor: unknown, next: unknown, tables: MonitorRequests): Promise<void> {
    await this.request('monitor_cond_change', [monitor, next, listed(tables)])
  }

  async cancelMonitor(monitor: unknown): Promise<void> {
    await this.request('monitor_cancel', [monitor])
  }

  /** @returns whether it is ours now; otherwise 'locked' comes when it is */
  async lock(lock: string): Promise<boolean> {
    return this.#isLocked(await this.request('lock', [lock]))
  }

  /** Takes it from whoever has it; they learn by 'stolen'. */
  async steal(lock: string): Promise<boolean> {
    return this.#isLocked(await this.request('steal', [lock]))
  }

  async unlock(lock: string): Promise<void> {
    await this.request('unlock', [lock])
  }

  async echo(...words: unknown[]): Promise<unknown> {
    return this.request('echo', words)
  }

  /** OVS extension: changes when the server restarts. */
  async getServerId(): Promise<string> {
    const id = await this.request('get_server_id', [])
    if (typeof id !== 'string') throw this.#broken('get_server_id was not answered with an id')
    return id
  }

  /** OVS extension: with true the server cancels monitors of a changed database instead of hanging up. */
  async setDbChangeAware(isAware: boolean): Promise<void> {
    await this.request('set_db_change_aware', [isAware])
  }

  /** @throws {OvsdbError} refused, `timed out`, `closed`, or `too many requests` */
  request(
    method: string,
    params: readonly unknown[],
    options: RequestOptions = {},
  ): Promise<unknown> {
    if (this.#closedBecause !== undefined)
      return Promise.reject(new OvsdbError('closed', this.#closedBecause))
    if (this.#waiting.size >= this.#limits.pending)
      return Promise.reject(
        new OvsdbError(
          'too many requests',
          `${this.#waiting.size} wait for a reply, ${method} was not sent`,
        ),
      )
    const id = ++this.#lastId
    const timeoutMillis = options.timeoutMillis ?? this.#timeoutMillis
    return new Promise((resolve, reject) => {
      const fail = (error: string, details: string) => {
        this.#settle(id)
        reject(new OvsdbError(error, details))
      }
      const sendCancel = () => this.#send({ method: 'cancel', params: [id], id: null })
      let cancelTimer = this.#env.timers.after(timeoutMillis, () => {
        if (method === 'transact') sendCancel()
        fail('timed out', `${method} was not answered in ${timeoutMillis} ms`)
      })
      // RFC 7047 section 4.1.4 promises an answer; ovsdb-server 3.1 drops the transaction without one.
      const abort = () => {
        sendCancel()
        cancelTimer()
        cancelTimer = this.#env.timers.after(cancelMillis, () =>
          fail('canceled', `${method}; the server did not say so`),
        )
      }
      const release = () => {
        cancelTimer()
        options.signal?.removeEventListener('abort', abort)
      }
      this.#waiting.set(id, { method, resolve, reject, release })
      this.#send({ method, params, id })
      if (options.signal?.aborted) abort()
      options.signal?.addEventListener('abort', abort)
    })
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    waiting?.release()
    return waiting
  }

  #send(message: unknown): void {
    if (this.#closedBecause !== undefined) return
    this.#connection.send(Buffer.from(formatJson(message)))
    if (this.#connection.unsentSize > this.#limits.unsent)
      this.close(`the server has left ${this.#connection.unsentSize} octets unread`)
  }

  #receive(chunk: Uint8Array): void {
    if (this.#closedBecause !== undefined) return
    this.#heardMillis = this.#env.clock.nowMillis()
    this.#guarded(() => {
      try {
        this.#stream.push(chunk, message => this.#inbox.push(message))
      } catch (error) {
        // What came whole before the mistake still counts.
        this.#drain(Number.POSITIVE_INFINITY)
        throw error
      }
    })
    if (!this.#isDraining) this.#drain(sliceLength)
  }

  /** Handles messages, and leaves the rest to a later turn while the socket waits. */
  #drain(length: number): void {
    const slice = this.#inbox.splice(0, length)
    for (const message of slice) {
      if (this.#closedBecause !== undefined) return
      this.#guarded(() => this.#take(readMessage(message)))
    }
    if (this.#inbox.length > 0 && !this.#isDraining) this.#connection.pause()
    if (this.#inbox.length === 0 && this.#isDraining) this.#connection.resume()
    this.#isDraining = this.#inbox.length > 0
    if (this.#isDraining) this.#env.timers.soon(() => this.#drain(sliceLength))
  }

  /** Where a stranger's mistakes end: with this connection, and nothing else. */
  #guarded(run: () => void): void {
    try {
      run()
    } catch (error) {
      const isTheirs = error instanceof SyntaxError || error instanceof ProtocolError
      if (!isTheirs)
        this.#env.log.error({ err: error, remote: this.remote }, 'a message was mishandled')
      this.close(error instanceof Error ? error.message : String(error))
    }
  }

  #take(message: Incoming): void {
    switch (message.kind) {
      case 'reply':
        return this.#reply(message.id, waiting => waiting.resolve(message.result))
      case 'refusal':
        return this.#reply(message.id, waiting =>
          waiting.reject(errorOf(message.error, waiting.method)),
        )
      case 'request':
        return this.#answer(message.id, message.method, message.params)
      case 'notification':
        return this.#notice(message.method, message.params)
    }
  }

  #reply(id: unknown, settle: (waiting: Waiting) => void): void {
    const waiting = typeof id === 'number' ? this.#settle(id) : undefined
    if (waiting !== undefined) return settle(waiting)
    // The reply to our own echo, or one that came too late.
    if (id === probeId) return
    this.#strayCount++
    if (this.#strayCount > this.#limits.strays)
      throw new ProtocolError(`more than ${this.#limits.strays} replies that nobody asked for`)
  }

  #answer(id: unknown, method: string, params: readonly unknown[]): void {
    if (method === 'echo') return this.#send({ id, result: params, error: null })
    this.#send({ id, result: null, error: { error: 'unknown method', details: cut(method, 64) } })
  }

  /** Notifications of an unknown name are left aside: a newer server may have more of them. */
  #notice(method: string, params: readonly unknown[]): void {
    const [first, second, third] = params
    switch (method) {
      case 'update':
        return void this.emit('update', first, this.#tables(second, method))
      case 'update2':
        return void this.emit('update2', first, this.#tables(second, method))
      case 'update3':
        if (typeof second !== 'string') throw new ProtocolError('update3 without last-txn-id')
        return void this.emit('update3', first, second, this.#tables(third, method))
      case 'monitor_canceled':
        return void this.emit('monitor-canceled', first)
      case 'locked':
      case 'stolen':
        if (typeof first !== 'string') throw new ProtocolError(`${method} without a lock`)
        return void this.emit(method, first)
    }
  }

  #tables<T extends TableUpdates | TableUpdates2>(value: unknown, method: string): T {
    const isGood =
      isObject(value) &&
      Object.values(value).every(rows => isObject(rows) && Object.values(rows).every(isObject))
    if (!isGood) throw this.#broken(`${method} without rows by table and UUID`)
    // The columns are checked against the schema where they are used.
    return value as T
  }

  #isLocked(reply: unknown): boolean {
    if (isObject(reply) && typeof reply.locked === 'boolean') return reply.locked
    throw this.#broken('lock was not answered with locked')
  }

  /** A reply of the wrong shape ends the connection, like any other breach. */
  #broken(what: string): ProtocolError {
    this.close(what)
    return new ProtocolError(what)
  }

  /** Two periods of silence, with an echo between them, are the end. */
  #watch(isProbed: boolean): void {
    const sinceMillis = this.#heardMillis
    this.#cancelProbe = this.#env.timers.after(this.#probeMillis, () => {
      const isSilent = this.#heardMillis === sinceMillis
      if (isSilent && isProbed) return this.close(`no answer to an echo in ${this.#probeMillis} ms`)
      if (isSilent) this.#send({ method: 'echo', params: [], id: probeId })
      if (this.#closedBecause === undefined) this.#watch(isSilent)
    })
  }

  #closed(reason: string): void {
    if (this.#closedBecause !== undefined) return
    this.#closedBecause = reason
    this.#cancelProbe()
    this.#inbox = []
    for (const waiting of this.#waiting.values()) {
      waiting.release()
      waiting.reject(new OvsdbError('closed', reason))
    }
    this.#waiting.clear()
    this.emit('closed', reason)
  }
}

const probeId = 'echo'
const zeroId = '00000000-0000-0000-0000-000000000000'
