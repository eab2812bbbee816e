/**
 * A lasting link to one database: connected again when it was lost, its replica resumed from the last
 * transaction seen where the server can (`monitor_cond_since`), its lock asked for again.
 */
import { EventEmitter } from 'node:events'
import type { Cancel, Env } from '../base/env/env.js'
import {
  type MonitorRequests,
  type Operation,
  type OperationResult,
  type OvsdbClient,
  OvsdbError,
  ProtocolError,
  type TableUpdates,
  type TableUpdates2,
} from './client.js'
import { formatJson } from './json.js'
import {
  backOffMillis,
  type LinkEffect,
  type LinkEvent,
  type LinkState,
  step,
} from './link-state.js'
import { allColumns, columnsThere, Replica, type RowChange, type Watched } from './replica.js'
import { type DatabaseSchema, readSchema } from './schema.js'

export interface LinkOptions {
  readonly database: string
  /** How to call the server; absent: it calls us, and `accept` is given its connection. */
  readonly connect?: () => Promise<OvsdbClient>
  /** What is watched; absent: everything. What the server has not is left out. */
  readonly watched?: Watched
  /** Held while the link is live, so that only one of us writes. */
  readonly lock?: string
}

export interface LinkEvents {
  /** The replica is there and current. */
  live: [replica: Replica]
  /** The same replica has changed; on a resume also by what happened meanwhile. */
  changed: [changes: readonly RowChange[]]
  'lock-changed': [isHeld: boolean]
  lost: [reason: string]
}

type Method = 'monitor_cond_since' | 'monitor_cond' | 'monitor'
const maxEarly = 1_000
/** How long a server has to take a connection, with all of TLS. */
const callTimeoutMillis = 10_000
const methods: readonly Method[] = ['monitor_cond_since', 'monitor_cond', 'monitor']

export class DatabaseLink extends EventEmitter<LinkEvents> {
  readonly #env: Env
  readonly #options: LinkOptions
  #state: LinkState = { phase: 'stopped' }
  #client: OvsdbClient | undefined
  #replica: Replica | undefined
  #schemaText = ''
  #lastId: string | undefined
  #monitorCount = 0
  #callCount = 0
  #hasLock = false
  #lockNews = 0
  /** Changes that happened before the link was live, to be told then. */
  #untold: RowChange[] = []
  /** Updates that came in front of the contents they belong to; undefined once those are applied. */
  #early: (() => readonly RowChange[])[] | undefined
  #cancelWait: Cancel = () => undefined

  constructor(env: Env, options: LinkOptions) {
    super()
    this.#env = env
    this.#options = options
  }

  get state(): LinkState {
    return this.#state
  }

  get isLive(): boolean {
    return this.#state.phase === 'live'
  }

  /** The last known contents, also while the link is down. */
  get replica(): Replica | undefined {
    return this.#replica
  }

  get schema(): DatabaseSchema | undefined {
    return this.#replica?.schema
  }

  get hasLock(): boolean {
    return this.#hasLock
  }

  /** The connection of now. */
  get client(): OvsdbClient | undefined {
    return this.#client
  }

  start(): void {
    this.#on({ kind: 'start' })
  }

  stop(): void {
    this.#on({ kind: 'stop' })
  }

  /** A connection that the server opened; it takes the place of one that is there. */
  accept(client: OvsdbClient): void {
    if (this.#state.phase === 'stopped') return client.close('nobody waits for it')
    if (this.#client) this.#lost(this.#client, 'the server has connected anew')
    this.#client = client
    this.#on({ kind: 'connected' })
  }

  /** @throws {OvsdbError} also `closed`, when the link is down */
  async transact(operations: readonly Operation[]): Promise<readonly OperationResult[]> {
    if (this.#client === undefined || this.#state.phase !== 'live')
      throw new OvsdbError('closed', 'the database is not connected')
    return this.#client.transact(this.#options.database, operations)
  }

  #on(event: LinkEvent): void {
    const [state, effects] = step(this.#state, event)
    this.#state = state
    for (const effect of effects) this.#carryOut(effect)
  }

  #carryOut(effect: LinkEffect): void {
    switch (effect.kind) {
      case 'call':
        return this.#call()
      case 'prepare':
        return this.#prepareGuarded(this.#client!)
      case 'wait':
        if (this.#options.connect === undefined) return
        this.#cancelWait = this.#env.timers.after(
          backOffMillis(effect.failures, this.#env.random.uint32()),
          () => this.#on({ kind: 'timer' }),
        )
        return
      case 'close':
        this.#cancelWait()
        this.#client?.close()
        this.#client = undefined
        this.#setLock(false)
        return
    }
  }

  #call(): void {
    const { connect } = this.#options
    if (connect === undefined)
      return this.#on({ kind: 'lost', reason: 'it has not called yet', nowMillis: this.#now() })
    const call = ++this.#callCount
    const isAwaited = () => this.#callCount === call && this.#state.phase === 'calling'
    const lost = (reason: string) => {
      if (!isAwaited()) return
      this.#callCount++
      this.#on({ kind: 'lost', reason, nowMillis: this.#now() })
    }
    const cancel = this.#env.timers.after(callTimeoutMillis, () =>
      lost(`no connection in ${callTimeoutMillis} ms`),
    )
    connect()
      .then(
        client => {
          if (!isAwaited()) return client.close('it came too late')
          this.#client = client
          this.#on({ kind: 'connected' })
        },
        (error: unknown) => lost(reasonOf(error)),
      )
      .finally(cancel)
  }

  #prepareGuarded(client: OvsdbClient): void {
    if (client.closedBecause !== undefined) return this.#lost(client, client.closedBecause)
    client.once('closed', reason => this.#lost(client, reason))
    this.#prepare(client).catch((error: unknown) => {
      client.close(reasonOf(error))
      this.#lost(client, reasonOf(error))
    })
  }

  async #prepare(client: OvsdbClient): Promise<void> {
    const json = await client.getSchema(this.#options.database)
    const text = formatJson(json)
    const isKnown = this.#replica !== undefined && text === this.#schemaText
    const schema = isKnown ? this.#replica!.schema : readSchema(json)
    const watched = this.#options.watched
      ? columnsThere(schema, this.#options.watched)
      : allColumns(schema)
    const replica = isKnown ? this.#replica! : new Replica(schema, watched)
    if (!isKnown) this.#lastId = undefined
    this.#listen(client, replica)
    const changes = await this.#monitor(client, replica)
    if (this.#client !== client) return
    this.#untold = [...changes]
    const early = this.#early ?? []
    this.#early = undefined
    for (const apply of early) this.#untold.push(...apply())
    this.#replica = replica
    this.#schemaText = text
    if (this.#options.lock !== undefined) await this.#takeLock(client, this.#options.lock)
    if (this.#client !== client) return
    this.#on({ kind: 'prepared', nowMillis: this.#now() })
    this.emit('live', replica)
    const untold = this.#untold
    this.#untold = []
    if (untold.length > 0) this.emit('changed', untold)
  }

  /** Tries the best way first; a server that does not know it is asked in the next best. */
  async #monitor(client: OvsdbClient, replica: Replica): Promise<readonly RowChange[]> {
    const requests: MonitorRequests = Object.fromEntries(
      Object.entries(replica.watched).map(([table, columns]) => [table, { columns }]),
    )
    for (const method of methods) {
      try {
        return await this.#monitorBy(method, client, replica, requests)
      } catch (error) {
        if (!(error instanceof OvsdbError) || !/unknown method/i.test(error.message)) throw error
      }
    }
    throw new ProtocolError('the server knows no way to monitor')
  }

  async #monitorBy(
    method: Method,
    client: OvsdbClient,
    replica: Replica,
    requests: MonitorRequests,
  ): Promise<readonly RowChange[]> {
    const { database } = this.#options
    const monitor = ['sluice', ++this.#monitorCount]
    if (method === 'monitor')
      return replica.replace(await client.monitor(database, monitor, requests))
    if (method === 'monitor_cond')
      return replica.replace(await client.monitorCond(database, monitor, requests))
    const reply = await client.monitorCondSince(database, monitor, requests, this.#lastId)
    const changes = reply.found ? replica.update2(reply.tables) : replica.replace(reply.tables)
    this.#lastId = reply.lastId
    return changes
  }

  #listen(client: OvsdbClient, replica: Replica): void {
    // A reply is handed over in a later step than a notification that came behind it.
    this.#early = []
    const isMine = (monitor: unknown) =>
      Array.isArray(monitor) && monitor[0] === 'sluice' && monitor[1] === this.#monitorCount
    const take = (monitor: unknown, apply: () => readonly RowChange[]) => {
      if (this.#client !== client || !isMine(monitor)) return
      if (this.#early) {
        if (this.#early.push(apply) > maxEarly)
          throw new ProtocolError('updates, and no contents that they belong to')
        return
      }
      // What throws here is a breach of the protocol: the client closes.
      const changes = apply()
      if (!this.isLive) this.#untold.push(...changes)
      else if (changes.length > 0) this.emit('changed', changes)
    }
    client.on('update', (monitor, tables: TableUpdates) =>
      take(monitor, () => replica.update(tables)),
    )
    client.on('update2', (monitor, tables: TableUpdates2) =>
      take(monitor, () => replica.update2(tables)),
    )
    client.on('update3', (monitor, lastId, tables) =>
      take(monitor, () => {
        const changes = replica.update2(tables)
        this.#lastId = lastId
        return changes
      }),
    )
    client.on('monitor-canceled', () => client.close('the database was removed or converted'))
    const lockNews = (isHeld: boolean) => (lock: string) => {
      if (lock !== this.#options.lock || this.#client !== client) return
      this.#lockNews++
      this.#setLock(isHeld)
    }
    client.on('locked', lockNews(true))
    client.on('stolen', lockNews(false))
  }

  async #takeLock(client: OvsdbClient, lock: string): Promise<void> {
    const news = this.#lockNews
    const isHeld = await client.lock(lock)
    // What was said behind the reply is newer than the reply.
    if (this.#client === client && this.#lockNews === news) this.#setLock(isHeld)
  }

  #setLock(isHeld: boolean): void {
    if (this.#hasLock === isHeld) return
    this.#hasLock = isHeld
    this.emit('lock-changed', isHeld)
  }

  #lost(client: OvsdbClient, reason: string): void {
    if (this.#client !== client) return
    this.#client = undefined
    if (client.closedBecause === undefined) client.close(reason)
    this.#setLock(false)
    this.#on({ kind: 'lost', reason, nowMillis: this.#now() })
    this.emit('lost', reason)
  }

  #now(): number {
    return this.#env.clock.nowMillis()
  }
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)
