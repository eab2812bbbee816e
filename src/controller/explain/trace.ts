/** A question of a person, put to `explain`: names and addresses to a packet and a place. */

import { formatIpv4, formatMac, type Ip, parseMac, readIp } from '../../base/addresses.js'
import { Failure } from '../../base/failures.js'
import type { Explained, Judge } from '../../nfv/function.js'
import type { Connection } from '../../pipeline/connection.js'
import {
  type Asked,
  connectionAsked,
  connectionOfFields,
  connectionText,
} from '../../pipeline/connection.js'
import { type Fields, readFrame, readPacket } from '../../pipeline/packet.js'
import { membershipsOf } from '../../topology/memberships.js'
import type { Host, PortRef, Topology } from '../../topology/model.js'
import { hostsNamed, theHost, thePort } from '../../topology/names.js'
import { sameHost } from '../../topology/paths/answer.js'
import type { Controller } from '../controller.js'
import { type Beginning, type Explanation, explain, fieldsOf } from './explain.js'
import { type Held, readHeld } from './held.js'
import { nextHopOf } from './next-hop.js'
import { type Verification, verify } from './verify.js'

/** From where to where and what; or a frame in hex digits, and where it comes in: `SWITCH:PORT`. */
export interface TraceQuestion extends Partial<Asked> {
  readonly from?: string
  readonly to?: string
  /** Instead of a protocol and ports, in the words of rule files: `tcp 443`. */
  readonly service?: string
  /** To whom the sender hands the packet: a host or MAC; absent: to its destination, or to the router that is known. */
  readonly via?: string
  readonly frame?: string
  readonly at?: string
  /** Ask the switches of this machine as well, and compare. */
  readonly verify?: boolean
}

/** The way through the switches; with what the rules say, where rules are asked. */
export interface TraceAnswer extends Explanation {
  /** What was asked, as it was understood. */
  readonly question: string
  readonly within?: string
  /** And what else a function that judges says. */
  readonly tiers?: unknown
  readonly audits?: unknown
  readonly verified?: Verification
}

/** @throws {Failure} `no-such-host`, `no-such-switch`, `ambiguous`, `bad-request` */
export const trace = async (
  controller: Controller,
  question: TraceQuestion,
): Promise<TraceAnswer> => {
  const topology = controller.topology.current
  const start = startOf(controller, question)
  const { fields } = start
  const text = questionText(topology, start)
  if ('because' in start)
    return {
      question: text,
      verdict: 'not-delivered',
      because: start.because,
      notes: start.notes,
      hops: [],
      deliveredTo: [],
      ...rulesOf(controller, fields),
    }
  const { answer, verified } = await answerOf(controller, topology, start, question.verify === true)
  const { within, ...rules } = answer.rule ? rulesOf(controller, fields) : { within: undefined }
  for (const mismatch of verified?.mismatches ?? [])
    controller.journal.add({ kind: 'trace-mismatch', question: text, ...mismatch })
  return {
    question: text,
    ...answer,
    notes: [...start.notes, ...answer.notes],
    ...(answer.verdict === 'delivered' && within !== undefined && { within }),
    ...rules,
    ...(verified && { verified }),
  }
}

/** A mismatch counts when it is there twice: between the two questions the switch may have been told something new. */
const answerOf = async (
  controller: Controller,
  topology: Topology,
  start: Start,
  wantsProof: boolean,
): Promise<{ readonly answer: Explanation; readonly verified?: Verification }> => {
  for (let isSecond = false; ; isSecond = true) {
    const { answer, runs } = await explain(topology, switchesOf(controller), start)
    if (!wantsProof) return { answer }
    const verified = await verify(controller.localDaemons, topology, runs)
    if (isSecond || verified.mismatches.length === 0) return { answer, verified }
  }
}

/** Each switch is read once for a question. */
const switchesOf = (controller: Controller) => {
  const held = new Map<string, Promise<Held | undefined>>()
  return {
    held: (dpid: PortRef['dpid']) => {
      const reading = held.get(dpid) ?? readHeld(controller, dpid)
      held.set(dpid, reading)
      return reading
    },
    wanted: (dpid: PortRef['dpid']) => controller.programs.get(dpid),
  }
}

/** What the functions that judge say of it; nothing of packets that they are not asked about. */
const rulesOf = (controller: Controller, fields: Fields): Explained =>
  Object.assign({}, ...controller.functions.map(({ judge }) => judge?.explain(fields) ?? {}))

/** A packet and where it comes in; or why it never sets out. */
type Start = Beginning & { readonly notes: readonly string[] } & (
    | object
    | { readonly because: string }
  )

const startOf = (controller: Controller, question: TraceQuestion): Start => {
  const topology = controller.topology.current
  const { from, to, frame, at } = question
  if (frame !== undefined) return frameStart(topology, frame, at)
  if (
    from === undefined ||
    to === undefined ||
    (question.service ?? question.protocol) === undefined
  )
    throw new Failure('bad-request', { detail: 'Give from, to and protocol, or a frame.' })
  return connectionStart(topology, { ...question, from, to }, wordsOf(controller))
}

type InWords = Judge['connection']

/** Words are those of the function that judges. */
const wordsOf = (controller: Controller): InWords => {
  const judge = controller.functions.flatMap(running => running.judge ?? [])[0]
  if (judge) return judge.connection
  return () => {
    throw new Error('Nothing here judges connections: give protocol and ports instead of service.')
  }
}

type Ends = TraceQuestion & { readonly from: string; readonly to: string }

const connectionStart = (topology: Topology, question: Ends, inWords: InWords): Start => {
  const from = theHost(topology, question.from)
  if (from === undefined) throw new Failure('no-such-host', { name: question.from })
  const to = receiverNamed(topology, question.to, from)
  if (to === from && question.via === undefined)
    throw new Failure('bad-request', { detail: sameHost(question.from, question.to) })
  const { source, destination } = addresses(question, from, to)
  const connection = connectionOfQuestion(question, inWords, source, destination)
  const via = question.via === undefined ? undefined : macNamed(topology, question.via, from)
  const next = nextHopOf(topology, from, { source, destination, to, via })
  const tag = membershipsOf(topology.networks).tagAt(from.at, from.network)
  const fields = fieldsOf(connection, {
    sourceMac: from.mac,
    ...('mac' in next && { destinationMac: next.mac }),
    tag,
  })
  return { at: from.at, sender: from, fields, ...next }
}

/** Of several that the text means, the one in the sender's network. */
const receiverNamed = (topology: Topology, text: string, from: Host): Host | undefined => {
  const near = hostsNamed(topology, text).filter(({ network }) => network === from.network)
  const found = near.length === 1 ? near[0] : theHost(topology, text)
  if (found === undefined && readIp(text) === undefined)
    throw new Failure('no-such-host', { name: text })
  return found
}

/** @throws {Failure} `no-such-host` */
const macNamed = (topology: Topology, text: string, from: Host): number => {
  const mac = parseMac(text)
  if (mac !== undefined) return mac
  const found = receiverNamed(topology, text, from)
  if (found === undefined) throw new Failure('no-such-host', { name: text })
  return parseMac(found.mac)!
}

const connectionOfQuestion = (
  { service, protocol = 'icmp', sourcePort, destinationPort }: TraceQuestion,
  inWords: InWords,
  source: Ip,
  destination: Ip,
): Connection => {
  if (service === undefined)
    return connectionAsked(source, destination, {
      protocol,
      ...(sourcePort !== undefined && { sourcePort }),
      ...(destinationPort !== undefined && { destinationPort }),
    })
  const connection = asDetail(() => inWords(source, destination, service))
  return sourcePort === undefined ? connection : { ...connection, sourcePort }
}

/** Mistakes in words of the question are the caller's. */
const asDetail = <T>(read: () => T): T => {
  try {
    return read()
  } catch (error) {
    throw new Failure('bad-request', { detail: error instanceof Error ? error.message : '' })
  }
}

const frameStart = (topology: Topology, frame: string, at: string | undefined): Start => {
  const { fields } = readPacket(asDetail(() => readFrame(frame)))
  const notes = pieceNotes(fields)
  if (at !== undefined) return { at: thePort(topology, at), fields, notes }
  const sender = senderOf(topology, fields)
  return { at: sender.at, sender, fields, notes }
}

/** Who has the MAC; where several networks have it, in the network that the frame's tag means at that port. */
const senderOf = (topology: Topology, fields: Fields): Host => {
  const mac = formatMac(Number(fields.eth_src ?? 0))
  const memberships = membershipsOf(topology.networks)
  const vlan = Number(fields.vlan_vid ?? 0)
  const tag = vlan & 0x1000 ? vlan & 0xfff : undefined
  const tagged = hostsNamed(topology, mac).filter(
    host => memberships.tagAt(host.at, host.network) === tag,
  )
  const found = tagged.length === 1 ? tagged[0] : theHost(topology, mac)
  if (found === undefined) throw new Failure('no-such-host', { name: mac })
  return found
}

const pieceNotes = ({ ip_frag: bits = 0 }: Fields): string[] =>
  Number(bits) === 0
    ? []
    : [
        'a piece of a datagram: the switch holds it until all pieces are there, and what is said here is of the whole',
      ]

const addresses = (question: Ends, from: Host, to: Host | undefined) => {
  const asked = { from: readIp(bare(question.from)), to: readIp(bare(question.to)) }
  const isV6 = (ip: Ip | undefined) => ip?.includes(':') === true
  const hasV4 = [from, to].every(host => host === undefined || host.ips.some(ip => !isV6(ip)))
  const wantsIpv6 = isV6(asked.from) || isV6(asked.to) || (!hasV4 && asked.from === undefined)
  // A link-local address speaks to another one only, RFC 6724 section 5.
  const isLinkLocal = (ip: Ip | undefined) => ip?.startsWith('fe80:') === true
  const pick = (host: Host | undefined, other: Ip | undefined) => {
    const usable = (host?.ips ?? []).filter(ip => isV6(ip) === wantsIpv6)
    return usable.find(ip => isLinkLocal(ip) === isLinkLocal(other)) ?? usable[0]
  }
  const source = asked.from ?? pick(from, asked.to)
  const destination = asked.to ?? pick(to, source)
  if (source === undefined || destination === undefined || isV6(source) !== isV6(destination))
    throw new Failure('bad-request', {
      detail: `${question.from} and ${question.to} have no addresses of the same kind; name an IPv4 or IPv6 address for each.`,
    })
  return { source, destination }
}

/** Without the network in front. */
const bare = (text: string): string => text.slice(text.indexOf('/') + 1)

/** What is asked, as it was understood: `tcp 10.1.0.2:40000 to 10.2.0.10:443, in at s1:2`. */
const questionText = ({ switches }: Topology, { at, fields }: Start): string => {
  const connection = connectionOfFields(fields)
  const vlan = Number(fields.vlan_vid ?? 0)
  return [
    connection ? connectionText(connection) : frameText(fields),
    `in at ${switches.get(at.dpid)?.name ?? at.dpid}:${at.port}`,
    ...(vlan & 0x1000 ? [`with VLAN ${vlan & 0xfff}`] : []),
  ].join(', ')
}

const frameText = (fields: Fields): string => {
  const {
    eth_src: source = 0,
    eth_dst: destination = 0,
    eth_type: type = 0,
    arp_tpa: asked,
  } = fields
  const what =
    asked === undefined
      ? `a frame of type 0x${Number(type).toString(16).padStart(4, '0')}`
      : `ARP about ${formatIpv4(Number(asked))}`
  return `${what} from ${formatMac(Number(source))} to ${formatMac(Number(destination))}`
}
