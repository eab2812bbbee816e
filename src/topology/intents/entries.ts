/** A routed intent as entries: what one switch does with its frames that come in at one port. */
import type { Dpid } from '../../base/addresses.js'
import type { Flow, Group } from '../../pipeline/program.js'

export interface Entry {
  /** Its own within the intent: the same place in another path has the same key. */
  readonly key: string
  /** Entries of one lane or tree are changed in an order. */
  readonly lane: string
  readonly dpid: Dpid
  /** True where frames of hosts come onto a lane; trees are entered everywhere. */
  readonly isEntrance: boolean
  /** Keys of entries where its frames come next. */
  readonly next: readonly string[]
  /** The same as long as rows and group are. */
  readonly text: string
  readonly flows: readonly Flow[]
  readonly groups: readonly Group[]
}

export type Entries = ReadonlyMap<string, Entry>

/** What of an intent is in force, or is to be now. */
export interface LaidIntent {
  readonly name: string
  readonly entries: Entries
}
