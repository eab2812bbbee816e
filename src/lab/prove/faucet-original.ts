/**
 * Faucet's ACLs as its documentation says it: a frame meets the list of the port where it comes in, then that of its VLAN, then, on its way
 * out, the list for what leaves to a VLAN. In each the first rule that matches decides, and nothing passes that none matches. Matches are
 * those of OpenFlow 1.3. Each port of the file has two hosts of each version; other addresses are outside, behind no port that the file names.
 */
import { parse } from 'yaml'
import type { Connection } from '../../pipeline/connection.js'
import type { Evaluator } from './evaluator.js'
import { bitsOf, isV6, type Thing, thing, words } from './reading.js'

interface Place {
  /** As a rule file names it: `s1:3`. */
  readonly port: string
  readonly vlan: string
  readonly lists: readonly string[]
  readonly addresses: readonly string[]
}

const listed = (value: unknown): string[] => [value ?? []].flat().map(String)

const listsOf = (holder: Thing, way: 'in' | 'out'): string[] => [
  ...listed(holder?.[`acls_${way}`]),
  ...listed(holder?.[`acl_${way}`]),
]

export const faucetOriginal = (source: string): Evaluator => {
  const root = thing(parse(source))
  const [acls, vlans] = [thing(root.acls), thing(root.vlans)]
  const places = placesOf(root)
  const rulesOf = (names: readonly string[]): NonNullable<Thing>[] =>
    names.flatMap(name => {
      const list = acls[name]
      const rules = Array.isArray(list) ? list : thing(list).rules
      return (Array.isArray(rules) ? rules : []).map(each => thing(thing(each).rule))
    })
  const placeOf = (address: string) => places.find(place => place.addresses.includes(address))
  const verdict = (names: readonly string[], one: Connection): 'next' | 'out' | 'drop' => {
    if (names.length === 0) return 'next'
    const rule = rulesOf(names).find(each => matches(each, one))
    return rule === undefined ? 'drop' : verdictOf(thing(rule.actions))
  }
  // Without switches each list holds for everybody, one behind the other.
  const isLoose = root.dps === undefined
  const stagesOf = (one: Connection): string[][] => {
    if (isLoose) return Object.keys(acls).map(name => [name])
    const [from, to] = [placeOf(one.source), placeOf(one.destination)]
    return [
      from?.lists ?? [],
      from === undefined ? [] : listsOf(thing(vlans[from.vlan]), 'in'),
      to === undefined ? [] : listsOf(thing(vlans[to.vlan]), 'out'),
    ].map(list => [...list])
  }
  return {
    words: places.flatMap(place => place.addresses).join('\n'),
    known: places.flatMap(({ port, vlan, addresses }) =>
      addresses.flatMap(address => [
        `${port}=${address}`,
        `${vlan}=${address}/${isV6(address) ? 128 : 32}`,
      ]),
    ),
    passes: one => {
      for (const stage of stagesOf(one)) {
        const said = verdict(stage, one)
        if (said !== 'next') return said === 'out'
      }
      return true
    },
  }
}

const placesOf = (root: NonNullable<Thing>): Place[] => {
  const found: Place[] = []
  for (const [dp, switchFields] of Object.entries(thing(root.dps))) {
    const { interfaces, interface_ranges: ranges, dp_acls: whole } = thing(switchFields)
    const ports = [
      ...Object.entries(thing(interfaces)).map(([key, value]) => ({
        number: String(thing(value).number ?? key),
        fields: thing(value),
      })),
      ...Object.entries(thing(ranges)).flatMap(([key, value]) =>
        numbersOf(key).map(number => ({ number: String(number), fields: thing(value) })),
      ),
    ]
    for (const { number, fields } of ports) {
      const at = found.length + 1
      found.push({
        port: `${dp}:${number}`,
        vlan: String(fields.native_vlan ?? 'none'),
        // Lists of a whole switch take the place of those of its ports.
        lists:
          whole === undefined || whole === null ? listsOf(fields, 'in') : words([whole].flat()),
        addresses: [
          `10.77.${at}.1`,
          `10.77.${at}.2`,
          `fd77:${at.toString(16)}::1`,
          `fd77:${at.toString(16)}::2`,
        ],
      })
    }
  }
  return found
}

/** `1-4,7` */
const numbersOf = (text: string): number[] =>
  text.split(',').flatMap(part => {
    const [first = 0, last = first] = part.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, at) => first + at)
  })

const verdictOf = (actions: NonNullable<Thing>): 'next' | 'out' | 'drop' => {
  const output = thing(actions.output)
  if ('port' in output || 'ports' in output) return 'out'
  const isAllowed = actions.allow === 1 || actions.allow === true
  // A mirror alone lets pass, unless it is said otherwise.
  return isAllowed || ('mirror' in actions && !('allow' in actions)) ? 'next' : 'drop'
}

const aside = new Set(['actions', 'cookie', 'description', 'in_port'])

/** Fields that are not of this packet, as MAC addresses, never match here: the hosts are made up. */
const matches = (rule: NonNullable<Thing>, one: Connection): boolean =>
  Object.entries(rule).every(([name, value]) => aside.has(name) || fieldMatches(name, value, one))

const fieldMatches = (name: string, value: unknown, one: Connection): boolean => {
  const isSix = isV6(one.source)
  const number = (text: unknown) => Number(String(text))
  const port = (own: number, protocol: number) => {
    const [wanted, mask] = String(value).split('/')
    const bits = mask === undefined ? 0xffff : Number(mask)
    return one.protocol === protocol && (own & bits) === (Number(wanted) & bits)
  }
  switch (name) {
    case 'dl_type':
    case 'eth_type':
      return number(value) === (isSix ? 0x86dd : 0x0800)
    case 'nw_proto':
    case 'ip_proto':
      return number(value) === one.protocol
    case 'ipv4_src':
    case 'nw_src':
      return !isSix && isMasked(one.source, String(value))
    case 'ipv4_dst':
    case 'nw_dst':
      return !isSix && isMasked(one.destination, String(value))
    case 'ipv6_src':
      return isSix && isMasked(one.source, String(value))
    case 'ipv6_dst':
      return isSix && isMasked(one.destination, String(value))
    case 'tcp_src':
      return port(one.sourcePort, 6)
    case 'tcp_dst':
      return port(one.destinationPort, 6)
    case 'udp_src':
      return port(one.sourcePort, 17)
    case 'udp_dst':
      return port(one.destinationPort, 17)
    case 'sctp_dst':
      return port(one.destinationPort, 132)
    case 'icmpv4_type':
    case 'icmp_type':
      return one.protocol === 1 && number(value) === one.sourcePort
    case 'icmpv4_code':
    case 'icmp_code':
      return one.protocol === 1 && number(value) === one.destinationPort
    case 'icmpv6_type':
      return one.protocol === 58 && number(value) === one.sourcePort
    case 'icmpv6_code':
      return one.protocol === 58 && number(value) === one.destinationPort
    default:
      return false
  }
}

/** The mask as a length, or written out. */
const isMasked = (address: string, text: string): boolean => {
  const [base = '', mask] = text.split('/')
  const [own, wanted] = [bitsOf(address), bitsOf(base)]
  const bits =
    mask === undefined
      ? '1'.repeat(own.length)
      : /[.:]/.test(mask)
        ? bitsOf(mask)
        : '1'.repeat(Number(mask)).padEnd(own.length, '0')
  return [...bits].every((bit, at) => bit === '0' || own[at] === wanted[at])
}
