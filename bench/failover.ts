/**
 * Packets lost when one of two links between two switches goes down, on real Open vSwitch: pings every millisecond, with
 * the controller running, and with it killed, so that the switches are alone (fast failover, select groups).
 *
 *     npm run bench -- failover [RUNS]        needs root
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { realEnv } from '../src/base/env/real-env.js'
import { ensurePackages, ovsNeeds } from '../src/lab/install.js'
import { type Lab, withLab } from '../src/lab/main.js'
import { readLab } from '../src/lab/spec.js'
import { NetnsStage } from '../src/lab/stages/netns.js'
import { median, quantile, sleep } from './program.js'

const network = `title: Two switches, two links between them
rules: none.rules
switches: [s1, s2]
links:
  - [s1:3, s2:3]
  - [s1:4, s2:4]
hosts:
  a: { at: s1:1, ips: [10.0.0.1/24] }
  b: { at: s2:1, ips: [10.0.0.2/24] }
steps: []
`

const pings = 2_000

/** Pings lost while the link that carries them goes down half way. */
const once = async (stage: NetnsStage, port: number): Promise<number> => {
  const link = { a: { name: 's1', port }, b: { name: 's2', port } }
  const pinging = stage.ping('a', 'b', pings, 1)
  await sleep(pings / 2)
  await stage.setLink(link, false)
  const { sent, received } = await pinging
  await stage.setLink(link, true)
  return sent - received
}

/** The port of s1 that has carried more since the last look: where the next cut hurts. */
const busyPort = async (stage: NetnsStage): Promise<number> => {
  const counts = async () => {
    const text = await stage.rig.ofctl('s1', 'dump-ports')
    return [3, 4].map(port =>
      Number(
        new RegExp(`port\\s+"?(?:s1-eth)?${port}"?: rx[^\\n]*\\n\\s+tx pkts=(\\d+)`).exec(
          text,
        )?.[1] ?? 0,
      ),
    )
  }
  const before = await counts()
  await stage.ping('a', 'b', 200, 1)
  const after = await counts()
  return after[0]! - before[0]! > after[1]! - before[1]! ? 3 : 4
}

export const run = async (words: readonly string[]): Promise<void> => {
  const runs = Number(words[0] ?? 5)
  await ensurePackages(ovsNeeds, console.log)
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  const lab: Lab = {
    spec: readLab('failover', 'failover', network),
    rules: 'default allow\n',
    folder,
  }
  const silent = { say: () => undefined, assertion: () => undefined }
  const env = realEnv(pino({ level: 'silent' }))
  const never = new AbortController().signal
  const lost = { running: [] as number[], killed: [] as number[] }
  try {
    await withLab(env, lab, 'netns', silent, never, async ({ run, controller, stage }) => {
      if (!(stage instanceof NetnsStage)) throw new Error('another stage than was asked for')
      await run.up()
      for (let index = 0; index < runs; index++) {
        // A link that has just come back is proven first.
        await sleep(4_000)
        lost.running.push(await once(stage, await busyPort(stage)))
      }
      await sleep(4_000)
      const port = await busyPort(stage)
      await controller.kill()
      for (let index = 0; index < runs; index++) {
        lost.killed.push(await once(stage, port))
        await sleep(1_000)
      }
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  for (const [what, counts] of Object.entries(lost))
    console.log(
      `controller ${what}: of ${pings} pings at 1 ms, lost when a link goes down: median ${median(counts)}, worst ${quantile(counts, 1)} (${counts.join(', ')})`,
    )
}
