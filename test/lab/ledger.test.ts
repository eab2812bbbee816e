/** What a run leaves when it is killed is cleared up by a later one; what others use is left alone. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { clearStale, Ledger, ledgerName } from '../../src/lab/ledger.js'
import { isAlive } from '../../src/lab/shell.js'

t.test('a ledger whose owner has ended is worked off; one whose owner lives is not', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const sleeper = () => {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' })
    t.teardown(() => child.kill('SIGKILL'))
    return child
  }
  const gone = spawn('true')
  await new Promise(resolve => gone.once('exit', resolve))
  const left = join(folder, 'left')
  mkdirSync(left)
  const [orphan, stranger, busy] = [sleeper(), sleeper(), sleeper()]
  const stale = new Ledger(join(folder, `office-netns-${gone.pid}-1.json`))
  stale.folder(left)
  stale.process(orphan.pid!, 'sleep')
  // The number has gone to somebody else since.
  stale.process(stranger.pid!, 'ovs-vswitchd')
  const live = new Ledger(join(folder, ledgerName('office-netns')))
  live.process(busy.pid!, 'sleep')
  await clearStale(folder)
  await new Promise(resolve => setTimeout(resolve, 50))
  t.notOk(existsSync(left))
  t.ok(orphan.signalCode !== null || !isAlive(orphan.pid!), 'the orphan was ended')
  t.ok(isAlive(stranger.pid!), 'another program with that number was not')
  t.ok(isAlive(busy.pid!), 'nor what a living run uses')
})
