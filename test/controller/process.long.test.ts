/** `sluice run` as a process: started, looked at, stopped; several beside one another. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { sh, trySh } from '../../src/lab/shell.js'
import { asUsersRun } from '../program.js'

interface Started {
  readonly child: ChildProcess
  readonly data: string
  readonly rest: string
  readonly millis: number
  exit(): Promise<number | null>
}

const folder = (t: Test): string => {
  const path = mkdtempSync(join(tmpdir(), 'sluice-test-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const environment = (home: string) => ({
  ...process.env,
  HOME: home,
  XDG_STATE_HOME: '',
  XDG_DATA_HOME: '',
})

const start = async (t: Test, home: string, ...words: string[]): Promise<Started> => {
  const began = performance.now()
  const data = join(home, 'data')
  const child = spawn('env', asUsersRun('run', '--data', data, ...words), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment(home),
  })
  t.teardown(() => child.kill('SIGKILL'))
  const gone = new Promise<number | null>(resolve => child.once('exit', code => resolve(code)))
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout!.once('data', chunk => resolve(String(chunk)))
    gone.then(code => reject(new Error(`ended with ${code}`)))
  })
  const millis = performance.now() - began
  return { child, data, rest: /API http:\/\/(\S+)/.exec(line)![1]!, millis, exit: () => gone }
}

const free = ['--openflow', '127.0.0.1:0', '--rest', '127.0.0.1:0']

t.test('it is ready soon, and SIGTERM and SIGINT end it cleanly within a second', async t => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const home = folder(t)
    const one = await start(t, home, ...free)
    t.equal((await fetch(`http://${one.rest}/readyz`)).status, 200)
    t.equal(statSync(join(one.data, 'token')).mode & 0o777, 0o600)
    const began = performance.now()
    one.child.kill(signal)
    t.equal(await one.exit(), 0, signal)
    t.ok(performance.now() - began < 1_000, `${Math.round(performance.now() - began)} ms`)
    t.notOk(existsSync(join(one.data, 'endpoints.json')), 'it leaves no note behind')
  }
})

t.test('two run side by side, and the command line finds each', async t => {
  const [a, b] = [await start(t, folder(t), ...free), await start(t, folder(t), ...free)]
  t.not(a.rest, b.rest)
  for (const one of [a, b]) {
    const rules = join(one.data, 'p.rules')
    writeFileSync(rules, 'default drop\n')
    await sh('env', ...asUsersRun('--data', one.data, 'apply', '-f', rules))
  }
  const token = readFileSync(join(a.data, 'token'), 'utf8').trim()
  const policies = await (await fetch(`http://${a.rest}/api/v1/policies`)).json()
  t.match(policies, { items: [{ name: 'p' }] })
  const refused = await fetch(`http://${b.rest}/api/v1/policies/p`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${token}` },
  })
  t.equal(refused.status, 401, 'the token of one is none for the other')
})

t.test('what was asked for is there again after kill -9', async t => {
  const home = folder(t)
  const one = await start(t, home, ...free)
  const rules = join(home, 'p.rules')
  writeFileSync(rules, 'default drop\nping: allow icmp from any to any\n')
  await sh('env', ...asUsersRun('--data', one.data, 'apply', '-f', rules))
  one.child.kill('SIGKILL')
  await one.exit()
  const again = await start(t, home, ...free)
  t.match(await (await fetch(`http://${again.rest}/api/v1/policies`)).json(), {
    items: [{ name: 'p', rules: 2 }],
  })
})

t.test('what cannot be is said clearly, with a way out', async t => {
  const home = folder(t)
  const one = await start(t, home, ...free)
  const run = (...words: string[]) =>
    new Promise<{ code: number | null; said: string }>(resolve => {
      const child = spawn('env', asUsersRun('run', ...words), { env: environment(home) })
      let said = ''
      child.stderr.on('data', chunk => {
        said += chunk
      })
      child.once('exit', code => resolve({ code, said }))
    })
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['--data', one.data, ...free], /Another controller uses this data folder.*Stop process \d+/],
    [
      ['--data', join(home, 'b'), '--openflow', '127.0.0.1:0', '--rest', one.rest],
      /The address is taken.*--rest/,
    ],
    [
      ['--data', join(home, 'c'), '--openflow', '0.0.0.0:0', '--rest', '127.0.0.1:0'],
      /not loopback/,
    ],
    [['--data', join(home, 'd'), '--openflow', 'nonsense'], /--openflow takes HOST:PORT/],
  ]
  for (const [words, complaint] of cases) {
    const { code, said } = await run(...words)
    t.equal(code, /takes HOST/.test(said) ? 2 : 1, words.join(' '))
    t.match(said, complaint)
  }
  const config = join(home, 'sluice.yaml')
  writeFileSync(config, 'openflow: 127.0.0.1:0\nrest: 127.0.0.1:0\nsurprise: 1\n')
  const { code, said } = await run('--config', config)
  t.equal(code, 1)
  t.match(said, /sluice.yaml:3:\d+: surprise/)
})

t.test('the command line says what is wrong', async t => {
  t.equal(await trySh('env', ...asUsersRun('get', 'nonsense')), undefined)
  await t.rejects(sh('env', ...asUsersRun('--server', 'http://127.0.0.1:9', 'get', 'hosts')), {
    message: /There is no controller at this address.*sluice run/,
  })
})
