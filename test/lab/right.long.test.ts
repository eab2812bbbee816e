/** M3 and M4 on real Open vSwitch: whatever happens to the switches behind our back, they return to right by themselves. */
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { realEnv } from '../../src/base/env/real-env.js'
import type { ControllerProcess } from '../../src/lab/controller-process.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../src/lab/install.js'
import { loadLab, withLab } from '../../src/lab/main.js'
import { sh, sleep } from '../../src/lab/shell.js'
import { NetnsStage } from '../../src/lab/stages/netns.js'
import { tableId } from '../../src/pipeline/tables.js'

const env = realEnv(pino({ level: 'silent' }))
const lab = loadLab('office')
const silent = { say: () => undefined, assertion: () => undefined }
const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 180_000 }

interface Place {
  readonly stage: NetnsStage
  readonly controller: ControllerProcess
  drift(): Promise<readonly { kind: string }[]>
  sent(): Promise<number>
  /** Resolves when nothing more is learnt: hosts tell their addresses one after the other. */
  quiet(): Promise<void>
  /** Milliseconds until no row of ours is missing, altered or too many; a complaint when that takes too long. */
  right(patienceMillis: number): Promise<number>
}

const office = (work: (place: Place) => Promise<void>): Promise<void> =>
  withLab(env, lab, 'netns', silent, new AbortController().signal, async parts => {
    const { run, controller, stage } = parts
    if (!(stage instanceof NetnsStage)) throw new Error('another stage than was asked for')
    await run.up()
    const drift = async () =>
      (await controller.get<{ items: { kind: string }[] }>('/api/v1/drift')).items
    const sent = async () => {
      const { items } = await controller.get<{ items: Record<string, number>[] }>(
        '/api/v1/switches',
      )
      return items.reduce((sum, each) => sum + each.flowModsSent! + each.groupModsSent!, 0)
    }
    await work({
      stage,
      controller,
      drift,
      sent,
      quiet: async () => {
        for (let before = -1; before !== (await sent()); await sleep(2_000)) before = await sent()
      },
      right: async patienceMillis => {
        const began = performance.now()
        for (;;) {
          const wrong = (await drift()).filter(each => each.kind !== 'foreign')
          if (wrong.length === 0) return performance.now() - began
          if (performance.now() - began > patienceMillis)
            throw new Error(`${wrong.length} rows are wrong after ${patienceMillis} ms`)
          await sleep(50)
        }
      },
    })
  })

const told = (t: Test, what: string, millis: number) =>
  t.comment(`${what}: right again after ${Math.round(millis)} ms`)

t.test(
  'flows that somebody deletes, alters or adds are mended; those of others stay',
  root,
  async t => {
    await ensurePackages(ovsNeeds, text => t.comment(text))
    await office(async ({ stage, drift, sent, right, quiet }) => {
      const { rig } = stage
      t.same(await drift(), [], 'what Open vSwitch reads back is what was sent')

      await rig.ofctl(
        's1',
        'add-flow',
        'table=200,priority=7,cookie=0x42,tcp,tp_dst=7,actions=drop',
      )
      await rig.ofctl('s1', 'add-group', 'group_id=9,type=all,bucket=actions=drop')
      await rig.ofctl('s1', 'del-flows', 'table=10')
      await rig.ofctl('s1', 'mod-flows', 'table=0,in_port=3,actions=drop')
      await rig.ofctl(
        's1',
        'add-flow',
        'table=30,priority=9999,cookie=0x5147000100000000,actions=drop',
      )
      told(t, 'deleted, altered and added', await right(40_000))
      t.same(
        (await drift()).map(each => each.kind),
        ['foreign'],
        'the flow of somebody else is there',
      )
      t.match(await rig.ofctl('s1', 'dump-groups'), /group_id=9,type=all/, 'and the group')
      await quiet()
      const count = await sent()
      rig.switches.get('s1')!.relay.drop()
      await sleep(2_500)
      t.equal(await sent(), count, 'a second pass over it sends nothing')
    })
  },
)

t.test('ovs-vswitchd that is killed and started again is filled again', root, async t => {
  await ensurePackages(ovsNeeds, text => t.comment(text))
  await office(async ({ stage, right }) => {
    await stage.rig.restartSwitch('s3')
    told(t, 'killed and started', await right(20_000))
    t.match(await stage.rig.ofctl('s3', 'dump-flows', 'table=0'), /cookie=0x5147/)
    t.equal(await stage.attempt('bob', 'web', 'icmp', 0), 'open')
  })
})

t.test('with no controller at all nothing is lost', root, async t => {
  await ensurePackages(ovsNeeds, text => t.comment(text))
  await office(async ({ stage, controller, sent, quiet }) => {
    // What was learnt last may be written down and not sent yet.
    await quiet()
    await controller.kill()
    const { received } = await stage.ping('bob', 'cat', 300, 10)
    t.equal(received, 300)
    await controller.start()
    stage.retarget(controller.openflowPort)
    await sleep(2_500)
    if ((await sent()) !== 0)
      t.comment(JSON.stringify((await controller.get<{ items: object[] }>('/api/v1/events')).items))
    t.equal(await sent(), 0, 'and nothing is sent to switches that are right')
  })
})

t.test(
  "M15: a switch whose table is full makes the policy fail, with the switch's own words",
  root,
  async t => {
    await ensurePackages(ovsNeeds, text => t.comment(text))
    await office(async ({ stage, controller }) => {
      const { folder } = stage.rig.switches.get('s1')!
      const vsctl = (...words: string[]) => sh('ovs-vsctl', `--db=unix:${folder}/db.sock`, ...words)
      const { rules1 } = tableId
      await vsctl(
        ...['--', '--id=@t', 'create', 'Flow_Table', 'flow_limit=5', 'overflow_policy=refuse'],
        ...['--', 'set', 'Bridge', 's1', `flow_tables:${rules1}=@t`],
      )
      const rules = Array.from(
        { length: 40 },
        (_, n) => `r${n}: allow tcp ${1000 + n} from any to any`,
      )
      const put = (source: string) =>
        controller.send<{ state: string; reason?: string }>(
          'PUT',
          '/api/v1/policies/big?wait=installed',
          { source },
        )
      await controller.send('DELETE', '/api/v1/policies/office')
      const stop = 'stop: drop tcp 53 from any to any'
      t.equal((await put(`default allow\n${stop}\n`)).state, 'installed')
      t.equal(await stage.attempt('ann', 'web', 'tcp', 53), 'silent')
      t.equal(await stage.attempt('ann', 'web', 'tcp', 80), 'open')
      const full = await put(`default allow\n${rules.join('\n')}\n${stop}\n`)
      t.equal(full.state, 'failed')
      t.match(full.reason, /OFPFMFC_TABLE_FULL/)
      const { items } = await controller.get<{ items: { name: string; refusals: object[] }[] }>(
        '/api/v1/switches',
      )
      t.same(
        items.filter(each => each.refusals.length > 0).map(each => each.name),
        ['s1'],
        'the switch is named',
      )
      t.equal(await stage.attempt('ann', 'web', 'tcp', 53), 'silent', 'what both deny is denied')
      t.equal(await stage.attempt('ann', 'web', 'tcp', 80), 'open', 'what both allow is allowed')
      const small = await put(`default drop\n${rules.slice(0, 2).join('\n')}\n`)
      t.equal(small.state, 'installed', 'what fits is installed')
    })
  },
)
