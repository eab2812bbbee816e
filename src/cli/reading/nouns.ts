/** The kinds of things, by all words that people have for them: `switch`, `switches`, `sw`. */
import { Failure } from '../../base/failures.js'
import { nearest } from '../../base/nearest.js'
import type { Client } from '../client.js'
import { UsageError } from '../usage.js'
import { declaredKind, declaredPlurals } from '../writing/declared.js'
import { type Item, type Kind, kinds, viewNamed } from './get.js'

export interface Noun {
  /** `switches` */
  readonly plural: string
  /** `switch` */
  readonly singular: string
  /** What the controller finds or makes; absent where people only declare it. */
  readonly found?: Kind
  /** What people declare, as the API writes it in addresses. */
  readonly declared?: string
}

// biome-ignore format: a table
export const shortNames: Readonly<Record<string, string>> = {
  sw: 'switches', lk: 'links', hs: 'hosts', pol: 'policies', ru: 'rules', fl: 'flows', ses: 'sessions',
  net: 'networks', po: 'ports', rt: 'routers',
}

/** `policies` to `policy`, `switches` to `switch`. */
export const singularOf = (plural: string): string =>
  plural
    .replace(/ies$/, 'y')
    .replace(/(ch|x)es$/, '$1')
    .replace(/s$/, '')

const isUncounted = (word: string): boolean => ['drift', 'history'].includes(word)

/** Those that every controller has. */
export const knownPlurals: readonly string[] = [
  ...new Set([...Object.keys(kinds), ...declaredPlurals]),
]

interface DeclaredKind {
  readonly kind: string
  readonly path: string
  readonly plural: string
}

/** Kinds of objects that this controller has, those of its network functions as well. */
export const declaredKinds = async (client: Client): Promise<readonly DeclaredKind[]> => {
  const { items } = await client.get<{ items: DeclaredKind[] }>('/api/v1/objects')
  return items.map(each => ({ ...each, path: each.path.slice(each.path.lastIndexOf('/') + 1) }))
}

const nounOf = (plural: string, found: Kind | undefined, declared: string | undefined): Noun => ({
  plural,
  singular: isUncounted(plural) ? plural : singularOf(plural),
  ...(found && { found }),
  ...(declared !== undefined && { declared }),
})

/** @throws {UsageError} with the word that was meant, when there is no such kind */
export const nounMeant = async (client: Client, typed: string): Promise<Noun> => {
  const lower = typed.toLowerCase()
  const word = Object.hasOwn(shortNames, lower) ? shortNames[lower]! : lower
  const own = knownPlurals.find(plural => plural === word || singularOf(plural) === word)
  if (own !== undefined)
    return nounOf(own, Object.hasOwn(kinds, own) ? kinds[own] : undefined, declaredKind(own))
  const view = await viewNamed(client, word)
  const objects = await declaredKinds(client)
  const object = objects.find(each =>
    [each.kind.toLowerCase(), each.path, each.plural].includes(view?.name ?? word),
  )
  if (view === undefined && object === undefined)
    throw new UsageError(`no kind is named ${typed}; ${await guess(client, word, objects)}`)
  return nounOf(view?.name ?? object!.plural, view?.kind, object?.path)
}

const guess = async (client: Client, word: string, objects: readonly DeclaredKind[]) => {
  const views = await client.get<{ items: { name: string }[] }>('/api/v1/views')
  const plurals = [
    ...new Set([
      ...knownPlurals,
      ...views.items.map(({ name }) => name),
      ...objects.map(({ plural }) => plural),
    ]),
  ]
  const meant = nearest(word, [...plurals, ...plurals.map(singularOf)])
  return meant === undefined ? `there are ${plurals.join(', ')}` : `did you mean ${meant}?`
}

/** Kinds whose items have no name of their own: a name chooses the switch that they are of. */
const ofSwitch: ReadonlySet<string> = new Set(['links', 'flows', 'drift'])
export const isOfSwitch = ({ plural }: Noun): boolean => ofSwitch.has(plural)

const place = (value: unknown): string => {
  const { switch: name, dpid, port } = value as Readonly<Record<string, unknown>>
  return `${name ?? dpid}:${port}`
}

/** What an item is called; undefined where nothing calls it anything. */
export const nameOfItem = (noun: Noun, item: Item): string | undefined => {
  if (noun.plural === 'links') return `${place(item.from)}-${place(item.to)}`
  if (noun.plural === 'rules') return `${item.policy}/${item.name}`
  if (noun.plural === 'history') return String(item.number)
  const name = item.name ?? item.mac ?? item.dpid
  return typeof name === 'string' ? name : undefined
}

/** Nothing has this name: with the name that was meant, where one is near. */
export const noneNamed = async (client: Client, noun: Noun, name: string): Promise<Failure> => {
  const lists = await Promise.all([
    noun.found && !isOfSwitch(noun)
      ? client.get<{ items: Item[] }>(noun.found.path)
      : { items: [] },
    noun.declared
      ? client.get<{ items: Item[] }>(`/api/v1/objects/${noun.declared}`)
      : { items: [] },
  ])
  const names = lists.flatMap(({ items }) =>
    items.flatMap(({ name: own, mac, dpid, ips = [] }) => [own, mac, dpid, ...(ips as unknown[])]),
  )
  const meant = nearest(
    name,
    names.filter(each => typeof each === 'string'),
  )
  return new Failure('not-found', {
    what: noun.singular,
    name: meant === undefined ? name : `${name} (did you mean ${meant}?)`,
    list: `"sluice get ${noun.plural}"`,
  })
}
