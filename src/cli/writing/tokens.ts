/** `sluice token`: who may do what with which controller. */
import { type Command, Option } from 'commander'
import type { Cli } from '../cli.js'
import type { Client } from '../client.js'
import { formatColumns } from '../reading/columns.js'

interface Token {
  readonly name: string
  readonly role: string
  readonly policies?: readonly string[]
  readonly created: string
  readonly by: string
  readonly expires?: string
  readonly used?: string
}

export const addToken = (program: Command, cli: Cli, client: () => Promise<Client>): void => {
  const token = program.command('token').description('named tokens: make, list, revoke')
  token
    .command('create')
    .description('make a token; it is printed once, and kept nowhere')
    .argument('<name>', 'of whoever gets it')
    .addOption(
      new Option('--role <role>', 'what it may do: docs/rights.md')
        .choices(['viewer', 'author', 'operator', 'admin'])
        .makeOptionMandatory(),
    )
    .option('--policy <name...>', 'for an author: only these policies; * is any characters')
    .option('--for <time>', 'how long it is good, such as 8h or 30d; ever: without an end', '90d')
    .addOption(output())
    .action(async (name: string, { role, policy, for: life, output }) => {
      const made = await (await client()).send<Token & { readonly token: string }>(
        'POST',
        '/api/v1/tokens',
        { name, role, ...(policy && { policies: policy }), for: life },
      )
      if (output === 'json') return cli.print(JSON.stringify(made, null, 2))
      cli.complain(`${endOf(made)}; it is shown this once`)
      cli.print(made.token)
    })
  token
    .command('list')
    .description('who has a token, with which role, until when')
    .addOption(output())
    .action(async options => {
      const { items } = await (await client()).get<{ items: Token[] }>('/api/v1/tokens')
      if (options.output === 'json') return cli.print(JSON.stringify({ items }, null, 2))
      if (items.length === 0) return cli.print('none')
      cli.print(
        formatColumns(
          ['NAME', 'ROLE', 'POLICIES', 'EXPIRES', 'USED', 'BY'],
          items.map(each => [
            each.name,
            each.role,
            each.policies?.join(',') ?? '-',
            each.expires ?? 'never',
            each.used ?? '-',
            each.by,
          ]),
        ),
      )
    })
  token
    .command('revoke')
    .description('from now on it opens nothing; streams that it opened end within a second')
    .argument('<name>', 'as "sluice token list" has it')
    .action(async (name: string) => {
      await (await client()).send('DELETE', `/api/v1/tokens/${encodeURIComponent(name)}`)
      cli.print(`token ${name} is revoked`)
    })
  program
    .command('whoami')
    .description('as whom this controller knows you')
    .addOption(output())
    .action(async options => {
      const me = await (await client()).get<Token & { readonly how: string }>('/api/v1/whoami')
      if (options.output === 'json') return cli.print(JSON.stringify(me, null, 2))
      const scope = me.policies === undefined ? '' : `, for policies ${me.policies.join(', ')}`
      cli.print(`${me.name}: ${me.role}${scope} (by ${me.how.replaceAll('-', ' ')})`)
    })
}

const output = () =>
  new Option('-o, --output <form>', 'how to print').choices(['table', 'json']).default('table')

const endOf = ({ name, role, expires }: Token): string =>
  `token of ${name}, ${role}, ${expires === undefined ? 'without an end' : `until ${expires}`}`
