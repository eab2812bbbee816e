/**
 * OpenStack security groups, as Neutron's API shows them: `{"security_groups": [...], "ports": [...],
 * "address_groups": [...]}`. Each port may do what any of its groups allows, in each direction, and nothing else.
 */
import { type Imported, RuleWriter } from './draft.js'
import { type Allowed, type Selected, writeSelective } from './selective.js'

interface Rule {
  readonly id?: string
  readonly direction: 'ingress' | 'egress'
  readonly ethertype?: 'IPv4' | 'IPv6'
  readonly protocol?: string | number | null
  readonly port_range_min?: number | null
  readonly port_range_max?: number | null
  readonly remote_ip_prefix?: string | null
  readonly remote_group_id?: string | null
  readonly remote_address_group_id?: string | null
}

interface Group {
  readonly id: string
  readonly name: string
  readonly stateful?: boolean
  readonly security_group_rules?: readonly Rule[]
}

interface Cloud {
  readonly security_groups?: readonly Group[]
  readonly ports?: readonly {
    readonly fixed_ips?: readonly { readonly ip_address: string }[]
    readonly security_groups?: readonly string[]
  }[]
  readonly address_groups?: readonly {
    readonly id: string
    readonly addresses: readonly string[]
  }[]
}

/** @throws {SyntaxError} when it is no JSON; {TypeError} when it holds no groups */
export const importOpenstack = (text: string): Imported => {
  const writer = new RuleWriter()
  const cloud = JSON.parse(text) as Cloud
  if (!Array.isArray(cloud.security_groups))
    throw new TypeError('the member "security_groups" is missing')
  if (cloud.ports === undefined)
    writer.note(0, 'without "ports" no group has members: nothing is restricted')
  const membersOf = (id: string): string[] =>
    (cloud.ports ?? [])
      .filter(port => port.security_groups?.includes(id))
      .flatMap(port => port.fixed_ips ?? [])
      .map(each => each.ip_address)
  writer.comment('from OpenStack security groups')
  writeSelective(
    writer,
    cloud.security_groups.map(group => selectedOf(group, cloud, membersOf, writer)),
  )
  return writer.done()
}

const selectedOf = (
  group: Group,
  cloud: Cloud,
  membersOf: (id: string) => string[],
  writer: RuleWriter,
): Selected => {
  if (group.stateful === false)
    writer.note(0, `${group.name} is stateless: here its connections are remembered`)
  const members = membersOf(group.id)
  if (members.length === 0) writer.note(0, `${group.name} has no port that is listed`)
  const allowed = (direction: Rule['direction']): Allowed[] =>
    (group.security_group_rules ?? [])
      .filter(rule => rule.direction === direction)
      .flatMap((rule, index) => {
        const services = servicesOf(rule)
        if (services === undefined) {
          writer.note(
            0,
            `${group.name}, rule ${rule.id ?? index + 1}: no equivalent for its protocol`,
          )
          return []
        }
        return [
          {
            name: `${group.name}-${direction}-${index + 1}`,
            services,
            peers: peersOf(rule, cloud, membersOf),
          },
        ]
      })
  return { name: group.name, members, ingress: allowed('ingress'), egress: allowed('egress') }
}

const peersOf = (rule: Rule, cloud: Cloud, membersOf: (id: string) => string[]): string[] => {
  const isFamily = (address: string) => address.includes(':') === (rule.ethertype === 'IPv6')
  if (rule.remote_ip_prefix) return [rule.remote_ip_prefix]
  if (rule.remote_group_id) return membersOf(rule.remote_group_id).filter(isFamily)
  if (rule.remote_address_group_id)
    return (
      cloud.address_groups?.find(each => each.id === rule.remote_address_group_id)?.addresses ?? []
    ).filter(isFamily)
  return [rule.ethertype === 'IPv6' ? '::/0' : '0.0.0.0/0']
}

const icmpNames = new Set(['icmp', '1', 'icmpv6', 'ipv6-icmp', '58'])
const portNames: Readonly<Record<string, string>> = {
  tcp: 'tcp',
  '6': 'tcp',
  udp: 'udp',
  '17': 'udp',
  sctp: 'sctp',
  '132': 'sctp',
}

const servicesOf = ({
  protocol,
  ethertype,
  port_range_min: least,
  port_range_max: most,
}: Rule): string | undefined => {
  if (protocol === null || protocol === undefined || protocol === 'any' || String(protocol) === '0')
    return 'any'
  const name = String(protocol)
  if (icmpNames.has(name)) {
    const kind = ethertype === 'IPv6' ? 'icmp6' : 'icmp'
    // For ICMP the range holds type and code.
    return least === null || least === undefined
      ? kind
      : `${kind} ${least}${most === null || most === undefined ? '' : `/${most}`}`
  }
  const transport = portNames[name]
  if (transport === undefined) return /^\d+$/.test(name) ? `proto ${name}` : undefined
  if (least === null || least === undefined) return transport
  return `${transport} ${least}${most && most !== least ? `-${most}` : ''}`
}
