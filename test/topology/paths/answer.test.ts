import t from 'tap'
import { formatPaths, type PathsAnswer as Printed } from '../../../src/cli/reading/path.js'
import { emptyTopology, type Host, type Topology } from '../../../src/topology/model.js'
import { answerPaths, type PathQuestion } from '../../../src/topology/paths/answer.js'
import { type Cable, dpidOf, linksOf, switchesOf } from '../networks.js'

/*
 *     h1 ── 10 s1 ══ s2 ── s4 10 ── h4       s1 to s2: two cables, 1 ms; all others 5 ms
 *               └── s3 ──┘
 */
const cables: Cable[] = [
  { a: 1, b: 2, latencyMillis: 1 },
  { a: 1, b: 2, latencyMillis: 1 },
  { a: 2, b: 4, latencyMillis: 5 },
  { a: 1, b: 3, latencyMillis: 5, tags: ['sea'] },
  { a: 3, b: 4, latencyMillis: 5 },
]

const host = (number: number): Host => ({
  mac: `02:00:00:00:00:0${number}` as Host['mac'],
  ips: [`10.0.0.${number}` as Host['ips'][number]],
  at: { dpid: dpidOf(number), port: 10 },
  network: 1,
  name: `h${number}`,
  isPinned: false,
})

const topology: Topology = {
  ...emptyTopology,
  switches: switchesOf(4),
  links: linksOf(cables),
  hosts: new Map([1, 4].map(number => [host(number).mac, host(number)])),
}

const ask = (from: string, to: string, more: Partial<PathQuestion> = {}) =>
  answerPaths(topology, {
    from,
    to,
    cost: 'latency',
    count: 3,
    without: [],
    avoid: [],
    through: [],
    withTags: [],
    withoutTags: [],
    ...more,
  })

const ways = (answer: ReturnType<typeof ask>) =>
  answer.paths.map(({ hops, cost }) => `${hops.map(hop => hop.switch).join(' ')}: ${cost}`)

t.test('the best way first, hop by hop', async t => {
  const answer = ask('h1', '10.0.0.4')
  t.same(ways(answer), ['s1 s2 s4: 6', 's1 s2 s4: 6', 's1 s3 s4: 10'])
  t.same(answer.paths[0]?.hops, [
    { switch: 's1', dpid: dpidOf(1), inPort: 10, outPort: 1, cost: 1, latencyMillis: 1 },
    { switch: 's2', dpid: dpidOf(2), inPort: 1, outPort: 3, cost: 5, latencyMillis: 5 },
    { switch: 's4', dpid: dpidOf(4), inPort: 1, outPort: 10 },
  ])
  t.same(
    answer.disjoint?.map(way => way.cost),
    [6, 10],
  )
})

t.test('what if: a link, or all between two switches, were gone', async t => {
  t.same(ways(ask('h1', 'h4', { without: ['s1:1'], count: 1 })), ['s1 s2 s4: 6'])
  t.same(ways(ask('h1', 'h4', { without: ['s1-s2'] })), ['s1 s3 s4: 10'])
  t.throws(() => ask('h1', 'h4', { without: ['s1-s2', 's3-s4'] }), { code: 'no-path' })
  t.throws(() => ask('h1', 'h4', { without: ['s1-s4'] }), { code: 'bad-request' })
})

t.test('conditions', async t => {
  t.same(ways(ask('h1', 'h4', { through: ['s3'] })), ['s1 s3 s4: 10'])
  t.same(ways(ask('h1', 'h4', { avoid: ['s2'] })), ['s1 s3 s4: 10'])
  t.same(ways(ask('h1', 'h4', { withoutTags: ['sea'] })), ['s1 s2 s4: 6'])
  t.throws(() => ask('h1', 'h4', { avoid: ['s2'], maxLatencyMillis: 9 }), { code: 'no-path' })
  t.throws(
    () => ask('h1', 'h4', { minBandwidthKbps: 10 }),
    { code: 'no-path' },
    'no speed is known',
  )
  t.throws(() => ask('h1', 'h4', { avoid: ['s9'] }), { code: 'no-such-switch' })
})

t.test('switches and hosts, the same one twice, nobody', async t => {
  t.same(ways(ask('s3', 's4', { count: 1 })), ['s3 s4: 5'])
  t.same(ways(ask('h1', 's1')), ['s1: 0'])
  t.throws(() => ask('h1', 'h9'), { code: 'no-such-host' })
})

t.test('as the command line shows it', async t => {
  t.equal(
    formatPaths(ask('h1', 'h4', { count: 2 }) as Printed),
    [
      'h1 to h4: 2 links, cost 6 (latency), 6 ms',
      '  1  s1                in 10    out 1     cost 1  1 ms',
      '  2  s2                in 1     out 3     cost 5  5 ms',
      '  3  s4                in 1     out 10',
      '',
      'other ways',
      '  cost 6  6 ms  s1 s2 s4',
      '',
      'two ways that share no switch',
      '  cost 6  6 ms  s1 s2 s4',
      '  cost 10  10 ms  s1 s3 s4',
    ].join('\n'),
  )
})
