/**
 * Timeouts of services: which ports they are of, and what cannot have one.
 *
 * A connection is timed by its ports before any rule is asked, whichever end has them: 22 at either end of a TCP
 * connection is that of `service ssh = tcp 22 timeout 8h`, and the answer finds what the question has opened.
 */

import { complaintAt } from '../text/complaint.js'
import type { PortRange, RuleError } from '../text/rule.js'
import { formatSpan } from '../text/times.js'
import { everyPort, overlap, unionPorts } from './ports.js'
import type { TimedPorts, TimedProtocol, TimedService, Timeout } from './resolved.js'

/** Each has a zone of its own in every network, of 63 that there are. */
const maxTimeouts = 7

/** Of UDP, whose datagrams come in pieces: these look into one zone after the other, six at most with their other ways. */
export const maxTimeoutsOfPieces = 2

/** In order, so that the same port is the same in both. */
export const timedProtocols: readonly TimedProtocol[] = ['tcp', 'udp']
const protocolNames: ReadonlyMap<number | undefined, TimedProtocol> = new Map([
  [6, 'tcp'],
  [17, 'udp'],
])

interface Timed {
  readonly service: TimedService
  readonly protocol: TimedProtocol
  readonly ports: readonly PortRange[]
}

/**
 * @param helped TCP ports at which a helper reads: what it expects is looked for in the zone of the network
 * @returns one for each different time, the shortest first
 */
export const resolveTimeouts = (
  services: readonly TimedService[],
  helped: readonly PortRange[],
): { readonly timeouts: readonly Timeout[]; readonly complaints: readonly RuleError[] } => {
  const complaints: RuleError[] = []
  const all: Timed[] = []
  for (const service of services) {
    const found = timedOf(service)
    const isHelped = service.terms.some(term => term.helper !== undefined)
    const problem = isHelped ? readByHelper : found ? problemOf(found, all, helped) : notTimed
    if (problem) complaints.push(complain(service, ...problem))
    else all.push(...found!)
  }
  const seconds = [...new Set(all.map(({ service }) => service.seconds))].sort((a, b) => a - b)
  if (seconds.length > maxTimeouts)
    complaints.push(
      complain(
        services.at(-1)!,
        `there are more than ${maxTimeouts} different timeouts`,
        `use one of those there are: ${seconds.slice(0, -1).map(formatSpan).join(', ')}`,
      ),
    )
  const ofPieces = all.filter(({ protocol }) => protocol === 'udp').map(({ service }) => service)
  const piecesSeconds = [...new Set(ofPieces.map(({ seconds }) => seconds))]
  if (piecesSeconds.length > maxTimeoutsOfPieces)
    complaints.push(
      complain(
        ofPieces.find(({ seconds }) => seconds === piecesSeconds[maxTimeoutsOfPieces])!,
        `there are more than ${maxTimeoutsOfPieces} different timeouts of UDP: datagrams in fragments would open nothing`,
        `use one of those there are: ${piecesSeconds.slice(0, maxTimeoutsOfPieces).map(formatSpan).join(', ')}`,
      ),
    )
  return {
    timeouts: seconds.map(each => ({ seconds: each, ports: portsOf(all, each) })),
    complaints,
  }
}

type Problem = readonly [message: string, hint: string]

const notTimed: Problem = [
  'only TCP and UDP services have timeouts of their own',
  'name destination ports of TCP and UDP; other timeouts are those of a network: kind Switch, conntrack',
]

const readByHelper: Problem = [
  'connections that a helper reads have no timeout of their own',
  'what they agree upon is looked for among all connections of the network; leave the port of the helper out',
]

/** Undefined when there is something among it that cannot have a timeout. */
const timedOf = (service: TimedService): readonly Timed[] | undefined => {
  const found: Timed[] = []
  for (const { protocol: number, source, destination = everyPort } of service.terms) {
    const protocol = protocolNames.get(number)
    if (protocol === undefined || source !== undefined) return undefined
    found.push({ service, protocol, ports: destination })
  }
  return found
}

const problemOf = (
  found: readonly Timed[],
  all: readonly Timed[],
  helped: readonly PortRange[],
): Problem | undefined => {
  for (const { service, protocol, ports } of found) {
    if (protocol === 'tcp' && overlap(ports, helped)) return readByHelper
    const other = all.find(
      each =>
        each.protocol === protocol &&
        each.service.seconds !== service.seconds &&
        overlap(each.ports, ports),
    )
    if (other)
      return [
        `a ${protocol} port of it has another timeout already`,
        `${formatSpan(other.service.seconds)} by ${other.service.line.file}:${other.service.line.line}; a port has one timeout, whichever rule names it`,
      ]
  }
  return undefined
}

const complain = ({ line }: TimedService, message: string, hint: string): RuleError =>
  complaintAt(line, Math.max(0, line.text.lastIndexOf('timeout')), 'timeout'.length, message, hint)

const portsOf = (all: readonly Timed[], seconds: number): TimedPorts => {
  const ofTime = all.filter(({ service }) => service.seconds === seconds)
  return portsBy(protocol =>
    ofTime.filter(one => one.protocol === protocol).flatMap(one => one.ports),
  )
}

/** Sets by protocol; a protocol without ports is left out. */
export const portsBy = (of: (protocol: TimedProtocol) => readonly PortRange[]): TimedPorts => {
  const entries = timedProtocols.map(protocol => [protocol, unionPorts(of(protocol))] as const)
  return Object.fromEntries(entries.filter(([, ports]) => ports.length > 0))
}
