/** An unmanaged switch is all that joins two of ours, and its machines were heard before its second cable was plugged in. */
import t from 'tap'
import type { Ipv4 } from '../../../src/base/addresses.js'
import type { GuardLevel } from '../../../src/topology/hosts/guard-level.js'
import { OurStreet } from './street.js'

/** How many of ten datagrams arrive from each to each: a at s1, b at s2, c on the unmanaged switch. */
const arrivals = async (guard: GuardLevel): Promise<Record<string, number>> => {
  const ours = await OurStreet.start(guard, false)
  const machines = ['a', 'b', 'c'].map((name, index) =>
    ours.add(name, 0x020000000001 + index, `10.0.0.${index + 1}` as Ipv4),
  )
  ours.plug('a', 's1:10')
  ours.plug('b', 's2:10')
  ours.plug('c', 'hub:0')
  ours.setUplink(0, true)
  await ours.env.advance(2_000)
  for (const machine of machines) machine.announce(machine.ips[0]!)
  await ours.env.advance(2_000)
  ours.setUplink(1, true)
  await ours.env.advance(4_000)
  const counts: Record<string, number> = {}
  for (const from of machines)
    for (const to of machines) {
      if (from === to) continue
      for (let count = 0; count < 10; count++) {
        from.say(to.ips[0]!, `${from.name}${to.name}`)
        await ours.env.advance(200)
      }
      counts[`${from.name}${to.name}`] = to.heard.filter(
        each => each === `${from.name}${to.name}`,
      ).length
    }
  t.ok(ours.unmanaged.forwarded < 5_000, `${ours.unmanaged.forwarded} frames over it: no storm`)
  await ours.stop()
  return counts
}

t.test('they are joined, and all hear each other', async t => {
  const counts = await arrivals('default')
  for (const [pair, count] of Object.entries(counts)) t.ok(count >= 8, `${pair}: ${count} of 10`)
})

t.test(
  'not under guard level strict: hosts that are known may pass probes to each other',
  async t => {
    t.equal((await arrivals('strict')).ab, 0)
  },
)
