/** Networks for tests of paths, and the slow answers that nobody doubts. */
import type { Dpid } from '../../src/base/addresses.js'
import { buildGraph, type Graph } from '../../src/topology/graph.js'
import type { Link, Switch } from '../../src/topology/model.js'

/** `1` to `0000000000000001`. */
export const dpidOf = (number: number): Dpid => number.toString(16).padStart(16, '0') as Dpid

export interface Cable extends Omit<Partial<Link>, 'from' | 'to'> {
  readonly a: number
  readonly b: number
}

/** Both directions of each cable; the ports of a switch are counted from 1 in the order of the cables. */
export const linksOf = (cables: readonly Cable[]): Map<string, Link> => {
  const used = new Map<number, number>()
  const nextPort = (node: number): number => {
    const port = (used.get(node) ?? 0) + 1
    used.set(node, port)
    return port
  }
  const links = new Map<string, Link>()
  for (const { a, b, cost = 1, ...rest } of cables) {
    const from = { dpid: dpidOf(a), port: nextPort(a) }
    const to = { dpid: dpidOf(b), port: nextPort(b) }
    links.set(`${from.dpid}/${from.port}`, { from, to, cost, ...rest })
    links.set(`${to.dpid}/${to.port}`, { from: to, to: from, cost, ...rest })
  }
  return links
}

export const switchesOf = (count: number): Map<Dpid, Switch> =>
  new Map(
    Array.from({ length: count }, (_, index) => [
      dpidOf(index + 1),
      {
        dpid: dpidOf(index + 1),
        name: `s${index + 1}`,
        index: index + 1,
        isConnected: true,
        ports: new Map(),
      },
    ]),
  )

/** Switches 1 to `count`, which are nodes 0 to `count - 1`. */
export const graphOf = (count: number, cables: readonly Cable[]): Graph =>
  buildGraph({ switches: switchesOf(count), links: linksOf(cables) })

/** A line of numbers that depends on the seed only (mulberry32), 0 to 1. */
export const randomOf = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** A connected network, parallel cables among them, of costs 1 to `maxCost`. */
export const randomCables = (
  random: () => number,
  count: number,
  extra: number,
  maxCost: number,
): Cable[] => {
  const below = (limit: number) => Math.floor(random() * limit)
  const cables: Cable[] = []
  const add = (a: number, b: number) =>
    cables.push({
      a,
      b,
      cost: 1 + below(maxCost),
      latencyMillis: 1 + below(9),
      bandwidthKbps: 1_000 * (1 + below(10)),
      tags: random() < 0.3 ? ['slow'] : ['fast'],
    })
  for (let node = 2; node <= count; node++) add(node, 1 + below(node - 1))
  for (let index = 0; index < extra; index++) {
    const a = 1 + below(count)
    const b = 1 + below(count)
    if (a !== b) add(a, b)
  }
  return cables
}

export interface Way {
  readonly links: readonly number[]
  readonly nodes: readonly number[]
  readonly cost: number
}

/** Every path that visits no node twice, by trying them all. */
export const allWays = (graph: Graph, from: number, to: number): Way[] => {
  const found: Way[] = []
  const go = (node: number, links: number[], nodes: number[], cost: number): void => {
    if (node === to) {
      found.push({ links: [...links], nodes: [...nodes], cost })
      return
    }
    graph.source.forEach((source, link) => {
      const next = graph.target[link]!
      if (source !== node || nodes.includes(next) || graph.cost[link] === Infinity) return
      go(next, [...links, link], [...nodes, next], cost + graph.cost[link]!)
    })
  }
  go(from, [], [from], 0)
  return found
}

/** All distances, by Floyd and Warshall. */
export const allDistances = (graph: Graph): number[][] => {
  const count = graph.nodes.length
  const distance = Array.from({ length: count }, (_, a) =>
    Array.from({ length: count }, (_, b) => (a === b ? 0 : Infinity)),
  )
  graph.source.forEach((a, link) => {
    const b = graph.target[link]!
    distance[a]![b] = Math.min(distance[a]![b]!, graph.cost[link]!)
  })
  for (let through = 0; through < count; through++)
    for (let a = 0; a < count; a++)
      for (let b = 0; b < count; b++)
        distance[a]![b] = Math.min(
          distance[a]![b]!,
          distance[a]![through]! + distance[through]![b]!,
        )
  return distance
}
