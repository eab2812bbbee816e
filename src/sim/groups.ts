/** The group table of a simulated switch, OpenFlow 1.3.5 section 6.5 and Open vSwitch's checks. */

import { allGroups, type ReceivedOf } from '../openflow/index.js'
import { type Bucket, type GroupType, ports } from '../openflow/values.js'
import type { RunGroup } from '../pipeline/choice.js'
import { checkActions, type Known } from './action-checks.js'
import { Refusal, type Undo } from './refusal.js'

export interface GroupEntry extends RunGroup {
  readonly id: number
  readonly createdMillis: number
  packetCount: number
  byteCount: number
  readonly bucketCounts: { packetCount: number; byteCount: number }[]
}

type GroupMod = ReceivedOf<'group-mod'>

export class Groups {
  readonly #byId = new Map<number, GroupEntry>()

  get count(): number {
    return this.#byId.size
  }

  get(id: number): GroupEntry | undefined {
    return this.#byId.get(id)
  }

  has(id: number): boolean {
    return this.#byId.has(id)
  }

  /** One group, or all of them for OFPG_ALL. */
  select(id: number): GroupEntry[] {
    if (id === allGroups) return [...this.#byId.values()].sort((a, b) => a.id - b.id)
    const group = this.#byId.get(id)
    return group ? [group] : []
  }

  /** @throws {Refusal} as Open vSwitch would */
  add(mod: GroupMod, known: Known, nowMillis: number): Undo {
    check(mod, known)
    if (this.#byId.has(mod.groupId)) throw new Refusal('OFPGMFC_GROUP_EXISTS')
    return this.#put(entryOf(mod, nowMillis))
  }

  /** @throws {Refusal} as Open vSwitch would */
  modify(mod: GroupMod, known: Known, nowMillis: number): Undo {
    check(mod, known)
    const old = this.#byId.get(mod.groupId)
    if (old === undefined) throw new Refusal('OFPGMFC_UNKNOWN_GROUP')
    const entry = entryOf(mod, old.createdMillis ?? nowMillis)
    entry.packetCount = old.packetCount
    entry.byteCount = old.byteCount
    return this.#put(entry)
  }

  remove(group: GroupEntry): Undo {
    this.#byId.delete(group.id)
    return () => this.#byId.set(group.id, group)
  }

  #put(entry: GroupEntry): Undo {
    const old = this.#byId.get(entry.id)
    this.#byId.set(entry.id, entry)
    return () => {
      if (old) this.#byId.set(entry.id, old)
      else this.#byId.delete(entry.id)
    }
  }
}

const entryOf = (mod: GroupMod, createdMillis: number): GroupEntry => ({
  id: mod.groupId,
  type: mod.type,
  // What has no weight on the wire has weight 0, and is never selected.
  buckets: mod.buckets.map(bucket =>
    mod.type === 'select' ? { ...bucket, weight: bucket.weight ?? 0 } : bucket,
  ),
  createdMillis,
  packetCount: 0,
  byteCount: 0,
  bucketCounts: mod.buckets.map(() => ({ packetCount: 0, byteCount: 0 })),
})

const check = (mod: GroupMod, known: Known): void => {
  if (mod.groupId >= ports.max) throw new Refusal('OFPGMFC_INVALID_GROUP')
  if (mod.type === 'indirect' && mod.buckets.length !== 1)
    throw new Refusal('OFPGMFC_INVALID_GROUP')
  for (const bucket of mod.buckets) {
    checkBucket(mod.type, bucket)
    // A group may name one that comes later.
    checkActions(bucket.actions, undefined, { ...known, hasGroup: () => true })
  }
}

const checkBucket = (type: GroupType, bucket: Bucket): void => {
  const isWatched = bucket.watchPort !== undefined || bucket.watchGroup !== undefined
  if (bucket.weight && type !== 'select') throw new Refusal('OFPGMFC_INVALID_GROUP')
  if (type === 'ff' && !isWatched) throw new Refusal('OFPGMFC_INVALID_GROUP')
  if ((type === 'all' || type === 'indirect') && isWatched)
    throw new Refusal('OFPGMFC_WATCH_UNSUPPORTED')
}
