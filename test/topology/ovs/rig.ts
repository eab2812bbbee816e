/** A network of Open vSwitch for tests of topology, and objects declared to its controller. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { realEnv } from '../../../src/base/env/real-env.js'
import type { ControllerProcess } from '../../../src/lab/controller-process.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../../src/lab/install.js'
import { withLab } from '../../../src/lab/main.js'
import { sleep } from '../../../src/lab/shell.js'
import { readLab } from '../../../src/lab/spec.js'
import { NetnsStage } from '../../../src/lab/stages/netns.js'

export const root = {
  skip: isRoot() ? false : 'it needs root for network namespaces',
  timeout: 240_000,
} as const

export interface OvsNetwork {
  readonly stage: NetnsStage
  readonly controller: ControllerProcess
  apply(kind: string, name: string, spec: object): Promise<void>
  status(kind: string, name: string): Promise<{ state: string; [detail: string]: unknown }>
  /** Waits until an object is in a state. */
  reaches(kind: string, name: string, state: string): Promise<void>
  /** Packets that came in at a port of a switch so far. */
  received(name: string, port: number): Promise<number>
}

/** Everybody may talk to everybody; everything is cleared up behind `work`. */
export const withOvs = async (
  network: string,
  work: (network: OvsNetwork) => Promise<void>,
): Promise<void> => {
  await ensurePackages(ovsNeeds, () => undefined)
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'))
  const spec = readLab('topology', 'topology', `rules: none.rules\nsteps: []\n${network}`)
  const lab = { spec, rules: 'default allow\n', folder }
  const teller = { say: () => undefined, assertion: () => undefined }
  const never = new AbortController().signal
  const env = realEnv(pino({ level: 'silent' }))
  try {
    await withLab(env, lab, 'netns', teller, never, async ({ run, controller, stage }) => {
      if (!(stage instanceof NetnsStage)) throw new Error('another stage than was asked for')
      await run.up()
      const bad = run.assertions.find(({ ok }) => !ok)
      if (bad) throw new Error(`${bad.name}: ${bad.seen}`)
      await work(ovsNetwork(stage, controller))
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const ovsNetwork = (stage: NetnsStage, controller: ControllerProcess): OvsNetwork => {
  const path = (kind: string, name: string) => `/api/v1/objects/${kind.toLowerCase()}/${name}`
  const status = async (kind: string, name: string) =>
    (await controller.get<{ status: { state: string } }>(path(kind, name))).status
  return {
    stage,
    controller,
    status,
    apply: async (kind, name, spec) => {
      await controller.send('POST', '/api/v1/objects', { objects: [{ kind, name, spec }] })
    },
    reaches: async (kind, name, state) => {
      for (let tries = 0; tries < 200; tries++) {
        const now = await status(kind, name)
        if (now.state === state) return
        if (tries === 199) throw new Error(`${name} is ${JSON.stringify(now)}, not ${state}`)
        await sleep(50)
      }
    },
    received: async (name, port) => {
      const text = await stage.rig.ofctl(name, 'dump-ports')
      const found = new RegExp(`port\\s+"?(?:${name}-eth)?${port}"?: rx pkts=(\\d+)`).exec(text)
      if (found === null) throw new Error(`no port ${port} in ${text}`)
      return Number(found[1])
    },
  }
}
