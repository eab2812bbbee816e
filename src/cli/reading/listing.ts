/** What `sluice get` found: rows with what they are made from, and how they are printed. */
import type { Client } from '../client.js'
import { UsageError } from '../usage.js'
import { type DeclaredItem, declaredColumns } from '../writing/declared.js'
import { formatColumns } from './columns.js'
import type { Item } from './get.js'
import { isOfSwitch, type Noun, nameOfItem, noneNamed } from './nouns.js'

export interface Row {
  readonly item: Item
  readonly cells: readonly string[]
}

interface Table {
  readonly headings: readonly string[]
  readonly rows: readonly Row[]
}

export interface Listing {
  readonly noun: Noun
  /** As the API answered, items of several names together. */
  readonly reply: Item & { readonly items: readonly Item[] }
  /** Absent where the kind is only declared. */
  readonly found?: Table
  readonly declared?: Table & { readonly items: readonly DeclaredItem[] }
  /** What is said below the table. */
  readonly note: string
}

type Columns = readonly (readonly [heading: string, cell: (item: never) => unknown])[]

const tableOf = (columns: Columns, items: readonly Item[]): Table => ({
  headings: columns.map(([heading]) => heading),
  rows: items.map(item => ({
    item,
    cells: columns.map(([, cell]) => String(cell(item as never) ?? '-')),
  })),
})

/** @throws {Failure} `not-found` when nothing has one of the names */
export const listingOf = async (
  client: Client,
  noun: Noun,
  names: readonly string[],
  isWide: boolean,
): Promise<Listing> => {
  const { found, declared } = noun
  if (names.length > 0 && found?.isWhole)
    throw new UsageError(
      `${noun.plural} are listed as a whole: "sluice get ${noun.plural}" takes no name`,
    )
  const each = names.length === 0 ? [undefined] : names
  const replies = await Promise.all(
    each.map(async name => {
      const ask = async (path: string, more = '') => {
        const query = [...(name === undefined ? [] : [`name=${encodeURIComponent(name)}`]), more]
        const text = query.filter(part => part !== '').join('&')
        return client.get<{ items: Item[] } & Item>(`${path}${text === '' ? '' : `?${text}`}`)
      }
      const [things, objects] = await Promise.all([
        found && ask(found.path, isWide ? (found.wideQuery ?? '') : ''),
        declared === undefined ? undefined : ask(`/api/v1/objects/${declared}`),
      ])
      const count = (things?.items.length ?? 0) + (objects?.items.length ?? 0)
      if (name !== undefined && count === 0 && !isOfSwitch(noun))
        throw await noneNamed(client, noun, name)
      return { things, objects }
    }),
  )
  const items = replies.flatMap(({ things }) => things?.items ?? [])
  const objects = replies.flatMap(({ objects: own }) => own?.items ?? []) as DeclaredItem[]
  const reply = { ...replies[0]?.things, items }
  const columns = found && (isWide ? [...found.columns, ...(found.wide ?? [])] : found.columns)
  return {
    noun,
    reply,
    ...(columns && { found: tableOf(columns, items) }),
    ...(declared !== undefined && {
      declared: { ...tableOf(declaredColumns(declared, isWide), objects), items: objects },
    }),
    note: found?.note?.(reply) ?? '',
  }
}

export interface PrintOptions {
  readonly output: string
  readonly headers?: boolean
  readonly sortBy?: string
}

/** Numbers as numbers, `s2` before `s10`. */
const inOrder = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true })

const memberOf = (item: unknown, path: string): string => {
  let value: unknown = item
  for (const step of path.split('.'))
    value = (value as Readonly<Record<string, unknown>> | undefined)?.[step]
  return typeof value === 'object' ? JSON.stringify(value) : String(value ?? '')
}

/** By a heading of the table, in any case, or by a member of the items as JSON has it: `.status.state`. */
const sorted = (table: Table, by: string | undefined): Table => {
  if (by === undefined) return table
  const column = table.headings.findIndex(heading => heading.toLowerCase() === by.toLowerCase())
  const isMember = by.startsWith('.')
  if (column < 0 && !isMember) return table
  const key = ({ item, cells }: Row) => (isMember ? memberOf(item, by.slice(1)) : cells[column]!)
  return { ...table, rows: [...table.rows].sort((a, b) => inOrder(key(a), key(b))) }
}

const tableText = ({ headings, rows }: Table, hasHeaders: boolean): string => {
  const cells = rows.map(row => row.cells)
  return hasHeaders ? formatColumns(headings, cells) : formatColumns(undefined, cells)
}

const dataOf = ({ noun, reply, declared }: Listing): object => {
  if (noun.found === undefined) return { items: declared?.items ?? [] }
  return declared && declared.items.length > 0 ? { ...reply, declared: declared.items } : reply
}

/** Documents as `sluice apply` takes them, where people declare the kind; else what the JSON has. */
const yamlOf = async (listings: readonly Listing[]): Promise<string> => {
  const { stringify } = await import('yaml')
  const text = (value: unknown) => stringify(value, { lineWidth: 0 }).trimEnd()
  return listings
    .flatMap(each =>
      each.noun.found === undefined
        ? (each.declared?.items ?? []).map(({ kind, name, spec }) => text({ kind, name, spec }))
        : [text(dataOf(each))],
    )
    .join('\n---\n')
}

/** What the words of ovs-ofctl are for. */
const hasOfctl: ReadonlySet<string> = new Set(['flows', 'drift'])
/** What nobody gives a name. */
const isNameless: ReadonlySet<string> = new Set(['flows', 'drift', 'sessions'])

const namesOf = ({ noun, reply, declared }: Listing): readonly string[] => {
  if (isNameless.has(noun.plural)) throw new UsageError(`${noun.plural} have no names to print`)
  const items = [...reply.items, ...(declared?.items ?? [])]
  return [
    ...new Set(
      items.map(item => {
        const name = nameOfItem(noun, item)
        if (name === undefined) throw new UsageError(`${noun.plural} have no names to print`)
        return `${noun.singular}/${name}`
      }),
    ),
  ]
}

const ofctlOf = ({ noun, reply }: Listing): readonly string[] => {
  if (!hasOfctl.has(noun.plural))
    throw new UsageError(`-o ofctl prints flows and drift; ${noun.plural} are none`)
  return reply.items.map(item => {
    const text = item.ofctl ?? item.text
    return typeof text === 'string' ? text : JSON.stringify(item)
  })
}

const inTables = (listings: readonly Listing[], options: PrintOptions): string =>
  listings
    .flatMap(({ found, declared, note }) => {
      const both = [found, declared].filter(each => each !== undefined)
      const some = both.filter(({ rows }) => rows.length > 0)
      const texts = some.map(each =>
        tableText(sorted(each, options.sortBy), options.headers !== false),
      )
      const body = texts.length === 0 ? ['none'] : texts
      return note === '' ? body : [`${body[0]}\n${note}`, ...body.slice(1)]
    })
    .join('\n\n')

/** All that was asked for, in one form. */
export const printed = async (
  listings: readonly Listing[],
  options: PrintOptions,
): Promise<string> => {
  mustHaveColumn(listings, options.sortBy)
  const ordered = listings.map(each => inOrderOf(each, options.sortBy))
  const [first] = ordered
  if (options.output === 'json') {
    const whole =
      ordered.length === 1
        ? dataOf(first!)
        : Object.fromEntries(ordered.map(each => [each.noun.plural, dataOf(each)]))
    return JSON.stringify(whole, null, 2)
  }
  if (options.output === 'yaml') return yamlOf(ordered)
  if (options.output === 'name') return ordered.flatMap(namesOf).join('\n')
  if (options.output === 'ofctl') return ordered.flatMap(ofctlOf).join('\n')
  return inTables(ordered, options)
}

/** @throws {UsageError} when no table has the column */
const mustHaveColumn = (listings: readonly Listing[], by: string | undefined): void => {
  if (by === undefined || by.startsWith('.')) return
  const headings = listings.flatMap(({ found, declared }) => [
    ...(found?.headings ?? []),
    ...(declared?.headings ?? []),
  ])
  if (headings.some(heading => heading.toLowerCase() === by.toLowerCase())) return
  throw new UsageError(
    `--sort-by ${by}: there are the columns ${[...new Set(headings)].join(', ')}; a dot before a member of the JSON sorts by that, such as .name`,
  )
}

/** The items in the order of the rows. */
const inOrderOf = (listing: Listing, by: string | undefined): Listing => {
  if (by === undefined) return listing
  const { found, declared, reply } = listing
  const tables = [found, declared].filter(each => each !== undefined && each.rows.length > 0)
  if (tables.length === 0) return listing
  return {
    ...listing,
    ...(found && { reply: { ...reply, items: sorted(found, by).rows.map(({ item }) => item) } }),
    ...(declared &&
      declared.rows.length > 0 && {
        declared: {
          ...declared,
          items: sorted(declared, by).rows.map(({ item }) => item as DeclaredItem),
        },
      }),
  }
}
