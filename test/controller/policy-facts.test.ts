/** What names in rules mean, from a network written down by hand. */
import t from 'tap'
import { parseCidr } from '../../src/base/addresses.js'
import { complaintsOf } from '../../src/base/kind.js'
import { networkKind } from '../../src/controller/declared/kinds.js'
import { factsOf } from '../../src/nfv/firewall/service/policy-facts.js'
import { readMacPrefix } from '../../src/nfv/firewall/text/mac-prefix.js'
import { emptyTopology, type Host, type Topology } from '../../src/topology/model.js'

const host = (number: number, network: number, ips: readonly string[], name?: string): Host => ({
  mac: `02:00:00:00:00:0${number}` as Host['mac'],
  ips: ips.map(ip => ip as Host['ips'][number]),
  at: { dpid: '0000000000000001' as never, port: number },
  network,
  isPinned: false,
  ...(name !== undefined && { name }),
})

const hosts = [
  host(1, 1, ['10.0.0.1']),
  host(2, 2, ['10.2.0.1', 'fd00::1'], 'web1'),
  host(3, 2, ['10.2.0.2']),
]
const topology: Topology = {
  ...emptyTopology,
  hosts: new Map(hosts.map(each => [each.mac, each])),
  networks: [
    ...emptyTopology.networks,
    { number: 2, name: 'blue' },
    { number: 3, name: 'green', subnets: ['10.3.0.0/16', 'fd03::/64'] },
  ],
}
const facts = factsOf(topology, 0)
const cidrs = (...texts: string[]) => texts.map(text => parseCidr(text))

t.test('a network means its subnets, or the hosts that are in it', async t => {
  t.same(facts.networkSubnets('green'), cidrs('10.3.0.0/16', 'fd03::/64'))
  t.same(facts.networkSubnets('blue'), cidrs('10.2.0.1/32', 'fd00::1/128', '10.2.0.2/32'))
  t.equal(facts.networkSubnets('red'), undefined)
})

t.test('a VLAN means the network with its number', async t => {
  t.same(facts.vlanSubnets!('3'), cidrs('10.3.0.0/16', 'fd03::/64'))
  t.same(facts.vlanSubnets!('2'), facts.networkSubnets('blue'))
  t.equal(facts.vlanSubnets!('4'), undefined)
})

t.test('a host by its name and by its MAC', async t => {
  t.same(facts.hostAddresses('web1'), ['10.2.0.1', 'fd00::1'])
  t.same(facts.hostAddresses('02:00:00:00:00:01'), ['10.0.0.1'])
  t.equal(facts.hostAddresses('nobody'), undefined)
})

t.test('a MAC, or the beginning of one, means the addresses of who has it', async t => {
  const addresses = (text: string) => facts.macAddresses!(readMacPrefix(text)!)
  t.same(addresses('02-00-00-00-00-02'), ['10.2.0.1', 'fd00::1'])
  t.same(addresses('02:00:00:00:00:02/47'), ['10.2.0.1', 'fd00::1', '10.2.0.2'])
  t.same(addresses('02:00:00:00:00:00/24')?.length, 4)
  t.equal(addresses('00:1b:21:00:00:00/24'), undefined)
})

t.test('a subnet that is none is refused with its place', async t => {
  const complaints = complaintsOf(networkKind, { number: 2, subnets: ['10.3.0.0/16', '10.3/99'] })
  t.same(complaints, [{ path: ['subnets', '1'], message: 'takes a CIDR, such as 10.1.0.0/16' }])
})

t.test(
  'a port of a switch is that of the first with its name, in whatever order they come back',
  async t => {
    const one = (dpid: string, index: number) => ({
      dpid: dpid as never,
      name: 'br0',
      index,
      isConnected: index > 1,
      ports: new Map([[1, { number: 1, name: 'eth1' } as never]]),
    })
    const [first, second] = [one('0000000000000001', 1), one('0000000000000002', 2)]
    for (const order of [
      [first, second],
      [second, first],
    ]) {
      const network = { ...topology, switches: new Map(order.map(each => [each.dpid, each])) }
      t.same(factsOf(network as never, 0).portAddresses('br0:1'), ['10.0.0.1'])
      t.same(factsOf(network as never, 0).portAddresses('0000000000000002:1'), [])
    }
  },
)
