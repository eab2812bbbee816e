/** The verbs about declared objects: apply, delete. */

import type { Cli } from './cli.js'
import { type Client, Problem } from './client.js'
import { stateText } from './declared.js'
import { FileMistakes, type ObjectDocument } from './object-files.js'
import { isGood } from './policies.js'
import { numberOf } from './usage.js'

interface Status {
  readonly state: string
  readonly reason?: string
}

interface Applied {
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
  options: { readonly wait?: boolean; readonly timeout: string; readonly dryRun?: boolean },
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
    const { items } = await client.send<{ items: Applied[] }>(
      'POST',
      `/api/v1/objects${query === '' ? '' : `?${query}`}`,
      { objects: documents.map(({ kind, name, spec }) => ({ kind, name, spec })) },
    )
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

interface PlacedComplaint {
  readonly index: number
  readonly path: readonly string[]
  readonly message: string
}

const placed = (error: unknown, documents: readonly ObjectDocument[]): unknown => {
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
