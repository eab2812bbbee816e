/** What the topology tells, and how it is made. */
import type { DiscoveryOptions } from './discovery.js'
import type { HostOptions } from './hosts.js'

export interface NetworkEvent {
  readonly kind: string
  readonly [detail: string]: unknown
}

export interface TopologyEvents {
  /** `current` is another now; asked for when it is needed. */
  changed: []
  event: [event: NetworkEvent]
}

export interface TopologyOptions {
  readonly discovery: DiscoveryOptions
  readonly hosts: HostOptions
}
