/**
 * Packet-ins from which hosts and links are learnt, and those for a host that is not known. The controller gives the
 * first packet of a new host back to the pipeline once the switches know the host: it is late, not lost.
 */
import { formatMac } from '../../base/addresses.js'
import type { Clock } from '../../base/env/env.js'
import { RateLimit } from '../../base/rate-limit.js'
import type { PuntedPacket, PuntHandler, PuntHandlers, PuntKind } from '../../nfv/function.js'
import { buildFrame } from '../../pipeline/build.js'
import { finishChecksums } from '../../pipeline/finish.js'
import { readPacket } from '../../pipeline/packet.js'
import { type PuntReason, returnedReasons } from '../../pipeline/userdata.js'
import { isElection } from '../../topology/forwarding/elections.js'
import { controllerMac } from '../../topology/hosts/host-frames.js'
import type { PortRef } from '../../topology/model.js'
import type { TopologyService } from '../../topology/topology.js'

export interface HostPuntOutput {
  /** Gives a frame back to the pipeline of a switch, as if it came in at the port now. */
  reinject(at: PortRef, frame: Uint8Array): void
  /** Resolves when what is known now is in the switches. */
  programmed(): Promise<void>
}

export class HostPunts {
  readonly #topology: TopologyService
  readonly #output: HostPuntOutput
  #waiting = 0
  /** Should there be a loop that nobody has found yet, they go round in it as often as this. */
  readonly #elections: RateLimit

  constructor(clock: Clock, topology: TopologyService, output: HostPuntOutput) {
    this.#topology = topology
    this.#output = output
    this.#elections = new RateLimit(clock, electionsPerSecond, electionsPerSecond)
  }

  get handlers(): PuntHandlers {
    const of = (kind: PuntKind, reason: PuntReason): PuntHandler => ({
      kind,
      receive: packet => this.#receive(reason, packet),
    })
    return {
      discover: of('probes', 'discover'),
      teach: of('packets', 'teach'),
      seek: of('packets', 'seek'),
      hear: of('packets', 'hear'),
      asked: of('questions', 'asked'),
    }
  }

  #receive(reason: PuntReason, { at, value: network, frame }: PuntedPacket): void {
    const isKnown = this.#topology.packetIn(at, reason, frame, network)
    if (isKnown && (returnedReasons.has(reason) || reason === 'seek'))
      this.#goOn(reason, at, network, frame)
    else if (reason === 'teach' && !this.#elect(at, network, frame))
      this.#askOnly(at, network, frame)
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

const maxWaiting = 1_024
const electionsPerSecond = 100
