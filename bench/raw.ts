/**
 * Packets that no kernel sends, on Open vSwitch and through nftables with kernel conntrack: those that arrive must be
 * the same. Needs root.
 *
 *     npm run bench -- raw [ROUNDS] [STORIES] [SEED]      default 20 rule sets of 240 stories
 */
import { pino } from 'pino'
import { realEnv } from '../src/base/env/real-env.js'
import { compareRaw } from '../test/lab/against-linux/raw.js'

export const run = async (words: readonly string[]): Promise<void> => {
  const [rounds = 20, stories = 240, seed = 1] = words.map(Number)
  const result = await compareRaw(realEnv(pino({ level: 'silent' })), seed, rounds, stories)
  for (const each of result.deviations.slice(0, 3)) console.log(JSON.stringify(each, null, 2))
  console.log(
    `${result.packets} packets in ${result.stories} stories under ${rounds} rule sets, seed ${seed}: ${result.arrived} arrived, ` +
      `${result.repeated} repeated, ${result.deviations.length} deviate`,
  )
  if (result.deviations.length > 0) process.exitCode = 1
}
