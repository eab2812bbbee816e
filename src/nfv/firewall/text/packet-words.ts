/** One packet in the words of rule files: `tcp 443`, `udp 53 source 68`, `icmp echo-request`, `proto gre`. */
import type { Ip } from '../../../base/addresses.js'
import type { Connection } from '../../../pipeline/connection.js'
import { anySourcePort } from '../../../pipeline/connection.js'
import { connectionOf } from '../meaning/check.js'
import { takeCodePoint } from './dscp.js'
import { LineReader, Mistake, tokenize } from './line-reader.js'
import { takePacket } from './parse-test.js'
import type { ServiceMember } from './rule.js'

const examples = 'write for example tcp 443, udp 53, icmp echo-request or proto gre'

/**
 * The connection that such a packet opens; `icmp` between IPv6 addresses is ICMPv6.
 *
 * @throws {Error} with the right form when the words are none
 */
export const connectionInWords = (source: Ip, destination: Ip, words: string): Connection => {
  const isIpv6 = source.includes(':')
  const { service, dscp } = readPacketWords(
    isIpv6 ? words.replace(/^\s*icmp(?=\s|$)/, 'icmp6') : words,
  )
  if (service.kind === 'icmp' && (service.version === 6) !== isIpv6)
    throw new Error(`${words} does not go between ${source} and ${destination}: write icmp`)
  const connection = connectionOf(source, destination, withSource(service))
  return dscp === undefined ? connection : { ...connection, dscp }
}

const withSource = (service: ServiceMember): ServiceMember =>
  service.kind === 'ports' && service.sourcePorts.length === 0
    ? { ...service, sourcePorts: [{ from: anySourcePort, to: anySourcePort }] }
    : service

const readPacketWords = (words: string): { service: ServiceMember; dscp: number | undefined } => {
  const [, protocol, port] = /^\s*(tcp|udp|sctp)\s*[/:]\s*(\d+)\s*$/i.exec(words) ?? []
  if (protocol !== undefined)
    throw new Error(`"${words}" is no packet; write ${protocol.toLowerCase()} ${port}`)
  if (/^\s*\d+\s*$/.test(words))
    throw new Error(
      `"${words}" names no protocol; write tcp ${words} or udp ${words} for a port, proto ${words} for a protocol of IP`,
    )
  if (/^\s*(tcp|udp|sctp)\s*$/.test(words))
    throw new Error(`the port is missing; write for example ${words.trim()} 443`)
  try {
    const reader = new LineReader(tokenize(words), words.length)
    const service = takePacket(reader)
    const dscp = reader.skip('dscp') ? takeCodePoint(reader) : undefined
    if (!reader.isAtEnd) throw new Mistake(0, 0, `"${words}" is more than one packet`, examples)
    return { service, dscp }
  } catch (error) {
    if (error instanceof Mistake)
      throw new Error(`${error.message.replace('a test speaks of', 'a trace is of')}; ${examples}`)
    throw error
  }
}
