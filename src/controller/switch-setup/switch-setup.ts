/** The service: a session for every declared Switch, as long as it is declared and until it is taken down. */
import { EventEmitter } from 'node:events'
import type { Dpid } from '../../base/addresses.js'
import type { Env } from '../../base/env/env.js'
import {
  type DatabaseAddress,
  formatAddress,
  parseAddress,
  resolveAddress,
} from '../../ovsdb/address.js'
import { OvsdbClient } from '../../ovsdb/client.js'
import type { ObjectKeeper, StoredObject } from '../objects/objects.js'
import { Callers, type Expected } from './callers.js'
import { switchKind } from './kind.js'
import { SwitchSession } from './session.js'
import type { OvsdbSpec, SwitchSpec } from './spec.js'
import type { SwitchStatus } from './status.js'
import type { ZonesOf } from './zone-timeouts.js'

export interface SwitchSetupEvents {
  /** The state of a declared switch changed. */
  state: [name: string, status: SwitchStatus]
  repaired: [name: string, operations: number]
}

interface Entry {
  readonly session: SwitchSession
  /** As JSON: another way to reach it is another session. */
  readonly ovsdb: string
  readonly release: () => void
}

export class SwitchSetup extends EventEmitter<SwitchSetupEvents> {
  readonly #env: Env
  readonly #objects: ObjectKeeper
  readonly #zonesOf: ZonesOf
  readonly #entries = new Map<string, Entry>()
  readonly #callers = new Map<string, Callers>()
  readonly #told = new Map<string, string>()
  readonly #stops: (() => void)[] = []

  /** @param zonesOf timeouts that services have on a switch */
  constructor(env: Env, objects: ObjectKeeper, zonesOf: ZonesOf = () => ({})) {
    super()
    this.#zonesOf = zonesOf
    this.#env = env
    this.#objects = objects
  }

  start(): void {
    const changed = (kind: string, name: string) => {
      if (kind === switchKind.kind) this.#bring(name)
    }
    this.#objects.on('changed', changed)
    this.#objects.on('forgotten', changed)
    this.#stops.push(() => {
      this.#objects.off('changed', changed)
      this.#objects.off('forgotten', changed)
    })
    for (const { name } of this.#objects.list(switchKind)) this.#bring(name)
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) stop()
    for (const { session } of this.#entries.values()) session.stop()
    this.#entries.clear()
    await Promise.all([...this.#callers.values()].map(each => each.close()))
    this.#callers.clear()
  }

  /** Undefined for what is not declared. */
  status(name: string): SwitchStatus | undefined {
    return this.#entries.get(name)?.session.status
  }

  /** Services have other timeouts now, or there are other switches. */
  zonesChanged(): void {
    for (const { session } of this.#entries.values()) session.zonesChanged()
  }

  /** How far the database of a switch is; undefined when none is reached. */
  progressOf(dpid: Dpid): 'right' | 'pending' | undefined {
    for (const { session } of this.#entries.values()) {
      const progress = session.progressOf(dpid)
      if (progress) return progress
    }
    return undefined
  }

  #bring(name: string): void {
    const object = this.#objects.find(switchKind, name) as StoredObject<SwitchSpec> | undefined
    const known = this.#entries.get(name)
    const ovsdb = object && JSON.stringify(object.spec.ovsdb)
    if (known && known.ovsdb === ovsdb) return known.session.want(object!)
    if (known) {
      known.session.stop()
      known.release()
      this.#entries.delete(name)
    }
    this.#told.delete(name)
    if (object !== undefined) this.#enter(object)
  }

  #enter(object: StoredObject<SwitchSpec>): void {
    const { ovsdb } = object.spec
    const address = parseAddress(ovsdb.address)!
    const connect = address.isPassive
      ? undefined
      : async () =>
          OvsdbClient.connect(this.#env, await resolveAddress(this.#env.disk, address, ovsdb))
    const session = new SwitchSession(this.#env, object, connect, this.#zonesOf)
    const release = address.isPassive ? this.#await(session, address, ovsdb) : () => undefined
    this.#entries.set(object.name, { session, ovsdb: JSON.stringify(ovsdb), release })
    session.on('changed', () => this.#tell(object.name, session))
    session.on('repaired', operations => this.emit('repaired', object.name, operations))
    session.on('torn-down', () => {
      this.#objects.forget(switchKind, object.name).catch((error: unknown) => {
        this.#env.log.warn({ err: error, switch: object.name }, 'a switch could not be forgotten')
      })
    })
    session.start()
  }

  /** Waits for the switch to call; returns how to wait no more. */
  #await(session: SwitchSession, address: DatabaseAddress, ovsdb: OvsdbSpec): () => void {
    const key = formatAddress(address)
    const expected: Expected = {
      systemId: ovsdb.systemId,
      accept: client => session.link.accept(client),
      setTrouble: reason => session.setTrouble(reason),
    }
    let isReleased = false
    this.#listenAt(key, address, ovsdb, expected, () => isReleased).catch((error: unknown) => {
      expected.setTrouble(error instanceof Error ? error.message : String(error))
    })
    return () => {
      isReleased = true
      const callers = this.#callers.get(key)
      callers?.remove(expected)
      if (!callers?.isUnused) return
      this.#callers.delete(key)
      callers.close().catch((error: unknown) => {
        this.#env.log.warn({ err: error, address: key }, 'a listener could not be closed')
      })
    }
  }

  async #listenAt(
    key: string,
    address: DatabaseAddress,
    ovsdb: OvsdbSpec,
    expected: Expected,
    isReleased: () => boolean,
  ): Promise<void> {
    const known = this.#callers.get(key)
    if (known) return known.add(expected)
    const resolved = await resolveAddress(this.#env.disk, address, ovsdb)
    if (isReleased()) return
    const meanwhile = this.#callers.get(key)
    if (meanwhile) return meanwhile.add(expected)
    const callers = new Callers(this.#env, resolved)
    this.#callers.set(key, callers)
    callers.add(expected)
    await callers.listen()
  }

  #tell(name: string, session: SwitchSession): void {
    if (this.#entries.get(name)?.session !== session) return
    const { status } = session
    const text = `${status.state} ${status.reason ?? ''}`
    if (this.#told.get(name) === text) return
    this.#told.set(name, text)
    this.emit('state', name, status)
  }
}
