/**
 * A store in memory: the whole behaviour but durability, for simulation and tests. The embedded store
 * adds only a way to keep each transaction (`persist`) before it is acknowledged.
 */
import type { Env } from '../../base/env/env.js'
import { Failure } from '../../base/failures.js'
import {
  checkKey,
  type KeyValue,
  type Lease,
  type Listing,
  type ListOptions,
  type Op,
  type Rev,
  type Store,
  type StoreEvent,
  type StoreStatus,
  type Txn,
  type TxnResult,
  type Watch,
  type WatchHandlers,
} from '../../base/store.js'
import { type Change, eventOf, History } from './history.js'

/** Makes a transaction durable; rejects when it could not. */
export type Persist = (changes: readonly Change[], rev: Rev, count: number) => Promise<void>

export interface Contents {
  readonly byKey: Map<string, KeyValue>
  readonly rev: Rev
}

interface Watching {
  readonly prefix: string
  readonly handlers: WatchHandlers
}

/** What is remembered for watches and for reading the past. */
const kept = { changes: 10_000, characters: 32_000_000 }

export class MemoryStore implements Store {
  readonly #env: Pick<Env, 'timers' | 'clock'>
  readonly #byKey: Map<string, KeyValue>
  readonly #persist: Persist
  readonly #history: History
  readonly #watches = new Set<Watching>()
  readonly #leases = new Map<number, { end(): void }>()
  /** The keys in order; made when it is asked for. */
  #sorted: string[] | undefined
  #rev: Rev
  /** Why the last write failed; undefined after one that did not. */
  #trouble: string | undefined
  #onStatus: (status: StoreStatus) => void = () => {}
  #last: Promise<unknown> = Promise.resolve()
  #lastLease: number

  constructor(
    env: Pick<Env, 'timers' | 'clock'>,
    contents: Contents = { byKey: new Map(), rev: 0 },
    persist: Persist = async () => {},
  ) {
    this.#env = env
    this.#byKey = contents.byKey
    this.#rev = contents.rev
    this.#history = new History(contents.rev, kept)
    this.#persist = persist
    // Numbers of leases are not used again, also after a restart.
    this.#lastLease = contents.rev * 1_000
  }

  async get(key: string, options: { rev?: Rev } = {}): Promise<KeyValue | undefined> {
    if (options.rev === undefined || options.rev >= this.#rev) return this.#byKey.get(key)
    const undone = this.#history.undone(options.rev)
    return undone.has(key) ? undone.get(key) : this.#byKey.get(key)
  }

  async list(prefix: string, options: ListOptions = {}): Promise<Listing> {
    const { rev = this.#rev, limit = 1_000, after } = options
    const { keys, kvOf } = this.#asOf(Math.min(rev, this.#rev))
    const kvs: KeyValue[] = []
    const start = after !== undefined && after >= prefix ? after : prefix
    for (let at = lowerBound(keys, start); at < keys.length; at++) {
      const key = keys[at]!
      if (!key.startsWith(prefix)) break
      if (key === after) continue
      if (kvs.length === limit) return { kvs, rev: Math.min(rev, this.#rev), more: true }
      kvs.push(kvOf(key)!)
    }
    return { kvs, rev: Math.min(rev, this.#rev), more: false }
  }

  /** One after the other: a comparison sees everything that was acknowledged before. */
  txn(txn: Txn): Promise<TxnResult> {
    const result = this.#last.then(() => this.#run(txn))
    // Whoever asked hears of the failure; the next in line is not held up by it.
    this.#last = result.catch(() => undefined)
    return result
  }

  watch(prefix: string, from: Rev, handlers: WatchHandlers): Watch {
    const watching = { prefix, handlers }
    const first = from === 0 ? this.#rev + 1 : from
    const cancel = this.#env.timers.soon(() => {
      if (first <= this.#history.min) return handlers.compacted(this.#history.min + 1)
      const missed = this.#history.since(first, prefix)
      this.#watches.add(watching)
      if (missed.length > 0) handlers.event(missed)
    })
    return {
      close: () => {
        cancel()
        this.#watches.delete(watching)
      },
    }
  }

  /** Alone with the data, only a process that was stopped for too long can lose its lease. */
  async lease(ttlMillis: number): Promise<Lease> {
    const id = ++this.#lastLease
    const { clock, timers } = this.#env
    let aliveMillis = clock.nowMillis()
    let onLost = () => {}
    const cancel = timers.every(ttlMillis / 3, () => {
      if (clock.nowMillis() - aliveMillis > ttlMillis) {
        this.#leases.get(id)?.end()
        this.#dropLeased(id).catch(() => undefined) // Not written: the store says so by its status.
        onLost()
      } else aliveMillis = clock.nowMillis()
    })
    this.#leases.set(id, {
      end: () => {
        cancel()
        this.#leases.delete(id)
      },
    })
    return {
      id,
      revoke: async () => {
        this.#leases.get(id)?.end()
        await this.#dropLeased(id)
      },
      onLost: handler => {
        onLost = handler
      },
    }
  }

  async compact(rev: Rev): Promise<void> {
    this.#history.compact(Math.min(rev, this.#rev))
  }

  status(): StoreStatus {
    return this.#trouble === undefined
      ? { mode: 'ok', rev: this.#rev }
      : { mode: 'read-only', rev: this.#rev, reason: this.#trouble }
  }

  onStatus(handler: (status: StoreStatus) => void): void {
    this.#onStatus = handler
  }

  /** Does something with the files in turn with the transactions; whether it failed is told by the status. */
  protected tried(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(() => this.#watched(work)).catch(() => undefined)
    this.#last = done
    return done
  }

  async #watched(work: () => Promise<void>): Promise<void> {
    const before = this.#trouble
    try {
      await work()
      this.#trouble = undefined
    } catch (error) {
      this.#trouble = error instanceof Failure ? error.message : String(error)
      throw error
    } finally {
      if (before !== this.#trouble) this.#onStatus(this.status())
    }
  }

  async close(): Promise<void> {
    for (const lease of this.#leases.values()) lease.end()
    await this.#last
    this.#watches.clear()
  }

  async #run(txn: Txn): Promise<TxnResult> {
    const ok = txn.if.every(({ key, modRev }) => (this.#byKey.get(key)?.modRev ?? 0) === modRev)
    const { changes, res } = this.#prepare(ok ? txn.then : (txn.else ?? []), this.#rev + 1)
    if (changes.length === 0) return { ok, rev: this.#rev, res }
    const rev = this.#rev + 1
    const count = changes.reduce(
      (sum, { before, after }) => sum + (after ? 1 : 0) - (before ? 1 : 0),
      this.#byKey.size,
    )
    await this.#watched(() => this.#persist(changes, rev, count))
    this.#apply(changes, rev)
    return { ok, rev, res }
  }

  /** What the operations would change, each key once, and what they answer. */
  #prepare(ops: readonly Op[], rev: Rev): { changes: Change[]; res: (KeyValue | undefined)[] } {
    const next = new Map<string, KeyValue | undefined>()
    const res = ops.map(op => {
      checkKey(op.key)
      const before = next.has(op.key) ? next.get(op.key) : this.#byKey.get(op.key)
      if (op.op === 'get') return before
      if (op.op === 'delete') {
        next.set(op.key, undefined)
        return before
      }
      if (op.lease !== undefined && !this.#leases.has(op.lease))
        throw new Failure('timed-out', {
          detail: `Lease ${op.lease} has ended; ask for a new one.`,
        })
      const after: KeyValue = Object.freeze({
        key: op.key,
        value: frozenJson(op.value),
        createRev: before?.createRev ?? rev,
        modRev: rev,
        ...(op.lease !== undefined && { lease: op.lease }),
      })
      next.set(op.key, after)
      return after
    })
    const changes = [...next]
      .map(([key, after]) => ({ key, before: this.#byKey.get(key), after }))
      .filter(({ before, after }) => before !== undefined || after !== undefined)
    return { changes, res }
  }

  #apply(changes: readonly Change[], rev: Rev): void {
    for (const { key, before, after } of changes) {
      if (!before || !after) this.#sorted = undefined
      if (after) this.#byKey.set(key, after)
      else this.#byKey.delete(key)
    }
    this.#rev = rev
    this.#history.add(changes, rev)
    const events = changes.map(change => eventOf(change, rev))
    for (const watching of [...this.#watches]) this.#tell(watching, events)
  }

  #tell(watching: Watching, events: readonly StoreEvent[]): void {
    const wanted = events.filter(event => event.key.startsWith(watching.prefix))
    if (wanted.length === 0) return
    // In a turn of its own: what a watcher does wrong is not the fault of whoever wrote.
    this.#env.timers.soon(() => {
      if (this.#watches.has(watching)) watching.handlers.event(wanted)
    })
  }

  #asOf(rev: Rev): { keys: readonly string[]; kvOf: (key: string) => KeyValue | undefined } {
    if (rev < this.#rev) {
      const byKey = new Map(this.#byKey)
      for (const [key, value] of this.#history.undone(rev))
        if (value) byKey.set(key, value)
        else byKey.delete(key)
      return { keys: [...byKey.keys()].sort(), kvOf: key => byKey.get(key) }
    }
    this.#sorted ??= [...this.#byKey.keys()].sort()
    return { keys: this.#sorted, kvOf: key => this.#byKey.get(key) }
  }

  async #dropLeased(id: number): Promise<void> {
    const keys = [...this.#byKey.values()].filter(kv => kv.lease === id).map(kv => kv.key)
    if (keys.length > 0) await this.txn({ if: [], then: keys.map(key => ({ op: 'delete', key })) })
  }
}

/**
 * A copy that nobody can change, as JSON would bring it back; texts are shared, since they may have millions of characters.
 *
 * @throws {TypeError} when it is no JSON value
 */
export const frozenJson = (value: unknown): unknown => {
  if (!hasJson(value)) throw new TypeError('a value of the store must be JSON')
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value))
    return Object.freeze(value.map(member => (hasJson(member) ? frozenJson(member) : null)))
  if ('toJSON' in value && typeof value.toJSON === 'function') return frozenJson(value.toJSON())
  const copy: Record<string, unknown> = {}
  for (const [key, member] of Object.entries(value))
    if (hasJson(member)) copy[key] = frozenJson(member)
  return Object.freeze(copy)
}

/** JSON leaves out what has none. @throws {TypeError} of a bigint, as JSON does */
const hasJson = (value: unknown): boolean => {
  if (typeof value === 'bigint') throw new TypeError('a value of the store must be JSON')
  return !['undefined', 'function', 'symbol'].includes(typeof value)
}

export const deepFreeze = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null) return value
  for (const member of Object.values(value)) deepFreeze(member)
  return Object.freeze(value)
}

/** The first index whose key is not below `key`. */
const lowerBound = (keys: readonly string[], key: string): number => {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (keys[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}
