/**
 * Rule files that are watched. A file is read when it is quiet: neither it nor what it includes has changed for a
 * while, so that nothing half-written comes into force. A file that is empty, has mistakes or cannot be read changes
 * nothing and costs no other file; what is wrong with it is told, and kept where `get policies` and `/readyz` look.
 *
 * A file given at the start that has never been in force closes everything until it can be, unless the operator has
 * chosen otherwise: nobody knows what it would have denied.
 */
import { basename, dirname, join, resolve } from 'node:path'
import type { Cancel, Env } from '../base/env.js'
import { Failure } from '../base/failures.js'
import { isRuleFileName, passedByBecause, policyNameOf } from '../base/rule-file-names.js'
import { wordsOf } from '../base/system-errors.js'
import type { Policy, PolicyWish } from '../nfv/firewall/service/policy.js'
import { RuleFolders } from '../nfv/firewall/service/rule-files.js'
import type { Controller } from './controller.js'

/** So long nothing may have changed. */
const quietMillis = 1_000
const lookMillis = 250
/** Files on other machines tell nothing: they are looked at now and then. */
const pollMillis = 2_000
/** How long the start waits for files that were written just before. */
const startMillis = 5_000

export interface RuleWatcherOptions {
  /** Files and folders given at the start. */
  readonly given: readonly string[]
  /** Folders whose files are watched when there are any. */
  readonly folders: readonly string[]
  /** Folders below which a policy may name a file to be watched. */
  readonly allowed: readonly string[]
  /** The data folder: no rule file is in it, but in what was named by itself. */
  readonly secret: string
  /** A given file that is missing or wrong, and was never in force, closes nothing. */
  readonly opens: boolean
}

/** What a file is, to see whether it is another one now. */
interface Look {
  readonly signature: string
  readonly changedMillis: number
}

interface Pending {
  readonly signature: string
  readonly sinceMillis: number
}

export class RuleWatcher {
  readonly #env: Env
  readonly #controller: Controller
  readonly #given: readonly string[]
  readonly #folders: readonly string[]
  readonly #files: RuleFolders
  readonly #opens: boolean
  readonly #watches = new Map<string, Cancel>()
  /** As each was when it was read, whatever came of it. */
  readonly #read = new Map<string, string>()
  readonly #pending = new Map<string, Pending>()
  /** What each includes, as far as it is known. */
  readonly #included = new Map<string, readonly string[]>()
  readonly #passedBy = new Set<string>()
  #cancelLook: Cancel | undefined
  #cancelPoll: Cancel | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(env: Env, controller: Controller, options: RuleWatcherOptions) {
    this.#env = env
    this.#controller = controller
    this.#given = options.given.map(path => resolve(path))
    this.#folders = options.folders.map(path => resolve(path))
    this.#opens = options.opens
    this.#files = new RuleFolders(
      env.disk,
      [
        ...this.#given.flatMap(path => (path.endsWith('.rules') ? [path, dirname(path)] : [path])),
        ...this.#folders,
        ...options.allowed,
      ],
      options.secret,
    )
  }

  /** @returns where it really is @throws {Failure} when a policy may not have this file watched */
  real(path: string): Promise<string> {
    return this.#files.real(resolve(path))
  }

  /** Writes the text of a rule file. @throws {Failure} when it may not be watched, or cannot be written */
  write(path: string, text: string): Promise<void> {
    return this.#files.write(resolve(path), text)
  }

  /** Resolves when the files have been read, those that were written a moment ago too. */
  async start(): Promise<void> {
    const endMillis = this.#env.clock.nowMillis() + startMillis
    await this.#look()
    while (this.#pending.size > 0 && this.#env.clock.nowMillis() < endMillis) {
      await new Promise<void>(done => this.#env.timers.after(lookMillis, done))
      await this.#look()
    }
    await this.#tellMissing()
    this.#controller.policies.on('changed', () => this.#watchAll())
    this.#watchAll()
    this.#cancelPoll = this.#env.timers.every(pollMillis, () => this.#touched(0))
    if (this.#pending.size > 0) this.#touched(lookMillis)
  }

  stop(): void {
    this.#cancelLook?.()
    this.#cancelPoll?.()
    for (const cancel of this.#watches.values()) cancel()
    this.#watches.clear()
  }

  #watchAll(): void {
    for (const path of new Set([...this.#given, ...this.#folders, ...this.#applied()]))
      if (!this.#watches.has(path))
        this.#watches.set(
          path,
          this.#env.disk.watch(path, () => this.#touched(0)),
        )
  }

  #touched(afterMillis: number): void {
    if (this.#cancelLook) return
    this.#cancelLook = this.#env.timers.after(afterMillis, () => {
      this.#cancelLook = undefined
      this.#running = this.#running.then(() => this.#again())
    })
  }

  async #again(): Promise<void> {
    await this.#look()
    if (this.#pending.size > 0) this.#touched(lookMillis)
  }

  /** Never rejects: what goes wrong with one file is told of that file. */
  async #look(): Promise<void> {
    const wishes: PolicyWish[] = []
    for (const file of await this.#list()) {
      try {
        const wish = await this.#lookAt(file)
        if (wish) wishes.push(wish)
      } catch (error) {
        this.#pending.delete(file)
        this.#trouble(file, wordsOf(error))
      }
    }
    if (wishes.length > 0) await this.#apply(wishes)
  }

  /** @returns what a file asks for when it is another than before and quiet */
  async #lookAt(file: string): Promise<PolicyWish | undefined> {
    const look = await this.#signatureOf(file)
    if (look === undefined) return this.#gone(file)
    if (this.#read.get(file) === look.signature) {
      this.#pending.delete(file)
      return undefined
    }
    if (!this.#isQuiet(file, look)) return undefined
    const { wish, files } = await this.#files.read(file)
    this.#included.set(file, files.slice(1))
    const after = await this.#signatureOf(file)
    // With what it includes, or since it was written while it was read, it may not be quiet after all.
    if (after === undefined || !this.#isQuiet(file, after)) return undefined
    this.#pending.delete(file)
    this.#read.set(file, after.signature)
    if (wish.source.trim() === '')
      throw new Error(
        `it is empty, which changes nothing: to take the policy out of force, run "sluice delete policy ${wish.name}"`,
      )
    return wish
  }

  #gone(file: string): undefined {
    this.#pending.delete(file)
    if (this.#read.delete(file)) this.#trouble(file, 'it is gone; the rules of before stay')
    return undefined
  }

  #isQuiet(file: string, { signature, changedMillis }: Look): boolean {
    const now = this.#env.clock.nowMillis()
    const known = this.#pending.get(file)
    if (known?.signature !== signature) {
      const age = Math.max(0, this.#env.clock.wallMillis() - changedMillis)
      this.#pending.set(file, { signature, sinceMillis: now - age })
    }
    return now - this.#pending.get(file)!.sinceMillis >= quietMillis
  }

  async #signatureOf(file: string): Promise<Look | undefined> {
    const files = [file, ...(this.#included.get(file) ?? [])]
    const found = await Promise.all(files.map(each => this.#env.disk.stat(each)))
    if (found[0] === undefined) return undefined
    return {
      signature: found.map(each => each && [each.id, each.size, each.changedMillis].join()).join(),
      changedMillis: Math.max(...found.map(each => each?.changedMillis ?? 0)),
    }
  }

  /** All together, since they may need one another; where that is refused each by itself, so that one costs no other. */
  async #apply(wishes: readonly PolicyWish[]): Promise<void> {
    const error = await this.#tryApply(wishes)
    if (error === undefined) return
    if (wishes.length > 1) for (const wish of wishes) await this.#apply([wish])
    else this.#refused(wishes[0]!.file!, error)
  }

  async #tryApply(wishes: readonly PolicyWish[]): Promise<unknown> {
    const { policies, topology } = this.#controller
    try {
      const why = `${wishes.map(wish => wish.file).join(', ')} was saved`
      await policies.apply(wishes, topology.current, undefined, { why })
      for (const wish of wishes) this.#controller.fileTroubles.delete(wish.file!)
      this.closeOrOpen()
      return undefined
    } catch (error) {
      return error
    }
  }

  #refused(file: string, error: unknown): void {
    if (!(error instanceof Failure) || error.code !== 'bad-rules')
      return this.#trouble(file, wordsOf(error))
    const texts = (error.context.complaints as { text: string }[]).map(each => each.text)
    this.#trouble(file, texts.join('\n'), texts)
  }

  #trouble(file: string, reason: string, complaints = [`${file}: ${reason}`]): void {
    const { fileTroubles, journal } = this.#controller
    if (fileTroubles.get(file)?.reason === reason) return
    fileTroubles.set(file, { reason, isGiven: this.#isGiven(file) })
    journal.add({ kind: 'rules-refused', file, complaints })
    this.closeOrOpen()
  }

  #isGiven(file: string): boolean {
    return this.#given.some(path => file === path || dirname(file) === path)
  }

  /** What was given at the start and brought nothing. */
  async #tellMissing(): Promise<void> {
    for (const path of this.#given) {
      const isRead = [...this.#read.keys(), ...this.#controller.fileTroubles.keys()].some(
        file => file === path || dirname(file) === path,
      )
      if (!isRead && !this.#pending.has(path))
        this.#trouble(
          path,
          (await this.#env.disk.stat(path).catch(() => undefined)) === undefined
            ? 'there is no such file or folder'
            : 'there is no rule file in it',
        )
    }
  }

  /** Closes everything while something that was given at the start has never been in force, and opens it again. */
  closeOrOpen(): void {
    const { policies, fileTroubles } = this.#controller
    const unknown = [...fileTroubles].find(
      ([file, { isGiven }]) => isGiven && !policies.list().some(each => isOf(each, file)),
    )
    policies.close(
      this.#opens || unknown === undefined
        ? undefined
        : `${unknown[0]} is not in force: ${unknown[1].reason.split('\n')[0]}`,
    )
  }

  #applied(): string[] {
    return (
      this.#controller.policies
        .list()
        // A file puts the policy of its own name in force, and none may do so for another.
        .filter(({ watch, file, name }) => watch && file && policyOfFile(file) === name)
        .map(policy => resolve(policy.file!))
    )
  }

  async #list(): Promise<Set<string>> {
    const files: string[] = []
    for (const path of [...this.#given, ...this.#folders])
      try {
        const found = await this.#env.disk.stat(path)
        if (found?.isFolder) files.push(...(await this.#listFolder(path)))
        else if (found) files.push(path)
      } catch (error) {
        this.#trouble(path, wordsOf(error))
      }
    return new Set([...files, ...this.#applied()])
  }

  async #listFolder(folder: string): Promise<string[]> {
    const names = await this.#env.disk.list(folder)
    for (const name of names) {
      const reason = passedByBecause(name)
      const path = join(folder, name)
      if (reason === undefined || this.#passedBy.has(path)) continue
      this.#passedBy.add(path)
      this.#controller.journal.add({ kind: 'rule-file-passed-by', file: path, reason })
    }
    const rules = names.filter(isRuleFileName).map(name => join(folder, name))
    // What was given is told when it is there again.
    if (rules.length > 0) this.#controller.fileTroubles.delete(folder)
    return rules
  }
}

/** The name of the policy that a file would be. */
export const policyOfFile = (file: string): string => policyNameOf(basename(file))

/**
 * Whether a policy is what a file brought, or one of the files of a folder. Where a policy says that it is from counts
 * for that of the file's own name only, and for a folder only when the file was there to be watched.
 */
const isOf = ({ name, file, watch }: Policy, path: string): boolean =>
  file !== undefined &&
  policyOfFile(file) === name &&
  (file === path || (watch === true && dirname(file) === path))
