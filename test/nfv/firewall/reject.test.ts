/** Who is told that a packet was rejected: RFC 1122 section 3.2.2, RFC 4443 section 2.4. */
import t from 'tap'
import { rejectionOf } from '../../../src/pipeline/answers.js'
import { buildFrame } from '../../../src/pipeline/build.js'
import { type Fields, readPacket } from '../../../src/pipeline/packet.js'

const ends: Fields = { eth_src: 0x02000000000a, eth_dst: 0x02000000000b }
const v4 = (fields: Fields): Fields => ({
  ...ends,
  eth_type: 0x0800,
  ip_src: 0x0a4d0001,
  ip_dst: 0x0a4d0002,
  ...fields,
})
const v6 = (fields: Fields): Fields => ({
  ...ends,
  eth_type: 0x86dd,
  ipv6_src: (0xfd77n << 112n) | 1n,
  ipv6_dst: (0xfd77n << 112n) | 2n,
  ...fields,
})
const udp: Fields = { ip_proto: 17, udp_src: 1, udp_dst: 9 }
const tcp: Fields = { ip_proto: 6, tcp_src: 1, tcp_dst: 9, tcp_flags: 2 }

/** 10.77.0.0/24 is a subnet. */
const isBroadcast = (address: number) => address === 0x0a4d00ff || address === 0x0a4d0000

const answer = (fields: Fields, payload = Buffer.from('some data')) =>
  rejectionOf(buildFrame(fields, payload), isBroadcast)

t.test('between two hosts the sender is told', async t => {
  for (const fields of [v4(udp), v4(tcp), v6(udp), v6(tcp)]) {
    const told = readPacket(answer(fields)!).fields
    t.equal(told.eth_src, ends.eth_dst)
    t.equal(told.eth_dst, ends.eth_src)
  }
  t.ok(answer(v4({ ip_proto: 1, icmp_type: 8, icmp_code: 0 })), 'an echo request, too')
  t.ok(answer(v6({ ip_proto: 58, icmpv6_type: 128, icmpv6_code: 0 })))
})

t.test('a rule may choose what is told, to TCP as well', async t => {
  const rows = [
    ['admin-prohibited', 13, 1],
    ['port-unreachable', 3, 4],
    ['host-unreachable', 1, 3],
    ['net-unreachable', 0, 0],
  ] as const
  const told = (fields: Fields, code: (typeof rows)[number][0]) =>
    readPacket(rejectionOf(buildFrame(fields, Buffer.from('x')), isBroadcast, code)!).fields
  for (const [code, v4Code, v6Code] of rows)
    for (const [four, six] of [
      [v4(udp), v6(udp)],
      [v4(tcp), v6(tcp)],
    ] as const) {
      t.match(told(four, code), { icmp_type: 3, icmp_code: v4Code }, code)
      t.match(told(six, code), { icmpv6_type: 1, icmpv6_code: v6Code }, code)
    }
})

t.test('nobody is told of what was not from one host to one host', async t => {
  const groups: Record<string, Fields> = {
    'to the broadcast of Ethernet': { eth_dst: 0xffffffffffff },
    'to a group of Ethernet': { eth_dst: 0x01005e000001 },
    'from a group of Ethernet': { eth_src: 0x03000000000a },
  }
  const addresses: Record<string, Fields> = {
    'to the broadcast of a subnet': { ip_dst: 0x0a4d00ff },
    'to the old broadcast of a subnet': { ip_dst: 0x0a4d0000 },
    'to 255.255.255.255': { ip_dst: 0xffffffff },
    'to 224.0.0.251': { ip_dst: 0xe00000fb },
    'from 0.0.0.0': { ip_src: 0 },
    'from 127.0.0.1': { ip_src: 0x7f000001 },
    'from 224.0.0.1': { ip_src: 0xe0000001 },
    'from 255.255.255.255': { ip_src: 0xffffffff },
    'from the broadcast of a subnet': { ip_src: 0x0a4d00ff },
  }
  const addresses6: Record<string, Fields> = {
    'to ff02::fb': { ipv6_dst: (0xff02n << 112n) | 0xfbn },
    'from ::': { ipv6_src: 0n },
    'from ::1': { ipv6_src: 1n },
    'from ff02::1': { ipv6_src: (0xff02n << 112n) | 1n },
  }
  for (const protocol of [udp, tcp]) {
    for (const [what, fields] of Object.entries({ ...groups, ...addresses }))
      t.equal(answer(v4({ ...protocol, ...fields })), undefined, `IPv4 ${what}`)
    for (const [what, fields] of Object.entries({ ...groups, ...addresses6 }))
      t.equal(answer(v6({ ...protocol, ...fields })), undefined, `IPv6 ${what}`)
  }
})

t.test('errors are not answered, however short they are cut', async t => {
  for (const payload of [Buffer.alloc(0), Buffer.alloc(4), Buffer.alloc(40)]) {
    for (const icmp_type of [3, 4, 5, 11, 12])
      t.equal(answer(v4({ ip_proto: 1, icmp_type, icmp_code: 0 }), payload), undefined)
    for (const icmpv6_type of [1, 2, 3, 4, 100])
      t.equal(answer(v6({ ip_proto: 58, icmpv6_type, icmpv6_code: 0 }), payload), undefined)
  }
})
