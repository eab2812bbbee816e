/**
 * Ryu's firewall rules as a policy of ours. The policy's text is the only state: what Ryu's paths need to remember
 * stands in its comments, so that history, undo and restarts hold for it as for every policy.
 *
 *     # ryu {"enabled":[...],"logging":[...],"last":{...}}
 *     r1.0000000000000001: allow icmp from ... to ...  # ryu {"switch":...,"rule_id":1,...}
 */
import { formatCidr, parseCidr, parseMac } from '../../../base/addresses.js'

export const policyName = 'ryu-firewall'

/** A rule as it was posted; members as Ryu names them. */
export interface RyuRule {
  readonly switch: string
  /** 0: none. */
  readonly vlan: number
  readonly rule_id: number
  readonly priority: number
  readonly match: Readonly<Record<string, string | number>>
  readonly actions: 'ALLOW' | 'DENY'
}

export interface RyuState {
  /** Switches by dpid. */
  readonly enabled: readonly string[]
  readonly logging: readonly string[]
  /** The last number given, by `switch/vlan`: numbers are not given twice. */
  readonly last: Readonly<Record<string, number>>
  readonly rules: readonly RyuRule[]
}

export const nothing: RyuState = { enabled: [], logging: [], last: {}, rules: [] }

const mark = /#\s*ryu (\{.*\})\s*$/

/** What a policy's text remembers; nothing for a text that is not ours. */
export const readState = (source: string | undefined): RyuState => {
  const found = (source ?? '').split('\n').flatMap(line => markOf(line) ?? [])
  const head = found.find(isHead)
  if (head === undefined) return nothing
  return { ...nothing, ...head, rules: found.filter(isRule) }
}

/** Lines that are longer were not written here. */
const longestLine = 10_000

/** Undefined for a line without a mark, and for one that somebody has broken. */
const markOf = (line: string): object | undefined => {
  const json = line.length > longestLine ? undefined : mark.exec(line)?.[1]
  if (json === undefined) return undefined
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    // Texts can be edited by hand; what cannot be read is no mark of ours.
    return undefined
  }
}

const isTexts = (value: unknown): boolean =>
  Array.isArray(value) && value.every(each => typeof each === 'string')

const isHead = (value: object): value is Omit<RyuState, 'rules'> =>
  'enabled' in value &&
  isTexts(value.enabled) &&
  'logging' in value &&
  isTexts(value.logging) &&
  'last' in value &&
  typeof value.last === 'object' &&
  value.last !== null &&
  Object.values(value.last).every(Number.isInteger)

const isRule = (value: object): value is RyuRule =>
  'switch' in value &&
  typeof value.switch === 'string' &&
  /^[0-9a-f]{16}$/.test(value.switch) &&
  'vlan' in value &&
  Number.isInteger(value.vlan) &&
  'rule_id' in value &&
  Number.isInteger(value.rule_id) &&
  'priority' in value &&
  Number.isInteger(value.priority) &&
  'match' in value &&
  typeof value.match === 'object' &&
  value.match !== null &&
  Object.values(value.match).every(each => ['string', 'number'].includes(typeof each)) &&
  'actions' in value &&
  (value.actions === 'ALLOW' || value.actions === 'DENY')

/**
 * The policy's text. @param switches all dpids; those that are not enabled pass nothing
 * @param networkOf the network of a VLAN, by name
 */
export const writePolicy = (
  state: RyuState,
  switches: readonly string[],
  networkOf: (vlan: number) => string | undefined,
): string => {
  const { rules, ...head } = state
  const without = new Complements()
  const log = state.logging.length > 0 ? ' log' : ''
  const statements = [...rules]
    .sort((a, b) => b.priority - a.priority || a.rule_id - b.rule_id)
    .map(rule => `${statementOf(rule, without, networkOf, log)}# ryu ${JSON.stringify(rule)}`)
  const stopped = switches
    .filter(dpid => !state.enabled.includes(dpid))
    .map(dpid => `  stopped.${dpid}: drop any from port ${dpid}:* to any`)
  return [
    "# Made by the paths of Ryu's firewall; what is written here by hand is lost with the next of them.",
    `# ryu ${JSON.stringify(head)}`,
    ...without.lines(),
    `default drop${log}`,
    'tier admin',
    ...stopped,
    'tier main',
    ...statements,
    '',
  ].join('\n')
}

/** Zones of all that is not something: an intersection is written as a difference. */
class Complements {
  readonly #names = new Map<string, string>()

  intersect(members: readonly string[]): string {
    const [first = 'any', ...others] = members
    if (others.length === 0) return first
    return `${first} except ${others.map(member => this.#nameOf(member)).join(', ')}`
  }

  lines(): string[] {
    return [...this.#names].map(([member, name]) => `zone ${name} = any except ${member}`)
  }

  #nameOf(member: string): string {
    const name = this.#names.get(member) ?? `not-${this.#names.size + 1}`
    this.#names.set(member, name)
    return name
  }
}

const statementOf = (
  rule: RyuRule,
  without: Complements,
  networkOf: (vlan: number) => string | undefined,
  log: string,
): string => {
  const { match, vlan } = rule
  // ARP passes whatever the rules say.
  if (match.dl_type === 'ARP') return ''
  const name = `r${rule.rule_id}.${rule.switch}${vlan === 0 ? '' : `.${vlan}`}`
  const network = vlan === 0 ? [] : [`network ${networkOf(vlan) ?? `vlan-${vlan}`}`]
  const isIpv6 = match.dl_type === 'IPv6'
  const either = match.dl_type === undefined ? [] : [isIpv6 ? '::/0' : '0.0.0.0/0']
  const side = (address: string, mac: string, own: readonly string[]) => {
    const ip = match[`${isIpv6 ? 'ipv6' : 'nw'}_${address}`]
    const members = [
      ...(ip === undefined ? either : [String(ip)]),
      ...(match[mac] === undefined ? [] : [`host ${match[mac]}`]),
      ...own,
      ...network,
    ]
    return without.intersect(members)
  }
  const entry = `port ${rule.switch}:${match.in_port ?? '*'}`
  const verb = rule.actions === 'ALLOW' ? 'allow' : 'drop'
  const ends = `from ${side('src', 'dl_src', [entry])} to ${side('dst', 'dl_dst', [])}`
  return `  ${name}: ${verb} ${serviceOf(match)} ${ends}${verb === 'drop' ? log : ''}  `
}

const protocols: Readonly<Record<string, string>> = {
  TCP: 'tcp',
  UDP: 'udp',
  ICMP: 'icmp',
  ICMPv6: 'icmp6',
}

const serviceOf = (match: RyuRule['match']): string => {
  if (match.nw_proto === undefined) return 'any'
  const word = protocols[String(match.nw_proto)]!
  if (word !== 'tcp' && word !== 'udp') return word
  const to = match.tp_dst === undefined ? '' : ` ${match.tp_dst}`
  return `${word}${to}${match.tp_src === undefined ? '' : ` source ${match.tp_src}`}`
}

export const minPriority = 1
export const maxPriority = 65_533

/** What a body says. @throws {RangeError} with Ryu's own words for what it refuses */
export const readRule = (
  body: Readonly<Record<string, unknown>>,
): Pick<RyuRule, 'priority' | 'match' | 'actions'> => {
  const { priority: wanted = minPriority, actions = 'ALLOW', ...rest } = body
  const priority = Number(wanted)
  if (!Number.isInteger(priority) || priority < minPriority || priority > maxPriority)
    throw new RangeError(`Invalid priority value. Set [${minPriority}-${maxPriority}]`)
  if (actions !== 'ALLOW' && actions !== 'DENY')
    throw new RangeError('Invalid rule parameter. : key=actions')
  const match: Record<string, string | number> = {}
  for (const [key, value] of Object.entries(rest)) {
    const read = Object.hasOwn(readers, key) ? readers[key]!(String(value)) : undefined
    if (read === undefined) throw new RangeError(`Invalid rule parameter. : key=${key}`)
    match[key] = read
  }
  return { priority, match: implied(match), actions }
}

/** An address or an IPv4 protocol says that it is IPv4. */
const implied = (match: Record<string, string | number>): Record<string, string | number> => {
  if (match.dl_type !== undefined) return match
  if (match.ipv6_src !== undefined || match.ipv6_dst !== undefined || match.nw_proto === 'ICMPv6')
    return { ...match, dl_type: 'IPv6' }
  if (match.nw_src !== undefined || match.nw_dst !== undefined || match.nw_proto !== undefined)
    return { ...match, dl_type: 'IPv4' }
  return match
}

const number =
  (low: number, high: number) =>
  (text: string): number | undefined =>
    /^\d{1,5}$/.test(text) && Number(text) >= low && Number(text) <= high ? Number(text) : undefined

const word =
  (...words: readonly string[]) =>
  (text: string): string | undefined =>
    words.find(each => each === text)

const cidr =
  (version: 4 | 6) =>
  (text: string): string | undefined => {
    const found = parseCidr(text)
    return found?.version === version ? formatCidr(found) : undefined
  }

const mac = (text: string): string | undefined =>
  parseMac(text) === undefined ? undefined : text.toLowerCase()

const readers: Readonly<Record<string, (text: string) => string | number | undefined>> = {
  in_port: number(1, 65_279),
  dl_src: mac,
  dl_dst: mac,
  dl_type: word('ARP', 'IPv4', 'IPv6'),
  nw_src: cidr(4),
  nw_dst: cidr(4),
  ipv6_src: cidr(6),
  ipv6_dst: cidr(6),
  nw_proto: word('TCP', 'UDP', 'ICMP', 'ICMPv6'),
  tp_src: number(0, 65_535),
  tp_dst: number(0, 65_535),
}
