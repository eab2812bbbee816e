/** Two controllers of different stores that meet at a switch without rows: one has it, the other says so. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Dpid } from '../../src/base/addresses.js'
import { realEnv } from '../../src/base/env/real-env.js'
import { CollectingLog } from '../../src/base/log/log.js'
import { run } from '../../src/controller/main.js'
import { SimulatedNetwork } from '../../src/sim/network.js'
import { until } from '../until.js'

t.setTimeout(120_000)

interface Row {
  readonly state: string
  readonly reason?: string
}

for (const [first, second] of [
  [0, 1],
  [1, 0],
] as const)
  for (const delayMillis of [0, 0, 2, 20])
    t.test(`controller ${first} comes first, the other ${delayMillis} ms later`, async t => {
      const env = realEnv(new CollectingLog())
      const folders = [0, 1].map(() => mkdtempSync(join(tmpdir(), 'sluice-race-')))
      const running = await Promise.all(
        folders.map(data =>
          run(env, {
            southbound: { listen: ['127.0.0.1:0'], connect: [] },
            rest: '127.0.0.1:0',
            data,
            rules: [],
            variables: { XDG_STATE_HOME: join(data, 'state') },
            pid: process.pid,
          }),
        ),
      )
      const net = SimulatedNetwork.create(env, {
        switches: [{ name: 's1', dpid: '0000000000000001' as Dpid }],
        hosts: [],
        limits: { firstBackoffMillis: 20 },
      })
      t.teardown(async () => {
        net.stop()
        for (const each of running) await each.stop()
        for (const folder of folders) rmSync(folder, { recursive: true, force: true })
      })
      const connect = (index: number) => {
        const [host = '', port] = running[index]!.endpoints.openflow.split(':')
        net.switch('s1').connect({ host, port: Number(port) })
      }
      const rows = async (): Promise<(Row | undefined)[]> =>
        Promise.all(
          running.map(async ({ endpoints }) => {
            const reply = await fetch(`http://${endpoints.rest}/api/v1/switches`)
            return ((await reply.json()) as { items: Row[] }).items[0]
          }),
        )
      const states = async () => (await rows()).map(row => row?.state).sort()
      connect(first)
      if (delayMillis > 0) await new Promise(resolve => setTimeout(resolve, delayMillis))
      connect(second)
      await until(async () => JSON.stringify(await states()) === '["installed","not-adopted"]')
      const before = await rows()
      await new Promise(resolve => setTimeout(resolve, 1_500))
      const after = await rows()
      t.same(
        after.map(row => row?.state),
        before.map(row => row?.state),
        'and it stays so',
      )
      const loser = after.findIndex(row => row?.state === 'not-adopted')
      t.match(after[loser]?.reason, /rows of another network.*sluice adopt s1/)
      // The first is gone: the other has it when it is told to.
      await running[1 - loser]!.stop()
      const token = readFileSync(join(folders[loser]!, 'token'), 'utf8').trim()
      const adopted = await fetch(
        `http://${running[loser]!.endpoints.rest}/api/v1/switches/s1/adopt`,
        { method: 'POST', headers: { authorization: `Bearer ${token}` } },
      )
      t.ok(adopted.ok)
      await until(async () => {
        const reply = await fetch(`http://${running[loser]!.endpoints.rest}/api/v1/switches`)
        return ((await reply.json()) as { items: Row[] }).items[0]?.state === 'installed'
      })
    })
