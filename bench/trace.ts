/**
 * `sluice trace` against `ofproto/trace` of real switches, row by row, in the office lab. Needs root.
 *
 *     npm run bench -- trace [ROUNDS] [FLOWS] [SEED]      default 99 random rule sets and the lab's own, 100 flows each
 */
import { pino } from 'pino'
import { realEnv } from '../src/base/real-env.js'
import { compareTraces } from '../test/lab/trace-compare.js'

export const run = async (words: readonly string[]): Promise<void> => {
  const [rounds = 99, flows = 100, seed = 1] = words.map(Number)
  const env = realEnv(pino({ level: 'silent' }))
  const { asked, hops, verdicts, complaints } = await compareTraces(env, seed, rounds, flows)
  for (const each of complaints.slice(0, 5)) console.log(each)
  console.log(
    `${asked} flows over ${hops} switches, seed ${seed}: ${JSON.stringify(verdicts)}, ${complaints.length} differ`,
  )
  if (complaints.length > 0) process.exitCode = 1
}
