/** Whatever happens to the files of the store on disk: what is read is what was written, or it is told. */
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Disk, Env, JournalFile } from '../../../src/base/env/env.js'
import { realEnv } from '../../../src/base/env/real-env.js'
import { SimulatedEnv } from '../../../src/base/env/simulated-env.js'
import { CollectingLog } from '../../../src/base/log/log.js'
import type { Store } from '../../../src/base/store.js'
import { openStore } from '../../../src/controller/store/journal-store.js'
import { until } from '../../until.js'

t.setTimeout(120_000)

const env = realEnv(new CollectingLog())
const files = ['store.mdb', 'store.copy'] as const

const put = (key: string, value: unknown) => ({ op: 'put', key, value }) as const
const write = (store: Store, ...ops: readonly ReturnType<typeof put>[]) =>
  store.txn({ if: [], then: ops })

const folderOf = (t: Test): string => {
  const path = mkdtempSync(join(tmpdir(), 'sluice-store-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const contentsOf = async (store: Store): Promise<string> =>
  JSON.stringify((await store.list('/', { limit: 10_000 })).kvs)

/** A store with a past: policies, facts, deletions. */
const filled = async (folder: string): Promise<string> => {
  const { store } = await openStore(env, folder)
  for (let n = 0; n < 30; n++)
    await write(store, put(`/policy/p${n % 7}`, { source: `allow tcp ${n} from any to any\n` }))
  await store.txn({ if: [], then: [{ op: 'delete', key: '/policy/p3' }] })
  await write(store, put('/fact/host/1', { ips: ['10.0.0.1'] }), put('/ü', null))
  const contents = await contentsOf(store)
  await store.close()
  return contents
}

interface Outcome {
  /** Undefined: it was refused as damaged. */
  readonly contents: string | undefined
  readonly isTold: boolean
}

const outcomeOf = async (folder: string): Promise<Outcome> => {
  try {
    const { store, damage } = await openStore(env, folder)
    const contents = await contentsOf(store)
    await store.close()
    return { contents, isTold: damage !== undefined }
  } catch (error) {
    const { code } = error as { code?: string }
    if (code !== 'store-damaged') throw error
    return { contents: undefined, isTold: true }
  }
}

t.test(
  'flipped bits and cuts in one of the files: nothing is lost, nothing is silently different',
  async t => {
    const { random } = new SimulatedEnv({ seed: 11 })
    const good = folderOf(t)
    const wanted = await filled(good)
    const found = { flips: 0, cuts: 0, told: 0 }
    for (let round = 0; round < 400; round++) {
      const folder = join(good, `round-${round}`)
      mkdirSync(folder)
      for (const name of files) copyFileSync(join(good, name), join(folder, name))
      const path = join(folder, files[round % 2]!)
      const bytes = readFileSync(path)
      if (round % 5 === 4) {
        truncateSync(path, random.uint32() % bytes.length)
        found.cuts++
      } else {
        bytes[random.uint32() % bytes.length]! ^= 1 << (random.uint32() % 8)
        writeFileSync(path, bytes)
        found.flips++
      }
      const { contents, isTold } = await outcomeOf(folder)
      if (contents !== wanted) t.fail(`round ${round}: other contents`)
      if (isTold) found.told++
      const next = round % 8 < 2 ? await outcomeOf(folder) : { contents, isTold: false }
      if (next.contents !== wanted || next.isTold)
        t.fail(`round ${round}: both are not right again`)
      rmSync(folder, { recursive: true })
    }
    t.comment(JSON.stringify(found))
    t.ok(found.told > 320, 'nearly all is told; at the very end nothing is lost by it')
  },
)

t.test('damage in both files is told, whatever it is', async t => {
  const { random } = new SimulatedEnv({ seed: 12 })
  const good = folderOf(t)
  const wanted = await filled(good)
  let refused = 0
  for (let round = 0; round < 200; round++) {
    const folder = join(good, `round-${round}`)
    mkdirSync(folder)
    for (const name of files) {
      const bytes = readFileSync(join(good, name))
      bytes[random.uint32() % bytes.length]! ^= 1 << (random.uint32() % 8)
      writeFileSync(join(folder, name), bytes)
    }
    const { contents, isTold } = await outcomeOf(folder)
    if (contents === undefined) refused++
    else if (contents !== wanted && !isTold) t.fail(`round ${round}: silently different`)
    rmSync(folder, { recursive: true })
  }
  t.ok(refused > 150, `${refused} of 200 refused`)
})

t.test('an empty file is damage, never a new store', async t => {
  const folder = folderOf(t)
  const wanted = await filled(folder)
  for (const name of files) {
    truncateSync(join(folder, name), 0)
    t.same(await outcomeOf(folder), { contents: wanted, isTold: true }, name)
    t.ok(existsSync(join(folder, `${name}.damaged`)), 'it is put aside')
    rmSync(join(folder, name))
    t.same(await outcomeOf(folder), { contents: wanted, isTold: true }, `${name} missing`)
  }
  for (const name of files) truncateSync(join(folder, name), 0)
  await t.rejects(openStore(env, folder), { code: 'store-damaged', message: /Restore the whole/ })
  rmSync(join(folder, 'store.copy'))
  await t.rejects(openStore(env, folder), { code: 'store-damaged' })
  writeFileSync(join(folder, 'store.mdb'), 'this is no store\n'.repeat(1_000))
  await t.rejects(openStore(env, folder), { code: 'store-damaged' })
})

t.test('a file of an older backup beside one of now does not bring the past back', async t => {
  const folder = folderOf(t)
  await filled(folder)
  copyFileSync(join(folder, 'store.mdb'), join(folder, 'backup'))
  const { store } = await openStore(env, folder)
  for (let n = 0; n < 3; n++) await write(store, put('/policy/new', n))
  const wanted = await contentsOf(store)
  await store.close()
  copyFileSync(join(folder, 'backup'), join(folder, 'store.mdb'))
  t.same(await outcomeOf(folder), { contents: wanted, isTold: true })
})

t.test('files grow with what is changed, and are written anew when they are large', async t => {
  const folder = folderOf(t)
  const { store } = await openStore(env, folder)
  const text = 'x'.repeat(100_000)
  for (let n = 0; n < 120; n++) await write(store, put('/policy/p', { n, text }))
  const wanted = await contentsOf(store)
  const sizes = files.map(name => readFileSync(join(folder, name)).length)
  t.ok(Math.max(...sizes) < 6_000_000, `${sizes} octets after 12 MB were written`)
  t.equal(sizes[0], sizes[1])
  await store.close()
  t.same(await outcomeOf(folder), { contents: wanted, isTold: false })
})

/** A disk on which some operations of journals fail. */
const faulty = (fault: { write?: string; sync?: string }): Env => {
  const fail = (code: string) => Object.assign(new Error(code), { code })
  const disk: Disk = {
    ...env.disk,
    openJournal: async (path, mode): Promise<JournalFile> => {
      const file = await env.disk.openJournal(path, mode)
      return {
        ...file,
        write: async (bytes, offset) => {
          if (fault.write === undefined) return file.write(bytes, offset)
          await file.write(bytes.subarray(0, bytes.length >> 1), offset)
          throw fail(fault.write)
        },
        sync: async () => {
          if (fault.sync !== undefined) throw fail(fault.sync)
          return file.sync()
        },
      }
    },
  }
  return { ...env, disk }
}

for (const fault of [{ write: 'ENOSPC' }, { sync: 'EIO' }, { write: 'EIO', sync: 'EIO' }])
  t.test(`a disk that fails for a while: ${JSON.stringify(fault)}`, async t => {
    const folder = folderOf(t)
    const state: { write?: string; sync?: string } = {}
    const { store } = await openStore(faulty(state), folder)
    const told: string[] = []
    store.onStatus(({ mode }) => told.push(mode))
    await write(store, put('/policy/p', 1))
    Object.assign(state, fault)
    for (let n = 0; n < 3; n++)
      await t.rejects(write(store, put('/policy/p', 2)), { code: 'store-failed' })
    t.equal((await store.get('/policy/p'))?.value, 1, 'nothing was changed')
    t.match(store.status(), { mode: 'read-only', reason: /no space|input or output/ })
    copyFileSync(join(folder, 'store.mdb'), join(folder, 'kept'))
    for (const key of ['write', 'sync'] as const) delete state[key]
    await until(() => store.status().mode === 'ok', 5_000)
    await write(store, put('/policy/p', 3))
    t.same(told, ['read-only', 'ok'])
    const wanted = await contentsOf(store)
    await store.close()
    t.same(await outcomeOf(folder), { contents: wanted, isTold: false })
  })

t.test('a folder that cannot be synced for a moment does not keep it from writing', async t => {
  const folder = folderOf(t)
  let [fails, isBroken] = [false, false]
  const error = () => Object.assign(new Error('EIO'), { code: 'EIO' })
  const world: Env = {
    ...env,
    disk: {
      ...env.disk,
      syncFolder: async path => {
        if (!fails) return env.disk.syncFolder(path)
        fails = false
        throw error()
      },
      openJournal: async (path, mode) => {
        const file = await env.disk.openJournal(path, mode)
        return {
          ...file,
          sync: async () => {
            if (!isBroken) return file.sync()
            isBroken = false
            throw error()
          },
        }
      },
    },
  }
  const { store } = await openStore(world, folder)
  await write(store, put('/p', 1))
  isBroken = true
  await t.rejects(write(store, put('/p', 2)), { code: 'store-failed' })
  t.match(readFileSync(join(folder, 'store.mdb'), 'utf8').split('\n').at(-2), /"\/p",1,/)
  fails = true
  await t.rejects(write(store, put('/p', 2)), { code: 'store-failed' })
  await write(store, put('/p', 3))
  await store.close()
  t.match(await outcomeOf(folder), { contents: /"\/p","value":3/, isTold: false })
})

t.test('files that can only be read: it starts, and says that it is read-only', async t => {
  const folder = folderOf(t)
  const wanted = await filled(folder)
  let isReadOnly = true
  const world: Env = {
    ...env,
    disk: {
      ...env.disk,
      openJournal: async (path, mode) => {
        if (isReadOnly) throw Object.assign(new Error('EROFS'), { code: 'EROFS' })
        return env.disk.openJournal(path, mode)
      },
    },
  }
  const { store } = await openStore(world, folder)
  t.equal(await contentsOf(store), wanted)
  await t.rejects(write(store, put('/p', 1)), { code: 'store-failed', message: /only be read/ })
  isReadOnly = false
  await until(() => store.status().mode === 'ok', 5_000)
  await write(store, put('/p', 1))
  await store.close()
})

t.test('a rewrite has no line that is much longer than the largest value', async t => {
  const folder = folderOf(t)
  const { store } = await openStore(env, folder)
  const text = 'x'.repeat(1_000_000)
  for (let n = 0; n < 5; n++) await write(store, put(`/policy/${n}`, { n, text }))
  truncateSync(join(folder, 'store.copy'), 0)
  const wanted = await contentsOf(store)
  await store.close()
  t.same(await outcomeOf(folder), { contents: wanted, isTold: true })
  const lines = readFileSync(join(folder, 'store.copy'), 'utf8').split('\n')
  t.ok(Math.max(...lines.map(line => line.length)) < 1_100_000)
})

t.test(
  'a folder that is removed while it is used is noticed, and used again when it is back',
  async t => {
    const folder = join(folderOf(t), 'data')
    mkdirSync(folder)
    const { store } = await openStore(env, folder)
    t.teardown(() => store.close())
    await write(store, put('/policy/p', 1))
    renameSync(folder, `${folder}.away`)
    await t.rejects(write(store, put('/policy/p', 2)), { message: /removed or replaced/ })
    mkdirSync(folder)
    for (const name of files) writeFileSync(join(folder, name), '')
    await t.rejects(write(store, put('/policy/p', 2)), { message: /removed or replaced/ })
    rmSync(folder, { recursive: true })
    renameSync(`${folder}.away`, folder)
    await write(store, put('/policy/p', 3))
    t.equal(store.status().mode, 'ok')
    renameSync(folder, `${folder}.away`)
    await until(() => store.status().mode === 'read-only', 5_000)
    t.pass('also when nobody writes')
  },
)

const isRoot = process.getuid?.() === 0

t.test(
  'a full disk: what is refused is not there, it starts while the disk is full, and writes when it is not',
  { skip: !isRoot && 'a file system of its own needs root' },
  async t => {
    // tap removes its folders before teardown: this one is mounted, so it is made and removed here.
    const folder = mkdtempSync(join(tmpdir(), 'sluice-store-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'none', folder])
    t.teardown(() => {
      execFileSync('umount', [folder])
      rmSync(folder, { recursive: true })
    })
    const { store } = await openStore(env, folder)
    await write(store, put('/before', 1))
    const big = Array.from({ length: 8 }, (_, n) => put(`/big/${n}`, 'x'.repeat(100_000)))
    await t.rejects(write(store, ...big), { code: 'store-failed', message: /no space/ })
    t.equal(store.status().mode, 'read-only')
    await write(store, put('/small', 1))
    t.equal(store.status().mode, 'ok', 'what fits is written')
    fill(join(folder, 'full'))
    await t.rejects(write(store, ...big.slice(0, 1)), { code: 'store-failed' })
    const wanted = await contentsOf(store)
    await store.close()
    const { store: again } = await openStore(env, folder)
    t.equal(await contentsOf(again), wanted)
    await t.rejects(write(again, ...big.slice(0, 1)), { code: 'store-failed' })
    rmSync(join(folder, 'full'))
    await until(() => again.status().mode === 'ok', 5_000)
    await write(again, put('/after', 1))
    await again.close()
  },
)

const fill = (path: string): void => {
  try {
    execFileSync('dd', ['if=/dev/zero', `of=${path}`, 'bs=4k'], { stdio: 'ignore' })
  } catch {
    // It ends when there is no room.
  }
}
