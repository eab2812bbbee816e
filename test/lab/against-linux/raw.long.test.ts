/** Packets that no kernel sends: what arrives behind nftables arrives behind the switches. The long form: npm run bench -- raw. */
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../../src/base/env/real-env.js'
import { ensurePackages, isRoot } from '../../../src/lab/install.js'
import { storyCount } from './frames.js'
import { needs } from './needs.js'
import { compareRaw } from './raw.js'

const env = realEnv(pino({ level: 'silent' }))
const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 240_000 }

t.test('raw packets under random rules', root, async t => {
  await ensurePackages(needs, text => t.comment(text))
  const seed = Number(process.env.SLUICE_SEED ?? 20_261_125)
  t.comment(`SLUICE_SEED=${seed}`)
  const { packets, arrived, stories, repeated, deviations } = await compareRaw(
    env,
    seed,
    4,
    4 * storyCount,
  )
  t.comment(`${packets} packets in ${stories} stories, ${arrived} arrived, ${repeated} repeated`)
  for (const each of deviations.slice(0, 5)) t.fail(JSON.stringify(each, null, 2))
  t.equal(deviations.length, 0)
  t.ok(arrived > packets / 10 && arrived < (packets * 9) / 10, 'some arrive and some do not')
})

t.test('rules that differ are seen to differ', root, async t => {
  const forward = 'type filter hook forward priority 0; policy accept;'
  const { deviations } = await compareRaw(env, 1, 1, storyCount, () => ({
    sluice: 'default drop\n',
    nft: `table inet fw { chain forward { ${forward} }; }`,
  }))
  t.ok(deviations.length > 20)
})
