/** `sluice lab`: list, run, up, down. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Env } from '../base/env/env.js'
import { ControllerProcess } from './controller-process.js'
import type { LabSpec } from './lab-spec.js'
import { ledgerName } from './ledger.js'
import { type Assertion, LabRun, type Teller } from './run.js'
import { readLab } from './spec.js'
import type { Stage } from './stage.js'
import type { StageName } from './stage-names.js'
import { MininetStage } from './stages/mininet.js'
import { NetnsStage } from './stages/netns.js'
import { SimStage } from './stages/sim.js'

/** Beside `dist` in the package. */
export const labsFolder = new URL('../../../labs', import.meta.url).pathname

export interface Lab {
  readonly spec: LabSpec
  readonly rules: string
  readonly folder: string
}

export const listLabs = (): string[] =>
  readdirSync(labsFolder, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name)
    .filter(name => readdirSync(join(labsFolder, name)).includes('lab.yaml'))

export const loadLab = (name: string): Lab => {
  const known = listLabs()
  if (!known.includes(name))
    throw new Error(`no lab is named ${name}; there are ${known.join(', ')}`)
  const folder = join(labsFolder, name)
  const path = join(folder, 'lab.yaml')
  const read = (file: string) => readFileSync(join(folder, file), 'utf8')
  const spec = readLab(name, path, read('lab.yaml'), read)
  return { spec, rules: readFileSync(join(folder, spec.rules), 'utf8'), folder }
}

/** Where labs leave notes about what runs. */
export const labsRunFolder = join(tmpdir(), `sluice-labs-${process.getuid?.() ?? 0}`)

/** Where a stage writes down what it made, so that a later one clears up if this one cannot. */
const newLedgerPath = (name: string, stage: StageName): string =>
  join(labsRunFolder, ledgerName(`${name}-${stage}`))

const stageNamed = (env: Env, name: StageName, { spec, folder }: Lab, daemons: string): Stage => {
  const ledger = newLedgerPath(spec.name, name)
  if (name === 'netns') return new NetnsStage(env, spec, ledger, daemons)
  if (name === 'mininet') return new MininetStage(env, spec, folder, ledger, daemons)
  return new SimStage(env, spec)
}

/** Somebody wants the lab to end before its story does. */
export class Interrupted extends Error {}

export interface LabParts {
  readonly run: LabRun
  readonly controller: ControllerProcess
  readonly stage: Stage
}

/** Ports of a lab's controller: the usual ones, for people, or any that are free. */
export type LabPorts = 'usual' | 'free'

/**
 * A lab with a controller of its own, for as long as `work` lasts; everything is cleared up behind it.
 *
 * @throws {Interrupted} when the signal comes first
 */
export const withLab = async <T>(
  env: Env,
  lab: Lab,
  stageName: StageName,
  teller: Teller,
  signal: AbortSignal,
  work: (parts: LabParts) => Promise<T>,
  ports: LabPorts = 'free',
): Promise<T> => {
  const data = mkdtempSync(join(tmpdir(), 'sluice-data-'))
  const daemons = join(data, 'openvswitch')
  mkdirSync(daemons)
  const controller =
    ports === 'free'
      ? new ControllerProcess(data, daemons)
      : new ControllerProcess(data, daemons, await usualOrFree(6653), await usualOrFree(8080))
  const stage = stageNamed(env, stageName, lab, daemons)
  const run = new LabRun(lab.spec, lab.rules, stage, controller, teller)
  let isWorking = true
  const interrupted = new Promise<never>((_, reject) => {
    const stop = () => {
      // What waits for the signal itself gets its turn first.
      if (isWorking) setImmediate(() => reject(new Interrupted('interrupted')))
    }
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop)
  })
  interrupted.catch(() => undefined)
  const working = controller.start().then(() => work({ run, controller, stage }))
  try {
    return await Promise.race([working, interrupted])
  } finally {
    isWorking = false
    await stage.down()
    await controller.stop()
    // What was interrupted ends by what was taken from it.
    await working.catch(() => undefined)
    rmSync(data, { recursive: true, force: true })
  }
}

/** The usual port, or any free one when somebody has it. */
const usualOrFree = (port: number): Promise<string> =>
  new Promise(resolve => {
    const probe = createServer()
    probe.once('error', () => resolve('127.0.0.1:0'))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(`127.0.0.1:${port}`)))
  })

/** @throws {Interrupted} when the signal comes before the end of the story */
export const runLab = (
  env: Env,
  lab: Lab,
  stageName: StageName,
  teller: Teller,
  signal: AbortSignal,
): Promise<readonly Assertion[]> =>
  withLab(env, lab, stageName, teller, signal, async ({ run }) => {
    await run.up()
    await run.tell()
    return run.assertions
  })

/** Every assertion with what was expected, what was seen, and how long it took. */
export const writeReport = (
  path: string,
  lab: string,
  stage: StageName,
  assertions: readonly Assertion[],
): void =>
  writeFileSync(
    path,
    `${JSON.stringify({ lab, stage, passed: assertions.every(each => each.ok), assertions }, null, 2)}\n`,
  )
