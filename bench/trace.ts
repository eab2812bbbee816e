/**
 * `sluice trace` against `ofproto/trace` of real switches, row by row, in the office lab. Needs root.
 *
 *     npm run bench -- trace [ROUNDS] [FLOWS] [SEED]      default 99 random rule sets and the lab's own, 100 flows each
 *     npm run bench -- trace packets sim|netns [ROUNDS] [PACKETS] [SEED] [ring|routed|segment]
 *         beside what packets do, with networks, rows of others, groups, pieces; default 40 rule sets, 50 packets each, in a
 *         ring of switches; where a router of ours joins their networks; or where an unmanaged switch with hosts joins them
 */
import { pino } from 'pino'
import { realEnv } from '../src/base/env/real-env.js'
import { compareTraces } from '../test/lab/trace-compare.js'
import { comparePackets, scenes } from '../test/lab/trace-packets.js'

export const run = async (words: readonly string[]): Promise<void> => {
  if (words[0] === 'packets') return packets(words.slice(1))
  const [rounds = 99, flows = 100, seed = 1] = words.map(Number)
  const env = realEnv(pino({ level: 'silent' }))
  const { asked, hops, verdicts, complaints } = await compareTraces(env, seed, rounds, flows)
  for (const each of complaints.slice(0, 5)) console.log(each)
  console.log(
    `${asked} flows over ${hops} switches, seed ${seed}: ${JSON.stringify(verdicts)}, ${complaints.length} differ`,
  )
  if (complaints.length > 0) process.exitCode = 1
}

const packets = async ([stage = 'sim', ...words]: readonly string[]): Promise<void> => {
  const [rounds = 40, count = 50, seed = 1] = words.slice(0, 3).map(Number)
  const env = realEnv(pino({ level: 'silent' }))
  const name = stage === 'netns' ? 'netns' : 'sim'
  const scene = scenes[words[3] ?? 'ring']
  if (scene === undefined) throw new Error(`no scene is named ${words[3]}`)
  const { deviations, ...figures } = await comparePackets(env, name, seed, rounds, count, scene)
  for (const each of deviations.slice(0, 5)) console.log(each)
  console.log(`${name}, seed ${seed}: ${JSON.stringify(figures)}, ${deviations.length} differ`)
  if (deviations.length > 0) process.exitCode = 1
}
