/**
 * What outlives the rules in switches: the generation that sessions are stamped with, the epoch of those that another
 * switch decides, and the zones of timeouts. Kept in the store, so that after a restart the same rules make the same rows.
 */
import type { Env } from '../../../base/env/env.js'
import type { Op, Store } from '../../../base/store.js'
import type { Topology } from '../../../topology/model.js'
import { emptyBook, planZones, type TimeoutBook } from '../flows/timeout-zones.js'
import type { Resolved } from '../meaning/resolved.js'

interface Stamp {
  readonly hash: string
  readonly generation: number
}

export interface Marks {
  readonly stamp: Stamp
  readonly timeouts: TimeoutBook
  /** 1 to 65535; begins anew where switches may no longer rely on what others know of connections. */
  readonly epoch: number
}

const stampKey = '/firewall/generation'
const timeoutsKey = '/firewall/timeouts'
const epochKey = '/firewall/epoch'
/** Of generations and epochs: then they begin with 1 again. */
const last = 0xffff

export class PolicyMarks {
  readonly #env: Env
  readonly #store: Store
  #now: Marks

  private constructor(env: Env, store: Store, now: Marks) {
    this.#env = env
    this.#store = store
    this.#now = now
  }

  static async load(env: Env, store: Store): Promise<PolicyMarks> {
    const stamp = (await store.get(stampKey))?.value as Stamp | undefined
    const timeouts = (await store.get(timeoutsKey))?.value as TimeoutBook | undefined
    const epoch = (await store.get(epochKey))?.value as number | undefined
    return new PolicyMarks(env, store, {
      epoch: epoch ?? 1,
      stamp: stamp ?? { hash: '', generation: 0 },
      timeouts: timeouts ?? emptyBook,
    })
  }

  get now(): Marks {
    return this.#now
  }

  /** What they are for other rules, or another network; the same objects where nothing changes. */
  next(resolved: Resolved, { networks }: Topology): Marks {
    return nextMarks(this.#now, resolved, networks)
  }

  /** What is to be written in one with the rules, since sessions would not be found again without it. */
  opsFor({ timeouts }: Marks): Op[] {
    return timeouts === this.#now.timeouts ? [] : [{ op: 'put', key: timeoutsKey, value: timeouts }]
  }

  /** That was written. */
  wrote({ timeouts }: Marks): void {
    this.#now = { ...this.#now, timeouts }
  }

  /** Should it not be kept: after a restart some connections are asked about once more. */
  beginEpoch(): void {
    const epoch = nextEpoch(this.#now.epoch)
    this.#now = { ...this.#now, epoch }
    this.#put(epochKey, epoch, 'the epoch could not be kept')
  }

  /** They are in force. Should the generation not be kept: after a restart every session is asked once more, none is lost. */
  keep(marks: Marks): void {
    const before = this.#now
    this.#now = marks
    if (marks.stamp !== before.stamp)
      this.#put(stampKey, marks.stamp, 'the generation could not be kept')
    if (marks.epoch !== before.epoch)
      this.#put(epochKey, marks.epoch, 'the epoch could not be kept')
    if (marks.timeouts !== before.timeouts)
      this.#put(timeoutsKey, marks.timeouts, 'the zones of timeouts could not be kept')
  }

  #put(key: string, value: unknown, trouble: string): void {
    this.#store
      .txn({ if: [], then: [{ op: 'put', key, value }] })
      .catch((error: unknown) => this.#env.log.warn({ err: error }, trouble))
  }
}

/** What marks are for other rules, or other networks; the same objects where nothing changes. */
export const nextMarks = (
  { stamp, timeouts, epoch }: Marks,
  resolved: Resolved,
  networks: Topology['networks'],
): Marks => ({
  // What another switch has let in here is translated here: by new statements it is looked at anew.
  epoch: natOf(stamp.hash) === natOf(resolved.hash) || stamp.hash === '' ? epoch : nextEpoch(epoch),
  stamp: nextStamp(stamp, resolved.hash),
  timeouts: planZones(
    timeouts,
    resolved.timeouts,
    networks.map(({ number }) => number),
    Object.fromEntries(
      networks.flatMap(({ number, domain = number }) =>
        domain === number ? [] : [[number, domain]],
      ),
    ),
  ),
})

const nextEpoch = (epoch: number): number => (epoch % last) + 1

/** The part of a hash that is of address translation. */
const natOf = (hash: string): string | undefined => hash.split(' ')[1]

/** Other rules, another generation: running sessions are asked again. Skips 0, which no session carries. */
const nextStamp = (stamp: Stamp, hash: string): Stamp =>
  hash === stamp.hash ? stamp : { hash, generation: (stamp.generation % last) + 1 }
