/** Two controllers on one bridge of real Open vSwitch: the second looks, and leaves what it finds to the first. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { sh, sleep } from '../../src/lab/shell.js'
import { cookieOf } from '../../src/pipeline/program.js'
import { tableId } from '../../src/pipeline/tables.js'
import { RealSwitch, skipWithoutNamespaces } from '../controller/switch-setup/real-switch.js'
import { asUsersRun } from '../program.js'

const root = { skip: skipWithoutNamespaces, timeout: 120_000 }

interface Sluice {
  readonly child: ChildProcess
  cli(...words: string[]): Promise<string>
  state(): Promise<string>
}

const start = async (t: Test, real: RealSwitch, name: string, port: number, ...more: string[]) => {
  const home = join(real.folder, name)
  const inside = ['netns', 'exec', real.namespace, 'env']
  const data = ['--data', join(home, 'data')]
  const child = spawn(
    'ip',
    [
      ...inside,
      ...asUsersRun('run', ...data, '--openflow', `127.0.0.1:${port}`),
      ...['--rest', `127.0.0.1:${port + 1_000}`, ...more],
    ],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, HOME: home, XDG_STATE_HOME: '' },
    },
  )
  t.teardown(() => child.kill('SIGKILL'))
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve)
    child.once('exit', code => reject(new Error(`ended with ${code}`)))
  })
  const cli = (...words: string[]) => sh('ip', ...inside, ...asUsersRun(...data, ...words))
  const one: Sluice = {
    child,
    cli,
    state: async () => {
      const { items } = JSON.parse(await cli('get', 'switches', '-o', 'json'))
      return items[0]?.state ?? 'none'
    },
  }
  return one
}

const becomes = async (one: Sluice, state: string): Promise<void> => {
  for (let tries = 0; (await one.state()) !== state; tries++) {
    if (tries > 50) throw new Error(`${await one.state()}, not ${state}`)
    await sleep(200)
  }
}

const eventList = 'http://127.0.0.1:7653/api/v1/events'

/** Rows without what counts. */
const rows = async (real: RealSwitch): Promise<string[]> =>
  (await real.ofctl('br0', 'dump-flows', '--no-stats', '--no-names')).split('\n').sort()

const bridge = async (t: Test): Promise<RealSwitch> => {
  const real = new RealSwitch()
  t.teardown(() => real.remove())
  await real.create()
  await real.start()
  await real.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev')
  await real.vsctl('set', 'bridge', 'br0', 'fail_mode=secure', 'protocols=OpenFlow13')
  return real
}

t.test('the second leaves the rows of the first, until it is told to take them', root, async t => {
  const real = await bridge(t)
  const first = await start(t, real, 'first', 6653)
  await real.vsctl('set-controller', 'br0', 'tcp:127.0.0.1:6653')
  await becomes(first, 'installed')
  const before = await rows(real)
  t.ok(before.length > 20)

  const second = await start(t, real, 'second', 6654)
  await real.vsctl('set-controller', 'br0', 'tcp:127.0.0.1:6653', 'tcp:127.0.0.1:6654')
  await becomes(second, 'not-adopted')
  t.match(await second.cli('get', 'switches'), /rows of another network.*sluice adopt br0/)
  await sleep(1_000)
  t.equal(await first.state(), 'installed', 'the first is master still')
  t.same(await rows(real), before, 'and nothing was changed')

  first.child.kill('SIGKILL')
  await sleep(500)
  t.equal(await second.state(), 'not-adopted', 'its end changes nothing')
  t.same(await rows(real), before)

  const again = await start(t, real, 'first', 6653)
  await becomes(again, 'installed')
  t.same(await rows(real), before, 'the first comes back to what is its own')

  await second.cli('adopt', 'br0')
  await becomes(second, 'installed')
  // It looks whose mark the switch carries now, and steps back.
  await becomes(again, 'not-adopted')
  t.match(await again.cli('get', 'switches'), /sluice adopt/)
  t.not((await rows(real)).join(), before.join(), 'it carries the mark of the second')
})

t.test('rows of another sluice that appear while a switch is connected are told', root, async t => {
  const real = await bridge(t)
  const only = await start(t, real, 'only', 6653)
  await real.vsctl('set-controller', 'br0', 'tcp:127.0.0.1:6653')
  await becomes(only, 'installed')
  const events = async (kind: string): Promise<Record<string, unknown>[]> => {
    const { items } = JSON.parse(
      await sh('ip', 'netns', 'exec', real.namespace, 'curl', '-s', eventList),
    )
    return items.filter((each: { kind: string }) => each.kind === kind)
  }
  const seen = async (kind: string): Promise<Record<string, unknown>> => {
    for (let tries = 0; ; tries++) {
      const last = (await events(kind)).at(-1)
      if (last !== undefined) return last
      if (tries > 50) throw new Error(`no ${kind}`)
      await sleep(200)
    }
  }
  const add = (row: string) => real.ofctl('br0', 'add-flow', row)
  const cookie = `cookie=0x${cookieOf('store', 0x12345678).toString(16)}`
  const before = await rows(real)

  await add('cookie=0x77,table=0,priority=65000,ip,actions=NORMAL')
  t.match((await seen('foreign-flow')).text, /priority=65000,ip.*NORMAL/, 'of no sluice: told')
  await real.ofctl('br0', 'del-flows', 'cookie=0x77/-1')

  await add(`${cookie},table=0,priority=64000,ip,actions=drop`)
  t.match(await seen('drift-repaired'), { excess: 1 }, 'without a mark: told, and taken away')
  while ((await rows(real)).join() !== before.join()) await sleep(100)

  await add(`${cookie},table=${tableId.owner},priority=0,actions=drop`)
  await add(`${cookie},table=0,priority=64000,ip,actions=drop`)
  await becomes(only, 'not-adopted')
  t.match((await seen('switch-not-adopted')).reason, /another network \(12345678; this store is/)
  const after = await rows(real)
  await sleep(2_000)
  t.same(await rows(real), after, 'nothing of it is touched')
  t.ok(after.some(row => /priority=64000/.test(row)))
  t.match(await only.cli('get', 'switches'), /sluice adopt br0/)
})
