/** `sluice lab`: list, run, up, down. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Env } from '../base/env.js'
import { ControllerProcess } from './controller-process.js'
import { type Assertion, LabRun, type Teller } from './run.js'
import { type LabSpec, readLab } from './spec.js'
import type { Stage } from './stage.js'
import { NetnsStage } from './stages/netns.js'

export type StageName = Stage['name']

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
  const spec = readLab(name, path, readFileSync(path, 'utf8'))
  return { spec, rules: readFileSync(join(folder, spec.rules), 'utf8'), folder }
}

/** Where a stage writes down what it made, so that a later one clears up. */
export const ledgerPath = (name: string, stage: StageName): string =>
  join(tmpdir(), `sluice-labs-${process.getuid?.() ?? 0}`, `${name}-${stage}.json`)

export const stageNamed = (env: Env, name: StageName, lab: Lab): Stage => {
  if (name === 'netns') return new NetnsStage(env, lab.spec, ledgerPath(lab.spec.name, name))
  throw new Error(`the stage ${name} is not here yet`)
}

export const runLab = async (
  env: Env,
  lab: Lab,
  stageName: StageName,
  teller: Teller,
  signal: AbortSignal,
): Promise<readonly Assertion[]> => {
  const data = mkdtempSync(join(tmpdir(), 'sluice-data-'))
  const controller = new ControllerProcess(data)
  const stage = stageNamed(env, stageName, lab)
  const run = new LabRun(lab.spec, lab.rules, stage, controller, teller)
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('interrupted')))
  })
  aborted.catch(() => undefined)
  try {
    await Promise.race([
      aborted,
      controller
        .start()
        .then(() => run.up())
        .then(() => run.tell()),
    ])
  } finally {
    await stage.down()
    await controller.stop()
    rmSync(data, { recursive: true, force: true })
  }
  return run.assertions
}

export const writeReport = (path: string, assertions: readonly Assertion[]): void =>
  writeFileSync(path, `${JSON.stringify({ assertions }, null, 2)}\n`)
