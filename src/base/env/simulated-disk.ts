/** Files in memory. Paths are taken as they are written; folders exist once somebody made them. */
import { posix } from 'node:path'
import type { Cancel, Clock, Disk, FileStat, FolderLock, JournalFile, Timers } from './env.js'

interface Entry extends FileStat {
  readonly text: string
}

export class SimulatedDisk implements Disk {
  readonly #clock: Clock
  readonly #timers: Timers
  #lastId = 0
  readonly #locks = new Set<string>()
  readonly #entries = new Map<string, Entry>()
  readonly #watchers = new Set<{ path: string; changed: () => void }>()
  /** Open ones; without a name when another took it. */
  readonly #journals = new Set<{ name: string | undefined }>()
  /** Thrown by the next writes, to rehearse a full or broken disk. */
  writeError: Error | undefined

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock
    this.#timers = timers
  }

  async readText(path: string): Promise<string> {
    const entry = this.#entries.get(posix.normalize(path))
    if (entry === undefined || entry.isFolder) throw missing(path)
    return entry.text
  }

  async readBytes(path: string, offset: number, size: number): Promise<Uint8Array> {
    return new TextEncoder().encode(await this.readText(path)).subarray(offset, offset + size)
  }

  async writeText(path: string, text: string, mode = 0o644): Promise<void> {
    if (this.writeError) throw this.writeError
    const name = posix.normalize(path)
    const folder = posix.dirname(name)
    if (folder !== '/' && folder !== '.' && !this.#entries.get(folder)?.isFolder)
      throw missing(folder)
    this.#put(name, { text, isFolder: false, size: Buffer.byteLength(text), mode })
  }

  async list(path: string): Promise<string[]> {
    const folder = posix.normalize(path)
    if (!this.#entries.get(folder)?.isFolder) throw missing(path)
    return [...this.#entries.keys()]
      .filter(name => name !== folder && posix.dirname(name) === folder)
      .map(name => posix.basename(name))
      .sort()
  }

  async stat(path: string): Promise<FileStat | undefined> {
    const entry = this.#entries.get(posix.normalize(path))
    if (entry === undefined) return undefined
    const { text: _, ...stat } = entry
    return stat
  }

  async realPath(path: string): Promise<string | undefined> {
    const name = posix.normalize(path)
    return this.#entries.has(name) ? name : undefined
  }

  async makeFolder(path: string, mode = 0o755): Promise<void> {
    const name = posix.normalize(path)
    if (name === '/' || name === '.' || this.#entries.has(name)) return
    await this.makeFolder(posix.dirname(name))
    this.#put(name, { text: '', isFolder: true, size: 0, mode })
  }

  async remove(path: string): Promise<void> {
    const name = posix.normalize(path)
    for (const each of [...this.#entries.keys()])
      if (each === name || each.startsWith(`${name}/`)) this.#entries.delete(each)
    this.#tell(name)
  }

  async replace(from: string, to: string): Promise<void> {
    await this.writeText(to, await this.readText(from))
    const names = [from, to].map(path => posix.normalize(path))
    for (const journal of this.#journals)
      if (journal.name === names[1]) journal.name = undefined
      else if (journal.name === names[0]) journal.name = names[1]
    await this.remove(from)
  }

  async syncFolder(): Promise<void> {}

  async openJournal(path: string, mode: number): Promise<JournalFile> {
    const journal: { name: string | undefined } = { name: posix.normalize(path) }
    if (!this.#entries.has(posix.normalize(path))) await this.writeText(path, '', mode)
    this.#journals.add(journal)
    const edit = async (change: (before: Buffer) => Buffer) => {
      const { name } = journal
      if (name === undefined || !this.#entries.has(name)) return
      const before = Buffer.from(await this.readText(name))
      await this.writeText(name, change(before).toString(), mode)
    }
    return {
      write: (bytes, offset) =>
        edit(before =>
          Buffer.concat([
            before.subarray(0, offset),
            bytes,
            before.subarray(offset + bytes.length),
          ]),
        ),
      sync: async () => undefined,
      truncate: size => edit(before => before.subarray(0, size)),
      isAt: async path => {
        const name = posix.normalize(path)
        return journal.name === name && this.#entries.has(name)
      },
      close: async () => {
        this.#journals.delete(journal)
      },
    }
  }

  async lock(path: string): Promise<FolderLock | { readonly owner: number | undefined }> {
    const name = posix.normalize(path)
    if (this.#locks.has(name)) return { owner: undefined }
    this.#locks.add(name)
    return {
      isHeld: () => this.#locks.has(name),
      release: async () => {
        this.#locks.delete(name)
      },
    }
  }

  watch(path: string, changed: () => void): Cancel {
    const watcher = { path: posix.normalize(path), changed }
    this.#watchers.add(watcher)
    return () => {
      this.#watchers.delete(watcher)
    }
  }

  #put(name: string, entry: Omit<Entry, 'changedMillis' | 'id'>): void {
    this.#entries.set(name, {
      ...entry,
      changedMillis: this.#clock.wallMillis(),
      id: String(++this.#lastId),
    })
    this.#tell(name)
  }

  #tell(name: string): void {
    for (const watcher of this.#watchers)
      if (name === watcher.path || posix.dirname(name) === watcher.path)
        this.#timers.soon(() => this.#watchers.has(watcher) && watcher.changed())
  }
}

const missing = (path: string): Error =>
  Object.assign(new Error(`no such file or folder: ${path}`), { code: 'ENOENT' })
