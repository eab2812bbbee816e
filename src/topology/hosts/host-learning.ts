/** What a packet teaches that came from an edge port: hosts, who listens to multicast, addresses that were given. */
import { readPacket } from '../../pipeline/packet.js'
import type { PuntReason } from '../../pipeline/userdata.js'
import type { PortRef } from '../model.js'
import type { MulticastTable } from '../multicast/multicast.js'
import { givenAddresses, reportedNameOf } from './dhcp.js'
import { claimOf } from './host-frames.js'
import type { HostTracker } from './hosts.js'

export interface TaughtNetwork {
  /** True when people have declared that a DHCP server is there. */
  isDhcpServer(at: PortRef): boolean
  groupsChanged(): void
  leased(): void
}

export class Teacher {
  readonly #tracker: HostTracker
  readonly #multicast: MulticastTable
  readonly #network: TaughtNetwork

  constructor(tracker: HostTracker, multicast: MulticastTable, network: TaughtNetwork) {
    this.#tracker = tracker
    this.#multicast = multicast
    this.#network = network
  }

  /** @returns true when the sender is known there now */
  hear(at: PortRef, reason: PuntReason, frame: Uint8Array, network: number): boolean {
    const packet = readPacket(frame)
    const claim = claimOf(packet.fields, at, network)
    if (claim === undefined) return false
    // What is under a tag that nobody reads says where its sender is, and nothing else.
    if (Number(packet.fields.vlan_vid ?? 0) !== 0)
      return this.#tracker.learn({ mac: claim.mac, ips: [], at, network })
    if (reason === 'hear' && this.#multicast.hear(at, network, frame)) this.#network.groupsChanged()
    const reportedName = reportedNameOf(frame, packet)
    const isKnown = this.#tracker.learn(
      reportedName === undefined ? claim : { ...claim, reportedName },
    )
    if (isKnown && this.#network.isDhcpServer(at))
      for (const { mac, ip, seconds } of givenAddresses(frame, packet)) {
        this.#tracker.lease(network, mac, ip, seconds)
        this.#network.leased()
      }
    return isKnown
  }
}
