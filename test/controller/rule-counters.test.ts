/** What rules have decided, over edits, restarts and switches that begin anew. */
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../src/base/env/real-env.js'
import { MemoryStore } from '../../src/controller/store/memory-store.js'
import { type CountingSwitch, RuleCounters } from '../../src/nfv/firewall/service/rule-counters.js'
import type { FlowStats } from '../../src/openflow/index.js'
import { until } from '../until.js'
import { items, office } from './office.js'

const log = pino({ level: 'silent' })
const env = { ...realEnv(log), clock: { nowMillis: () => 0, wallMillis: () => 1_000 } }

/** A row of rule 7 unless it says otherwise. */
const row = (priority: number, packets: number, rule = 7): FlowStats =>
  ({
    tableId: 50,
    priority,
    match: {},
    cookie: 0x5147_0005_0000_0000n | BigInt(rule),
    packetCount: BigInt(packets),
    byteCount: BigInt(packets * 100),
  }) as FlowStats

const fake = (dpid: string) => {
  const asked: (readonly bigint[] | undefined)[] = []
  const one = {
    dpid,
    rows: [] as FlowStats[] | undefined,
    asked,
    ruleFlows: async (cookies?: readonly bigint[]) => {
      asked.push(cookies)
      return one.rows?.filter(each => cookies?.includes(each.cookie) ?? true)
    },
  }
  return one
}

const countersOf = async (...switches: CountingSwitch[]) => {
  const store = new MemoryStore(env)
  return { store, counters: await RuleCounters.load(env, store, () => switches) }
}

t.test('rows of a rule on all switches are added up', async t => {
  const [s1, s2] = [fake('1'), fake('2')]
  const { counters } = await countersOf(s1, s2)
  s1.rows = [row(100, 3), row(101, 4), row(90, 1, 8)]
  s2.rows = [row(100, 5)]
  await counters.read()
  t.same(counters.get(7), { hits: 12, bytes: 1_200, lastHitMillis: 1_000 })
  t.equal(counters.get(8)?.hits, 1)
  t.equal(counters.get(9), undefined, 'a rule that was never hit has no count')
})

t.test('a row that is put anew, moved or taken away takes nothing back', async t => {
  const s1 = fake('1')
  const { counters } = await countersOf(s1)
  s1.rows = [row(100, 10), row(101, 5)]
  await counters.read()
  s1.rows = [row(100, 2), row(101, 6)]
  await counters.read()
  t.equal(counters.get(7)?.hits, 18, '100 was put anew and counted 2, 101 counted one more')
  s1.rows = [row(300, 1)]
  await counters.read()
  t.equal(counters.get(7)?.hits, 19, 'another priority is another row')
  s1.rows = []
  await counters.read()
  t.equal(counters.get(7)?.hits, 19)
  s1.rows = undefined
  await counters.read()
  t.equal(counters.get(7)?.hits, 19, 'a switch that was lost says nothing')
})

t.test('rows that are about to go are read before, and only those', async t => {
  const s1 = fake('1')
  const { counters } = await countersOf(s1)
  const gone = new Set([row(0, 0).cookie])
  s1.rows = [row(100, 10), row(90, 4, 8)]
  await counters.readBefore('1', gone)
  t.same(s1.asked, [undefined], 'the first time all are')
  s1.rows = [row(100, 13), row(90, 6, 8)]
  await counters.readBefore('1', gone)
  t.same(s1.asked[1], [...gone])
  t.equal(counters.get(7)?.hits, 13)
  t.equal(counters.get(8)?.hits, 4, 'not asked for')
  s1.rows = [row(200, 1), row(90, 7, 8)]
  await counters.read()
  t.equal(counters.get(7)?.hits, 14, 'the row that came in its place begins at nothing')
  t.equal(counters.get(8)?.hits, 7)
  await counters.readBefore('1', new Set([0x5147_0001_0000_0000n, 5n]))
  t.equal(s1.asked.length, 3, 'rows of others do not matter')
  await counters.stop()
})

t.test('after a restart nothing is counted twice', async t => {
  const s1 = fake('1')
  const { store, counters } = await countersOf(s1)
  s1.rows = [row(100, 10), row(101, 5)]
  await counters.read()
  await counters.stop()
  const again = await RuleCounters.load(env, store, () => [s1])
  t.equal(again.get(7)?.hits, 15, 'as it was kept')
  await again.read()
  t.equal(again.get(7)?.hits, 15)
  s1.rows = [row(100, 11), row(101, 5)]
  await again.read()
  t.equal(again.get(7)?.hits, 16)
  const third = await RuleCounters.load(env, new MemoryStore(env), () => [s1])
  await third.read()
  t.equal(third.get(7)?.hits, 16, 'without a store, what the switch says')
})

t.test('counters of rules go on over an edit and a restart of the controller', async t => {
  const at = await office(t, { whole: true })
  const put = (source: string) => at.call('PUT', '/api/v1/policies/p?wait=installed', { source })
  const count = async (name: string) =>
    Number((await items(at, 'rules')).find(each => each.name === name)?.packets)
  await put('default drop\nping: allow icmp from any to any\n')
  const ping = () => at.net.host('ann').ping(at.net.host('web').ip!)
  t.ok(await ping())
  const first = await count('ping')
  t.ok(first > 0, 'the ping was counted')
  await put(
    'default drop\nweb: allow tcp 80 from any to any\nping: allow icmp from any to 10.0.0.0/8\n',
  )
  t.ok((await count('ping')) >= first, 'the rule was edited, the count goes on')
  t.ok(await ping())
  const second = await count('ping')
  t.ok(second > first)
  await at.restart()
  await until(async () => (await items(at, 'switches')).every(each => each.state === 'installed'))
  const third = await count('ping')
  t.ok(
    third >= second && third < 2 * second,
    `nothing is lost or counted twice: ${second}, ${third}`,
  )
})

t.test('a packet that goes through the rows of its rule twice counts once', async t => {
  const s1 = fake('1')
  const { counters } = await countersOf(s1)
  s1.rows = [row(100, 3)]
  await counters.read()
  // Two were admitted: one is read between its two ways, the other behind both.
  counters.countOnce(7, 100)
  counters.countOnce(7, 100)
  s1.rows = [row(100, 6)]
  await counters.read()
  s1.rows = [row(100, 7)]
  await counters.read()
  t.match(counters.get(7), { hits: 5, bytes: 500 })
})
