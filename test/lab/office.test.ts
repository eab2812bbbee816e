/** The office lab on real Open vSwitch: what README promises, told and judged. */
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { realEnv } from '../../src/base/real-env.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../src/lab/install.js'
import { loadLab, runLab, type StageName } from '../../src/lab/main.js'

const env = realEnv(pino({ level: 'silent' }))

const tell = async (t: Test, stage: StageName) => {
  const assertions = await runLab(
    env,
    loadLab('office'),
    stage,
    { say: text => t.comment(text), assertion: () => undefined },
    new AbortController().signal,
  )
  t.ok(assertions.length >= 25, 'the whole story was told')
  for (const each of assertions) t.equal(each.seen, each.expected, each.name)
}

t.test(
  'the office lab holds on Open vSwitch',
  { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 240_000 },
  async t => {
    await ensurePackages(ovsNeeds, text => t.comment(text))
    await tell(t, 'netns')
  },
)
