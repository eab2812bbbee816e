/** A question of a person, put to `explain`: names and addresses to a packet and a place. */
import { formatMac, type Ip, ipNumber, parseIpv4, parseIpv6, parseMac } from '../base/addresses.js'
import { Failure } from '../base/failures.js'
import type { Host, Topology } from '../topology/model.js'
import type { Controller } from './controller.js'
import { type Explanation, explain, fieldsOf, type Question } from './explain.js'

export interface TraceQuestion {
  readonly from: string
  readonly to: string
  readonly protocol: Question['protocol']
  readonly sourcePort?: number
  readonly destinationPort?: number
}

/** A port that programs are given, for questions that name none. */
const anySourcePort = 40_000

export const trace = (controller: Controller, question: TraceQuestion): Explanation => {
  const topology = controller.topology.current
  const from = hostNamed(topology, question.from)
  if (from === undefined) throw new Failure('no-such-host', { name: question.from })
  const to = hostNamed(topology, question.to)
  const { source, destination } = addresses(question, from, to)
  const fields = fieldsOf({
    sourceMac: from.mac,
    // Nobody known has the address: the question is still what the rules say of it.
    destinationMac: to?.mac ?? formatMac(0x02534c0000ff),
    source,
    destination,
    protocol: question.protocol,
    sourcePort: question.sourcePort ?? anySourcePort,
    destinationPort: question.destinationPort ?? 0,
  })
  return explain(topology, dpid => controller.programs.get(dpid), from.at, fields)
}

/** By name, MAC or address. */
export const hostNamed = (topology: Topology, text: string): Host | undefined => {
  const mac = parseMac(text)
  if (mac !== undefined) return topology.hosts.get(formatMac(mac))
  const ip = parseIpv6(text)
  return [...topology.hosts.values()].find(
    host =>
      host.name === text ||
      host.ips.some(own => own === text || (ip !== undefined && ipNumber(own) === ip)),
  )
}

const addresses = (question: TraceQuestion, from: Host, to: Host | undefined) => {
  const asked = { from: addressOf(question.from), to: addressOf(question.to) }
  const wantsIpv6 = typeof asked.from === 'bigint' || typeof asked.to === 'bigint'
  const pick = (host: Host | undefined): number | bigint | undefined => {
    const found = host?.ips.find((ip: Ip) => ip.includes(':') === wantsIpv6)
    return found === undefined ? undefined : ipNumber(found)
  }
  const source = asked.from ?? pick(from)
  const destination = asked.to ?? pick(to)
  if (source === undefined || destination === undefined || typeof source !== typeof destination)
    throw new Failure('bad-request', {
      detail: `${question.from} and ${question.to} have no addresses of the same kind; name an IPv4 or IPv6 address for each.`,
    })
  return { source, destination }
}

const addressOf = (text: string): number | bigint | undefined => parseIpv4(text) ?? parseIpv6(text)
