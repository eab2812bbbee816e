/** `sluice events`: what happens, as it happens. */
import type { Command } from 'commander'
import type { Cli } from '../cli.js'
import type { Client } from '../client.js'
import { numberOf } from '../usage.js'
import { onOneLine } from './columns.js'
import { follow } from './follow.js'

export const addEvents = (program: Command, cli: Cli, client: () => Promise<Client>): void => {
  program
    .command('events')
    .description('what happens, as it happens')
    .option('--since <sequence>', 'begin behind this event', '0')
    .option('-o, --output <form>', 'table or json', 'table')
    .action(async options => {
      const since = numberOf(options.since, '--since', 'the number of an event')
      for await (const event of follow(cli, await client(), since))
        cli.print(options.output === 'json' ? JSON.stringify(event) : eventLine(event))
    })
}

/** `17 2026-11-25T17:40:00.000Z link-lost from=s1:3 to=s2:3` */
export const eventLine = (event: Readonly<Record<string, unknown>>): string => {
  const { sequence, time, kind, ...rest } = event
  const details = Object.entries(rest).map(
    ([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : value}`,
  )
  return onOneLine(`${sequence} ${time} ${kind} ${details.join(' ')}`)
}
