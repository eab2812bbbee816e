/**
 * What was learnt of the network, kept in the store so that a restarted controller compiles the same
 * programs at once: switches with their numbers and port kinds, links and their latency, hosts, who listens to which
 * multicast group. Never flows.
 */
import type { Dpid } from '../../base/addresses.js'
import type { Log } from '../../base/log/log.js'
import { listAll, type Op, type Store } from '../../base/store.js'
import type { Lease } from '../../topology/hosts/leases.js'
import type {
  Host,
  Link,
  MulticastGroup,
  MulticastRouter,
  Port,
  Switch,
  Topology,
} from '../../topology/model.js'
import type { TopologyFacts } from '../../topology/topology-events.js'

interface SwitchFact {
  readonly dpid: Dpid
  readonly name: string
  readonly index: number
  readonly ports: readonly Port[]
}

const prefix = '/fact/'
const switchKey = (dpid: string) => `${prefix}switch/${dpid}`
const linkKey = (from: string) => `${prefix}link/${from}`
const treeKey = `${prefix}tree`
const givenKey = `${prefix}indexes-given`
const routersKey = `${prefix}routers`
const groupKey = (group: string) => `${prefix}multicast/${group}`
const leaseKey = (lease: string) => `${prefix}lease/${lease}`
const hostKey = (mac: string) => `${prefix}host/${mac}`

export const loadFacts = async (store: Store): Promise<TopologyFacts> => {
  const all = await listAll(store, prefix)
  const of = <T>(kind: string) =>
    all.filter(([key]) => key.startsWith(`${prefix}${kind}/`)).map(([, value]) => value as T)
  const one = (wanted: string) => all.find(([key]) => key === wanted)?.[1]
  return {
    switches: of<SwitchFact>('switch').map(fact => ({
      dpid: fact.dpid,
      name: fact.name,
      index: fact.index,
      isConnected: false,
      ports: new Map(fact.ports.map(port => [port.number, port])),
    })),
    givenIndexes: (one(givenKey) as number | undefined) ?? 0,
    links: of<Link>('link'),
    hosts: of<Host>('host'),
    tree: (one(treeKey) as string[] | undefined) ?? [],
    leases: of<Lease>('lease'),
    multicast: of<MulticastGroup>('multicast'),
    multicastRouters: (one(routersKey) as MulticastRouter[] | undefined) ?? [],
  }
}

/** Operations in one transaction. */
const batchSize = 500

/** Keeps on disk what was learnt: it is written before any switch is told of it, so that a restart forgets nothing. */
export class FactWriter {
  readonly #store: Store
  readonly #log: Log
  #saved: Topology
  /** It is told once, not with each change, that they cannot be kept. */
  #isTold = false

  constructor(store: Store, log: Log, saved: Topology) {
    this.#store = store
    this.#log = log
    this.#saved = saved
  }

  /** Writes what differs from the last time; one call at a time. */
  async write(next: Topology): Promise<void> {
    if (next === this.#saved) return
    const ops = changes(this.#saved, next)
    try {
      for (let at = 0; at < ops.length; at += batchSize)
        await this.#store.txn({ if: [], then: ops.slice(at, at + batchSize) })
      this.#saved = next
      this.#isTold = false
    } catch (error) {
      // Facts are learnt again; a store that cannot be written says so on every wish.
      if (!this.#isTold) this.#log.warn({ err: error }, 'what was learnt could not be kept')
      this.#isTold = true
    }
  }
}

const changes = (before: Topology, after: Topology): Op[] => [
  ...(before.tree === after.tree
    ? []
    : [{ op: 'put', key: treeKey, value: [...after.tree].sort() } as const]),
  ...(before.givenIndexes === after.givenIndexes
    ? []
    : [{ op: 'put', key: givenKey, value: after.givenIndexes } as const]),
  ...mapChanges(before.switches, after.switches, switchKey, factOf, isSameSwitch),
  ...mapChanges(before.links, after.links, linkKey, link => link, isSameLink),
  ...mapChanges(
    before.hosts,
    after.hosts,
    hostKey,
    host => host,
    (a, b) => a === b,
  ),
  ...mapChanges(before.leases, after.leases, leaseKey, lease => lease, Object.is),
  ...(before.multicastRouters === after.multicastRouters
    ? []
    : [{ op: 'put', key: routersKey, value: after.multicastRouters } as const]),
  ...(before.multicast === after.multicast
    ? []
    : mapChanges(byName(before), byName(after), groupKey, group => group, Object.is)),
]

const byName = ({ multicast }: Topology): ReadonlyMap<string, MulticastGroup> =>
  new Map(multicast.map(group => [`${group.network}/${group.mac}`, group]))

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
  a.to.dpid === b.to.dpid &&
  a.to.port === b.to.port &&
  a.cost === b.cost &&
  a.latencyMillis === b.latencyMillis
