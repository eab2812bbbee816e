/** What rules ask of the network: names in rule files, and addresses of a packet in events. */
import {
  type Cidr,
  formatIpv4,
  formatIpv6,
  type Ip,
  macNumber,
  parseCidr,
} from '../../../base/addresses.js'
import type { NetworkEvent } from '../../../base/events.js'
import type { Fields } from '../../../pipeline/packet.js'
import { type PortRef, portKey, type Topology } from '../../../topology/model.js'
import { hostsNamed, portsNamed, switchesNamed } from '../../../topology/names.js'
import type { Facts } from '../meaning/environment.js'
import type { PlacedRule } from '../meaning/resolved.js'
import { formatComplaint } from '../text/complaint.js'
import { hasPrefix, type MacPrefix } from '../text/mac-prefix.js'
import type { RuleError } from '../text/rule.js'

/** What names of rules are looked up in, and what decides which rules concern a switch. */
export type Network = Pick<Topology, 'guards' | 'hosts' | 'links' | 'networks' | 'switches'>

/**
 * What rule files may refer to by name: hosts by name or MAC, networks, ports as SWITCH:PORT. A MAC that is in several
 * networks means the addresses of each of them, whichever was seen first.
 */
export const factsOf = (topology: Network, nowMillis: number): Facts => ({
  hostAddresses: name => {
    const found = hostsNamed(topology, name)
    return found.length === 0 ? undefined : found.flatMap(host => host.ips)
  },
  networkSubnets: name => subnetsOf(topology, network => network.name === name),
  vlanSubnets: number => subnetsOf(topology, network => network.number === Number(number)),
  portAddresses: port => portAddresses(topology, port),
  switchesMeant: port =>
    switchesNamed(topology, port.slice(0, port.lastIndexOf(':'))).map(({ dpid }) => dpid),
  macAddresses: prefix => macAddresses(topology, prefix),
  hasChain: () => false,
  nowMillis,
})

const macAddresses = (topology: Network, prefix: MacPrefix): readonly Ip[] | undefined => {
  const found = [...topology.hosts.values()].filter(({ mac }) => hasPrefix(macNumber(mac), prefix))
  return found.length === 0 ? undefined : found.flatMap(host => host.ips)
}

/** Those that are declared, else each address of the hosts that are in it now. */
const subnetsOf = (
  topology: Network,
  isMeant: (network: Topology['networks'][number]) => boolean,
): readonly Cidr[] | undefined => {
  const network = topology.networks.find(isMeant)
  if (network === undefined) return undefined
  const texts =
    network.subnets ??
    [...topology.hosts.values()]
      .filter(host => host.network === network.number)
      .flatMap(host => host.ips)
  return texts.map(text => parseCidr(text)!)
}

const portAddresses = (topology: Network, text: string): readonly Ip[] | undefined => {
  const found = portsNamed(topology, text)
  if (found.length === 0) return undefined
  const keys = new Set(found.map(portKey))
  return [...topology.hosts.values()]
    .filter(host => keys.has(portKey(host.at)))
    .flatMap(host => host.ips)
}

const addressesOf = (fields: Fields): Record<string, unknown> => {
  const text = (v4: unknown, v6: unknown) =>
    typeof v4 === 'number' ? formatIpv4(v4) : typeof v6 === 'bigint' ? formatIpv6(v6) : undefined
  return {
    source: text(fields.ip_src, fields.ipv6_src),
    destination: text(fields.ip_dst, fields.ipv6_dst),
    protocol: fields.ip_proto,
    sourcePort: fields.tcp_src ?? fields.udp_src ?? fields.icmp_type ?? fields.icmpv6_type,
    destinationPort: fields.tcp_dst ?? fields.udp_dst,
  }
}

/** The event of a packet that a rule logged or rejected. */
export const hitEvent = (
  reason: 'log' | 'reject',
  placed: PlacedRule | undefined,
  ruleId: number,
  at: PortRef,
  fields: Fields,
): NetworkEvent => ({
  kind: reason === 'reject' ? 'rule-rejected' : 'rule-logged',
  rule: placed?.rule.name ?? `#${ruleId}`,
  ...(placed && { policy: placed.rule.policy, file: placed.file, line: placed.line }),
  ...(placed?.rule.log?.text !== undefined && { text: placed.rule.log.text }),
  verdict: placed?.rule.verb ?? 'drop',
  ...(placed?.rule.isAudit && { isAudit: true }),
  ...at,
  ...addressesOf(fields),
})

/** A complaint as the API tells it: its parts, and the text for people. @param texts by file */
export const describeComplaint = (complaint: RuleError, texts: ReadonlyMap<string, string>) => ({
  file: complaint.file,
  line: complaint.line,
  column: complaint.column,
  message: complaint.message,
  hint: complaint.hint,
  text: formatComplaint(complaint, texts.get(complaint.file)),
})
