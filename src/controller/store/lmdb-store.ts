/**
 * The embedded store: lmdb on disk, one folder, one process. A write is acknowledged when it is on disk;
 * a write that fails makes the store read-only until a restart, never half-applied.
 *
 *     store.mdb   objects   key -> { value, createRev, modRev, lease?, sum }
 *                 meta      "state" -> { rev, count }   in the same transaction as every change
 *                           "owner" -> { pid, started } the process that uses the folder
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type Database, open, type RootDatabase } from 'lmdb'
import type { Env } from '../../base/env.js'
import { Failure } from '../../base/failures.js'
import { release, take } from './folder-lock.js'
import type { Change } from './history.js'
import { type Contents, deepFreeze, MemoryStore, type Persist } from './memory-store.js'
import type { KeyValue, Rev, Store } from './store.js'

/** The layout of keys and values. `/meta/schema` says which one a store has; a later one is refused. */
export const schemaVersion = 1

export const schemaKey = '/meta/schema'

interface Stored {
  readonly value: unknown
  readonly createRev: Rev
  readonly modRev: Rev
  readonly lease?: number
  /** Over all of it, with the key: lmdb itself does not notice changed octets. */
  readonly sum: string
}

interface State {
  readonly rev: Rev
  readonly count: number
}

interface Databases {
  readonly path: string
  readonly root: RootDatabase
  readonly objects: Database<Stored, string>
  readonly meta: Database<unknown, string>
}

/**
 * Opens the store of a data folder, making it when there is none.
 *
 * @param pid of this process: the folder is its own until the store is closed or the process ends
 * @throws {Failure} `already-running`, `store-damaged` when it cannot be read, `store-too-new` when a
 *   newer sluice wrote it, `store-failed` when it cannot be written
 */
export const openLmdbStore = async (
  env: Env,
  folder: string,
  pid: number = process.pid,
): Promise<Store> => {
  await env.disk.makeFolder(folder, 0o700)
  const path = join(folder, 'store.mdb')
  await checkFile(env, path)
  const databases = openDatabases(path)
  try {
    await checkLength(env, databases)
    await take(env, databases.root, databases.meta, pid)
    const contents = readContents(databases)
    const store = new LmdbStore(env, contents, databases)
    await begin(store, contents)
    return store
  } catch (error) {
    await databases.root.close()
    throw error
  }
}

/** In the first page, behind its header. */
const magic = { offset: 24, hex: 'dec0efbe' }

/** lmdb ends the process when it is given a file that is none of its own. @throws {Failure} `store-damaged` */
const checkFile = async (env: Env, path: string): Promise<void> => {
  const found = await env.disk.stat(path)
  if (found === undefined || found.size === 0) return
  const bytes = await env.disk.readBytes(path, magic.offset, 4)
  if (Buffer.from(bytes).toString('hex') !== magic.hex)
    throw new Failure('store-damaged', { path }, { cause: new Error('not an lmdb file') })
}

/** Pages at the end that lmdb counts may never have been written; not as many as these. */
const unwrittenPages = 16

/** Reading behind the end of a file that was cut ends the process. @throws {Failure} `store-damaged` */
const checkLength = async (env: Env, { path, root }: Databases): Promise<void> => {
  const { lastPageNumber, pageSize } = root.getStats() as Record<string, number>
  const size = (await env.disk.stat(path))?.size ?? 0
  if (size < (lastPageNumber! + 1 - unwrittenPages) * pageSize!)
    throw new Failure('store-damaged', { path }, { cause: new Error(`cut to ${size} octets`) })
}

const openDatabases = (path: string): Databases => {
  try {
    const root = open({ path, encoding: 'json', overlappingSync: false, noSubdir: true })
    return {
      path,
      root,
      objects: root.openDB({ name: 'objects', encoding: 'json' }),
      meta: root.openDB({ name: 'meta', encoding: 'json' }),
    }
  } catch (error) {
    throw new Failure('store-damaged', { path }, { cause: error })
  }
}

/** Everything, checked. */
const readContents = ({ path, objects, meta }: Databases): Contents => {
  const damaged = (cause: unknown) => new Failure('store-damaged', { path }, { cause })
  const byKey = new Map<string, KeyValue>()
  let state: State
  try {
    state = (meta.get('state') as State | undefined) ?? { rev: 0, count: 0 }
    for (const { key, value: stored } of objects.getRange({})) {
      const { sum, ...rest } = stored
      if (sum !== sumOf(key, rest)) throw new Error(`the value of ${key} is not what was written`)
      byKey.set(key, deepFreeze({ key, ...rest }) as KeyValue)
    }
  } catch (error) {
    throw damaged(error)
  }
  const version = (byKey.get(schemaKey)?.value as { version?: number } | undefined)?.version
  if (version !== undefined && version > schemaVersion) throw new Failure('store-too-new', { path })
  if (byKey.size !== state.count)
    throw damaged(new Error(`${byKey.size} values where ${state.count} were written`))
  return { byKey, rev: state.rev }
}

/** What was held by leases of a process that is gone goes, and a new store says what it is. */
const begin = async (store: Store, { byKey }: Contents): Promise<void> => {
  const stale = [...byKey.values()].filter(kv => kv.lease !== undefined)
  const isNew = !byKey.has(schemaKey)
  await store.txn({
    if: [],
    then: [
      ...stale.map(({ key }) => ({ op: 'delete', key }) as const),
      ...(isNew ? [{ op: 'put', key: schemaKey, value: { version: schemaVersion } } as const] : []),
    ],
  })
}

class LmdbStore extends MemoryStore {
  readonly #databases: Databases

  constructor(env: Env, contents: Contents, databases: Databases) {
    super(env, contents, persistIn(databases))
    this.#databases = databases
  }

  override async close(): Promise<void> {
    await super.close()
    const { root, meta } = this.#databases
    // A store that cannot be written keeps its owner's name; the owner's end frees it.
    if (this.status().mode === 'ok') await release(root, meta)
    await root.close()
  }
}

const persistIn =
  ({ path, root, objects, meta }: Databases): Persist =>
  async (changes, rev, count) => {
    try {
      await root.childTransaction(() => {
        for (const change of changes) write(objects, change)
        meta.putSync('state', { rev, count } satisfies State)
      })
    } catch (error) {
      throw new Failure('store-failed', { path }, { cause: await causeOf(error) })
    }
  }

const write = (objects: Database<Stored, string>, { key, after }: Change): void => {
  if (after === undefined) {
    objects.removeSync(key)
    return
  }
  const { key: _, ...rest } = after
  objects.putSync(key, { ...rest, sum: sumOf(key, rest) })
}

const sumOf = (key: string, stored: Omit<Stored, 'sum'>): string =>
  createHash('sha256')
    .update(
      JSON.stringify([key, stored.value, stored.createRev, stored.modRev, stored.lease ?? null]),
    )
    .digest('base64url')
    .slice(0, 16)

/** A commit that failed says why in a second promise, which has to be awaited too. */
const causeOf = async (error: unknown): Promise<unknown> => {
  if (!(error instanceof Error) || !('commitError' in error)) return error
  try {
    await error.commitError
    return error
  } catch (cause) {
    return cause
  }
}
