/** A question of a person, put to `explain`: names and addresses to a packet and a place. */
import { formatMac, type Ip, ipNumber, parseIpv4, parseIpv6, parseMac } from '../base/addresses.js'
import { Failure } from '../base/failures.js'
import { type Asked, anySourcePort, connectionOfFields } from '../nfv/firewall/connection.js'
import { decide } from '../nfv/firewall/decide.js'
import { type RulesAnswer, readFrame, rulesAnswer } from '../nfv/firewall/trace-files.js'
import { type Fields, readPacket } from '../pipeline/packet.js'
import type { Host, PortRef, Topology } from '../topology/model.js'
import type { Controller } from './controller.js'
import { type Explanation, explain, fieldsOf } from './explain.js'

/** From where to where and what; or a frame in hex digits, and where it comes in: `SWITCH:PORT`. */
export interface TraceQuestion extends Partial<Asked> {
  readonly from?: string
  readonly to?: string
  readonly frame?: string
  readonly at?: string
}

/** The way through the switches; with what the rules say, where rules are asked. */
export interface TraceAnswer extends Explanation {
  readonly within?: string
  readonly tiers?: RulesAnswer['tiers']
  readonly audits?: RulesAnswer['audits']
}

/** @throws {Failure} `no-such-host`, `no-such-switch`, `bad-request` */
export const trace = (controller: Controller, question: TraceQuestion): TraceAnswer => {
  const topology = controller.topology.current
  const { at, fields } = startOf(topology, question)
  const way = explain(topology, dpid => controller.programs.get(dpid), at, fields)
  const { resolved } = controller.policies
  const connection = connectionOfFields(fields)
  // Packets that never come to the rules, because the guard has dropped them, have no answer of them.
  if (way.rule === undefined || resolved === undefined || connection === undefined) return way
  const { tiers, audits, within } = rulesAnswer(decide(resolved, connection))
  const isWithin = way.verdict === 'delivered' && within !== undefined
  return { ...way, ...(isWithin && { within }), tiers, ...(audits.length > 0 && { audits }) }
}

type Start = { readonly at: PortRef; readonly fields: Fields }

const startOf = (topology: Topology, question: TraceQuestion): Start => {
  const { from, to, protocol, frame, at } = question
  if (frame !== undefined) return frameAsked(topology, frame, at)
  if (from === undefined || to === undefined || protocol === undefined)
    throw new Failure('bad-request', { detail: 'Give from, to and protocol, or a frame.' })
  return connectionStart(topology, { ...question, from, to, protocol })
}

type Ends = Asked & { readonly from: string; readonly to: string }

const connectionStart = (topology: Topology, question: Ends): Start => {
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
  return { at: from.at, fields }
}

const frameAsked = (topology: Topology, frame: string, at: string | undefined): Start => {
  const { fields } = readPacket(frameOf(frame))
  if (at !== undefined) return { at: portNamed(topology, at), fields }
  const sender = formatMac(Number(fields.eth_src))
  const host = hostNamed(topology, sender)
  if (host === undefined) throw new Failure('no-such-host', { name: sender })
  return { at: host.at, fields }
}

const frameOf = (hex: string): Uint8Array => {
  try {
    return readFrame(hex)
  } catch (error) {
    throw new Failure('bad-request', { detail: error instanceof Error ? error.message : '' })
  }
}

/** `s1:2` or `s1:eth1`. */
const portNamed = (topology: Topology, text: string): PortRef => {
  const [name, port] = [text.replace(/:[^:]*$/, ''), text.replace(/^.*:/, '')]
  const self = [...topology.switches.values()].find(one => one.name === name || one.dpid === name)
  if (self === undefined) throw new Failure('no-such-switch', { name })
  const found = [...self.ports.values()].find(
    one => String(one.number) === port || one.name === port,
  )
  if (found === undefined)
    throw new Failure('bad-request', {
      detail: `${self.name} has no port ${port}; write SWITCH:PORT, as "sluice get hosts" shows places.`,
    })
  return { dpid: self.dpid, port: found.number }
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

const addresses = (question: Ends, from: Host, to: Host | undefined) => {
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
