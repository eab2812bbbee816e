/**
 * Neutron's security groups as its API reference says it: a port lets through, in each direction, what a rule of any of its groups allows,
 * and nothing else; without port security everything. Rules name the other side by prefix, by group, or by address group.
 * Read are answers of the API alone.
 */
import type { Connection } from '../../pipeline/connection.js'
import type { Evaluator } from './evaluator.js'
import {
  documentsOf,
  hasPorts,
  isV6,
  isWithin,
  type Thing,
  thing,
  things,
  words,
} from './reading.js'

interface Port {
  readonly fixed: readonly string[]
  readonly pairs: readonly string[]
  readonly groups: readonly string[]
  readonly isGuarded: boolean
}

/** Of the API reference, "protocol". */
// biome-ignore format: a table
const protocols: Readonly<Record<string, number>> = {
  ah: 51, dccp: 33, egp: 8, esp: 50, gre: 47, icmp: 1, icmpv6: 58, igmp: 2, ipip: 4, 'ipv6-encap': 41, 'ipv6-frag': 44, 'ipv6-icmp': 58,
  'ipv6-nonxt': 59, 'ipv6-opts': 60, 'ipv6-route': 43, ospf: 89, pgm: 113, rsvp: 46, sctp: 132, tcp: 6, udp: 17, udplite: 136, vrrp: 112,
}

const isNone = (value: unknown): boolean => value === undefined || value === null || value === ''

export const openstackOriginal = (source: string): Evaluator => {
  const ports: Port[] = []
  const rules: NonNullable<Thing>[] = []
  const addressGroups = new Map<string, readonly string[]>()
  for (const document of documentsOf(source)) {
    const answer = thing(document)
    const groups = [
      ...things(answer.security_groups),
      ...(answer.security_group ? [thing(answer.security_group)] : []),
    ]
    for (const group of groups)
      for (const rule of things(group.security_group_rules))
        rules.push({ ...rule, security_group_id: group.id })
    rules.push(...things(answer.security_group_rules))
    for (const port of [...things(answer.ports), ...(answer.port ? [thing(answer.port)] : [])])
      ports.push({
        fixed: things(port.fixed_ips).map(each => String(each.ip_address)),
        pairs: things(port.allowed_address_pairs).map(each => String(each.ip_address)),
        groups: words(port.security_groups),
        isGuarded: port.port_security_enabled !== false,
      })
    for (const { id, addresses } of things(answer.address_groups))
      addressGroups.set(String(id), words(addresses))
    const known = [
      'security_groups',
      'security_group',
      'security_group_rules',
      'ports',
      'port',
      'address_groups',
    ]
    if (!known.some(name => name in answer))
      throw new Error(
        'only answers of the API are evaluated: security_groups, security_group_rules, ports, address_groups',
      )
  }
  /** A port that has the address itself counts before those that may use it as well; of several, all must let it through. */
  const ownersOf = (address: string): Port[] => {
    const own = ports.filter(port => port.fixed.includes(address))
    return own.length > 0
      ? own
      : ports.filter(port => port.pairs.some(pair => isWithin(address, pair)))
  }
  const isOther = (rule: NonNullable<Thing>, address: string): boolean => {
    const { remote_ip_prefix: prefix, remote_group_id: group, remote_address_group_id: list } = rule
    if (!isNone(prefix)) return isWithin(address, String(prefix))
    if (!isNone(group)) {
      const owners = ownersOf(address)
      return owners.length > 0 && owners.every(port => port.groups.includes(String(group)))
    }
    if (!isNone(list))
      return (addressGroups.get(String(list)) ?? []).some(each => isWithin(address, each))
    return true
  }
  const isService = (rule: NonNullable<Thing>, connection: Connection): boolean => {
    const isSix = isV6(connection.source)
    const word = String(rule.protocol ?? 'any').toLowerCase()
    if (word === 'any' || word === '0') return true
    const number = /^\d+$/.test(word) ? Number(word) : protocols[word]
    // An IPv6 rule for "icmp" is one for ICMPv6.
    const wanted = number === 1 && isSix ? 58 : number
    if (wanted !== connection.protocol) return false
    const [least, most] = [rule.port_range_min, rule.port_range_max]
    if (isNone(least) && isNone(most)) return true
    if (wanted === 1 || wanted === 58)
      return (
        (isNone(least) || Number(least) === connection.sourcePort) &&
        (isNone(most) || Number(most) === connection.destinationPort)
      )
    return (
      hasPorts(connection) &&
      connection.destinationPort >= Number(least) &&
      connection.destinationPort <= Number(most)
    )
  }
  const agrees = (direction: 'ingress' | 'egress', own: string, other: string, one: Connection) =>
    ownersOf(own).every(
      port =>
        !port.isGuarded ||
        rules.some(
          rule =>
            port.groups.includes(String(rule.security_group_id)) &&
            rule.direction === direction &&
            (rule.ethertype === 'IPv6') === isV6(own) &&
            isOther(rule, other) &&
            isService(rule, one),
        ),
    )
  return {
    passes: one =>
      agrees('egress', one.source, one.destination, one) &&
      agrees('ingress', one.destination, one.source, one),
  }
}
