/**
 * Rule files that are watched: an edit is checked and put in force as it is saved; a file with mistakes
 * changes nothing, and the policy that was in force stays.
 */
import { basename, dirname, join, resolve } from 'node:path'
import type { Cancel, Env } from '../base/env.js'
import { Failure } from '../base/failures.js'
import type { Controller } from './controller.js'
import type { PolicyWish } from './policy.js'

/** An editor writes a file in several steps; they count as one. */
const settleMillis = 20

export class RuleWatcher {
  readonly #env: Env
  readonly #controller: Controller
  readonly #paths: readonly string[]
  readonly #watches = new Map<string, Cancel>()
  readonly #seen = new Map<string, string>()
  #cancelSettle: Cancel | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(env: Env, controller: Controller, paths: readonly string[]) {
    this.#env = env
    this.#controller = controller
    this.#paths = paths.map(path => resolve(path))
  }

  async start(): Promise<void> {
    await this.#read()
    this.#controller.policies.on('changed', () => this.#watchAll())
    this.#watchAll()
  }

  stop(): void {
    this.#cancelSettle?.()
    for (const cancel of this.#watches.values()) cancel()
    this.#watches.clear()
  }

  #watchAll(): void {
    const applied = this.#controller.policies.list().filter(policy => policy.watch && policy.file)
    for (const path of new Set([...this.#paths, ...applied.map(policy => resolve(policy.file!))]))
      if (!this.#watches.has(path))
        this.#watches.set(
          path,
          this.#env.disk.watch(path, () => this.#touched()),
        )
  }

  #touched(): void {
    this.#cancelSettle?.()
    this.#cancelSettle = this.#env.timers.after(settleMillis, () => {
      this.#running = this.#running.then(() => this.#read())
    })
  }

  async #read(): Promise<void> {
    try {
      const files = [...(await this.#watchedFiles()), ...this.#appliedFiles()]
      const wishes: PolicyWish[] = []
      for (const file of new Set(files)) {
        const wish = await this.#wishOf(file)
        if (wish && this.#seen.get(file) !== JSON.stringify(wish)) {
          this.#seen.set(file, JSON.stringify(wish))
          wishes.push(wish)
        }
      }
      if (wishes.length > 0) await this.#apply(wishes)
    } catch (error) {
      this.#tell(error)
    }
  }

  async #apply(wishes: readonly PolicyWish[]): Promise<void> {
    const { policies, topology } = this.#controller
    const files = wishes.map(wish => wish.file ?? wish.name)
    const why = `${files.join(', ')} was saved`
    await policies.apply(wishes, topology.current, undefined, { why })
  }

  #appliedFiles(): string[] {
    return this.#controller.policies
      .list()
      .filter(policy => policy.watch && policy.file)
      .map(policy => resolve(policy.file!))
  }

  async #watchedFiles(): Promise<string[]> {
    const files: string[] = []
    for (const path of this.#paths) {
      const found = await this.#env.disk.stat(path)
      if (found?.isFolder)
        for (const name of await this.#env.disk.list(path))
          if (name.endsWith('.rules')) files.push(join(path, name))
      if (found && !found.isFolder) files.push(path)
    }
    return files
  }

  async #wishOf(file: string): Promise<PolicyWish | undefined> {
    if ((await this.#env.disk.stat(file)) === undefined) return undefined
    const source = await this.#env.disk.readText(file)
    const includes: Record<string, string> = {}
    await this.#collect(dirname(file), '', source, includes)
    return { name: basename(file).replace(/\.rules$/, ''), source, includes, file, watch: true }
  }

  async #collect(
    root: string,
    folder: string,
    text: string,
    includes: Record<string, string>,
  ): Promise<void> {
    for (const [, path] of text.matchAll(/^\s*include\s+"([^"]+)"/gm)) {
      const relative = join(folder, path!)
      if (
        Object.hasOwn(includes, relative) ||
        (await this.#env.disk.stat(join(root, relative))) === undefined
      )
        continue
      includes[relative] = await this.#env.disk.readText(join(root, relative))
      await this.#collect(root, dirname(relative), includes[relative]!, includes)
    }
  }

  #tell(error: unknown): void {
    if (error instanceof Failure && error.code === 'bad-rules') {
      const complaints = error.context.complaints as { text: string }[]
      this.#controller.journal.add({
        kind: 'rules-refused',
        complaints: complaints.map(each => each.text),
      })
      return
    }
    this.#env.log.error({ err: error }, 'rule files could not be read')
  }
}
