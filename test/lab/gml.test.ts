import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseGml } from '../../src/lab/gml.js'
import { distancesFrom } from '../../src/topology/paths/shortest.js'
import { graphOf } from '../topology/networks.js'

const fixture = (name: string) =>
  readFileSync(join(process.cwd(), 'test/fixtures/topology', name), 'utf8')

t.test('nodes, edges, numbers, strings, lists, comments', async t => {
  const graph = parseGml(`# a comment
graph [
  directed 1
  node [ id 3 label "A &amp; B" ]
  node [ id 4 ]
  edge [ source 3 target 4 dist 1.5e2 graphics [ width 2 ] ]
]
`)
  t.equal(graph.isDirected, true)
  t.same(graph.nodes, [
    { id: 3, label: 'A & B' },
    { id: 4, label: '4' },
  ])
  t.same(graph.edges, [{ source: 3, target: 4, attributes: { source: 3, target: 4, dist: 150 } }])
})

const mistakes = [
  ['graph [ node [ id 1 ]', 'line 1: a key is expected here'],
  ['graph [\n  node [ id ]\n]', 'line 2: id has no value'],
  ['graph [\n  ; ]', 'line 2: ";" is not expected here'],
  ['node [ id 1 ]', 'line 1: there is no graph [ ... ] in it'],
  ['graph [ node [ label "x" ] ]', 'line 1: a node has no number id'],
  ['graph [ node [ id 1 ] node [ id 1 ] ]', 'line 1: two nodes have the same id'],
  [
    'graph [ node [ id 1 ] edge [ source 1 target 2 ] ]',
    'line 1: an edge ends at node 2, which is not there',
  ],
  ['a ['.repeat(40), 'line 1: more than 32 lists in lists'],
] as const

t.test('what is no GML is refused with its line', async t => {
  for (const [text, message] of mistakes)
    t.throws(() => parseGml(text), { name: 'GmlError', message })
})

/** Each holds what topohub itself found: the greatest length of a shortest way, and the greatest number of hops. */
const files = ['gabriel-5-0.gml', 'gabriel-50-0.gml', 'gabriel-200-0.gml']

t.test('shortest ways through real files are as long as their makers say', async t => {
  for (const name of files) {
    const text = fixture(name)
    const published = (key: string) => Number(new RegExp(`${key} ([0-9.]+)`).exec(text)![1])
    const { nodes, edges } = parseGml(text)
    const greatest = (costOf: (kilometres: number) => number): number => {
      const cables = edges.map(({ source, target, attributes }) => ({
        a: source + 1,
        b: target + 1,
        cost: costOf(Number(attributes.dist)),
      }))
      const graph = graphOf(nodes.length, cables)
      return Math.max(...graph.nodes.flatMap((_, node) => [...distancesFrom(graph, node)]))
    }
    t.equal(
      greatest(() => 1),
      published('diameter_hops'),
      name,
    )
    t.ok(Math.abs(greatest(length => length) - published('diameter_len')) < 0.05, name)
  }
})
