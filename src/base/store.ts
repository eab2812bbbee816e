/**
 * Where wishes and facts are kept: keys in order, one revision for all, compare-and-set as the only
 * write. Embedded (`journal-store.ts`) and in memory here; a cluster keeps the same promises with etcd.
 * `test/controller/store/contract.ts` is what every implementation must do.
 */

/** Counts the transactions that changed something; never goes back. */
export type Rev = number

export interface KeyValue {
  /** Such as `/policy/campus`. */
  readonly key: string
  /** JSON, frozen. */
  readonly value: unknown
  /** When it was first written, since it was last deleted. */
  readonly createRev: Rev
  readonly modRev: Rev
  /** The lease whose end deletes it. */
  readonly lease?: number
}

/** True when the key was last written at `modRev`; 0: when it is absent. */
export interface Compare {
  readonly key: string
  readonly modRev: Rev
}

export type Op =
  | { readonly op: 'put'; readonly key: string; readonly value: unknown; readonly lease?: number }
  | { readonly op: 'delete'; readonly key: string }
  | { readonly op: 'get'; readonly key: string }

export interface Txn {
  readonly if: readonly Compare[]
  readonly then: readonly Op[]
  readonly else?: readonly Op[]
}

export interface TxnResult {
  /** Whether every comparison held. */
  readonly ok: boolean
  readonly rev: Rev
  /** One for each operation that ran: what was there for `get` and `delete`, what is there now for `put`. */
  readonly res: readonly (KeyValue | undefined)[]
}

export interface StoreEvent {
  readonly kind: 'put' | 'delete'
  readonly key: string
  readonly value?: unknown
  readonly rev: Rev
}

export interface WatchHandlers {
  /** All events of one transaction, or several, in the order of revisions. */
  event(events: readonly StoreEvent[]): void
  /** Events before `min` are gone and the watch has ended: list anew, and watch from there. */
  compacted(min: Rev): void
  lost(error: Error): void
}

export interface Watch {
  close(): void
}

/** Kept alive by the store while this process runs; its end deletes the keys that were put with it. */
export interface Lease {
  readonly id: number
  revoke(): Promise<void>
  /** The process was stopped for longer than the lease lasts, or the store was lost. */
  onLost(handler: () => void): void
}

export interface StoreStatus {
  /** `read-only`: the last write failed; the next one is tried all the same. */
  readonly mode: 'ok' | 'read-only'
  readonly rev: Rev
  /** Why it is not `ok`. */
  readonly reason?: string
}

export interface ListOptions {
  /** As it was then. @throws {Compacted} */
  readonly rev?: Rev
  /** By default 1,000. */
  readonly limit?: number
  /** Begin behind this key. */
  readonly after?: string
}

export interface Listing {
  readonly kvs: readonly KeyValue[]
  /** The revision that is listed: give it along to list the rest as of the same moment. */
  readonly rev: Rev
  /** `limit` cut the list. */
  readonly more: boolean
}

export interface Store {
  get(key: string, options?: { readonly rev?: Rev }): Promise<KeyValue | undefined>
  /** In the order of keys. */
  list(prefix: string, options?: ListOptions): Promise<Listing>
  /**
   * The only write; resolved when it is durable.
   *
   * @throws {Failure} `store-failed`: nothing was changed
   */
  txn(txn: Txn): Promise<TxnResult>
  /** Events with a revision of `from` or higher; 0: those to come. */
  watch(prefix: string, from: Rev, handlers: WatchHandlers): Watch
  lease(ttlMillis: number): Promise<Lease>
  /** Forgets what was before this revision. */
  compact(rev: Rev): Promise<void>
  status(): StoreStatus
  /** Tells when the mode changes, or why it is not `ok`. */
  onStatus(handler: (status: StoreStatus) => void): void
  /** Waits for what was asked, then ends. */
  close(): Promise<void>
}

/** What was asked for is older than what the store remembers. */
export class Compacted extends Error {
  /** The oldest revision that can still be read. */
  readonly min: Rev

  constructor(min: Rev) {
    super(`the store remembers nothing before revision ${min}`)
    this.name = 'Compacted'
    this.min = min
  }
}

/** Octets of a key, in UTF-8. */
const maxKeySize = 1_024

/** @throws {TypeError} when a key is none: that is a mistake of ours, never of a user */
export const checkKey = (key: string): void => {
  if (!key.startsWith('/') || key.includes('\u0000') || Buffer.byteLength(key) > maxKeySize)
    throw new TypeError(`not a key of the store: ${JSON.stringify(key.slice(0, 80))}`)
}

/** All that is below a key, page by page. @returns keys and values, in the order of keys */
export const listAll = async (store: Store, under: string): Promise<[string, unknown][]> => {
  const found: [string, unknown][] = []
  let after: string | undefined
  for (;;) {
    const page = await store.list(under, after === undefined ? {} : { after })
    for (const kv of page.kvs) found.push([kv.key, kv.value])
    after = page.kvs.at(-1)?.key
    if (!page.more || after === undefined) return found
  }
}
