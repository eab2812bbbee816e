import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import t from 'tap'
import { realEnv } from '../../../src/base/env/real-env.js'
import { CollectingLog } from '../../../src/base/log/log.js'
import type { Store } from '../../../src/base/store.js'
import { openStore } from '../../../src/controller/store/journal-store.js'
import { MemoryStore } from '../../../src/controller/store/memory-store.js'
import { contract } from './contract.js'

const env = realEnv(new CollectingLog())

const opened = async (folder: string): Promise<Store> => (await openStore(env, folder)).store

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
    const store = await opened(t.testdir())
    t.teardown(() => store.close())
    return store
  })
})

t.test('a store that is opened again is what it was', async t => {
  const folder = t.testdir()
  const first = await opened(folder)
  const lease = await first.lease(60_000)
  await first.txn({ if: [], then: [put('/a', { ü: '1' }), put('/b', [2])] })
  await first.txn({ if: [], then: [{ op: 'put', key: '/node', value: 1, lease: lease.id }] })
  const { rev } = await first.txn({ if: [], then: [{ op: 'delete', key: '/b' }] })
  await first.close()
  const second = await opened(folder)
  t.teardown(() => second.close())
  t.same((await second.list('/')).kvs, [
    { key: '/a', value: { ü: '1' }, createRev: 2, modRev: 2 },
    { key: '/meta/schema', value: { version: 1 }, createRev: 1, modRev: 1 },
  ])
  t.equal(second.status().rev, rev + 1, 'one more: what the lease held is deleted')
})

t.test('a store of a newer sluice is left alone', async t => {
  const folder = t.testdir()
  const store = await opened(folder)
  await store.txn({ if: [], then: [put('/meta/schema', { version: 2 })] })
  await store.close()
  await t.rejects(opened(folder), { code: 'store-too-new' })
  await t.rejects(opened(folder), { code: 'store-too-new' }, 'also the next time')
})

t.test('kill -9 while writing loses nothing that was acknowledged', async t => {
  const folder = t.testdir()
  // Counts up in two keys at once, and says each number once it was acknowledged.
  const writer = `
    import { openStore } from ${JSON.stringify(new URL('../../../src/controller/store/journal-store.js', import.meta.url).href)}
    import { realEnv } from ${JSON.stringify(new URL('../../../src/base/env/real-env.js', import.meta.url).href)}
    import { CollectingLog } from ${JSON.stringify(new URL('../../../src/base/log/log.js', import.meta.url).href)}
    const { store } = await openStore(realEnv(new CollectingLog()), process.argv[1])
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
    const store = await opened(folder)
    const [n, m] = [(await store.get('/n'))?.value, (await store.get('/m'))?.value]
    t.equal(n, m, 'nothing half-applied')
    t.ok(Number(n) >= last, `${last} were acknowledged, ${n} are there`)
    await store.close()
  }
})
