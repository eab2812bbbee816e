/** `npm start`: the office lab with its story, which then stays up to play with. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Env } from '../base/env.js'
import { ControllerProcess } from './controller-process.js'
import { ensurePackages, isRoot, ovsNeeds } from './install.js'
import { loadLab, stageNamed } from './main.js'
import { LabRun, type Teller } from './run.js'

export interface StartOptions {
  readonly name: string
  /** End after the story. */
  readonly isOnce: boolean
}

/** @returns the exit code: 0 when every assertion held */
export const startLab = async (
  env: Env,
  options: StartOptions,
  print: (text: string) => void,
  teller: Teller,
  signal: AbortSignal,
): Promise<number> => {
  const stageName = isRoot() ? 'netns' : 'sim'
  if (stageName === 'netns') await ensurePackages(ovsNeeds, print)
  const lab = loadLab(options.name)
  print(
    `${lab.spec.title}: ${stageName === 'netns' ? 'on Open vSwitch, in network namespaces' : 'on simulated switches (run as root for Open vSwitch)'}`,
  )
  const data = mkdtempSync(join(tmpdir(), 'sluice-data-'))
  const controller = new ControllerProcess(data, await endpoint(6653), await endpoint(8080))
  const stage = stageNamed(env, stageName, lab)
  const run = new LabRun(lab.spec, lab.rules, stage, controller, teller)
  const ended = new Promise<'ended'>(resolve => {
    if (signal.aborted) resolve('ended')
    signal.addEventListener('abort', () => resolve('ended'))
  })
  try {
    const story = controller
      .start()
      .then(() => run.up())
      .then(() => run.tell())
    if ((await Promise.race([ended, story])) === 'ended') return 130
    const failed = run.assertions.filter(each => !each.ok).length
    print(`\n${run.assertions.length - failed} passed, ${failed} failed`)
    if (!options.isOnce) await stayUp(controller, print, ended)
    return failed === 0 ? 0 : 1
  } finally {
    await stage.down()
    await controller.stop()
    rmSync(data, { recursive: true, force: true })
  }
}

const stayUp = async (
  controller: ControllerProcess,
  print: (text: string) => void,
  ended: Promise<unknown>,
): Promise<void> => {
  const { rest } = controller.endpoints
  print(
    [
      '',
      `The lab stays up. API: http://${rest}/api/v1/switches   described at http://${rest}/api/v1/openapi.json`,
      `Try:  npx sluice --server http://${rest} get hosts`,
      `      npx sluice --server http://${rest} trace 10.1.0.2 10.2.0.10 tcp 443`,
      'Ctrl-C ends it and clears up.',
    ].join('\n'),
  )
  await ended
}

/** The usual port, or any free one when somebody has it. */
const endpoint = async (port: number): Promise<string> =>
  new Promise(resolve => {
    const probe = createServer()
    probe.once('error', () => resolve('127.0.0.1:0'))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(`127.0.0.1:${port}`)))
  })
