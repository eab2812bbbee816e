/** `sluice learn`: watches what is used for a while, and proposes the rules that allow it. */
import type { Command } from 'commander'
import type { Cli } from '../cli.js'
import type { Client } from '../client.js'
import { UsageError } from '../usage.js'

interface Learning {
  readonly state: 'none' | 'watching' | 'ended'
  readonly since?: string
  readonly until?: string
  readonly connections?: number
  readonly kinds?: number
  readonly left?: number
  readonly rules?: string
}

interface LearnOptions {
  readonly for?: string
  readonly start?: boolean
  readonly stop?: boolean
}

const path = '/api/v1/learning'
const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }

export const addLearn = (program: Command, cli: Cli, client: () => Promise<Client>): void => {
  program
    .command('learn')
    .description(
      'propose rules from the connections that are accepted; without options: what was seen so far',
    )
    .option('--for <time>', 'watch so long (90s, 10m, 24h, 7d), then print the rules')
    .option('--start', 'with --for: begin, and come back for the rules later')
    .option('--stop', 'end the watch now, and print the rules')
    .action(async (options: LearnOptions) => {
      const known = await client()
      if (options.for !== undefined) await begin(cli, known, options.for, options.start === true)
      else if (options.stop) show(cli, await known.send<Learning>('DELETE', path))
      else show(cli, await known.get<Learning>(path))
    })
}

const begin = async (cli: Cli, client: Client, text: string, isApart: boolean): Promise<void> => {
  const seconds = secondsOf(text)
  const { until } = await client.send<Learning>('POST', path, { seconds })
  cli.complain(`watching until ${until}; "sluice learn" shows what was seen so far`)
  if (isApart) return
  await cli.pause(seconds * 1_000 + 200)
  show(cli, await client.get<Learning>(path))
}

/** @throws when it is no span of time */
const secondsOf = (text: string): number => {
  const found = /^([1-9]\d{0,5})([smhd])$/.exec(text)
  if (found === null) throw new UsageError(`--for ${text}: say how long as 90s, 10m, 24h or 7d`)
  return Number(found[1]) * units[found[2]!]!
}

/** The rules alone on standard output, so that they can go into a file. */
const show = (cli: Cli, learning: Learning): void => {
  if (learning.state === 'none') {
    cli.complain('nothing was watched yet; begin with: sluice learn --for 10m')
    return
  }
  const { state, since, until, connections, kinds, left = 0 } = learning
  cli.complain(
    `${state} since ${since} ${state === 'ended' ? 'to' : 'until'} ${until}: ${connections} connections of ${kinds} kinds`,
  )
  if (left > 0) cli.complain(`there was no room for ${left} connections of other kinds`)
  cli.print((learning.rules ?? '').trimEnd())
}
