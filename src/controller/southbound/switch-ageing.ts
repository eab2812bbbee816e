/**
 * Switches that have gone are forgotten when nothing declares them: after a day where no link or host was known at
 * them, after a week otherwise, and at once where too many have gone, those that went first. So peers that call with one dpid after the
 * other fill neither the memory nor the disk.
 */
import type { Dpid } from '../../base/addresses.js'
import type { Cancel, Env } from '../../base/env/env.js'
import type { Switch, Topology } from '../../topology/model.js'
import type { TopologyService } from '../../topology/topology.js'

export interface SwitchAgeingLimits {
  /** Switches that are gone and not declared; more are forgotten at once. */
  readonly maxGone: number
  /** How long a switch without links and hosts is remembered. */
  readonly lifeMillis: number
  /** How long one with links or hosts is. */
  readonly usedLifeMillis: number
}

export const dayMillis = 86_400_000

export const switchAgeingLimits: SwitchAgeingLimits = {
  maxGone: 1_024,
  lifeMillis: dayMillis,
  usedLifeMillis: 7 * dayMillis,
}

const periodMillis = 10_000

/** Words of rule files and objects, any of which may name a switch. */
export const wordsOf = (texts: Iterable<string>): ReadonlySet<string> => {
  const words = new Set<string>()
  for (const text of texts) for (const word of text.split(/[^\w.@-]+/)) words.add(word)
  return words
}

export class SwitchAgeing {
  readonly #env: Env
  readonly #topology: TopologyService
  readonly #texts: () => Iterable<string>
  readonly #limits: SwitchAgeingLimits
  /** When each was first seen to be gone. */
  readonly #goneMillis = new Map<Dpid, number>()
  #cancel: Cancel | undefined

  /** @param texts rule files and objects: a switch that one of them names is declared */
  constructor(
    env: Env,
    topology: TopologyService,
    texts: () => Iterable<string>,
    limits: SwitchAgeingLimits = switchAgeingLimits,
  ) {
    this.#env = env
    this.#topology = topology
    this.#texts = texts
    this.#limits = limits
  }

  start(): void {
    this.#cancel = this.#env.timers.every(periodMillis, () => this.#look())
  }

  stop(): void {
    this.#cancel?.()
  }

  #look(): void {
    const topology = this.#topology.current
    const now = this.#env.clock.nowMillis()
    const gone = this.#gone(topology, now)
    const { maxGone, lifeMillis, usedLifeMillis } = this.#limits
    const isOld = ({ dpid }: Switch, life = lifeMillis) => now - this.#goneMillis.get(dpid)! >= life
    if (gone.length <= maxGone && !gone.some(each => isOld(each))) return
    const inUse = usedBy(topology)
    const isDeclared = declaredBy(topology, wordsOf(this.#texts()))
    const loose = gone.filter(each => !isDeclared(each))
    // Unused ones first, of each kind those that went first.
    const order = [
      ...loose.filter(({ dpid }) => !inUse.has(dpid)),
      ...loose.filter(({ dpid }) => inUse.has(dpid)),
    ]
    const tooMany = Math.max(0, loose.length - maxGone)
    for (const [index, each] of order.entries())
      if (index < tooMany) this.#forget(each, `more than ${maxGone} switches are gone`)
      else if (isOld(each, inUse.has(each.dpid) ? usedLifeMillis : lifeMillis))
        this.#forget(each, 'gone for long')
  }

  /** Those that are not connected, those that went first before others. */
  #gone(topology: Topology, now: number): Switch[] {
    for (const dpid of this.#goneMillis.keys())
      if (topology.switches.get(dpid)?.isConnected !== false) this.#goneMillis.delete(dpid)
    const gone: Switch[] = []
    for (const known of topology.switches.values()) {
      if (known.isConnected) continue
      if (!this.#goneMillis.has(known.dpid)) this.#goneMillis.set(known.dpid, now)
      gone.push(known)
    }
    return gone.sort((a, b) => this.#goneMillis.get(a.dpid)! - this.#goneMillis.get(b.dpid)!)
  }

  #forget({ dpid }: Switch, reason: string): void {
    this.#goneMillis.delete(dpid)
    this.#topology.forget(dpid, reason)
  }
}

/** Switches with links or hosts. */
const usedBy = ({ links, hosts }: Topology): ReadonlySet<Dpid> =>
  new Set([
    ...[...links.values()].flatMap(({ from, to }) => [from.dpid, to.dpid]),
    ...[...hosts.values()].map(({ at }) => at.dpid),
  ])

/** Named by its dpid; a name, which every switch may give itself, names the one that had it first. */
const declaredBy = (
  { switches, hosts }: Topology,
  words: ReadonlySet<string>,
): ((known: Switch) => boolean) => {
  const firstByName = new Map<string, Switch>()
  for (const known of switches.values()) {
    const first = firstByName.get(known.name)
    if (first === undefined || known.index < first.index) firstByName.set(known.name, known)
  }
  const pinned = new Set([...hosts.values()].filter(host => host.isPinned).map(({ at }) => at.dpid))
  return known =>
    pinned.has(known.dpid) ||
    words.has(known.dpid) ||
    (words.has(known.name) && firstByName.get(known.name) === known)
}
