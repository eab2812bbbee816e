/**
 * The reference against the compiled flows: random policies, random packets, verdict and rule of each.
 *
 *     npm run bench -- agreement [PAIRS] [SEED]      default 1,000,000 pairs
 */
import { disagreements } from '../test/nfv/firewall/random-policy.js'

const packetsPerPolicy = 40

export const run = async (words: readonly string[]): Promise<void> => {
  const pairs = Number(words[0] ?? 1_000_000)
  const seed = Number(words[1] ?? 1)
  const policies = Math.ceil(pairs / packetsPerPolicy)
  const began = performance.now()
  let wrong = 0
  for (const { policy, connection, said, done } of disagreements(seed, policies, packetsPerPolicy))
    if (wrong++ < 3) console.log(JSON.stringify({ connection, said, done }, null, 2), `\n${policy}`)
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  console.log(
    `${policies * packetsPerPolicy} packets under ${policies} policies, seed ${seed}: ${wrong} differ (${seconds} s)`,
  )
  if (wrong > 0) process.exitCode = 1
}
