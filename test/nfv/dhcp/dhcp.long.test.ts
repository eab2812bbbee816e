/** DHCP of a network on simulated switches: what clients ask, are told, and cannot do. */
import t from 'tap'
import { formatIpv4, type Ipv4, macNumber } from '../../../src/base/addresses.js'
import { buildFrame } from '../../../src/pipeline/build.js'
import type { NetworkSpec } from '../../../src/sim/network.js'
import { dhcpOption as option } from '../../../src/topology/dhcp-message.js'
import { stationMac } from '../../../src/topology/hosts/host-frames.js'
import { portKey } from '../../../src/topology/model.js'
import { end, switchNames, tap, Whole } from '../../topology/whole.js'
import { Client, four, ip } from './client.js'

const [s1] = switchNames(2)

/** Ann, eve and old (which has 10.1.0.101 by hand) at s1, bob at s2. */
const network: NetworkSpec = {
  switches: switchNames(2),
  hosts: [
    { name: 'ann', at: end('s1', 10) },
    { name: 'eve', at: end('s1', 11) },
    { name: 'old', at: end('s1', 12), ip: '10.1.0.101' as Ipv4 },
    { name: 'bob', at: end('s2', 10) },
  ],
  links: [{ a: end('s1', 1), b: end('s2', 1) }],
}

const dhcp = {
  range: '10.1.0.100-10.1.0.119',
  lease: '1h',
  server: '10.1.0.2/24',
  router: '10.1.0.254',
  dns: ['10.1.0.53'],
  options: {
    domain: 'office.example',
    mtu: 1_400,
    ntp: ['10.1.0.3'],
    search: ['a.example', 'b.example'],
    routes: [{ to: '10.9.0.0/16', via: '10.1.0.9' }],
    '66': 'tftp.example',
    '150': { addresses: ['10.1.0.4'] },
  },
}

type Spec = Record<string, unknown>

const declare = async (whole: Whole, spec: Spec, hosts: readonly Spec[] = []): Promise<void> => {
  whole.controller.topology.declareNetworks([{ number: 1, name: 'default' }])
  whole.controller.declare(
    'Host',
    hosts.map(each => ({ name: String(each.name), spec: each })),
  )
  whole.controller.declare('Network', [{ name: 'default', spec: { number: 1, dhcp: spec } }])
  await whole.env.advance(1_000)
}

const started = async (spec: Spec = dhcp, hosts: readonly Spec[] = []): Promise<Whole> => {
  const whole = await Whole.start(network)
  await declare(whole, spec, hosts)
  return whole
}

const text = (value: number | undefined) => value && formatIpv4(value)
const hexOf = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('hex')
const leases = (whole: Whole) =>
  whole.controller.views.find(({ name }) => name === 'leases')!.items()

const server = { mac: macNumber(stationMac), ip: '10.1.0.2' }

t.test(
  'a client gets an address, with what it asks for, and the network knows it there',
  async t => {
    const whole = await started()
    const ann = new Client(whole, 'ann')
    const wanted = [1, 3, 6, 15, 26, 42, 66, 119, 121, 150]
    const offer = await ann.ask({
      type: 'discover',
      options: [
        [option.wanted, new Uint8Array(wanted)],
        [option.hostName, Buffer.from('Ann-PC')],
      ],
    })
    t.equal(offer?.message.type, 'offer')
    t.equal(text(offer?.message.yours), '10.1.0.100')
    t.match(offer?.fields, { eth_dst: ann.mac, ip_dst: ip('10.1.0.100'), ip_src: ip('10.1.0.2') })
    const ack = await ann.ask({
      type: 'request',
      options: [
        [option.requestedAddress, four(offer!.message.yours)],
        [option.serverId, four(ip('10.1.0.2'))],
        [option.wanted, new Uint8Array(wanted)],
        [option.hostName, Buffer.from('Ann-PC')],
      ],
    })
    const told = (code: number) => hexOf(ack?.message.options.get(code))
    t.equal(ack?.message.type, 'ack')
    t.equal(told(option.leaseTime), '00000e10')
    t.equal(told(option.renewal), '00000708')
    t.equal(told(option.rebinding), '00000c4e')
    t.equal(told(option.subnetMask), 'ffffff00')
    t.equal(told(option.router), '0a0100fe')
    t.equal(told(option.dns), '0a010035')
    t.equal(told(option.mtu), '0578')
    t.equal(told(option.ntp), '0a010003')
    t.equal(told(option.domain), Buffer.from('office.example').toString('hex'))
    t.equal(told(66), Buffer.from('tftp.example').toString('hex'))
    t.equal(told(150), '0a010004')
    t.equal(told(option.search), '0161076578616d706c65000162076578616d706c6500')
    t.equal(told(option.classlessRoutes), '000a0100fe100a090a010009', 'the default route first')
    t.match(leases(whole), [
      { ip: '10.1.0.100', mac: whole.host('ann').mac, name: 'ann-pc', state: 'bound', at: 's1:10' },
    ])
    t.match(whole.controller.topology.hostsNamed('10.1.0.100'), [
      { mac: whole.host('ann').mac, reportedName: 'ann-pc' },
    ])
    const bob = new Client(whole, 'bob')
    t.equal(text(await bob.lease()), '10.1.0.102', 'at another switch; 101 is in use by hand')
    t.match(whole.events('dhcp-address-in-use'), [{ ip: '10.1.0.101' }])
    t.same(whole.events('flow-refused', 'drift-repaired'), [])
    await whole.stop()
  },
)

t.test('renewing, rebinding, starting again, and asking for what is not its own', async t => {
  const whole = await started({ ...dhcp, lease: '2m' })
  const ann = new Client(whole, 'ann')
  t.equal(text(await ann.lease()), '10.1.0.100')
  const own = '10.1.0.100'
  await whole.env.advance(60_000)
  t.match(leases(whole), [{ left: /^5\ds/ }])
  const renewed = await ann.ask({ type: 'request', client: own, to: server })
  t.equal(renewed?.message.type, 'ack', 'renewing, to the server alone')
  t.match(renewed?.fields, { eth_dst: ann.mac, ip_dst: ip(own), eth_src: server.mac })
  t.equal(text(renewed?.message.client), own, 'and its address is said again')
  t.match(leases(whole), [{ left: /^1m 5\ds/ }])
  const rebound = await ann.ask({ type: 'request', client: own })
  t.equal(rebound?.message.type, 'ack', 'rebinding, to everybody')
  const again = await ann.ask({
    type: 'request',
    options: [[option.requestedAddress, four(ip(own))]],
  })
  t.equal(again?.message.type, 'ack', 'after a restart of the client')
  const asked = async (client: Client, address: string) => {
    const answer = await client.ask({
      type: 'request',
      options: [[option.requestedAddress, four(ip(address))]],
    })
    return [answer?.message.type, answer?.fields.ip_dst === 0xffffffff] as const
  }
  t.same(await asked(ann, '192.168.7.7'), ['nak', true], 'of another network')
  const bob = new Client(whole, 'bob')
  t.same(await asked(bob, own), ['nak', true], "somebody else's")
  t.same(await asked(bob, '10.1.0.50'), ['nak', true], 'out of range')
  t.same(await asked(bob, '10.1.0.2'), ['nak', true], "the server's own")
  t.same(await asked(bob, '10.1.0.105'), ['ack', false], 'free, and the network is ours')
  const other = await bob.ask({
    type: 'request',
    options: [
      [option.requestedAddress, four(ip('10.1.0.105'))],
      [option.serverId, four(ip('10.1.0.99'))],
    ],
  })
  t.equal(other, undefined, 'it has chosen another server')
  await whole.stop()
})

t.test('release, decline, inform', async t => {
  const whole = await started({ ...dhcp, range: '10.1.0.100-10.1.0.100' })
  const ann = new Client(whole, 'ann')
  const bob = new Client(whole, 'bob')
  t.equal(text(await ann.lease()), '10.1.0.100')
  t.equal(await bob.lease(), undefined)
  t.match(whole.events('dhcp-exhausted'), [{ network: 'default' }])
  bob.say({ type: 'release', client: '10.1.0.100', to: server })
  await whole.env.advance(500)
  t.match(leases(whole), [{ state: 'bound' }], 'nobody gives back what he has not')
  bob.say({
    type: 'release',
    client: '10.1.0.100',
    to: server,
    hardware: Uint8Array.from(Buffer.from(whole.host('ann').mac.replaceAll(':', ''), 'hex')),
  })
  await whole.env.advance(500)
  t.match(leases(whole), [{ state: 'bound' }], 'nor in the name of another')
  ann.say({ type: 'release', client: '10.1.0.100', to: server })
  await whole.env.advance(2_000)
  t.match(leases(whole), [{ state: 'released' }])
  t.equal(text(await bob.lease()), '10.1.0.100')
  bob.say({
    type: 'decline',
    options: [
      [option.requestedAddress, four(ip('10.1.0.100'))],
      [option.serverId, four(ip('10.1.0.2'))],
    ],
  })
  await whole.env.advance(2_000)
  t.match(leases(whole), [{ state: 'declined' }])
  t.match(whole.events('dhcp-declined'), [{ ip: '10.1.0.100' }])
  t.equal(await ann.lease(), undefined, 'put aside')
  await whole.env.advance(600_000)
  t.equal(text(await ann.lease()), '10.1.0.100', 'for ten minutes')
  const told = await bob.ask({
    type: 'inform',
    client: '10.1.0.7',
    options: [[option.wanted, new Uint8Array([6])]],
  })
  t.equal(told?.message.type, 'ack')
  t.equal(told?.message.yours, 0)
  t.equal(hexOf(told?.message.options.get(option.dns)), '0a010035')
  t.equal(told?.message.options.get(option.leaseTime), undefined)
  t.equal(told?.message.options.get(option.mtu), undefined, 'what it did not ask for')
  await whole.stop()
})

t.test(
  'reservations: by MAC, by client identifier, by Host; declared addresses are kept',
  async t => {
    const spec = {
      ...dhcp,
      reservations: [
        { mac: '02:00:00:00:77:01', address: '10.1.0.7' },
        { clientId: '00abcd', address: '10.1.0.100' },
        { host: 'printer', address: '10.1.0.9' },
      ],
    }
    const hosts = [
      { name: 'printer', mac: '02:00:00:00:77:03' },
      { name: 'nas', mac: '02:00:00:00:77:04', ips: ['10.1.0.103'], at: 's2:12' },
    ]
    const whole = await started(spec, hosts)
    const of = (mac: number) => new Client(whole, 'ann', mac)
    t.equal(text(await of(0x020000007701).lease()), '10.1.0.7')
    const id = [[option.clientId, Uint8Array.from([0, 0xab, 0xcd])]] as const
    t.equal(text(await of(0x020000007702).lease(id)), '10.1.0.100')
    t.equal(text(await of(0x020000007703).lease()), '10.1.0.9')
    t.equal(text(await of(0x020000007704).lease()), '10.1.0.103', 'a Host with an address has it')
    t.equal(text(await of(0x020000007705).lease()), '10.1.0.102', 'and nobody else does')
    const pxe = [[option.clientId, Uint8Array.from([0, 1, 2, 3])]] as const
    t.equal(text(await of(0x020000007701).lease(pxe)), '10.1.0.7', 'whatever it calls itself')
    await whole.stop()
  },
)

t.test('the broadcast flag; client identifiers; what the client is told again', async t => {
  const whole = await started()
  const ann = new Client(whole, 'ann')
  const id = Uint8Array.from([255, 1, 2, 3, 4])
  const relay = Uint8Array.from([1, 2, 0x61, 0x62, 2, 1, 0x63])
  const offer = await ann.ask({
    type: 'discover',
    isBroadcast: true,
    xid: 0xdeadbeef,
    options: [
      [option.clientId, id],
      [option.relay, relay],
    ],
  })
  t.match(offer?.fields, { eth_dst: 0xffffffffffff, ip_dst: 0xffffffff })
  t.equal(offer?.message.xid, 0xdeadbeef)
  t.equal(hexOf(offer?.message.options.get(option.clientId)), hexOf(id))
  t.equal(hexOf(offer?.message.options.get(option.relay)), hexOf(relay))
  const ack = await ann.ask({
    type: 'request',
    options: [
      [option.clientId, id],
      [option.relay, relay],
      [option.requestedAddress, four(offer!.message.yours)],
    ],
  })
  t.equal(ack?.message.type, 'ack')
  t.match(leases(whole), [
    {
      client: 'ff01020304',
      relay: { circuitId: '6162', remoteId: '63' },
      relayed: 'circuit ab remote c',
    },
  ])
  t.equal(text(await ann.lease()), '10.1.0.102', 'by its MAC it is another client')
  await whole.stop()
})

t.test('a relay agent asks for a subnet behind it', async t => {
  const spec = {
    ...dhcp,
    relayed: [
      {
        subnet: '10.9.0.0/24',
        via: '10.1.0.101',
        range: '10.9.0.10-10.9.0.20',
        router: ['10.9.0.1'],
      },
    ],
  }
  const whole = await started(spec)
  whole.host('old').announce()
  await whole.env.advance(500)
  const agent = new Client(whole, 'old')
  const hardware = Uint8Array.from([2, 0, 0, 0, 9, 9])
  const question = {
    type: 'discover',
    hardware,
    relay: '10.9.0.1',
    from: '10.1.0.101',
    to: server,
  } as const
  const offer = await agent.ask(question)
  t.equal(text(offer?.message.yours), '10.9.0.10')
  t.match(offer?.fields, { ip_dst: ip('10.9.0.1'), udp_dst: 67, eth_dst: agent.mac })
  t.equal(hexOf(offer?.message.options.get(option.router)), '0a090001')
  const ack = await agent.ask({
    ...question,
    type: 'request',
    options: [
      [option.requestedAddress, four(ip('10.9.0.10'))],
      [option.serverId, four(ip('10.1.0.2'))],
      [option.relay, Uint8Array.from([1, 4, ...Buffer.from('ge-7')])],
    ],
  })
  t.equal(ack?.message.type, 'ack')
  t.match(leases(whole), [
    { ip: '10.9.0.10', mac: '02:00:00:00:09:09', relayed: '10.9.0.1 circuit ge-7' },
  ])
  const eve = new Client(whole, 'eve')
  t.equal(await eve.ask({ ...question, from: '10.1.0.101' }), undefined, 'nobody else may')
  t.equal(
    await eve.ask({ ...question, relay: '10.1.0.77' }),
    undefined,
    'nor for the network itself',
  )
  await whole.stop()
})

t.test('a host cannot ask in the name of another, nor have more than its share', async t => {
  const whole = await started({ ...dhcp, perPort: 4 })
  const eve = new Client(whole, 'eve')
  const forged = await eve.ask({
    type: 'discover',
    hardware: Uint8Array.from([2, 0, 0, 0, 1, 1]),
  })
  t.equal(forged, undefined)
  const got: (string | 0 | undefined)[] = []
  for (let number = 0; number < 8; number++)
    got.push(text(await new Client(whole, 'eve', 0x020000008800 + number).lease()))
  t.same(got.filter(Boolean).length, 4)
  t.match(whole.events('dhcp-port-limited')[0], { network: 'default', port: 11 })
  const ann = new Client(whole, 'ann')
  t.ok(await ann.lease(), 'others get theirs')
  await whole.stop()
})

t.test('answers of other servers are dropped and told, unless their port is declared', async t => {
  const whole = await started()
  const frames = tap(whole.network, 'bob')
  const offer = buildFrame(
    {
      eth_src: macNumber(whole.host('eve').mac),
      eth_dst: 0xffffffffffff,
      eth_type: 0x0800,
      ip_proto: 17,
      ip_src: ip('10.1.0.66'),
      ip_dst: 0xffffffff,
      udp_src: 67,
      udp_dst: 68,
    },
    new Uint8Array(300),
  )
  const isHeard = async () => {
    frames.length = 0
    whole.host('eve').sendFrame(offer)
    await whole.env.advance(1_000)
    whole.host('eve').sendFrame(offer)
    await whole.env.advance(1_000)
    return frames.some(frame => frame.length > 300)
  }
  t.notOk(await isHeard())
  t.match(whole.events('dhcp-server-refused'), [
    { network: 'default', mac: whole.host('eve').mac, ip: '10.1.0.66', port: 11 },
  ])
  whole.controller.topology.declarePorts(
    new Map([[portKey({ dpid: s1!.dpid, port: 11 }), { serves: ['dhcp'] as const }]]),
  )
  await whole.env.advance(1_000)
  t.ok(await isHeard(), 'a declared one is let')
  await whole.stop()
})

t.test(
  'beside a declared server of others everybody is asked, and it is left its clients',
  async t => {
    const whole = await started()
    whole.controller.topology.declarePorts(
      new Map([[portKey({ dpid: s1!.dpid, port: 11 }), { serves: ['dhcp'] as const }]]),
    )
    await whole.env.advance(1_000)
    const frames = tap(whole.network, 'eve')
    const ann = new Client(whole, 'ann')
    const offer = await ann.ask({ type: 'discover' })
    t.equal(offer?.message.type, 'offer', 'ours answers')
    t.ok(
      frames.some(frame => frame.length > 300),
      'and the other one hears',
    )
    const its = [[option.requestedAddress, four(ip('10.1.0.210'))]] as const
    t.equal(
      await ann.ask({ type: 'request', options: its }),
      undefined,
      'nothing is said of its leases',
    )
    await whole.stop()
  },
)

t.test('what a client asks of the server alone, after it gave its address back', async t => {
  const whole = await started()
  const ann = new Client(whole, 'ann')
  t.equal(text(await ann.lease()), '10.1.0.100')
  ann.say({ type: 'release', client: '10.1.0.100', to: server })
  await whole.env.advance(300)
  const told = await ann.ask({ type: 'inform', client: '10.1.0.100', to: server })
  t.equal(told?.message.type, 'ack')
  await whole.stop()
})

t.test('the server answers ARP and ping, and nobody takes its address', async t => {
  const whole = await started()
  whole.host('old').announce()
  await whole.env.advance(500)
  const pinged = await whole.during(whole.host('old').ping('10.1.0.2' as Ipv4))
  t.ok(pinged !== undefined)
  whole.host('eve').sendFrame(
    buildFrame({
      eth_src: macNumber(whole.host('eve').mac),
      eth_dst: 0xffffffffffff,
      eth_type: 0x0806,
      arp_op: 1,
      arp_sha: macNumber(whole.host('eve').mac),
      arp_spa: ip('10.1.0.2'),
      arp_tpa: ip('10.1.0.2'),
    }),
  )
  await whole.env.advance(1_000)
  t.same(whole.controller.topology.hostsNamed('10.1.0.2'), [])
  t.ok((await whole.during(whole.host('old').ping('10.1.0.2' as Ipv4))) !== undefined)
  await whole.stop()
})

t.test('with a Router it serves by the router; without anybody it says so', async t => {
  const { server: _, router: __, ...rest } = dhcp
  const whole = await started(rest)
  t.match(whole.controller.stateOf('Network', 'default'), {
    state: 'failed',
    reason: /give dhcp.server, such as 10.1.0.2\/24, or a Router/,
  })
  whole.controller.declare('Router', [
    {
      name: 'main',
      spec: { interfaces: [{ network: 'default', addresses: ['10.1.0.254/24'] }] },
    },
  ])
  await whole.env.advance(1_000)
  t.match(whole.controller.stateOf('Network', 'default'), { state: 'installed' })
  const ann = new Client(whole, 'ann')
  const offer = await ann.ask({ type: 'discover' })
  t.equal(text(offer?.message.yours), '10.1.0.100')
  t.equal(hexOf(offer?.message.options.get(option.serverId)), '0a0100fe')
  t.equal(hexOf(offer?.message.options.get(option.router)), '0a0100fe')
  const mac = macNumber(whole.controller.topology.gateways[0]!.mac)
  t.equal(offer?.fields.eth_src, mac)
  const ack = await ann.ask({
    type: 'request',
    client: '10.1.0.100',
    to: { mac, ip: '10.1.0.254' },
  })
  t.equal(ack?.message.type, 'ack', 'to the router itself')
  await whole.stop()
})
