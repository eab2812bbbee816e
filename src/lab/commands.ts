/** The verbs of `sluice lab`. What does the work is loaded when it is asked for. */
import { type Command, Option } from 'commander'
import type { Env } from '../base/env/env.js'
import type { Teller } from './run.js'
import { type StageName, stageNames } from './stage-names.js'

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
    .action(async () => {
      const { listLabs, loadLab } = await import('./main.js')
      for (const name of listLabs()) print(`${name.padEnd(12)} ${loadLab(name).spec.title}`)
    })
  lab
    .command('run')
    .description('run a lab and judge what comes out; exit code 0 when every assertion held')
    .argument('<name>')
    .addOption(on())
    .option('--json <file>', 'write every assertion there')
    .action(async (name: string, options: { on: StageName; json?: string }) => {
      const { loadLab, runLab, writeReport } = await import('./main.js')
      const chosen = loadLab(name)
      await ready(options.on, print, signal)
      const teller = await tellerOf(print)
      const assertions = await runLab(env, chosen, options.on, teller, signal)
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
      const { loadLab } = await import('./main.js')
      const { labUp } = await import('./keep.js')
      const chosen = loadLab(name)
      await ready(options.on, print, signal)
      exit(await labUp(chosen, options.on, print))
    })
  lab
    .command('down')
    .description('end a lab that is up, and clear up')
    .argument('<name>')
    .action(async (name: string) => {
      const { loadLab } = await import('./main.js')
      const { labDown } = await import('./keep.js')
      exit(await labDown(loadLab(name).spec.name, print))
    })
  lab
    .command('hold', { hidden: true })
    .argument('<name>')
    .addOption(on())
    .action(async (name: string, options: { on: StageName }) => {
      const { loadLab } = await import('./main.js')
      const { holdLab } = await import('./keep.js')
      exit(await holdLab(env, loadLab(name), options.on, await tellerOf(print), signal))
    })
  lab
    .command('start')
    .description('tell the story of a lab, then leave it up until Ctrl-C; what npm start does')
    .argument('<name>')
    .option('--once', 'end after the story')
    .action(async (name: string, options: { once?: boolean }) => {
      const isOnce = options.once === true
      const { startLab } = await import('./start.js')
      exit(await startLab(env, { name, isOnce }, print, await tellerOf(print), signal))
    })
}

/** @throws {Error} when a stage needs root; installs what it needs of Debian */
const ready = async (
  stage: StageName,
  print: (text: string) => void,
  signal: AbortSignal,
): Promise<void> => {
  if (stage === 'sim') return
  const { ensurePackages, isRoot, mininetNeeds, ovsNeeds } = await import('./install.js')
  if (!isRoot())
    throw new Error(`the stage ${stage} makes network namespaces: run it as root, or use --on sim`)
  await ensurePackages(stage === 'mininet' ? mininetNeeds : ovsNeeds, print, signal)
}

const tellerOf = async (print: (text: string) => void): Promise<Teller> => {
  const { default: colours } = await import('picocolors')
  return {
    say: text => print(text.startsWith(' ') ? text : `\n${colours.bold(text)}`),
    assertion: ({ name, expected, seen, ok, millis }) =>
      print(
        `  ${ok ? colours.green('ok  ') : colours.red('FAIL')} ${name}: ${seen}${ok ? '' : ` (expected ${expected})`}  ${millis} ms`,
      ),
  }
}
