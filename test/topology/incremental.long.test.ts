/** A compiler that has seen many changes says the same as one that sees the network for the first time. */
import t from 'tap'
import type { Dpid, Ipv4, Mac } from '../../src/base/addresses.js'
import type { Section } from '../../src/pipeline/program.js'
import { createForwarding } from '../../src/topology/forwarding/compile.js'
import {
  emptyTopology,
  type Host,
  hostKey,
  type Link,
  type Network,
  type Port,
  type PortRef,
  portKey,
  type Switch,
  type Topology,
} from '../../src/topology/model.js'
import { dpidOf, linksOf, randomCables, randomOf, switchesOf } from './networks.js'

const switchCount = 7
const edgePorts = [21, 22, 23]

const portOf = (dpid: Dpid, number: number, kind: Port['kind']): Port => ({
  number,
  name: `p${number}`,
  mac: `02:00:00:${dpid.slice(-2)}:00:${number.toString(16).padStart(2, '0')}` as Mac,
  isUp: true,
  kind,
  speedKbps: 0,
})

class Changing {
  topology: Topology
  readonly #below: (limit: number) => number
  readonly #allLinks: readonly Link[]

  constructor(seed: number) {
    const random = randomOf(seed)
    this.#below = limit => Math.floor(random() * limit)
    const links = linksOf(randomCables(random, switchCount, 6, 3))
    this.#allLinks = [...links.values()]
    const switches = new Map<Dpid, Switch>()
    for (const [dpid, self] of switchesOf(switchCount)) {
      const ports = new Map<number, Port>()
      for (const link of this.#allLinks)
        if (link.from.dpid === dpid)
          ports.set(link.from.port, portOf(dpid, link.from.port, 'fabric'))
      for (const number of edgePorts) ports.set(number, portOf(dpid, number, 'edge'))
      switches.set(dpid, { ...self, ports })
    }
    this.topology = treeOf({ ...emptyTopology, switches, links })
  }

  /** One thing changes, the rest is the same objects as before. @returns what it was */
  change(): string {
    const kinds = [
      'host',
      'host',
      'host',
      'link',
      'link',
      'port',
      'network',
      'group',
      'service',
    ] as const
    const kind = kinds[this.#below(kinds.length)]!
    const before = this.topology
    const change = {
      host: () => this.#host(),
      link: () => this.#link(),
      port: () => this.#port(),
      network: () => this.#network(),
      group: () => this.#group(),
      service: () => this.#service(),
    }[kind]()
    this.topology = treeOf({ ...before, ...change })
    return `${kind} ${Object.keys(change).join()}`
  }

  #edge(): PortRef {
    return { dpid: dpidOf(1 + this.#below(switchCount)), port: edgePorts[this.#below(3)]! }
  }

  /** Comes, goes, moves, or has another address. */
  #host(): Partial<Topology> {
    const number = 1 + this.#below(12)
    const mac = `02:00:00:00:01:${number.toString(16).padStart(2, '0')}` as Mac
    const { networks } = this.topology
    const { number: network } = networks[this.#below(networks.length)]!
    const hosts = new Map(this.topology.hosts)
    const key = hostKey(network, mac)
    const known = hosts.get(key)
    if (known && this.#below(3) === 0) hosts.delete(key)
    else if (known && this.#below(2) === 0)
      hosts.set(key, { ...known, ips: [`10.0.${this.#below(3)}.${number}` as Ipv4] })
    else {
      const host: Host = {
        mac,
        ips: [`10.0.0.${number}` as Ipv4],
        at: this.#edge(),
        network,
        isPinned: false,
      }
      hosts.set(key, host)
    }
    return { hosts }
  }

  /** Fails, comes back, or costs something else. */
  #link(): Partial<Topology> {
    const links = new Map(this.topology.links)
    const one = this.#allLinks[this.#below(this.#allLinks.length)]!
    const other = this.#allLinks.find(each => portKey(each.from) === portKey(one.to))!
    const isThere = links.has(portKey(one.from))
    const cost = isThere && this.#below(2) === 0 ? 1 + this.#below(4) : undefined
    for (const link of [one, other])
      if (cost !== undefined) links.set(portKey(link.from), { ...link, cost })
      else if (isThere) links.delete(portKey(link.from))
      else links.set(portKey(link.from), link)
    return { links }
  }

  #port(): Partial<Topology> {
    const { dpid, port } = this.#edge()
    const switches = new Map(this.topology.switches)
    const self = switches.get(dpid)!
    const known = self.ports.get(port)!
    const kind = known.kind === 'edge' && this.#below(2) === 0 ? 'unknown' : 'edge'
    const ports = new Map(self.ports).set(port, { ...known, kind, isUp: this.#below(3) > 0 })
    switches.set(dpid, { ...self, ports, isConnected: this.#below(5) > 0 })
    return { switches }
  }

  #network(): Partial<Topology> {
    const others = [2, 3].filter(() => this.#below(2) === 0)
    const taken = new Set<string>()
    const networks: Network[] = others.map(number => ({
      number,
      name: `n${number}`,
      ports: [this.#edge(), this.#edge()].flatMap(at => {
        if (taken.has(portKey(at))) return []
        taken.add(portKey(at))
        return [{ at, ...(this.#below(2) === 0 && { vlan: 100 + number }) }]
      }),
    }))
    const numbers = new Set([1, ...others])
    return {
      networks: [emptyTopology.networks[0]!, ...networks],
      hosts: new Map([...this.topology.hosts].filter(([, host]) => numbers.has(host.network))),
      multicast: this.topology.multicast.filter(each => numbers.has(each.network)),
    }
  }

  #group(): Partial<Topology> {
    const { multicast } = this.topology
    if (multicast.length > 0 && this.#below(2) === 0) return { multicast: multicast.slice(1) }
    const index = 1 + Math.max(0, ...multicast.map(each => each.index))
    const ports = [this.#edge(), this.#edge()].sort((a, b) => (portKey(a) < portKey(b) ? -1 : 1))
    return { multicast: [...multicast, { network: 1, mac: 0x01005e000000 + index, index, ports }] }
  }

  #service(): Partial<Topology> {
    return { serving: new Map(this.#below(2) === 0 ? [] : [[portKey(this.#edge()), ['dhcp']]]) }
  }
}

/** Broadcast follows what a search from the first switch finds; the same set while that is the same. */
const treeOf = (topology: Topology): Topology => {
  const tree = new Set<string>()
  const met = new Set<Dpid>()
  for (const root of topology.switches.keys()) {
    const queue = met.has(root) ? [] : [root]
    met.add(root)
    for (const dpid of queue)
      for (const { from, to } of topology.links.values())
        if (from.dpid === dpid && !met.has(to.dpid)) {
          met.add(to.dpid)
          queue.push(to.dpid)
          tree.add(portKey(from)).add(portKey(to))
        }
  }
  const isSame = tree.size === topology.tree.size && [...tree].every(key => topology.tree.has(key))
  return isSame ? topology : { ...topology, tree }
}

const textOf = (programs: ReadonlyMap<Dpid, readonly Section[]>): Map<Dpid, string[]> =>
  new Map(
    [...programs].map(([dpid, sections]) => [
      dpid,
      sections.map(each =>
        JSON.stringify(each, (_, value) => (typeof value === 'bigint' ? `${value}n` : value)),
      ),
    ]),
  )

/** Where the two first differ. @param isAsleep true: the experienced one does not hear of every third change; for the control */
const firstDifference = (seed: number, changes: number, isAsleep = false): string | undefined => {
  const network = new Changing(seed)
  const experienced = createForwarding()
  const said: string[] = []
  let heard = network.topology
  for (let step = 0; step < changes; step++) {
    if (!isAsleep || step % 3 > 0) heard = network.topology
    const seen = textOf(experienced.compile(heard))
    for (const [dpid, fresh] of textOf(createForwarding().compile(network.topology))) {
      const sections = seen.get(dpid) ?? []
      const at = fresh.findIndex((text, index) => text !== sections[index])
      if (at >= 0 || sections.length !== fresh.length)
        return `seed ${seed} after ${said.slice(-3).join(', ')} at ${dpid}:\n${fresh[at]}\n${sections[at]}`
    }
    said.push(network.change())
  }
  return undefined
}

t.test('the programs of all switches after each of many changes', async t => {
  for (let seed = 1; seed <= 15; seed++) t.equal(firstDifference(seed, 60), undefined)
})

t.test('what was not heard of would be noticed', async t => {
  t.match(firstDifference(1, 60, true), /^seed 1 after /)
})
