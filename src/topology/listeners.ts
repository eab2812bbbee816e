/** Asks who listens to which multicast group: every two minutes, and when a switch is here (again), since what was said meanwhile was not heard. */
import type { Dpid } from '../base/addresses.js'
import type { Cancel, Timers } from '../base/env.js'
import { buildFrame } from '../pipeline/build.js'
import { checksum, etherTypes, ipProtocols } from '../pipeline/packet.js'
import { controllerMac } from './host-frames.js'
import type { Network, Switch } from './model.js'

const queryPeriodMillis = 125_000
/** After a switch is here: when its ports and the tree will be there, and once more for what was lost. */
const startMillis = [1_000, 10_000]
/** How long hosts may wait with their answer. */
const usualSeconds = 10
const startSeconds = 1

export interface ListenersNetwork {
  readonly switches: Iterable<Switch>
  readonly networks: readonly Network[]
}

export class Listeners {
  readonly #timers: Timers
  readonly #look: () => ListenersNetwork
  readonly #flood: (dpid: Dpid, network: number, frame: Uint8Array) => void
  #cancels: Cancel[] = []
  /** Questions that a start has asked for and that are not asked yet. */
  #soon: Cancel[] = []

  constructor(
    timers: Timers,
    look: () => ListenersNetwork,
    flood: (dpid: Dpid, network: number, frame: Uint8Array) => void,
  ) {
    this.#timers = timers
    this.#look = look
    this.#flood = flood
  }

  start(): void {
    this.#cancels.push(this.#timers.every(queryPeriodMillis, () => this.#ask()))
  }

  stop(): void {
    for (const cancel of [...this.#cancels.splice(0), ...this.#soon.splice(0)]) cancel()
  }

  /** A switch is here: switches that come together are one start. */
  switchReady(): void {
    for (const cancel of this.#soon.splice(0)) cancel()
    this.#soon = startMillis.map(millis =>
      this.#timers.after(millis, () => this.#ask(startSeconds)),
    )
  }

  /** In every network, from one of its switches, along the tree. */
  #ask(seconds?: number): void {
    const { switches, networks } = this.#look()
    const first = [...switches].find(known => known.isConnected)
    if (first === undefined) return
    for (const { number } of networks)
      for (const query of [igmpQuery(seconds), mldQuery(seconds)])
        this.#flood(first.dpid, number, query)
  }
}

/** A general query of IGMPv3, RFC 3376 section 4.1. */
/** @param seconds within which hosts answer, each at a moment of its choice */
export const igmpQuery = (seconds = usualSeconds): Uint8Array => {
  const igmp = new Uint8Array(12)
  igmp.set([0x11, 10 * seconds, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0])
  new DataView(igmp.buffer).setUint16(2, checksum(igmp))
  return buildFrame(
    {
      eth_dst: 0x01005e000001,
      eth_src: controllerMac,
      eth_type: etherTypes.ipv4,
      ip_proto: ipProtocols.igmp,
      nw_ttl: 1,
      ip_src: 0,
      ip_dst: 0xe0000001,
    },
    igmp,
  )
}

/** fe80::53:4cff:fe00:1, of our own MAC. */
const self = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x53, 0x4c, 0xff, 0xfe, 0, 0, 1]
/** ff02::1, all nodes. */
const allNodes = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]

/**
 * A general query of MLDv2, RFC 3810 section 5.1: from a link-local address, with a hop limit of 1 and the router
 * alert option, without which hosts do not hear it.
 */
export const mldQuery = (seconds = usualSeconds): Uint8Array => {
  const frame = new Uint8Array(14 + 40 + 8 + 28)
  const view = new DataView(frame.buffer)
  frame.set([0x33, 0x33, 0, 0, 0, 1])
  view.setUint16(6, Math.floor(controllerMac / 0x100000000))
  view.setUint32(8, controllerMac % 0x100000000)
  view.setUint16(12, etherTypes.ipv6)
  // Version 6; 36 octets follow, hop-by-hop options first.
  frame.set([0x60, 0, 0, 0, 0, 36, 0, 1, ...self, ...allNodes], 14)
  frame.set([ipProtocols.icmpv6, 0, 5, 2, 0, 0, 1, 0], 54)
  // No group; robustness 2, asked every 125 s, no sources.
  frame[62] = 130
  view.setUint16(66, 1_000 * seconds)
  frame.set([2, 125, 0, 0], 86)
  const pseudo = new Uint8Array(40 + 28)
  pseudo.set([...self, ...allNodes, 0, 0, 0, 28, 0, 0, 0, ipProtocols.icmpv6])
  pseudo.set(frame.subarray(62), 40)
  view.setUint16(64, checksum(pseudo))
  return frame
}
