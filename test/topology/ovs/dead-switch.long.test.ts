/** A switch that stops, dies or loses its controller, on Open vSwitch, while the light on its cables stays on. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { killVswitchd } from '../../../src/lab/ovs.js'
import { sleep } from '../../../src/lab/shell.js'
import { type OvsNetwork, root, withOvs } from './rig.js'

/*
 *  a ─ s1 2──1 s2 2──2 s4 ─ b       the short way
 *       3\              /3
 *        1 s3 2──1 s5 2
 */
const network = `title: A short way and a long one
switches: [s1, s2, s3, s4, s5]
links:
  - [s1:2, s2:1]
  - [s2:2, s4:2]
  - [s1:3, s3:1]
  - [s3:2, s5:1]
  - [s5:2, s4:3]
hosts:
  a: { at: s1:1, ips: [10.0.0.1/24] }
  b: { at: s4:1, ips: [10.0.0.2/24] }
`
const everyMillis = 10

/** Pings while something happens after a second; how many milliseconds of pings were lost. */
const lostMillis = async (
  { stage }: OvsNetwork,
  count: number,
  happen: () => Promise<void> | void,
): Promise<number> => {
  const pinging = stage.ping('a', 'b', count, everyMillis)
  await sleep(1_000)
  await happen()
  const { sent, received } = await pinging
  return (sent - received) * everyMillis
}

/** Links of the switches that are there, both ways; on a busy machine they come and go, and are held back for a while. */
const hasLinks = async ({ controller }: OvsNetwork, count: number): Promise<boolean> => {
  for (let tries = 0; tries < 900; tries++) {
    const { items } = await controller.get<{ items: readonly unknown[] }>('/api/v1/links')
    if (items.length === count) return true
    await sleep(50)
  }
  return false
}

t.test(
  'traffic goes around a switch that stopped, and on through one without a controller',
  root,
  t =>
    withOvs(network, async net => {
      const { stage, controller, received } = net
      const s2 = stage.rig.switches.get('s2')!
      const pid = Number(readFileSync(join(s2.folder, 'ovs-vswitchd.pid'), 'utf8'))
      t.ok(await hasLinks(net, 10))
      await stage.ping('a', 'b', 20, 20)

      const before = await received('s2', 1)
      s2.relay.retarget(1)
      s2.relay.drop()
      const alone = await lostMillis(net, 1_500, () => undefined)
      t.equal(alone, 0, 'nothing is lost without a controller')
      t.ok((await received('s2', 1)) - before >= 1_500, 'and it was this switch that carried it')
      t.ok(await hasLinks(net, 10), 'its links are still there')

      const killed: number[] = []
      for (const isConnected of [false, true]) {
        if (isConnected) {
          s2.relay.retarget(controller.openflowPort)
          t.ok(await hasLinks(net, 10))
          await sleep(4_000)
        }
        try {
          killed.push(await lostMillis(net, 400, () => void process.kill(pid, 'SIGSTOP')))
        } finally {
          process.kill(pid, 'SIGCONT')
        }
        t.ok(await hasLinks(net, 10), 'all links are there again when it goes on')
        await sleep(3_000)
      }
      t.comment(`stopped, without and with a controller: ${killed.join(' and ')} ms of pings lost`)
      t.ok(Math.max(...killed) <= 1_500, `${killed} ms`)
      const died = await lostMillis(net, 400, () => killVswitchd(s2))
      t.comment(`killed: ${died} ms of pings lost`)
      t.ok(died <= 1_500, `${died} ms`)
      t.ok(await hasLinks(net, 6))
    }),
)
