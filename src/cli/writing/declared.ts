/** What `sluice get` shows of declared objects: a table a kind. */
import type { Item } from '../reading/get.js'

interface Status {
  readonly state: string
  readonly reason?: string
  readonly [member: string]: unknown
}

export interface DeclaredItem extends Item {
  readonly name: string
  readonly revision: number
  readonly isLeaving?: boolean
  readonly spec: Readonly<Record<string, unknown>>
  readonly status: Status
}

type Cell = (item: DeclaredItem) => unknown
type Columns = readonly (readonly [heading: string, cell: Cell])[]

export const stateText = ({ state, reason }: Pick<Status, 'state' | 'reason'>): string =>
  reason === undefined ? state : `${state} (${reason})`

const state: Cell = ({ status, isLeaving }) => `${isLeaving ? 'leaving, ' : ''}${stateText(status)}`
const spec =
  (member: string): Cell =>
  item =>
    text(item.spec[member])

/** Lists with commas, members as `name=value`. */
const text = (value: unknown): string | undefined => {
  if (value === undefined) return undefined
  if (Array.isArray(value)) return value.map(text).join(', ')
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.entries(value)
    .map(([name, member]) => `${name}=${text(member)}`)
    .join(' ')
}

const way =
  (member: string): Cell =>
  ({ status }) =>
    (status[member] as string[] | undefined)?.join(' ')

// biome-ignore format: tables
const tables: Readonly<Record<string, { readonly plural: string; readonly columns: Columns; readonly wide?: Columns }>> = {
  switch: {
    plural: 'switches',
    columns: [
      ['DECLARED', item => item.name], ['OVSDB', item => (item.spec.ovsdb as { address: string }).address], ['BRIDGES', item => Object.keys(item.spec.bridges ?? {}).join(', ') || '-'],
      ['OVS', item => item.status.version], ['REVISION', item => item.revision], ['STATE', state],
    ],
  },
  network: {
    plural: 'networks',
    columns: [['NAME', item => item.name], ['NUMBER', spec('number')], ['SUBNETS', spec('subnets')], ['ACCESS', spec('access')], ['TRUNK', spec('trunk')], ['STATE', state]],
    wide: [['REVISION', item => item.revision]],
  },
  host: {
    plural: 'hosts',
    columns: [['DECLARED', item => item.name], ['MAC', spec('mac')], ['ADDRESSES', spec('ips')], ['NETWORK', spec('network')], ['AT', spec('at')], ['STATE', state]],
    wide: [['REVISION', item => item.revision]],
  },
  port: {
    plural: 'ports',
    columns: [['NAME', item => item.name], ['AT', spec('at')], ['ROLE', spec('role')], ['SERVES', spec('serves')], ['CARRIES', spec('carries')], ['COST', spec('cost')], ['PEER', spec('peer')], ['STATE', state]],
    wide: [['LATENCY-MS', spec('latencyMillis')], ['KBPS', spec('bandwidthKbps')], ['TAGS', spec('tags')], ['REVISION', item => item.revision]],
  },
  router: {
    plural: 'routers',
    columns: [['NAME', item => item.name], ['INTERFACES', spec('interfaces')], ['ROUTES', item => (item.spec.routes as unknown[] | undefined)?.length ?? 0], ['STATE', state]],
    wide: [['MAC', spec('mac')], ['REVISION', item => item.revision]],
  },
  intent: {
    plural: 'intents',
    columns: [['NAME', item => item.name], ['FROM', spec('from')], ['TO', spec('to')], ['STATE', state], ['PATH', way('path')], ['BACKUP', way('backup')]],
    wide: [['SPEC', ({ spec: { from: _from, to: _to, ...rest } }) => text(rest)], ['REVISION', item => item.revision]],
  },
}

export const declaredPlurals: readonly string[] = Object.values(tables).map(({ plural }) => plural)

/** The kind as the API writes it, by what people write: `intent` or `intents`; of those that have a table here. */
export const declaredKind = (name: string): string | undefined => {
  const word = name.toLowerCase()
  return Object.keys(tables).find(kind => kind === word || tables[kind]!.plural === word)
}

/** Kinds that network functions bring. */
// biome-ignore format: a table
const anyKind: { readonly columns: Columns; readonly wide: Columns } = {
  columns: [['NAME', item => item.name], ['STATE', state]],
  wide: [['REVISION', item => item.revision], ['SPEC', item => text(item.spec)]],
}

/** The columns of declared objects of a kind. */
export const declaredColumns = (kind: string, isWide: boolean): Columns => {
  const { columns, wide = [] } = Object.hasOwn(tables, kind) ? tables[kind]! : anyKind
  return isWide ? [...columns, ...wide] : columns
}
