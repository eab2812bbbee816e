/** A name means the same wherever people write it: in questions, paths, intents, rules and declarations. */
import t from 'tap'
import { readIp } from '../../src/base/addresses.js'
import { factsOf } from '../../src/nfv/firewall/service/policy-facts.js'
import { endsOf } from '../../src/topology/intents/ends.js'
import { emptyTopology, type Host, hostKey, type Topology } from '../../src/topology/model.js'
import {
  hostsNamed,
  portsNamed,
  switchesNamed,
  theHost,
  thePort,
  theSwitch,
} from '../../src/topology/names.js'
import { answerPaths } from '../../src/topology/paths/answer.js'
import { dpidOf, switchesOf } from './networks.js'

const ipsOf = (...texts: string[]): Host['ips'] => texts.map(text => readIp(text)!)

const host = (mac: string, network: number, port: number, more: Partial<Host> = {}): Host => ({
  mac: mac as Host['mac'],
  ips: [],
  at: { dpid: dpidOf(1), port },
  network,
  isPinned: false,
  ...more,
})
const laptop = host('02:00:00:00:00:0a', 2, 10, {
  ips: ipsOf('10.2.0.1', 'fd00::a'),
  name: 'laptop',
  reportedName: 'liar',
})
const twin = (network: number) =>
  host('02:00:00:00:00:0b', network, 10 + network, {
    ips: ipsOf(`10.${network}.0.11`, '10.9.9.9'),
  })
const twoPorts = new Map(
  [1, 2].map(number => [
    number,
    {
      number,
      name: `eth${number}`,
      mac: '0e:00:00:00:00:01' as Host['mac'],
      isUp: true,
      kind: 'edge' as const,
      speedKbps: 0,
    },
  ]),
)
const topologyOf = (hosts: readonly Host[]): Topology => ({
  ...emptyTopology,
  switches: new Map([...switchesOf(2)].map(([dpid, self]) => [dpid, { ...self, ports: twoPorts }])),
  hosts: new Map(hosts.map(each => [hostKey(each.network, each.mac), each])),
  networks: [...emptyTopology.networks, { number: 2, name: 'blue' }],
})
const topology = topologyOf([laptop, twin(1), twin(2)])

/** What each reader of names finds under a text: the addresses of the one host, or nobody. */
const readers: Readonly<Record<string, (text: string) => readonly string[] | undefined>> = {
  questions: text => theHost(topology, text)?.ips,
  paths: text => {
    const question = { cost: 'given', count: 1, without: [], avoid: [], through: [] } as const
    const tags = { withTags: [], withoutTags: [] }
    try {
      answerPaths(topology, { ...question, ...tags, from: text, to: dpidOf(1) })
      return theHost(topology, text)?.ips
    } catch {
      return undefined
    }
  },
  intents: text => {
    const ends = endsOf(topology, [text])
    return typeof ends === 'string' ? undefined : ends[0]!.hosts.flatMap(({ ips }) => ips)
  },
  rules: text => factsOf(topology, 0).hostAddresses(text),
}

const spellings = [
  'laptop',
  '02:00:00:00:00:0a',
  '02:00:00:00:00:0A',
  '02-00-00-00-00-0a',
  '0200.0000.000A',
  '10.2.0.1',
  'fd00::a',
  'FD00:0:0:0:0:0:0:000A',
  'blue/laptop',
  '2/02:00:00:00:00:0a',
]
for (const [reader, find] of Object.entries(readers))
  t.test(`${reader} find a host by any spelling of what it is declared and seen as`, async t => {
    for (const text of spellings) t.same(find(text), laptop.ips, text)
    for (const text of ['liar', 'default/laptop', 'red/laptop', '10.2.0.2'])
      t.equal(find(text), undefined, text)
  })

t.test(
  'what several have is refused with the candidates, and told apart by the network',
  async t => {
    for (const text of ['02:00:00:00:00:0b', '10.9.9.9']) {
      t.equal(hostsNamed(topology, text).length, 2)
      const sentence = `${text} means default/02:00:00:00:00:0b, blue/02:00:00:00:00:0b`
      t.throws(() => theHost(topology, text), {
        code: 'ambiguous',
        message: new RegExp(sentence),
      })
      t.match(endsOf(topology, [text]), sentence)
    }
    t.equal(theHost(topology, 'blue/10.9.9.9')?.network, 2)
    t.equal(theHost(topology, 'default/0200.0000.000b')?.network, 1)
  },
)

t.test(
  'a MAC in a rule means its addresses in every network, whichever was seen first',
  async t => {
    const mac = '02:00:00:00:00:0b'
    const found = [
      [twin(1), twin(2)],
      [twin(2), twin(1)],
    ].map(hosts => factsOf(topologyOf(hosts), 0).hostAddresses(mac)?.toSorted())
    t.same(found[0], ['10.1.0.11', '10.2.0.11', '10.9.9.9', '10.9.9.9'])
    t.same(found[1], found[0])
  },
)

t.test(
  'switches and ports; of switches with one name, what is declared means the first',
  async t => {
    t.equal(theSwitch(topology, 's1')?.dpid, dpidOf(1))
    t.equal(theSwitch(topology, dpidOf(2))?.name, 's2')
    t.equal(theSwitch(topology, '0x2')?.name, 's2')
    const [first, second] = [...topology.switches.values()]
    const port = [...first!.ports.values()][0]!
    t.same(thePort(topology, `s1:${port.number}`), { dpid: dpidOf(1), port: port.number })
    t.same(thePort(topology, `s1:${port.name}`), { dpid: dpidOf(1), port: port.number })
    const own = { ...port, number: 0xfffffffe, name: 'br0' }
    const withOwn = { ...first!, ports: new Map([[own.number, own]]) }
    t.same(
      thePort({ ...topology, switches: new Map([[first!.dpid, withOwn]]) }, 's1:LOCAL'),
      { dpid: dpidOf(1), port: own.number },
      'as ovs-ofctl names it',
    )
    t.throws(() => thePort(topology, 's1:LOCAL'), /s1 has no port LOCAL/)
    t.equal(portsNamed(topology, 's1:*').length, first!.ports.size)
    t.throws(() => thePort(topology, 's1:77'), /s1 has no port 77/)
    t.throws(() => thePort(topology, 's9:1'), { code: 'no-such-switch' })

    const named = (isConnected: readonly [boolean, boolean]): Topology => ({
      ...topology,
      switches: new Map(
        [second!, first!].map(each => [
          each.dpid,
          { ...each, name: 'br0', isConnected: isConnected[each === first ? 0 : 1] },
        ]),
      ),
    })
    const both = named([true, true])
    t.same(
      switchesNamed(both, 'br0').map(({ index }) => index),
      [first!.index, second!.index].sort(),
    )
    t.throws(() => theSwitch(both, 'br0'), {
      message: new RegExp(`br0 means ${dpidOf(1)}, ${dpidOf(2)}`),
    })
    t.equal(theSwitch(named([false, true]), 'br0')?.dpid, dpidOf(2), 'questions mean who is there')
    t.equal(portsNamed(named([false, true]), `br0:${port.number}`)[0]?.dpid, dpidOf(1))
  },
)
