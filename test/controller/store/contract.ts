/** What every store must do, told as a suite that runs on each of them. */
import type { Test } from 'tap'
import { Compacted, type Store, type StoreEvent } from '../../../src/base/store.js'

const put = (key: string, value: unknown) => ({ op: 'put', key, value }) as const

/** Lets what was put off to a later turn happen. */
const turns = () => new Promise<void>(resolve => setTimeout(resolve, 20))

const watchAll = (store: Store, prefix: string, from: number) => {
  const seen: StoreEvent[] = []
  const compacted: number[] = []
  const watch = store.watch(prefix, from, {
    event: events => seen.push(...events),
    compacted: min => compacted.push(min),
    lost: () => {},
  })
  return { seen, compacted, watch }
}

export const contract = (t: Test, open: (t: Test) => Promise<Store>): void => {
  t.test('what was put is there, with the revisions of its first and last write', async t => {
    const store = await open(t)
    const { rev } = store.status()
    t.equal(await store.get('/policy/a'), undefined)
    await store.txn({ if: [], then: [put('/policy/a', { n: 1 })] })
    await store.txn({ if: [], then: [put('/policy/a', { n: 2 })] })
    t.same(await store.get('/policy/a'), {
      key: '/policy/a',
      value: { n: 2 },
      createRev: rev + 1,
      modRev: rev + 2,
    })
    t.same((await store.get('/policy/a', { rev: rev + 1 }))?.value, { n: 1 })
    t.equal(await store.get('/policy/a', { rev }), undefined)
    t.match(store.status(), { mode: 'ok', rev: rev + 2 })
  })

  t.test('a transaction happens whole, once, or not at all', async t => {
    const store = await open(t)
    const { rev } = store.status()
    const made = await store.txn({ if: [], then: [put('/a', 1), put('/b', 2), put('/c', 3)] })
    t.equal(made.rev, rev + 1, 'one revision for the three')
    const refused = await store.txn({
      if: [
        { key: '/a', modRev: rev + 1 },
        { key: '/b', modRev: 0 },
      ],
      then: [put('/a', 'no')],
      else: [{ op: 'get', key: '/b' }],
    })
    t.match(refused, { ok: false, rev: rev + 1, res: [{ key: '/b', value: 2 }] })
    t.equal((await store.get('/a'))?.value, 1)
    const swapped = await store.txn({
      if: [
        { key: '/a', modRev: rev + 1 },
        { key: '/d', modRev: 0 },
      ],
      then: [{ op: 'delete', key: '/a' }, put('/d', 4), { op: 'get', key: '/d' }],
    })
    t.match(swapped, { ok: true, rev: rev + 2 })
    t.same(
      swapped.res.map(kv => kv?.value),
      [1, 4, 4],
    )
    t.equal(await store.get('/a'), undefined)
  })

  t.test('of many that count on the same revision one wins', async t => {
    const store = await open(t)
    const { modRev } = (await store.txn({ if: [], then: [put('/n', 0)] })).res[0]!
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        store.txn({ if: [{ key: '/n', modRev }], then: [put('/n', n)] }),
      ),
    )
    t.equal(results.filter(result => result.ok).length, 1)
    t.equal((await store.get('/n'))?.value, 0, 'the first that asked')
  })

  t.test('a transaction that changes nothing takes no revision', async t => {
    const store = await open(t)
    const { rev } = store.status()
    const result = await store.txn({ if: [], then: [{ op: 'delete', key: '/nothing' }] })
    t.match(result, { ok: true, rev, res: [undefined] })
  })

  t.test('a list is in the order of keys, in pages, as of one moment', async t => {
    const store = await open(t)
    const { rev } = await store.txn({
      if: [],
      then: ['/h/c', '/h/a', '/i/a', '/h/b', '/g/z'].map(key => put(key, key)),
    })
    const first = await store.list('/h/', { limit: 2 })
    t.same(
      first.kvs.map(kv => kv.key),
      ['/h/a', '/h/b'],
    )
    t.match(first, { rev, more: true })
    await store.txn({ if: [], then: [{ op: 'delete', key: '/h/c' }, put('/h/d', 1)] })
    const rest = await store.list('/h/', { after: '/h/b', rev: first.rev })
    t.same(
      rest.kvs.map(kv => kv.key),
      ['/h/c'],
    )
    t.match(rest, { rev, more: false })
    t.same(
      (await store.list('/h/')).kvs.map(kv => kv.key),
      ['/h/a', '/h/b', '/h/d'],
    )
    t.same((await store.list('/none/')).kvs, [])
  })

  t.test(
    'a watch tells of everything from its revision on, in order, and nothing twice',
    async t => {
      const store = await open(t)
      const { rev } = await store.txn({ if: [], then: [put('/w/a', 1)] })
      await store.txn({ if: [], then: [put('/w/b', 2), put('/x', 0)] })
      const past = watchAll(store, '/w/', rev)
      const coming = watchAll(store, '/w/', 0)
      await store.txn({ if: [], then: [{ op: 'delete', key: '/w/a' }, put('/w/b', 3)] })
      await turns()
      const last = [
        { kind: 'delete', key: '/w/a', rev: rev + 2 },
        { kind: 'put', key: '/w/b', value: 3, rev: rev + 2 },
      ]
      t.same(past.seen, [
        { kind: 'put', key: '/w/a', value: 1, rev },
        { kind: 'put', key: '/w/b', value: 2, rev: rev + 1 },
        ...last,
      ])
      t.same(coming.seen, last)
      past.watch.close()
      await store.txn({ if: [], then: [put('/w/c', 4)] })
      await turns()
      t.equal(past.seen.length, 4, 'nothing after its end')
      t.equal(coming.seen.length, 3)
    },
  )

  t.test('what was compacted can be neither watched nor read', async t => {
    const store = await open(t)
    const { rev } = await store.txn({ if: [], then: [put('/c', 1)] })
    await store.txn({ if: [], then: [put('/c', 2)] })
    await store.txn({ if: [], then: [put('/c', 3)] })
    await store.compact(rev + 1)
    const late = watchAll(store, '/c', rev + 1)
    const early = watchAll(store, '/c', rev + 2)
    await turns()
    t.same(late.compacted, [rev + 2])
    t.same(
      early.seen.map(event => event.value),
      [3],
    )
    t.equal((await store.get('/c', { rev: rev + 1 }))?.value, 2)
    await t.rejects(store.get('/c', { rev }), new Compacted(rev + 1))
    await t.rejects(store.list('/c', { rev }), { name: 'Compacted', min: rev + 1 })
  })

  t.test('the end of a lease deletes what was put with it', async t => {
    const store = await open(t)
    const lease = await store.lease(10_000)
    await store.txn({
      if: [],
      then: [{ op: 'put', key: '/nodes/me', value: 1, lease: lease.id }, put('/stays', 1)],
    })
    await lease.revoke()
    t.equal(await store.get('/nodes/me'), undefined)
    t.equal((await store.get('/stays'))?.value, 1)
    await t.rejects(
      store.txn({ if: [], then: [{ op: 'put', key: '/n', value: 1, lease: lease.id }] }),
      { code: 'timed-out' },
    )
  })

  t.test('values are copies that nobody can change', async t => {
    const store = await open(t)
    const value = { list: [1, 2] }
    await store.txn({ if: [], then: [put('/v', value)] })
    value.list.push(3)
    const found = (await store.get('/v'))!.value as { list: number[] }
    t.same(found, { list: [1, 2] })
    t.throws(() => found.list.push(4))
    for (const key of ['policy', '', '/a\u0000b', `/${'x'.repeat(1_024)}`])
      await t.rejects(store.txn({ if: [], then: [put(key, 1)] }), TypeError)
    await t.rejects(store.txn({ if: [], then: [put('/f', () => 1)] }), TypeError)
    t.equal(store.status().mode, 'ok', 'a mistake of the caller breaks nothing')
    t.equal((await store.txn({ if: [], then: [put('/ok', '√')] })).ok, true)
  })
}
