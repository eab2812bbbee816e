/**
 * Rule files on the controller's machine: only those below folders that the operator named are ever read, wherever
 * links and `include` lead.
 */
import { basename, dirname, join, relative, resolve } from 'node:path'
import type { Disk } from '../base/env.js'
import { Failure } from '../base/failures.js'
import { policyNameOf } from '../base/rule-file-names.js'
import { systemWords } from '../base/system-errors.js'
import type { PolicyWish } from './policy.js'

export class RuleFolders {
  readonly #disk: Disk
  readonly #folders: readonly string[]

  constructor(disk: Disk, folders: readonly string[]) {
    this.#disk = disk
    this.#folders = [...new Set(folders.map(folder => resolve(folder)))]
  }

  /**
   * Where a file really is.
   *
   * @throws {Failure} `file-not-allowed` when that is below none of the folders, or it is no rule file;
   *   `unreadable-file` when it is not there
   */
  async real(path: string): Promise<string> {
    const found = await this.#realPath(path)
    if (found === undefined)
      throw new Failure('unreadable-file', { path, why: 'there is no such file or folder' })
    const folders = await Promise.all(
      this.#folders.map(async folder => (await this.#realPath(folder)) ?? folder),
    )
    if (!folders.some(folder => isBelow(found, folder)))
      throw new Failure('file-not-allowed', { path, folders: this.#folders.join(', ') })
    return found
  }

  /** What a policy asks to be watched must be a rule file below one of the folders. @throws {Failure} */
  async mustHold(path: string): Promise<void> {
    if (!path.endsWith('.rules'))
      throw new Failure('file-not-allowed', { path, folders: this.#folders.join(', ') })
    await this.real(path)
  }

  /** Writes the text of a rule file below one of the folders. @throws {Failure} */
  async write(path: string, text: string): Promise<void> {
    await this.mustHold(path)
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
