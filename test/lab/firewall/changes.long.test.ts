/** Changes of policies on real Open vSwitch: confirm or roll back, generations that begin anew, a full table of connections. */
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../../src/base/env/real-env.js'
import { openStore } from '../../../src/controller/store/journal-store.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../../src/lab/install.js'
import { sleep } from '../../../src/lab/shell.js'
import { hostAddresses, type TwoSwitches, withTwoSwitches } from './two-switches.js'

const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 200_000 }
const env = realEnv(pino({ level: 'silent' }))

/** Connections to a port that the first switch remembers. */
const remembered = async (lab: TwoSwitches, port: number): Promise<number> => {
  const text = await lab.stage.rig.appctl('s1', 'dpctl/dump-conntrack')
  return text.split('\n').filter(line => line.includes(`dport=${port})`)).length
}

interface Sessions {
  readonly items: readonly Readonly<Record<string, unknown>>[]
  readonly unread: readonly unknown[]
}

const generation = async (lab: TwoSwitches): Promise<number> => {
  const { items } = await lab.controller.get<{ items: { generation: number }[] }>(
    '/api/v1/policies',
  )
  return items[0]!.generation
}

t.test('changes of policies on Open vSwitch', root, async t => {
  await ensurePackages(ovsNeeds, text => t.comment(text))
  await withTwoSwitches(env, async lab => {
    const open = 'default drop\nweb: allow tcp 80\ndns: allow udp 53\n'

    await t.test('what nobody confirms is taken back; what is confirmed stays', async t => {
      await lab.rules(open)
      const shut = { source: 'default drop\n' }
      const path = '/api/v1/policies/firewall?wait=installed&confirm=4'
      await lab.controller.send('PUT', path, shut)
      t.equal(await lab.attempts('a', 'c', 80, 1), 's', 'it is in force at once')
      await sleep(4_000)
      t.equal(await lab.attempts('a', 'c', 80, 1), 'o', 'and taken back')
      await lab.controller.send('PUT', path, shut)
      await lab.controller.send('POST', '/api/v1/history/confirm')
      await sleep(5_000)
      t.equal(await lab.attempts('a', 'c', 80, 1), 's', 'confirmed, it stays')
    })

    await t.test('where generations begin anew, older sessions are forgotten', async t => {
      await lab.rules(open)
      t.equal(await lab.attempts('a', 'c', 53, 1, 'udp'), 'o')
      t.equal(await remembered(lab, 53), 1)
      await lab.rules(`${open}more: allow tcp 443\n`)
      t.equal(await remembered(lab, 53), 1, 'an edit forgets none: this test would see it')

      await lab.controller.kill()
      const { store } = await openStore(env, lab.controller.data)
      const stamp = (await store.get('/firewall/generation'))!.value as { hash: string }
      await store.txn({
        if: [],
        then: [{ op: 'put', key: '/firewall/generation', value: { ...stamp, generation: 0xffff } }],
      })
      await store.close()
      await lab.restart()
      t.equal(await generation(lab), 0xffff)
      t.equal(await lab.attempts('a', 'c', 53, 1, 'udp'), 'o')
      t.equal(await remembered(lab, 53), 2)
      await lab.rules(open)
      t.equal(await generation(lab), 1)
      t.equal(
        await remembered(lab, 53),
        0,
        'those of 65,535 generations ago look like those of today',
      )
      t.equal(await lab.attempts('a', 'c', 80, 1), 'o', 'new ones are let in')
    })

    await t.test('a full table of connections lets no answer in, and disturbs none', async t => {
      await lab.rules(open)
      await lab.stage.openSession('runs', 'a', 'c', 'tcp', 80, 50)
      await sleep(300)
      const { items, unread } = await lab.controller.get<Sessions>('/api/v1/sessions')
      t.same(unread, [], 'a lab lets its controller read the connections of its switches')
      const here = items.find(each => each.destinationPort === 80 && each.switch === 's1')
      t.match(here, { rule: 'web', source: hostAddresses.a, destination: hostAddresses.c })
      const used = (await lab.stage.rig.appctl('s1', 'dpctl/ct-get-nconns')).trim()
      await lab.stage.rig.appctl('s1', 'dpctl/ct-set-maxconns', used)
      t.equal(await lab.attempts('b', 'c', 80, 2), 'ss', 'nobody new')
      t.equal(await lab.attempts('b', 'c', 8050, 1, 'udp'), 's', 'what is denied stays denied')
      const before = await lab.stage.sessionState('runs')
      await sleep(500)
      const after = await lab.stage.sessionState('runs')
      t.ok(after.received > before.received, 'who runs goes on')
      await lab.stage.rig.appctl('s1', 'dpctl/ct-set-maxconns', '100000')
      t.equal(await lab.attempts('b', 'c', 80, 1), 'o', 'and when there is room again')
      await lab.stage.closeSession('runs')
    })
  })
})
