/**
 * The firewall on Open vSwitch against nftables with kernel conntrack: random rules, the same connections. Needs root.
 *
 *     npm run bench -- against-linux [ROUNDS] [ATTEMPTS] [SEED]      default 50 rounds of 100
 */
import { pino } from 'pino'
import { realEnv } from '../src/base/env/real-env.js'
import { compare } from '../test/lab/against-linux/compare.js'

export const run = async (words: readonly string[]): Promise<void> => {
  const [rounds = 50, attempts = 100, seed = 1] = words.map(Number)
  const result = await compare(realEnv(pino({ level: 'silent' })), seed, rounds, attempts)
  for (const each of result.deviations.slice(0, 3)) console.log(JSON.stringify(each, null, 2))
  console.log(
    `${result.attempts} connections under ${rounds} rule sets, seed ${seed}: ${JSON.stringify(result.verdicts)}, ` +
      `${result.repeated} repeated, ${result.deviations.length} deviate`,
  )
  if (result.deviations.length > 0) process.exitCode = 1
}
