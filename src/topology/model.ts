/** The network as it is known: values that never change; a change makes new ones and keeps the rest. */

import type { Cidr, Dpid, Ip, Mac } from '../base/addresses.js'
import type { CarrierName } from '../pipeline/carriers.js'
import type { GuardLevel, Guards } from './hosts/guard-level.js'
import type { Lease } from './hosts/leases.js'
import type { LaidIntent } from './intents/entries.js'
import type { Intent } from './intents/intent.js'

/**
 * unknown: not decided yet, nothing passes · edge: hosts · fabric: another switch of ours
 */
export type PortKind = 'unknown' | 'edge' | 'fabric'

/** dhcp: addresses, of IPv4 and IPv6 · router: router advertisements and redirects of IPv6. */
export const services = ['dhcp', 'router'] as const
export type Service = (typeof services)[number]

export interface Port {
  readonly number: number
  readonly name: string
  readonly mac: Mac
  readonly isUp: boolean
  readonly kind: PortKind
  /** Kilobits per second, 0 when the switch does not say. */
  readonly speedKbps: number
}

export interface Switch {
  readonly dpid: Dpid
  readonly name: string
  /** A small number, the same after a restart: group ids and conntrack zones come from it. */
  readonly index: number
  readonly isConnected: boolean
  readonly ports: ReadonlyMap<number, Port>
}

/** Whether hosts may be at it: a switch without edge ports only passes frames on. */
export const hasEdge = ({ ports }: Switch): boolean => {
  for (const port of ports.values()) if (port.kind === 'edge' && port.isUp) return true
  return false
}

export interface PortRef {
  readonly dpid: Dpid
  readonly port: number
}

/** One direction; a link carries traffic when both are up. */
export interface Link {
  readonly from: PortRef
  readonly to: PortRef
  /** At least 1. */
  readonly cost: number
  /** Milliseconds between sending a probe and seeing it again, controller to controller. */
  readonly rttMillis?: number
  /** Milliseconds on the wire: declared, or the round trip less what the two switches take to answer. */
  readonly latencyMillis?: number
  readonly bandwidthKbps?: number
  /** 0 to 1: the share of the bandwidth in use in this direction. */
  readonly utilisation?: number
  readonly tags?: readonly string[]
  /** True when a switch that is not ours lies between: found by the broadcast probe only. */
  readonly isForeign?: boolean
  /** True while it comes and goes too often: it costs more than any way without it, and is used where there is none. */
  readonly isDamped?: boolean
}

/** What a damped link costs on top, by whatever is counted; more than any path without one. */
export const dampedCost = 1e9

export interface Host {
  readonly mac: Mac
  /** Those it has announced, in the order they were learnt; hosts at one port may share an address. */
  readonly ips: readonly Ip[]
  readonly at: PortRef
  readonly network: number
  /** Declared by people; rules speak of it. */
  readonly name?: string
  /** What it calls itself to a DHCP server; nobody vouches for it. */
  readonly reportedName?: string
  /** Declared with its place: it cannot move by itself. */
  readonly isPinned: boolean
}

/** The MAC; in networks other than the first with the network's number before it. */
export const hostKey = (network: number, mac: Mac): string =>
  network === 1 ? mac : `${network}/${mac}`

/** The first network's frames have at most a priority tag between switches; those of others carry their number as VLAN. */
export interface Network {
  /** 1 to 63; between switches it is the VLAN of all networks but the first. */
  readonly number: number
  readonly name: string
  /** Its edge ports; the first network also has those that no network names. */
  readonly ports?: readonly NetworkPort[]
  /** CIDRs that rules mean by its name; absent: the addresses of its hosts. */
  readonly subnets?: readonly string[]
  /** Of its frames at ports that have no level of their own. */
  readonly guard?: GuardLevel
  /** What a router passes between the networks it joins is remembered in the zone of one of them: the first that its router names; absent: no router joins it. */
  readonly domain?: number
}

/** Where a router of ours is reached: it is in every switch, with one MAC. */
export interface Gateway {
  readonly router: string
  readonly network: number
  /** The number of the first network that the router names. */
  readonly domain: number
  readonly mac: Mac
  /** Its own addresses there, with the lengths of their subnets; the first of each version sends its errors. */
  readonly addresses: readonly Cidr[]
}

/** An address that sluice itself has in a network, where no router of ours has one. */
export interface Station {
  readonly network: number
  readonly mac: Mac
  readonly ips: readonly Ip[]
  /** For people: `the DHCP server`. */
  readonly what: string
}

export interface NetworkPort {
  readonly at: PortRef
  /** The tag of its frames at this port; absent: none (an access port). */
  readonly vlan?: number
}

export interface Topology {
  readonly switches: ReadonlyMap<Dpid, Switch>
  /** How many indexes switches were given so far: they come around, those of forgotten switches too. */
  readonly givenIndexes: number
  /** By `dpid/port` of where they begin; only links with both directions up. */
  readonly links: ReadonlyMap<string, Link>
  /** By `hostKey`. */
  readonly hosts: ReadonlyMap<string, Host>
  readonly networks: readonly Network[]
  /** Links that broadcast follows, by where they begin; both directions of each. */
  readonly tree: ReadonlySet<string>
  /** Who listens to which multicast group. */
  readonly multicast: readonly MulticastGroup[]
  /** Addresses that DHCP servers have given, by network and address; whoever looks sees them, nothing is compiled for them. */
  readonly leases: ReadonlyMap<string, Lease>
  /** Ports where a multicast router asks; every group of the network goes there. */
  readonly multicastRouters: readonly MulticastRouter[]
  /** Paths that people asked for, by name. */
  readonly intents: readonly Intent[]
  /** Ports that are declared for a service, by `dpid/port`; a service that no port is declared for is anybody's. */
  readonly serving: ReadonlyMap<string, readonly Service[]>
  /** Frames that carry IP unseen, and that pass from these ports under any policy, by `dpid/port`. */
  readonly carrying: ReadonlyMap<string, readonly CarrierName[]>
  /** How much of what ports send is believed. */
  readonly guards: Guards
  /** The edge port that leads outside: who is beyond it is an address, and no host; undefined when none is declared. */
  readonly uplink: PortRef | undefined
  /** Of routers that are in force. */
  readonly gateways: readonly Gateway[]
  /** What of them is in force now; a change of path goes stage by stage. */
  readonly laid: readonly LaidIntent[]
}

export interface MulticastGroup {
  readonly network: number
  /** The group's Ethernet address. */
  readonly mac: number
  /** A small number, its own as long as somebody listens. */
  readonly index: number
  /** Ports with listeners or with a router, sorted by `portKey`. */
  readonly ports: readonly PortRef[]
}

export interface MulticastRouter {
  readonly network: number
  readonly at: PortRef
}

/** By their dpid, as people expect lists. */
export const switchesInOrder = ({ switches }: Topology): readonly Switch[] =>
  [...switches.values()].sort((a, b) => (a.dpid < b.dpid ? -1 : 1))

export const emptyTopology: Topology = {
  switches: new Map(),
  givenIndexes: 0,
  links: new Map(),
  hosts: new Map(),
  networks: [{ number: 1, name: 'default' }],
  tree: new Set(),
  leases: new Map(),
  multicast: [],
  multicastRouters: [],
  intents: [],
  serving: new Map(),
  carrying: new Map(),
  guards: { usual: 'default', byPort: new Map() },
  uplink: undefined,
  gateways: [],
  laid: [],
}

export const portKey = (at: PortRef): string => `${at.dpid}/${at.port}`

/** @param key as `portKey` makes it */
export const portOfKey = (key: string): PortRef => {
  const [dpid = '', port] = key.split('/')
  return { dpid: dpid as Dpid, port: Number(port) }
}

export const isSamePort = (a: PortRef, b: PortRef): boolean =>
  a.dpid === b.dpid && a.port === b.port
