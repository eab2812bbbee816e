import { execFileSync, spawn } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { CollectingLog } from '../../../src/base/log.js'
import { realEnv } from '../../../src/base/real-env.js'
import { openLmdbStore } from '../../../src/controller/store/lmdb-store.js'
import { MemoryStore } from '../../../src/controller/store/memory-store.js'
import { contract } from './contract.js'

const env = realEnv(new CollectingLog())

const put = (key: string, value: unknown) => ({ op: 'put', key, value }) as const

t.test('the store in memory', async t => {
  contract(t, async t => {
    const store = new MemoryStore(env)
    t.teardown(() => store.close())
    return store
  })
})

t.test('the store on disk', async t => {
  contract(t, async t => {
    const store = await openLmdbStore(env, t.testdir())
    t.teardown(() => store.close())
    return store
  })
})

t.test('a store that is opened again is what it was', async t => {
  const folder = t.testdir()
  const first = await openLmdbStore(env, folder)
  const lease = await first.lease(60_000)
  await first.txn({ if: [], then: [put('/a', { ü: '1' }), put('/b', [2])] })
  await first.txn({ if: [], then: [{ op: 'put', key: '/node', value: 1, lease: lease.id }] })
  const { rev } = await first.txn({ if: [], then: [{ op: 'delete', key: '/b' }] })
  await first.close()
  const second = await openLmdbStore(env, folder)
  t.teardown(() => second.close())
  t.same((await second.list('/')).kvs, [
    { key: '/a', value: { ü: '1' }, createRev: 2, modRev: 2 },
    { key: '/meta/schema', value: { version: 1 }, createRev: 1, modRev: 1 },
  ])
  t.equal(second.status().rev, rev + 1, 'one more: what the lease held is deleted')
})

t.test('a data folder is for one controller', async t => {
  const folder = t.testdir()
  const store = await openLmdbStore(env, folder, process.pid)
  await t.rejects(openLmdbStore(env, folder, process.ppid), {
    code: 'already-running',
    context: { pid: process.pid },
  })
  await store.close()
  const next = await openLmdbStore(env, folder, process.ppid)
  await next.close()
})

t.test('a store of a newer sluice is left alone', async t => {
  const folder = t.testdir()
  const store = await openLmdbStore(env, folder)
  await store.txn({ if: [], then: [put('/meta/schema', { version: 2 })] })
  await store.close()
  await t.rejects(openLmdbStore(env, folder), { code: 'store-too-new' })
  await t.rejects(openLmdbStore(env, folder), { code: 'store-too-new' }, 'also the next time')
})

t.test('a store that was changed behind our back is refused, not believed', async t => {
  const folder = t.testdir()
  const path = join(folder, 'store.mdb')
  const store = await openLmdbStore(env, folder)
  await store.txn({ if: [], then: [put('/policy/a', { source: 'allow web' })] })
  await store.close()
  const good = readFileSync(path)
  const at = good.indexOf('allow web')
  t.ok(at > 0)
  for (let offset = good.indexOf('allow web'); offset >= 0; ) {
    good[offset] = 'A'.charCodeAt(0)
    offset = good.indexOf('allow web', offset)
  }
  writeFileSync(path, good)
  await t.rejects(openLmdbStore(env, folder), { code: 'store-damaged', context: { path } })
  writeFileSync(path, 'this is no database'.repeat(1_000))
  await t.rejects(openLmdbStore(env, folder), { code: 'store-damaged' })
  const long = t.testdir({ long: {} })
  const other = await openLmdbStore(env, join(long, 'long'))
  await other.txn({ if: [], then: [put('/long', 'x'.repeat(200_000))] })
  await other.close()
  truncateSync(join(long, 'long', 'store.mdb'), 50_000)
  await t.rejects(openLmdbStore(env, join(long, 'long')), { code: 'store-damaged' })
})

t.test('kill -9 while writing loses nothing that was acknowledged', async t => {
  const folder = t.testdir()
  // Counts up in two keys at once, and says each number once it was acknowledged.
  const writer = `
    import { openLmdbStore } from ${JSON.stringify(new URL('../../../src/controller/store/lmdb-store.js', import.meta.url).href)}
    import { realEnv } from ${JSON.stringify(new URL('../../../src/base/real-env.js', import.meta.url).href)}
    import { CollectingLog } from ${JSON.stringify(new URL('../../../src/base/log.js', import.meta.url).href)}
    const store = await openLmdbStore(realEnv(new CollectingLog()), process.argv[1])
    for (let n = ((await store.get('/n'))?.value ?? 0) + 1; ; n++) {
      await store.txn({ if: [], then: [
        { op: 'put', key: '/n', value: n }, { op: 'put', key: '/m', value: n },
      ] })
      process.stdout.write(n + '\\n')
    }`
  for (let round = 0; round < 4; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', writer, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let last = 0
    const lines = createInterface({ input: child.stdout })
    lines.on('line', line => {
      last = Number(line)
      if (last % 50 === 7 * round) child.kill('SIGKILL')
    })
    await new Promise(resolve => child.once('close', resolve))
    t.ok(last > 0)
    const store = await openLmdbStore(env, folder)
    const [n, m] = [(await store.get('/n'))?.value, (await store.get('/m'))?.value]
    t.equal(n, m, 'nothing half-applied')
    t.ok(Number(n) >= last, `${last} were acknowledged, ${n} are there`)
    await store.close()
  }
})

const isRoot = process.getuid?.() === 0

t.test(
  'a full disk makes the store read-only, with nothing half-applied',
  { skip: !isRoot && 'a file system of its own needs root' },
  async t => {
    // tap removes its folders before teardown: this one is mounted, so it is made and removed here.
    const folder = mkdtempSync(join(tmpdir(), 'sluice-store-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'none', folder])
    t.teardown(() => {
      execFileSync('umount', [folder])
      rmdirSync(folder)
    })
    const store = await openLmdbStore(env, folder)
    await store.txn({ if: [], then: [put('/before', 1)] })
    const big = Array.from({ length: 8 }, (_, n) => put(`/big/${n}`, 'x'.repeat(100_000)))
    await t.rejects(store.txn({ if: [], then: big }), { code: 'store-failed' })
    t.equal(store.status().mode, 'read-only')
    await t.rejects(store.txn({ if: [], then: [put('/after', 1)] }), { code: 'store-failed' })
    t.equal((await store.get('/before'))?.value, 1, 'it can still be read')
    await store.close()
    t.ok(existsSync(join(folder, 'store.mdb')))
    const again = await openLmdbStore(env, folder)
    t.same(
      (await again.list('/')).kvs.map(kv => kv.key),
      ['/before', '/meta/schema'],
    )
    await again.close()
  },
)
