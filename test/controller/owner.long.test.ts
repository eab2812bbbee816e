/** Rows of another store are never replaced without being told to: a lost store, a second controller on one bridge. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { JournalFile } from '../../src/base/env/env.js'
import { cookieNamespace, cookieNamespaceMask } from '../../src/pipeline/program.js'
import { tableId } from '../../src/pipeline/tables.js'
import { until } from '../until.js'
import { items, type Office, office, settled, whole } from './office.js'

const everyRow = {
  tableId: 0xff,
  outPort: 0xffffffff,
  outGroup: 0xffffffff,
  cookie: 0n,
  cookieMask: 0n,
  match: {},
}
const deleteMark = {
  kind: 'flow-mod',
  command: 'delete',
  xid: 0,
  ...everyRow,
  tableId: tableId.owner,
  idleTimeout: 0,
  hardTimeout: 0,
  priority: 0,
  bufferId: 0xffffffff,
  flags: 0,
  instructions: [],
} as const
const closed = { source: 'default drop\n' }
const reach = (at: Office) => at.net.host('ann').ping(at.net.host('web').ip!)
const rowsOf = (at: Office, name: string) =>
  at.net
    .switch(name)
    .datapath.flows.select(everyRow)
    .filter(({ cookie }) => (cookie & cookieNamespaceMask) === cookieNamespace << 48n).length
const states = async (at: Office) => (await items(at, 'switches')).map(each => each.state)
const allAre = (at: Office, state: string) =>
  until(async () => {
    const found = await states(at)
    return found.length === 4 && found.every(each => each === state)
  })
const eventsOf = async (at: Office, kind: string) =>
  (await items(at, 'events')).filter(each => each.kind === kind)

const loseStore = (at: Office) => () => {
  for (const name of ['store.mdb', 'store.copy']) rmSync(join(at.data, name), { force: true })
}

t.test('a store that is lost opens nothing: the switches keep their rows until told', async t => {
  const at = await office(t)
  await at.call('PUT', '/api/v1/policies/p?wait=installed', closed)
  t.notOk(await reach(at), 'the policy denies it')
  const before = rowsOf(at, 's1')
  await at.restart(loseStore(at))
  await allAre(at, 'not-adopted')
  t.equal((await eventsOf(at, 'switch-not-adopted')).length, 4)
  const [first] = await items(at, 'switches')
  t.match(first?.reason, /rows of another network.*sluice adopt/)
  t.notOk(await reach(at), 'and it is denied still')
  t.equal(rowsOf(at, 's1'), before, 'nothing was changed')
  const ready = await at.raw('/readyz')
  t.equal(ready.status, 503)
  t.match(await ready.json(), {
    status: 'not-ready',
    reasons: [/there was a store here/, /left alone/],
  })
  await t.rejects(at.call('POST', '/api/v1/switches/nobody/adopt'), /no-such|to-be-adopted|404/)
  const alone = await at.raw('/api/v1/switches/s1/adopt', { method: 'POST' })
  t.equal(alone.status, 401, 'it takes the token')
  for (const name of ['s1', 's2', 's3', 's4'])
    await at.call('POST', `/api/v1/switches/${name}/adopt`)
  await whole(at)
  t.ok(await reach(at), 'told to, the new store is in force')
  t.equal((await at.raw('/readyz')).status, 200)
  await at.restart()
  await settled(at)
  t.same(await eventsOf(at, 'switch-not-adopted'), [], 'they are ours from then on')
})

t.test(
  'a store that is lost closes switches that hold nothing, until there are policies',
  async t => {
    const at = await office(t)
    await at.call('PUT', '/api/v1/policies/p?wait=installed', closed)
    const wipe = () => {
      for (const { name } of at.network.switches)
        at.net
          .switch(name)
          .datapath.apply({ ...deleteMark, tableId: 0xff })
          .keep()
    }
    await at.restart(() => {
      loseStore(at)()
      wipe()
    })
    await settled(at)
    t.notOk(await reach(at), 'it is no new network')
    t.equal((await eventsOf(at, 'store-lost')).length, 1)
    t.match(await (await at.raw('/readyz')).json(), { reasons: [/there was a store here/] })
    await at.restart()
    await settled(at)
    t.notOk(await reach(at), 'and another restart does not forget it')
    await at.call('PUT', '/api/v1/policies/p?wait=installed', { source: 'default allow\n' })
    t.ok(await reach(at), 'there are policies again')
    await at.restart()
    await settled(at)
    t.same(await eventsOf(at, 'store-lost'), [], 'it is over')
  },
)

t.test('a store that is lost opens nothing, though a full disk takes no note of it', async t => {
  let isFull = false
  const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
  const journal = (file: JournalFile): JournalFile =>
    Object.create(file, {
      write: {
        value: async (bytes: Uint8Array, offset: number) => {
          if (isFull && Buffer.from(bytes).includes('/meta/starts')) throw full
          return file.write(bytes, offset)
        },
      },
    })
  const at = await office(t, { journal })
  await at.call('PUT', '/api/v1/policies/p?wait=installed', closed)
  await at.restart(() => {
    loseStore(at)()
    for (const { name } of at.network.switches)
      at.net
        .switch(name)
        .datapath.apply({ ...deleteMark, tableId: 0xff })
        .keep()
    isFull = true
  })
  await settled(at)
  t.notOk(await reach(at), 'it is no new network')
  t.equal((await eventsOf(at, 'store-lost')).length, 1)
  isFull = false
  await at.restart()
  await settled(at)
  t.notOk(await reach(at), 'nor at the next start')
})

t.test('a switch that connects anew is left alone still; --adopt takes it', async t => {
  const at = await office(t)
  await at.call('PUT', '/api/v1/policies/p?wait=installed', closed)
  await at.restart(loseStore(at))
  await allAre(at, 'not-adopted')
  at.net.switch('s1').dropConnections()
  await allAre(at, 'not-adopted')
  t.notOk(await reach(at))
  // The same without the guard: this is what it keeps from happening.
  await at.restart(loseStore(at), { adopts: true })
  await whole(at)
  t.ok(await reach(at), 'a new store allows everything')
})

t.test(
  'rows without a mark are ours where the store knows the switch, and nowhere else',
  async t => {
    const at = await office(t)
    const { datapath } = at.net.switch('s1')
    const marks = () => datapath.flows.select({ ...everyRow, tableId: tableId.owner }).length
    const unmark = () => {
      for (const { name } of at.network.switches)
        at.net.switch(name).datapath.apply(deleteMark).keep()
    }
    t.equal(marks(), 1)
    await at.restart(unmark)
    await until(
      async () => (await items(at, 'switches')).filter(each => each.connected).length === 4,
    )
    await settled(at)
    t.equal(marks(), 1, 'marked again')
    await at.restart(() => {
      unmark()
      loseStore(at)()
    })
    await allAre(at, 'not-adopted')
    const [first] = await items(at, 'switches')
    t.match(first?.reason, /rows of a sluice, and this store does not know the switch/)
  },
)
