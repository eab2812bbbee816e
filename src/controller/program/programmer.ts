/**
 * Keeps one switch at what is wanted of it.
 *
 *     connected ──> read back ──> difference ──> meters, bundle, barrier ──> confirmed ─┐
 *                       ^              ^                     │ refused: told to the      │
 *                       │              └──── wanted anew ────┤ origin, the rest goes on  │
 *                       └────────────── drift check <────────┴───────────────────────────┘
 *
 * One queue: a new wish that comes while another is under way replaces those that wait. Nothing is
 * called installed before the switch has confirmed it.
 */
import { EventEmitter } from 'node:events'
import type { Dpid } from '../../base/addresses.js'
import type { Cancel, Env } from '../../base/env/env.js'
import { type FunctionRows, haveSameSections, isRuntimeOf } from '../../nfv/function.js'
import { canonicalFlow, canonicalGroup, canonicalMeter, flowKey } from '../../pipeline/canonical.js'
import type { Flow, Origin, Refusal, Section } from '../../pipeline/program.js'
import { tableName } from '../../pipeline/tables.js'
import { type Difference, difference, emptyHolding, type Holding, isEmpty } from './difference.js'
import { bundled, type Change, metersFirst, metersLast } from './messages.js'
import { markIn, type NetworkId } from './owner.js'
import {
  type ForeignFlow,
  isOurCookie,
  readBack,
  type SwitchChannel,
  type TouchedRow,
} from './read-back.js'
import { hits, withoutFunction } from './withheld.js'

export interface ProgrammerEvents {
  /** The switch holds what was wanted at this revision, as far as it did not refuse. */
  confirmed: [revision: number]
  refused: [refusal: Refusal]
  /** It held something else than it had confirmed. */
  drift: [counts: { missing: number; excess: number; changed: number }]
  /** It holds the mark of another store: nothing was sent, and nothing will be. */
  displaced: [network: NetworkId]
  /** A row of somebody else is in a table of ours; after the last that is told, how many more there are. */
  foreign: [row: ForeignFlow, more: number]
  failed: [error: Error]
  /** It has nothing of ours, as after a start of its own. */
  empty: []
}

export interface ProgrammerCounters {
  flowModsSent: number
  groupModsSent: number
  meterModsSent: number
  bundlesSent: number
  readBacks: number
}

/** What rows have counted goes with them: whoever wants it reads it now. @param cookies of rows that are to go */
export type BeforeRemoval = (cookies: ReadonlySet<bigint>) => Promise<void>

interface Wish {
  readonly sections: readonly Section[]
  readonly revision: number
}

/** Rows of somebody else that one reading tells with their text. */
const maxForeignTold = 5

/** Packets may meet it before they meet a row of ours. */
const isShadow = (table: number): boolean => tableName(table) !== undefined

/** How long a pass that has failed waits for the next. */
const firstPauseMillis = 200
const longestPauseMillis = 10_000
/** How long rows that somebody touches wait to be mended: a whole deletion is one. */
const firstMendMillis = 20
const longestMendMillis = 10_000
/** After so long without, the first one counts as the first again. */
const calmMillis = 30_000

export class Programmer extends EventEmitter<ProgrammerEvents> {
  readonly dpid: Dpid
  readonly counters: ProgrammerCounters = {
    flowModsSent: 0,
    groupModsSent: 0,
    meterModsSent: 0,
    bundlesSent: 0,
    readBacks: 0,
  }
  readonly refusals = new Map<string, Refusal>()
  /** Keys of those that are flows. */
  readonly #refusedFlows = new Set<string>()
  foreign: readonly ForeignFlow[] = []
  readonly #env: Env
  readonly #functions: readonly FunctionRows[]
  readonly #beforeRemoval: BeforeRemoval
  #channel: SwitchChannel | undefined
  /** Whose mark the switch may carry; undefined: anybody's. */
  #network: NetworkId | undefined
  #held: Holding = emptyHolding()
  /** What the holding is known to agree with; absent until a read-back was compared. */
  #agreed: readonly Section[] | undefined
  #wanted: Wish | undefined
  #confirmedRevision = -1
  #isRunning = false
  #mustReadBack = true
  /** Entries of ours that the last reading brought and that could not be understood. */
  #unreadableCount = 0
  /** Passes that have failed since the last one that did not. */
  #failedCount = 0
  /** Sections of which the switch has refused a row, by atomic function: the rows of that one stay as they were. */
  readonly #withheld = new Map<FunctionRows, readonly Section[]>()
  #failure: string | undefined
  #behindSinceMillis: number | undefined
  #cancelMend: Cancel | undefined
  #mendedMillis = Number.NEGATIVE_INFINITY
  #mendWaitMillis = firstMendMillis

  constructor(
    env: Env,
    dpid: Dpid,
    functions: readonly FunctionRows[] = [],
    beforeRemoval: BeforeRemoval = async () => {},
  ) {
    super()
    this.#env = env
    this.dpid = dpid
    this.#functions = functions
    this.#beforeRemoval = beforeRemoval
  }

  /** What went wrong since the last confirmation. */
  get failure(): string | undefined {
    return this.#failure
  }

  /** Since when something waits to be confirmed; undefined while nothing does. */
  get behindSinceMillis(): number | undefined {
    return this.#behindSinceMillis
  }

  get confirmedRevision(): number {
    return this.#confirmedRevision
  }

  /**
   * What the switch has confirmed last, absent while it is not known or while rows are withheld; `version` changes
   * with everything that is sent or read.
   */
  get state(): {
    readonly agreed: readonly Section[] | undefined
    readonly isWithheld: boolean
    readonly version: string
  } {
    const { flowModsSent, groupModsSent, meterModsSent, readBacks } = this.counters
    const version = [flowModsSent, groupModsSent, meterModsSent, readBacks].join()
    return { agreed: this.#agreed, isWithheld: this.#withheld.size > 0, version }
  }

  get heldFlowCount(): number {
    return this.#held.flows.size
  }

  /**
   * The switch is here (again): nothing is assumed of what it holds.
   *
   * @param network of our store: with the mark of another one the switch is left alone; absent: it is adopted
   */
  connect(channel: SwitchChannel, network?: NetworkId): void {
    this.#channel = channel
    this.#network = network
    this.#failedCount = 0
    this.#mustReadBack = true
    this.#behindSinceMillis ??= this.#env.clock.nowMillis()
    this.#run()
  }

  disconnect(): void {
    this.#channel = undefined
    this.#confirmedRevision = -1
    this.#behindSinceMillis = undefined
  }

  want(sections: readonly Section[], revision: number): void {
    this.#wanted = { sections, revision }
    if (this.#isRight(sections)) return this.#confirm(revision)
    if (this.#channel) this.#behindSinceMillis ??= this.#env.clock.nowMillis()
    this.#run()
  }

  /** Nothing is under way, and the switch has confirmed these very sections. */
  #isRight(sections: readonly Section[]): boolean {
    const isIdle = !this.#isRunning && !this.#mustReadBack && this.#channel !== undefined
    return isIdle && this.#agreed === sections
  }

  #confirm(revision: number): void {
    this.#confirmedRevision = revision
    this.#failure = undefined
    this.#behindSinceMillis = undefined
    this.emit('confirmed', revision)
  }

  /** Reads the switch back and mends what differs. */
  check(): void {
    this.#mustReadBack = true
    this.#run()
  }

  /**
   * Somebody else changed rows of the switch: those that are ours, or in the place of ours, are mended soon. Who
   * changes them again and again is answered ever more slowly.
   */
  touched(rows: readonly TouchedRow[] | undefined): void {
    const isOurs = rows?.some(
      ({ cookie, tableId, priority, match, event }) =>
        isOurCookie(cookie) ||
        (event !== undefined && event !== 'deleted' && isShadow(tableId)) ||
        this.#held.flows.has(flowKey(tableId, priority, match)),
    )
    if (isOurs === false || this.#cancelMend) return
    const now = this.#env.clock.nowMillis()
    const isQuiet = now - this.#mendedMillis > calmMillis
    this.#mendWaitMillis = isQuiet
      ? firstMendMillis
      : Math.min(2 * this.#mendWaitMillis, longestMendMillis)
    this.#cancelMend = this.#env.timers.after(this.#mendWaitMillis, () => {
      this.#cancelMend = undefined
      this.#mendedMillis = this.#env.clock.nowMillis()
      this.check()
    })
  }

  /** Resolves when the switch has confirmed this revision or a later one; false when it cannot by then. */
  confirmed(revision: number, timeoutMillis: number): Promise<boolean> {
    if (this.#confirmedRevision >= revision) return Promise.resolve(true)
    return this.#confirmation(reached => reached >= revision, timeoutMillis)
  }

  /** Resolves with the end of the pass that is under way; false when there is none by then. */
  passed(timeoutMillis: number): Promise<boolean> {
    return this.#confirmation(() => true, timeoutMillis)
  }

  #confirmation(isMeant: (revision: number) => boolean, timeoutMillis: number): Promise<boolean> {
    return new Promise(resolve => {
      const done = (ok: boolean) => {
        cancel()
        this.off('confirmed', onConfirmed)
        resolve(ok)
      }
      const onConfirmed = (revision: number) => {
        if (isMeant(revision)) done(true)
      }
      const cancel = this.#env.timers.after(timeoutMillis, () => done(false))
      this.on('confirmed', onConfirmed)
    })
  }

  #run(): void {
    if (this.#isRunning || this.#channel === undefined || this.#wanted === undefined) return
    this.#isRunning = true
    const channel = this.#channel
    let hasFailed = false
    this.#converge(channel)
      .catch((error: unknown) => {
        hasFailed = true
        this.#mustReadBack = true
        if (channel !== this.#channel) return
        // Nobody knows any more what it holds.
        this.#confirmedRevision = -1
        const failure = error instanceof Error ? error : new Error(String(error))
        this.#failure = failure.message
        this.emit('failed', failure)
      })
      .finally(() => {
        this.#isRunning = false
        // A pause: what failed once would fail again at once. It grows while nothing succeeds.
        const isPaused = hasFailed && this.#channel === channel
        const pauseMillis = Math.min(firstPauseMillis * 2 ** this.#failedCount, longestPauseMillis)
        if (isPaused) this.#failedCount++
        if (this.#isBehind) this.#env.timers.after(isPaused ? pauseMillis : 0, () => this.#run())
      })
  }

  /** Something was asked for after the last look, or failed. */
  get #isBehind(): boolean {
    const isOld = this.#confirmedRevision < (this.#wanted?.revision ?? -1)
    return this.#channel !== undefined && (this.#mustReadBack || isOld)
  }

  async #converge(channel: SwitchChannel): Promise<void> {
    let wish: Wish | undefined
    let isSecondReading = false
    while (wish !== this.#wanted || this.#mustReadBack) {
      if (channel !== this.#channel) return
      wish = this.#wanted!
      const wasRead = this.#mustReadBack
      if (wasRead) await this.#readBack(channel)
      if (channel !== this.#channel) return
      if (wasRead && this.#isDisplaced()) return
      const change = this.#changeTo(wish.sections)
      if (wasRead && this.#confirmedRevision >= wish.revision) this.#tellDrift(change)
      if (!isEmpty(change)) {
        // Until it is confirmed nobody knows which of the two the switch holds.
        this.#agreed = undefined
        await this.#send(channel, change, wish.sections)
      }
      if (wasRead && this.#unreadableCount > 0) {
        // What was put in its place is there when the switch tells so in words that are understood.
        if (isSecondReading)
          throw new Error(`${this.#unreadableCount} entries of ours cannot be understood`)
        isSecondReading = true
        this.#mustReadBack = true
        continue
      }
      this.#agreed = this.#withheld.size > 0 ? undefined : wish.sections
      this.#confirm(wish.revision)
      this.#failedCount = 0
    }
  }

  #isDisplaced(): boolean {
    const mark = markIn(this.#held)
    if (mark === undefined || this.#network === undefined || mark === this.#network) return false
    this.disconnect()
    this.emit('displaced', mark)
    return true
  }

  #changeTo(sections: readonly Section[]): Difference {
    if (sections === this.#agreed) return nothing
    this.#forgetRefused(sections)
    let change = this.#withoutRefused(difference(sections, this.#held, this.#agreed))
    for (const [each, refused] of this.#withheld)
      if (haveSameSections(each, sections, refused))
        change = withoutFunction(each, change, this.#held)
      else this.#withheld.delete(each)
    return change
  }

  async #readBack(channel: SwitchChannel): Promise<void> {
    this.#mustReadBack = false
    // What it refused before it may have room for now.
    this.#withheld.clear()
    this.counters.readBacks++
    const { held, foreign, unreadableCount } = await readBack(channel, isRuntimeOf(this.#functions))
    this.#unreadableCount = unreadableCount
    this.#held = held
    this.#tellForeign(foreign)
    this.foreign = foreign
    this.#agreed = undefined
    this.refusals.clear()
    this.#refusedFlows.clear()
    if (held.flows.size === 0) this.emit('empty')
  }

  /** Those that were not there at the last reading; the first few with their text. */
  #tellForeign(found: readonly ForeignFlow[]): void {
    if (found.length === 0) return
    const known = new Set(this.foreign.map(({ text }) => text))
    const added = found.filter(({ tableId, text }) => isShadow(tableId) && !known.has(text))
    const told = added.slice(0, maxForeignTold)
    for (const [index, row] of told.entries())
      this.emit('foreign', row, index === told.length - 1 ? added.length - told.length : 0)
  }

  /** What was refused and is not wanted any more says nothing of what is. */
  #forgetRefused(sections: readonly Section[]): void {
    if (this.refusals.size === 0) return
    const wanted = new Set(sections.flatMap(({ flows }) => flows.map(refusalKey)))
    for (const key of this.#refusedFlows) {
      if (wanted.has(key)) continue
      this.refusals.delete(key)
      this.#refusedFlows.delete(key)
    }
  }

  #withoutRefused(change: Difference): Difference {
    if (this.refusals.size === 0) return change
    const isNew = (flow: Flow) => !this.refusals.has(refusalKey(flow))
    return {
      ...change,
      addFlows: change.addFlows.filter(isNew),
      modifyFlows: change.modifyFlows.filter(isNew),
    }
  }

  #tellDrift(change: Difference): void {
    const missing = change.addFlows.length + change.addGroups.length + change.addMeters.length
    const excess =
      change.deleteFlows.length + change.deleteGroups.length + change.deleteMeters.length
    const changed =
      change.modifyFlows.length + change.modifyGroups.length + change.modifyMeters.length
    if (missing + excess + changed > 0) this.emit('drift', { missing, excess, changed })
  }

  async #send(
    channel: SwitchChannel,
    change: Difference,
    wanted: readonly Section[],
  ): Promise<void> {
    const first = this.#functions.flatMap(({ before }) => before?.(change, wanted) ?? [])
    await this.#each(
      channel,
      first.map(message => ({ message })),
    )
    await this.#each(channel, metersFirst(change))
    if (change.deleteFlows.length > 0) await this.#beforeRemoval(this.#cookiesOf(change))
    const done = await this.#bundle(channel, change, wanted)
    await this.#each(channel, metersLast(done))
    this.#note(done)
  }

  #cookiesOf({ deleteFlows }: Difference): ReadonlySet<bigint> {
    return new Set(deleteFlows.flatMap(({ key }) => this.#held.flows.get(key)?.cookie ?? []))
  }

  /** Outside of bundles every change has its own answer: the barrier's, or an error. */
  async #each(channel: SwitchChannel, changes: readonly Change[]): Promise<void> {
    if (changes.length === 0) return
    this.#count(changes)
    const errors = await channel.sendAll(changes.map(change => change.message))
    for (const { index, error } of errors) this.#refuse(changes[index]!, error)
  }

  /** One bad message undoes the whole bundle: tell whoever asked, and go on without it. @returns what was done */
  async #bundle(
    channel: SwitchChannel,
    change: Difference,
    wanted: readonly Section[],
  ): Promise<Difference> {
    let done = change
    let rest = bundled(done)
    while (rest.length > 0) {
      this.#count(rest)
      this.counters.bundlesSent++
      const errors = await channel.bundle(rest.map(each => each.message))
      if (errors.length === 0) return done
      const bad = errors.map(({ index, error }) => ({ change: rest[index]!, error }))
      for (const each of bad) this.#refuse(each.change, each.error)
      const gone = new Set(bad.map(each => each.change))
      const hit = this.#functions.filter(each => !this.#withheld.has(each) && hits(each, [...gone]))
      if (hit.length > 0) {
        for (const each of hit) {
          this.#withheld.set(each, wanted)
          done = withoutFunction(each, done, this.#held)
        }
        rest = bundled(this.#withoutRefused(done))
      } else rest = rest.filter(each => !gone.has(each))
    }
    return done
  }

  #count(changes: readonly Change[]): void {
    for (const { message } of changes) {
      if (message.kind === 'flow-mod') this.counters.flowModsSent++
      else if (message.kind === 'group-mod') this.counters.groupModsSent++
      else if (message.kind === 'meter-mod') this.counters.meterModsSent++
    }
  }

  #refuse(change: Change, error: string): void {
    const item = change.flow ?? change.group ?? change.meter
    const origin: Origin = item?.origin ?? { kind: 'switch', name: this.dpid }
    const request = change.flow
      ? `${change.flow.table} ${canonicalFlow(change.flow).key}: ${change.flow.because}`
      : change.message.kind
    const refusal = { origin, error, request }
    const key = change.flow ? refusalKey(change.flow) : request
    this.refusals.set(key, refusal)
    if (change.flow) this.#refusedFlows.add(key)
    this.emit('refused', refusal)
  }

  /** The switch has confirmed the change: remember that it holds it. */
  #note(change: Difference): void {
    const { flows, groups, meters } = this.#held
    for (const { key } of change.deleteFlows) flows.delete(key)
    for (const id of change.deleteGroups) groups.delete(id)
    for (const id of change.deleteMeters) meters.delete(id)
    for (const flow of [...change.addFlows, ...change.modifyFlows]) {
      if (this.refusals.size > 0 && this.refusals.has(refusalKey(flow))) continue
      // The same object at each switch that holds the row.
      const form = canonicalFlow(flow)
      flows.set(form.key, form)
    }
    for (const group of [...change.addGroups, ...change.modifyGroups])
      groups.set(group.id, canonicalGroup(group))
    for (const meter of [...change.addMeters, ...change.modifyMeters])
      meters.set(meter.id, canonicalMeter(meter))
  }
}

const nothing: Difference = difference([], emptyHolding(), [])

/** A row is refused for what it says, so a corrected one is tried again. */
const refusalKey = (flow: Flow): string => {
  const { key, body } = canonicalFlow(flow)
  return `${key} ${body}`
}
