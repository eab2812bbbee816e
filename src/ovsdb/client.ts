/** A client of the OVSDB management protocol, RFC 7047, over any stream of the environment. */
import { EventEmitter } from 'node:events'
import type { Address, Connection, Env } from '../base/env.js'
import { JsonStream } from './json-stream.js'

/** Columns of a row in the notation of RFC 7047 section 5.1. */
export type Value =
  | string
  | number
  | boolean
  | readonly ['uuid' | 'named-uuid', string]
  | readonly ['set', readonly Value[]]
  | readonly ['map', readonly (readonly [Value, Value])[]]
export type Row = Readonly<Record<string, Value>>
export type Condition = readonly [
  column: string,
  test: '==' | '!=' | 'includes' | 'excludes' | '<' | '<=' | '>' | '>=',
  value: Value,
]

/** Operations of `transact`, RFC 7047 section 5.2. */
export type Operation =
  | {
      readonly op: 'insert'
      readonly table: string
      readonly row: Row
      readonly 'uuid-name'?: string
    }
  | {
      readonly op: 'select'
      readonly table: string
      readonly where: readonly Condition[]
      readonly columns?: readonly string[]
    }
  | {
      readonly op: 'update'
      readonly table: string
      readonly where: readonly Condition[]
      readonly row: Row
    }
  | {
      readonly op: 'mutate'
      readonly table: string
      readonly where: readonly Condition[]
      readonly mutations: readonly (readonly [string, 'insert' | 'delete' | '+=' | '-=', Value])[]
    }
  | { readonly op: 'delete'; readonly table: string; readonly where: readonly Condition[] }
  | {
      readonly op: 'wait'
      readonly table: string
      readonly where: readonly Condition[]
      readonly columns: readonly string[]
      readonly until: '==' | '!='
      readonly rows: readonly Row[]
      readonly timeout?: number
    }
  | { readonly op: 'comment'; readonly comment: string }
  | { readonly op: 'assert'; readonly lock: string }
  | { readonly op: 'abort' }
  | { readonly op: 'commit'; readonly durable: boolean }

export interface OperationResult {
  readonly uuid?: readonly ['uuid', string]
  readonly rows?: readonly Row[]
  readonly count?: number
}

/** What the server answered instead of a result. */
export class OvsdbError extends Error {
  /** The error's own name, such as `constraint violation`. */
  readonly error: string

  constructor(error: string, details: string) {
    super(details === '' ? error : `${error}: ${details}`)
    this.name = 'OvsdbError'
    this.error = error
  }
}

export interface OvsdbEvents {
  /** RFC 7047 section 4.1.6: what changed in a monitored table. */
  update: [
    monitor: unknown,
    tables: Readonly<Record<string, Readonly<Record<string, { old?: Row; new?: Row }>>>>,
  ]
  locked: [lock: string]
  stolen: [lock: string]
  closed: [reason: string]
}

interface Waiting {
  readonly method: string
  resolve(result: unknown): void
  reject(error: Error): void
  readonly cancel: () => void
}

const requestTimeoutMillis = 10_000

export class OvsdbClient extends EventEmitter<OvsdbEvents> {
  readonly #connection: Connection
  readonly #env: Env
  readonly #stream = new JsonStream()
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0
  #isClosed = false

  private constructor(env: Env, connection: Connection) {
    super()
    this.#env = env
    this.#connection = connection
    connection.onBytes(chunk => this.#receive(chunk))
    connection.onClose(error => this.#closed(error?.message ?? 'closed by the server'))
  }

  static async connect(env: Env, address: Address): Promise<OvsdbClient> {
    return new OvsdbClient(env, await env.net.connect(address))
  }

  close(): void {
    this.#connection.destroy()
    this.#closed('closed by us')
  }

  async listDatabases(): Promise<string[]> {
    return (await this.request('list_dbs', [])) as string[]
  }

  async getSchema(database: string): Promise<unknown> {
    return this.request('get_schema', [database])
  }

  /**
   * All operations, or none.
   *
   * @throws {OvsdbError} naming the operation that failed
   */
  async transact(
    database: string,
    operations: readonly Operation[],
  ): Promise<readonly OperationResult[]> {
    const results = (await this.request('transact', [database, ...operations])) as readonly (
      | (OperationResult & { error?: string; details?: string })
      | null
    )[]
    results.forEach((result, index) => {
      if (result?.error !== undefined) {
        const op = operations[index]
        const where =
          op === undefined
            ? 'the whole transaction'
            : `${op.op}${'table' in op ? ` ${op.table}` : ''}`
        throw new OvsdbError(result.error, `${result.details ?? ''} (in ${where})`)
      }
    })
    return results.map(result => result ?? {})
  }

  /** Begins to watch tables; resolves to their contents, later changes come as 'update'. */
  async monitor(
    database: string,
    monitor: unknown,
    tables: Readonly<Record<string, { columns?: readonly string[] }>>,
  ): Promise<Readonly<Record<string, Readonly<Record<string, { new?: Row }>>>>> {
    return (await this.request('monitor', [database, monitor, tables])) as Readonly<
      Record<string, Readonly<Record<string, { new?: Row }>>>
    >
  }

  async cancelMonitor(monitor: unknown): Promise<void> {
    await this.request('monitor_cancel', [monitor])
  }

  request(method: string, params: readonly unknown[]): Promise<unknown> {
    if (this.#isClosed) return Promise.reject(new OvsdbError('closed', 'the connection has ended'))
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      const cancel = this.#env.timers.after(requestTimeoutMillis, () => {
        this.#waiting.delete(id)
        reject(
          new OvsdbError('timed out', `${method} was not answered in ${requestTimeoutMillis} ms`),
        )
      })
      this.#waiting.set(id, { method, resolve, reject, cancel })
      this.#send({ method, params, id })
    })
  }

  #send(message: unknown): void {
    this.#connection.send(Buffer.from(JSON.stringify(message)))
  }

  #receive(chunk: Uint8Array): void {
    let messages: unknown[]
    try {
      messages = this.#stream.push(chunk)
    } catch (error) {
      this.#connection.destroy()
      this.#closed(error instanceof Error ? error.message : String(error))
      return
    }
    for (const message of messages) this.#take(message)
  }

  #take(message: unknown): void {
    if (typeof message !== 'object' || message === null) return
    const { method, params, id, result, error } = message as Record<string, unknown>
    if (method === 'echo') return this.#send({ id, result: params, error: null })
    if (method === 'update' && Array.isArray(params))
      return void this.emit('update', params[0], params[1])
    if (method === 'locked' && Array.isArray(params))
      return void this.emit('locked', String(params[0]))
    if (method === 'stolen' && Array.isArray(params))
      return void this.emit('stolen', String(params[0]))
    const waiting = typeof id === 'number' ? this.#waiting.get(id) : undefined
    if (waiting === undefined) return
    this.#waiting.delete(id as number)
    waiting.cancel()
    if (error === null || error === undefined) return waiting.resolve(result)
    waiting.reject(errorOf(error, waiting.method))
  }

  #closed(reason: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const waiting of this.#waiting.values()) {
      waiting.cancel()
      waiting.reject(new OvsdbError('closed', reason))
    }
    this.#waiting.clear()
    this.emit('closed', reason)
  }
}

const errorOf = (error: unknown, method: string): OvsdbError => {
  if (typeof error === 'string') return new OvsdbError(error, method)
  const { error: name, details } = error as { error?: string; details?: string }
  return new OvsdbError(name ?? 'error', details ?? method)
}
