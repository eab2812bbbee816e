/** A restart of the controller: multicast goes on to who listens, is not flooded, and nothing is sent to the switches. */
import t from 'tap'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import { buildFrame } from '../../src/pipeline/build.js'
import { readPacket } from '../../src/pipeline/packet.js'
import { MulticastTable } from '../../src/topology/multicast/multicast.js'
import { countMessages, end, ring, tap, Whole } from './whole.js'
import { at } from './wires.js'

const group = 0xef010203
const udp = () =>
  buildFrame({
    eth_dst: 0x01005e010203,
    eth_src: 0x020000000001,
    eth_type: 0x0800,
    ip_proto: 17,
    ip_src: 0x0a000001,
    ip_dst: group,
    udp_src: 5,
    udp_dst: 5,
  })
/** IGMPv2: type (1) time (1) checksum (2) group (4). */
const igmp = (type: number, host: number) =>
  buildFrame(
    {
      eth_dst: 0x01005e010203,
      eth_src: 0x020000000000 + host,
      eth_type: 0x0800,
      ip_proto: 2,
      ip_src: 0x0a000000 + host,
      ip_dst: group,
    },
    Uint8Array.from([type, 0, 0, 0, 0xef, 1, 2, 3]),
  )

t.test(
  'a stream through a restart reaches its listener and the router, and nobody else',
  async t => {
    const whole = await Whole.start(ring(4))
    for (const name of ['h1', 'h2', 'h3', 'h4']) whole.host(name).announce()
    await whole.env.advance(2_000)
    whole.network.switch('s2').receive(10, igmp(0x16, 2))
    whole.network.switch('s3').receive(10, igmp(0x11, 3))
    await whole.env.advance(1_000)
    const heard = ['h2', 'h3', 'h4'].map(name => tap(whole.network, name))
    const stream = async (frames: number) => {
      for (let index = 0; index < frames; index++) {
        whole.network.switch('s1').receive(10, udp())
        await whole.env.advance(20)
      }
      return heard.map(list => {
        const count = list.filter(frame => readPacket(frame).fields.udp_dst === 5).length
        list.length = 0
        return count
      })
    }
    t.same(await stream(10), [10, 10, 0], 'before')
    await whole.stopController()
    t.same(await stream(10), [10, 10, 0], 'while it is gone')
    const counts = countMessages(whole.network)
    await whole.startController()
    t.same(await stream(500), [500, 500, 0], 'for ten seconds from its start')
    t.equal(counts.get('flow-mod') ?? 0, 0)
    t.equal(counts.get('group-mod') ?? 0, 0)
    // Nobody has answered: the listener is not there any more.
    await whole.env.advance(262_000)
    t.same(await stream(10), [10, 10, 10], 'a life later nobody is known to listen')
    await whole.stop()
  },
)

t.test('who was unplugged while the controller was gone is forgotten', async t => {
  const whole = await Whole.start(ring(3))
  for (const name of ['h1', 'h2', 'h3']) whole.host(name).announce()
  await whole.env.advance(2_000)
  for (const host of [2, 3]) whole.network.switch(`s${host}`).receive(10, igmp(0x16, host))
  await whole.env.advance(1_000)
  await whole.stopController()
  whole.network.linkDown(end('s2', 10), end('h2', 0))
  await whole.startController()
  await whole.env.advance(5_000)
  const [known] = whole.controller.topology.current.multicast
  t.same(
    known?.ports.map(ref => ref.dpid.slice(-1)),
    ['3'],
  )
  await whole.stop()
})

t.test(
  'groups that did not change are the same objects, and restored ones have their numbers',
  t => {
    const { clock } = new SimulatedEnv()
    const table = new MulticastTable(clock)
    table.hear(at('1:1'), 1, igmp(0x16, 1))
    const [first] = table.list()
    table.hear(at('1:1'), 1, igmp(0x16, 1))
    t.equal(table.list()[0], first)
    table.hear(at('2:1'), 1, igmp(0x11, 3))
    t.not(table.list()[0], first)
    t.same(table.list()[0]?.ports, [at('1:1'), at('2:1')])
    const next = new MulticastTable(clock)
    next.restore([{ network: 1, mac: 0x01005e010203, index: 7, ports: [at('1:1')] }], [])
    t.same(next.list(), [{ network: 1, mac: 0x01005e010203, index: 7, ports: [at('1:1')] }])
    t.equal(next.hear(at('1:1'), 1, igmp(0x16, 1)), false, 'heard again is no news')
    t.end()
  },
)
