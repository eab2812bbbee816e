/**
 * Watches which connections are accepted for a while, to propose rules from. The switches send up the first packet
 * of each, through a meter; what was seen is kept, so that a restart in a long watch loses half a minute at most.
 */
import type { Cancel, Env } from '../../../base/env/env.js'
import { listAll, type Op, type Store } from '../../../base/store.js'
import type { Connection } from '../../../pipeline/connection.js'
import { connectionOfFields } from '../../../pipeline/connection.js'
import type { Fields } from '../../../pipeline/packet.js'
import type { Seen } from '../meaning/learn.js'

interface Watch {
  readonly sinceMillis: number
  readonly untilMillis: number
}

export interface LearningStatus extends Watch {
  readonly isOn: boolean
  /** Up to when it has watched: now, or the end. */
  readonly watchedMillis: number
  readonly seen: readonly Seen[]
  /** Connections of kinds that there was no room for. */
  readonly left: number
}

const prefix = '/learn/'
const watchKey = `${prefix}watch`
const seenPrefix = `${prefix}seen/`
const savePeriodMillis = 30_000
const opsPerWrite = 100
/** Kinds of connections that are remembered, at most. */
const maxKinds = 50_000
const longestTimerMillis = 2 ** 31 - 1

export class Learning {
  /** Called when watching begins and ends. */
  onChanged: () => void = () => {}
  readonly #env: Env
  readonly #store: Store
  readonly #seen = new Map<string, Seen>()
  readonly #unsaved = new Set<string>()
  #watch: Watch | undefined
  #left = 0
  #cancels: Cancel[] = []
  #saving: Promise<void> = Promise.resolve()

  private constructor(env: Env, store: Store) {
    this.#env = env
    this.#store = store
  }

  static async load(env: Env, store: Store): Promise<Learning> {
    const learning = new Learning(env, store)
    for (const [key, value] of await listAll(store, prefix))
      if (key === watchKey) learning.#watch = value as Watch
      else learning.#seen.set(key.slice(seenPrefix.length), value as Seen)
    if (learning.isOn) learning.#run()
    return learning
  }

  get isOn(): boolean {
    return this.#watch !== undefined && this.#watch.untilMillis > this.#env.clock.wallMillis()
  }

  /** Undefined before the first watch. */
  status(): LearningStatus | undefined {
    if (this.#watch === undefined) return undefined
    return {
      ...this.#watch,
      isOn: this.isOn,
      watchedMillis: Math.min(this.#watch.untilMillis, this.#env.clock.wallMillis()),
      seen: [...this.#seen.values()],
      left: this.#left,
    }
  }

  /** Forgets what was seen before. */
  async start(seconds: number): Promise<void> {
    this.#halt()
    await this.#saving
    const now = this.#env.clock.wallMillis()
    const forget = [...this.#seen.keys()].map(
      (key): Op => ({ op: 'delete', key: seenPrefix + key }),
    )
    this.#seen.clear()
    this.#unsaved.clear()
    this.#left = 0
    this.#watch = { sinceMillis: now, untilMillis: now + seconds * 1_000 }
    await this.#write([...forget, { op: 'put', key: watchKey, value: this.#watch }])
    this.#run()
    this.onChanged()
  }

  /** Ends the watch now; what was seen stays. */
  async stop(): Promise<void> {
    if (this.#watch === undefined || !this.isOn) return
    this.#watch = { ...this.#watch, untilMillis: this.#env.clock.wallMillis() }
    await this.#write([{ op: 'put', key: watchKey, value: this.#watch }])
    await this.#end()
  }

  /** The first packet of a connection that was accepted. */
  note(fields: Fields): void {
    const connection = this.isOn ? connectionOfFields(fields) : undefined
    if (connection === undefined) return
    const key = kindOf(connection)
    const before = this.#seen.get(key)
    if (before === undefined && this.#seen.size >= maxKinds) {
      this.#left++
      return
    }
    const lastMillis = this.#env.clock.wallMillis()
    this.#seen.set(key, { connection, count: (before?.count ?? 0) + 1, lastMillis })
    this.#unsaved.add(key)
  }

  /** Resolves when what was seen is kept; the watch goes on with the next start. */
  async close(): Promise<void> {
    this.#halt()
    await this.#save()
  }

  #run(): void {
    const left = this.#watch!.untilMillis - this.#env.clock.wallMillis()
    this.#cancels = [
      this.#env.timers.every(savePeriodMillis, () => void this.#save()),
      this.#env.timers.after(Math.min(left, longestTimerMillis), () =>
        this.isOn ? this.#again() : void this.#end(),
      ),
    ]
  }

  #again(): void {
    this.#halt()
    this.#run()
  }

  #halt(): void {
    for (const cancel of this.#cancels) cancel()
    this.#cancels = []
  }

  async #end(): Promise<void> {
    this.#halt()
    this.onChanged()
    await this.#save()
  }

  #save(): Promise<void> {
    const keys = [...this.#unsaved]
    this.#unsaved.clear()
    const ops = keys.map(
      (key): Op => ({
        op: 'put',
        key: seenPrefix + key,
        value: this.#seen.get(key),
      }),
    )
    this.#saving = this.#saving
      .then(() => this.#write(ops))
      .catch((error: unknown) => {
        for (const key of keys) if (this.#seen.has(key)) this.#unsaved.add(key)
        this.#env.log.warn({ err: error }, 'what was learnt could not be kept')
      })
    return this.#saving
  }

  async #write(ops: readonly Op[]): Promise<void> {
    for (let at = 0; at < ops.length; at += opsPerWrite)
      await this.#store.txn({ if: [], then: ops.slice(at, at + opsPerWrite) })
  }
}

/** All but the source port; of ICMP the type as well. */
const kindOf = ({ source, destination, protocol, ...ports }: Connection): string =>
  [
    source,
    destination,
    protocol,
    protocol === 1 || protocol === 58 ? ports.sourcePort : '',
    ports.destinationPort,
  ].join('|')
