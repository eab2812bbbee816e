/**
 * What comes and goes leaves next to nothing behind: policies, switches, ports, readers, in the program as it is shipped.
 * The bench of the same name has the long form, with the figure.
 */
import t from 'tap'
import { type ChurnSizes, churn } from '../../bench/churn.js'

const sizes: ChurnSizes = { applies: 500, switches: 300, ports: 2_000, readers: 20 }

/**
 * KiB of each, at most. A policy's past of about a thousand changes, switches that have gone and events are kept as long
 * as there are few; readers that do not read hold what the kernel has not taken, and that has an end of its own.
 */
const most: ChurnSizes = { applies: 48, switches: 80, ports: 4, readers: 4_096 }

t.test('what comes and goes leaves next to nothing', { timeout: 300_000 }, async t => {
  const { grown, after } = await churn(sizes)
  for (const what of ['applies', 'switches', 'ports', 'readers'] as const) {
    const each = (grown[what] * 1_024) / sizes[what]
    t.ok(each < most[what], `${what}: ${each.toFixed(2)} KiB each, at most ${most[what]}`)
  }
  t.ok(after.heapMib + after.externalMib < 200, `${after.heapMib.toFixed(0)} MiB at the end`)
})

t.test('a parser that forgets nothing is noticed', { timeout: 300_000 }, async t => {
  const few = { ...sizes, applies: 150, switches: 1, ports: 200, readers: 1 }
  const { grown } = await churn(few, 'lines')
  const each = (grown.applies * 1_024) / few.applies
  t.ok(each > most.applies, `${each.toFixed(2)} KiB each`)
})
