/**
 * What was learnt of the network, kept in the store so that a restarted controller compiles the same
 * programs at once: switches with their numbers and port kinds, links, hosts. Never flows.
 */
import type { Dpid } from '../base/addresses.js'
import type { Clock, Env, Timers } from '../base/env.js'
import type { Log } from '../base/log.js'
import type { Host, Link, Port, Switch, Topology } from '../topology/model.js'
import type { Op, Store } from './store/store.js'

interface SwitchFact {
  readonly dpid: Dpid
  readonly name: string
  readonly index: number
  readonly ports: readonly Port[]
}

type Facts = Parameters<import('../topology/topology.js').TopologyService['restore']>[0]

const prefix = '/fact/'
const switchKey = (dpid: string) => `${prefix}switch/${dpid}`
const linkKey = (from: string) => `${prefix}link/${from}`
const treeKey = `${prefix}tree`
const hostKey = (mac: string) => `${prefix}host/${mac}`

export const loadFacts = async (store: Store): Promise<Facts> => {
  const all = await listAll(store, prefix)
  const of = <T>(kind: string) =>
    all.filter(([key]) => key.startsWith(`${prefix}${kind}/`)).map(([, value]) => value as T)
  return {
    switches: of<SwitchFact>('switch').map(fact => ({
      dpid: fact.dpid,
      name: fact.name,
      index: fact.index,
      isConnected: false,
      ports: new Map(fact.ports.map(port => [port.number, port])),
    })),
    links: of<Link>('link'),
    hosts: of<Host>('host'),
    tree: (all.find(([key]) => key === treeKey)?.[1] as string[] | undefined) ?? [],
  }
}

export const listAll = async (store: Store, under: string): Promise<[string, unknown][]> => {
  const found: [string, unknown][] = []
  let after: string | undefined
  for (;;) {
    const page = await store.list(under, after === undefined ? {} : { after })
    for (const kv of page.kvs) found.push([kv.key, kv.value])
    after = page.kvs.at(-1)?.key
    if (!page.more || after === undefined) return found
  }
}

const longestPauseMillis = 100

/** Writes what differs between two topologies; one write at a time, the newest state last. */
export class FactWriter {
  readonly #store: Store
  readonly #log: Log
  readonly #timers: Timers
  readonly #clock: Clock
  #saved: Topology
  #wanted: (() => Topology) | undefined
  #running: Promise<void> | undefined
  #isHurried = false
  #endPause: () => void = () => undefined

  constructor(
    store: Store,
    { clock, log, timers }: Pick<Env, 'clock' | 'log' | 'timers'>,
    saved: Topology,
  ) {
    this.#store = store
    this.#log = log
    this.#timers = timers
    this.#clock = clock
    this.#saved = saved
  }

  /** @param current asked when it is written, so that many changes are one write */
  save(current: () => Topology): void {
    this.#wanted = current
    this.#running ??= this.#drain().finally(() => {
      this.#running = undefined
    })
  }

  /** Resolves when all that was handed over is on disk. */
  async settled(): Promise<void> {
    this.#isHurried = true
    this.#endPause()
    while (this.#running) await this.#running
  }

  /** No more than a third of the time goes into writing: what changes in quick succession is written once. */
  #pause(millis: number): Promise<void> {
    if (this.#isHurried) return Promise.resolve()
    return new Promise(resolve => {
      const cancel = this.#timers.after(Math.min(millis, longestPauseMillis), resolve)
      this.#endPause = () => {
        cancel()
        resolve()
      }
    })
  }

  async #drain(): Promise<void> {
    // Behind the turn in which things change.
    await Promise.resolve()
    while (this.#wanted && this.#wanted() !== this.#saved) {
      const beganMillis = this.#clock.nowMillis()
      const next = this.#wanted()
      const ops = changes(this.#saved, next)
      try {
        for (let at = 0; at < ops.length; at += 100)
          await this.#store.txn({ if: [], then: ops.slice(at, at + 100) })
        this.#saved = next
        await this.#pause(2 * (this.#clock.nowMillis() - beganMillis))
      } catch (error) {
        // Facts are learnt again; a store that cannot be written says so on every wish.
        this.#log.warn({ err: error }, 'what was learnt could not be kept')
        return
      }
    }
  }
}

const changes = (before: Topology, after: Topology): Op[] => [
  ...(before.tree === after.tree
    ? []
    : [{ op: 'put', key: treeKey, value: [...after.tree].sort() } as const]),
  ...mapChanges(before.switches, after.switches, switchKey, factOf, isSameSwitch),
  ...mapChanges(before.links, after.links, linkKey, link => link, isSameLink),
  ...mapChanges(
    before.hosts,
    after.hosts,
    hostKey,
    host => host,
    (a, b) => a === b,
  ),
]

const mapChanges = <K extends string, V>(
  before: ReadonlyMap<K, V>,
  after: ReadonlyMap<K, V>,
  keyOf: (key: K) => string,
  write: (value: V) => unknown,
  isSame: (a: V, b: V) => boolean,
): Op[] => {
  if (before === after) return []
  const ops: Op[] = []
  for (const [key, value] of after) {
    const old = before.get(key)
    if (old === undefined || !isSame(old, value))
      ops.push({ op: 'put', key: keyOf(key), value: write(value) })
  }
  for (const key of before.keys()) if (!after.has(key)) ops.push({ op: 'delete', key: keyOf(key) })
  return ops
}

const factOf = (known: Switch): SwitchFact => ({
  dpid: known.dpid,
  name: known.name,
  index: known.index,
  ports: [...known.ports.values()],
})

const isSameSwitch = (a: Switch, b: Switch): boolean =>
  a.ports === b.ports && a.name === b.name && a.index === b.index

const isSameLink = (a: Link, b: Link): boolean =>
  a.to.dpid === b.to.dpid && a.to.port === b.to.port && a.cost === b.cost
