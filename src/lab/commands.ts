/** The verbs of `sluice lab`. */
import { type Command, Option } from 'commander'
import colours from 'picocolors'
import type { Env } from '../base/env.js'
import { ensurePackages, isRoot, mininetNeeds, ovsNeeds } from './install.js'
import { holdLab, labDown, labUp } from './keep.js'
import { listLabs, loadLab, runLab, type StageName, stageNames, writeReport } from './main.js'
import type { Teller } from './run.js'
import { startLab } from './start.js'

export const addLab = (
  program: Command,
  env: Env,
  print: (text: string) => void,
  signal: AbortSignal,
  exit: (code: number) => void,
): void => {
  const lab = program
    .command('lab')
    .description('networks to try things on: list, run, up, down, start')
  const on = () =>
    new Option('--on <stage>', 'simulated switches, Open vSwitch in namespaces, or Mininet')
      .choices(stageNames)
      .default('sim' satisfies StageName)
  lab
    .command('list')
    .description('the labs there are')
    .action(() => {
      for (const name of listLabs()) print(`${name.padEnd(12)} ${loadLab(name).spec.title}`)
    })
  lab
    .command('run')
    .description('run a lab and judge what comes out; exit code 0 when every assertion held')
    .argument('<name>')
    .addOption(on())
    .option('--json <file>', 'write every assertion there')
    .action(async (name: string, options: { on: StageName; json?: string }) => {
      const chosen = loadLab(name)
      await ready(options.on, print, signal)
      const assertions = await runLab(env, chosen, options.on, tellerOf(print), signal)
      if (options.json !== undefined) writeReport(options.json, name, options.on, assertions)
      const failed = assertions.filter(each => !each.ok).length
      print(`\n${assertions.length - failed} passed, ${failed} failed`)
      exit(failed === 0 ? 0 : 1)
    })
  lab
    .command('up')
    .description('bring a lab up and leave it running to play with')
    .argument('<name>')
    .addOption(on())
    .action(async (name: string, options: { on: StageName }) => {
      const chosen = loadLab(name)
      await ready(options.on, print, signal)
      exit(await labUp(chosen, options.on, print))
    })
  lab
    .command('down')
    .description('end a lab that is up, and clear up')
    .argument('<name>')
    .action(async (name: string) => exit(await labDown(loadLab(name).spec.name, print)))
  lab
    .command('hold', { hidden: true })
    .argument('<name>')
    .addOption(on())
    .action(async (name: string, options: { on: StageName }) => {
      exit(await holdLab(env, loadLab(name), options.on, tellerOf(print), signal))
    })
  lab
    .command('start')
    .description('tell the story of a lab, then leave it up until Ctrl-C; what npm start does')
    .argument('<name>')
    .option('--once', 'end after the story')
    .action(async (name: string, options: { once?: boolean }) => {
      const isOnce = options.once === true
      exit(await startLab(env, { name, isOnce }, print, tellerOf(print), signal))
    })
}

/** @throws {Error} when a stage needs root; installs what it needs of Debian */
const ready = async (
  stage: StageName,
  print: (text: string) => void,
  signal: AbortSignal,
): Promise<void> => {
  if (stage === 'sim') return
  if (!isRoot())
    throw new Error(`the stage ${stage} makes network namespaces: run it as root, or use --on sim`)
  await ensurePackages(stage === 'mininet' ? mininetNeeds : ovsNeeds, print, signal)
}

export const tellerOf = (print: (text: string) => void): Teller => ({
  say: text => print(text.startsWith(' ') ? text : `\n${colours.bold(text)}`),
  assertion: ({ name, expected, seen, ok, millis }) =>
    print(
      `  ${ok ? colours.green('ok  ') : colours.red('FAIL')} ${name}: ${seen}${ok ? '' : ` (expected ${expected})`}  ${millis} ms`,
    ),
})
