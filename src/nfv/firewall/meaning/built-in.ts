/**
 * What passes whatever the rules say, because nothing works without it. The rows are those of the topology (the
 * guard has looked at the sender before); here they are only named, so that nobody has to wonder. DHCP is a
 * rule of its own, `built-in/dhcp`, that rules above it may overrule.
 */
import type { Connection } from '../../../pipeline/connection.js'

export interface BuiltInRule {
  readonly name: string
  /** As a rule would say it. */
  readonly text: string
  speaks(connection: Connection): boolean
}

/** RFC 4861, RFC 2710, RFC 3810. */
const neighbourTypes: ReadonlySet<number> = new Set([130, 131, 132, 133, 134, 135, 136, 137, 143])

export const builtInRules: readonly BuiltInRule[] = [
  {
    name: 'arp',
    text: 'ARP, answered in the switch where the host is known',
    // It is not IP, and no connection.
    speaks: () => false,
  },
  {
    name: 'neighbours',
    text: 'allow-stateless icmp6 133-137 with hop limit 255, 130-132 and 143 with hop limit 1 to groups: neighbour discovery and listener reports',
    speaks: ({ protocol, sourcePort }) => protocol === 58 && neighbourTypes.has(sourcePort),
  },
  {
    name: 'groups',
    text: 'allow-stateless proto igmp to 224.0.0.0/4: membership of multicast groups',
    speaks: ({ protocol, destination }) => protocol === 2 && /^2(2[4-9]|3\d)[.]/.test(destination),
  },
]
