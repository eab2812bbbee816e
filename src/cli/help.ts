/** `sluice help`: of all commands, of one, as a man page, or as the page of the documents. */
import type { Command } from 'commander'
import { nearest } from '../base/nearest.js'
import type { Cli } from './cli.js'
import { UsageError } from './usage.js'

export const addHelp = (program: Command, cli: Cli): void => {
  program
    .command('help')
    .description('help for a command, or all of it')
    .argument('[command...]', 'which')
    .option('--man', 'all of it as a man page: sluice help --man | man -l -')
    .option('--markdown', 'all of it as docs/cli.md')
    .action(async (words: string[], options: { man?: boolean; markdown?: boolean }) => {
      const { manPage, referencePage } = await import('./reference.js')
      if (options.man) return cli.print(manPage(program, cli.version).trimEnd())
      if (options.markdown) return cli.print(referencePage(program).trimEnd())
      let command = program
      for (const word of words) {
        const found = command.commands.find(each => each.name() === word)
        if (found === undefined) {
          const names = command.commands.map(each => each.name())
          const meant = nearest(word, names)
          throw new UsageError(
            `no command is named ${word}; ${meant === undefined ? `there are ${names.join(', ')}` : `did you mean ${meant}?`}`,
          )
        }
        command = found
      }
      command.outputHelp()
    })
}
