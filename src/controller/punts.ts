/**
 * Packets that flows send up: they teach the topology, ask for somebody, or were logged or rejected by a
 * rule. A packet whose sender was just learnt goes back into the pipeline once the switches know the
 * sender too, so the first packet of a host is late, not lost.
 */
import { parseIpv6 } from '../base/addresses.js'
import type { Env } from '../base/env.js'
import { rejectionOf } from '../nfv/firewall/reject.js'
import { buildFrame } from '../pipeline/build.js'
import { finishChecksums } from '../pipeline/finish.js'
import { etherTypes, type Fields, ipProtocols, readPacket } from '../pipeline/packet.js'
import { type PuntReason, readUserdata } from '../pipeline/userdata.js'
import { controllerMac } from '../topology/hosts.js'
import type { Port, PortRef, Topology } from '../topology/model.js'
import type { TopologyService } from '../topology/topology.js'

export interface PuntedPacket {
  readonly inPort: number
  readonly data: Uint8Array
  readonly userdata?: Uint8Array | undefined
}

/** What punts need of the rest of the controller. */
export interface PuntOutput {
  send(at: PortRef, frame: Uint8Array): void
  /** Gives a frame back to the pipeline of a switch, as if it came in at the port now. */
  reinject(at: PortRef, frame: Uint8Array): void
  /** Resolves when what is known now is in the switches. */
  programmed(): Promise<void>
  ruleHit(reason: 'log' | 'reject', ruleId: number, at: PortRef, fields: Fields): void
}

const maxWaiting = 1_024
/** One search for an address in this time. */
const seekPauseMillis = 1_000

export class Punts {
  readonly #env: Env
  readonly #topology: TopologyService
  readonly #output: PuntOutput
  readonly #soughtMillis = new Map<string, number>()
  #waiting = 0

  constructor(env: Env, topology: TopologyService, output: PuntOutput) {
    this.#env = env
    this.#topology = topology
    this.#output = output
  }

  receive(dpid: PortRef['dpid'], packet: PuntedPacket): void {
    const punt = readUserdata(packet.userdata)
    if (punt === undefined) return
    const at = { dpid, port: packet.inPort }
    if (punt.reason === 'log' || punt.reason === 'reject')
      return this.#judged(punt.reason, punt.value, at, packet.data)
    const isKnown = this.#topology.packetIn(at, punt.reason, packet.data)
    if (isKnown) this.#goOn(punt.reason, at, packet.data)
  }

  #judged(reason: 'log' | 'reject', ruleId: number, at: PortRef, frame: Uint8Array): void {
    this.#output.ruleHit(reason, ruleId, at, readPacket(frame).fields)
    if (reason === 'log') return
    const answer = rejectionOf(frame)
    if (answer) this.#output.send(at, answer)
  }

  #goOn(reason: PuntReason, at: PortRef, frame: Uint8Array): void {
    const { fields } = readPacket(frame)
    if (fields.eth_dst === controllerMac) return
    if (reason === 'seek') return this.#seek(at, fields)
    if (this.#waiting >= maxWaiting) return
    this.#waiting++
    const copy = finishChecksums(frame).slice()
    this.#output
      .programmed()
      .then(() => this.#output.reinject(at, copy))
      .finally(() => {
        this.#waiting--
      })
  }

  /** Asks for an address at every edge port but the one where it was asked for. */
  #seek(at: PortRef, fields: Fields): void {
    const question = questionFor(fields)
    const key = String(fields.ip_dst ?? fields.ipv6_dst)
    const now = this.#env.clock.nowMillis()
    if (
      question === undefined ||
      now - (this.#soughtMillis.get(key) ?? -seekPauseMillis) < seekPauseMillis
    )
      return
    if (this.#soughtMillis.size > maxWaiting) this.#soughtMillis.clear()
    this.#soughtMillis.set(key, now)
    for (const edge of edgePorts(this.#topology.current))
      if (edge.dpid !== at.dpid || edge.port !== at.port) this.#output.send(edge, question)
  }
}

const edgePorts = (topology: Topology): PortRef[] =>
  [...topology.switches.values()].flatMap(known =>
    [...known.ports.values()]
      .filter((port: Port) => port.kind === 'edge' && port.isUp)
      .map(port => ({ dpid: known.dpid, port: port.number })),
  )

const broadcast = 0xffffffffffff

/** ARP or neighbour solicitation for the destination of an IP packet. */
const questionFor = (fields: Fields): Uint8Array | undefined => {
  if (typeof fields.ip_dst === 'number')
    return buildFrame({
      eth_dst: broadcast,
      eth_src: controllerMac,
      eth_type: etherTypes.arp,
      arp_op: 1,
      arp_sha: controllerMac,
      arp_spa: 0,
      arp_tha: 0,
      arp_tpa: fields.ip_dst,
    })
  if (typeof fields.ipv6_dst !== 'bigint') return undefined
  const low = Number(fields.ipv6_dst & 0xffffffn)
  return buildFrame({
    eth_dst: 0x3333ff000000 + low,
    eth_src: controllerMac,
    eth_type: etherTypes.ipv6,
    ip_proto: ipProtocols.icmpv6,
    nw_ttl: 255,
    ipv6_src: parseIpv6('fe80::53:4cff:fe00:1')!,
    ipv6_dst: parseIpv6('ff02::1:ff00:0')! | BigInt(low),
    icmpv6_type: 135,
    nd_target: fields.ipv6_dst,
    nd_sll: controllerMac,
  })
}
