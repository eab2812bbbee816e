/**
 * Packets that flows send up: they teach the topology, ask for somebody, or were logged or rejected by a
 * rule. A packet whose sender was just learnt goes back into the pipeline once the switches know the
 * sender too, so the first packet of a host is late, not lost.
 */

import { formatMac } from '../base/addresses.js'
import type { Clock } from '../base/env.js'
import { RateLimit } from '../base/rate-limit.js'
import { plainNumber } from '../nfv/firewall/place-rows.js'
import { rejectionOf } from '../nfv/firewall/reject.js'
import type { RejectCode } from '../nfv/firewall/rule.js'
import type { Match } from '../openflow/values.js'
import { buildFrame } from '../pipeline/build.js'
import { finishChecksums } from '../pipeline/finish.js'
import { type Fields, readPacket } from '../pipeline/packet.js'
import { registers } from '../pipeline/registers.js'
import { type PuntReason, readUserdata, returnedReasons } from '../pipeline/userdata.js'
import { isElection } from '../topology/forwarding/elections.js'
import { controllerMac } from '../topology/host-frames.js'
import type { PortRef } from '../topology/model.js'
import type { TopologyService } from '../topology/topology.js'
import type { PuntKind, PuntLimit } from './punt-limit.js'

export interface PuntedPacket {
  readonly inPort: number
  readonly data: Uint8Array
  readonly userdata?: Uint8Array | undefined
  readonly match: Match
}

/** What punts need of the rest of the controller. */
export interface PuntOutput {
  send(at: PortRef, frame: Uint8Array): void
  /** Gives a frame back to the pipeline of a switch, as if it came in at the port now. */
  reinject(at: PortRef, frame: Uint8Array): void
  /** Resolves when what is known now is in the switches. */
  programmed(): Promise<void>
  /** What the rule tells whom it rejects, where it says. */
  answerOf(ruleId: number): RejectCode | undefined
  /** Whether the rule has not said too much yet. */
  mayLog(ruleId: number): boolean
  /** The first packet of a connection that was accepted; it has gone on. */
  learnt(fields: Fields): void
  /** A connection asks for a place among those that its rule counts, or says that it has opened. */
  counted(reason: 'admit' | 'opened', ruleId: number, dpid: string, packet: PuntedPacket): void
  /** A SYN that conntrack took for invalid, and that was dropped. */
  invalid(at: PortRef, frame: Uint8Array): void
  ruleHit(reason: 'log' | 'reject', ruleId: number, at: PortRef, fields: Fields): void
}

export class Punts {
  readonly #topology: TopologyService
  readonly #output: PuntOutput
  #waiting = 0
  /** Should there be a loop that nobody has found yet, they go round in it as often as this. */
  readonly #elections: RateLimit

  constructor(clock: Clock, topology: TopologyService, output: PuntOutput) {
    this.#topology = topology
    this.#output = output
    this.#elections = new RateLimit(clock, electionsPerSecond, electionsPerSecond)
  }

  receive(dpid: PortRef['dpid'], packet: PuntedPacket, limit: PuntLimit): void {
    const punt = readUserdata(packet.userdata)
    if (punt === undefined || !limit.take(kindOf[punt.reason] ?? 'packets')) return
    const at = { dpid, port: packet.inPort }
    if (punt.reason === 'log' || punt.reason === 'reject')
      return this.#judged(punt.reason, punt.value, at, packet)
    if (punt.reason === 'admit' || punt.reason === 'opened')
      return this.#output.counted(punt.reason, punt.value, dpid, packet)
    if (punt.reason === 'invalid') return this.#output.invalid(at, packet.data)
    if (punt.reason === 'learn') return this.#output.learnt(readPacket(packet.data).fields)
    const isKnown = this.#topology.packetIn(at, punt.reason, packet.data, punt.value)
    if (isKnown && (returnedReasons.has(punt.reason) || punt.reason === 'seek'))
      this.#goOn(punt.reason, at, punt.value, packet.data)
    else if (punt.reason === 'teach' && !this.#elect(at, punt.value, packet.data))
      this.#askOnly(at, punt.value, packet.data)
  }

  /** Routers that share a MAC hear each other wherever that is. */
  #elect(at: PortRef, network: number, frame: Uint8Array): boolean {
    if (!isElection(readPacket(frame).fields)) return false
    if (this.#topology.guardAt(at, network) !== 'strict' && this.#elections.take())
      this.#giveBack(at, network, frame)
    return true
  }

  /**
   * A sender that is where it says, and has not the address it says (yet): its ARP question goes on as one that says
   * nothing of it, so that it can send, as real servers of a virtual address do. An announcement does not.
   */
  #askOnly(at: PortRef, network: number, frame: Uint8Array): void {
    const { arp_op, arp_sha, arp_spa, arp_tpa, eth_src, vlan_vid, ...rest } =
      readPacket(frame).fields
    if (Number(vlan_vid ?? 0) !== 0) return
    const isQuestion = arp_op === 1 && arp_spa !== 0 && arp_spa !== arp_tpa && arp_sha === eth_src
    if (!isQuestion || eth_src === undefined || arp_tpa === undefined) return
    if (this.#topology.guardAt(at, network) === 'strict') return
    if (!this.#topology.isAt(at, network, formatMac(Number(eth_src)))) return
    const question = buildFrame({ ...rest, eth_src, arp_op, arp_sha: eth_src, arp_spa: 0, arp_tpa })
    this.#giveBack(at, network, question)
  }

  #judged(reason: 'log' | 'reject', ruleId: number, at: PortRef, packet: PuntedPacket): void {
    const { data: frame, match } = packet
    if (reason === 'reject' || this.#output.mayLog(ruleId))
      this.#output.ruleHit(reason, ruleId, at, readPacket(frame).fields)
    if (reason === 'log') return
    const network = plainNumber(match.reg0) & (2 ** registers.network.size - 1)
    const isBroadcast = (address: number) => this.#topology.isBroadcast(network, address)
    const answer = rejectionOf(frame, isBroadcast, this.#output.answerOf(ruleId))
    if (answer === undefined) return
    const sender = formatMac(Number(readPacket(frame).fields.eth_src))
    const back = this.#topology.placeOfSender(at, network, sender)
    this.#output.send(back, this.#topology.tagged(back, network, answer))
  }

  #goOn(reason: PuntReason, at: PortRef, network: number, frame: Uint8Array): void {
    const { fields } = readPacket(frame)
    if (fields.eth_dst === controllerMac) return
    const target = fields.ip_dst ?? fields.ipv6_dst
    if (reason === 'seek') {
      const isTagged = Number(fields.vlan_vid ?? 0) !== 0
      if (!isTagged && (typeof target === 'number' || typeof target === 'bigint'))
        this.#topology.seek(at, network, target)
      if (this.#topology.guardAt(at, network) !== 'strict')
        this.#topology.spread(at, network, new Uint8Array(finishChecksums(frame)))
      return
    }
    this.#giveBack(at, network, frame)
  }

  /** Into the pipeline again, once the switches know what we know. */
  #giveBack(at: PortRef, network: number, frame: Uint8Array): void {
    if (this.#waiting >= maxWaiting) return
    this.#waiting++
    // Not `slice`: of a Buffer it would be a view into what was received.
    const copy = new Uint8Array(this.#topology.tagged(at, network, finishChecksums(frame)))
    this.#output
      .programmed()
      .then(() => this.#output.reinject(at, copy))
      .finally(() => {
        this.#waiting--
      })
  }
}

/** Which bucket pays: a flood of one kind takes nothing from the others. */
const kindOf: { readonly [reason in PuntReason]?: PuntKind } = {
  discover: 'probes',
  log: 'logs',
  reject: 'rejections',
  asked: 'questions',
  admit: 'openings',
  opened: 'openings',
}

const maxWaiting = 1_024
const electionsPerSecond = 100
