/**
 * The words for numbers: ICMP (RFC 792 and IANA), ICMPv6 (RFC 4443, 4861) and IP protocols.
 * Reading takes the word or the number; writing prefers the word.
 */

// biome-ignore format: a table
export const icmpTypes: Readonly<Record<string, number>> = {
  'echo-reply': 0, 'destination-unreachable': 3, 'source-quench': 4, 'redirect': 5, 'echo-request': 8,
  'router-advertisement': 9, 'router-solicitation': 10, 'time-exceeded': 11, 'parameter-problem': 12,
  'timestamp-request': 13, 'timestamp-reply': 14,
}

// biome-ignore format: a table
export const icmp6Types: Readonly<Record<string, number>> = {
  'destination-unreachable': 1, 'packet-too-big': 2, 'time-exceeded': 3, 'parameter-problem': 4,
  'echo-request': 128, 'echo-reply': 129, 'listener-query': 130, 'listener-report': 131, 'listener-done': 132,
  'router-solicitation': 133, 'router-advertisement': 134, 'neighbour-solicitation': 135,
  'neighbour-advertisement': 136, 'redirect': 137,
}

// biome-ignore format: a table
export const ipProtocols: Readonly<Record<string, number>> = {
  icmp: 1, igmp: 2, ipip: 4, tcp: 6, udp: 17, dccp: 33, gre: 47, esp: 50, ah: 51, icmp6: 58, ospf: 89, pim: 103,
  vrrp: 112, sctp: 132, udplite: 136,
}

const invert = (words: Readonly<Record<string, number>>): ReadonlyMap<number, string> =>
  new Map(Object.entries(words).map(([word, number]) => [number, word]))

const icmpWords = invert(icmpTypes)
const icmp6Words = invert(icmp6Types)
const protocolWords = invert(ipProtocols)

export const icmpTypeWord = (version: 4 | 6, type: number): string =>
  (version === 4 ? icmpWords : icmp6Words).get(type) ?? String(type)

export const protocolWord = (number: number): string => protocolWords.get(number) ?? String(number)

/** Words with a meaning of their own: no zone, service or rule may be called so. */
// biome-ignore format: a list
export const reserved: ReadonlySet<string> = new Set([
  'any', 'host', 'network', 'vlan', 'port', 'mac', 'except', 'from', 'to', 'via', 'log', 'limit', 'max', 'let', 'file', 'helper', 'timeout', 'dscp', 'until', 'schedule', 'source',
  'tcp', 'udp', 'sctp', 'icmp', 'icmp6', 'proto', 'zone', 'service', 'include', 'default', 'tier', 'test', 'by',
  'allow', 'allow-stateless', 'drop', 'reject', 'pass', 'audit', 'per', 'new', 'all', 'sample', 'with',
])
