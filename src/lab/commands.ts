/** The verbs of `sluice lab`. */
import { type Command, Option } from 'commander'
import type { Env } from '../base/env.js'
import { listLabs, loadLab, runLab, type StageName, writeReport } from './main.js'
import type { Teller } from './run.js'
import { startLab } from './start.js'

export const addLab = (
  program: Command,
  env: Env,
  print: (text: string) => void,
  signal: AbortSignal,
  exit: (code: number) => void,
): void => {
  const lab = program.command('lab').description('networks to try things on: list, run')
  lab
    .command('list')
    .description('the labs there are')
    .action(() => {
      for (const name of listLabs()) print(`${name.padEnd(12)} ${loadLab(name).spec.title}`)
    })
  lab
    .command('run')
    .description('run a lab and judge what comes out')
    .argument('<name>')
    .addOption(
      new Option('--on <stage>', 'where').choices(['sim', 'netns', 'mininet']).default('sim'),
    )
    .option('--json <file>', 'write every assertion there')
    .action(async (name: string, options: { on: StageName; json?: string }) => {
      const assertions = await runLab(env, loadLab(name), options.on, tellerOf(print), signal)
      if (options.json !== undefined) writeReport(options.json, assertions)
      const failed = assertions.filter(each => !each.ok).length
      print(`\n${assertions.length - failed} passed, ${failed} failed`)
      exit(failed === 0 ? 0 : 1)
    })
  lab
    .command('start')
    .description('run a lab and leave it up to play with')
    .argument('<name>')
    .option('--once', 'end after the story')
    .action(async (name: string, options: { once?: boolean }) => {
      exit(
        await startLab(
          env,
          { name, isOnce: options.once === true },
          print,
          tellerOf(print),
          signal,
        ),
      )
    })
}

export const tellerOf = (print: (text: string) => void): Teller => ({
  say: text => print(text.startsWith(' ') ? text : `\n${text}`),
  assertion: ({ name, expected, seen, ok, millis }) =>
    print(
      `  ${ok ? 'ok  ' : 'FAIL'} ${name}: ${seen}${ok ? '' : ` (expected ${expected})`}  ${millis} ms`,
    ),
})
