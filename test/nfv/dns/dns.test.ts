/** DNS of networks on simulated switches: whose names are known, what others are asked, what nobody gets. */
import t from 'tap'
import type { Ip, Ipv4 } from '../../../src/base/addresses.js'
import { readResponse, rrTypes, writeName } from '../../../src/nfv/dns/message.js'
import type { NetworkSpec } from '../../../src/sim/network.js'
import { dhcpOption as option } from '../../../src/topology/dhcp-message.js'
import { end, switchNames, Whole } from '../../topology/whole.js'
import { Client } from '../dhcp/client.js'

const v4 = (text: string) => text as Ipv4
const network: NetworkSpec = {
  switches: switchNames(2),
  hosts: [
    {
      name: 'ann',
      at: end('s1', 10),
      ip: v4('10.1.0.1'),
      prefixLength: 24,
      gateway: v4('10.1.0.254'),
    },
    {
      name: 'web',
      at: end('s2', 11),
      ip: v4('10.2.0.1'),
      prefixLength: 24,
      gateway: v4('10.2.0.254'),
    },
    { name: 'gus', at: end('s1', 12), ip: v4('10.3.0.1'), prefixLength: 24 },
    { name: 'pc', at: end('s1', 13) },
    { name: 'pd', at: end('s2', 13) },
  ],
  links: [{ a: end('s1', 1), b: end('s2', 1) }],
}
const [s1, s2] = switchNames(2)
const at = (dpid: NonNullable<typeof s1>['dpid'], port: number) => ({ at: { dpid, port } })

const upstream = '192.0.2.53'
const dns = { zone: 'office.example', upstream: [upstream] }

const started = async (): Promise<Whole> => {
  const whole = await Whole.start(network)
  const { controller } = whole
  controller.topology.declareNetworks([
    { number: 1, name: 'default' },
    { number: 2, name: 'servers', ports: [at(s2!.dpid, 11)] },
    { number: 3, name: 'guests', ports: [at(s1!.dpid, 12)] },
  ])
  controller.topology.declareHosts([], new Map([[`2/${whole.host('web').mac}`, 'web1']]))
  controller.declare('Host', [
    { name: 'web1', spec: { mac: whole.host('web').mac, network: 'servers' } },
    { name: 'nas', spec: { mac: '02:00:00:00:99:01', ips: ['10.1.0.9', 'fd00:1::9'], at: 's1:9' } },
  ])
  controller.declare('Network', [
    {
      name: 'default',
      spec: { number: 1, dns, dhcp: { range: '10.1.0.100-10.1.0.150' } },
    },
    {
      name: 'servers',
      spec: {
        number: 2,
        dns: {
          zone: 'servers.example',
          services: [{ name: '_http._tcp', host: 'web1', port: 8_080, weight: 5 }],
        },
      },
    },
  ])
  controller.declare('Router', [
    {
      name: 'main',
      spec: {
        interfaces: [
          { network: 'default', addresses: ['10.1.0.254/24', 'fd00:1::fe/64'] },
          { network: 'servers', addresses: ['10.2.0.254/24'] },
        ],
      },
    },
  ])
  await whole.env.advance(1_000)
  whole.host('web').announce()
  await whole.env.advance(1_000)
  return whole
}

/** A question with these octets behind its header. */
const question = (name: string, type: number, edns?: number): Uint8Array => {
  const opt = edns === undefined ? [] : [0, 0, 41, edns >> 8, edns & 255, 0, 0, 0, 0, 0, 0]
  return Uint8Array.from([
    ...[0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, edns === undefined ? 0 : 1],
    ...writeName(name),
    ...[type >> 8, type & 255, 0, 1],
    ...opt,
  ])
}

const send = async (
  whole: Whole,
  host: string,
  bytes: Uint8Array,
  to = '10.1.0.254',
  millis = 200,
) => {
  const socket = whole.host(host).openUdp()
  const heard: Uint8Array[] = []
  socket.onMessage(message => void heard.push(new Uint8Array(message)))
  socket.send(to as Ip, 53, bytes)
  await whole.env.advance(millis)
  socket.close()
  return heard[0]
}

const dataOf = (bytes: Uint8Array | undefined): readonly string[] =>
  bytes === undefined
    ? ['silence']
    : readResponse(bytes)!
        .records.filter(({ section }) => section === 'answer')
        .map(({ dataAt, dataSize }) =>
          Buffer.from(bytes.subarray(dataAt, dataAt + dataSize)).toString('hex'),
        )
const hex = (name: string) => Buffer.from(writeName(name)).toString('hex')

/** The code, or the data of its records. */
const ask = async (
  whole: Whole,
  name: string,
  type: keyof typeof rrTypes,
  host = 'ann',
  to?: string,
) => {
  const bytes = await send(whole, host, question(name, rrTypes[type]), to)
  if (bytes === undefined) return 'silence'
  const { rcode } = readResponse(bytes)!
  return rcode === 0 ? dataOf(bytes).join(' ') : `code ${rcode}`
}

t.test('names of hosts, routers and leases, forth and back', async t => {
  const whole = await started()
  t.equal(
    await ask(whole, 'nas.office.example', 'A'),
    '0a010009',
    'a declared one, before it speaks',
  )
  t.equal(await ask(whole, 'NAS.Office.Example', 'AAAA'), 'fd000001000000000000000000000009')
  t.equal(await ask(whole, 'web1.servers.example', 'A'), '0a020001', 'an address that was learnt')
  t.equal(await ask(whole, 'main.office.example', 'A'), '0a0100fe', 'the router')
  t.equal(await ask(whole, 'main.servers.example', 'A'), '0a0200fe', 'and there')
  t.equal(await ask(whole, 'nas', 'A'), '0a010009', 'without a zone')
  t.equal(await ask(whole, '9.0.1.10.in-addr.arpa', 'PTR'), hex('nas.office.example'))
  t.equal(
    await ask(whole, '77.0.1.10.in-addr.arpa', 'PTR'),
    'code 3',
    'nobody there, and nobody else knows',
  )
  t.equal(
    await ask(whole, '_http._tcp.servers.example', 'SRV'),
    `000000051f90${hex('web1.servers.example')}`,
  )
  t.equal(await ask(whole, '_tcp.servers.example', 'A'), '', 'it exists, and has nothing')
  t.equal(await ask(whole, 'nas.office.example', 'TXT'), '')
  t.equal(await ask(whole, 'nobody.office.example', 'A'), 'code 3')
  t.equal(await ask(whole, 'nobody', 'A'), 'code 3', 'others are not asked')

  const pc = new Client(whole, 'pc')
  t.ok(await pc.lease([[option.hostName, Buffer.from('Kate-PC')]]))
  await whole.env.advance(500)
  t.equal(await ask(whole, 'kate-pc.office.example', 'A'), '0a010064')
  t.equal(await ask(whole, '100.0.1.10.in-addr.arpa', 'PTR'), hex('kate-pc.office.example'))
  const offer = await pc.ask({ type: 'discover', options: [[option.wanted, Uint8Array.of(6, 15)]] })
  t.equal(
    Buffer.from(offer!.message.options.get(option.dns)!).toString('hex'),
    '0a0100fe',
    'clients are told',
  )
  t.equal(Buffer.from(offer!.message.options.get(option.domain)!).toString(), 'office.example')
  const pd = new Client(whole, 'pd')
  for (const name of ['nas', 'main', 'wpad', 'ISATAP', 'localhost', 'kate-pc', '..', 'a.b', '*']) {
    t.ok(await pd.lease([[option.hostName, Buffer.from(name)]]), 'it gets an address')
    await whole.env.advance(500)
    const names = whole.controller.views.find(each => each.name === 'names')!.items()
    const taken = names.filter(each => each.from === 'lease' && each.ip !== '10.1.0.100')
    t.same(
      taken.filter(each => each.name !== 'a.office.example'),
      [],
      `and not the name ${name}`,
    )
  }
  await whole.stop()
})

t.test('what is not ours is asked of others, once, and remembered as long as they say', async t => {
  const whole = await started()
  const asked: string[] = []
  let isSilent = false
  whole.env.net.listenUdp({ host: upstream, port: 53 }, (bytes, answer) => {
    if (isSilent) return
    const { name, type } = readQueryOf(bytes)
    asked.push(name)
    const isNegative = name.startsWith('no')
    const forged = new Uint8Array(bytes)
    forged.set([0x81, 0x80], 2)
    forged[1] = forged[1]! ^ 1
    answer(forged)
    const records = isNegative
      ? [
          ...writeName('example'),
          0,
          6,
          0,
          1,
          0,
          0,
          0,
          30,
          0,
          22,
          0,
          0,
          ...Array(16).fill(0),
          0,
          0,
          0,
          20,
        ]
      : [0xc0, 12, type >> 8, type & 255, 0, 1, 0, 0, 0, 60, 0, 4, 198, 51, 100, 7]
    const whole = question(name, type)
    whole.set(bytes.subarray(0, 2))
    whole.set([0x81, isNegative ? 0x83 : 0x80], 2)
    whole[isNegative ? 9 : 7] = 1
    answer(Uint8Array.from([...whole, ...records]))
  })
  t.equal(await ask(whole, 'www.test.example', 'A'), 'c6336407')
  t.equal(await ask(whole, 'www.test.example', 'A'), 'c6336407')
  t.same(asked, ['www.test.example'], 'once')
  await whole.env.advance(30_000)
  const later = await send(whole, 'ann', question('WWW.test.example', 1))
  const [record] = readResponse(later!)!.records
  t.ok(record!.ttl <= 30 && record!.ttl >= 28, `its time goes down: ${record!.ttl}`)
  t.match(Buffer.from(later!).toString('latin1'), /WWW/, 'with the letters of who asks')
  await whole.env.advance(31_000)
  t.equal(await ask(whole, 'www.test.example', 'A'), 'c6336407')
  t.equal(asked.length, 2, 'and again when it is over')
  t.equal(await ask(whole, 'no.test.example', 'A'), 'code 3')
  t.equal(await ask(whole, 'no.test.example', 'A'), 'code 3')
  t.equal(asked.length, 3, 'that there is none is remembered, too')
  const sockets = Array.from({ length: 10 }, () => whole.host('ann').openUdp())
  let answers = 0
  for (const socket of sockets) {
    socket.onMessage(() => void answers++)
    socket.send(v4('10.1.0.254'), 53, question('many.test.example', 1))
  }
  await whole.env.advance(500)
  t.same([answers, asked.length], [10, 4], 'ten who ask at once are one question')
  isSilent = true
  const silent = await send(whole, 'ann', question('gone.test.example', 1), '10.1.0.254', 7_000)
  t.equal(readResponse(silent!)!.rcode, 2)
  t.equal(
    await ask(whole, 'www.test.example', 'A', 'web', '10.2.0.254'),
    'code 5',
    'without upstream',
  )
  t.equal(
    await ask(whole, 'nas.office.example', 'A', 'gus', '10.3.0.254'),
    'silence',
    'a network without it',
  )
  await whole.stop()
})

const readQueryOf = (bytes: Uint8Array) => {
  const copy = new Uint8Array(bytes)
  copy[2] = copy[2]! | 0x80
  return readResponse(copy)!
}

t.test('answers fit, and questions that are none are told so', async t => {
  const whole = await started()
  const hosts = Array.from({ length: 40 }, (_, index) => `10.1.0.${index + 10}`)
  whole.controller.declare('Host', [
    { name: 'many', spec: { mac: '02:00:00:00:99:02', ips: hosts } },
  ])
  const plain = await send(whole, 'ann', question('many.office.example', 1))
  t.equal(readResponse(plain!)!.isTruncated, true)
  t.ok(plain!.length <= 512)
  const edns = await send(whole, 'ann', question('many.office.example', 1, 4_096))
  t.equal(readResponse(edns!)!.isTruncated, false)
  t.equal(dataOf(edns).length, 40)
  const bad = question('many.office.example', 1, 4_096)
  bad[bad.length - 5] = 1
  const version = await send(whole, 'ann', bad)
  t.equal(version![version!.length - 6], 1, 'BADVERS')
  const cut = question('many.office.example', 1).subarray(0, 20)
  t.equal((await send(whole, 'ann', cut))![3], 1, 'FORMERR')
  const update = question('many.office.example', 1)
  update[2] = 0x28
  t.equal((await send(whole, 'ann', update))![3]! & 15, 4, 'NOTIMP')
  const answer = question('many.office.example', 1)
  answer[2] = 0x80
  t.equal(await send(whole, 'ann', answer), undefined, 'an answer is no question')
  t.equal(await ask(whole, 'office.example', 'SOA').then(text => text.length > 40), true)
  await whole.stop()
})
