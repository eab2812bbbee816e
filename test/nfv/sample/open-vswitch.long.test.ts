/** The sample function on real Open vSwitch: its table counts, and what it punts comes up. */
import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../../src/base/env/real-env.js'
import { run } from '../../../src/controller/main.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../../src/lab/install.js'
import { Rig } from '../../../src/lab/rig.js'
import { sh } from '../../../src/lab/shell.js'
import { readLab } from '../../../src/lab/spec.js'
import { functions } from '../../../src/nfv/functions.js'
import { until } from '../../until.js'
import { counterFunction } from './counter.js'

const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 120_000 }
const env = realEnv(pino({ level: 'silent' }))

const spec = readLab(
  'sample',
  'sample.yaml',
  `title: One switch, two hosts
rules: sample.rules
switches: [s1]
links: []
hosts:
  a: { at: s1:1, ips: [10.1.0.1/24] }
  b: { at: s1:2, ips: [10.1.0.2/24] }
steps:
  - say: nothing
`,
)

t.test('the sample function on Open vSwitch', root, async t => {
  await ensurePackages(ovsNeeds, () => undefined)
  const data = mkdtempSync(join(tmpdir(), 'sluice-sample-'))
  const running = await run(env, {
    southbound: { listen: ['127.0.0.1:0'], connect: [] },
    rest: '127.0.0.1:0',
    data,
    rules: [],
    variables: { XDG_STATE_HOME: join(data, 'state') },
    pid: process.pid,
    functions: [...functions, counterFunction],
  })
  mkdirSync(join(data, 'daemons'))
  const rig = new Rig(env, spec, join(data, 'labs', 'sample.json'), join(data, 'daemons'))
  t.teardown(async () => {
    await rig.down()
    await running.stop()
  })
  const token = (await env.disk.readText(join(data, 'token'))).trim()
  const call = async (method: string, path: string, body?: object) => {
    const reply = await fetch(`http://${running.endpoints.rest}/api/v1/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await reply.text()
    const answer = JSON.parse(text === '' ? '{}' : text) as { items: Record<string, unknown>[] }
    if (!reply.ok) throw new Error(text)
    return answer
  }
  const send = (from: string, to: string, count: number) =>
    sh(
      ...['ip', 'netns', 'exec', rig.hostNamespace(from), '/usr/bin/python3', '-c'],
      `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(${count}): s.sendto(b'x', ('${to}', 9))`,
    )
  await rig.up(Number(running.endpoints.openflow.split(':')[1]), false)
  await until(async () => {
    const { items } = await call('GET', 'switches')
    return items[0]?.state === 'installed'
  })
  const ping = () =>
    sh('ip', 'netns', 'exec', rig.hostNamespace('a'), 'ping', '-c1', '-W1', '10.1.0.2')
  await until(() =>
    ping().then(
      () => true,
      () => false,
    ),
  )
  const mac = spec.hosts.find(({ name }) => name === 'a')!.mac
  await call('PUT', 'objects/counter/one?wait=installed', { spec: { mac } })
  await send('a', '10.1.0.2', 3)
  await send('b', '10.1.0.1', 2)
  await until(async () => (await call('GET', 'counted')).items[0]?.heard === 3)
  // Open vSwitch brings its counters up to date now and then.
  await until(async () => {
    const flows = await rig.ofctl('s1', 'dump-flows', 'table=16')
    const counted = flows.split('\n').find(line => line.includes('udp'))
    return /n_packets=3,/.test(counted ?? '')
  })
  t.pass('its table has counted what the declared host sent, and nothing else')
  await call('DELETE', 'objects/counter/one')
  await until(async () => !(await rig.ofctl('s1', 'dump-flows', 'table=16')).includes('dl_src'))
  t.same((await call('GET', 'drift')).items, [])
})
