/** A log that cannot be written or that nobody reads: changes are whole, and the process goes on. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { sleep } from '../../src/lab/shell.js'
import { programPath } from '../program.js'

t.setTimeout(120_000)

const start = async (t: Test, stderr: number | 'pipe') => {
  const home = mkdtempSync(join(tmpdir(), 'sluice-log-'))
  const data = join(home, 'data')
  const words = [
    programPath,
    'run',
    '--data',
    data,
    '--openflow',
    '127.0.0.1:0',
    '--rest',
    '127.0.0.1:0',
  ]
  const child = spawn(process.execPath, words, {
    stdio: ['ignore', 'pipe', stderr],
    env: { PATH: process.env.PATH, HOME: home },
  })
  t.teardown(() => {
    child.kill('SIGKILL')
    rmSync(home, { recursive: true, force: true })
  })
  const gone = new Promise<number | null>(resolve => child.once('exit', resolve))
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout!.once('data', chunk => resolve(String(chunk)))
    gone.then(code => reject(new Error(`ended with ${code}`)))
  })
  const rest = /API http:\/\/(\S+)/.exec(line)![1]!
  const authorization = `Bearer ${readFileSync(join(data, 'token'), 'utf8').trim()}`
  const put = (n: number, why: string) =>
    fetch(`http://${rest}/api/v1/policies/p?why=${why}`, {
      method: 'PUT',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ source: `allow tcp ${n} from any to any\n` }),
    })
  return { child, gone, put }
}

t.test('standard error that nobody reads holds nothing up, also not the end', async t => {
  const { child, gone, put } = await start(t, 'pipe')
  const why = 'w'.repeat(400)
  for (let n = 1; n <= 400; n++) {
    const reply = await put(n, why)
    if (reply.status !== 200) t.fail(`${n}: ${reply.status}`)
  }
  child.kill('SIGTERM')
  const code = await Promise.race([gone, sleep(5_000).then(() => 'hangs')])
  t.equal(code, 0)
})

t.test(
  'standard error on a full disk: every change is whole',
  { skip: process.getuid?.() !== 0 && 'a file system of its own needs root' },
  async t => {
    const small = mkdtempSync(join(tmpdir(), 'sluice-small-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'none', small])
    t.teardown(() => {
      execFileSync('umount', ['-l', small])
      rmSync(small, { recursive: true, force: true })
    })
    const { child, gone, put } = await start(t, openSync(join(small, 'log'), 'a'))
    for (let n = 1; n <= 100; n++) {
      const reply = await put(n, 'w'.repeat(400))
      if (reply.status !== 200) t.fail(`${n}: ${reply.status}`)
    }
    t.equal(readFileSync(join(small, 'log')).length, 16 * 1024, 'the log is full')
    child.kill('SIGTERM')
    t.equal(await gone, 0)
  },
)
