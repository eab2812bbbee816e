/** The verbs `backup` and `restore`: files of this machine, no controller is asked. */
import type { Command } from 'commander'
import type { Env } from '../../base/env/env.js'

/** @param folder the data folder that is meant; its argument is that of --data */
export const addBackup = (
  program: Command,
  env: Env,
  print: (text: string) => void,
  folder: (data: string | undefined) => string,
  version: () => Promise<string>,
): void => {
  const data = (): string => folder(program.opts<{ data?: string }>().data)
  program
    .command('backup')
    .description(
      'write all that a controller of this machine keeps to one file; it may run meanwhile',
    )
    .argument('<file>', 'where to; of mode 0600')
    .action(async (file: string) => {
      const { backUp } = await import('./backup.js')
      const { keys, files } = await backUp(env, data(), file, await version())
      print(`${file}: ${keys} keys and ${files} rule files of ${data()}`)
    })
  program
    .command('restore')
    .description('make a data folder of a backup, before its controller is started')
    .argument('<file>', 'what "sluice backup" wrote')
    .action(async (file: string) => {
      const { restore } = await import('./backup.js')
      const { keys, files } = await restore(env, data(), file)
      print(
        `${data()}: ${keys} keys and ${files} rule files of ${file}; "sluice run" goes on from there`,
      )
    })
}
