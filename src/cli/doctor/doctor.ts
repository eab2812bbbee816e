/** `sluice doctor`: the usual traps, on this machine and over the API, each with the command that mends it. */
import type { Command } from 'commander'
import { Failure } from '../../base/failures.js'
import { dataFolder } from '../../base/places.js'
import type { Cli } from '../cli.js'
import { type Client, Problem } from '../client.js'
import type { Item } from '../reading/get.js'
import { checks, type Finding, findingsOver, type Told } from './checks.js'
import { findingsHere } from './machine.js'

export const addDoctor = (
  program: Command,
  cli: Cli,
  client: () => Promise<Client>,
  exit: (code: number) => void,
): void => {
  program
    .command('doctor')
    .description('find the usual traps, here and over the API; exit code 1 when something is wrong')
    .option('-o, --output <form>', 'table or json', 'table')
    .action(async (options: { output: string }) => {
      const told = await tellingOf(await client(), cli.wallMillis())
      const data = program.opts<{ data?: string }>().data ?? cli.variables.SLUICE_DATA
      const findings = [
        ...(told ? findingsOver(told, cli.wallMillis() + told.aheadMillis) : []),
        ...(await findingsHere(cli, told !== undefined, data ?? dataFolder(cli.variables))),
      ]
      if (options.output === 'json') cli.print(JSON.stringify({ items: findings }, null, 2))
      else cli.print(textOf(findings, told !== undefined))
      exit(findings.some(({ level }) => level === 'wrong') ? 1 : 0)
    })
}

const textOf = (findings: readonly Finding[], isServed: boolean): string => {
  const wrong = findings.filter(({ level }) => level === 'wrong').length
  return [
    ...findings.flatMap(({ level, check, text, mend }) => [
      `${level}  ${check}: ${text}`,
      ...(mend === undefined ? [] : [`       ${mend}`]),
    ]),
    ...(isServed ? [] : ['note   no controller answers: only this machine was looked at']),
    `${Object.keys(checks).length} checks, ${wrong} wrong`,
  ].join('\n')
}

/** Undefined when nobody is there. */
const tellingOf = async (client: Client, nowMillis: number): Promise<Told | undefined> => {
  try {
    const [switches, declared] = await Promise.all([
      client.get<{ items: Item[] }>('/api/v1/switches'),
      client.get<{ items: Item[] }>('/api/v1/objects/switch'),
    ])
    const events: Item[] = []
    for (let since = 0; ; ) {
      const page = await client.get<{ items: Item[] }>(`/api/v1/events?since=${since}`)
      if (page.items.length === 0) break
      events.push(...page.items)
      since = Number(page.items.at(-1)!.sequence)
    }
    return {
      switches: switches.items,
      declared: declared.items,
      events,
      reasons: await reasonsOf(client),
      aheadMillis: await client.aheadMillis(nowMillis),
    }
  } catch (error) {
    if (error instanceof Failure && error.code === 'unreachable') return undefined
    throw error
  }
}

const reasonsOf = async (client: Client): Promise<readonly string[]> => {
  try {
    await client.get('/readyz')
    return []
  } catch (error) {
    if (error instanceof Problem && error.status === 503)
      return (error.body.reasons as string[] | undefined) ?? ['the controller is not ready']
    throw error
  }
}
