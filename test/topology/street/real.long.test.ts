/**
 * Random stories on real Open vSwitch: what arrives over plain bridges (NORMAL) arrives over ours, which run beside them in the
 * same daemons. More: STREET_SEEDS=200 STREET_FIRST=1000. What is late on a busy machine may come late, for ten seconds.
 * STREET_GUARD=strict binds addresses as it was done always once (ADR 15): then it fails.
 */
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../../src/base/env/real-env.js'
import { root } from '../ovs/rig.js'
import { withStreets } from './real-street.js'
import { type Arrived, datagrams, storyOf, tell } from './story.js'

const env = realEnv(pino({ level: 'silent' }))
const rounds = Number(process.env.STREET_ROUNDS ?? 3)
const seeds = Number(process.env.STREET_SEEDS ?? 1)
const firstSeed = Number(process.env.STREET_FIRST ?? 1)
const gapMillis = 150
const patienceMillis = 10_000

/** Probes whose later datagrams all arrive on plain bridges, and none of them on ours, nor any that is sent later. */
const differences = async (seed: number) => {
  const story = storyOf(seed, rounds)
  const found: string[] = []
  let arrived = 0
  await withStreets(env, async ({ plain, ours, guard }) => {
    if (process.env.STREET_GUARD) await guard(process.env.STREET_GUARD)
    const expected = story.map(() => later<readonly Arrived[]>())
    const plainly = tell(plain, story, {
      gapMillis,
      roundOver: (round, all) => expected[round]!.resolve(all),
    })
    await tell(ours, story, {
      gapMillis,
      roundOver: async (round, all, again) => {
        for (const [index, [, plainLate]] of (await expected[round]!.promise).entries()) {
          if (plainLate < datagrams / 2) continue
          arrived++
          let isThere = all[index]![1] > 0
          for (let waited = 0; !isThere && waited < patienceMillis; waited += gapMillis)
            isThere = await again(index)
          const { steps, probes } = story[round]!
          if (!isThere)
            found.push(
              `seed ${seed}, round ${round}: ${steps.map(({ text }) => text).join(', ')}: ${probes[index]!.text}`,
            )
        }
      },
    })
    await plainly
    // A frame that goes round and round makes ten thousand of itself within a second.
    const { forwarded } = ours.unmanaged
    if (forwarded > 20_000) found.push(`seed ${seed}: ${forwarded} frames over the hub`)
  })
  return { found, arrived }
}

/** A value that somebody else has later. */
const later = <T>() => {
  let resolve: (value: T) => void = () => undefined
  const promise = new Promise<T>(done => {
    resolve = done
  })
  return { promise, resolve }
}

t.test('what arrives there arrives here', { ...root, timeout: 120_000 * seeds }, async t => {
  let arrived = 0
  const found: string[] = []
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const one = await differences(seed)
    arrived += one.arrived
    found.push(...one.found)
  }
  t.comment(`${seeds} stories, ${arrived} probes that arrive on plain switches`)
  t.ok(arrived >= seeds)
  t.same(found, [])
})
