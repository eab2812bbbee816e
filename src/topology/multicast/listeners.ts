/**
 * Asks who listens to which multicast group: every two minutes, and when a switch is here (again), since what was said meanwhile was not heard.
 *
 * Switches of others that snoop (RFC 4541) take who asks for a querier, and from then on pass on what nobody there has asked
 * for to multicast routers only. Such a one is behind each of our ports, as they are told with every question (RFC 4286); at a
 * segment that joins two of ours, by both ends of it.
 */
import type { Dpid } from '../../base/addresses.js'
import type { Cancel, Timers } from '../../base/env/env.js'
import { buildFrame } from '../../pipeline/build.js'
import { checksum, etherTypes, ipProtocols } from '../../pipeline/packet.js'
import { controllerMac } from '../hosts/host-frames.js'
import type { Link, Network, PortRef, Switch } from '../model.js'

const queryPeriodSeconds = 125
/** How often routers ask, and how many of their questions may be lost. */
const timing = [0, queryPeriodSeconds, 0, 2]
/** After a switch is here: when its ports and the tree will be there, and once more for what was lost. */
const startMillis = [1_000, 10_000]
/** How long hosts may wait with their answer. */
const usualSeconds = 10
const startSeconds = 1

export interface ListenersNetwork {
  readonly switches: Iterable<Switch>
  readonly networks: readonly Network[]
  readonly links: ReadonlyMap<string, Link>
}

/** How what is asked gets out. */
export interface ListenersOutput {
  /** Along the tree of a network, and out of its edge ports. */
  flood(dpid: Dpid, network: number, frame: Uint8Array): void
  /** Out of one port. */
  send(at: PortRef, network: number, frame: Uint8Array): void
}

export class Listeners {
  readonly #timers: Timers
  readonly #look: () => ListenersNetwork
  readonly #output: ListenersOutput
  #cancels: Cancel[] = []
  /** Questions that a start has asked for and that are not asked yet. */
  #soon: Cancel[] = []

  constructor(timers: Timers, look: () => ListenersNetwork, output: ListenersOutput) {
    this.#timers = timers
    this.#look = look
    this.#output = output
  }

  start(): void {
    this.#cancels.push(this.#timers.every(1_000 * queryPeriodSeconds, () => this.#ask()))
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
    const { switches, networks, links } = this.#look()
    const first = [...switches].find(known => known.isConnected)
    if (first === undefined) return
    const routers = [igmpRouter(), mldRouter()]
    const all = [igmpQuery(seconds), mldQuery(seconds), ...routers]
    for (const { number } of networks) {
      for (const frame of all) this.#output.flood(first.dpid, number, frame)
      for (const { from, isForeign } of links.values())
        if (isForeign) for (const frame of routers) this.#output.send(from, number, frame)
    }
  }
}

/**
 * A general query of IGMPv3, RFC 3376 section 4.1.
 *
 * @param seconds within which hosts answer, each at a moment of its choice
 */
export const igmpQuery = (seconds = usualSeconds): Uint8Array => {
  const igmp = Uint8Array.of(0x11, 10 * seconds, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0)
  return igmpFrame(0x01005e000001, 0xe0000001, igmp)
}

/** That multicast routers are here: an advertisement of RFC 4286 section 3.2, to all that snoop. */
const igmpRouter = (): Uint8Array =>
  igmpFrame(0x01005e00006a, 0xe000006a, Uint8Array.of(0x30, queryPeriodSeconds, 0, 0, ...timing))

const igmpFrame = (eth_dst: number, ip_dst: number, igmp: Uint8Array): Uint8Array => {
  new DataView(igmp.buffer).setUint16(2, checksum(igmp))
  return buildFrame(
    {
      ...{ eth_dst, eth_src: controllerMac, eth_type: etherTypes.ipv4 },
      ...{ ip_proto: ipProtocols.igmp, nw_ttl: 1, ip_src: 0, ip_dst },
    },
    igmp,
  )
}

/** fe80::53:4cff:fe00:1, of our own MAC. */
const self = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x53, 0x4c, 0xff, 0xfe, 0, 0, 1]
/** ff02::1 and ff02::6a. */
const allNodes = 1
const allSnoopers = 0x6a

/** A general query of MLDv2, RFC 3810 section 5.1: without a group, robustness 2, asked every 125 s, no sources. */
export const mldQuery = (seconds = usualSeconds): Uint8Array => {
  const mld = new Uint8Array(28)
  mld[0] = 130
  new DataView(mld.buffer).setUint16(4, 1_000 * seconds)
  mld.set([2, queryPeriodSeconds], 24)
  return mldFrame(allNodes, mld)
}

const mldRouter = (): Uint8Array =>
  mldFrame(allSnoopers, Uint8Array.of(151, queryPeriodSeconds, 0, 0, ...timing))

/** From a link-local address, with a hop limit of 1 and the router alert option, without which hosts do not hear it. */
const mldFrame = (group: number, mld: Uint8Array): Uint8Array => {
  const to = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, group]
  const pseudo = [...self, ...to, 0, 0, 0, mld.length, 0, 0, 0, ipProtocols.icmpv6]
  new DataView(mld.buffer).setUint16(2, checksum(Uint8Array.of(...pseudo, ...mld)))
  const frame = new Uint8Array(14 + 40 + 8 + mld.length)
  const view = new DataView(frame.buffer)
  frame.set([0x33, 0x33, 0, 0, 0, group])
  view.setUint16(6, Math.floor(controllerMac / 0x100000000))
  view.setUint32(8, controllerMac % 0x100000000)
  view.setUint16(12, etherTypes.ipv6)
  // Version 6; hop-by-hop options come first.
  frame.set([0x60, 0, 0, 0, 0, 8 + mld.length, 0, 1, ...self, ...to], 14)
  frame.set([ipProtocols.icmpv6, 0, 5, 2, 0, 0, 1, 0, ...mld], 54)
  return frame
}
