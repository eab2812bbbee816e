/**
 * The controller: switches and topology below, network functions above, programs between them.
 *
 *     switches ── events ──> topology ──┐
 *                                       ├──> compile ──> programs ──> programmers ──> switches
 *     store ── wishes ──> functions ────┘
 *
 * Data flows one way. Everything that changes asks for a compile; compiles of one turn of the loop are one.
 */
import { EventEmitter } from 'node:events'
import type { Dpid } from '../base/addresses.js'
import type { Env } from '../base/env/env.js'
import { Failure } from '../base/failures.js'
import type { Store } from '../base/store.js'
import { wordsOf } from '../base/system-errors.js'
import { inTurns } from '../base/turns.js'
import type {
  DeclaredObject,
  FunctionHost,
  Given,
  NetworkFunction,
  ObjectState,
  RunningFunction,
  View,
} from '../nfv/function.js'
import { isRuntimeOf } from '../nfv/function.js'
import { functions } from '../nfv/functions.js'
import type { Lack } from '../nfv/lack.js'
import { lackState } from '../nfv/lack.js'
import type { SwitchConnection } from '../openflow/index.js'
import { LocalDaemons } from '../ovsdb/local-daemons.js'
import type { Flow, OwnerKind, Section } from '../pipeline/program.js'
import { tableName } from '../pipeline/tables.js'
import { zonesOf } from '../pipeline/zones.js'
import { createForwarding, floodGroup } from '../topology/forwarding/compile.js'
import type { PortRef, Topology } from '../topology/model.js'
import { switchesNamed } from '../topology/names.js'
import { type TopologyOptions, TopologyService } from '../topology/topology.js'
import { Journal } from './journal.js'
import { lacking } from './program/lacking.js'
import {
  formatNetworkId,
  type NetworkId,
  objection,
  ownerSection,
  readOwner,
} from './program/owner.js'
import { Programmer } from './program/programmer.js'
import { Programs, sameWhereUnchanged, untracked } from './program/programs.js'
import { ChecksumOffload, offloadText } from './southbound/checksum-offload.js'
import { HostPunts } from './southbound/host-punts.js'
import { PuntLimit, type PuntLimits, puntLimits } from './southbound/punt-limit.js'
import { Punts } from './southbound/punts.js'
import { type AttachedSwitch, attach } from './southbound/switches.js'
import { FactWriter, loadFacts } from './store/facts.js'

export interface ControllerOptions {
  /** Signs discovery frames. */
  readonly secret: Uint8Array
  /** Paces and guards of discovery and hosts; usually the defaults. */
  readonly topology?: TopologyOptions
  /** Grows with every start; the switches refuse a master with a lower one. */
  readonly generationId: bigint
  /** Where daemons of Open vSwitch on this machine are found. */
  readonly openvswitch?: readonly string[]
  /** What the operator said at the start; absent where nobody did. */
  readonly given?: Given
  /** Usually the defaults. */
  readonly punts?: Partial<PuntLimits>
  /** Takes switches that hold rows of another store, or of one that is lost, without being told for each. */
  readonly adopts?: boolean
  /** Hands over what people have declared, before the first compile: rules may name it, and nothing is to change by a restart. */
  readonly declare?: (controller: Controller) => void
  /** Usually all there are. */
  readonly functions?: readonly NetworkFunction[]
  /** Whether what only its database can set has been set at a switch; undefined when that is not reached. */
  readonly setupOf?: (dpid: Dpid) => 'right' | 'pending' | undefined
}

/** How often every switch is read back and compared. */
const driftPeriodMillis = 30_000
/** Compiles that take less are made at once. */
const quickMillis = 5
/** How long a link waits to join the broadcast tree for switches to confirm that others have left it. */
const treeTimeoutMillis = 2_000
const failedPauseMillis = 1_000
/** How long a packet waits for switches to learn its sender. */
const programmedTimeoutMillis = 500

const networkKey = '/meta/network'

/** The network id of a store, made when there is none. */
const networkOf = async (env: Env, store: Store): Promise<NetworkId> => {
  const found = (await store.get(networkKey))?.value
  if (typeof found === 'string') return Number.parseInt(found, 16)
  const made = env.random.uint32()
  await store.txn({ if: [], then: [{ op: 'put', key: networkKey, value: formatNetworkId(made) }] })
  return made
}

const objectOwners: ReadonlySet<OwnerKind> = new Set([
  'base',
  'switch',
  'network',
  'host',
  'function',
])

interface ControllerEvents {
  /** Programs were compiled anew. */
  compiled: [revision: number]
}

/** A switch that holds rows of another store: it is connected, and nothing of it is changed. */
export interface Stranger {
  readonly attached: AttachedSwitch
  readonly reason: string
}

/** So long after a take-over another one may be of the same moment; so often it is looked again, each after a while. */
const raceMillis = 10_000
const raceTries = 4
const raceLookMillis = 500

export class Controller extends EventEmitter<ControllerEvents> {
  readonly store: Store
  readonly journal: Journal
  readonly topology: TopologyService
  readonly localDaemons: LocalDaemons
  readonly checksumOffload: ChecksumOffload
  readonly #env: Env
  readonly #options: ControllerOptions
  readonly #attached = new Map<Dpid, AttachedSwitch>()
  /** Those that have confirmed a program since they are here. */
  readonly #ready = new Set<Dpid>()
  readonly #programmers = new Map<Dpid, Programmer>()
  /** When each connection was taken over, and how often it was taken again since. */
  readonly #races = new WeakMap<
    AttachedSwitch,
    { readonly sinceMillis: number; readonly tries: number }
  >()
  readonly #strangers = new Map<Dpid, Stranger>()
  /** Switches whose rows of another store are ours to replace, until they hold our own. */
  readonly #adopted = new Set<Dpid>()
  readonly #network: NetworkId
  readonly #forwarding = createForwarding()
  /** Sections by switch, as they were compiled last. */
  readonly #forwardingNow = new Map<Dpid, readonly Section[]>()
  #punts = new Punts([])
  /** The functions that it was built with. */
  readonly list: readonly NetworkFunction[]
  readonly #isRuntime: (cookie: bigint) => boolean
  #functions: readonly {
    readonly of: NetworkFunction
    readonly running: RunningFunction
  }[] = []
  /** By kind: the revision that holds all objects of it. */
  readonly #declaredRevisions = new Map<string, number>()
  readonly #facts: FactWriter
  readonly #stops: (() => void)[] = []
  #programs: ReadonlyMap<Dpid, readonly Section[]> = new Map()
  #revision = 0
  /** Changes that asked for a compile so far: the revision gets there. */
  #asked = 0
  #compiling: Promise<void> | undefined
  /** Packets that wait for what the next compile brings to the switches. */
  #waitingSoon: Promise<void> | undefined
  #isStarted = false
  #isStopped = false
  #compileTrouble: string | undefined
  #lastCompile = { endMillis: 0, tookMillis: 0 }
  /** Those that have held a program of ours, in this life or an earlier one. */
  readonly #served = new Set<Dpid>()
  /** What switches know of connections is out of date: the next compile begins an epoch. */
  #isEpochOver = false
  readonly #programsOf: Programs

  private constructor(env: Env, store: Store, options: ControllerOptions, network: NetworkId) {
    super()
    this.store = store
    this.#network = network
    this.list = options.functions ?? functions
    this.#programsOf = new Programs([
      ownerSection(network),
      ...(this.list.some(({ tracks }) => tracks) ? [] : [untracked]),
    ])
    this.#isRuntime = isRuntimeOf(this.list)
    this.setMaxListeners(0)
    this.#env = env
    this.#options = options
    this.journal = new Journal(env.clock, env.log, Number(options.generationId))
    this.topology = new TopologyService(
      env,
      options.secret,
      {
        flood: (dpid, network, frame, exceptPort) =>
          this.#attached
            .get(dpid)
            ?.act([{ kind: 'group', group: floodGroup(network) }], frame, exceptPort),
        send: (dpid, frames) => {
          for (const { port, frame } of frames) this.#send({ dpid, port }, frame)
        },
        sendConfirmed: (dpid, frames) =>
          this.#attached.get(dpid)?.sendConfirmed(frames) ??
          Promise.reject(new Error('not connected')),
        programmed: () =>
          this.programmed(this.nextRevision, treeTimeoutMillis).then(() => undefined),
        confirmed: dpid => this.#confirmedBy(dpid),
        hostPackets: dpid =>
          this.#attached.get(dpid)?.hostPackets() ?? Promise.reject(new Error('not connected')),
        sentBytes: dpid =>
          this.#attached.get(dpid)?.sentBytes() ?? Promise.reject(new Error('not connected')),
      },
      options.topology,
    )
    this.localDaemons = new LocalDaemons(env, options.openvswitch ?? [])
    this.checksumOffload = new ChecksumOffload(env.clock, (at, mac) =>
      this.journal.add({
        kind: 'checksum-offload',
        ...at,
        mac,
        reason: offloadText(
          mac,
          `${this.topology.current.switches.get(at.dpid)?.name ?? at.dpid}:${at.port}`,
        ),
      }),
    )
    this.#facts = new FactWriter(store, env.log, this.topology.current)
  }

  /** Takes over what the store knows; nothing is sent before the first switch connects. */
  static async create(env: Env, store: Store, options: ControllerOptions): Promise<Controller> {
    const controller = new Controller(env, store, options, await networkOf(env, store))
    await controller.#createFunctions()
    const facts = await loadFacts(store)
    for (const { dpid } of facts.switches) controller.#served.add(dpid)
    controller.topology.restore(facts)
    controller.#listen()
    options.declare?.(controller)
    controller.#compile(controller.topology.step(), controller.#asked)
    return controller
  }

  /** One after the other: what they load from the store is there when the first compile begins. */
  async #createFunctions(): Promise<void> {
    for (const each of this.list) {
      const running = await each.create?.(this.#functionHost())
      if (running) this.#functions = [...this.#functions, { of: each, running }]
    }
    const hosts = new HostPunts(this.#env.clock, this.topology, {
      reinject: (at, frame) => this.#attached.get(at.dpid)?.reinject(at.port, frame),
      programmed: () => this.#programmedSoon(),
    })
    this.#punts = new Punts([hosts.handlers, ...this.functions.flatMap(({ punts }) => punts ?? [])])
  }

  /** Why nothing is sent to switches at all, a sentence each; none when all is well. */
  get troubles(): readonly string[] {
    return [
      ...(this.#isStarted ? [] : ['the controller is starting: no switch is let in yet']),
      ...(this.#compileTrouble === undefined
        ? []
        : [
            `what is wanted now cannot be compiled, and switches keep what they hold: ${this.#compileTrouble}`,
          ]),
    ]
  }

  /** The network functions, as they run. */
  get functions(): readonly RunningFunction[] {
    return this.#functions.map(({ running }) => running)
  }

  /** A function by its name; undefined when the controller was built without it. */
  running(name: string): RunningFunction | undefined {
    return this.#functions.find(({ of }) => of.name === name)?.running
  }

  /** Waited for before the first switch is let in. */
  async prepare(): Promise<void> {
    for (const running of this.functions) await running.prepare?.()
  }

  get puntCounts(): Punts['counts'] {
    return this.#punts.counts
  }

  get programs(): ReadonlyMap<Dpid, readonly Section[]> {
    return this.#programs
  }

  get revision(): number {
    return this.#revision
  }

  /** The revision that will hold what is known now. */
  get nextRevision(): number {
    return this.#asked
  }

  /** Switches that should have what was known at a revision, rules aside, and do not. */
  lackingObjects(revision: number): readonly Lack[] {
    return this.#lacking(revision, objectOwners)
  }

  #lacking(revision: number, owners: ReadonlySet<OwnerKind>): readonly Lack[] {
    return lacking(
      {
        topology: this.topology.current,
        clock: this.#env.clock,
        attachment: ({ dpid }) => {
          const role = this.#attached.get(dpid)?.connection.role
          return {
            role: role === undefined ? 'none' : role === 'master' ? 'master' : 'other',
            isStranger: this.#strangers.has(dpid),
          }
        },
        programmer: ({ dpid }) => this.#programmers.get(dpid),
      },
      revision,
      owners,
    )
  }

  /** True when a switch has confirmed all that is known now. */
  isConfirmed(dpid: Dpid): boolean {
    return (this.#programmers.get(dpid)?.confirmedRevision ?? -1) >= this.nextRevision
  }

  programmer(dpid: Dpid): Programmer | undefined {
    return this.#programmers.get(dpid)
  }

  /** What a switch refused of an object, if any did. */
  refusalOf(kind: OwnerKind, name: string): string | undefined {
    for (const [dpid, { refusals }] of this.#programmers)
      for (const { origin, error, request } of refusals.values())
        if (origin.kind === kind && origin.name === name) return `${dpid}: ${error} (${request})`
    return undefined
  }

  attached(dpid: Dpid): AttachedSwitch | undefined {
    return this.#attached.get(dpid)
  }

  /** What network functions show. */
  get views(): readonly View[] {
    return this.functions.flatMap(({ views }) => views ?? [])
  }

  /** Hands all objects of a kind to the function that brings it, and to those that read it. */
  declare(kind: string, objects: readonly DeclaredObject[]): void {
    for (const { running } of this.#concernedBy(kind)) running.declare?.(kind, objects)
    this.#declaredRevisions.set(kind, this.nextRevision)
  }

  /** What is true of an object of a function: `installed` when every switch that should have it has confirmed it. */
  stateOf(kind: string, name: string): ObjectState | ReturnType<typeof lackState> {
    const states = this.#concernedBy(kind).flatMap(
      ({ running }) => running.state?.(kind, name) ?? [],
    )
    const state = states.find(each => each.state !== 'installed') ?? states[0]
    if (state?.state !== 'installed') return state
    const lacks = this.lackingObjects(this.#declaredRevisions.get(kind) ?? 0)
    return lackState(lacks, this.topology.current.switches.size) ?? state
  }

  #concernedBy(kind: string) {
    return this.#functions.filter(
      ({ of }) => of.kinds?.some(each => each.kind === kind) || of.reads?.includes(kind),
    )
  }

  #functionHost(): FunctionHost {
    const controller = this
    return {
      ...this.#env,
      store: this.store,
      topology: this.topology,
      ...(this.#options.given && { given: this.#options.given }),
      openvswitch: this.#options.openvswitch ?? [],
      get nextRevision() {
        return controller.nextRevision
      },
      switch: dpid => this.#attached.get(dpid as Dpid),
      switches: () => [...this.#attached.values()],
      changed: () => this.schedule(),
      tell: event => this.journal.add(event),
      send: (at, frame) => this.#send(at, frame),
      reinject: (at, frame) => this.#attached.get(at.dpid)?.reinject(at.port, frame),
      invalid: (at, frame) => this.checksumOffload.look(at, frame),
      programmed: () => this.#programmedSoon(),
      confirmed: (revision, timeoutMillis, dpid) =>
        dpid === undefined
          ? this.programmed(revision, timeoutMillis)
          : this.#tookAll(dpid, revision, timeoutMillis),
      lacking: (revision, owners) => this.#lacking(revision, owners),
      setupOf: dpid => this.#options.setupOf?.(dpid),
      nat: () => this.#functions.flatMap(({ running }) => running.nat?.() ?? []),
    }
  }

  /** Whether a switch has confirmed a revision by then and refused nothing. */
  async #tookAll(dpid: Dpid, revision: number, timeoutMillis: number): Promise<boolean> {
    const programmer = this.#programmers.get(dpid)
    if (programmer === undefined) return false
    return (await programmer.confirmed(revision, timeoutMillis)) && programmer.refusals.size === 0
  }

  start(): void {
    this.#isStarted = true
    this.topology.start()
    for (const running of this.functions) running.start?.()
    this.#stops.push(
      inTurns(
        this.#env.timers,
        driftPeriodMillis,
        () => this.#programmers.values(),
        programmer => programmer.check(),
      ),
    )
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.topology.stop()
    for (const stop of this.#stops) stop()
    for (const running of this.functions) await running.stop?.()
    await this.#compiling
    await this.#facts.write(this.topology.current)
  }

  /** A switch has connected and said what it is. */
  async switchConnected(connection: SwitchConnection): Promise<void> {
    const { dpid } = connection
    const programmer = this.#programmers.get(dpid) ?? this.#newProgrammer(dpid)
    const limit = new PuntLimit(
      this.#env.clock,
      { ...puntLimits, ...this.#options.punts },
      dropped => this.journal.add({ kind: 'packets-limited', dpid, dropped }),
    )
    const attached = attach(connection, {
      packetIn: packet => this.#punts.receive(dpid, packet, limit),
      portChanged: report => this.topology.portChanged(dpid, report),
      portRemoved: number => this.topology.portRemoved(dpid, number),
      flowsTouched: rows => programmer.touched(rows),
      rowRemoved: row => {
        if (!this.#isRuntime(row.cookie)) programmer.touched([row])
        else for (const running of this.functions) running.rowEnded?.(dpid, row)
      },
      closed: reason => this.#switchClosed(dpid, attached, reason),
    })
    // A slave may look; nobody is displaced before it is known whose rows these are.
    const objected = await this.#objectionTo(attached)
    if (connection.isClosed) return
    if (objected !== undefined) return this.#refuse(attached, objected)
    await this.#takeOver(attached)
  }

  /** Switches that are connected and left alone, since their rows are of another store. */
  get strangers(): ReadonlyMap<Dpid, Stranger> {
    return this.#strangers
  }

  /**
   * Takes a switch with the rows that it holds: what this store wants replaces them.
   *
   * @throws {Failure} `no-such-switch` when no switch of that name or dpid waits to be adopted
   */
  async adopt(name: string): Promise<void> {
    const found = [...this.#strangers.values()].find(
      ({ attached }) => attached.dpid === name || attached.name === name,
    )
    if (found === undefined) throw new Failure('not-to-be-adopted', { name })
    const { attached, reason } = found
    this.#strangers.delete(attached.dpid)
    this.journal.add({ kind: 'switch-adopted', dpid: attached.dpid, reason })
    this.#adopted.add(attached.dpid)
    for (const running of this.functions) running.switchAdopted?.()
    await this.#takeOver(attached)
  }

  async #objectionTo(attached: AttachedSwitch): Promise<string | undefined> {
    if (this.#options.adopts || this.#adopted.has(attached.dpid)) return undefined
    const isKnown = this.topology.current.switches.has(attached.dpid)
    return objection(await readOwner(attached), this.#network, isKnown)
  }

  #refuse(attached: AttachedSwitch, reason: string): void {
    const { dpid, name } = attached
    this.#strangers.set(dpid, { attached, reason })
    this.journal.add({ kind: 'switch-not-adopted', dpid, name, reason })
  }

  async #takeOver(attached: AttachedSwitch): Promise<void> {
    const { connection, dpid } = attached
    const programmer = this.#programmers.get(dpid) ?? this.#newProgrammer(dpid)
    this.#attached.set(dpid, attached)
    // Before it is asked for: it may be lost again in the same moment.
    if (!this.#races.has(attached))
      connection.on('role-status', ({ role }) => this.#roleChanged(dpid, attached, role))
    this.#races.set(attached, { sinceMillis: this.#env.clock.nowMillis(), tries: 0 })
    this.#ready.delete(dpid)
    const generation = await connection.becomeMaster(this.#options.generationId)
    if (generation !== this.#options.generationId)
      this.journal.add({ kind: 'generation-raised', dpid, generation: String(generation) })
    const isWatched = await attached.watchFlows()
    if (!isWatched) this.#env.log.debug({ dpid }, 'the switch has no flow monitors')
    if (this.#attached.get(dpid) !== attached) return
    if (this.topology.switchConnected(dpid, attached.name, attached.reports())) {
      // Zones come from the index: what a switch that had it before has left there is not for this one.
      const { index } = this.topology.current.switches.get(dpid)!
      for (const zone of zonesOf(index)) connection.send({ kind: 'ct-flush-zone', zone })
    }
    this.#tellNamesake(dpid, attached.name)
    if (connection.role === 'master') programmer.connect(attached, this.#networkFor(dpid))
    for (const running of this.functions) running.switchConnected?.(attached)
  }

  /** A name that several switches have means one of them in rules, which may not be the one that just came. */
  #tellNamesake(dpid: Dpid, name: string): void {
    const [meant] = switchesNamed(this.topology.current, name)
    if (meant === undefined || meant.dpid === dpid) return
    this.journal.add({
      kind: 'name-ambiguous',
      name,
      dpid,
      means: meant.dpid,
      reason: `rules that say ${name}:PORT mean switch ${meant.dpid}; write ${dpid}:PORT for this one, or "sluice delete switch ${meant.dpid}" when that one is gone`,
    })
  }

  /** Resolves to true when every connected switch has confirmed the revision. */
  async programmed(revision: number, timeoutMillis: number): Promise<boolean> {
    const connected = [...this.#programmers.values()].filter(each => this.#attached.has(each.dpid))
    const all = await Promise.all(connected.map(each => each.confirmed(revision, timeoutMillis)))
    return all.every(Boolean)
  }

  /** Who asks before the next compile begins waits for the same revision, so all of them wait as one. */
  #programmedSoon(): Promise<void> {
    if (this.#waitingSoon) return this.#waitingSoon
    const waiting = this.programmed(this.nextRevision, programmedTimeoutMillis).then(() => {
      if (this.#waitingSoon === waiting) this.#waitingSoon = undefined
    })
    this.#waitingSoon = waiting
    return waiting
  }

  /** Where each row of a switch came from, by table, priority and match. */
  flowsOf(dpid: Dpid): readonly Flow[] {
    return (this.#programs.get(dpid) ?? []).flatMap(section => section.flows)
  }

  /** Asks for a compile at the end of this turn; the revision that holds what is known now is `nextRevision`. */
  schedule(): void {
    this.#asked++
    this.#compiling ??= this.#compileAll().finally(() => {
      this.#compiling = undefined
    })
  }

  #listen(): void {
    this.topology.on('changed', () => {
      this.schedule()
      for (const running of this.functions) running.networkChanged?.()
    })
    this.topology.on('event', event => {
      this.journal.add(event)
      if (event.kind !== 'switch-forgotten') return
      for (const running of this.functions) running.switchForgotten?.(event.dpid)
      this.#served.delete(event.dpid)
    })
    this.topology.on('moved', () => {
      this.#isEpochOver = true
    })
  }

  /** Until nothing more is asked for: what was learnt goes to disk, then into programs, then to the switches. */
  async #compileAll(): Promise<void> {
    while (this.#revision < this.#asked && !this.#isStopped) {
      await this.#pace()
      const target = this.#asked
      this.#waitingSoon = undefined
      const topology = this.topology.step()
      await this.#facts.write(topology)
      try {
        this.#compile(topology, target)
        this.#compileTrouble = undefined
      } catch (error) {
        this.#compileTrouble = wordsOf(error)
        this.#env.log.error({ err: error }, 'a compile failed; the switches keep what they hold')
        await new Promise<void>(resolve => this.#env.timers.after(failedPauseMillis, resolve))
      }
    }
  }

  /** At the end of the turn; while a storm of changes goes on, no more than a third of the time goes into compiling. */
  #pace(): Promise<void> {
    const { endMillis, tookMillis } = this.#lastCompile
    const wait = endMillis + 2 * tookMillis - this.#env.clock.nowMillis()
    return new Promise(resolve => {
      if (tookMillis > quickMillis && wait > 0) this.#env.timers.after(wait, resolve)
      else this.#env.timers.soon(resolve)
    })
  }

  #compile(topology: Topology, target: number): void {
    const beganMillis = this.#env.clock.nowMillis()
    if (this.#isEpochOver) for (const running of this.functions) running.connectionsUncertain?.()
    this.#isEpochOver = false
    const sectionsOf = this.functions.map(running => running.compile(topology, target))
    const isJudged = this.functions.some(running => running.isJudging)
    const programs = this.#programsOf.of(
      topology,
      sameWhereUnchanged(this.#forwardingNow, this.#forwarding.compile(topology, isJudged)),
      sectionsOf,
    )
    this.#revision = target
    this.#programs = programs
    for (const dpid of this.#programmers.keys())
      if (!programs.has(dpid) && !this.#attached.has(dpid)) this.#programmers.delete(dpid)
    for (const [dpid, sections] of programs) {
      const programmer = this.#programmers.get(dpid) ?? this.#newProgrammer(dpid)
      programmer.want(sections, this.#revision)
    }
    const endMillis = this.#env.clock.nowMillis()
    this.#lastCompile = { endMillis, tookMillis: endMillis - beganMillis }
    this.emit('compiled', this.#revision)
  }

  #newProgrammer(dpid: Dpid): Programmer {
    const programmer = new Programmer(this.#env, dpid, this.list, async cookies => {
      await Promise.all(this.functions.map(running => running.beforeRowsGo?.(dpid, cookies)))
    })
    programmer.setMaxListeners(0)
    this.#programmers.set(dpid, programmer)
    programmer.on('confirmed', () => this.#confirmed(dpid))
    programmer.on('refused', refusal => {
      this.journal.add({ kind: 'flow-refused', dpid, ...refusal })
      for (const running of this.functions) running.refused?.(dpid, refusal)
    })
    programmer.on('drift', counts => this.journal.add({ kind: 'drift-repaired', dpid, ...counts }))
    programmer.on('foreign', ({ tableId, text }, more) =>
      this.journal.add({
        kind: 'foreign-flow',
        dpid,
        table: tableName(tableId),
        text,
        reason:
          'a row of somebody else is in a table of ours: packets that it matches may pass by the rules',
        ...(more > 0 && { more }),
      }),
    )
    programmer.on('displaced', network => this.#displaced(dpid, network))
    programmer.on('empty', () => {
      if (!this.#served.has(dpid)) return
      this.#isEpochOver = true
      this.schedule()
    })
    programmer.on('failed', error =>
      this.#env.log.warn({ dpid, err: error }, 'programming failed, will be tried again'),
    )
    return programmer
  }

  async #confirmedBy(dpid: Dpid): Promise<boolean> {
    const programmer = this.#programmers.get(dpid) ?? this.#newProgrammer(dpid)
    return programmer.confirmed(this.nextRevision, treeTimeoutMillis)
  }

  #confirmed(dpid: Dpid): void {
    this.#served.add(dpid)
    this.#adopted.delete(dpid)
    if (this.#ready.has(dpid) || !this.#attached.has(dpid)) return
    this.#ready.add(dpid)
    this.topology.switchReady(dpid)
  }

  /**
   * Another controller took the switch: it would refuse what we send, so nothing is sent until it connects anew. But two
   * that find a switch without rows in the same moment both take it, and whoever reads the mark of the other steps back:
   * so soon after a take-over it is looked whose the switch is now.
   */
  #roleChanged(dpid: Dpid, attached: AttachedSwitch, role: string): void {
    if (this.#attached.get(dpid) !== attached || role === 'master') return
    this.#programmers.get(dpid)?.disconnect()
    this.journal.add({
      kind: 'mastership-lost',
      dpid,
      role,
      reason: 'another controller made itself master of this switch',
    })
    const { clock, timers, random } = this.#env
    const race = this.#races.get(attached) ?? { sinceMillis: clock.nowMillis(), tries: 0 }
    const isOver = clock.nowMillis() - race.sinceMillis > raceMillis || race.tries >= raceTries
    if (isOver) return
    this.#races.set(attached, { ...race, tries: race.tries + 1 })
    timers.after(raceLookMillis + (random.uint32() % raceLookMillis), () => {
      this.#takeAgain(attached).catch((error: unknown) =>
        this.#env.log.warn({ dpid, err: error }, 'whose the switch is cannot be read'),
      )
    })
  }

  /** Whose rows it holds says who goes on; where it holds none yet, whoever asks next. */
  async #takeAgain(attached: AttachedSwitch): Promise<void> {
    const { connection, dpid } = attached
    const isHeld = () => this.#attached.get(dpid) === attached && !connection.isClosed
    const isMaster = () => connection.role === 'master'
    if (!isHeld() || isMaster()) return
    const reason = await this.#objectionTo(attached)
    if (!isHeld()) return
    if (reason !== undefined) return this.#giveBack(attached, reason)
    await connection.becomeMaster(this.#options.generationId)
    if (!isHeld()) return
    if (isMaster()) this.#programmers.get(dpid)?.connect(attached, this.#networkFor(dpid))
  }

  /** Whose mark the switch may carry; undefined: anybody's. */
  #networkFor(dpid: Dpid): NetworkId | undefined {
    return this.#options.adopts === true || this.#adopted.has(dpid) ? undefined : this.#network
  }

  /** Another store has programmed the switch since we took it: its rows stay, and the switch is given back. */
  #displaced(dpid: Dpid, network: NetworkId): void {
    const attached = this.#attached.get(dpid)
    if (attached !== undefined)
      this.#giveBack(attached, objection({ kind: 'network', network }, this.#network, true)!)
  }

  #giveBack(attached: AttachedSwitch, reason: string): void {
    const { dpid } = attached
    this.#programmers.get(dpid)?.disconnect()
    this.#attached.delete(dpid)
    this.#ready.delete(dpid)
    for (const running of this.functions) running.switchClosed?.(dpid)
    this.topology.switchDisconnected(dpid, reason)
    attached.connection.becomeSlave()
    this.#refuse(attached, reason)
  }

  #switchClosed(dpid: Dpid, attached: AttachedSwitch, reason: string): void {
    if (this.#strangers.get(dpid)?.attached === attached) this.#strangers.delete(dpid)
    if (this.#attached.get(dpid) !== attached) return
    this.#attached.delete(dpid)
    this.#ready.delete(dpid)
    for (const running of this.functions) running.switchClosed?.(dpid)
    this.#programmers.get(dpid)?.disconnect()
    this.topology.switchDisconnected(dpid, reason)
  }

  #send(at: PortRef, frame: Uint8Array): void {
    this.#attached.get(at.dpid)?.send(at.port, frame)
  }
}
