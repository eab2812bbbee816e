/**
 * Random rule files through `check`, and from text to statements to text and JSON and back: crashes, and changes of what they mean.
 *
 *     npm run bench -- rule-files [COUNT] [SEED]
 */
import { look } from '../test/nfv/firewall/anything.js'
import { seeded } from '../test/nfv/firewall/random-policy.js'
import { randomText } from '../test/nfv/firewall/random-text.js'

export const run = async ([count = '1000000', first = '1']: readonly string[]): Promise<void> => {
  const [start, began] = [Number(first), performance.now()]
  let [good, faults] = [0, 0]
  for (let seed = start; seed < start + Number(count); seed++) {
    const dice = seeded(seed)
    const text = randomText(dice, [0, 0, 4, 12][seed % 4]!)
    const { isGood, fault } = look(text, dice)
    if (isGood) good++
    if (fault === undefined) continue
    faults++
    if (faults <= 10) process.stdout.write(`seed ${seed}: ${fault}\n--- of\n${text}\n`)
  }
  const seconds = ((performance.now() - began) / 1_000).toFixed(0)
  process.stdout.write(
    `${count} files from seed ${first} in ${seconds} s: ${good} without a mistake, ${faults} faults\n`,
  )
  if (faults > 0) process.exitCode = 1
}
