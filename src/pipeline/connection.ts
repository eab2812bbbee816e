/** The connection that a packet opens, from what a person asks or from the packet itself. */
import { formatIpv4, formatIpv6, type Ip } from '../base/addresses.js'
import type { Fields } from './packet.js'

/** The packet that opens a connection. */
export interface Connection {
  readonly source: Ip
  readonly destination: Ip
  /** The IP protocol: 1 ICMP, 6 TCP, 17 UDP, 58 ICMPv6, ... */
  readonly protocol: number
  /** 0 where the protocol has no ports; for ICMP the type. */
  readonly sourcePort: number
  /** For ICMP the code. */
  readonly destinationPort: number
  /** Code point of the packet; absent: 0. Only stateless rules look at it. */
  readonly dscp?: number
}

/** Protocols by the word that people ask with; `icmp` of IPv6 is 58. */
const numbers = { icmp: 1, tcp: 6, udp: 17, sctp: 132 } as const

export interface Asked {
  readonly protocol: keyof typeof numbers | number
  readonly sourcePort?: number
  readonly destinationPort?: number
}

/** A port that programs are given, for questions that name none. */
export const anySourcePort = 40_000

/** ICMP is asked as an echo request. */
export const connectionAsked = (source: Ip, destination: Ip, asked: Asked): Connection => {
  const isIpv6 = source.includes(':')
  const number = typeof asked.protocol === 'number' ? asked.protocol : numbers[asked.protocol]
  const ends = { source, destination }
  if (number === 1 || number === 58)
    return isIpv6
      ? { ...ends, protocol: 58, sourcePort: 128, destinationPort: 0 }
      : { ...ends, protocol: 1, sourcePort: 8, destinationPort: 0 }
  const hasPorts = number === 6 || number === 17 || number === 132
  return {
    ...ends,
    protocol: number,
    sourcePort: hasPorts ? (asked.sourcePort ?? anySourcePort) : 0,
    destinationPort: hasPorts ? (asked.destinationPort ?? 0) : 0,
  }
}

/** Undefined for what is not IP. Open vSwitch before 3.2 does not see the ports of SCTP; rules do not either. */
export const connectionOfFields = (fields: Fields): Connection | undefined => {
  const source = addressOf(fields.ip_src, fields.ipv6_src)
  const destination = addressOf(fields.ip_dst, fields.ipv6_dst)
  if (source === undefined || destination === undefined) return undefined
  const first = (...names: (keyof Fields)[]) => {
    const found = names.map(name => fields[name]).find(value => value !== undefined)
    return typeof found === 'number' ? found : 0
  }
  const dscp = first('ip_dscp')
  return {
    source,
    destination,
    protocol: first('ip_proto'),
    sourcePort: first('tcp_src', 'udp_src', 'sctp_src', 'icmp_type', 'icmpv6_type'),
    destinationPort: first('tcp_dst', 'udp_dst', 'sctp_dst', 'icmp_code', 'icmpv6_code'),
    ...(dscp !== 0 && { dscp }),
  }
}

const addressOf = (v4: unknown, v6: unknown): Ip | undefined =>
  typeof v4 === 'number' ? formatIpv4(v4) : typeof v6 === 'bigint' ? formatIpv6(v6) : undefined

/** `tcp from 10.1.0.2:40000 to 10.2.0.10:443` */
export const connectionText = (one: Connection): string => {
  const { source, destination, protocol, sourcePort, destinationPort } = one
  const name = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmp6', 132: 'sctp' }[protocol]
  const end = (ip: Ip, port: number) => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)
  if (protocol === 1 || protocol === 58)
    return `${name} ${sourcePort}/${destinationPort} from ${source} to ${destination}`
  if (name === undefined) return `proto ${protocol} from ${source} to ${destination}`
  return `${name} from ${end(source, sourcePort)} to ${end(destination, destinationPort)}`
}
