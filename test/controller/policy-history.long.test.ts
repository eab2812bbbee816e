/** Changes of the policies: who, when, why; taken back, by hand or because nobody confirmed. */
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../src/base/env/real-env.js'
import { MemoryStore } from '../../src/controller/store/memory-store.js'
import { PolicyKeeper } from '../../src/nfv/firewall/service/policies.js'
import { emptyTopology } from '../../src/topology/model.js'
import { until } from '../until.js'
import { items, office, Refused } from './office.js'

const one = 'default drop\n'
const two = 'default allow\n'

const codeOf = (error: unknown) => (error instanceof Refused ? error.problem.code : error)

t.test('who, when and why of the last fifty changes are kept over a restart', async t => {
  const env = realEnv(pino({ level: 'silent' }))
  const store = new MemoryStore(env)
  const keeper = await PolicyKeeper.load(env, store)
  for (let count = 0; count < 53; count++)
    await keeper.apply([{ name: 'p', source: count % 2 ? one : two }], emptyTopology, undefined, {
      who: 'ann',
      why: `change ${count}`,
    })
  await keeper.apply([{ name: 'p', source: two }], emptyTopology)
  const again = await PolicyKeeper.load(env, store)
  t.equal(again.history.list().length, 50, 'what changes nothing is no entry')
  t.match(again.history.list()[0], { number: 4, who: 'ann', why: 'change 3' })
  t.match(again.history.last(), { number: 53, changes: [{ name: 'p', before: { source: one } }] })
  t.throws(() => again.history.get(3), { code: 'not-found' })
})

t.test('a change is taken back, and so is that; not when somebody changed it since', async t => {
  const at = await office(t)
  const put = (name: string, source: string, query = '') =>
    at.call('PUT', `/api/v1/policies/${name}${query}`, { source })
  const source = async () => (await at.call('GET', '/api/v1/policies/p')).source
  await put('p', one, '?who=ann&why=first')
  await put('p', two, '?who=bob')
  await at.call('POST', '/api/v1/history/undo?who=cat', {})
  t.equal(await source(), one)
  await at.call('POST', '/api/v1/history/undo?number=3', {})
  t.equal(await source(), two, 'the undo is undone')
  const refused = await at.call('POST', '/api/v1/history/undo?number=3', {}).catch(codeOf)
  t.equal(refused, 'revision-conflict', 'what it would take back is not there')
  t.match(await items(at, 'history'), [
    { number: 1, who: 'ann', why: 'first', changes: [{ name: 'p', change: 'added' }] },
    { number: 2, who: 'bob', changes: [{ name: 'p', change: 'changed' }] },
    { number: 3, who: 'cat', why: 'undo of 2' },
    { number: 4, why: 'undo of 3' },
  ])
})

t.test('taking back the only policy says that everything is allowed', async t => {
  const at = await office(t)
  const put = (name: string) => at.call('PUT', `/api/v1/policies/${name}`, { source: one })
  const undo = (query = '') => at.call('POST', `/api/v1/history/undo${query}`, {})
  await put('p')
  await put('q')
  t.notOk('opens' in (await undo()), 'another one is left')
  t.match(await undo('?dryRun=true'), { opens: true })
  t.match(await undo(), { opens: true })
  t.notOk('opens' in (await undo('?number=4')), 'back again')
})

t.test(
  'what nobody confirms is taken back, also behind a restart; until then nothing else changes',
  async t => {
    const at = await office(t)
    const put = (source: string, query = '') =>
      at.call('PUT', `/api/v1/policies/p${query}`, { source })
    const source = async () => (await at.call('GET', '/api/v1/policies/p')).source
    await put(one)
    const changed = (await items(at, 'policies'))[0]!
    t.notOk('unconfirmedUntil' in changed, 'nothing waits yet')
    // Longer than a restart takes on a busy machine.
    await put(two, '?confirm=8')
    const [waiting] = await items(at, 'policies')
    t.match(waiting, { unconfirmedUntil: /^20/ }, 'the policy says that it waits')
    t.equal(await put(one).catch(codeOf), 'not-confirmed')
    const other = await at.call('POST', '/api/v1/history/undo?number=1', {}).catch(codeOf)
    t.equal(other, 'not-confirmed', 'taking another change back would let this one stay')
    t.equal(await source(), two)
    await at.restart()
    t.equal(await source(), two)
    await until(async () => (await source()) === one, 30_000)
    t.match((await items(at, 'history')).at(-1), { why: '2 was not confirmed in time' })

    await put(two, '?confirm=4')
    await at.call('POST', '/api/v1/history/confirm', {})
    await new Promise(resolve => setTimeout(resolve, 4_300))
    t.equal(await source(), two, 'what was confirmed stays')
    const late = await at.call('POST', '/api/v1/history/confirm', {}).catch(codeOf)
    t.equal(late, 'nothing-waits', 'nothing waits')
  },
)

t.test('one undo after the other goes back to the start, and then says so', async t => {
  const env = realEnv(pino({ level: 'silent' }))
  const store = new MemoryStore(env)
  const keeper = await PolicyKeeper.load(env, store)
  const source = () => keeper.list()[0]?.source
  for (const text of [one, two, `${one}# again\n`])
    await keeper.apply([{ name: 'p', source: text }], emptyTopology)
  await keeper.undo(undefined, emptyTopology)
  t.equal(source(), two)
  const again = await PolicyKeeper.load(env, store)
  await again.undo(undefined, emptyTopology)
  t.equal(again.list()[0]?.source, one, 'over a restart, too')
  await again.undo(undefined, emptyTopology)
  t.same(again.list(), [], 'there was nothing before')
  await t.rejects(again.undo(undefined, emptyTopology), { code: 'nothing-to-undo' })
  await again.undo(6, emptyTopology)
  t.equal(again.list()[0]?.source, one, 'an undo is taken back by its number')
  await again.apply([{ name: 'p', source: two }], emptyTopology)
  await again.undo(undefined, emptyTopology)
  await again.undo(undefined, emptyTopology)
  t.same(again.list(), [], 'what was brought back is gone back on as well')
})
