import t from 'tap'
import { areSame } from '../../../src/base/same.js'
import { exactCost } from '../../../src/topology/graph.js'
import { AllPaths } from '../../../src/topology/paths/all-paths.js'
import { costFunction } from '../../../src/topology/paths/costs.js'
import {
  distancesFrom,
  distancesTo,
  nextHops,
  shortestPath,
} from '../../../src/topology/paths/shortest.js'
import { allDistances, graphOf, randomCables, randomOf } from '../networks.js'

/*
 *        2 ── 1 ──┐
 *     1 <         4      the upper way costs 2 + 1, the lower 1 + 2, the direct cable 5
 *        3 ── 2 ──┘
 */
const diamond = () =>
  graphOf(4, [
    { a: 1, b: 2, cost: 2 },
    { a: 1, b: 3, cost: 1 },
    { a: 2, b: 4, cost: 1 },
    { a: 3, b: 4, cost: 2 },
    { a: 1, b: 4, cost: 5 },
  ])

t.test('distances to and from one switch', async t => {
  t.same([...distancesTo(diamond(), 3)], [3, 1, 2, 0])
  t.same([...distancesFrom(diamond(), 0)], [0, 2, 1, 3])
})

t.test('both ways of equal cost are next hops, the direct cable is none', async t => {
  const graph = diamond()
  const ports = nextHops(graph, distancesTo(graph, 3), 0).map(link => graph.links[link]!.from.port)
  t.same(ports, [1, 2])
  t.same(nextHops(graph, distancesTo(graph, 3), 3), [], 'nothing leads on from the end')
})

t.test('the lowest port wins a tie', async t => {
  const graph = diamond()
  const path = shortestPath(graph, 0, 3)!
  t.equal(path.cost, 3)
  t.same(
    path.links.map(link => graph.links[link]!.to.dpid),
    ['0000000000000002', '0000000000000004'],
  )
})

t.test('no way is undefined, staying is a path of nothing', async t => {
  const graph = graphOf(3, [{ a: 1, b: 2 }])
  t.equal(shortestPath(graph, 0, 2), undefined)
  t.same(shortestPath(graph, 1, 1), { links: [], cost: 0 })
})

t.test('sums of fractions that are equal are equal', async t => {
  const graph = graphOf(4, [
    { a: 1, b: 2, cost: 0.1 },
    { a: 2, b: 4, cost: 0.2 },
    { a: 1, b: 3, cost: 0.2 },
    { a: 3, b: 4, cost: 0.1 },
  ])
  t.equal(nextHops(graph, distancesTo(graph, 3), 0).length, 2)
  t.equal(exactCost(0), 1 / 1024, 'no cost is a small one, so that no loop is free')
  t.equal(exactCost(Number.NaN), Infinity)
})

t.test('on random networks as Floyd and Warshall say, to and from', async t => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = randomOf(seed)
    const graph = graphOf(12, randomCables(random, 12, 10, 5))
    const all = allDistances(graph)
    const found = graph.nodes.map((_, node) => ({
      from: [...distancesFrom(graph, node)],
      to: [...distancesTo(graph, node)],
    }))
    const wanted = all.map((from, node) => ({ from, to: all.map(row => row[node]) }))
    t.same(found, wanted, `seed ${seed}`)
  }
})

t.test('after each change all distances and next hops are as if computed anew', async t => {
  let changedCount = 0
  for (let seed = 1; seed <= 40; seed++) {
    const random = randomOf(seed)
    const all = new AllPaths(graphOf(14, randomCables(random, 14, 14, 4)))
    all.complete()
    const wrong: string[] = []
    for (let step = 0; step < 25; step++) {
      const link = Math.floor(random() * all.graph.links.length)
      const cost = random() < 0.4 ? Infinity : 1 + Math.floor(random() * 6)
      const back = all.graph.reverse[link]!
      const before = waysOf(all)
      const changed = all.update([
        { link, cost },
        { link: back, cost },
      ])
      const fresh = new AllPaths(all.graph)
      const after = waysOf(all)
      const freshWays = waysOf(fresh)
      for (let to = 0; to < 14; to++) {
        const place = `step ${step}, to ${to}`
        if (!areSame([...all.distancesTo(to)], [...fresh.distancesTo(to)]))
          wrong.push(`${place}: distances`)
        if (!areSame(after[to]!, freshWays[to]!)) wrong.push(`${place}: next hops`)
        if (!areSame(after[to]!, before[to]!) && !changed.includes(to))
          wrong.push(`${place}: changed without being told`)
      }
      changedCount += changed.length
    }
    t.same(wrong, [], `seed ${seed}`)
  }
  t.ok(changedCount > 1_000, 'changes changed something')
})

const waysOf = (all: AllPaths): string[][] =>
  all.graph.nodes.map((_, to) => all.graph.nodes.map((_, node) => all.nextHops(node, to).join(' ')))

t.test('what a link costs', async t => {
  const end = { dpid: '0000000000000001' as never, port: 1 }
  const link = { from: end, to: end, cost: 7, latencyMillis: 2.5, utilisation: 0.75 }
  t.equal(costFunction('hops')(link), 1)
  t.equal(costFunction('given')(link), 7)
  t.equal(costFunction('latency')(link), 2.5)
  t.equal(costFunction('utilisation')(link), 4)
  t.equal(costFunction('utilisation')({ ...link, utilisation: 1 }), 1_000)
})
