/** What `sluice trace` says is what packets do, wherever they arrive. The long form: npm run bench -- trace packets. */
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { realEnv } from '../../src/base/env/real-env.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../src/lab/install.js'
import { comparePackets, type PacketComparison } from './trace-packets.js'
import { routed, segment } from './trace-scenes.js'

const env = realEnv(pino({ level: 'silent' }))
const seed = Number(process.env.SLUICE_SEED ?? 20_261_130)

const judge = (t: Test, found: PacketComparison, asked: number): void => {
  const { deviations, ...figures } = found
  t.comment(`SLUICE_SEED=${seed} ${JSON.stringify(figures)}`)
  t.equal(found.asked, asked)
  t.same(deviations.slice(0, 3), [])
  for (const verdict of ['delivered', 'dropped', 'not-delivered'])
    t.ok((found.verdicts[verdict] ?? 0) > asked / 50, `many were ${verdict}`)
  t.ok(found.unknown < asked / 10, 'few are not known')
  t.ok(found.copies > asked / 5, 'and many arrived')
}

t.test('on simulated switches', { timeout: 240_000 }, async t => {
  judge(t, await comparePackets(env, 'sim', seed, 6, 50), 300)
})

t.test(
  'on Open vSwitch, and ofproto/trace says the same',
  { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 240_000 },
  async t => {
    await ensurePackages(ovsNeeds, text => t.comment(text))
    judge(t, await comparePackets(env, 'netns', seed, 4, 50), 200)
  },
)

t.test('where a router of ours joins the networks', { timeout: 240_000 }, async t => {
  judge(t, await comparePackets(env, 'sim', seed + 1, 4, 50, routed), 200)
})

t.test(
  'where a router of ours joins the networks of Open vSwitch',
  { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 240_000 },
  async t => {
    await ensurePackages(ovsNeeds, text => t.comment(text))
    judge(t, await comparePackets(env, 'netns', seed, 3, 50, routed), 150)
  },
)

t.test('where an unmanaged switch with hosts joins two of ours', { timeout: 240_000 }, async t => {
  judge(t, await comparePackets(env, 'sim', seed, 4, 50, segment), 200)
})

t.test(
  'where a bridge of Linux with hosts joins two Open vSwitch',
  { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 240_000 },
  async t => {
    await ensurePackages(ovsNeeds, text => t.comment(text))
    judge(t, await comparePackets(env, 'netns', seed, 3, 50, segment), 150)
  },
)
