/**
 * Rule files on the controller's machine: only what is named `*.rules` below folders that the operator named is ever
 * read, wherever links and `include` lead. The data folder, with its token and keys, is not looked into: of what is
 * below it only folders and files that were named themselves.
 */
import { basename, dirname, join, relative, resolve } from 'node:path'
import type { Disk } from '../../../base/env/env.js'
import { Failure } from '../../../base/failures.js'
import { policyNameOf } from '../../../base/rule-file-names.js'
import { systemWords } from '../../../base/system-errors.js'
import type { PolicyWish } from './policy.js'

export class RuleFolders {
  readonly #disk: Disk
  readonly #folders: readonly string[]
  readonly #secret: string

  /** @param secret the data folder: that a folder above it was named opens nothing in it */
  constructor(disk: Disk, folders: readonly string[], secret: string) {
    this.#disk = disk
    this.#folders = [...new Set(folders.map(folder => resolve(folder)))]
    this.#secret = resolve(secret)
  }

  /**
   * Where a file really is.
   *
   * @throws {Failure} `file-not-allowed` when that is below none of the folders, or it is no rule file;
   *   `unreadable-file` when it is not there
   */
  async real(path: string): Promise<string> {
    // A file that was given at the start is one, whatever its name.
    if (!path.endsWith('.rules') && !this.#folders.includes(resolve(path)))
      throw new Failure('file-not-allowed', { path, folders: this.#folders.join(', ') })
    const found = await this.#realPath(path)
    if (found === undefined)
      throw new Failure('unreadable-file', { path, why: 'there is no such file or folder' })
    const [secret = '', ...folders] = await Promise.all(
      [this.#secret, ...this.#folders].map(async each => (await this.#realPath(each)) ?? each),
    )
    const isSecret = isBelow(found, secret)
    const opens = (folder: string): boolean =>
      isBelow(found, folder) && (!isSecret || (folder !== secret && isBelow(folder, secret)))
    if (!folders.some(opens))
      throw new Failure('file-not-allowed', { path, folders: this.#folders.join(', ') })
    return found
  }

  /** Writes the text of a rule file below one of the folders. @throws {Failure} */
  async write(path: string, text: string): Promise<void> {
    const real = await this.real(path)
    try {
      const mode = ((await this.#disk.stat(real))?.mode ?? 0o644) & 0o777
      await this.#disk.writeText(real, text, mode)
    } catch (error) {
      throw unreadable(path, error)
    }
  }

  async #realPath(path: string): Promise<string | undefined> {
    try {
      return await this.#disk.realPath(path)
    } catch (error) {
      throw unreadable(path, error)
    }
  }

  /** A rule file with what it includes, and which files that were. @throws {Failure} */
  async read(path: string): Promise<{ wish: PolicyWish; files: readonly string[] }> {
    const files = [path]
    const includes: Record<string, string> = Object.create(null)
    const source = await this.#text(path)
    const collect = async (folder: string, text: string): Promise<void> => {
      for (const [, name] of text.matchAll(/^\s*include\s+"([^"]+)"/gm)) {
        const inside = join(folder, name!)
        if (Object.hasOwn(includes, inside)) continue
        const file = join(dirname(path), inside)
        // What is missing is complained about with its place in the file.
        if ((await this.#realPath(file)) === undefined) continue
        files.push(file)
        includes[inside] = await this.#text(file)
        await collect(dirname(inside), includes[inside])
      }
    }
    await collect('', source)
    const name = policyNameOf(basename(path))
    return { wish: { name, source, includes: { ...includes }, file: path, watch: true }, files }
  }

  async #text(path: string): Promise<string> {
    const real = await this.real(path)
    try {
      return await this.#disk.readText(real)
    } catch (error) {
      throw unreadable(path, error)
    }
  }
}

const unreadable = (path: string, error: unknown): unknown => {
  const why = systemWords(error)
  return why === undefined ? error : new Failure('unreadable-file', { path, why }, { cause: error })
}

const isBelow = (path: string, folder: string): boolean => {
  const way = relative(folder, path)
  return way === '' || (!way.startsWith('..') && !way.startsWith('/'))
}
