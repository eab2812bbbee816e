/** `sluice log`: what rules logged and rejected, a line each, as it is kept or as it happens. */
import type { Command } from 'commander'
import { Option } from 'commander'
import type { Cli } from '../cli.js'
import type { Client } from '../client.js'
import { follow, gapLine } from './follow.js'
import { type Item, sessionText } from './get.js'

interface LogOptions {
  readonly follow?: boolean
  readonly verdict?: string
  readonly rule?: string
  readonly output: string
}

type Following = Pick<Cli, 'print' | 'complain' | 'signal' | 'pause'>

const kinds: ReadonlySet<unknown> = new Set(['rule-logged', 'rule-rejected'])

export const addLog = (program: Command, cli: Following, client: () => Promise<Client>): void => {
  program
    .command('log')
    .description('connections that rules logged or rejected')
    .option('-f, --follow', 'go on with what happens from now on')
    .addOption(
      new Option('--verdict <verdict>', 'only with this verdict').choices([
        'allow',
        'allow-stateless',
        'drop',
        'reject',
        'pass',
      ]),
    )
    .option('--rule <name>', 'only of this rule')
    .option('-o, --output <form>', 'table or json', 'table')
    .action(async (options: LogOptions) => {
      let before: Item | undefined
      const show = (event: Item) => {
        if (!isWanted(event, options)) return
        const isTwin = before !== undefined && areTwins(before, event)
        before = event
        if (options.output === 'json') cli.print(JSON.stringify(event))
        else if (!isTwin) cli.print(event.kind === 'gap' ? gapLine(event) : logLine(event))
      }
      await tell(cli, await client(), options.follow === true, show)
    })
}

/** All that is kept; then, when following, what comes. */
const tell = async (
  cli: Following,
  client: Client,
  isFollowing: boolean,
  show: (event: Item) => void,
): Promise<void> => {
  let since = 0
  for (;;) {
    const { items } = await client.get<{ items: Item[] }>(`/api/v1/events?since=${since}`)
    if (items.length === 0) break
    for (const event of items) show(event)
    since = Number(items.at(-1)!.sequence)
  }
  if (!isFollowing) return
  for await (const event of follow(cli, client, since)) show(event)
}

const isWanted = (event: Item, { verdict, rule }: LogOptions): boolean =>
  event.kind === 'gap' ||
  (kinds.has(event.kind) &&
    (verdict === undefined || event.verdict === verdict) &&
    (rule === undefined || event.rule === rule))

/** A rule that logs and rejects tells each packet twice in one moment: it is one line. */
const areTwins = (before: Item, event: Item): boolean =>
  before.kind !== event.kind &&
  kinds.has(before.kind) &&
  Math.abs(Date.parse(String(before.time)) - Date.parse(String(event.time))) < twinMillis &&
  before.rule === event.rule &&
  sessionText(before) === sessionText(event)

const twinMillis = 100

/** `2026-11-25T17:40:00.000Z drop tcp 10.1.0.7:40000 -> 10.2.0.10:22 by default (campus.rules:5) "text"` */
export const logLine = (event: Item): string => {
  const place = event.file === undefined ? '' : ` (${event.file}:${event.line})`
  const text = event.text === undefined ? '' : ` "${event.text}"`
  return `${event.time} ${event.verdict} ${sessionText(event)}${place}${text}`
}
