/** DHCP for IPv6 of a network on simulated switches, and what router advertisements say of it. */
import t from 'tap'
import { formatIpv6, macNumber, parseIpv6 } from '../../../src/base/addresses.js'
import { SimulatedEnv } from '../../../src/base/env/simulated-env.js'
import { buildFrame } from '../../../src/pipeline/build.js'
import { etherTypes, ipProtocols, readPacket } from '../../../src/pipeline/packet.js'
import type { NetworkSpec } from '../../../src/sim/network.js'
import {
  type Dhcp6Type,
  type Option6,
  dhcp6Option as option,
  readDhcp6,
  readOptions6,
  writeDhcp6,
  writeOptions6,
} from '../../../src/topology/dhcp6-message.js'
import { linkLocalOf } from '../../../src/topology/hosts/gateway-claims.js'
import { end, switchNames, tap, Whole } from '../../topology/whole.js'

const network: NetworkSpec = {
  switches: switchNames(1),
  hosts: ['ann', 'bob', 'eve'].map((name, index) => ({ name, at: end('s1', 10 + index) })),
  links: [],
}

const started = async (dhcp6: object, more: object = {}): Promise<Whole> => {
  const whole = await Whole.start(network)
  const { controller } = whole
  controller.topology.declareNetworks([{ number: 1, name: 'default' }])
  controller.declare('Host', [])
  controller.declare('Network', [{ name: 'default', spec: { number: 1, dhcp6, ...more } }])
  controller.declare('Router', [
    { name: 'main', spec: { interfaces: [{ network: 'default', addresses: ['fd00:1::fe/64'] }] } },
  ])
  await whole.env.advance(1_000)
  return whole
}

const bytesOf = (ip: string): Uint8Array => {
  const value = parseIpv6(ip)!
  return Uint8Array.from(Buffer.from(value.toString(16).padStart(32, '0'), 'hex'))
}

const association = (...ips: readonly string[]): Option6 => [
  option.nonTemporary,
  Uint8Array.from([
    ...[0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0],
    ...writeOptions6(
      ips.map(ip => [option.address, Uint8Array.from([...bytesOf(ip), 0, 0, 0, 0, 0, 0, 0, 0])]),
    ),
  ]),
]

/** MACs of simulated hosts follow from their order. */
const bobsMac = '02:00:00:00:00:02'

class Client6 {
  readonly #whole: Whole
  readonly #name: string
  readonly #frames: Uint8Array[]
  readonly mac: number
  server: Uint8Array | undefined

  constructor(whole: Whole, name: string) {
    this.#whole = whole
    this.#name = name
    this.#frames = tap(whole.network, name)
    this.mac = macNumber(whole.host(name).mac)
  }

  get duid(): Uint8Array {
    return Uint8Array.from([
      0,
      3,
      0,
      1,
      ...Buffer.from(this.#whole.host(this.#name).mac.replaceAll(':', ''), 'hex'),
    ])
  }

  frame(body: Uint8Array): Uint8Array {
    return buildFrame(
      {
        eth_src: this.mac,
        eth_dst: 0x333300010002,
        eth_type: etherTypes.ipv6,
        ip_proto: ipProtocols.udp,
        ipv6_src: linkLocalOf(this.mac),
        ipv6_dst: (0xff02n << 112n) | 0x10002n,
        udp_src: 546,
        udp_dst: 547,
        nw_ttl: 1,
      },
      body,
    )
  }

  async ask(type: Dhcp6Type, options: readonly Option6[], duid = this.duid) {
    this.#frames.length = 0
    const head: Option6[] = [[option.clientId, duid]]
    if (this.server && ['request', 'renew', 'release', 'decline'].includes(type))
      head.push([option.serverId, this.server])
    const body = writeDhcp6({ type, transaction: 0xabcdef, options: [...head, ...options] })
    this.#whole.host(this.#name).sendFrame(this.frame(body))
    await this.#whole.env.advance(500)
    const answers = this.#frames.flatMap(frame => {
      const packet = readPacket(frame)
      return packet.fields.udp_dst === 546 ? (readDhcp6(frame.subarray(packet.payload)) ?? []) : []
    })
    const answer = answers[0]
    this.server = answer?.options.find(([code]) => code === option.serverId)?.[1] ?? this.server
    return answer
  }

  /** What router advertisements said, newest last. */
  advertisements(): readonly Uint8Array[] {
    return this.#frames.filter(frame => readPacket(frame).fields.icmpv6_type === 134)
  }
}

type Answer = Awaited<ReturnType<Client6['ask']>>
const given = (answer: Answer): readonly string[] =>
  (answer?.options ?? [])
    .filter(([code]) => code === option.nonTemporary)
    .flatMap(([, value]) => readOptions6(value.subarray(12))!)
    .map(([code, value]) =>
      code === option.address
        ? `${formatIpv6(BigInt(`0x${Buffer.from(value.subarray(0, 16)).toString('hex')}`))} ${Buffer.from(value).readUInt32BE(20)}`
        : `status ${value[1]}`,
    )
const statusOf = (answer: Answer) =>
  answer?.options.find(([code]) => code === option.status)?.[1][1]
const optionOf = (answer: Answer, wanted: number) => {
  const value = answer?.options.find(([code]) => code === wanted)?.[1]
  return value && Buffer.from(value).toString('hex')
}
const leases = (whole: Whole) =>
  whole.controller.views.find(({ name }) => name === 'leases')!.items()

t.test('addresses: asked for, renewed, confirmed, declined, given back', async t => {
  const whole = await started({
    range: 'fd00:1::1000-fd00:1::10ff',
    lease: '1h',
    dns: ['fd00:1::53'],
    search: ['office.example'],
    reservations: [{ mac: bobsMac, address: 'fd00:1::b' }],
  })
  const ann = new Client6(whole, 'ann')
  const offer = await ann.ask('solicit', [association()])
  t.equal(offer?.type, 'advertise')
  t.equal(offer?.transaction, 0xabcdef)
  const [own] = given(offer)
  t.match(own, /^fd00:1::10[0-9a-f]{2} 3600$/)
  t.equal(leases(whole).length, 0, 'nothing is given yet')
  const reply = await ann.ask('request', [association()])
  t.equal(reply?.type, 'reply')
  t.same(given(reply), [own])
  t.equal(optionOf(reply, option.dns), Buffer.from(bytesOf('fd00:1::53')).toString('hex'))
  t.equal(optionOf(reply, option.domains), '066f6666696365076578616d706c6500')
  const ip = own!.split(' ')[0]!
  t.match(leases(whole), [{ ip, state: 'bound', mac: whole.host('ann').mac, at: 's1:10' }])
  t.match(whole.controller.topology.hostsNamed(ip), [{ mac: whole.host('ann').mac }])
  t.same(given(await ann.ask('renew', [association(ip)])), [own])
  t.same(given(await ann.ask('rebind', [association(ip)])), [own])
  t.same(
    [...given(await ann.ask('renew', [association('fd00:1::77')]))].sort(),
    [own, 'fd00:1::77 0'].sort(),
    'what is not its own it gives up',
  )
  t.equal(statusOf(await ann.ask('confirm', [association(ip)])), 0)
  t.equal(statusOf(await ann.ask('confirm', [association('fd00:9::1')])), 4, 'of another link')
  const eve = new Client6(whole, 'eve')
  t.notSame(given(await eve.ask('solicit', [association(ip)], ann.duid)), [own], 'not by its DUID')
  t.match(given(await eve.ask('release', [association(ip)], ann.duid)), ['status 3'])
  t.match(leases(whole), [{ ip, state: 'bound' }])
  const bob = new Client6(whole, 'bob')
  await bob.ask('solicit', [association()])
  t.same(given(await bob.ask('request', [association()])), ['fd00:1::b 3600'], 'reserved')
  t.equal(statusOf(await ann.ask('decline', [association(ip)])), 0)
  t.match(whole.events('dhcp-declined'), [{ ip }])
  const other = given(await ann.ask('solicit', [association()]))[0]
  t.not(other, own, 'put aside')
  t.equal(statusOf(await bob.ask('release', [association('fd00:1::b')])), 0)
  t.match(
    leases(whole).find(each => each.ip === 'fd00:1::b'),
    { state: 'released' },
  )
  bob.server = Uint8Array.from([0, 3, 0, 1, 9, 9])
  t.equal(await bob.ask('request', [association()]), undefined, 'it means another server')
  t.same(whole.events('flow-refused', 'drift-repaired'), [])
  await whole.stop()
})

t.test('without a range hosts are told, and get no address; advertisements say so', async t => {
  const whole = await started({}, { dns: { zone: 'office.example' } })
  const ann = new Client6(whole, 'ann')
  const told = await ann.ask('information', [])
  t.equal(told?.type, 'reply')
  const router = Buffer.from(bytesOf('fd00:1::fe')).toString('hex')
  t.equal(optionOf(told, option.dns), router, 'our own name server')
  t.equal(optionOf(told, option.domains), '066f6666696365076578616d706c6500')
  t.equal(await ann.ask('solicit', [association()]), undefined)
  await whole.env.advance(20_000)
  const flags = (frame: Uint8Array | undefined) => frame && frame[54 + 5]! & 0xc0
  const stateless = ann.advertisements().at(-1)
  t.equal(flags(stateless), 0x40, 'other configuration')
  t.match(Buffer.from(stateless!).toString('hex'), new RegExp(`1903000000002328${router}`), 'RDNSS')
  whole.controller.declare('Network', [
    { name: 'default', spec: { number: 1, dhcp6: { range: 'fd00:1::1000-fd00:1::10ff' } } },
  ])
  await whole.env.advance(20_000)
  t.equal(flags(ann.advertisements().at(-1)), 0xc0, 'managed, too')
  await whole.stop()
})

t.test('without a router of IPv6 it says so', async t => {
  const whole = await Whole.start(network)
  whole.controller.topology.declareNetworks([{ number: 1, name: 'default' }])
  whole.controller.declare('Network', [{ name: 'default', spec: { number: 1, dhcp6: {} } }])
  await whole.env.advance(500)
  t.match(whole.controller.stateOf('Network', 'default'), {
    state: 'failed',
    reason: /dhcp6: no router has an IPv6 address/,
  })
  await whole.stop()
})

t.test('any octets are a message or none', t => {
  const env = new SimulatedEnv({ seed: 23 })
  let read = 0
  for (let round = 0; round < 20_000; round++) {
    const body = writeDhcp6({
      type: 'request',
      transaction: round,
      options: [
        [option.clientId, env.random.bytes(10)],
        association('fd00:1::1'),
        [option.wanted, env.random.bytes(env.random.uint32() % 8)],
      ],
    })
    for (let turn = env.random.uint32() % 4; turn > 0; turn--)
      body[env.random.uint32() % body.length] = env.random.uint32() & 255
    const given =
      env.random.uint32() & 3 ? body : body.subarray(0, env.random.uint32() % body.length)
    const message = readDhcp6(given)
    if (message === undefined) continue
    read++
    for (const [, value] of message.options) readOptions6(value)
  }
  t.ok(read > 2_000 && read < 20_000, `${read} are`)
  t.end()
})
