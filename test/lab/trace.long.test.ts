/** What `sluice trace` says is what the switches would do: row by row, on real Open vSwitch. The long form: npm run bench -- trace. */
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../src/base/env/real-env.js'
import { readTrace } from '../../src/controller/explain/verify.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../src/lab/install.js'
import { compareTraces } from './trace-compare.js'

const env = realEnv(pino({ level: 'silent' }))
const seed = Number(process.env.SLUICE_SEED ?? 20_261_125)

t.test(
  'sluice trace equals ofproto/trace for 500 random flows',
  { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 240_000 },
  async t => {
    await ensurePackages(ovsNeeds, text => t.comment(text))
    t.comment(`SLUICE_SEED=${seed}`)
    const { asked, hops, verdicts, complaints } = await compareTraces(env, seed, 4, 100)
    t.equal(asked, 500)
    t.comment(`${asked} flows over ${hops} switches: ${JSON.stringify(verdicts)}`)
    t.same(complaints.slice(0, 3), [])
    for (const verdict of ['delivered', 'dropped', 'rejected'])
      t.ok((verdicts[verdict] ?? 0) > 25, `many were ${verdict}`)
  },
)

t.test('a switch that did something else would be noticed', async t => {
  const answer = readTrace(
    ' 0. in_port=2, priority 100, cookie 0x1\n    goto_table:40\n40. priority 0, cookie 0x2\n    output:7\n',
    2,
  )
  t.same(answer, { rows: ['0 100', '40 0'], outputs: [7], hasChoice: false, controller: [] })
})
