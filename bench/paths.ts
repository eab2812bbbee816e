/**
 * The figures of paths: one-to-all, the equal-cost next hops of all destinations, one link that changes.
 *
 *     npm run bench -- paths
 */

import type { Graph } from '../src/topology/graph.js'
import { AllPaths } from '../src/topology/paths/all-paths.js'
import { disjointPair } from '../src/topology/paths/disjoint.js'
import { shortestPaths } from '../src/topology/paths/k-shortest.js'
import { distancesFrom } from '../src/topology/paths/shortest.js'
import { graphOf, randomCables, randomOf } from '../test/topology/networks.js'

const median = (list: readonly number[]): number =>
  [...list].sort((a, b) => a - b)[list.length >> 1]!

const timed = (run: () => void): number => {
  const begin = performance.now()
  run()
  return performance.now() - begin
}

/** Connected, `linkCount` cables, costs 1 to `maxCost`. */
const network = (nodeCount: number, linkCount: number, maxCost: number): Graph =>
  graphOf(
    nodeCount,
    randomCables(randomOf(nodeCount), nodeCount, linkCount - nodeCount + 1, maxCost),
  )

const print = (what: string, millis: readonly number[], goal: string): void => {
  const sorted = [...millis].sort((a, b) => a - b)
  const text = [median(sorted), sorted[0]!, sorted.at(-1)!].map(each => each.toFixed(2)).join(' / ')
  console.log(`${what.padEnd(74)} ${text} ms   ${goal}`)
}

const oneToAll = (): void => {
  for (const maxCost of [1, 10]) {
    const graph = network(5_000, 15_000, maxCost)
    const times = Array.from({ length: 60 }, (_, index) =>
      timed(() => distancesFrom(graph, (index * 83) % 5_000)),
    ).slice(20)
    print(`one to all, 5,000 switches, 15,000 links, costs 1 to ${maxCost}`, times, 'goal 2')
  }
}

const allDestinations = (): void => {
  for (const maxCost of [1, 10]) {
    const graph = network(1_000, 3_000, maxCost)
    const times = Array.from({ length: 7 }, () => timed(() => new AllPaths(graph).complete()))
    print(
      `ECMP next hops of all 1,000 destinations, 3,000 links, costs 1 to ${maxCost}`,
      times,
      'goal 400',
    )
    oneChange(new AllPaths(graph), maxCost)
  }
}

const oneChange = (all: AllPaths, maxCost: number): void => {
  all.complete()
  const random = randomOf(5)
  const down: number[] = []
  const up: number[] = []
  let touched = 0
  for (let run = 0; run < 100; run++) {
    const link = Math.floor(random() * all.graph.links.length)
    const both = [link, all.graph.reverse[link]!]
    const cost = all.graph.cost[link]!
    down.push(
      timed(() => {
        touched += all.update(
          both.map(each => ({ link: each, cost: Number.POSITIVE_INFINITY })),
        ).length
      }),
    )
    up.push(timed(() => void all.update(both.map(each => ({ link: each, cost })))))
  }
  print(
    `  a link goes down, costs 1 to ${maxCost} (destinations with another way: ${touched / 100})`,
    down,
    'goal 10',
  )
  print('  it comes back', up, 'goal 10')
}

const others = (): void => {
  const graph = network(1_000, 3_000, 10)
  const ends = Array.from({ length: 30 }, (_, index) => [index * 7, 999 - index * 11] as const)
  print(
    '8 shortest paths between two of 1,000',
    ends.map(([a, b]) => timed(() => shortestPaths(graph, a, b, 8))),
    '',
  )
  print(
    'two paths that share no switch, of 1,000',
    ends.map(([a, b]) => timed(() => disjointPair(graph, a, b, 'node'))),
    '',
  )
}

/** Prints median / best / worst. */
export const run = async (): Promise<void> => {
  oneToAll()
  allDestinations()
  others()
}
