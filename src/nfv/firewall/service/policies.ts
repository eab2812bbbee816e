/**
 * The policies that are wanted: kept in the store, checked before they count, turned into sections of
 * rules with the generation that sessions are stamped with.
 */
import { EventEmitter } from 'node:events'
import type { Cancel, Env } from '../../../base/env/env.js'
import type { NetworkEvent } from '../../../base/events.js'
import { Failure } from '../../../base/failures.js'
import { listAll, type Op, type Store } from '../../../base/store.js'
import type { Refusal, Section } from '../../../pipeline/program.js'
import type { Topology } from '../../../topology/model.js'
import { createCompiler } from '../flows/compile.js'
import type { TimeoutBook } from '../flows/timeout-zones.js'
import { lintEnforced, type Remark } from '../lint/index.js'
import type { Facts } from '../meaning/environment.js'
import { Resolver } from '../meaning/resolve.js'
import { type PlacedRule, type Resolved, ruleById } from '../meaning/resolved.js'
import type { Session } from '../sessions/sessions.js'
import { type Limits, maxMistakes, noLimits, quickLimits } from '../text/limits.js'
import {
  type LoadedPolicy,
  loadPolicy,
  loadText,
  type Pause,
  type PolicyInput,
} from '../text/load.js'
import { Parser } from '../text/parse.js'
import { learningSection } from './learning-rows.js'
import { etagOf, type Policy, type PolicyWish } from './policy.js'
import { PolicyDesk } from './policy-desk.js'
import { describeComplaint, factsOf } from './policy-facts.js'
import {
  digestOf,
  type HistoryEntry,
  isSamePolicy,
  type PolicyChange,
  PolicyHistory,
  type Reason,
} from './policy-history.js'
import { type Marks, PolicyMarks } from './policy-marks.js'
import { fileOf, includedIn, type PlanAnswer } from './policy-work.js'

interface Known {
  readonly policy: Policy
  readonly loaded: LoadedPolicy
  readonly ruleCount: number
  readonly hasTimeouts: boolean
}

export interface PolicyEvents {
  changed: []
  event: [event: NetworkEvent]
}

type Changes = ReadonlyMap<string, 'added' | 'changed' | 'unchanged'>

const prefix = '/policy/'

export class PolicyKeeper extends EventEmitter<PolicyEvents> {
  readonly history: PolicyHistory
  readonly #env: Env
  readonly #store: Store
  /** By policy: each remembers the lines of its own policy, and nothing of others. */
  readonly #parsers = new Map<string, Parser>()
  readonly #desk: PolicyDesk
  readonly #resolver = new Resolver()
  readonly #compiler = createCompiler()
  readonly #known = new Map<string, Known>()
  readonly #refusals = new Map<string, Refusal>()
  readonly #marks: PolicyMarks
  #resolved: Resolved | undefined
  #sections: readonly Section[] = []
  /** Made when the first is asked for. */
  #rules: ReadonlyMap<number, PlacedRule> | undefined
  #cancelChange: Cancel | undefined
  #cancelConfirmation: Cancel | undefined
  #turn: Promise<void> = Promise.resolve()
  #learning: { readonly generation: number; readonly section: Section } | undefined
  #isLearning = false
  #closed: { readonly reason: string; readonly input: PolicyInput } | undefined

  private constructor(env: Env, store: Store, history: PolicyHistory, marks: PolicyMarks) {
    super()
    this.history = history
    this.#env = env
    this.#store = store
    this.#marks = marks
    this.#desk = new PolicyDesk(env.workers)
  }

  static async load(env: Env, store: Store): Promise<PolicyKeeper> {
    const history = await PolicyHistory.load(store)
    const keeper = new PolicyKeeper(env, store, history, await PolicyMarks.load(env, store))
    for (const [, value] of await listAll(store, prefix)) {
      const policy = value as Policy
      keeper.#known.set(policy.name, await keeper.#know(policy, noLimits))
    }
    return keeper
  }

  get generation(): number {
    return this.#marks.now.stamp.generation
  }

  /** Zones of timeouts, as they are in force. */
  get timeouts(): TimeoutBook {
    return this.#marks.now.timeouts
  }

  get resolved(): Resolved | undefined {
    return this.#resolved
  }

  list(): Policy[] {
    return [...this.#known.values()]
      .map(known => known.policy)
      .sort((a, b) => a.order - b.order || (a.name < b.name ? -1 : 1))
  }

  /** Denies everything, before any rule, for as long as there is a reason to. */
  close(reason: string | undefined): void {
    if (reason === this.#closed?.reason) return
    this.#closed =
      reason === undefined
        ? undefined
        : {
            reason,
            input: { name: 'closed', order: -1, loaded: closedPolicy(reason) },
          }
    this.emit('changed')
  }

  /** False when everything is allowed, because nobody has said anything. */
  get isInForce(): boolean {
    return this.#known.size > 0 || this.#closed !== undefined
  }

  /** Why everything is denied; undefined when it is not. */
  get closedBecause(): string | undefined {
    return this.#closed?.reason
  }

  get(name: string): Policy {
    const known = this.#known.get(name)
    if (known === undefined)
      throw new Failure('not-found', { what: 'policy', name, list: '"sluice get policies"' })
    return known.policy
  }

  rule(id: number): PlacedRule | undefined {
    if (this.#resolved === undefined) return undefined
    this.#rules ??= ruleById(this.#resolved)
    return this.#rules.get(id)
  }

  /** The policies as they are read, to be looked at with `facts`. */
  inputs(): readonly PolicyInput[] {
    return inputsOf(this.#known)
  }

  facts(topology: Topology): Facts {
    return factsOf(topology, this.#env.clock.wallMillis())
  }

  /** Rules and defaults of a policy, as they are written; 0 when there is none of that name. */
  ruleCount(policy: string): number {
    return this.#known.get(policy)?.ruleCount ?? 0
  }

  /** Whether a service of the policy has a timeout. */
  hasTimeouts(policy: string): boolean {
    return this.#known.get(policy)?.hasTimeouts === true
  }

  /** A file of a policy as it is written, or one that it includes. */
  textOf(policy: string, file: string): string | undefined {
    return this.#known.get(policy)?.loaded.texts.get(file)
  }

  rules(): readonly PlacedRule[] {
    return this.#resolved ? [...this.#resolved.tiers.flat(), this.#resolved.last] : []
  }

  /** What a switch refused of a policy's rows; empty when all is well. */
  refusalsOf(name: string): readonly Refusal[] {
    return [...this.#refusals.values()].filter(refusal =>
      refusal.origin.name.startsWith(`${name}/`),
    )
  }

  refused(dpid: string, refusal: Refusal): void {
    if (refusal.origin.kind === 'policy') this.#refusals.set(`${dpid} ${refusal.request}`, refusal)
  }

  /**
   * Puts policies in force, all or none.
   *
   * @param match the entity tag that each of them must have now, RFC 9110 section 13.1.1
   * @param isDryRun everything is checked, and nothing is changed
   * @returns what changed, by name
   * @throws {Failure} `bad-rules` with every complaint, `revision-conflict`; nothing is changed then
   */
  apply(
    wishes: readonly PolicyWish[],
    topology: Topology,
    match?: string,
    reason: Reason = {},
    isDryRun = false,
  ): Promise<Changes> {
    return this.#inTurn(async () => {
      for (const { name } of wishes) this.#mustMatch(name, match)
      this.history.mustBeConfirmed()
      const { next, resolved } = await this.#checked(this.#policiesOf(wishes), topology)
      const changes = new Map<string, 'added' | 'changed' | 'unchanged'>()
      for (const { name } of wishes) {
        const before = this.#known.get(name)?.policy
        const isSame = before !== undefined && isSamePolicy(before, next.get(name)!.policy)
        changes.set(name, before === undefined ? 'added' : isSame ? 'unchanged' : 'changed')
      }
      const names = wishes.map(wish => wish.name).filter(name => changes.get(name) !== 'unchanged')
      if (!isDryRun) await this.#keep(next, resolved, names, topology, reason)
      return changes
    })
  }

  /** @throws {Failure} `not-found`, `revision-conflict`, `not-confirmed` */
  remove(
    name: string,
    topology: Topology,
    match?: string,
    reason: Reason = {},
    isDryRun = false,
  ): Promise<void> {
    return this.#inTurn(async () => {
      this.get(name)
      this.#mustMatch(name, match)
      this.history.mustBeConfirmed()
      const next = new Map(this.#known)
      next.delete(name)
      const resolved = this.#resolve(next, topology)
      if (!isDryRun) await this.#keep(next, resolved, [name], topology, reason)
    })
  }

  /**
   * Takes a change back, which is a change itself.
   *
   * @param number when absent, the last change that is not taken back yet: one after the other goes back to the start
   * @throws {Failure} `not-found`, `nothing-to-undo`; `revision-conflict` when its policies have changed since; `bad-rules`;
   *   `not-confirmed` while another change waits
   */
  undo(
    number: number | undefined,
    topology: Topology,
    reason: Reason = {},
    isDryRun = false,
  ): Promise<HistoryEntry> {
    return this.#inTurn(async () => {
      const entry = number === undefined ? this.history.last() : this.history.get(number)
      if (entry.number !== this.history.unconfirmed?.number) this.history.mustBeConfirmed()
      const back: Policy[] = []
      const gone: string[] = []
      for (const { name, before, after } of entry.changes) {
        const now = this.#known.get(name)?.policy
        if ((now && digestOf(now)) !== after) throw new Failure('revision-conflict', { name })
        if (before === undefined) gone.push(name)
        else back.push({ ...before, changed: this.#now() })
      }
      const { next, resolved } = await this.#checked(back, topology, gone)
      const why = reason.why ?? `undo of ${entry.number}`
      const names = entry.changes.map(each => each.name)
      if (!isDryRun)
        await this.#keep(next, resolved, names, topology, {
          ...reason,
          why,
          undoOf: entry.number,
        })
      return entry
    })
  }

  /** The change that waits stays. @throws {Failure} `not-found` when none waits */
  confirm(): Promise<HistoryEntry> {
    return this.#inTurn(() => this.history.confirm(this.#store))
  }

  /** Goes on waiting for the confirmation of a change, also after a restart. */
  awaitConfirmation(topology: Topology): void {
    this.#cancelConfirmation?.()
    const waits = this.history.unconfirmed
    if (waits === undefined) return
    const millis = Math.max(0, waits.deadlineMillis - this.#env.clock.wallMillis())
    this.#cancelConfirmation = this.#env.timers.after(millis, () => {
      if (this.history.unconfirmed?.number !== waits.number) return
      this.undo(waits.number, topology, {
        why: `${waits.number} was not confirmed in time`,
      }).catch((error: unknown) =>
        this.#env.log.error(
          { err: error },
          'a change that nobody confirmed could not be taken back',
        ),
      )
    })
  }

  /** Writes the policies that differ, with the entry of the history, and puts them in force. */
  async #keep(
    next: ReadonlyMap<string, Known>,
    resolved: Resolved,
    names: readonly string[],
    topology: Topology,
    reason: Reason,
  ): Promise<void> {
    if (names.length === 0) return
    const changes = names.map((name): PolicyChange => {
      const [before, after] = [this.#known.get(name)?.policy, next.get(name)?.policy]
      return { name, ...(before && { before }), ...(after && { after: digestOf(after) }) }
    })
    const told = this.history.entryOf(changes, reason, this.#env.clock.wallMillis())
    const ops = names.map((name): Op => {
      const value = next.get(name)?.policy
      const key = prefix + name
      return value ? { op: 'put', key, value } : { op: 'delete', key }
    })
    const marks = this.#marks.next(resolved, topology)
    const kept = this.#marks.opsFor(marks)
    await this.#store.txn({ if: [], then: [...ops, ...kept, ...told.ops] })
    this.#marks.wrote(marks)
    this.history.note(told.entry, told.unconfirmed)
    for (const name of names) {
      const known = next.get(name)
      if (known) this.#known.set(name, known)
      else {
        this.#known.delete(name)
        this.#parsers.delete(name)
      }
    }
    this.#refusals.clear()
    this.#tell(changes, reason)
    this.emit('changed')
    this.awaitConfirmation(topology)
  }

  #tell(changes: readonly PolicyChange[], { by, who, why }: Reason): void {
    const more = {
      ...(by !== undefined && { by }),
      ...(who !== undefined && { who }),
      ...(why !== undefined && { why }),
    }
    const applied = changes.filter(each => each.after).map(each => each.name)
    if (applied.length > 0)
      this.emit('event', { kind: 'policy-applied', policies: applied, ...more })
    for (const { name, after } of changes)
      if (!after) this.emit('event', { kind: 'policy-deleted', policy: name, ...more })
  }

  #now(): string {
    return new Date(this.#env.clock.wallMillis()).toISOString()
  }

  /**
   * What would be with these policies as well, looked at elsewhere; nothing is kept.
   *
   * @param sessions running ones, to be judged by the rules of today and by these
   * @throws {Failure} `bad-rules`, `too-much-work`, `busy`
   */
  preview(
    wishes: readonly PolicyWish[],
    topology: Topology,
    sessions: readonly Session[] = [],
  ): Promise<PlanAnswer> {
    return this.#desk.plan({
      ...this.#asked(topology),
      kind: 'plan',
      wishes: this.#policiesOf(wishes),
      marks: this.#marks.now,
      isLearning: this.#isLearning,
      sessions,
    })
  }

  /** What a policy in force says and the switches do not do; empty when there is no such policy. */
  warnings(name: string, topology: Topology): readonly Remark[] {
    const input = this.#known.has(name) ? this.inputs().find(each => each.name === name) : undefined
    if (input === undefined) return []
    return lintEnforced(input, this.#resolve(this.#known, topology), this.facts(topology))
  }

  /** What is doubtful about the rules in force. @throws {Failure} `too-much-work`, `busy` */
  remarks(topology: Topology): Promise<readonly Remark[]> {
    return this.#desk.remarks({ ...this.#asked(topology), kind: 'remarks' })
  }

  #asked({ guards, hosts, links, networks, switches }: Topology) {
    return {
      policies: this.list(),
      network: { guards, hosts, links, networks, switches },
      nowMillis: this.#env.clock.wallMillis(),
    }
  }

  /** Whether connections that are accepted are watched. */
  watch(isOn: boolean): void {
    if (isOn === this.#isLearning) return
    this.#isLearning = isOn
    this.emit('changed')
  }

  #sectionsOf(
    resolved: Resolved,
    { stamp: { generation }, timeouts, epoch }: Marks,
  ): readonly Section[] {
    const sections = this.#compiler.compile(resolved, generation, timeouts, epoch)
    if (!this.#isLearning) return sections
    if (this.#learning?.generation !== generation)
      this.#learning = { generation, section: learningSection(generation, resolved) }
    return [...sections, this.#learning.section]
  }

  /** From the next compile on no switch relies on what others knew of connections before. */
  beginEpoch(): void {
    this.#marks.beginEpoch()
  }

  /** The firewall's sections for the network as it is; the same objects while nothing changes. */
  compile(topology: Topology): readonly Section[] {
    const resolved = this.#resolve(this.#known, topology)
    const marks = this.#marks.next(resolved, topology)
    this.#marks.keep(marks)
    this.#cancelChange?.()
    if (resolved.nextChangeMillis !== undefined)
      this.#cancelChange = this.#env.timers.after(
        Math.min(
          Math.max(50, resolved.nextChangeMillis - this.#env.clock.wallMillis()),
          2 ** 31 - 1,
        ),
        () => this.emit('changed'),
      )
    const sections = this.#sectionsOf(resolved, marks)
    const isSame =
      sections.length === this.#sections.length &&
      sections.every((each, at) => each === this.#sections[at])
    if (!isSame) this.#sections = sections
    if (resolved.hash !== this.#resolved?.hash || !isSame) this.#rules = undefined
    this.#resolved = resolved
    return this.#sections
  }

  stop(): void {
    this.#cancelChange?.()
    this.#cancelConfirmation?.()
  }

  /** One change after the other, so that each is checked against what it will meet. */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(change)
    this.#turn = turn.then(
      () => undefined,
      () => undefined,
    )
    return turn
  }

  #mustMatch(name: string, match: string | undefined): void {
    const policy = this.#known.get(name)?.policy
    const isRight =
      match === undefined || (match === '*' ? policy : policy && etagOf(policy) === match)
    if (!isRight) throw new Failure('revision-conflict', { name })
  }

  #policiesOf(wishes: readonly PolicyWish[]): Policy[] {
    return wishes.map(wish => ({
      ...wish,
      order: wish.order ?? this.#known.get(wish.name)?.policy.order ?? 0,
      changed: this.#now(),
    }))
  }

  /**
   * The policies with others put in and taken away, and what they mean. What can be read in a few turns is; the rest is
   * first read elsewhere, where nobody waits for it and there is an end to it.
   *
   * @throws {Failure} `bad-rules`, `too-much-work`, `busy`
   */
  async #checked(
    policies: readonly Policy[],
    topology: Topology,
    gone: readonly string[] = [],
  ): Promise<{ readonly next: Map<string, Known>; readonly resolved: Resolved }> {
    const quick = await this.#tried(policies, topology, gone, quickLimits)
    if (quick !== undefined) return quick
    const asked = this.#asked(topology)
    await this.#desk.check({
      ...asked,
      kind: 'check',
      policies: asked.policies.filter(({ name }) => !gone.includes(name)),
      wishes: policies,
    })
    // It has been read within the limits: they are not met again.
    return (await this.#tried(policies, topology, gone, noLimits))!
  }

  /** Undefined when it takes more than `most`. */
  async #tried(
    policies: readonly Policy[],
    topology: Topology,
    gone: readonly string[],
    most: Limits,
  ) {
    const next = new Map(this.#known)
    for (const name of gone) next.delete(name)
    for (const policy of policies) {
      const known = await this.#know(policy, most)
      if (known.loaded.isCut && most === quickLimits && !isFullOfMistakes(known.loaded))
        return undefined
      next.set(policy.name, known)
    }
    const resolving = this.#resolver.resolving(this.#inputs(next), this.facts(topology), most)
    const pause = this.#pauses()
    let turn = resolving.next()
    for (; !turn.done; turn = resolving.next()) await pause()
    const resolved = turn.value
    if (resolved.isCut && most === quickLimits) return undefined
    this.#mustBeGood(next, resolved)
    return { next, resolved }
  }

  /** Lets others have their turn, where one of ours has lasted. */
  #pauses(): Pause {
    const { clock, timers } = this.#env
    let sinceMillis = clock.nowMillis()
    return async () => {
      if (clock.nowMillis() - sinceMillis < turnMillis) return
      await new Promise<void>(resolve => timers.soon(resolve))
      sinceMillis = clock.nowMillis()
    }
  }

  /** What is resolved: the policies, and before them what denies everything while there is a reason to. */
  #inputs(known: ReadonlyMap<string, Known>): PolicyInput[] {
    return [...(this.#closed ? [this.#closed.input] : []), ...inputsOf(known)]
  }

  #resolve(known: ReadonlyMap<string, Known>, topology: Topology): Resolved {
    return this.#resolver.resolve(this.#inputs(known), this.facts(topology))
  }

  #mustBeGood(known: ReadonlyMap<string, Known>, resolved: Resolved): void {
    if (resolved.complaints.length === 0) return
    const texts = new Map([...known.values()].flatMap(each => [...each.loaded.texts]))
    throw new Failure('bad-rules', {
      complaints: resolved.complaints.map(complaint => describeComplaint(complaint, texts)),
    })
  }

  async #know(policy: Policy, most: Limits): Promise<Known> {
    const loaded = await this.#read(policy, most)
    const statements = loaded.lines.map(({ statement }) => statement)
    return {
      policy,
      loaded,
      ruleCount: statements.filter(({ kind }) => kind === 'rule' || kind === 'default').length,
      hasTimeouts: statements.some(one => one.kind === 'service' && one.timeout !== undefined),
    }
  }

  async #read(policy: Policy, most: Limits): Promise<LoadedPolicy> {
    const parser = this.#parsers.get(policy.name) ?? new Parser()
    this.#parsers.set(policy.name, parser)
    const read = (path: string) => includedIn(policy, path)
    const options = { limits: most, pause: this.#pauses() }
    const loaded = await loadPolicy(parser, fileOf(policy), policy.source, read, options)
    parser.forgetOld()
    return loaded
  }
}

/** A turn of ours, at most about. */
const turnMillis = 5

/** It ended because of its mistakes, and says them: there is nothing to try. */
const isFullOfMistakes = ({ complaints }: LoadedPolicy): boolean => complaints.length >= maxMistakes

const closedPolicy = (reason: string): LoadedPolicy =>
  loadText(new Parser(), 'closed', `# ${reason}\ntier admin\nclosed: drop any from any to any\n`)

const inputsOf = (known: ReadonlyMap<string, Known>): PolicyInput[] =>
  [...known.values()].map(({ policy, loaded }) => ({
    name: policy.name,
    order: policy.order,
    loaded,
  }))
