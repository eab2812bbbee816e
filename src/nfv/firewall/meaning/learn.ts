/**
 * Connections that were seen to a rule file that allows them: who spoke to whom, about what. Destinations and
 * services stay as they were seen; sources are widened to zones and subnets, because others like them will come.
 */
import { type Ip, parseCidr } from '../../../base/addresses.js'
import type { Connection } from '../../../pipeline/connection.js'
import { formatFile } from '../text/format.js'
import {
  any,
  type Line,
  type Member,
  type PortRange,
  type Rule,
  type Selection,
  type ServiceMember,
  type Statement,
} from '../text/rule.js'
import type { AddressSet } from './address-set.js'

/** Connections that are alike but for their source port. */
export interface Seen {
  readonly connection: Connection
  readonly count: number
  readonly lastMillis: number
}

export interface KnownZone {
  readonly line: Pick<Line, 'statement' | 'comment'>
  readonly name: string
  readonly set: AddressSet
}

export interface LearnContext {
  readonly sinceMillis: number
  readonly untilMillis: number
  /** Zones that rules have already; the first that fits is taken. */
  readonly zones: readonly KnownZone[]
  /** Ports at which rules let a helper read. */
  readonly helped?: readonly PortRange[]
  /** The declared name of the host that has an address. */
  hostOf(ip: Ip): string | undefined
}

/** Addresses of one /24 or /64 that make it a source as a whole. */
const subnetFrom = 4
/** Ports above 1023 of one server that count as a range, as those of FTP or RPC. */
const manyPorts = 12

/** The text of a rule file; the rules that were used most come first. */
export const proposeRules = (seen: readonly Seen[], context: LearnContext): string => {
  const groups = grouped(seen, context)
  const used = new Set<string>()
  const rules = groups.flatMap((group, index) => {
    const rule = ruleOf(group, `learnt-${index + 1}`, context)
    for (const member of rule.from.of) if (member.kind === 'zone') used.add(member.name)
    const sources = new Set(group.seen.map(({ connection }) => connection.source)).size
    const widened = group.isRange ? ', many ports taken as a range' : ''
    const comment = ` ${counted(sum(group.seen), 'connection')} of ${counted(sources, 'source')}, the last ${stamp(Math.max(...group.seen.map(one => one.lastMillis)))}${widened}`
    return [{ statement: rule, comment }]
  })
  const zones = context.zones.filter(zone => used.has(zone.name)).map(zone => zone.line)
  return formatFile([
    ...headOf(seen, context),
    ...zones,
    ...(zones.length > 0 ? [blank()] : []),
    { statement: { kind: 'default', verb: 'drop', from: any, to: any, log: {} } },
    blank(),
    ...rules,
    ...(rules.length > 0 ? [blank()] : []),
    ...groups.map((group, index) => testOf(group, `learnt-${index + 1}`)),
  ])
}

const blank = (comment?: string): { statement: Statement; comment?: string } => ({
  statement: { kind: 'blank' },
  ...(comment !== undefined && { comment }),
})

const headOf = (seen: readonly Seen[], { sinceMillis, untilMillis }: LearnContext) => [
  blank(
    ` Learnt from ${counted(sum(seen), 'connection')} between ${stamp(sinceMillis)} and ${stamp(untilMillis)}.`,
  ),
  blank(' What was not used in that time is not in here: read it before you apply it.'),
  blank(),
]

const sum = (seen: readonly Seen[]): number => seen.reduce((total, one) => total + one.count, 0)
const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`
const stamp = (millis: number): string => new Date(millis).toISOString().slice(0, 16)

interface Group {
  readonly from: Selection
  readonly services: readonly ServiceMember[]
  readonly destinations: readonly Ip[]
  readonly seen: readonly Seen[]
  readonly isRange: boolean
}

/** Destinations that the same sources use for the same services become one rule. */
const grouped = (seen: readonly Seen[], context: LearnContext): Group[] => {
  const bySource = [...groupBy(seen, endpointOf).values()].map(list => ({
    list,
    from: sourcesOf(list, context),
  }))
  const perServer = groupBy(
    bySource,
    ({ list, from }) => `${list[0]!.connection.destination} ${JSON.stringify(from, bigint)}`,
  )
  const servers = [...perServer.values()].map(parts => {
    const all = parts.flatMap(({ list }) => list)
    return { from: parts[0]!.from, seen: all, ...servicesOf(all, context.helped) }
  })
  const rules = groupBy(servers, server => JSON.stringify([server.from, server.services], bigint))
  return [...rules.values()]
    .map(parts => ({
      from: parts[0]!.from,
      services: parts[0]!.services,
      isRange: parts[0]!.isRange,
      destinations: [
        ...new Set(parts.flatMap(part => part.seen.map(one => one.connection.destination))),
      ].sort(),
      seen: parts.flatMap(part => part.seen),
    }))
    .sort((a, b) => sum(b.seen) - sum(a.seen) || (a.destinations[0]! < b.destinations[0]! ? -1 : 1))
}

const bigint = (_key: string, value: unknown) =>
  typeof value === 'bigint' ? value.toString() : value

const endpointOf = ({ connection }: Seen): string =>
  `${connection.destination} ${connection.protocol} ${isIcmp(connection) ? connection.sourcePort : ''} ${connection.destinationPort}`

const isIcmp = ({ protocol }: Connection): boolean => protocol === 1 || protocol === 58

const groupBy = <T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> => {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  return groups
}

/** Zones that hold two or more of the sources, subnets that hold four, and the rest one by one. */
const sourcesOf = (seen: readonly Seen[], context: LearnContext): Selection => {
  let rest = [...new Set(seen.map(one => one.connection.source))].sort()
  const of: Member[] = []
  for (const zone of context.zones) {
    const inside = rest.filter(ip => holds(zone.set, ip))
    if (inside.length < 2) continue
    of.push({ kind: 'zone', name: zone.name })
    rest = rest.filter(ip => !inside.includes(ip))
  }
  for (const [subnet, ips] of groupBy(rest, subnetOf)) {
    if (ips.length < subnetFrom) continue
    of.push({ kind: 'cidr', cidr: parseCidr(subnet)! })
    rest = rest.filter(ip => !ips.includes(ip))
  }
  return { of: [...of, ...rest.map(ip => memberOf(ip, context))], except: [] }
}

const holds = (set: AddressSet, ip: Ip): boolean => {
  const { version, address } = parseCidr(ip)!
  return version === 4
    ? set.v4.some(range => range.first <= Number(address) && range.last >= Number(address))
    : set.v6.some(range => range.first <= BigInt(address) && range.last >= BigInt(address))
}

const subnetOf = (ip: Ip): string =>
  ip.includes(':') ? subnetOfIpv6(ip) : `${ip.slice(0, ip.lastIndexOf('.'))}.0/24`

const subnetOfIpv6 = (ip: Ip): string => {
  const { address } = parseCidr(`${ip}/64`)!
  const groups = BigInt(address).toString(16).padStart(32, '0').match(/.{4}/g)!
  return `${groups.join(':')}/64`
}

const memberOf = (ip: Ip, context: LearnContext): Member => {
  const name = context.hostOf(ip)
  return name === undefined ? { kind: 'cidr', cidr: parseCidr(ip)! } : { kind: 'host', name }
}

const servicesOf = (
  seen: readonly Seen[],
  helped: readonly PortRange[] = [],
): { readonly services: readonly ServiceMember[]; readonly isRange: boolean } => {
  let isRange = false
  const services = [...groupBy(seen, ({ connection }) => `${connection.protocol}`).values()]
    .sort((a, b) => a[0]!.connection.protocol - b[0]!.connection.protocol)
    .flatMap((list): ServiceMember[] => {
      const { protocol } = list[0]!.connection
      if (isIcmp(list[0]!.connection)) return icmpOf(list)
      if (protocol !== 6 && protocol !== 17) return [{ kind: 'protocol', number: protocol }]
      const transport = protocol === 6 ? 'tcp' : 'udp'
      const isRead = ({ connection: { destinationPort: port } }: Seen) =>
        protocol === 6 && helped.some(({ from, to }) => from <= port && port <= to)
      const service = (part: readonly Seen[], helper?: 'ftp'): ServiceMember[] => {
        if (part.length === 0) return []
        const { ports, isMany } = portsOf(part.map(one => one.connection.destinationPort))
        isRange ||= isMany
        return [{ kind: 'ports', transport, ports, sourcePorts: [], ...(helper && { helper }) }]
      }
      return [...service(list.filter(isRead), 'ftp'), ...service(list.filter(one => !isRead(one)))]
    })
  return { services, isRange }
}

const icmpOf = (list: readonly Seen[]): ServiceMember[] =>
  [...new Set(list.map(one => one.connection.sourcePort))]
    .sort((a, b) => a - b)
    .map(type => ({
      kind: 'icmp',
      version: list[0]!.connection.protocol === 1 ? 4 : 6,
      type,
    }))

const portsOf = (list: readonly number[]): { ports: PortRange[]; isMany: boolean } => {
  const sorted = [...new Set(list)].sort((a, b) => a - b)
  const high = sorted.filter(port => port > 1023)
  const isMany = high.length > manyPorts
  const single = isMany ? sorted.filter(port => port <= 1023) : sorted
  const ports = single.map(port => ({ from: port, to: port }))
  return { ports: isMany ? [...ports, { from: high[0]!, to: high.at(-1)! }] : ports, isMany }
}

const ruleOf = (group: Group, name: string, context: LearnContext): Rule => ({
  kind: 'rule',
  name,
  verb: 'allow',
  isAudit: false,
  services: group.services,
  from: group.from,
  to: { of: group.destinations.map(ip => memberOf(ip, context)), except: [] },
})

/** A connection that was seen, so that `check` says when an edit takes it away. */
const testOf = (group: Group, name: string): { statement: Statement } => {
  const [most] = [...group.seen].sort((a, b) => b.count - a.count)
  const { connection } = most!
  const one = (ip: Ip): Member => ({ kind: 'cidr', cidr: parseCidr(ip)! })
  return {
    statement: {
      kind: 'test',
      title: `${name} as it was seen`,
      from: one(connection.source),
      to: one(connection.destination),
      service: servicesOf([most!]).services[0]!,
      verdict: 'allow',
      by: name,
    },
  }
}
