/** What the topology tells, and how it is made. */
import type { NetworkEvent } from '../base/events.js'
import type { DiscoveryOptions } from './discovery/discovery.js'
import type { HostOptions } from './hosts/hosts.js'
import type { Lease } from './hosts/leases.js'
import type { Host, Link, MulticastGroup, MulticastRouter, Switch } from './model.js'

export interface TopologyEvents {
  /** `current` is another now, and there is a step to make. */
  changed: []
  event: [event: NetworkEvent]
  /** A host is at another switch now. */
  moved: [host: Host]
}

export interface TopologyOptions {
  readonly discovery: DiscoveryOptions
  readonly hosts: HostOptions
}

/** What was known before a restart. */
export interface TopologyFacts {
  readonly switches: readonly Switch[]
  readonly givenIndexes: number
  readonly links: readonly Link[]
  readonly hosts: readonly Host[]
  readonly tree: readonly string[]
  readonly leases: readonly Lease[]
  readonly multicast: readonly MulticastGroup[]
  readonly multicastRouters: readonly MulticastRouter[]
}
