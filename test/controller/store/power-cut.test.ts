/** A disk that forgets what was not synced, and fails at any operation: what was acknowledged is there at the next start. */
import { posix } from 'node:path'
import t from 'tap'
import type { Disk, Env, FileStat, JournalFile } from '../../../src/base/env/env.js'
import { SimulatedEnv } from '../../../src/base/env/simulated-env.js'
import { Failure } from '../../../src/base/failures.js'
import type { Store } from '../../../src/base/store.js'
import { openStore } from '../../../src/controller/store/journal-store.js'

const pageSize = 512

interface File {
  /** What programs see. */
  seen: Buffer
  /** What is on disk. */
  kept: Buffer
  /** Pages that a failed sync marked clean: they are seen, and no later sync writes them. */
  readonly lying: Set<number>
}

class PowerCut extends Error {}

type Uint32 = () => number

/**
 * The disk of a machine: what is seen, and what is left of it when the power goes. After a sync that failed the pages count
 * as written, as in Linux.
 */
class Machine {
  readonly #uint32: Uint32
  seen = new Map<string, File>()
  #kept = new Map<string, File>()
  /** Operations until the power goes. */
  left = Number.POSITIVE_INFINITY
  /** One operation in so many fails; 0: none. */
  failsOneIn = 0
  operations = 0
  failures = 0

  constructor(uint32: Uint32) {
    this.#uint32 = uint32
  }

  /** Comes before every operation that changes something; gives whether it fails. */
  #step(): boolean {
    if (this.left <= 0) throw new PowerCut()
    this.left--
    this.operations++
    const fails = this.failsOneIn > 0 && this.#uint32() % this.failsOneIn === 0
    if (fails) this.failures++
    return fails
  }

  #error(): Error {
    const code = this.#uint32() % 2 === 0 ? 'ENOSPC' : 'EIO'
    return Object.assign(new Error(code), { code })
  }

  /** Of what was not synced some pages are kept, and folders as they were, or as they are. */
  cut(): void {
    for (const file of new Set([...this.seen.values(), ...this.#kept.values()])) {
      this.#keep(file, () => this.#uint32() % 2 === 0)
      file.seen = Buffer.from(file.kept)
      file.lying.clear()
    }
    const next = new Map<string, File>()
    for (const name of new Set([...this.seen.keys(), ...this.#kept.keys()])) {
      const file = (this.#uint32() % 2 === 0 ? this.seen : this.#kept).get(name)
      if (file) next.set(name, file)
    }
    this.seen = next
    this.#kept = new Map(next)
    this.left = Number.POSITIVE_INFINITY
  }

  #keep(file: File, takes: (page: number) => boolean): void {
    // A file's length is kept before its octets are: what is missing reads as zeros.
    const kept = Buffer.alloc(file.seen.length)
    file.kept.copy(kept)
    for (let page = 0; page * pageSize < file.seen.length; page++)
      if (!file.lying.has(page) && takes(page))
        file.seen.copy(kept, page * pageSize, page * pageSize, (page + 1) * pageSize)
    file.kept = kept
  }

  readonly disk: Pick<
    Disk,
    'readBytes' | 'stat' | 'remove' | 'replace' | 'syncFolder' | 'openJournal'
  > = {
    readBytes: async (path, offset, size) =>
      Buffer.from(this.seen.get(path)!.seen.subarray(offset, offset + size)),
    stat: async path => {
      const file = this.seen.get(path)
      return (
        file && ({ size: file.seen.length, isFolder: false, mode: 0o600 } as unknown as FileStat)
      )
    },
    remove: async path => {
      this.#step()
      this.seen.delete(path)
    },
    replace: async (from, to) => {
      if (this.#step()) throw this.#error()
      this.seen.set(to, this.seen.get(from)!)
      this.seen.delete(from)
    },
    syncFolder: async folder => {
      if (this.#step()) throw this.#error()
      for (const name of new Set([...this.seen.keys(), ...this.#kept.keys()])) {
        if (posix.dirname(name) !== folder) continue
        const file = this.seen.get(name)
        if (file) this.#kept.set(name, file)
        else this.#kept.delete(name)
      }
    },
    openJournal: async (path): Promise<JournalFile> => {
      if (this.#step()) throw this.#error()
      const file = this.seen.get(path) ?? {
        seen: Buffer.alloc(0),
        kept: Buffer.alloc(0),
        lying: new Set(),
      }
      this.seen.set(path, file)
      return this.#journal(file)
    },
  }

  #journal(file: File): JournalFile {
    const put = (bytes: Uint8Array, offset: number) => {
      const next = Buffer.alloc(Math.max(file.seen.length, offset + bytes.length))
      file.seen.copy(next)
      next.set(bytes, offset)
      file.seen = next
      const end = Math.ceil((offset + bytes.length) / pageSize)
      for (let page = Math.floor(offset / pageSize); page < end; page++) file.lying.delete(page)
    }
    return {
      write: async (bytes, offset) => {
        const fails = this.#step()
        put(fails ? bytes.subarray(0, this.#uint32() % bytes.length) : bytes, offset)
        if (fails) throw this.#error()
      },
      sync: async () => {
        if (!this.#step()) return this.#keep(file, () => true)
        const pages = Math.ceil(file.seen.length / pageSize)
        for (let page = 0; page < pages; page++) {
          const at = page * pageSize
          const [seen, kept] = [file.seen, file.kept].map(each => each.subarray(at, at + pageSize))
          if (!seen!.equals(kept!) && this.#uint32() % 2 === 0) file.lying.add(page)
        }
        throw this.#error()
      },
      truncate: async size => {
        if (this.#step()) throw this.#error()
        file.seen = Buffer.from(file.seen.subarray(0, size))
        for (const page of [...file.lying]) if (page * pageSize >= size) file.lying.delete(page)
      },
      isAt: async path => this.seen.get(path) === file,
      close: async () => undefined,
    }
  }
}

const put = (key: string, value: unknown) => ({ op: 'put', key, value }) as const
const read = async (store: Store): Promise<Map<string, unknown>> =>
  new Map(
    (await store.list('/w', { limit: 10_000 })).kvs.map(({ key, value }) => [
      key,
      (value as { n: number }).n,
    ]),
  )
const asText = (contents: ReadonlyMap<string, unknown>): string =>
  JSON.stringify([...contents].sort())

interface Seen {
  cuts: number
  failures: number
  operations: number
  acknowledged: number
  refused: number
  atStart: number
}

/** One machine, started again and again, until something acknowledged is missing; undefined: never. */
const life = async (seed: number, seen: Seen): Promise<string | undefined> => {
  const env = new SimulatedEnv({ seed })
  const uint32 = () => env.random.uint32()
  const machine = new Machine(uint32)
  const worldOf = (): Env => ({ ...env, disk: { ...env.disk, ...machine.disk } as Disk })
  let known: ReadonlySet<string> = new Set([asText(new Map())])
  let last = new Map<string, unknown>()
  for (let start = 0; start < 6; start++) {
    machine.left = 1 + (uint32() % 90)
    machine.failsOneIn = start > 0 && uint32() % 2 === 0 ? 2 + (uint32() % 12) : 0
    let store: Store | undefined
    try {
      store = (await openStore(worldOf(), '/d')).store
      const found = await read(store)
      if (!known.has(asText(found)))
        return `start ${start}: ${asText(found)} is none of ${[...known].join(' or ')}`
      last = found
      known = new Set([asText(last)])
      for (let n = 0; n < 30; n++) {
        const next = new Map(last).set(`/w${n % 3}`, start * 100 + n)
        // Refused when nothing could be cut off again: it may be found, as one that was under way.
        known = new Set([...known, asText(next)])
        const text = 'x'.repeat(uint32() % 3 === 0 ? 2_000 : 20)
        try {
          await store.txn({ if: [], then: [put(`/w${n % 3}`, { n: start * 100 + n, text })] })
          last = next
          known = new Set([asText(last)])
          seen.acknowledged++
        } catch (error) {
          if (error instanceof PowerCut || error instanceof RangeError) throw error
          if (!(error instanceof Failure)) throw error
          if (machine.left <= 0) throw new PowerCut()
          seen.refused++
        }
      }
    } catch (error) {
      if (machine.left > 0 && !(error instanceof Failure && error.code === 'store-failed'))
        return `start ${start}: ${String(error)}`
      if (store === undefined) seen.atStart++
    }
    seen.cuts++
    seen.failures += machine.failures
    seen.operations += machine.operations
    machine.failures = 0
    machine.operations = 0
    if (machine.left <= 0 || uint32() % 2 === 0) machine.cut()
    machine.left = Number.POSITIVE_INFINITY
    await store?.close().catch(() => undefined)
  }
  return undefined
}

/** More of them: SLUICE_LIVES=2000. */
const lives = Number(process.env.SLUICE_LIVES ?? 300)

t.setTimeout(60_000 + lives * 200)

t.test('many lives with power cuts and failing disks: nothing acknowledged is lost', async t => {
  const seen: Seen = {
    cuts: 0,
    failures: 0,
    operations: 0,
    acknowledged: 0,
    refused: 0,
    atStart: 0,
  }
  for (let seed = 1; seed <= lives; seed++) {
    const lost = await life(seed, seen)
    if (lost !== undefined) return t.fail(`seed ${seed}: ${lost}`)
  }
  t.comment(JSON.stringify(seen))
  t.ok(seen.acknowledged > 20 * lives && seen.failures > 10 * lives && seen.atStart > lives / 10)
})
