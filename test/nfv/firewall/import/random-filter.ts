/**
 * Random rules of pf, as pf.conf and as config.xml of pfSense, and what they do with a packet, written down from the manuals and not
 * from the importers: rules from the top, the last that matches counts, unless one is quick; once as a packet comes in, once as it goes out.
 */
import { type Ip, parseCidr } from '../../../../src/base/addresses.js'
import { decide } from '../../../../src/nfv/firewall/meaning/decide.js'
import type { Connection } from '../../../../src/pipeline/connection.js'
import { type Dice, pick, rulesOf } from '../random-policy.js'

interface End {
  /** Empty: any. */
  readonly nets: readonly string[]
  readonly isNot: boolean
  /** Through a table, or an alias. */
  readonly isNamed: boolean
}

interface Rule {
  readonly isPass: boolean
  readonly isQuick: boolean
  /** Of pfSense: before those of interfaces, on any, and perhaps not quick. */
  readonly isFloating: boolean
  readonly way: 'in' | 'out' | 'both'
  /** Absent: any. */
  readonly interface?: string
  readonly isNotInterface: boolean
  readonly family?: 'inet' | 'inet6'
  readonly protocol?: string
  readonly from: End
  readonly to: End
  readonly ports?: { readonly first: number; readonly last: number }
  /** A condition that no rule here can say. */
  readonly isMarked: boolean
  /** Rules in an anchor. */
  readonly inner?: readonly Rule[]
}

/** Behind which interface addresses are; all others are behind the last one. */
export const interfaces = { em1: ['10.1.0.0/16', 'fd01::/64'], em2: ['10.2.0.0/24'] } as const
const nets = [
  '10.0.0.0/8',
  '10.1.0.0/16',
  '10.1.2.0/24',
  '10.1.2.3',
  '10.2.0.0/24',
  '192.168.0.0/16',
]
const nets6 = ['fd01::/64', 'fd01::3', 'fd02::/16']

/** @param isMarked whether some cannot be said. @param passing how many of four pass */
export const randomRules = (dice: Dice, isMarked: boolean, passing: number, depth = 0): Rule[] =>
  Array.from({ length: 1 + dice(7) }, () => {
    const isAnchor = depth < 2 && dice(8) === 0
    const from = randomEnd(dice)
    const protocol = pick(dice, [undefined, 'tcp', 'tcp', 'udp', 'icmp', 'gre'])
    const first = pick(dice, [22, 53, 80, 443])
    const hasPorts = (protocol === 'tcp' || protocol === 'udp') && dice(3) > 0
    const way = pick(dice, ['in', 'in', 'out', 'both'] as const)
    const family = pick(dice, [undefined, 'inet', 'inet6'] as const)
    const name = dice(2) === 0 ? pick(dice, ['em1', 'em2', 'em0']) : undefined
    return {
      isPass: dice(4) < passing,
      isQuick: !isAnchor && dice(3) === 0,
      isFloating: dice(2) === 0,
      way,
      ...(name && { interface: name }),
      isNotInterface: name !== undefined && dice(5) === 0,
      ...(family && { family }),
      ...(protocol && { protocol }),
      from,
      to: randomEnd(dice),
      ...(hasPorts && { ports: { first, last: first + pick(dice, [0, 0, 10]) } }),
      isMarked: isMarked && dice(5) === 0,
      ...(isAnchor && { inner: randomRules(dice, isMarked, passing, depth + 1) }),
    }
  })

const randomEnd = (dice: Dice): End => {
  const isNamed = dice(4) === 0
  const list =
    dice(3) === 0
      ? []
      : Array.from({ length: 1 + dice(2) }, () => pick(dice, dice(5) === 0 ? nets6 : nets))
  return {
    nets: list,
    isNot: list.length > 0 && dice(4) === 0,
    isNamed: isNamed && list.length > 0,
  }
}

const isIn = (address: string, net: string): boolean => {
  const [cidr, own] = [parseCidr(net)!, parseCidr(address)!]
  if (cidr.version !== own.version) return false
  const rest = BigInt((cidr.version === 4 ? 32 : 128) - cidr.length)
  return BigInt(cidr.address) >> rest === BigInt(own.address) >> rest
}

const interfaceOf = (address: string): string =>
  Object.entries(interfaces).find(([, list]) => list.some(net => isIn(address, net)))?.[0] ?? 'em0'

/** Each of a list is a rule of its own; a table is one thing. */
const isEnd = ({ nets: list, isNot, isNamed }: End, address: string, isXml: boolean): boolean => {
  if (list.length === 0) return true
  if (isNamed || isXml) return list.some(net => isIn(address, net)) !== isNot
  return list.some(net => {
    const isSame = net.includes(':') === address.includes(':')
    return isSame && isIn(address, net) !== isNot
  })
}

const numbers: Readonly<Record<string, number>> = { tcp: 6, udp: 17, gre: 47 }

const matches = (
  rule: Rule,
  one: Connection,
  way: 'in' | 'out',
  isXml: boolean,
  mark: boolean,
): boolean => {
  if (rule.way !== 'both' && rule.way !== way) return false
  const at = interfaceOf(way === 'in' ? one.source : one.destination)
  if (rule.interface !== undefined && (rule.interface === at) === rule.isNotInterface) return false
  const isV6 = one.source.includes(':')
  if (rule.family !== undefined && (rule.family === 'inet6') !== isV6) return false
  const number = rule.protocol === 'icmp' ? (isXml && isV6 ? 58 : 1) : numbers[rule.protocol ?? '']
  if (number !== undefined && number !== one.protocol) return false
  if (
    rule.ports &&
    (one.destinationPort < rule.ports.first || one.destinationPort > rule.ports.last)
  )
    return false
  return (
    isEnd(rule.from, one.source, isXml) &&
    isEnd(rule.to, one.destination, isXml) &&
    (!rule.isMarked || mark)
  )
}

/** What rules say on one way; undefined: nothing. */
interface Said {
  readonly isPass: boolean
  readonly isEnd: boolean
}

const said = (
  rules: readonly Rule[],
  one: Connection,
  way: 'in' | 'out',
  isXml: boolean,
  mark: boolean,
): Said | undefined => {
  let last: Said | undefined
  for (const rule of rules) {
    if (!matches(rule, one, way, isXml, mark)) continue
    const found = rule.inner
      ? said(rule.inner, one, way, isXml, mark)
      : { isPass: rule.isPass, isEnd: rule.isQuick }
    if (found === undefined) continue
    last = found
    if (found.isEnd) return found
  }
  return last
}

/** @param mark whether conditions that cannot be said hold */
export const passes = (rules: readonly Rule[], one: Connection, mark: boolean): boolean =>
  (['in', 'out'] as const).every(way => said(rules, one, way, false, mark)?.isPass ?? true)

/** Floating rules first; those of interfaces are about what comes in, and quick. */
const asPfsense = (rules: readonly Rule[]): Rule[] => {
  const plain = rules.filter(rule => rule.inner === undefined)
  const own = plain.filter(rule => !rule.isFloating && rule.interface !== undefined)
  return [
    ...plain.filter(rule => rule.isFloating),
    ...own.map((rule): Rule => ({ ...rule, way: 'in', isQuick: true })),
  ].map(rule => ({ ...rule, isNotInterface: false }))
}

/** What pfSense does: what nothing lets in is dropped, and what came in goes out. */
export const passesPfsense = (rules: readonly Rule[], one: Connection, mark: boolean): boolean =>
  (['in', 'out'] as const).every(
    way => said(asPfsense(rules), one, way, true, mark)?.isPass ?? way === 'out',
  )

const tableName = (list: readonly string[]) => `t${list.join('').replace(/\W/g, '_')}`

export const pfText = (rules: readonly Rule[]): string => {
  const tables = new Map<string, string>()
  const end = ({ nets: list, isNot, isNamed }: End) => {
    if (list.length === 0) return 'any'
    const not = isNot ? '! ' : ''
    if (isNamed) {
      tables.set(tableName(list), list.join(' '))
      return `${not}<${tableName(list)}>`
    }
    return list.length === 1
      ? `${not}${list[0]}`
      : `{ ${list.map(net => `${not}${net}`).join(', ')} }`
  }
  const line = (rule: Rule): string => {
    const words = [
      rule.inner ? 'anchor' : rule.isPass ? 'pass' : 'block drop',
      rule.way === 'both' ? '' : rule.way,
      rule.isQuick ? 'quick' : '',
      rule.interface ? `on ${rule.isNotInterface ? '! ' : ''}$${rule.interface}` : '',
      rule.family ?? '',
      rule.protocol ? `proto ${rule.protocol}` : '',
      `from ${end(rule.from)} to ${end(rule.to)}`,
      rule.ports ? `port ${rule.ports.first}:${rule.ports.last}` : '',
      rule.isMarked ? 'tagged seen' : '',
    ]
    const text = words.filter(word => word !== '').join(' ')
    return rule.inner ? `${text} {\n${rule.inner.map(line).join('\n')}\n}` : text
  }
  const body = rules.map(line).join('\n')
  const macros = ['em0', 'em1', 'em2'].map(name => `${name} = "${name}"\n`).join('')
  const heads = [...tables].map(([name, list]) => `table <${name}> const { ${list} }\n`)
  return `${macros}${heads.join('')}${body}\n`
}

export const pfsenseText = (rules: readonly Rule[]): string => {
  const aliases = new Map<string, string>()
  const end = (name: string, { nets: list, isNot }: End, ports?: Rule['ports']) => {
    if (list.length > 0) aliases.set(tableName(list), list.join(' '))
    const who = list.length === 0 ? '<any/>' : `<address>${tableName(list)}</address>`
    const port = ports ? `<port>${ports.first}-${ports.last}</port>` : ''
    return `<${name}>${who}${isNot ? '<not/>' : ''}${port}</${name}>`
  }
  const body = asPfsense(rules).map(rule =>
    [
      `<rule><type>${rule.isPass ? 'pass' : 'block'}</type>`,
      rule.isFloating
        ? `<floating>yes</floating>${rule.isQuick ? '<quick>yes</quick>' : ''}<direction>${rule.way === 'both' ? 'any' : rule.way}</direction>`
        : '',
      rule.interface ? `<interface>${rule.interface}</interface>` : '',
      `<ipprotocol>${rule.family ?? 'inet46'}</ipprotocol>`,
      rule.protocol ? `<protocol>${rule.protocol}</protocol>` : '',
      end('source', rule.from),
      end('destination', rule.to, rule.ports),
      rule.isMarked ? '<tagged>seen</tagged>' : '',
      '</rule>',
    ].join(''),
  )
  const names = [...aliases].map(
    ([name, list]) =>
      `<alias><name>${name}</name><type>network</type><address>${list}</address></alias>`,
  )
  return `<?xml version="1.0"?>\n<pfsense>\n<interfaces><em0><ipaddr>dhcp</ipaddr></em0><em1><ipaddr>10.1.0.1</ipaddr><subnet>16</subnet><ipaddrv6>fd01::1</ipaddrv6><subnetv6>64</subnetv6></em1><em2><ipaddr>10.2.0.1</ipaddr><subnet>24</subnet></em2></interfaces>
<aliases>${names.join('\n')}</aliases>\n<nat><outbound><mode>disabled</mode></outbound></nat>\n<filter>\n${body.join('\n')}\n</filter>\n</pfsense>\n`
}

const addresses = [
  '10.1.2.3',
  '10.1.2.9',
  '10.1.9.9',
  '10.2.0.5',
  '10.9.0.1',
  '192.168.1.1',
  '8.8.8.8',
]
const addresses6 = ['fd01::3', 'fd01::9', 'fd02::1', '2001:db8::1']

export const randomConnection = (dice: Dice): Connection => {
  const list = dice(4) === 0 ? addresses6 : addresses
  const ends = { source: pick(dice, list) as Ip, destination: pick(dice, list) as Ip }
  const kind = dice(6)
  if (kind === 0) return { ...ends, protocol: 47, sourcePort: 0, destinationPort: 0 }
  if (kind === 1) {
    const isV6 = list === addresses6
    return { ...ends, protocol: isV6 ? 58 : 1, sourcePort: isV6 ? 128 : 8, destinationPort: 0 }
  }
  const destinationPort = pick(dice, [22, 25, 53, 80, 90, 443, 453, 8080])
  return { ...ends, protocol: kind < 5 ? 6 : 17, sourcePort: 40_000, destinationPort }
}

/** Whether the imported rules allow a connection. */
export const allows = (text: string) => {
  const resolved = rulesOf(text)
  return (one: Connection): boolean => decide(resolved, one).verdict === 'allow'
}
