/** `apply --set NAME [--prune]`: what earlier applies of the same set have made, and this one no longer has, is deleted. */
import type { Cli } from '../cli.js'
import { type Client, Problem } from '../client.js'
import type { Item } from '../reading/get.js'

export interface Applied {
  /** Of an object, or Policy. */
  readonly kind: string
  readonly name: string
  readonly change: string
}

interface Member {
  readonly kind: string
  readonly name: string
  readonly created?: number
}

const addressOf = ({ kind, name }: Pick<Member, 'kind' | 'name'>): string =>
  kind === 'Policy'
    ? `/api/v1/policies/${encodeURIComponent(name)}`
    : `/api/v1/objects/${kind.toLowerCase()}/${encodeURIComponent(name)}`

const orNone = async <T>(ask: () => Promise<T>): Promise<T | undefined> => {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return undefined
    throw error
  }
}

const isSame = (a: Pick<Member, 'kind' | 'name'>, b: Pick<Member, 'kind' | 'name'>): boolean =>
  a.kind === b.kind && a.name === b.name

/** @param applied all of the set as it is now, with what became of each */
export const keepSet = async (
  cli: Cli,
  client: Client,
  set: string,
  applied: readonly Applied[],
  options: { readonly prune?: boolean; readonly dryRun?: boolean },
): Promise<void> => {
  const address = `/api/v1/objects/applyset/${encodeURIComponent(set)}`
  const before = await orNone(() => client.get<{ spec: { members: Member[] } }>(address))
  const members = before?.spec.members ?? []
  const stale = members.filter(member => !applied.some(each => isSame(each, member)))
  if (options.prune)
    for (const member of stale.toReversed()) await drop(cli, client, member, options)
  if (options.dryRun) return
  const fresh = await Promise.all(
    applied.filter(({ change }) => change === 'added').map(each => memberOf(client, each)),
  )
  const kept = members.filter(
    member =>
      (!options.prune || !stale.includes(member)) && !fresh.some(each => isSame(each, member)),
  )
  const all = [...kept, ...fresh]
  if (all.length === 0) await orNone(() => client.send('DELETE', address))
  else await client.send('PUT', address, { spec: { members: all } })
}

const memberOf = async (client: Client, { kind, name }: Applied): Promise<Member> => {
  const object = await orNone(() => client.get<Item>(addressOf({ kind, name })))
  return { kind, name, ...(typeof object?.created === 'number' && { created: object.created }) }
}

/** Not what somebody made anew under the same name. */
const drop = async (
  cli: Cli,
  client: Client,
  member: Member,
  { dryRun }: { readonly dryRun?: boolean },
): Promise<void> => {
  const object = await orNone(() => client.get<Item>(addressOf(member)))
  if (object === undefined) return
  const { kind, name, created } = member
  if (created !== undefined && object.created !== created)
    return cli.complain(`sluice: ${kind} ${name} was made anew by somebody else: it stays`)
  if (!dryRun) await client.send('DELETE', addressOf(member))
  cli.print(`${kind} ${name} ${dryRun ? 'would be pruned' : 'pruned'}`)
}
