/**
 * The embedded store: everything is in memory, and every transaction is a line in two files before it is
 * acknowledged (ADR 0014). `journal.ts` says what is in them.
 *
 *     store.mdb    the store; its name is that of before
 *     store.copy   the same: what one of them has lost, the other still has
 *
 * A write that fails changes nothing; what was half-written is cut off again, and the next one is tried like any other.
 * While none succeeds the store is read-only.
 */
import { dirname, join } from 'node:path'
import type { Cancel, Env, JournalFile } from '../../base/env/env.js'
import { Failure } from '../../base/failures.js'
import type { Rev, Store } from '../../base/store.js'
import { wordsOf } from '../../base/system-errors.js'
import type { Change } from './history.js'
import { firstSum, type Read, readJournal, type Sum, writeChanges, writeWhole } from './journal.js'
import { type Contents, MemoryStore } from './memory-store.js'

/** The layout of keys and values. `/meta/schema` says which one a store has; a later one is refused. */
export const schemaVersion = 1

export const schemaKey = '/meta/schema'

export interface OpenedStore {
  readonly store: Store
  /** What one of its files had lost, which the other still had; undefined when both were right. */
  readonly damage: string | undefined
}

/**
 * Opens the store of a data folder, making it when there is none. The folder is to be locked before.
 *
 * @param mayWrite asked before every write
 * @throws {Failure} `store-damaged` when neither file can be believed, `store-too-new` when a newer sluice wrote it,
 *   `store-failed` when a new one cannot be written
 */
export const openStore = async (
  env: Env,
  folder: string,
  mayWrite: () => boolean = () => true,
): Promise<OpenedStore> => {
  const paths = [join(folder, 'store.mdb'), join(folder, 'store.copy')] as const
  const read = await Promise.all(paths.map(path => readFile(env, path)))
  const chosen = choose(paths, read)
  const version = (chosen.contents.byKey.get(schemaKey)?.value as { version?: number } | undefined)
    ?.version
  if (version !== undefined && version > schemaVersion)
    throw new Failure('store-too-new', { path: paths[0] })
  if (chosen.damage !== undefined)
    env.log.error(
      { path: chosen.damagedPath, reason: chosen.damage },
      'a file of the store was damaged',
    )
  const files = new JournalFiles(env, paths, chosen.contents, mayWrite)
  try {
    await files.open(read, chosen)
    const store = new JournalStore(env, chosen.contents, files)
    await begin(env, store, chosen.contents)
    return { store, damage: chosen.damage }
  } catch (error) {
    await files.close()
    throw error
  }
}

type Found = Read | { readonly damage: string } | undefined

/** @returns undefined when there is no such file */
const readFile = async (env: Env, path: string): Promise<Found> => {
  const found = await env.disk.stat(path)
  if (found === undefined) return undefined
  try {
    return readJournal(await env.disk.readBytes(path, 0, found.size))
  } catch (error) {
    return { damage: wordsOf(error) }
  }
}

interface Choice {
  readonly contents: Contents
  readonly isNew: boolean
  readonly damage?: string
  readonly damagedPath?: string | undefined
}

const isRead = (found: Found): found is Read => found !== undefined && 'contents' in found

/**
 * Which of the two is believed. They are written together, so after a crash one of them may lack the last transaction,
 * which nobody was told of; whatever else they differ in was lost or changed on disk. @throws {Failure} `store-damaged`
 */
const choose = (paths: readonly [string, string], found: readonly Found[]): Choice => {
  const [own, copy] = found
  if (own === undefined && copy === undefined)
    return { contents: { byKey: new Map(), rev: 0 }, isNew: true }
  if (!isRead(own) && !isRead(copy))
    throw new Failure('store-damaged', {
      path: paths[0],
      why: `Neither file of the store can be believed: ${reasonOf(own)}; the copy: ${reasonOf(copy)}`,
    })
  if (!isRead(own) || !isRead(copy)) {
    const [good, bad] = isRead(own) ? [0, 1] : [1, 0]
    const { contents, isTorn } = found[good] as Read
    // A folder that was made a moment ago has only one of them yet.
    if (found[bad] === undefined && contents.rev <= 1 && !isTorn) return { contents, isNew: false }
    return { contents, isNew: false, damage: reasonOf(found[bad]), damagedPath: paths[bad] }
  }
  const [more, less] = own.contents.rev >= copy.contents.rev ? [0, 1] : [1, 0]
  const [newer, older] = [(found[more] as Read).contents, (found[less] as Read).contents]
  if (newer.rev === older.rev && !isSame(newer, older))
    throw new Failure('store-damaged', {
      path: paths[0],
      why: 'The two files of the store are of different pasts, such as one from a backup',
    })
  if (newer.rev - older.rev <= 1) return { contents: newer, isNew: false }
  return {
    contents: newer,
    isNew: false,
    damage: `it ends at revision ${older.rev}, the other file at ${newer.rev}`,
    damagedPath: paths[less]!,
  }
}

const reasonOf = (found: Found): string =>
  found === undefined ? 'it is missing' : 'damage' in found ? found.damage : 'it is right'

const isSame = (a: Contents, b: Contents): boolean => {
  if (a.byKey.size !== b.byKey.size) return false
  for (const [key, { modRev, createRev }] of a.byKey) {
    const other = b.byKey.get(key)
    if (other?.modRev !== modRev || other.createRev !== createRev) return false
  }
  return true
}

/** What was held by leases of a process that is gone goes, and a new store says what it is. */
const begin = async (env: Env, store: Store, { byKey }: Contents): Promise<void> => {
  const stale = [...byKey.values()].filter(kv => kv.lease !== undefined)
  const isNew = !byKey.has(schemaKey)
  try {
    await store.txn({
      if: [],
      then: [
        ...stale.map(({ key }) => ({ op: 'delete', key }) as const),
        ...(isNew
          ? [{ op: 'put', key: schemaKey, value: { version: schemaVersion } } as const]
          : []),
      ],
    })
  } catch (error) {
    if (isNew) throw error
    env.log.warn({ err: error }, 'what the last process held could not be given up yet')
  }
}

/** Looks whether it can write again, and whether its files are where they were. */
const lookPeriodMillis = 2_000

class JournalStore extends MemoryStore {
  readonly #files: JournalFiles
  readonly #cancel: Cancel
  /** What is written at the start may fit into a last page that nothing else fits into. */
  #hasProbed = false

  constructor(env: Env, contents: Contents, files: JournalFiles) {
    super(env, contents, (changes, rev, count) => files.append(changes, rev, count))
    this.#files = files
    this.#cancel = env.timers.every(lookPeriodMillis, () => this.tried(() => this.#look()))
  }

  async #look(): Promise<void> {
    if (this.#hasProbed && this.status().mode === 'ok') return this.#files.check()
    this.#hasProbed = true
    await this.#files.probe()
  }

  override async close(): Promise<void> {
    this.#cancel()
    await super.close()
    await this.#files.close()
  }
}

/** Rewritten when they are this much larger than what they hold. */
const slack = { times: 4, size: 4 * 1024 * 1024 }

/** A small change may fit into the last page of a full disk: only when this fits there is room again. */
const probe = new Uint8Array(64 * 1024)

/** Both files, written side by side. */
class JournalFiles {
  readonly #env: Env
  readonly #paths: readonly [string, string]
  /** The store's own: `append` is told of a change before it is in here. */
  readonly #contents: Contents
  readonly #mayWrite: () => boolean
  #files: readonly (JournalFile | undefined)[] = [undefined, undefined]
  #size = 0
  #wholeSize = 0
  #rev: Rev
  #sum: Sum = firstSum
  /** Octets behind the end may be left from a write that failed. */
  #isDirty = false
  /** The files are not the same, or not known to be on disk: both are written anew before anything is added. */
  #isBroken = false

  constructor(
    env: Env,
    paths: readonly [string, string],
    contents: Contents,
    mayWrite: () => boolean,
  ) {
    this.#env = env
    this.#paths = paths
    this.#contents = contents
    this.#rev = contents.rev
    this.#mayWrite = mayWrite
  }

  /** Goes on with both when they are the same; otherwise both are written anew, and a damaged one is put aside. */
  async open([own, copy]: readonly Found[], choice: Choice): Promise<void> {
    const { damage, damagedPath, isNew } = choice
    this.#isBroken = true
    try {
      if (isRead(own) && isRead(copy) && own.sum === copy.sum && damage === undefined) {
        await this.#openBoth()
        this.#size = own.size
        this.#wholeSize = own.size
        this.#sum = own.sum
        this.#isDirty = own.isTorn || copy.isTorn
        this.#isBroken = false
        return
      }
      if (damagedPath !== undefined && (await this.#env.disk.stat(damagedPath)) !== undefined)
        await this.#env.disk.replace(damagedPath, `${damagedPath}.damaged`)
      await this.#rewrite()
    } catch (error) {
      if (isNew) throw this.#failure(error)
      // One of them is right and stays; the other is written as soon as that is possible.
      this.#env.log.error({ err: error }, 'the store can only be read')
    }
  }

  /** Keeps those that could be opened, also when the other could not: they are closed with the store. */
  async #openBoth(): Promise<void> {
    for (const [index, path] of this.#paths.entries())
      this.#put(index, await this.#env.disk.openJournal(path, 0o600))
  }

  #put(index: number, file: JournalFile): void {
    this.#files = this.#files.map((each, at) => (at === index ? file : each))
  }

  async append(changes: readonly Change[], rev: Rev, count: number): Promise<void> {
    await this.#guarded(async () => {
      const { bytes, sum } = writeChanges(this.#sum, changes, rev, count)
      await this.#writeEnd(bytes)
      this.#size += bytes.length
      this.#sum = sum
      this.#rev = rev
    })
  }

  /** @throws {Failure} when a file is gone, or another is in its place */
  async check(): Promise<void> {
    await this.#guarded(async () => undefined)
  }

  /** @throws {Failure} while there is no room to write */
  async probe(): Promise<void> {
    await this.#guarded(async () => {
      await this.#writeEnd(probe)
      await this.#cut()
    })
  }

  async close(): Promise<void> {
    await Promise.all(this.#files.map(file => file?.close()))
    this.#files = [undefined, undefined]
  }

  /** What fails inside comes out as a Failure, and leaves the files as they were. */
  async #guarded(write: () => Promise<void>): Promise<void> {
    if (!this.#mayWrite()) throw this.#failure(new Error('the lock of the data folder was lost'))
    try {
      await this.#mustBeInPlace()
      await this.#mend()
      await write()
    } catch (error) {
      this.#isDirty = true
      // At once, so that a change that was refused is not found by the next start; else before the next write.
      if (!this.#isBroken) await this.#cut().catch(() => undefined)
      throw error instanceof Failure ? error : this.#failure(error)
    }
  }

  #failure(cause: unknown): Failure {
    return new Failure('store-failed', { path: this.#paths[0], why: wordsOf(cause) }, { cause })
  }

  async #mustBeInPlace(): Promise<void> {
    const are = await Promise.all(this.#paths.map((path, at) => this.#files[at]?.isAt(path)))
    if (are.includes(false))
      throw new Error('the files of the store were removed or replaced while sluice runs')
  }

  async #mend(): Promise<void> {
    if (this.#isBroken) return this.#rewrite()
    if (this.#isDirty) await this.#cut()
    if (this.#size <= Math.max(slack.size, slack.times * this.#wholeSize)) return
    try {
      await this.#rewrite()
    } catch (error) {
      if (this.#isBroken) throw error
      // There is no room for it now: they go on growing.
      this.#wholeSize = this.#size
    }
  }

  async #cut(): Promise<void> {
    await this.#both(async file => {
      await file.truncate(this.#size)
      await file.sync()
    })
    this.#isDirty = false
  }

  async #writeEnd(bytes: Uint8Array): Promise<void> {
    await this.#both(file => file.write(bytes, this.#size))
    try {
      await this.#both(file => file.sync())
    } catch (error) {
      // What the system could not write it may believe to have written, and a later sync succeeds: both are written
      // anew. Until then a start is not to find what was refused.
      this.#isBroken = true
      await this.#both(file => file.truncate(this.#size)).catch(() => undefined)
      throw error
    }
  }

  /** Waits for both, also when one fails: nothing of it goes on behind our back. */
  async #both(work: (file: JournalFile) => Promise<void>): Promise<void> {
    const done = await Promise.allSettled(this.#files.map(file => file && work(file)))
    for (const each of done) if (each.status === 'rejected') throw each.reason
  }

  /** One after the other, each put in the place of the old one when it is whole: at any moment one of them is right. */
  async #rewrite(): Promise<void> {
    for (const [index, path] of this.#paths.entries()) {
      const { file, size, sum } = await this.#writeNew(`${path}.new`)
      try {
        await this.#env.disk.replace(`${path}.new`, path)
      } catch (error) {
        await file.close()
        throw error
      }
      // From here on the new one is at the path, whatever fails: it is the one to be looked after.
      this.#isBroken = true
      const old = this.#files[index]
      this.#put(index, file)
      await old?.close()
      await this.#env.disk.syncFolder(dirname(path))
      this.#size = size
      this.#sum = sum
    }
    this.#wholeSize = this.#size
    this.#isBroken = false
    this.#isDirty = false
  }

  /** @returns it open, for it is written on when it is in its place */
  async #writeNew(path: string): Promise<{ file: JournalFile; size: number; sum: Sum }> {
    const file = await this.#env.disk.openJournal(path, 0o600)
    try {
      await file.truncate(0)
      let [size, sum] = [0, firstSum]
      for (const written of writeWhole({ byKey: this.#contents.byKey, rev: this.#rev })) {
        await file.write(written.bytes, size)
        size += written.bytes.length
        sum = written.sum
      }
      await file.sync()
      return { file, size, sum }
    } catch (error) {
      await file.close().catch(() => undefined)
      await this.#env.disk.remove(path).catch(() => undefined)
      throw error
    }
  }
}
