/**
 * Rule files that are watched. A file is read when it is quiet: neither it nor what it includes has changed for a
 * while, so that nothing half-written comes into force. A file that is empty, has mistakes or cannot be read changes
 * nothing and costs no other file; what is wrong with it is told, and kept where `get policies` and `/readyz` look.
 *
 * A file given at the start that has never been in force closes everything until it can be, unless the operator has
 * chosen otherwise: nobody knows what it would have denied.
 */
import { basename, dirname, join, resolve } from 'node:path'
import type { Cancel } from '../../../base/env/env.js'
import { Failure } from '../../../base/failures.js'
import { isRuleFileName, passedByBecause, policyNameOf } from '../../../base/rule-file-names.js'
import { wordsOf } from '../../../base/system-errors.js'
import type { FunctionHost, Given } from '../../function.js'
import type { FileTroubles } from './file-troubles.js'
import type { PolicyKeeper } from './policies.js'
import type { Policy, PolicyWish } from './policy.js'
import { RuleFolders } from './rule-files.js'

/** So long nothing may have changed. */
const quietMillis = 1_000
const lookMillis = 250
/** Files on other machines tell nothing: they are looked at now and then. */
const pollMillis = 2_000
/** How long the start waits for files that were written just before. */
const startMillis = 5_000

/** Where files go. */
export interface WatchedPolicies {
  readonly policies: PolicyKeeper
  readonly files: FileTroubles
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

const gone = 'it is gone; the rules of before stay'

export class RuleWatcher {
  readonly #host: FunctionHost
  readonly #watched: WatchedPolicies
  readonly #given: readonly string[]
  readonly #own: string
  readonly #onDisk: RuleFolders
  readonly #opens: boolean
  readonly #watches = new Map<string, Cancel>()
  /** As each was when it was read, whatever came of it. */
  readonly #read = new Map<string, string>()
  readonly #pending = new Map<string, Pending>()
  /** What each includes, as far as it is known. */
  readonly #included = new Map<string, readonly string[]>()
  readonly #passedBy = new Set<string>()
  #isStopped = false
  #cancelLook: Cancel | undefined
  #cancelPoll: Cancel | undefined
  #running: Promise<void> = Promise.resolve()

  /** The folder `rules` in the data folder is watched as well. No other rule file is in the data folder, but what was named by itself. */
  constructor(host: FunctionHost, watched: WatchedPolicies, given: Given) {
    this.#host = host
    this.#watched = watched
    this.#given = given.rules.map(path => resolve(path))
    this.#own = resolve(given.data, 'rules')
    this.#opens = given.opens
    this.#onDisk = new RuleFolders(
      host.disk,
      [
        ...this.#given.flatMap(path => (path.endsWith('.rules') ? [path, dirname(path)] : [path])),
        this.#own,
        ...given.ruleFolders,
      ],
      given.data,
    )
  }

  /** @returns where it really is @throws {Failure} when a policy may not have this file watched */
  real(path: string): Promise<string> {
    return this.#onDisk.real(resolve(path))
  }

  /** Writes the text of a rule file. @throws {Failure} when it may not be watched, or cannot be written */
  write(path: string, text: string): Promise<void> {
    return this.#onDisk.write(resolve(path), text)
  }

  /** Resolves when the files have been read, those that were written a moment ago too. */
  async start(): Promise<void> {
    await this.#host.disk.makeFolder(this.#own).catch((error: unknown) => {
      this.#host.log.warn({ err: error }, 'the folder for rule files cannot be made')
    })
    const endMillis = this.#host.clock.nowMillis() + startMillis
    await this.#look()
    while (this.#pending.size > 0 && this.#host.clock.nowMillis() < endMillis) {
      await new Promise<void>(done => this.#host.timers.after(lookMillis, done))
      await this.#look()
    }
    await this.#tellMissing()
    this.#watched.policies.on('changed', () => this.#watchAll())
    this.#watchAll()
    this.#cancelPoll = this.#host.timers.every(pollMillis, () => this.#touched(0))
    if (this.#pending.size > 0) this.#touched(lookMillis)
  }

  /** Resolves when nothing is looked at any more: what is read meanwhile is put in force, and watched by nobody. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelLook?.()
    this.#cancelPoll?.()
    for (const cancel of this.#watches.values()) cancel()
    this.#watches.clear()
    await this.#running
  }

  #watchAll(): void {
    if (this.#isStopped) return
    for (const path of new Set([...this.#given, this.#own, ...this.#applied()]))
      if (!this.#watches.has(path))
        this.#watches.set(
          path,
          this.#host.disk.watch(path, () => this.#touched(0)),
        )
  }

  #touched(afterMillis: number): void {
    if (this.#cancelLook || this.#isStopped) return
    this.#cancelLook = this.#host.timers.after(afterMillis, () => {
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
    const { wish, files } = await this.#onDisk.read(file)
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
    if (this.#read.delete(file)) this.#trouble(file, gone)
    return undefined
  }

  #isQuiet(file: string, { signature, changedMillis }: Look): boolean {
    const now = this.#host.clock.nowMillis()
    const known = this.#pending.get(file)
    if (known?.signature !== signature) {
      const age = Math.max(0, this.#host.clock.wallMillis() - changedMillis)
      this.#pending.set(file, { signature, sinceMillis: now - age })
    }
    return now - this.#pending.get(file)!.sinceMillis >= quietMillis
  }

  async #signatureOf(file: string): Promise<Look | undefined> {
    const files = [file, ...(this.#included.get(file) ?? [])]
    const found = await Promise.all(files.map(each => this.#host.disk.stat(each)))
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
    const { policies } = this.#watched
    try {
      const why = `${wishes.map(wish => wish.file).join(', ')} was saved`
      await policies.apply(wishes, this.#host.topology.current, undefined, { why })
      for (const wish of wishes) this.#watched.files.delete(wish.file!)
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
    const { files } = this.#watched
    if (files.get(file)?.reason === reason) return
    files.set(file, { reason, isGiven: this.#isGiven(file) })
    this.#host.tell({ kind: 'rules-refused', file, complaints })
    this.closeOrOpen()
  }

  #isGiven(file: string): boolean {
    return this.#given.some(path => file === path || dirname(file) === path)
  }

  /** What was given at the start and brought nothing. */
  async #tellMissing(): Promise<void> {
    for (const path of this.#given) {
      const isRead = [...this.#read.keys(), ...this.#watched.files.keys()].some(
        file => file === path || dirname(file) === path,
      )
      if (!isRead && !this.#pending.has(path))
        this.#trouble(
          path,
          (await this.#host.disk.stat(path).catch(() => undefined)) === undefined
            ? 'there is no such file or folder'
            : 'there is no rule file in it',
        )
    }
    for (const file of this.#applied()) if (!this.#isGiven(file)) await this.#tellGone(file)
  }

  /** A file that a policy has watched went while nobody looked. */
  async #tellGone(file: string): Promise<void> {
    const isKnown = this.#read.has(file) || this.#pending.has(file)
    if (!isKnown && !this.#watched.files.has(file) && !(await this.#signatureOf(file)))
      this.#trouble(file, gone)
  }

  /** Closes everything while something that was given at the start has never been in force, and opens it again. */
  closeOrOpen(): void {
    const { policies, files } = this.#watched
    const unknown = [...files].find(
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
      this.#watched.policies
        .list()
        // A file puts the policy of its own name in force, and none may do so for another.
        .filter(({ watch, file, name }) => watch && file && policyOfFile(file) === name)
        .map(policy => resolve(policy.file!))
    )
  }

  async #list(): Promise<Set<string>> {
    const files: string[] = []
    for (const path of [...this.#given, this.#own])
      try {
        const found = await this.#host.disk.stat(path)
        if (found?.isFolder) files.push(...(await this.#listFolder(path)))
        else if (found) files.push(path)
      } catch (error) {
        this.#trouble(path, wordsOf(error))
      }
    return new Set([...files, ...this.#applied()])
  }

  async #listFolder(folder: string): Promise<string[]> {
    const names = await this.#host.disk.list(folder)
    for (const name of names) {
      const reason = passedByBecause(name)
      const path = join(folder, name)
      if (reason === undefined || this.#passedBy.has(path)) continue
      this.#passedBy.add(path)
      this.#host.tell({ kind: 'rule-file-passed-by', file: path, reason })
    }
    const rules = names.filter(isRuleFileName).map(name => join(folder, name))
    // What was given is told when it is there again.
    if (rules.length > 0) this.#watched.files.delete(folder)
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
