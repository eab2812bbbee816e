/** Rules are edited under load on real Open vSwitch. The long form: npm run bench -- edits. */
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../src/base/env/real-env.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../src/lab/install.js'
import { editUnderLoad } from './edits.js'

const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 240_000 }
const env = realEnv(pino({ level: 'silent' }))
const seed = Number(process.env.SLUICE_SEED ?? 20_261_125)

t.test(
  'edits lose nothing of what both policies allow, and stop what the new one denies',
  root,
  async t => {
    await ensurePackages(ovsNeeds, text => t.comment(text))
    t.comment(`SLUICE_SEED=${seed}`)
    const { complaints, kept, cut, resumed } = await editUnderLoad(env, seed, 15, 30)
    t.comment(`kept ${kept}, cut ${cut}, resumed ${resumed}`)
    t.same(complaints.slice(0, 3), [])
    t.ok(kept > 20, 'sessions were kept')
    t.ok(cut > 0, 'sessions were cut')
  },
)

t.test(
  'switches that let everything pass, or that drop what is kept, are found out',
  root,
  async t => {
    const open = await editUnderLoad(env, 20_261_125, 5, 20, () => 'default allow\n')
    t.match(open.complaints.join(), /is denied, and yet [1-9]/)
    let edit = 0
    const flapping = (source: string) => (++edit === 3 ? 'default drop\n' : source)
    const lossy = await editUnderLoad(env, 20_261_125, 3, 20, flapping)
    t.match(lossy.complaints.join(), /both allow it, and yet/)
  },
)
