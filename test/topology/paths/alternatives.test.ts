import t from 'tap'
import { constrainedPath, keeps, latencyOfPath } from '../../../src/topology/paths/constrained.js'
import { disjointPair, disjointPairThrough } from '../../../src/topology/paths/disjoint.js'
import { shortestPaths } from '../../../src/topology/paths/k-shortest.js'
import { allWays, graphOf, randomCables, randomOf, type Way } from '../networks.js'

/** Each test by trying all ways sees this many networks of 7 switches. */
const seeds = Array.from({ length: 60 }, (_, index) => index + 1)
const networkOf = (seed: number) => graphOf(7, randomCables(randomOf(seed), 7, 7, 5))

t.test('the k shortest are the k shortest of all', async t => {
  for (const seed of seeds) {
    const graph = networkOf(seed)
    const ways = allWays(graph, 0, 6).sort((a, b) => a.cost - b.cost)
    const found = shortestPaths(graph, 0, 6, 12)
    t.same(
      found.map(path => path.cost),
      ways.slice(0, 12).map(way => way.cost),
      `seed ${seed}`,
    )
    const texts = found.map(path => path.links.join())
    t.equal(new Set(texts).size, texts.length, 'no path twice')
    t.ok(
      texts.every(text => ways.some(way => way.links.join() === text)),
      'no loops',
    )
  }
})

t.test('asked for more than there are, all come, ties in a fixed order', async t => {
  const graph = graphOf(4, [
    { a: 1, b: 2 },
    { a: 2, b: 4 },
    { a: 1, b: 3 },
    { a: 3, b: 4 },
    { a: 2, b: 3 },
  ])
  const named = shortestPaths(graph, 0, 3, 99).map(path =>
    path.links.map(link => Number(graph.links[link]!.to.dpid)).join(' '),
  )
  t.same(named, ['2 4', '3 4', '2 3 4', '3 2 4'])
  t.same(shortestPaths(graph, 0, 0, 3), [], 'no way from a switch to itself')
})

const sharesLink = (a: Way, b: Way) => a.links.some(link => b.links.includes(link))
const sharesNode = (a: Way, b: Way) =>
  a.nodes.slice(1, -1).some(node => b.nodes.slice(1, -1).includes(node))

/** The lowest cost of two ways together, by trying all pairs. */
const bestPair = (
  ways: readonly Way[],
  shares: (a: Way, b: Way) => boolean,
): number | undefined => {
  let best: number | undefined
  for (const [index, a] of ways.entries())
    for (const b of ways.slice(index + 1))
      if (!shares(a, b) && (best === undefined || a.cost + b.cost < best)) best = a.cost + b.cost
  return best
}

for (const kind of ['link', 'node'] as const)
  t.test(`two ways that share no ${kind} cost as little as any two`, async t => {
    let without = 0
    for (const seed of seeds) {
      const graph = networkOf(seed)
      const ways = allWays(graph, 0, 6)
      // Sharing no switch means sharing no link either: two parallel cables are two ways.
      const shares =
        kind === 'link' ? sharesLink : (a: Way, b: Way) => sharesNode(a, b) || sharesLink(a, b)
      const pair = disjointPair(graph, 0, 6, kind)
      t.equal(pair && pair[0].cost + pair[1].cost, bestPair(ways, shares), `seed ${seed}`)
      if (pair === undefined) {
        without++
        continue
      }
      const [a, b] = pair.map(path => ways.find(way => way.links.join() === path.links.join()))
      t.ok(a && b && !shares(a, b), 'both are ways, and they share nothing')
    }
    t.ok(without > 0 && without < seeds.length, 'some networks have two such ways, some have not')
  })

for (const kind of ['link', 'node'] as const)
  t.test(`two ways through one switch that share no other ${kind}`, async t => {
    let [found, missed, none] = [0, 0, 0]
    for (const seed of seeds) {
      const graph = networkOf(seed)
      const ways = allWays(graph, 0, 6).filter(way => way.nodes.includes(3))
      const inner = (way: Way) => way.nodes.slice(1, -1).filter(node => node !== 3)
      const shares = (a: Way, b: Way) =>
        sharesLink(a, b) || (kind === 'node' && inner(a).some(node => inner(b).includes(node)))
      const best = bestPair(ways, shares)
      const pair = disjointPairThrough(graph, 0, 6, [3], kind)
      if (pair === undefined) {
        if (best === undefined) none++
        else missed++
        continue
      }
      found++
      const [a, b] = pair.map(path => ways.find(way => way.links.join() === path.links.join()))
      t.ok(
        a && b && !shares(a, b),
        `seed ${seed}: both are ways through it, and share nothing else`,
      )
      t.ok(pair[0].cost + pair[1].cost >= best!, 'and none is cheaper than the best')
    }
    t.comment({ found, missed, none })
    t.ok(found > 3 && none > 0)
    // Legs are found one after the other: what the first takes the second may want.
    if (kind === 'node') t.ok(missed <= found, 'legs that compete are rare')
  })

t.test('the shortest way is given up when that makes the pair cheaper', async t => {
  // 1-2-3-4 is the shortest (3); with it no second way is left.
  const graph = graphOf(4, [
    { a: 1, b: 2, cost: 1 },
    { a: 2, b: 3, cost: 1 },
    { a: 3, b: 4, cost: 1 },
    { a: 1, b: 3, cost: 4 },
    { a: 2, b: 4, cost: 4 },
  ])
  t.same(
    disjointPair(graph, 0, 3, 'node')!.map(path => path.cost),
    [5, 5],
  )
})

t.test('conditions: the best path of those that keep them, by trying all', async t => {
  let none = 0
  for (const seed of seeds) {
    const random = randomOf(seed * 7)
    const graph = networkOf(seed)
    const middle = () => 1 + Math.floor(random() * 5)
    const conditions = {
      ...(random() < 0.5 && { waypoints: [middle()] }),
      ...(random() < 0.6 && { maxLatencyMillis: 4 + Math.floor(random() * 16) }),
      ...(random() < 0.3 && { minBandwidthKbps: 3_000 }),
      ...(random() < 0.3 && { withoutTags: ['slow'] }),
      ...(random() < 0.3 && { avoidNodes: [middle()] }),
      ...(random() < 0.3 && { avoidLinks: [Math.floor(random() * graph.links.length)] }),
    }
    const kept = allWays(graph, 0, 6).filter(way => keepsAll(way, conditions))
    const best = kept.length === 0 ? 'none' : Math.min(...kept.map(way => way.cost))
    const found = constrainedPath(graph, 0, 6, conditions)
    t.equal(typeof found === 'string' ? found : found.cost, best, `seed ${seed}`)
    if (typeof found === 'string') none++
    else {
      t.ok(
        kept.some(way => way.links.join() === found.links.join()),
        'it is one of them',
      )
      t.ok(keeps(graph, 0, found.links, conditions))
    }
    function keepsAll(way: Way, asked: typeof conditions): boolean {
      const links = way.links.map(link => graph.links[link]!)
      const latency = links.reduce((sum, link) => sum + link.latencyMillis!, 0)
      return (
        (asked.waypoints ?? []).every(node => way.nodes.includes(node)) &&
        latency <= (asked.maxLatencyMillis ?? Infinity) &&
        links.every(link => link.bandwidthKbps! >= (asked.minBandwidthKbps ?? 0)) &&
        !links.some(link => (asked.withoutTags ?? []).some(tag => link.tags!.includes(tag))) &&
        !(asked.avoidNodes ?? []).some(node => way.nodes.includes(node)) &&
        !way.links.some(link => (asked.avoidLinks ?? []).includes(link))
      )
    }
  }
  t.ok(none > 3 && none < seeds.length - 10, 'some can be kept, some cannot')
})

t.test('two waypoints are passed in their order', async t => {
  for (const seed of seeds) {
    const graph = networkOf(seed)
    const kept = allWays(graph, 0, 6).filter(
      ({ nodes }) => nodes.includes(2) && nodes.indexOf(2) < nodes.indexOf(4),
    )
    const best = kept.length === 0 ? 'none' : Math.min(...kept.map(way => way.cost))
    const found = constrainedPath(graph, 0, 6, { waypoints: [2, 4] })
    t.equal(typeof found === 'string' ? found : found.cost, best, `seed ${seed}`)
  }
})

t.test('a search that takes too long says so', async t => {
  const graph = networkOf(3)
  t.equal(constrainedPath(graph, 0, 6, { waypoints: [2] }, 1), 'too-hard')
})

t.test('latency is the sum of what was measured', async t => {
  const graph = graphOf(3, [
    { a: 1, b: 2, latencyMillis: 1.5 },
    { a: 2, b: 3 },
  ])
  const [path] = shortestPaths(graph, 0, 2, 1)
  t.equal(latencyOfPath(graph, path!.links), 1.5)
})
