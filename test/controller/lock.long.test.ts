/** One controller for a data folder, by a lock of the kernel: no process that was killed leaves one behind. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { realEnv } from '../../src/base/env/real-env.js'
import { CollectingLog } from '../../src/base/log/log.js'
import { lockFolder } from '../../src/controller/store/lock.js'

const env = realEnv(new CollectingLog())

const folderOf = (t: Test): string => {
  const path = mkdtempSync(join(tmpdir(), 'sluice-lock-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** Locks the folder in a process of its own and says how that went. */
const locker = (t: Test, folder: string, ...before: readonly string[]) => {
  const source = `
    import { lockFolder } from ${JSON.stringify(new URL('../../src/controller/store/lock.js', import.meta.url).href)}
    import { realEnv } from ${JSON.stringify(new URL('../../src/base/env/real-env.js', import.meta.url).href)}
    import { CollectingLog } from ${JSON.stringify(new URL('../../src/base/log/log.js', import.meta.url).href)}
    try {
      await lockFolder(realEnv(new CollectingLog()), process.argv[1])
      console.log('held')
      setInterval(() => {}, 1_000)
    } catch (error) {
      console.log(error.code + ' ' + error.message)
    }`
  const words = [...before, process.execPath, '--input-type=module', '-e', source, folder]
  const child = spawn(words[0]!, words.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const said = new Promise<string>(resolve =>
    createInterface({ input: child.stdout }).once('line', resolve),
  )
  return { child, said }
}

t.test('a folder is for one controller at a time', async t => {
  const folder = folderOf(t)
  const lock = await lockFolder(env, folder)
  t.ok(lock.isHeld())
  t.match(await locker(t, folder).said, `already-running`)
  await t.rejects(lockFolder(env, folder), {
    code: 'already-running',
    message: `process ${process.pid}`,
  })
  await lock.release()
  t.notOk(lock.isHeld())
  await (await lockFolder(env, folder)).release()
})

t.test('a process that was killed leaves no lock, and nobody else is named for it', async t => {
  const folder = folderOf(t)
  for (let round = 0; round < 5; round++) {
    const { child, said } = locker(t, folder)
    t.equal(await said, 'held')
    const gone = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
    // Its number may be that of another program by now: it is in the file, and means nothing.
    writeFileSync(join(folder, 'lock'), '1\n')
    const lock = await lockFolder(env, folder)
    await lock.release()
  }
})

t.test(
  'also between containers, where the numbers of processes mean nothing',
  { skip: process.getuid?.() !== 0 && 'namespaces need root' },
  async t => {
    const folder = folderOf(t)
    const lock = await lockFolder(env, folder)
    const { said } = locker(
      t,
      folder,
      'unshare',
      '--pid',
      '--net',
      '--fork',
      '--kill-child',
      '--mount-proc',
    )
    const answer = await said
    t.match(answer, /^already-running .*another container or on another machine/)
    t.notMatch(answer, /process \d/)
    await lock.release()
    const inside = locker(
      t,
      folder,
      'unshare',
      '--pid',
      '--net',
      '--fork',
      '--kill-child',
      '--mount-proc',
    )
    t.equal(await inside.said, 'held')
    await t.rejects(lockFolder(env, folder), { code: 'already-running', message: /container/ })
  },
)

t.test('a lock that is lost is known', async t => {
  const folder = folderOf(t)
  const lock = await lockFolder(env, folder)
  const { owner } = (await env.disk.lock(join(folder, 'lock'))) as { owner: number }
  t.equal(owner, process.pid)
  await lock.release()
  t.notOk(lock.isHeld(), 'and nothing is written without it')
})
