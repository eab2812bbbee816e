/** `sluice describe`: everything about one thing: its state and why, its parts, what belongs to it, what happened to it. */
import type { Command } from 'commander'
import type { Cli } from '../cli.js'
import type { Client } from '../client.js'
import { formatColumns, onOneLine } from './columns.js'
import { eventLine } from './events.js'
import { type Item, kinds } from './get.js'
import { listingOf } from './listing.js'
import { type Noun, nounMeant } from './nouns.js'
import { portItems } from './ports.js'
import { askedFor } from './reading.js'

/** The latest events about a thing that are shown. */
const mostEvents = 10

export const addDescribe = (program: Command, cli: Cli, client: () => Promise<Client>): void => {
  program
    .command('describe')
    .description('everything about things: state and reasons, parts, what belongs to them, events')
    .argument('<kind>', 'as for get, also port (describe port s1:3); or KIND/NAME')
    .argument('[name...]', 'which; without, all of the kind')
    .action(async (kind: string, names: string[]) => {
      const at = await client()
      const asked = await askedFor(at, kind, names)
      const texts: string[] = []
      const events = await allEvents(at)
      for (const { noun, names: own } of asked)
        for (const each of await subjects(at, noun, own))
          texts.push(await describe(at, noun, each, events))
      cli.print(texts.length === 0 ? 'none' : texts.join('\n\n'))
    })
}

/** Something, as found and as declared. */
interface Subject {
  readonly found?: Item
  readonly declared?: Item
}

const subjects = async (
  client: Client,
  noun: Noun,
  names: readonly string[],
): Promise<readonly Subject[]> => {
  if (noun.plural === 'ports') return (await portItems(client, names)).map(each => ({ ...each }))
  if (noun.plural === 'links') return (await linksNamed(client, names)).map(found => ({ found }))
  if (noun.plural === 'rules')
    return (await rulesNamed(client, noun, names)).map(found => ({ found }))
  const { reply, declared } = await listingOf(client, noun, names, true)
  const objects = [...(declared?.items ?? [])] as Item[]
  const both = reply.items.map(found => {
    const at = objects.findIndex(each => each.name === found.name)
    const [own] = at < 0 ? [] : objects.splice(at, 1)
    return { found, ...(own && { declared: own }) }
  })
  return [...both, ...objects.map(own => ({ declared: own }))]
}

/** `s1:3`, `s1`, or `s1-s2`; both directions come. */
const linksNamed = async (client: Client, names: readonly string[]): Promise<readonly Item[]> => {
  const { items } = await client.get<{ items: Item[] }>('/api/v1/links')
  const isAt = (end: unknown, name: string) => {
    const { switch: own, dpid, port } = end as Readonly<Record<string, unknown>>
    return [`${own}`, `${dpid}`, `${own}:${port}`, `${dpid}:${port}`].includes(name)
  }
  const isMeant = (link: Item, name: string): boolean => {
    const [a = '', b] = name.split('-')
    if (b === undefined) return isAt(link.from, a)
    return isAt(link.from, a) && isAt(link.to, b)
  }
  const found = items.filter(link => names.length === 0 || names.some(name => isMeant(link, name)))
  if (found.length === 0 && names.length > 0) {
    const noun = await nounMeant(client, 'links')
    await listingOf(client, { ...noun, plural: 'link' }, names, false)
  }
  return found
}

/** `browse`, or `office/browse`. */
const rulesNamed = async (
  client: Client,
  noun: Noun,
  names: readonly string[],
): Promise<readonly Item[]> => {
  if (names.length === 0) return (await listingOf(client, noun, [], true)).reply.items
  const lists = await Promise.all(
    names.map(async name => {
      const [policy, rule = ''] = name.includes('/') ? name.split(/\/(.*)/s) : ['', name]
      const { reply } = await listingOf(client, noun, [rule], true)
      return reply.items.filter(each => policy === '' || each.policy === policy)
    }),
  )
  return lists.flat()
}

/** A list that belongs to a thing. */
interface Related {
  readonly title: string
  readonly kind: string
  readonly query?: string
  readonly isOf?: (item: Item, self: Item) => boolean
}

const has = (value: unknown, name: unknown): boolean =>
  JSON.stringify(value ?? '').includes(`"${name}"`)
const named = ({ name }: Item) => `name=${encodeURIComponent(String(name))}`

// biome-ignore format: a table
const related: Readonly<Record<string, (self: Item) => readonly Related[]>> = {
  switches: self => [
    { title: 'Links', kind: 'links', query: named(self) },
    { title: 'Hosts', kind: 'hosts', isOf: ({ dpid }) => dpid === self.dpid },
    { title: 'Drift', kind: 'drift', query: named(self) },
  ],
  hosts: self => [
    { title: 'Sessions', kind: 'sessions', isOf: item => [item.source, item.destination].some(each => (self.ips as unknown[] | undefined)?.includes(each)) },
  ],
  networks: self => [
    { title: 'Hosts', kind: 'hosts', isOf: ({ network }) => network === (self.spec as Item).number },
    { title: 'Routers', kind: 'routers', isOf: ({ spec }) => has(spec, self.name) },
  ],
  routers: self => [
    { title: 'Routes', kind: 'routes', isOf: ({ router }) => router === self.name },
    { title: 'Neighbours', kind: 'neighbours', isOf: item => has((self.spec as Item).interfaces, item.network) },
  ],
  policies: self => [
    { title: 'Rules', kind: 'rules', isOf: ({ policy }) => policy === self.name },
    { title: 'Changes', kind: 'history', isOf: ({ changes }) => has(changes, self.name) },
  ],
  rules: self => [
    { title: 'Sessions', kind: 'sessions', isOf: ({ rule, policy }) => rule === self.name && (policy === undefined || policy === self.policy) },
  ],
  ports: self => [
    { title: 'Hosts', kind: 'hosts', isOf: item => item.switch === self.switch && item.port === self.number },
    { title: 'Links', kind: 'links', isOf: ({ from }) => (from as Item).switch === self.switch && (from as Item).port === self.number },
  ],
}

const describe = async (
  client: Client,
  noun: Noun,
  { found, declared }: Subject,
  events: readonly Item[],
): Promise<string> => {
  const self = found ?? declared ?? {}
  const lines = found
    ? membersText(found)
    : membersText({ ...declared, ...(declared?.status as Item), status: undefined })
  if (found && declared) {
    lines.push(
      ...blockText('Declared', { revision: declared.revision, ...(declared.status as Item) }),
    )
    lines.push(...blockText('Spec', declared.spec))
  }
  for (const { title, kind, query, isOf } of related[noun.plural]?.(self) ?? []) {
    const of = await nounMeant(client, kind)
    const path = of.found?.path ?? `/api/v1/objects/${of.declared}`
    const reply = await client.get<{ items: Item[] } & Item>(
      `${path}${query === undefined ? '' : `?${query}`}`,
    )
    const items = reply.items.filter(item => isOf?.(item, self) ?? true)
    const { columns } = of.found ?? {
      columns: [['NAME', (item: Item) => item.name]] as const,
    }
    lines.push(
      items.length === 0
        ? `${title}: none`
        : `${title}:\n${indented(
            formatColumns(
              columns.map(([heading]) => heading),
              items.map(item => columns.map(([, cell]) => String(cell(item) ?? '-'))),
            ),
          )}`,
    )
    const note = kinds[of.plural]?.note
    if (note && of.plural === 'sessions' && note(reply) !== '') lines.push(indented(note(reply)))
  }
  const about = events.filter(isAbout(noun, self)).slice(-mostEvents)
  lines.push(
    about.length === 0 ? 'Events: none' : `Events:\n${indented(about.map(eventLine).join('\n'))}`,
  )
  return lines.join('\n')
}

const indented = (text: string): string => text.replace(/^/gm, '  ')

/** `isUp` to `Is up`, `flowModsSent` to `Flow mods sent`. */
const titleOf = (member: string): string => {
  const words = member.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()
  return `${words[0]?.toUpperCase()}${words.slice(1)}`
}

const isFlat = (value: unknown): boolean => typeof value !== 'object' || value === null
const isRecord = (value: unknown): value is Item =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Texts of several lines keep them. */
const flatText = (value: unknown): string => {
  const text = String(value)
  return text.includes('\n')
    ? `\n${indented(text.split('\n').map(onOneLine).join('\n'))}`
    : onOneLine(text)
}

/** A line a member; lists of things as tables, things as blocks. */
const membersText = (item: Item): string[] => {
  const entries = Object.entries(item).filter(([, value]) => value !== undefined)
  const flat = entries.filter(
    ([, value]) => isFlat(value) || (Array.isArray(value) && value.every(isFlat)),
  )
  const width = Math.max(0, ...flat.map(([member]) => titleOf(member).length)) + 2
  return [
    ...flat.map(([member, value]) => {
      const text = Array.isArray(value) ? value.map(flatText).join(', ') || 'none' : flatText(value)
      return `${`${titleOf(member)}:`.padEnd(width)}${text}`
    }),
    ...entries
      .filter(entry => !flat.includes(entry))
      .flatMap(([member, value]) => blockText(titleOf(member), value)),
  ]
}

const blockText = (title: string, value: unknown): string[] => {
  if (isRecord(value)) {
    const lines = membersText(value)
    return lines.length === 0 ? [] : [`${title}:`, ...lines.map(indented)]
  }
  if (!Array.isArray(value)) return []
  const items = value.filter(isRecord)
  const headings = [...new Set(items.flatMap(item => Object.keys(item)))]
  const cell = (each: unknown) =>
    each === undefined ? '-' : isFlat(each) ? String(each) : JSON.stringify(each)
  return [
    `${title}:`,
    indented(
      formatColumns(
        headings.map(heading => titleOf(heading).toUpperCase()),
        items.map(item => headings.map(heading => cell(item[heading]))),
      ),
    ),
  ]
}

/** All that is kept: 10,000 at most. */
const allEvents = async (client: Client): Promise<readonly Item[]> => {
  const all: Item[] = []
  for (let since = 0; ; ) {
    const { items } = await client.get<{ items: Item[] }>(`/api/v1/events?since=${since}`)
    if (items.length === 0) return all
    all.push(...items)
    since = Number(items.at(-1)!.sequence)
  }
}

/** Members of an event that say what it is about, and not when, or what kind it is. */
const isAbout = (noun: Noun, self: Item): ((event: Item) => boolean) => {
  const port = noun.plural === 'ports' ? Number(self.number) : undefined
  const ends =
    noun.plural === 'links' ? [self.from, self.to].map(end => (end as Item).dpid) : undefined
  const names = new Set(
    [self.name, self.mac, self.dpid, ...((self.ips as unknown[] | undefined) ?? [])].filter(
      each => typeof each === 'string',
    ),
  )
  const values = (value: unknown): unknown[] =>
    isFlat(value) ? [value] : Object.values(value as object).flatMap(values)
  return ({ sequence: _s, time: _t, kind: _k, ...rest }) => {
    const said = values(rest)
    if (ends) return ends.every(dpid => said.includes(dpid))
    if (port !== undefined)
      return said.includes(self.dpid) && (rest.port === port || has(rest, `${self.switch}:${port}`))
    return said.some(each => typeof each === 'string' && names.has(each))
  }
}
