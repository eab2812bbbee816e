/** The firewall while it runs: policies from the store to rows, and what comes back from the switches. */
import type { Dpid } from '../../../base/addresses.js'
import { ConnectionLost, type FlowStats, type Message } from '../../../openflow/index.js'
import { ports } from '../../../openflow/values.js'
import { connectionOfFields } from '../../../pipeline/connection.js'
import type { Fields } from '../../../pipeline/packet.js'
import { cookieOf, type OwnerKind, type Refusal, type Section } from '../../../pipeline/program.js'
import { zoneOf } from '../../../pipeline/zones.js'
import { hasEdge, type Topology } from '../../../topology/model.js'
import type {
  ConnectedSwitch,
  EndedRow,
  Explained,
  FunctionHost,
  Judge,
  PuntHandlers,
  RunningFunction,
  SectionsOf,
  ZoneTimeouts,
} from '../../function.js'
import type { Lack } from '../../lack.js'
import { Admission } from '../admission/admission.js'
import { Concerns } from '../flows/switch-rows.js'
import type { TimeoutBook } from '../flows/timeout-zones.js'
import { decide } from '../meaning/decide.js'
import type { ResolvedNat } from '../meaning/resolved.js'
import { rulesAnswer } from '../meaning/trace-files.js'
import { type FirewallSample, firewallSamples } from '../metrics.js'
import { published } from '../nat/resolve-nat.js'
import { firewallPunts } from '../punts.js'
import { SessionReader } from '../sessions/sessions.js'
import { connectionInWords } from '../text/packet-words.js'
import { FileTroubles } from './file-troubles.js'
import { Learning } from './learning.js'
import { holdLostStore } from './lost-store.js'
import { PolicyKeeper } from './policies.js'
import { hitEvent } from './policy-facts.js'
import { type CountingSwitch, RuleCounters } from './rule-counters.js'
import { RuleWatcher } from './rule-watcher.js'

/** Whose flows are what rules stand on. */
const owners: ReadonlySet<OwnerKind> = new Set(['policy', 'base', 'switch', 'network', 'host'])
const pollMillis = 20

/** What the store knows. */
export interface Parts {
  readonly policies: PolicyKeeper
  readonly counters: RuleCounters
  readonly learning: Learning
}

export const loadParts = async (host: FunctionHost): Promise<Parts> => ({
  policies: await PolicyKeeper.load(host, host.store),
  counters: await RuleCounters.load(host, host.store, () => host.switches().map(countingSwitch)),
  learning: await Learning.load(host, host.store),
})

export class Firewall implements RunningFunction {
  readonly host: FunctionHost
  readonly policies: PolicyKeeper
  readonly counters: RuleCounters
  readonly learning: Learning
  readonly sessions: SessionReader
  readonly files = new FileTroubles()
  readonly punts: PuntHandlers
  /** Absent where nobody gave a data folder. */
  readonly watcher: RuleWatcher | undefined
  readonly #admission: Admission
  readonly #concerns = new Concerns()
  /** As they were compiled last, for all switches. */
  #sections: readonly Section[] = []
  /** The revision in which the rules last changed; infinite while a change of theirs waits for its compile. */
  #changedRevision = 0
  #timeouts: { readonly book: TimeoutBook; readonly zones: ZoneTimeouts } | undefined
  #stopAdmission = (): void => {}

  constructor(host: FunctionHost, { policies, counters, learning }: Parts) {
    this.host = host
    this.policies = policies
    this.counters = counters
    this.learning = learning
    this.sessions = new SessionReader(host, host.openvswitch, () => host.topology.current, policies)
    const admission = new Admission(host, {
      rule: id => policies.rule(id),
      switch: dpid => host.switch(dpid),
      asItCame: (at, match, frame) => host.topology.asItCame(at, match, frame),
      tell: event => host.tell(event),
      countOnce: (ruleId, size) => counters.countOnce(ruleId, size),
    })
    this.#admission = admission
    this.punts = firewallPunts(host.topology, {
      send: (at, frame) => host.send(at, frame),
      answerOf: ruleId => policies.rule(ruleId)?.rule.answer,
      mayLog: ruleId => admission.mayLog(ruleId),
      learnt: fields => learning.note(fields),
      asked: packet => admission.ask(packet),
      opened: packet => admission.opened(packet),
      invalid: (at, frame) => host.invalid(at, frame),
      ruleHit: (reason, ruleId, at, fields) =>
        host.tell(hitEvent(reason, policies.rule(ruleId), ruleId, at, fields)),
    })
    this.watcher = host.given && new RuleWatcher(host, this, host.given)
    policies.on('changed', () => {
      this.#changedRevision = Number.POSITIVE_INFINITY
      host.changed()
    })
    policies.on('event', event => host.tell(event))
    learning.onChanged = () => policies.watch(learning.isOn)
    learning.onChanged()
  }

  /** False when everything is allowed, because nobody has said anything. */
  get isJudging(): boolean {
    return this.policies.isInForce
  }

  get judge(): Judge {
    return {
      explain: fields => this.#explain(fields),
      connection: connectionInWords,
    }
  }

  #explain(fields: Fields): Explained | undefined {
    const { resolved } = this.policies
    const connection = connectionOfFields(fields)
    if (resolved === undefined || connection === undefined) return undefined
    const { tiers, audits, within } = rulesAnswer(
      decide(resolved, published(resolved.nat ?? [], connection).connection),
    )
    return { tiers, ...(within && { within }), ...(audits.length > 0 && { audits }) }
  }

  get zoneTimeouts(): ZoneTimeouts {
    const book = this.policies.timeouts
    if (this.#timeouts?.book !== book) this.#timeouts = { book, zones: zonesOf(book) }
    return this.#timeouts.zones
  }

  nat(): readonly ResolvedNat[] {
    return this.policies.resolved?.nat ?? []
  }

  compile(topology: Topology, revision: number): SectionsOf {
    const sections = this.policies.compile(topology)
    if (sections !== this.#sections || this.#changedRevision > revision)
      this.#changedRevision = revision
    this.#sections = sections
    return this.#concerns.of(topology, sections)
  }

  connectionsUncertain(): void {
    this.policies.beginEpoch()
  }

  switchConnected(self: ConnectedSwitch): void {
    void this.#admission.connected(self)
  }

  switchClosed(dpid: Dpid): void {
    this.#admission.closed(dpid)
  }

  switchForgotten(dpid: Dpid): void {
    this.counters.forget(dpid)
  }

  switchAdopted(): void {
    this.#endLoss()
  }

  rowEnded(dpid: Dpid, row: EndedRow): void {
    this.#admission.removed(dpid, row)
  }

  /** Rows that are put anew count from nothing: what they have counted is read first. */
  beforeRowsGo(dpid: Dpid, cookies: ReadonlySet<bigint>): Promise<void> {
    return this.counters.readBefore(dpid, cookies)
  }

  refused(dpid: Dpid, refusal: Refusal): void {
    this.policies.refused(dpid, refusal)
  }

  /** Files that were given and are not in force, and rules that are wanted and not everywhere; what was asked for only just now is no reason. */
  notReady(): readonly string[] {
    const lacks = this.policies.list().length === 0 ? [] : this.lacking()
    return [
      ...this.files.given(),
      ...lacks
        .filter(({ kind }) => kind !== 'waiting')
        .map(
          lack => `the policies are not installed everywhere: switch ${lack.switch} ${lack.why}`,
        ),
    ]
  }

  samples(): Iterable<FirewallSample> {
    return firewallSamples(this.policies, this.counters)
  }

  *texts(): Generator<string> {
    for (const { source, includes } of this.policies.list()) {
      yield source
      yield* Object.values(includes ?? {})
    }
  }

  #endLoss = (): void => {}

  /** What switches get first are the rules as they are now. */
  async prepare(): Promise<void> {
    if (this.watcher === undefined || this.host.given === undefined) return
    const { watcher } = this
    await watcher.start()
    this.#endLoss = await holdLostStore(this, this.host.given, () => watcher.closeOrOpen())
  }

  start(): void {
    this.counters.start()
    this.policies.awaitConfirmation(this.host.topology.current)
    this.#stopAdmission = this.#admission.start()
  }

  async stop(): Promise<void> {
    this.#stopAdmission()
    await this.watcher?.stop()
    this.policies.stop()
    await this.counters.stop()
    await this.learning.close()
  }

  /** Switches that should have the rules as they are wanted and do not. */
  lacking(): readonly Lack[] {
    return this.host.lacking(this.#changedRevision, owners)
  }

  /** Resolves when every switch that should have the rules has them or refuses them; false when not by then. */
  async installed(timeoutMillis: number): Promise<boolean> {
    const { clock, nextRevision } = this.host
    const endMillis = clock.nowMillis() + timeoutMillis
    if (!(await this.host.confirmed(nextRevision, timeoutMillis))) return false
    return this.#by(endMillis, () => this.lacking().every(({ kind }) => kind === 'refused'))
  }

  /** Connected switches with rules that do not know the timeouts of services: not yet, or since nothing reaches their databases. */
  untimed(): { readonly pending: readonly string[]; readonly unreached: readonly string[] } {
    const { host } = this
    const switches = this.zoneTimeouts.isAny ? [...host.topology.current.switches.values()] : []
    const names = (progress: 'pending' | undefined) =>
      switches
        .filter(self => host.switch(self.dpid) !== undefined && hasEdge(self))
        .filter(({ dpid }) => host.setupOf(dpid) === progress)
        .map(({ name }) => name)
        .sort()
    return { pending: names('pending'), unreached: names(undefined) }
  }

  /** Resolves to true when the databases that are reached hold the timeouts of services. */
  timed(timeoutMillis: number): Promise<boolean> {
    const endMillis = this.host.clock.nowMillis() + timeoutMillis
    return this.#by(endMillis, () => this.untimed().pending.length === 0)
  }

  async #by(endMillis: number, isSo: () => boolean): Promise<boolean> {
    const { clock, timers } = this.host
    for (;;) {
      if (isSo()) return true
      if (clock.nowMillis() >= endMillis) return false
      await new Promise<void>(resolve => timers.after(pollMillis, resolve))
    }
  }
}

const zonesOf = ({ zones }: TimeoutBook): ZoneTimeouts => ({
  isAny: zones.length > 0,
  of: switchIndex =>
    zones.flatMap(({ seconds, slots }) =>
      Object.values(slots).map(slot => ({ zone: zoneOf(switchIndex, slot), seconds })),
    ),
})

const ruleRows: Message = {
  kind: 'flow-stats-request',
  tableId: 0xff,
  outPort: ports.any,
  outGroup: ports.any,
  cookie: cookieOf('policy', 0),
  cookieMask: 0xffff_ffff_0000_0000n,
  match: {},
}

const rowsWithCookie = (cookie: bigint): Message => ({
  ...ruleRows,
  cookie,
  cookieMask: 0xffff_ffff_ffff_ffffn,
})

/** A switch that is asked for the rows of rules, with their counters. */
const countingSwitch = ({ dpid, request }: ConnectedSwitch): CountingSwitch => ({
  dpid,
  ruleFlows: async cookies => {
    const asked: readonly Message[] = cookies?.map(rowsWithCookie) ?? [ruleRows]
    try {
      const replies = await Promise.all(asked.map(request))
      return replies.flatMap((reply): readonly FlowStats[] =>
        reply.kind === 'flow-stats-reply' ? reply.entries : [],
      )
    } catch (error) {
      if (error instanceof ConnectionLost) return undefined
      throw error
    }
  },
})
