/** `sluice audit`: who asked for which change, and whether the log of it is whole. */
import { type Command, Option } from 'commander'
import { type AuditEntry, ChainCheck } from '../base/audit-chain.js'
import type { Cli } from './cli.js'
import type { Client } from './client.js'
import { formatColumns } from './reading/columns.js'
import { numberOf } from './usage.js'

interface Verdict {
  readonly isWhole: boolean
  readonly entries: number
  readonly broken: readonly string[]
  /** Number of the first line. */
  readonly first?: number
  readonly last?: { readonly sequence: number; readonly hash: string }
}

export const addAudit = (
  program: Command,
  cli: Cli,
  client: () => Promise<Client>,
  exit: (code: number) => void,
): void => {
  program
    .command('audit')
    .description('who asked for which change, from where, and what came of it; the latest 100')
    .option('--after <number>', 'only what came behind this entry')
    .option('--verify', 'whether the log is whole; exit code 1 when it is not')
    .option('--file <path...>', 'with --verify: these files, oldest first, without a controller')
    .addOption(
      new Option('-o, --output <form>', 'wide: with what was changed')
        .choices(['table', 'wide', 'json'])
        .default('table'),
    )
    .action(async ({ after, verify, file, output }) => {
      if (verify) {
        const verdict =
          file === undefined
            ? await (await client()).get<Verdict>('/api/v1/audit/verify')
            : await verifyFiles(cli, file)
        cli.print(output === 'json' ? JSON.stringify(verdict, null, 2) : verdictText(verdict))
        return exit(verdict.isWhole ? 0 : 1)
      }
      const query =
        after === undefined ? '' : `?after=${numberOf(after, '--after', 'the number of an entry')}`
      const { items } = await (await client()).get<{ items: AuditEntry[] }>(`/api/v1/audit${query}`)
      if (output === 'json') return cli.print(JSON.stringify({ items }, null, 2))
      if (items.length === 0) return cli.print('none')
      if (output === 'wide') for (const entry of items) cli.print(wideText(entry))
      else cli.print(formatColumns(headings, items.map(rowOf)))
    })
}

const headings = ['NUMBER', 'TIME', 'WHO', 'FROM', 'RESULT', 'WHAT']

const rowOf = ({ sequence, time, who, from, result, action, path }: AuditEntry): string[] => [
  `${sequence}`,
  time,
  who || '-',
  from,
  result,
  `${action.split(' ')[0]} ${path}`,
]

const wideText = (entry: AuditEntry): string =>
  entry.difference === undefined
    ? rowOf(entry).join('  ')
    : `${rowOf(entry).join('  ')}\n  ${JSON.stringify(entry.difference)}`

const verifyFiles = async (cli: Cli, paths: readonly string[]): Promise<Verdict> => {
  const check = new ChainCheck()
  const broken: string[] = []
  for (const path of paths)
    for (const line of (await cli.disk.readText(path)).replace(/\n$/, '').split('\n')) {
      const wrong = check.take(line)
      if (wrong !== undefined) broken.push(wrong)
    }
  const { first, last } = check
  return {
    isWhole: broken.length === 0,
    entries: check.count,
    broken,
    ...(first && { first: first.sequence }),
    ...(last && { last: { sequence: last.sequence, hash: last.hash } }),
  }
}

const verdictText = ({ isWhole, entries, broken, first = 1, last }: Verdict): string =>
  isWhole
    ? `whole: ${entries} entries${first > 1 ? ` from ${first} on` : ''}${last ? `, the last ${last.sequence} with hash ${last.hash}` : ''}`
    : ['BROKEN:', ...broken.map(each => `  ${each}`)].join('\n')
