/**
 * Keeps every intent where it should lead: routes it anew when the network changes, and takes what the switches
 * have there stage by stage, each confirmed before the next (make before break).
 */

import type { Dpid } from '../../base/addresses.js'
import { hash32 } from '../../pipeline/program.js'
import type { Topology } from '../model.js'
import type { Entries, LaidIntent } from './entries.js'
import type { Intent } from './intent.js'
import type { IntentResult } from './lanes.js'
import { layOut } from './layout.js'
import { IntentView, routeIntent } from './route.js'
import { nextStage } from './stages.js'

export interface IntentNetwork {
  /** Resolves to true when a switch has confirmed what is known now, to false when it does not in time. */
  confirmed(dpid: Dpid): Promise<boolean>
  /** Asks that `next` be called again. */
  again(): void
}

interface Kept {
  result: IntentResult
  wanted: Entries
  laid: LaidIntent
  /** Switches that have not confirmed the last stage, and whether the stage took something away only. */
  readonly pending: Map<Dpid, { isRemoval: boolean }>
}

const none: Entries = new Map()
const groupNumbers = 1 << 20

export class IntentKeeper {
  readonly #network: IntentNetwork
  readonly #kept = new Map<string, Kept>()
  readonly #numbers = new Map<string, number>()
  readonly #numbersUsed = new Set<number>()
  #routed: Pick<Topology, 'switches' | 'links' | 'hosts' | 'intents'> | undefined
  #laid: readonly LaidIntent[] = []

  constructor(network: IntentNetwork) {
    this.#network = network
  }

  result(name: string): IntentResult | undefined {
    return this.#kept.get(name)?.result
  }

  /** True when all that is wanted of an intent is in force, and nothing else. */
  isSettled(name: string): boolean {
    const kept = this.#kept.get(name)
    return kept !== undefined && kept.pending.size === 0 && kept.laid.entries === kept.wanted
  }

  /** What is to be in force now; the same object as long as nothing moves. */
  next(topology: Topology): readonly LaidIntent[] {
    this.#route(topology)
    // Before a switch is here there is nothing to take over from: what was in force before a restart still is.
    const isAlone = ![...topology.switches.values()].some(known => known.isConnected)
    let isMoved = false
    for (const kept of this.#kept.values()) isMoved = this.#move(kept, isAlone) || isMoved
    if (!isMoved && this.#laid.length === this.#kept.size) return this.#laid
    for (const [name, kept] of this.#kept) {
      const isOver = this.#routed?.intents.every(intent => intent.name !== name)
      if (isOver && kept.laid.entries.size === 0 && kept.pending.size === 0) this.#kept.delete(name)
    }
    this.#laid = [...this.#kept.values()].map(kept => kept.laid)
    return this.#laid
  }

  #route(topology: Topology): void {
    const before = this.#routed
    const isSame =
      before !== undefined &&
      before.links === topology.links &&
      before.hosts === topology.hosts &&
      before.intents === topology.intents &&
      before.switches === topology.switches
    if (isSame) return
    this.#routed = topology
    const view = new IntentView(topology)
    const names = new Set(topology.intents.map(({ name }) => name))
    for (const intent of topology.intents) this.#want(intent, routeIntent(view, intent))
    for (const [name, kept] of this.#kept) if (!names.has(name)) kept.wanted = none
  }

  #want({ name }: Intent, result: IntentResult): void {
    const wanted =
      'route' in result ? layOut(name, result.route, text => this.#numberOf(text)) : none
    const laid = { name, entries: none }
    const kept = this.#kept.get(name) ?? { result, wanted, laid, pending: new Map() }
    this.#kept.set(name, kept)
    kept.result = result
    kept.wanted = isSame(kept.laid.entries, wanted) ? kept.laid.entries : wanted
  }

  #move(kept: Kept, isAlone: boolean): boolean {
    const { wanted, laid, pending } = kept
    const now = laid.entries
    if (now === wanted) return false
    let next = isAlone ? wanted : nextStage(now, wanted, new Set(pending.keys()))
    if (next === now) return false
    if (isSame(next, wanted)) next = wanted
    kept.laid = { name: laid.name, entries: next }
    if (isAlone) return true
    for (const [dpid, isRemoval] of touched(now, next)) this.#await(kept, dpid, isRemoval)
    return true
  }

  /** A switch that does not answer holds up whatever needs it, but not what leaves it. */
  #await(kept: Kept, dpid: Dpid, isRemoval: boolean): void {
    const mark = { isRemoval }
    kept.pending.set(dpid, mark)
    this.#network.confirmed(dpid).then(isConfirmed => {
      if (kept.pending.get(dpid) !== mark) return
      const isNeeded = [...kept.wanted.values()].some(entry => entry.dpid === dpid)
      if (!isConfirmed && !mark.isRemoval && isNeeded) return this.#await(kept, dpid, false)
      kept.pending.delete(dpid)
      this.#network.again()
    })
  }

  /** The same for the same text in all but rare cases: numbers come from a hash. */
  #numberOf(text: string): number {
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    let number = hash32(text) % groupNumbers
    while (this.#numbersUsed.has(number)) number = (number + 1) % groupNumbers
    this.#numbers.set(text, number)
    this.#numbersUsed.add(number)
    return number
  }
}

const isSame = (a: Entries, b: Entries): boolean => {
  if (a.size !== b.size) return false
  for (const [key, entry] of a) if (b.get(key)?.text !== entry.text) return false
  return true
}

/** Switches whose entries differ, and whether they only lose some. */
const touched = (before: Entries, after: Entries): ReadonlyMap<Dpid, boolean> => {
  const found = new Map<Dpid, boolean>()
  for (const [key, { dpid }] of before) if (!after.has(key)) found.set(dpid, true)
  for (const [key, { dpid, text }] of after)
    if (before.get(key)?.text !== text) found.set(dpid, false)
  return found
}
