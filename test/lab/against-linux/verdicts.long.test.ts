/** The firewall on Open vSwitch answers as the Linux firewall does. The long form: npm run bench -- against-linux. */
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../../src/base/env/real-env.js'
import { ensurePackages, isRoot } from '../../../src/lab/install.js'
import { both, compare, install, withWorlds } from './compare.js'
import { needs } from './needs.js'

const env = realEnv(pino({ level: 'silent' }))
const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 240_000 }
t.test(
  'random rules: what nftables opens, refuses and leaves silent, so do the switches',
  root,
  async t => {
    await ensurePackages(needs, text => t.comment(text))
    const seed = Number(process.env.SLUICE_SEED ?? 20_261_125)
    t.comment(`SLUICE_SEED=${seed}`)
    const { attempts, verdicts, repeated, deviations } = await compare(env, seed, 5, 100)
    t.comment(`${attempts} attempts: ${JSON.stringify(verdicts)}, ${repeated} repeated`)
    for (const each of deviations.slice(0, 3)) t.fail(JSON.stringify(each, null, 2))
    t.equal(deviations.length, 0)
    t.ok(verdicts.open > 50 && verdicts.refused > 20 && verdicts.silent > 50, 'all verdicts occur')
  },
)

t.test('rules that differ are seen to differ', root, async t => {
  await withWorlds(env, async worlds => {
    await install(worlds, {
      sluice: 'default drop\nallow tcp 80 from any to any\nreject tcp 22 from any to any\n',
      nft: 'table inet fw { chain forward { type filter hook forward priority 0; policy drop; ct state established,related accept; tcp dport 22 accept; tcp dport 443 reject with tcp reset; }; }',
    })
    const at = (port: number) => ({ from: 'a', to: '10.2.0.10', protocol: 'tcp', port }) as const
    t.same(await both(worlds, [at(80), at(22), at(443)]), [
      ['silent', 'open'],
      ['open', 'refused'],
      ['refused', 'silent'],
    ])
  })
})
