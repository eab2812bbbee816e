/**
 * One declared switch, brought to what is declared and held there: whatever changes in its database, ours or
 * behind our back, asks for a pass; a pass that finds no difference sends nothing.
 */
import { EventEmitter } from 'node:events'
import type { Dpid } from '../../base/addresses.js'
import type { Cancel, Env } from '../../base/env/env.js'
import type { OvsdbClient } from '../../ovsdb/client.js'
import { ColumnError } from '../../ovsdb/datum.js'
import { DatabaseLink } from '../../ovsdb/link.js'
import { type Operation, OvsdbError, ProtocolError } from '../../ovsdb/protocol.js'
import type { Replica } from '../../ovsdb/replica.js'
import type { StoredObject } from '../objects/objects.js'
import { difference } from './difference.js'
import type { Objection } from './row-writer.js'
import type { SwitchSpec } from './spec.js'
import { type PartStatus, partsOf, type SwitchStatus, summary } from './status.js'
import { database, lockNameOf, watched } from './tables.js'
import { bridgesOf, withTimeouts, type ZonesOf } from './zone-timeouts.js'

export interface SessionEvents {
  changed: []
  /** The object is leaving, and what was made for it is gone. */
  'torn-down': []
  /** Something was put right that had been right before. */
  repaired: [operations: number]
}

/** A pass that fails, or that a stranger undoes at once, is repeated ever more slowly. */
const firstPauseMillis = 20
const mostPauseMillis = 5_000
/** As long as nothing was sent for so long, the next change is answered at once. */
const calmMillis = 2_000
const configureTimeoutMillis = 10_000
/** ovs-vswitchd makes one end of a patch before the other, and tries again only when it is asked to. */
const nudgeMillis = [250, 500, 1_000, 2_000, 4_000] as const

type Object = StoredObject<SwitchSpec>

export class SwitchSession extends EventEmitter<SessionEvents> {
  readonly link: DatabaseLink
  readonly #env: Env
  #object: Object
  readonly #zonesOf: ZonesOf
  #objections: readonly Objection[] = []
  #parts: readonly PartStatus[] = []
  #failure: string | undefined
  #reached: string | undefined
  #wasRight = false
  #installedRevision: number | undefined
  #operationsSent = 0
  #version: string | undefined
  /** next_cfg of our last transaction, until ovs-vswitchd has carried it out. */
  #awaited: { readonly cfg: number | bigint; readonly sinceMillis: number } | undefined
  #isRunning = false
  #isAskedAgain = false
  #sentMillis = Number.NEGATIVE_INFINITY
  #pauseMillis = firstPauseMillis
  #cancelPass: Cancel | undefined
  #cancelLater: Cancel | undefined
  #cancelNudge: Cancel | undefined
  #trouble: string | undefined
  #nudgeCount = 0
  #isStopped = false

  constructor(
    env: Env,
    object: Object,
    connect: (() => Promise<OvsdbClient>) | undefined,
    zonesOf: ZonesOf,
  ) {
    super()
    this.#env = env
    this.#object = object
    this.#zonesOf = zonesOf
    this.link = new DatabaseLink(env, {
      database,
      watched,
      lock: lockNameOf(object.name),
      ...(connect && { connect }),
    })
    this.link.on('live', () => this.#ask())
    this.link.on('changed', () => this.#ask())
    this.link.on('lock-changed', () => this.#ask())
    this.link.on('lost', () => this.emit('changed'))
  }

  get object(): Object {
    return this.#object
  }

  start(): void {
    this.link.start()
  }

  stop(): void {
    this.#isStopped = true
    this.#cancelPass?.()
    this.#cancelLater?.()
    this.#cancelNudge?.()
    this.link.stop()
  }

  /** The object says something else now. */
  want(object: Object): void {
    this.#object = object
    this.#wasRight = false
    this.#nudgeCount = 0
    this.#pauseMillis = firstPauseMillis
    this.#ask()
    this.emit('changed')
  }

  /** Services have other timeouts now. */
  zonesChanged(): void {
    this.#wasRight = false
    this.#ask()
  }

  /** How far a bridge with this id is; undefined when it is not here, or not for us to set. */
  progressOf(dpid: Dpid): 'right' | 'pending' | undefined {
    const { replica, isLive, hasLock } = this.link
    const isOurs = isLive && hasLock && replica !== undefined && this.#failure === undefined
    if (!isOurs || !bridgesOf(replica).some(bridge => bridge.dpid === dpid)) return undefined
    return this.#wasRight ? 'right' : 'pending'
  }

  /** Why the switch cannot call us, when it cannot. */
  setTrouble(reason: string | undefined): void {
    this.#trouble = reason
    this.emit('changed')
  }

  get status(): SwitchStatus {
    return {
      ...this.#stateNow(),
      isConnected: this.link.isLive,
      ...(this.#version !== undefined && { version: this.#version }),
      ...(this.#installedRevision !== undefined && { installedRevision: this.#installedRevision }),
      parts: this.#parts,
      operationsSent: this.#operationsSent,
    }
  }

  #stateNow(): Pick<SwitchStatus, 'state' | 'reason'> {
    if (!this.link.isLive) {
      const { state } = this.link
      const reason = this.#trouble ?? (state.phase === 'waiting' ? state.reason : undefined)
      const why = reason === undefined ? '' : `: ${reason}`
      const isKnown = this.#installedRevision === this.#object.revision
      return {
        state: isKnown ? 'degraded' : 'pending',
        reason: `the database ${this.#object.spec.ovsdb.address} is not connected${why}`,
      }
    }
    if (this.#failure !== undefined) return { state: 'failed', reason: this.#failure }
    if (!this.link.hasLock)
      return { state: 'pending', reason: 'another controller sets this switch up' }
    if (this.#object.isLeaving)
      return { state: 'pending', reason: this.#reached ?? 'what was made for it is taken down' }
    if (this.#awaited || this.#installedRevision !== this.#object.revision)
      return { state: 'pending', reason: this.#reached ?? 'ovs-vswitchd is carrying it out' }
    return summary(this.#parts)
  }

  /** A pass in this turn of the loop, or after a pause when the last one was just now. */
  #ask(): void {
    if (this.#isStopped || this.#cancelPass) return
    if (this.#isRunning) {
      this.#isAskedAgain = true
      return
    }
    const nowMillis = this.#env.clock.nowMillis()
    if (nowMillis - this.#sentMillis > calmMillis) this.#pauseMillis = firstPauseMillis
    const waitMillis = Math.max(0, this.#sentMillis + this.#pauseMillis - nowMillis)
    this.#cancelPass = this.#env.timers.after(waitMillis, () => {
      this.#cancelPass = undefined
      this.#isRunning = true
      this.#pass()
        .catch((error: unknown) => this.#failed(error))
        .finally(() => {
          this.#isRunning = false
          this.emit('changed')
          if (this.#isAskedAgain) {
            this.#isAskedAgain = false
            this.#ask()
          }
        })
    })
  }

  async #pass(): Promise<void> {
    const { replica } = this.link
    if (!this.link.isLive || replica === undefined) return
    const [root] = replica.table('Open_vSwitch').values()
    this.#version = root?.ovs_version === undefined ? undefined : String(root.ovs_version)
    this.#parts = partsOf(this.#object.spec, replica, this.#objections)
    if (!this.link.hasLock) return
    const object = this.#object
    const owner = `switch/${object.name}`
    const { operations, objections } = difference(
      object.isLeaving ? undefined : withTimeouts(object.spec, replica, this.#zonesOf),
      replica,
      owner,
    )
    this.#failure = undefined
    this.#objections = objections
    this.#parts = partsOf(object.spec, replica, objections)
    if (operations.length > 0) return this.#send(operations, object)
    this.#settle(object, replica)
  }

  async #send(operations: readonly Operation[], object: Object): Promise<void> {
    const wasRight = this.#wasRight
    this.#wasRight = false
    this.#sentMillis = this.#env.clock.nowMillis()
    this.#pauseMillis = Math.min(mostPauseMillis, this.#pauseMillis * 2)
    await this.#transact(operations, object)
    this.#operationsSent += operations.length
    this.#nudgeCount = 0
    if (wasRight) this.emit('repaired', operations.length)
  }

  /** The operations, if the lock is still ours, and the number by which ovs-vswitchd says that it is done. */
  async #transact(operations: readonly Operation[], object: Object): Promise<void> {
    const results = await this.link.transact([
      { op: 'assert', lock: lockNameOf(object.name) },
      ...operations,
      { op: 'mutate', table: 'Open_vSwitch', where: [], mutations: [['next_cfg', '+=', 1]] },
      { op: 'select', table: 'Open_vSwitch', where: [], columns: ['next_cfg'] },
      { op: 'comment', comment: `sluice: switch/${object.name} revision ${object.revision}` },
    ])
    const cfg = results.at(-2)?.rows?.[0]?.next_cfg
    if (typeof cfg === 'number' || typeof cfg === 'bigint')
      this.#awaited = { cfg, sinceMillis: this.#env.clock.nowMillis() }
  }

  /** Nothing differs: has ovs-vswitchd done it? */
  #settle(object: Object, replica: Replica): void {
    const [root] = replica.table('Open_vSwitch').values()
    if (this.#awaited && Number(root?.cur_cfg ?? 0) < Number(this.#awaited.cfg)) {
      const waited = this.#env.clock.nowMillis() - this.#awaited.sinceMillis
      this.#reached =
        waited < configureTimeoutMillis
          ? 'ovs-vswitchd is carrying it out'
          : 'the database has it, but ovs-vswitchd does not answer'
      // No change of the database tells that time passed.
      this.#later(Math.max(100, configureTimeoutMillis - waited))
      if (!object.isLeaving) return
    }
    this.#awaited = undefined
    this.#reached = undefined
    this.#wasRight = true
    if (object.isLeaving) this.emit('torn-down')
    else this.#installedRevision = object.revision
    this.#nudge(object)
  }

  /** Asks ovs-vswitchd a few times more for ports that it could not make. */
  #nudge(object: Object): void {
    const isLacking = this.#parts.some(
      ({ part, state }) =>
        state === 'failed' &&
        part.startsWith('port ') &&
        !this.#objections.some(each => each.part === part),
    )
    const waitMillis = nudgeMillis[this.#nudgeCount]
    if (!isLacking || object.isLeaving || waitMillis === undefined) return
    this.#cancelNudge ??= this.#env.timers.after(waitMillis, () => {
      this.#cancelNudge = undefined
      if (this.#isStopped || !this.link.isLive || !this.link.hasLock) return
      this.#nudgeCount++
      this.#transact([], object).catch((error: unknown) => this.#failed(error))
    })
  }

  #later(millis: number): void {
    this.#cancelLater?.()
    this.#cancelLater = this.#env.timers.after(millis, () => {
      this.#ask()
      this.emit('changed')
    })
  }

  #failed(error: unknown): void {
    const isExpected =
      error instanceof OvsdbError || error instanceof ColumnError || error instanceof ProtocolError
    if (!isExpected)
      this.#env.log.error({ err: error, switch: this.#object.name }, 'a switch could not be set up')
    this.#failure = error instanceof Error ? error.message : String(error)
    this.#sentMillis = this.#env.clock.nowMillis()
    this.#pauseMillis = Math.min(mostPauseMillis, this.#pauseMillis * 2)
    this.#isAskedAgain = true
  }
}
