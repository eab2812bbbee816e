/** What arrives on plain switches arrives on ours, whatever machines do: `street.ts`. More seeds: STREET_SEEDS=200. */
import t from 'tap'
import type { Ipv4 } from '../../../src/base/addresses.js'
import type { GuardLevel } from '../../../src/topology/hosts/guard-level.js'
import { datagrams, storyOf, tell } from './story.js'
import { OurStreet, PlainStreet } from './street.js'

const rounds = 8
const seeds = Number(process.env.STREET_SEEDS ?? 4)
const firstSeed = Number(process.env.STREET_FIRST ?? 1)

/** Probes whose later datagrams all arrive on plain switches, and none of them on ours. */
const differences = async (seed: number, guard: GuardLevel) => {
  const story = storyOf(seed, rounds)
  const expected = await tell(new PlainStreet(), story)
  const ours = await OurStreet.start(guard)
  const seen = await tell(ours, story)
  const carried = ours.unmanaged.forwarded
  await ours.stop()
  const found: string[] = []
  let arrived = 0
  for (const [round, { steps, probes }] of story.entries())
    for (const [index, { text }] of probes.entries()) {
      const [, plain] = expected[round]![index]!
      const [, own] = seen[round]![index]!
      if (plain < datagrams / 2) continue
      arrived++
      if (own === 0)
        found.push(
          `seed ${seed}, round ${round}: ${steps.map(step => step.text).join(', ')}: ${text}`,
        )
    }
  return { found, arrived, carried }
}

t.test('what arrives there arrives here', { timeout: 75_000 * seeds }, async t => {
  let arrived = 0
  const found: string[] = []
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const one = await differences(seed, 'default')
    arrived += one.arrived
    found.push(...one.found)
    // A frame that goes round and round makes ten thousand of itself within a second.
    if (one.carried > 20_000) found.push(`seed ${seed}: ${one.carried} frames over the hub`)
  }
  t.comment(`${seeds} stories, ${arrived} probes that arrive on plain switches`)
  t.ok(arrived > seeds * 2)
  t.same(found, [])
})

t.test('addresses that are bound are found out', { timeout: 300_000 }, async t => {
  const found: string[] = []
  for (let seed = 1; seed <= 6 && found.length === 0; seed++)
    found.push(...(await differences(seed, 'strict')).found)
  t.ok(found.length > 0, found[0] ?? 'nothing was found')
})

t.test(
  'a cable of an unmanaged switch is pulled: the other one is used at once, also by a switch that remembers',
  async t => {
    const ours = await OurStreet.start()
    ours.unmanaged.isForgetting = false
    const machine = ours.add('c', 0x020000000003, '10.0.0.3' as Ipv4)
    const far = ours.add('b', 0x020000000002, '10.0.0.2' as Ipv4)
    ours.setUplink(0, true)
    ours.plug('c', 'hub:0')
    ours.plug('b', 's2:10')
    await ours.env.advance(2_000)
    ours.setUplink(1, true)
    await ours.env.advance(2_000)
    machine.say(far.ips[0]!, 'before')
    await ours.env.advance(500)
    ours.setUplink(0, false)
    for (let count = 0; count < 10; count++) {
      await ours.env.advance(100)
      machine.say(far.ips[0]!, `after ${count}`)
    }
    await ours.env.advance(100)
    t.ok(far.heard.includes('before'))
    t.ok(far.heard.length > 6, far.heard.join())
    await ours.stop()
  },
)
