/** The verbs about declared objects: apply, delete. */

import type { Cli } from '../cli.js'
import { type Client, Problem } from '../client.js'
import { numberOf } from '../usage.js'
import { stateText } from './declared.js'
import { FileMistakes } from './file-mistakes.js'
import type { ObjectDocument } from './object-files.js'
import { isGood } from './policies.js'
import type { Applied } from './sets.js'

interface Status {
  readonly state: string
  readonly reason?: string
}

interface AppliedObject {
  readonly kind: string
  readonly name: string
  readonly change: string
  readonly revision?: number
  readonly status: Status
}

/** @throws {FileMistakes} with the place in the file of everything that the controller complains about */
export const applyObjects = async (
  cli: Cli,
  client: Client,
  documents: readonly ObjectDocument[],
  options: {
    readonly wait?: boolean
    readonly timeout: string
    readonly dryRun?: boolean
    readonly applied?: (each: Applied) => void
  },
): Promise<number> => {
  const query = [
    ...(options.wait
      ? [
          'wait=installed',
          `timeout=${numberOf(options.timeout, '--timeout', 'seconds, 0 to 240', 240)}`,
        ]
      : []),
    ...(options.dryRun ? ['dryRun=true'] : []),
  ].join('&')
  try {
    const { items } = await client.send<{ items: AppliedObject[] }>(
      'POST',
      `/api/v1/objects${query === '' ? '' : `?${query}`}`,
      { objects: documents.map(({ kind, name, spec }) => ({ kind, name, spec })) },
    )
    for (const each of items) options.applied?.(each)
    for (const { kind, name, change, revision, status } of items)
      cli.print(
        options.dryRun
          ? `${kind} ${name} would be ${change}`
          : `${kind} ${name} ${change}: revision ${revision}, ${stateText(status)}`,
      )
    const states = items.map(({ status }) => status.state)
    return options.dryRun || isGood(states, options.wait) ? 0 : 1
  } catch (error) {
    throw placed(error, documents)
  }
}

/** What would become of an object, member by member where it is there already. */
export interface ObjectChange {
  readonly kind: string
  readonly name: string
  readonly change: string
  readonly members: readonly {
    readonly path: string
    /** As JSON; absent where it was not, or is no more. */
    readonly before?: string
    readonly after?: string
  }[]
}

/** What applying the documents would change; nothing is changed. */
export const objectChanges = async (
  client: Client,
  documents: readonly ObjectDocument[],
): Promise<readonly ObjectChange[]> => {
  try {
    const body = { objects: documents.map(({ kind, name, spec }) => ({ kind, name, spec })) }
    const { items } = await client.send<{ items: AppliedObject[] }>(
      'POST',
      '/api/v1/objects?dryRun=true',
      body,
    )
    return await Promise.all(
      items.map(async ({ kind, name, change }, at) => {
        const before =
          change === 'changed'
            ? await client.get<{ items: { spec: unknown }[] }>(
                `/api/v1/objects/${kind.toLowerCase()}?name=${encodeURIComponent(name)}`,
              )
            : undefined
        const members = before ? membersOf(before.items[0]?.spec, documents[at]!.spec) : []
        return { kind, name, change, members }
      }),
    )
  } catch (error) {
    throw placed(error, documents)
  }
}

/** Members that differ, with where they are: `bridges.br0.failMode`. */
const membersOf = (before: unknown, after: unknown): ObjectChange['members'] => {
  const [was, is] = [leavesOf(before), leavesOf(after)]
  return [...new Set([...was.keys(), ...is.keys()])].flatMap(path => {
    const [old, now] = [was.get(path), is.get(path)]
    if (old === now) return []
    return [
      { path, ...(old !== undefined && { before: old }), ...(now !== undefined && { after: now }) },
    ]
  })
}

/** Everything that has no members of its own, as JSON; lists are whole. */
const leavesOf = (value: unknown, path = ''): ReadonlyMap<string, string> => {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return new Map(value === undefined ? [] : [[path, JSON.stringify(value)]])
  return new Map(
    Object.entries(value).flatMap(([name, member]) => [
      ...leavesOf(member, path === '' ? name : `${path}.${name}`),
    ]),
  )
}

interface PlacedComplaint {
  readonly index: number
  readonly path: readonly string[]
  readonly message: string
}

/** A complaint of the controller with its places in the files. */
export const placed = (error: unknown, documents: readonly ObjectDocument[]): unknown => {
  if (!(error instanceof Problem) || error.body.code !== 'bad-objects') return error
  const complaints = error.body.complaints as readonly PlacedComplaint[]
  return new FileMistakes(
    complaints.map(
      ({ index, path, message }) =>
        `${documents[index]?.place(path) ?? ''}: ${path.join('.')}: ${message}`,
    ),
  )
}

/** A declared object; where there is none of that name, a switch or host that was found and is gone. */
export const deleteObject = async (
  cli: Cli,
  client: Client,
  kind: string,
  name: string,
  isLeft: boolean,
): Promise<number> => {
  const at = encodeURIComponent(name)
  try {
    const answer = await client.send<{ state?: string } | undefined>(
      'DELETE',
      `/api/v1/objects/${kind}/${at}${isLeft ? '?leave=true' : ''}`,
    )
    cli.print(
      answer === undefined
        ? `${kind} ${name} deleted`
        : `${kind} ${name} is leaving: what was made for it is taken down`,
    )
  } catch (error) {
    const found = foundKinds[kind]
    const isNone = error instanceof Problem && [400, 404].includes(error.status)
    if (found === undefined || !isNone) throw error
    await client.send('DELETE', `/api/v1/${found}/${at}`)
    cli.print(`${kind} ${name} forgotten`)
  }
  return 0
}

/** Kinds of which there are found ones beside the declared. */
const foundKinds: Readonly<Record<string, string>> = { switch: 'switches', host: 'hosts' }
