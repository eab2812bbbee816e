/** Statements and the network as it is: what is translated to what, in which router, each with a small number. */
import { formatIpv4, formatIpv6, type Ip } from '../../base/addresses.js'
import { hash32 } from '../../pipeline/program.js'
import { membershipsOf } from '../../topology/memberships.js'
import type { Gateway, PortRef, Topology } from '../../topology/model.js'
import { type AddressSet, everyAddress } from '../firewall/meaning/address-set.js'
import type { ResolvedNat, Term } from '../firewall/meaning/resolved.js'
import { isOfDestination, isOfSource } from '../firewall/nat/resolve-nat.js'
import { type AddressRange, type PortRange, usualNatPorts } from '../firewall/text/rule.js'
import type { ObjectState } from '../function.js'

export type Version = 4 | 6

/** A router with a way out. */
export interface Edge {
  readonly uplink: PortRef
  readonly router: string
  readonly domain: number
  readonly mac: Gateway['mac']
  /** The network of the uplink. */
  readonly network: number
  readonly networkName: string
  /** Of all interfaces of the router. */
  readonly gateways: readonly Gateway[]
}

/** What a source becomes. */
export interface Becomes {
  readonly number: number
  readonly version: Version
  readonly addresses: AddressRange
  readonly ports: PortRange
}

/** Which packets that leave become something; the first that matches wins. */
export interface SourceChoice {
  readonly version: Version
  readonly from: AddressSet
  readonly to: AddressSet
  /** Absent: they stay as they are. */
  readonly becomes?: Becomes
  readonly statement: ResolvedNat
}

/** Where what is published leads. */
export interface Lead {
  readonly number: number
  readonly version: Version
  readonly at: number | bigint
  readonly target: number | bigint
  readonly port?: number
  /** Of `target` where the client asked for another. */
  readonly asked?: number
}

/** Which packets to a published address are led; the first that matches wins. */
export interface LeadChoice {
  readonly version: Version
  readonly at: number | bigint
  readonly from: AddressSet
  readonly terms: readonly Term[]
  /** Absent: the address is not published for these. */
  readonly lead?: Lead
  readonly statement: ResolvedNat
}

/** Clients and servers of one network, by a published address: the answers are to come back by the router. */
export interface Hairpin {
  readonly network: number
  readonly version: Version
  readonly target: number | bigint
  readonly subnet: { readonly address: number | bigint; readonly length: number }
  readonly becomes: Becomes
}

export interface Translations {
  readonly edge: Edge
  readonly sources: readonly SourceChoice[]
  readonly leads: readonly LeadChoice[]
  readonly hairpins: readonly Hairpin[]
}

/** What is true of each statement, in their order. */
export type States = readonly ObjectState[]

/** The router that has an interface in the network of the uplink; undefined: there is none, or no uplink. */
export const edgeOf = (
  topology: Pick<Topology, 'gateways' | 'networks' | 'uplink'>,
): Edge | undefined => {
  const { uplink, gateways, networks } = topology
  if (uplink === undefined) return undefined
  const { untagged, tagged } = membershipsOf(networks).of(uplink)
  const members = [untagged, ...tagged.values()].flatMap(each => each?.number ?? [])
  const own = gateways.find(({ network }) => members.includes(network))
  if (own === undefined) return undefined
  const { router, domain, mac, network } = own
  return {
    uplink,
    router,
    domain,
    mac,
    network,
    networkName: networks.find(each => each.number === network)?.name ?? String(network),
    gateways: gateways.filter(each => each.router === router),
  }
}

export const translationsOf = (
  nat: readonly ResolvedNat[],
  edge: Edge,
): { readonly translations: Translations; readonly states: States } => {
  const numbers = new Numbers()
  const sources: SourceChoice[] = []
  const leads: LeadChoice[] = []
  const states = nat.map((statement): ObjectState => {
    if (statement.out !== undefined && statement.out !== edge.networkName)
      return { state: 'pending', reason: `the uplink is in network ${edge.networkName}` }
    const before = sources.length + leads.length
    if (isOfSource(statement)) sources.push(...sourcesOf(statement, edge, numbers))
    if (isOfDestination(statement)) leads.push(...leadsOf(statement, numbers))
    if (sources.length + leads.length > before) return { state: 'installed' }
    const reason =
      statement.target !== undefined
        ? 'its target has no address that is known'
        : `router ${edge.router} has no address of this version in network ${edge.networkName}`
    return { state: 'pending', reason }
  })
  const hairpins = hairpinsOf(leads, edge, numbers)
  return { translations: { edge, sources, leads, hairpins }, states }
}

/** Small numbers from what they stand for: labels of connections hold them over restarts and edits. */
class Numbers {
  readonly #byKey = new Map<string, number>()
  readonly #taken = new Set<number>()

  of(key: string): number {
    let number = this.#byKey.get(key)
    if (number !== undefined) return number
    number = 1 + (hash32(key) % mostNumbers)
    while (this.#taken.has(number)) number = (number % mostNumbers) + 1
    this.#taken.add(number)
    this.#byKey.set(key, number)
    return number
  }
}

/** 14 bits, without 0. */
const mostNumbers = 0x3fff

const versions = [4, 6] as const

const sourcesOf = (statement: ResolvedNat, edge: Edge, numbers: Numbers): SourceChoice[] => {
  const { action, from, to, at, target, ports } = statement
  return versions.flatMap((version): SourceChoice[] => {
    if (action === 'none') return [{ version, from, to, statement }]
    if (action === 'masquerade') {
      const own = edge.gateways
        .find(({ network }) => network === edge.network)
        ?.addresses.find(each => each.version === version)
      if (own === undefined) return []
      const addresses = { version, first: own.address, last: own.address }
      return [{ version, from, to, statement, becomes: becomesOf(numbers, addresses, ports) }]
    }
    if (at?.version !== version) return []
    const becomes = becomesOf(numbers, at, action === 'one-to-one' ? everyPort : ports)
    if (action === 'source') return [{ version, from, to, statement, becomes }]
    const inside = target && firstOf(target.addresses, version)
    if (inside === undefined) return []
    return [{ version, from: setOf(version, inside), to: everyAddress, statement, becomes }]
  })
}

/** One address for one other: its ports are its own as long as they are free. */
const everyPort: PortRange = { from: 0, to: 0 }

const becomesOf = (numbers: Numbers, addresses: AddressRange, ports: PortRange): Becomes => {
  const { version, first, last } = addresses
  const key = `source ${version} ${first}-${last} ${ports.from}-${ports.to}`
  return { number: numbers.of(key), version, addresses, ports }
}

const leadsOf = (statement: ResolvedNat, numbers: Numbers): LeadChoice[] => {
  const { action, at, from, terms = [{}], target } = statement
  const { version, first } = at!
  const choice = { version, at: first, from, statement }
  if (action === 'none') return [{ ...choice, terms }]
  const inside = target && firstOf(target.addresses, version)
  if (inside === undefined) return []
  const { port } = target!
  if (port === undefined) {
    const number = numbers.of(`lead ${version} ${first} ${inside}`)
    return [{ ...choice, terms, lead: { number, version, at: first, target: inside } }]
  }
  // Each asked port is a lead of its own: from the number follows what was asked for.
  return terms.map(term => {
    const asked = term.destination?.[0]?.from ?? port
    const number = numbers.of(
      `lead ${version} ${first} ${inside} ${term.protocol} ${asked} ${port}`,
    )
    const lead = { number, version, at: first, target: inside, port, asked }
    return { ...choice, terms: [term], lead }
  })
}

const hairpinsOf = (leads: readonly LeadChoice[], edge: Edge, numbers: Numbers): Hairpin[] => {
  const found = new Map<string, Hairpin>()
  for (const { lead } of leads) {
    if (lead === undefined) continue
    const { version, target } = lead
    for (const { network, addresses } of edge.gateways) {
      const own = addresses.find(each => each.version === version && isWithin(target, each))
      if (own === undefined) continue
      const { address, length } = own
      const subnet = { address: maskedBy(version, address, length), length }
      const becomes = becomesOf(numbers, { version, first: address, last: address }, usualNatPorts)
      found.set(`${network} ${target}`, { network, version, target, subnet, becomes })
    }
  }
  return [...found.values()]
}

const bitsOf = { 4: 32, 6: 128 } as const

const maskedBy = (version: Version, value: number | bigint, length: number): number | bigint => {
  const shift = BigInt(bitsOf[version] - length)
  const kept = (BigInt(value) >> shift) << shift
  return version === 4 ? Number(kept) : kept
}

const isWithin = (
  value: number | bigint,
  { version, address, length }: { version: Version; address: number | bigint; length: number },
): boolean => maskedBy(version, value, length) === maskedBy(version, address, length)

const firstOf = (set: AddressSet, version: Version): number | bigint | undefined =>
  version === 4 ? set.v4[0]?.first : set.v6[0]?.first

const setOf = (version: Version, value: number | bigint): AddressSet =>
  version === 4
    ? { v4: [{ first: Number(value), last: Number(value) }], v6: [] }
    : { v4: [], v6: [{ first: BigInt(value), last: BigInt(value) }] }

export const textOf = (version: Version, value: number | bigint): Ip =>
  version === 4 ? formatIpv4(Number(value)) : formatIpv6(BigInt(value))
