/** What `sluice get` shows of each kind: one table a kind. */
import type { Client } from '../client.js'

export type Item = Readonly<Record<string, unknown>>

export interface Kind {
  readonly path: string
  readonly columns: readonly (readonly [heading: string, cell: (item: Item) => unknown])[]
  /** Columns that `-o wide` adds. */
  readonly wide?: Kind['columns']
  /** What `-o wide` asks for besides. */
  readonly wideQuery?: string
  /** A name chooses none of them. */
  readonly isWhole?: boolean
  /** What is said below the table. */
  readonly note?: (reply: Item) => string
}

const at = (value: unknown): string => {
  const place = value as { switch?: string; dpid?: string; port?: number } | undefined
  return place ? `${place.switch ?? place.dpid}:${place.port}` : ''
}

/** Why it is as it is; and how long it waits for its confirmation. */
const policyReason = ({ reason, unconfirmedUntil }: Item) =>
  unconfirmedUntil === undefined
    ? reason
    : [`taken back at ${unconfirmedUntil} unless confirmed`, ...(reason ? [reason] : [])].join('; ')

/** A share of 1 as people read it. */
const share = (value: unknown) =>
  typeof value === 'number' ? `${Math.round(value * 100)} %` : undefined

/** What there is to say of things besides their table. */
const notesBelow = (reply: Item): string =>
  (reply.items as Item[]).flatMap(item => (item.notes as string[] | undefined) ?? []).join('\n')

const tierNames = ['admin', 'main', 'application', 'baseline']
const protocolNames: Readonly<Record<number, string>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  58: 'icmp6',
  132: 'sctp',
}
const protocolName = (protocol: unknown) => protocolNames[Number(protocol)] ?? protocol

/** `ann:51380`: the name where there is one; ICMP has a type and a code where others have ports. */
const sessionEnd = (item: Item, side: 'source' | 'destination'): string => {
  const who = String(item[`${side}Host`] ?? item[side])
  const hasPorts = ['tcp', 'udp', 'sctp'].includes(String(protocolName(item.protocol)))
  return hasPorts ? `${who.includes(':') ? `[${who}]` : who}:${item[`${side}Port`]}` : who
}

/** The same with what it is outside: `ann:51380 as 203.0.113.10:40380`, `web:8443 by 203.0.113.10:443`. */
const sessionEndOutside = (item: Item, side: 'source' | 'destination'): string => {
  const own = sessionEnd(item, side)
  const key = side === 'source' ? 'translatedSource' : 'askedDestination'
  if (item[key] === undefined) return own
  const port = item[`${key}Port`] ?? item[`${side}Port`]
  const outside = sessionEnd(
    { ...item, [side]: item[key], [`${side}Port`]: port, [`${side}Host`]: undefined },
    side,
  )
  return `${own} ${side === 'source' ? 'as' : 'by'} ${outside}`
}

/** `tcp ann:51380 -> web:443 by browse` */
export const sessionText = (item: Item): string =>
  `${protocolName(item.protocol)} ${sessionEnd(item, 'source')} -> ${sessionEnd(item, 'destination')}${item.rule ? ` by ${item.rule}` : ''}`

export const unreadText = (unread: readonly { switch: string; reason: string }[]): string =>
  unread.map(each => `sessions of ${each.switch} are not known: ${each.reason}`).join('\n')

// biome-ignore format: tables
export const kinds: Readonly<Record<string, Kind>> = {
  switches: {
    path: '/api/v1/switches',
    columns: [
      ['NAME', item => item.name], ['DPID', item => item.dpid], ['STATE', item => item.state],
      ['PORTS', item => (item.ports as unknown[] | undefined)?.length], ['FLOWS', item => item.flows],
      ['REASON', item => item.reason],
    ],
    wide: [['FLOW-MODS', item => item.flowModsSent], ['FOREIGN', item => item.foreignFlows], ['DESCRIPTION', item => item.description]],
    note: notesBelow,
  },
  links: {
    path: '/api/v1/links',
    columns: [['FROM', item => at(item.from)], ['TO', item => at(item.to)], ['STATE', item => item.state], ['COST', item => item.cost], ['LATENCY-MS', item => item.latencyMillis], ['USE', item => share(item.utilisation)]],
    wide: [['RTT-MS', item => item.rttMillis], ['FOREIGN', item => item.isForeign], ['DAMPED', item => item.isDamped]],
  },
  hosts: {
    path: '/api/v1/hosts',
    columns: [['NAME', item => item.name], ['MAC', item => item.mac], ['ADDRESSES', item => (item.ips as string[]).join(', ')], ['AT', item => at({ switch: item.switch, port: item.port })]],
    note: notesBelow,
  },
  policies: {
    path: '/api/v1/policies',
    columns: [['NAME', item => item.name], ['ORDER', item => item.order], ['STATE', item => item.state], ['RULES', item => item.rules], ['GENERATION', item => item.generation], ['FILE', item => item.file], ['REASON', item => policyReason(item)]],
  },
  rules: {
    path: '/api/v1/rules',
    columns: [['POLICY', item => item.policy], ['TIER', item => tierNames[Number(item.tier)]], ['RULE', item => item.name], ['VERDICT', item => item.within === undefined ? item.verb : `${item.verb}, within ${item.within}`], ['HITS', item => item.packets], ['HIT-BYTES', item => item.bytes], ['PLACE', item => item.line === 0 ? item.file : `${item.file}:${item.line}`]],
    wide: [['SESSIONS', item => item.sessions], ['LAST HIT', item => item.lastHit], ['TEXT', item => item.text]],
    wideQuery: 'sessions=true',
  },
  flows: {
    path: '/api/v1/flows',
    columns: [['SWITCH', item => item.switch], ['TABLE', item => item.table], ['PRIORITY', item => item.priority], ['PACKETS', item => item.packets], ['FLOW', item => item.text], ['BECAUSE', item => item.because]],
    wide: [['COOKIE', item => item.cookie], ['ORIGIN', item => item.origin]],
  },
  sessions: {
    path: '/api/v1/sessions',
    isWhole: true,
    columns: [
      ['SWITCH', item => item.switch], ['PROTOCOL', item => protocolName(item.protocol)], ['FROM', item => sessionEndOutside(item, 'source')], ['TO', item => sessionEndOutside(item, 'destination')],
      ['RULE', item => item.rule], ['STATE', item => item.state],
    ],
    wide: [['POLICY', item => item.policy], ['CURRENT', item => item.isCurrent]],
    note: reply => unreadText(reply.unread as { switch: string; reason: string }[]),
  },
  history: {
    path: '/api/v1/history',
    isWhole: true,
    columns: [
      ['NUMBER', item => item.number], ['TIME', item => item.time], ['WHO', item => item.by ?? item.who],
      ['CHANGES', item => (item.changes as { name: string; change: string }[]).map(each => `${each.name} ${each.change}`).join(', ')], ['WHY', item => item.why],
    ],
  },
  drift: {
    path: '/api/v1/drift',
    columns: [['SWITCH', item => item.switch], ['KIND', item => item.kind], ['TABLE', item => item.table], ['FLOW', item => item.text]],
  },
}

interface View {
  readonly name: string
  readonly columns: readonly (readonly [heading: string, member: string])[]
}

/** Kinds that network functions of the controller add: what they are is asked. */
export const viewNamed = async (
  client: Client,
  word: string,
): Promise<{ readonly name: string; readonly kind: Kind } | undefined> => {
  const { items } = await client.get<{ items: View[] }>('/api/v1/views')
  const view = items.find(each => each.name === word || each.name === `${word}s`)
  if (view === undefined) return undefined
  const columns = view.columns.map(
    ([heading, member]) => [heading, (item: Item) => item[member]] as const,
  )
  return { name: view.name, kind: { path: `/api/v1/${view.name}`, columns } }
}
