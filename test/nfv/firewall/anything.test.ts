import t from 'tap'
import { look } from './anything.js'
import { seeded } from './random-policy.js'
import { randomText } from './random-text.js'

t.test('whatever a file says, check ends, and writing it anew changes nothing', async t => {
  let good = 0
  for (let seed = 1; seed <= 2_000; seed++) {
    const dice = seeded(seed)
    const text = randomText(dice, [0, 0, 4, 12][seed % 4]!)
    const { isGood, fault } = look(text, dice)
    if (fault !== undefined) t.fail(`seed ${seed}: ${fault}`, { text })
    if (isGood) good++
  }
  t.ok(good > 100, `${good} of 2000 have no mistake`)
})
