/** Learning rules from what is used, on the simulated office, without a policy and with one. */
import t, { type Test } from 'tap'
import type { Ip } from '../../src/base/addresses.js'
import { until } from '../until.js'
import { type Office, office } from './office.js'

interface Learnt {
  readonly state: string
  readonly connections: number
  readonly kinds: number
  readonly rules: string
}

const learning = (at: Office) => at.call<Learnt>('GET', '/api/v1/learning')

const open = (at: Office, from: string, to: Ip, port: number) =>
  at.net.host(from).attempt(to, 'tcp', port, { timeoutMillis: 500 })

const begin = async (t: Test): Promise<Office> => {
  const at = await office(t, { whole: true })
  t.match(await learning(at), { state: 'none' })
  await at.call('POST', '/api/v1/learning', { seconds: 600 })
  await until(
    async () => (await at.call<{ state: string }>('GET', '/api/v1/learning')).state === 'watching',
  )
  await at.call('PUT', '/api/v1/policies/watched?wait=installed', {
    source: 'zone office = 10.1.0.0/16\ndefault allow\nstop: drop tcp 23\n',
  })
  return at
}

t.test('what is accepted is seen once a connection, what is dropped is not', async t => {
  const at = await begin(t)
  await open(at, 'ann', '10.2.0.10' as Ip, 443)
  await open(at, 'bob', '10.2.0.10' as Ip, 443)
  await open(at, 'bob', '10.2.0.10' as Ip, 443)
  await open(at, 'bob', '10.2.0.10' as Ip, 23)
  await until(async () => (await learning(at)).connections >= 3)
  const { rules, kinds, connections } = await learning(at)
  t.equal(kinds, 2)
  t.equal(connections, 3)
  t.match(rules, 'learnt-1: allow tcp 443 from office to 10.2.0.10  # 3 connections of 2 sources')
  t.match(rules, 'zone office = 10.1.0.0/16')
  t.notMatch(rules, 'tcp 23')

  const before = await at.call<{ items: { flowModsSent: number }[] }>('GET', '/api/v1/switches')
  await at.restart()
  await until(async () =>
    (await at.call<{ items: { state: string }[] }>('GET', '/api/v1/switches')).items.every(
      each => each.state === 'installed',
    ),
  )
  t.ok(before.items.length > 0)
  const after = await at.call<{ items: { flowModsSent: number }[] }>('GET', '/api/v1/switches')
  t.same(
    after.items.map(each => each.flowModsSent),
    [0, 0, 0, 0],
    'the watch goes on as it was',
  )
  t.match(await learning(at), { state: 'watching', kinds: 2, connections: 3 })

  await at.call('DELETE', '/api/v1/learning')
  await open(at, 'cat', '10.2.0.20' as Ip, 5432)
  t.match(await learning(at), { state: 'ended', kinds: 2 }, 'nothing is seen when nobody watches')
})

t.test('watching does not disturb sessions, and a new watch begins with nothing', async t => {
  const at = await begin(t)
  await open(at, 'ann', '10.2.0.10' as Ip, 443)
  await until(async () => (await learning(at)).connections === 1)
  const generation = async () =>
    (await at.call<{ items: { generation: number }[] }>('GET', '/api/v1/policies')).items[0]!
      .generation
  const first = await generation()
  await at.call('POST', '/api/v1/learning', { seconds: 600 })
  t.match(await learning(at), { state: 'watching', kinds: 0 })
  t.equal(await generation(), first, 'no session is asked again')
  const plan = await at.call<{ changes: unknown[]; switches: { flows: unknown[] }[] }>(
    'POST',
    '/api/v1/plan',
    {
      policies: [
        {
          name: 'watched',
          source: 'zone office = 10.1.0.0/16\ndefault allow\nstop: drop tcp 23\n',
        },
      ],
    },
  )
  t.same(
    plan.switches.flatMap(each => each.flows),
    [],
    'and a plan does not show the watch',
  )
})
