/**
 * Random pieces of allowed and denied datagrams, in any order, some of them late by up to 35 seconds, over two real
 * Open vSwitch: nothing denied comes out, and nothing allowed is lost but what a socket had no room for. Needs root.
 *
 *     npm run bench -- fragments [PIECES] [PIECES A SECOND] [SEED]      default 100,000 at 1,000 a second
 */
import { pino } from 'pino'
import { realEnv } from '../src/base/env/real-env.js'
import { tryFragments } from '../test/lab/firewall/fragments.js'

export const run = async (words: readonly string[]): Promise<void> => {
  const [pieces = 100_000, rate = 1_000, seed = 1] = words.map(Number)
  const result = await tryFragments(realEnv(pino({ level: 'silent' })), {
    seed,
    pieces,
    rate,
    delay: 35,
  })
  console.log(JSON.stringify(result))
  if (result.deniedPieces > 0 || result.lost > result.dropped) process.exitCode = 1
}
