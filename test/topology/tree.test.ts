import t from 'tap'
import { buildGraph } from '../../src/topology/graph.js'
import { emptyTopology, type Topology } from '../../src/topology/model.js'
import { broadcastTree } from '../../src/topology/paths/tree.js'
import { TreeKeeper } from '../../src/topology/tree-keeper.js'
import { type Cable, linksOf, randomCables, randomOf, switchesOf } from './networks.js'

/** Cables of a tree as `1-2`, sorted. */
const namesOf = (tree: ReadonlySet<string>, topology: Pick<Topology, 'links'>): string[] =>
  [
    ...new Set(
      [...tree].map(key => {
        const { from, to } = topology.links.get(key)!
        return [Number(from.dpid), Number(to.dpid)].sort((a, b) => a - b).join('-')
      }),
    ),
  ].sort()

const ringCables: Cable[] = [
  { a: 1, b: 2 },
  { a: 2, b: 3 },
  { a: 3, b: 4 },
  { a: 4, b: 1 },
]

const topologyOf = (count: number, cables: readonly Cable[]): Topology => ({
  ...emptyTopology,
  switches: switchesOf(count),
  links: linksOf(cables),
})

t.test('a tree of a ring leaves out one cable, near the root it is shallow', async t => {
  const topology = topologyOf(4, ringCables)
  t.same(namesOf(broadcastTree(buildGraph(topology)), topology), ['1-2', '1-4', '2-3'])
})

t.test('a tree reaches every switch of a part by one way', async t => {
  for (let seed = 1; seed <= 50; seed++) {
    const topology = topologyOf(20, randomCables(randomOf(seed), 20, 20, 3))
    const tree = broadcastTree(buildGraph(topology))
    t.equal(tree.size, 2 * 19, 'as many cables as switches, less one')
    t.equal(partsOf(20, tree, topology), 1)
  }
})

/** How many parts a set of links leaves; -1 when it has a loop. */
const partsOf = (count: number, tree: ReadonlySet<string>, topology: Topology): number => {
  const part = Array.from({ length: count + 1 }, (_, index) => index)
  const cables = new Set(
    [...tree].map(key => {
      const { from, to } = topology.links.get(key)!
      return [`${from.dpid}/${from.port}`, `${to.dpid}/${to.port}`].sort().join(' ')
    }),
  )
  for (const cable of cables) {
    const { from, to } = topology.links.get(cable.split(' ')[0]!)!
    const [a, b] = [part[Number.parseInt(from.dpid, 16)]!, part[Number.parseInt(to.dpid, 16)]!]
    if (a === b) return -1
    part.forEach((each, index) => {
      if (each === b) part[index] = a
    })
  }
  return new Set(part.slice(1)).size
}

/** A keeper over a topology that tests change; confirmations come when a test says so. */
const kept = (topology: Topology) => {
  const ports = (dpid: string) =>
    [...topology.links.values()]
      .filter(({ from }) => from.dpid === dpid)
      .map(({ from }) => [from.port, { number: from.port, isUp: true }] as const)
  let current: Topology = {
    ...topology,
    switches: new Map(
      [...topology.switches].map(([dpid, known]) => [
        dpid,
        { ...known, ports: new Map(ports(dpid)) as never },
      ]),
    ),
  }
  const steps: string[][] = []
  let confirm = () => {}
  const update = () => {
    const tree = keeper.next(current)
    if (tree === current.tree) return
    steps.push(namesOf(tree, topology))
    current = { ...current, tree }
  }
  const keeper = new TreeKeeper({
    programmed: () =>
      new Promise<void>(resolve => {
        confirm = resolve
      }),
    again: update,
  })
  update()
  /** The first port of switch 1 goes down. */
  const pull = () => {
    const [dpid, known] = [...current.switches][0]!
    const down = new Map(known.ports).set(1, { number: 1, isUp: false } as never)
    const switches = new Map(current.switches).set(dpid, { ...known, ports: down })
    current = { ...current, switches }
  }
  const without = (a: number, b: number) => {
    const links = new Map(current.links)
    for (const [key, { from, to }] of links)
      if ([Number(from.dpid), Number(to.dpid)].sort().join() === [a, b].sort().join())
        links.delete(key)
    current = { ...current, links }
    update()
  }
  const withAll = () => {
    current = { ...current, links: topology.links }
    update()
  }
  const confirmed = async () => {
    confirm()
    await new Promise(resolve => setImmediate(resolve))
  }
  return { steps, pull, without, withAll, confirmed, tree: () => current.tree }
}

t.test('a link that may still carry frames leaves everywhere before another joins', async t => {
  const { steps, without, confirmed } = kept(topologyOf(4, ringCables))
  t.same(steps.splice(0), [['1-2', '1-4', '2-3']])
  without(1, 2)
  t.same(steps.splice(0), [['1-4', '2-3']], 'first it is closed')
  await confirmed()
  t.same(steps, [['1-4', '2-3', '3-4']], 'and when that is confirmed another opens')
})

t.test('the place of a link whose port is down is taken at once', async t => {
  const topology = topologyOf(4, ringCables)
  const { steps, without, pull } = kept(topology)
  steps.length = 0
  pull()
  without(1, 2)
  t.same(steps, [['1-4', '2-3', '3-4']])
})

t.test('a link that comes back changes nothing', async t => {
  const { steps, without, withAll, confirmed } = kept(topologyOf(4, ringCables))
  without(1, 2)
  await confirmed()
  steps.length = 0
  withAll()
  t.same(steps, [])
})

t.test('at no time has the tree a loop, also with the step before', async t => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = randomOf(seed)
    const topology = topologyOf(10, randomCables(random, 10, 12, 2))
    const { without, withAll, confirmed, tree } = kept(topology)
    let before = tree()
    const look = () => {
      const both = new Set([...before, ...tree()])
      t.not(partsOf(10, both, topology), -1, `seed ${seed}`)
      before = tree()
    }
    for (let step = 0; step < 20; step++) {
      if (random() < 0.3) withAll()
      else without(1 + Math.floor(random() * 10), 1 + Math.floor(random() * 10))
      look()
      if (random() < 0.7) await confirmed()
      look()
    }
  }
})
