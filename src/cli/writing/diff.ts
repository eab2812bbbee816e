/** `sluice diff`: what applying rule files and objects would change; nothing is sent. */

import type { Cli } from '../cli.js'
import type { Client } from '../client.js'
import { sessionText, unreadText } from '../reading/get.js'
import { signs } from './change-signs.js'
import { isObjectFile } from './file-mistakes.js'
import { type ObjectChange, objectChanges } from './objects.js'
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

/** @returns the exit code: 1 when there is a difference */
export const diff = async (
  cli: Cli,
  client: Client,
  path: string,
  output: 'table' | 'wide' | 'json',
): Promise<number> => {
  const isFolder = (await cli.disk.stat(path))?.isFolder === true
  const hasObjects = isFolder || isObjectFile(path)
  const documents = hasObjects
    ? await (await import('./object-files.js')).readObjectFiles(cli.disk, path)
    : []
  const files = isFolder || !hasObjects ? await readRuleFiles(cli.disk, path) : []
  if (documents.length + files.length === 0)
    throw new Error(`${path}: there is no object and no rule file here`)
  const objects = documents.length > 0 ? await objectChanges(client, documents) : []
  const plan =
    files.length === 0
      ? undefined
      : await client.send<Plan>('POST', '/api/v1/plan', {
          policies: files.map(file => ({ name: file.name, ...bodyOf(file) })),
        })
  const isSame =
    objects.every(({ change }) => change === 'unchanged') &&
    (plan === undefined ||
      (plan.changes.length === 0 &&
        plan.switches.every(({ flows, more = 0 }) => flows.length + more === 0)))
  if (output === 'json') {
    cli.print(JSON.stringify({ ...plan, ...(documents.length > 0 && { objects }) }, null, 2))
    return isSame ? 0 : 1
  }
  const lines = plan ? [...changeLines(plan, output === 'wide'), ...sessionLines(plan)] : []
  for (const text of [...objects.flatMap(objectLines), ...lines]) cli.print(text)
  if (isSame) cli.print('nothing would change')
  return isSame ? 0 : 1
}

const objectLines = ({ kind, name, change, members }: ObjectChange): readonly string[] =>
  change === 'unchanged'
    ? []
    : [
        `${signs[change] ?? '?'} ${kind} ${name}`,
        ...members.map(({ path, before, after }) =>
          before === undefined
            ? `    + ${path}: ${after}`
            : after === undefined
              ? `    - ${path}: ${before}`
              : `    ~ ${path}: ${before} -> ${after}`,
        ),
      ]

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
