/** A lab.yaml: what is taken from it, and how mistakes in it are told. */
import t from 'tap'
import { listLabs, loadLab } from '../../src/lab/main.js'
import { readLab } from '../../src/lab/spec.js'

const network = `title: Two switches
rules: none.rules
switches: [s1, s2]
links:
  - [s1:2, s2:2]
hosts:
  a: { at: s1:1, ips: [10.0.0.1/24] }
  b: { at: s2:1, ips: [10.0.0.2/24] }
`
/** Line 9 is that of the word `steps`, and the first step is in line 10. */
const withSteps = (...steps: readonly string[]) =>
  `${network}steps:\n${steps.map(each => `  - ${each}\n`).join('')}`

const read = (text: string, files: Readonly<Record<string, string>> = {}) =>
  readLab('two', 'lab.yaml', text, name => files[name] ?? '')

t.test(
  'hosts have the MAC of their order, and a second place when the story moves them',
  async t => {
    const { hosts, switches } = read(withSteps('move: { host: b, to: s1:3 }'))
    t.same(switches, [
      { name: 's1', dpid: '0000000000000001' },
      { name: 's2', dpid: '0000000000000002' },
    ])
    t.same(
      hosts.map(({ name, mac, spare }) => ({ name, mac, spare })),
      [
        { name: 'a', mac: '02:00:00:00:01:01', spare: undefined },
        { name: 'b', mac: '02:00:00:00:01:02', spare: { name: 's1', port: 3 } },
      ],
    )
  },
)

const words =
  'say, try, session, stopped, flowing, link, dies, returns, move, spoof, spread, pings, declare, object, edit, restart'

const mistakes = [
  ['jump: s1', `lab.yaml:10:5: steps.0 is no step: it must have one of ${words}`],
  ['{ say: hello, dies: s1 }', `lab.yaml:10:5: steps.0 is no step: it must have one of ${words}`],
  [
    'try: { from: a, to: b, protocol: icmp }',
    "lab.yaml:10:10: steps.0.try must have required property 'expect'",
  ],
  [
    'try: { from: a, to: b, protocol: icmp, expect: open, colour: red }',
    'lab.yaml:10:10: steps.0.try must NOT have additional properties: colour',
  ],
  [
    'try: { from: a, to: c, protocol: icmp, expect: open }',
    'lab.yaml:10:25: steps.0.try.to names c, which is no host',
  ],
  ['dies: a', 'lab.yaml:10:11: steps.0.dies names a, which is no switch'],
  ['flowing: call', 'lab.yaml:10:14: steps.0.flowing names call, which is no session'],
  [
    'link: { between: [s1:2, s2:3], is: down }',
    'lab.yaml:10:22: steps.0.link.between no link is between s1:2 and s2:3',
  ],
  ['move: { host: a, to: s2:1 }', 'lab.yaml:7:12: hosts.a.at takes the port s2:1 a second time'],
] as const

t.test('a step that cannot be meant is refused with its place', async t => {
  for (const [step, message] of mistakes) t.throws(() => read(withSteps(step)), { message }, step)
})

t.test('a link is named from either end', async t => {
  const step = 'link: { between: [s2:2, s1:2], is: down }'
  t.equal(read(withSteps(step)).steps.length, 1)
})

const wrongNetworks = [
  [
    network.replace('at: s2:1', 'at: s3:1'),
    'lab.yaml:8:12: hosts.b.at names s3, which is no switch',
  ],
  [
    network.replace('at: s2:1', 'at: s2:2'),
    'lab.yaml:8:12: hosts.b.at takes the port s2:2 a second time',
  ],
  [
    network.replace('[s1:2, s2:2]', '[s1:2, s9:2]'),
    'lab.yaml:5:12: links.0.1 names s9, which is no switch',
  ],
  [
    network.replace('switches: [s1, s2]\n', ''),
    'lab.yaml:1:1: a lab needs switches, or a topology that has them',
  ],
  [
    `${network}topology: map.gml\n`,
    'lab.yaml:9:11: topology has the switches and links: leave switches and links out',
  ],
] as const

t.test('a network that does not fit together is refused with its place', async t => {
  for (const [text, message] of wrongNetworks)
    t.throws(() => read(`${text}steps: []\n`), { message })
})

t.test('a topology that is no graph is refused with both places', async t => {
  const text = 'title: M\nrules: none.rules\ntopology: map.gml\nhosts: {}\nsteps: []\n'
  t.throws(() => read(text, { 'map.gml': 'node [ id 1 ]' }), {
    message: 'lab.yaml:3:11: topology map.gml: line 1: there is no graph [ ... ] in it',
  })
})

t.test('every lab that is shipped can be read, with its rules', async t => {
  const names = listLabs()
  t.same(names.sort(), ['branch', 'campus', 'leaf-spine', 'office', 'ring', 'subnets', 'wan'])
  for (const name of names) t.ok(loadLab(name).spec.steps.length > 5, name)
})
