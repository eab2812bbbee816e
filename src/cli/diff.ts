/** `sluice diff`: what applying rule files would change; nothing is sent. */

import type { Cli } from './cli.js'
import type { Client } from './client.js'
import { sessionText, unreadText } from './get.js'
import { bodyOf, readRuleFiles } from './rule-files.js'

interface Change {
  readonly change: string
  readonly text: string
}

interface Plan {
  readonly sessions: {
    readonly cut: readonly Readonly<Record<string, unknown>>[]
    readonly kept: readonly Readonly<Record<string, unknown>>[]
    readonly unread: readonly { readonly switch: string; readonly reason: string }[]
  }
  readonly changes: readonly (Change & { readonly policy: string })[]
  readonly switches: readonly {
    readonly name: string
    readonly flows: readonly Change[]
    /** Flows that change as well and are not listed. */
    readonly more?: number
  }[]
}

/** Sessions that are kept are named up to this many; those that are cut are all named. */
const shownKept = 20

export const signs: Readonly<Record<string, string>> = {
  added: '+',
  removed: '-',
  changed: '~',
  moved: '^',
}

/** @returns the exit code: 1 when there is a difference */
export const diff = async (
  cli: Cli,
  client: Client,
  path: string,
  output: 'table' | 'wide' | 'json',
): Promise<number> => {
  const files = await readRuleFiles(cli.disk, path)
  const plan = await client.send<Plan>('POST', '/api/v1/plan', {
    policies: files.map(file => ({ name: file.name, ...bodyOf(file) })),
  })
  const isSame =
    plan.changes.length === 0 &&
    plan.switches.every(({ flows, more = 0 }) => flows.length + more === 0)
  if (output === 'json') cli.print(JSON.stringify(plan, null, 2))
  else
    for (const line of [...changeLines(plan, output === 'wide'), ...sessionLines(plan)])
      cli.print(line)
  if (isSame && output !== 'json') cli.print('nothing would change')
  return isSame ? 0 : 1
}

const line = ({ change, text }: Change): string => `${signs[change] ?? '?'} ${text}`

const changeLines = ({ changes, switches }: Plan, withFlows: boolean): string[] => [
  ...changes.map(({ policy, change, text }) => line({ change, text: `${policy}: ${text}` })),
  ...switches
    .filter(({ flows, more = 0 }) => flows.length + more > 0)
    .flatMap(({ name, flows, more = 0 }) => [
      `${name}: ${flowSummary(flows)}${more > 0 ? `, and ${more} more` : ''}`,
      ...(withFlows ? flows.map(flow => `  ${line(flow)}`) : []),
    ]),
]

/** `12 flows change: 3 added, 9 removed` */
const flowSummary = (flows: readonly Change[]): string => {
  const counts = ['added', 'changed', 'removed'].flatMap(change => {
    const count = flows.filter(flow => flow.change === change).length
    return count > 0 ? [`${count} ${change}`] : []
  })
  return `${flows.length} flows change: ${counts.join(', ')}`
}

const sessionLines = ({ sessions: { cut, kept, unread } }: Plan): string[] => [
  ...cut.map(session => `cut: ${sessionText(session)}`),
  ...kept.slice(0, shownKept).map(session => `kept: ${sessionText(session)}`),
  ...(kept.length > shownKept ? [`kept: ${kept.length - shownKept} more`] : []),
  ...(unread.length > 0 ? [unreadText(unread)] : []),
]
