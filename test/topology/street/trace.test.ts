/** What `trace` and `path` say where an unmanaged switch with machines is all that joins two of ours. */
import t, { type Test } from 'tap'
import type { Ipv4 } from '../../../src/base/addresses.js'
import { trace } from '../../../src/controller/explain/trace.js'
import { answerPaths, type PathQuestion } from '../../../src/topology/paths/answer.js'
import { OurStreet } from './street.js'

/*
 *     a ── s1 ── unmanaged ── s2 ── b
 *                 m, n
 */
const meet = async (): Promise<OurStreet> => {
  const ours = await OurStreet.start('default', false)
  const places = { a: 's1:10', b: 's2:10', m: 'hub:0', n: 'hub:1' }
  ours.setUplink(0, true)
  ours.setUplink(1, true)
  await ours.env.advance(4_000)
  for (const [index, [name, place]] of Object.entries(places).entries()) {
    ours.add(name, 0x020000000001 + index, `10.0.0.${index + 1}` as Ipv4)
    ours.plug(name, place)
  }
  await ours.env.advance(2_000)
  for (const machine of ours.machines.values()) machine.announce(machine.ips[0]!)
  await ours.env.advance(2_000)
  return ours
}

const ipOf = (name: string): string => `10.0.0.${['a', 'b', 'm', 'n'].indexOf(name) + 1}`

/** Holds when trace says that it arrives, as datagrams do. */
const agrees = async (t: Test, ours: OurStreet, from: string, to: string): Promise<void> => {
  const [sender, receiver] = [ours.machines.get(from)!, ours.machines.get(to)!]
  sender.say(receiver.ips[0]!, `${from}${to}`)
  await ours.env.advance(1_000)
  t.ok(receiver.heard.includes(`${from}${to}`), `${from} is heard by ${to}`)
  const question = { from: ipOf(from), to: ipOf(to), service: 'udp 9' }
  const answer = await ours.whole.during(trace(ours.whole.controller, question))
  t.equal(answer.verdict, 'delivered', `${from} to ${to}: ${answer.because}`)
  t.same(
    answer.deliveredTo.map(({ host }) => host),
    [`02:00:00:00:00:0${ipOf(to).at(-1)}`],
  )
}

t.test('each comes to each, as trace says', async t => {
  const ours = await meet()
  for (const from of ['a', 'b', 'm', 'n'])
    for (const to of ['a', 'b', 'm', 'n']) if (from !== to) await agrees(t, ours, from, to)
  await ours.stop()
})

t.test('a path begins and ends at the switch that the segment leads to', async t => {
  const ours = await meet()
  const way = (from: string, to: string) => {
    const conditions = { without: [], avoid: [], through: [], withTags: [], withoutTags: [] }
    const ends = { from: ipOf(from), to: ipOf(to) }
    const question: PathQuestion = { ...ends, cost: 'hops', count: 1, ...conditions }
    const { paths } = answerPaths(ours.whole.controller.topology.current, question)
    return paths[0]!.hops.map(hop => `${hop.switch} ${hop.inPort}-${hop.outPort}`).join()
  }
  t.equal(way('a', 'b'), 's1 10-13,s2 13-10')
  t.equal(way('a', 'm'), 's1 10-13')
  t.equal(way('b', 'm'), 's2 10-13')
  t.equal(way('m', 'a'), 's1 13-10')
  t.equal(way('m', 'b'), 's2 13-10')
  t.equal(way('m', 'n'), '', 'they need no switch of ours')
  await ours.stop()
})

t.test('what is sent to oneself is no packet of the network', async t => {
  const ours = await meet()
  const question = { from: ipOf('a'), to: ipOf('a'), service: 'icmp' }
  await t.rejects(trace(ours.whole.controller, question), { code: 'bad-request' })
  await ours.stop()
})

t.test('two machines behind one port reach each other without a switch', async t => {
  const ours = await OurStreet.start()
  ours.setUplink(0, true)
  for (const [index, name] of ['m', 'n'].entries()) {
    ours.add(name, 0x020000000003 + index, ipOf(name) as Ipv4)
    ours.plug(name, `hub:${index}`)
  }
  await ours.env.advance(4_000)
  for (const machine of ours.machines.values()) machine.announce(machine.ips[0]!)
  await ours.env.advance(2_000)
  await agrees(t, ours, 'm', 'n')
  await ours.stop()
})
