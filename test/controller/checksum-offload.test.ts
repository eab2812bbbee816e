/** A host that leaves checksums to a network card is told of, once an hour and port, with what mends it. */
import t from 'tap'
import type { Ipv4 } from '../../src/base/addresses.js'
import { macNumber } from '../../src/base/addresses.js'
import { kinds } from '../../src/cli/reading/get.js'
import { hostItems, switchItems } from '../../src/controller/rest/views.js'
import { ChecksumOffload } from '../../src/controller/southbound/checksum-offload.js'
import { buildFrame } from '../../src/pipeline/build.js'
import { finishChecksums } from '../../src/pipeline/finish.js'
import { dpidOf } from '../topology/networks.js'
import { end, switchNames, Whole } from '../topology/whole.js'

/** A SYN+ACK that answers nothing: conntrack takes it for invalid, as it does a SYN with a wrong checksum. */
const answer = (source: number, destination: number, mac: number, sum?: number): Uint8Array => {
  const frame = new Uint8Array(
    finishChecksums(
      buildFrame({
        eth_src: mac,
        eth_dst: 0x020000000002,
        eth_type: 0x0800,
        ip_proto: 6,
        ip_src: source,
        ip_dst: destination,
        tcp_src: 80,
        tcp_dst: 1_000,
        tcp_flags: 0x12,
      }),
    ),
  )
  if (sum !== undefined) new DataView(frame.buffer).setUint16(50, sum)
  return frame
}

/** 10.0.0.1 + 10.0.0.2 + 6 + 20 octets: what Linux leaves there. */
const leftOpen = 0x1400 + 3 + 6 + 20

t.test('once, and only of unfinished checksums', async t => {
  const whole = await Whole.start({
    switches: switchNames(1),
    hosts: [1, 2].map(number => ({
      name: `h${number}`,
      ip: `10.0.0.${number}` as Ipv4,
      at: end('s1', number),
    })),
  })
  for (const name of ['h1', 'h2']) whole.host(name).announce()
  await whole.env.advance(2_000)
  const { journal } = whole.controller
  const told = () => journal.since(0, 10_000).filter(({ kind }) => kind === 'checksum-offload')
  const send = async (sum?: number) => {
    const mac = macNumber(whole.host('h1').mac)
    whole.network.switch('s1').receive(1, answer(0x0a000001, 0x0a000002, mac, sum))
    await whole.env.advance(2_000)
  }
  await send()
  await send(0x1234)
  t.same(told(), [], 'neither of a right checksum nor of a damaged one')
  for (let count = 0; count < 5; count++) await send(leftOpen)
  t.match(told(), [
    { port: 1, mac: whole.host('h1').mac, reason: /s1:1 .*ethtool -K IFACE tx off/ },
  ])
  t.equal(told().length, 1, 'once')
  for (const [kind, items] of [
    ['hosts', hostItems(whole.controller)],
    ['switches', switchItems(whole.controller)],
  ] as const)
    t.match(kinds[kind]!.note!({ items }), /host \S+ at s1:1 .*ethtool -K/, kind)
  await whole.stop()
})

t.test('again an hour later, and what is mended is not shown for long', async t => {
  let nowMillis = 0
  const told: string[] = []
  const clock = { nowMillis: () => nowMillis, wallMillis: () => nowMillis }
  const offload = new ChecksumOffload(clock, ({ port }) => told.push(`${nowMillis}: ${port}`))
  const look = (port: number) =>
    offload.look({ dpid: dpidOf(1), port }, answer(0x0a000001, 0x0a000002, 1, leftOpen))
  for (const minutes of [0, 1, 59, 60]) {
    nowMillis = minutes * 60_000
    look(1)
  }
  look(2)
  t.same(told, ['0: 1', '3600000: 1', '3600000: 2'])
  nowMillis += 600_000
  t.equal(offload.hostAt({ dpid: dpidOf(1), port: 1 }), '00:00:00:00:00:01')
  nowMillis += 1
  t.equal(offload.hostAt({ dpid: dpidOf(1), port: 1 }), undefined)
})
