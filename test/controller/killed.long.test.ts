/** `sluice run` is killed while it writes, and its disk is full: nothing acknowledged is lost, and it goes on. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { until } from '../until.js'
import { killAgainAndAgain, policyOf, putPolicy, startIn } from './killed.js'

t.setTimeout(300_000)

const homeOf = (t: Test): string => {
  const path = mkdtempSync(join(tmpdir(), 'sluice-killed-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

t.test('killed two dozen times while three write: nothing is lost, nothing is torn', async t => {
  const result = await killAgainAndAgain(homeOf(t), 24, 7)
  t.comment(JSON.stringify(result))
  t.same([result.lost, result.torn], [[], []])
  t.ok(result.during >= 12, 'most kills came while something was being written')
})

t.test('a store of a minute ago is noticed, so the test above can fail', async t => {
  const home = homeOf(t)
  const data = join(home, 'data')
  const first = await startIn(home, data)
  t.equal((await putPolicy(first, 'p', 1)).status, 200)
  await first.kill()
  const files = ['store.mdb', 'store.copy']
  for (const name of files) copyFileSync(join(data, name), join(home, name))
  const second = await startIn(home, data)
  t.equal((await putPolicy(second, 'p', 2)).status, 200)
  await second.kill()
  for (const name of files) copyFileSync(join(home, name), join(data, name))
  const third = await startIn(home, data)
  t.equal(await policyOf(third, 'p'), 1)
  await third.kill()
})

const isRoot = process.getuid?.() === 0

t.test(
  'a full disk: it goes on and says so, starts while it is full, and recovers',
  { skip: !isRoot && 'a file system of its own needs root' },
  async t => {
    const home = homeOf(t)
    // tap removes its folders before teardown: this one is mounted, so it is made and removed here.
    const data = mkdtempSync(join(tmpdir(), 'sluice-full-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', data])
    t.teardown(() => {
      execFileSync('umount', ['-l', data])
      rmSync(data, { recursive: true })
    })
    const ready = async (rest: string) => {
      const answer = await fetch(`${rest}/readyz`)
      return `${answer.status} ${await answer.text()}`
    }
    const one = await startIn(home, data)
    t.teardown(() => one.kill())
    t.equal((await putPolicy(one, 'p', 1)).status, 200)
    t.match(await ready(one.rest), /^200/)
    fillUp(join(data, 'full'))
    let n = 2
    let refused = await putPolicy(one, 'p', n)
    for (; refused.status === 200 && n < 200; n++) refused = await putPolicy(one, 'p', n + 1)
    t.equal(refused.status, 507)
    t.match(await refused.text(), /no space is left on the disk/)
    t.match(await ready(one.rest), /^503 .*the store is read-only.*no space/)
    const kept = await policyOf(one, 'p')
    t.equal(one.child.exitCode, null, 'it goes on')
    await one.kill()
    const two = await startIn(home, data)
    t.teardown(() => two.kill())
    t.equal(await policyOf(two, 'p'), kept, 'it starts while the disk is full')
    await until(async () => /^503 .*the store is read-only.*no space/.test(await ready(two.rest)))
    for (const name of ['full', 'full.4k', 'full.1']) rmSync(join(data, name))
    await until(async () => /^200/.test(await ready(two.rest)), 10_000)
    t.equal((await putPolicy(two, 'p', 1_000)).status, 200)
    await two.kill()
    const three = await startIn(home, data)
    t.teardown(() => three.kill())
    t.equal(await policyOf(three, 'p'), 1_000)
  },
)

/** To the last octet: what is left of a page is taken as well. */
const fillUp = (path: string): void => {
  for (const size of ['4k', '1'])
    try {
      execFileSync('dd', ['if=/dev/zero', `of=${path}.${size}`, `bs=${size}`, 'count=100000'], {
        stdio: 'ignore',
      })
    } catch {
      // It ends when there is no room.
    }
  writeFileSync(path, '')
}
