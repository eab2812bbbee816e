/** `sluice lab up` and `down`: a lab that stays while nobody watches, held by a process of its own. */
import { mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Env } from '../base/env/env.js'
import type { Endpoints } from '../base/places.js'
import type { LabSpec } from './lab-spec.js'
import { clearBehind } from './ledger.js'
import { type Lab, labsRunFolder, withLab } from './main.js'
import type { Teller } from './run.js'
import { isAlive, sleep, start } from './shell.js'
import { type StageName, stageNames } from './stage-names.js'
import { instructions } from './start.js'

/** What the holder leaves for whoever comes later. */
interface Note {
  readonly pid: number
  readonly stage: StageName
  readonly endpoints: Endpoints
  readonly enter: Readonly<Record<string, readonly string[]>>
  readonly failed: readonly string[]
}

const notePath = (name: string, stage: StageName): string =>
  join(labsRunFolder, `${name}-${stage}.up.json`)

const program = new URL('../sluice.js', import.meta.url).pathname

/** @returns the exit code: 0 when the lab is up and whole */
export const labUp = async (
  lab: Lab,
  stage: StageName,
  print: (text: string) => void,
): Promise<number> => {
  const { name } = lab.spec
  const before = readNote(notePath(name, stage))
  if (before && isAlive(before.pid)) {
    print(`${name} is up already; "sluice lab down ${name}" ends it.`)
    return 1
  }
  mkdirSync(labsRunFolder, { recursive: true, mode: 0o700 })
  const logPath = join(labsRunFolder, `${name}-${stage}.log`)
  const log = openSync(logPath, 'w', 0o600)
  const child = start(process.execPath, [program, 'lab', 'hold', name, '--on', stage], {
    detached: true,
    stdio: ['ignore', log, log],
  })
  child.unref()
  for (let tries = 0; tries < 1_200; tries++) {
    const note = readNote(notePath(name, stage))
    if (note && note.pid === child.pid) return tellUp(lab.spec, note, print)
    if (child.exitCode !== null) break
    await sleep(50)
  }
  print(`${name} did not come up:\n${readFileSync(logPath, 'utf8').trim()}`)
  return 1
}

const tellUp = (spec: LabSpec, note: Note, print: (text: string) => void): number => {
  for (const failed of note.failed) print(`  FAIL ${failed}`)
  print(instructions(note.endpoints, spec, note.enter))
  print(`"sluice lab down ${spec.name}" ends it and clears up.`)
  return note.failed.length === 0 ? 0 : 1
}

/** Ends what `labUp` left running, on whatever stage, also when its holder was killed. */
export const labDown = async (name: string, print: (text: string) => void): Promise<number> => {
  let ended = 0
  for (const stage of stageNames) {
    const path = notePath(name, stage)
    const note = readNote(path)
    if (note === undefined) continue
    if (isAlive(note.pid)) process.kill(note.pid, 'SIGTERM')
    for (let tries = 0; tries < 400 && isAlive(note.pid); tries++) await sleep(50)
    await clearBehind(labsRunFolder, note.pid)
    rmSync(path, { force: true })
    ended++
    print(`${name} on ${stage} is down.`)
  }
  if (ended === 0) print(`${name} is not up.`)
  return ended > 0 ? 0 : 1
}

/** The holder: brings the lab up, says so, and stays until it is told to end. */
export const holdLab = async (
  env: Env,
  lab: Lab,
  stage: StageName,
  teller: Teller,
  signal: AbortSignal,
): Promise<number> => {
  const path = notePath(lab.spec.name, stage)
  return withLab(
    env,
    lab,
    stage,
    teller,
    signal,
    async ({ run, controller, stage: place }) => {
      await run.up()
      const enter = Object.fromEntries(
        lab.spec.hosts.flatMap(({ name }) => {
          const words = place.enter(name)
          return words ? [[name, words]] : []
        }),
      )
      const failed = run.assertions.filter(each => !each.ok).map(each => each.name)
      const note: Note = { pid: process.pid, stage, endpoints: controller.endpoints, enter, failed }
      writeFileSync(path, JSON.stringify(note), { mode: 0o600 })
      await new Promise<void>(resolve => {
        if (signal.aborted) resolve()
        signal.addEventListener('abort', () => resolve())
      })
      rmSync(path, { force: true })
      return 0
    },
    'usual',
  )
}

const readNote = (path: string): Note | undefined => {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Note
  } catch {
    // None, or half written.
    return undefined
  }
}
