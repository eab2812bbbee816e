/** Checksums that were left to a network card are told from right ones, and from what cannot be judged. */
import t from 'tap'
import { buildFrame } from '../../src/pipeline/build.js'
import { finishChecksums, isUnfinished } from '../../src/pipeline/finish.js'
import type { Fields } from '../../src/pipeline/packet.js'

/** 10.0.0.1 + 10.0.0.2 + 6 + 20 octets: what Linux leaves in a SYN without options. */
const leftOpen = 0x1400 + 3 + 6 + 20

const ipv4: Fields = {
  eth_src: 0x020000000001,
  eth_dst: 0x020000000002,
  eth_type: 0x0800,
  ip_src: 0x0a000001,
  ip_dst: 0x0a000002,
}
const syn: Fields = { ...ipv4, ip_proto: 6, tcp_src: 1_000, tcp_dst: 80, tcp_flags: 2 }
const datagram: Fields = { ...ipv4, ip_proto: 17, udp_src: 1_000, udp_dst: 53 }
const syn6: Fields = {
  eth_src: 0x020000000001,
  eth_dst: 0x020000000002,
  eth_type: 0x86dd,
  ipv6_src: (0xfd00n << 112n) | 1n,
  ipv6_dst: (0xfd00n << 112n) | 2n,
  ip_proto: 6,
  tcp_src: 1_000,
  tcp_dst: 80,
  tcp_flags: 2,
}

const withSum = (fields: Fields, at: number, sum: number): Uint8Array => {
  const frame = new Uint8Array(buildFrame(fields))
  new DataView(frame.buffer).setUint16(at, sum)
  return frame
}

t.test('what Linux leaves open is seen', async t => {
  t.ok(isUnfinished(withSum(syn, 50, leftOpen)), 'a SYN')
  t.ok(isUnfinished(withSum(datagram, 40, 0x1400 + 3 + 17 + 8)), 'a datagram')
  t.ok(isUnfinished(withSum(syn6, 70, 0xfa01 + 3 + 6 + 20)), 'a SYN of IPv6')
  const tagged = new Uint8Array(200)
  tagged.set(withSum(syn, 50, leftOpen), 100)
  t.ok(isUnfinished(tagged.subarray(100)), 'in the midst of what was received')
})

t.test('nothing else is', async t => {
  t.notOk(isUnfinished(finishChecksums(withSum(syn, 50, leftOpen))), 'a right one')
  t.notOk(isUnfinished(withSum(syn, 50, 0x1234)), 'damage on the way')
  t.notOk(isUnfinished(withSum(datagram, 40, 0)), 'a datagram without one')
  t.notOk(isUnfinished(buildFrame({ ...ipv4, ip_proto: 1, icmp_type: 8, icmp_code: 0 })), 'ping')
  const first = withSum(syn, 50, leftOpen)
  first[20] = 0x20
  t.notOk(isUnfinished(first), 'the first fragment')
  const later = withSum(syn, 50, leftOpen)
  later[21] = 7
  t.notOk(isUnfinished(later), 'a later one')
  const whole = withSum(syn, 50, leftOpen)
  for (let size = 0; size < 54; size++)
    t.notOk(isUnfinished(whole.subarray(0, size)), `${size} octets`)
})
