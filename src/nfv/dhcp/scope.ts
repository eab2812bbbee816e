/** What a network hands out, with everything looked up: ranges, who serves it, what clients are told. */
import {
  type Cidr,
  formatCidr,
  formatIpv4,
  type Ipv4,
  ipv4Mask,
  type Mac,
  parseCidr,
  parseIpv4,
  parseMac,
} from '../../base/addresses.js'
import { dhcpOption as option } from '../../topology/dhcp-message.js'
import { stationMac } from '../../topology/hosts/host-frames.js'
import type { Gateway, Network } from '../../topology/model.js'
import type { DhcpSpec } from './kind.js'
import {
  addressesOption,
  numberOption,
  type OptionsSpec,
  type OptionValue,
  optionsOf,
} from './options.js'
import { isInRange, parseLease, parseRange, type Range } from './ranges.js'

/** Addresses of one subnet. */
export interface Scope {
  /** The network that it is declared in. */
  readonly network: number
  readonly subnet: Cidr
  readonly ranges: readonly Range[]
  readonly leaseSeconds: number
  /** What clients are told besides addresses and times, in this order. */
  readonly options: readonly OptionValue[]
  /** The relay agent that asks for its clients; absent: they are in the network itself. */
  readonly via?: Ipv4
  /** Addresses that nobody gets from the ranges: the server's, routers', those of declared hosts. */
  readonly kept: ReadonlySet<number>
}

export interface Served {
  readonly network: Network
  /** In the network. */
  readonly server: { readonly ip: number; readonly mac: Mac; readonly isRouter: boolean }
  readonly scopes: readonly Scope[]
  /** Addresses that are for one client only. */
  readonly reserved: Reservations
  readonly perPort: number
}

/** Who an address is reserved for. */
export class Reservations {
  readonly #byMac = new Map<number, number>()
  readonly #byClient = new Map<string, number>()
  readonly #addresses = new Set<number>()

  addMac(mac: number, address: number): void {
    this.#byMac.set(mac, address)
    this.#addresses.add(address)
  }

  addClient(client: string, address: number): void {
    this.#byClient.set(client, address)
    this.#addresses.add(address)
  }

  has(address: number): boolean {
    return this.#addresses.has(address)
  }

  of(client: string, mac: number): number | undefined {
    return this.#byClient.get(client) ?? this.#byMac.get(mac)
  }
}

/** A declared Host, as far as addresses are concerned. */
export interface DeclaredHost {
  readonly name: string
  readonly mac: number
  readonly network: string | undefined
  readonly ips: readonly string[]
}

const usualLeaseSeconds = 12 * 3_600

/**
 * @param zone of the network's own name server, which clients are told of unless people say otherwise
 * @returns what is served, or why nothing is
 */
export const resolveDhcp = (
  spec: DhcpSpec,
  network: Network,
  gateways: readonly Gateway[],
  hosts: readonly DeclaredHost[],
  zone?: string,
): Served | string => {
  const gateway = gateways.find(each => each.network === network.number)
  const ranges = rangesOf(spec.range)
  const place = placeOf(spec, network, gateway, ranges)
  if (typeof place === 'string') return place
  const { subnet, server } = place
  const outside = ranges.find(({ first, last }) => !isIn(subnet, first) || !isIn(subnet, last))
  if (outside !== undefined)
    return `${formatIpv4(outside.first)}-${formatIpv4(outside.last)} is not in ${formatCidr(subnet)}`
  const local = hosts.filter(each =>
    each.network === undefined ? network.number === 1 : each.network === network.name,
  )
  const reserved = reservationsOf(spec, subnet, local)
  if (typeof reserved === 'string') return reserved
  const own = (gateway?.addresses ?? [])
    .filter(({ version }) => version === 4)
    .map(({ address }) => Number(address))
  const routers =
    spec.router === undefined
      ? server.isRouter
        ? [server.ip]
        : []
      : [spec.router].flat().map(each => parseIpv4(each)!)
  const dns = spec.dns?.map(each => parseIpv4(each)!) ?? (zone === undefined ? [] : [server.ip])
  const main: Scope = {
    ...scopeOf(network.number, subnet, ranges, withDomain(spec, zone), routers, dns),
    kept: new Set([
      server.ip,
      ...own,
      ...routers,
      ...local.flatMap(each => each.ips.flatMap(text => parseIpv4(text) ?? [])),
    ]),
  }
  const relayed = (spec.relayed ?? []).map((each): Scope => {
    const their = (each.router ?? []).map(text => parseIpv4(text)!)
    const names = (each.dns ?? []).map(text => parseIpv4(text)!)
    const around = parseCidr(each.subnet)!
    return {
      ...scopeOf(network.number, around, rangesOf(each.range), each, their, names),
      via: formatIpv4(parseIpv4(each.via)!),
      kept: new Set(their),
    }
  })
  const count = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0)
  const perPort = spec.perPort ?? Math.max(fewest, Math.floor(count / 2))
  return { network, server, scopes: [main, ...relayed], reserved, perPort }
}

const withDomain = (spec: DhcpSpec, zone: string | undefined): DhcpSpec =>
  zone === undefined || spec.options?.domain !== undefined
    ? spec
    : { ...spec, options: { ...spec.options, domain: zone } }

/** A small range is one port's as a whole: there is nothing to divide. */
const fewest = 8

const rangesOf = (spec: string | readonly string[] | undefined): readonly Range[] =>
  [spec ?? []].flat().map(text => parseRange(text)!)

const isIn = ({ address, length }: Cidr, value: number): boolean =>
  (value & ipv4Mask(length)) >>> 0 === address

const placeOf = (
  spec: DhcpSpec,
  network: Network,
  gateway: Gateway | undefined,
  ranges: readonly Range[],
): { subnet: Cidr; server: Served['server'] } | string => {
  const [first] = ranges
  const own = (gateway?.addresses ?? [])
    .filter(({ version }) => version === 4)
    .map(({ address, length }) => ({ ip: Number(address), length }))
  if (spec.server !== undefined) {
    const [text = '', length = ''] = spec.server.split('/')
    const ip = parseIpv4(text)!
    const isRouters = own.some(each => each.ip === ip)
    if (gateway !== undefined && !isRouters)
      return `router ${gateway.router} serves it by its own address: leave out server`
    return { subnet: subnetOf(ip, Number(length)), server: serverOf(ip, gateway) }
  }
  const found = own.find(
    ({ ip, length }) => first === undefined || isIn(subnetOf(ip, length), first.first),
  )
  if (found === undefined)
    return gateway === undefined
      ? `nobody has an address in network ${network.name} to serve it from: give dhcp.server, such as 10.1.0.2/24, or a Router with an interface there`
      : `router ${gateway.router} has no address in the subnet of the range`
  return { subnet: subnetOf(found.ip, found.length), server: serverOf(found.ip, gateway) }
}

const serverOf = (ip: number, gateway: Gateway | undefined): Served['server'] => ({
  ip,
  mac: gateway?.mac ?? stationMac,
  isRouter: gateway !== undefined,
})

const subnetOf = (ip: number, length: number): Cidr => ({
  version: 4,
  address: (ip & ipv4Mask(length)) >>> 0,
  length,
})

const scopeOf = (
  network: number,
  subnet: Cidr,
  ranges: readonly Range[],
  spec: { readonly lease?: string; readonly options?: OptionsSpec },
  routers: readonly number[],
  dns: readonly number[],
): Omit<Scope, 'kept'> => {
  const base = Number(subnet.address)
  const broadcast = (base | ~ipv4Mask(subnet.length)) >>> 0
  return {
    network,
    subnet,
    ranges: ranges.map(({ first, last }) => ({
      first: Math.max(first, base + 1),
      last: Math.min(last, broadcast - 1),
    })),
    leaseSeconds: spec.lease === undefined ? usualLeaseSeconds : parseLease(spec.lease)!,
    options: [
      [option.subnetMask, numberOption(ipv4Mask(subnet.length), 4)],
      [option.broadcast, numberOption(broadcast, 4)],
      ...(routers.length > 0 ? [[option.router, addressesOption(routers)] as const] : []),
      ...(dns.length > 0 ? [[option.dns, addressesOption(dns)] as const] : []),
      ...optionsOf(spec.options, routers),
    ],
  }
}

const reservationsOf = (
  spec: DhcpSpec,
  subnet: Cidr,
  hosts: readonly DeclaredHost[],
): Reservations | string => {
  const reserved = new Reservations()
  // What is declared at a place is nobody else's anyway.
  for (const { mac, ips } of hosts) {
    const own = addressIn(subnet, ips)
    if (own !== undefined) reserved.addMac(mac, own)
  }
  const subnets = [subnet, ...(spec.relayed ?? []).map(each => parseCidr(each.subnet)!)]
  for (const { mac, clientId, host, address } of spec.reservations ?? []) {
    const named = host === undefined ? undefined : hosts.find(each => each.name === host)
    if (host !== undefined && named === undefined) return `there is no Host ${host} in the network`
    const value = address === undefined ? addressIn(subnet, named!.ips) : parseIpv4(address)!
    if (value === undefined)
      return `Host ${host} has no address in ${formatCidr(subnet)}: give the reservation one`
    if (!subnets.some(each => isIn(each, value)))
      return `${formatIpv4(value)} is not in ${formatCidr(subnet)}`
    if (clientId !== undefined) reserved.addClient(clientId.toLowerCase(), value)
    else reserved.addMac(named?.mac ?? parseMac(mac!)!, value)
  }
  return reserved
}

const addressIn = (subnet: Cidr, ips: readonly string[]): number | undefined =>
  ips.map(parseIpv4).find(value => value !== undefined && isIn(subnet, value))

/** Whether an address may be given to anybody from the ranges of a scope. */
export const isPooled = ({ ranges, kept }: Scope, address: number): boolean =>
  !kept.has(address) && ranges.some(each => isInRange(each, address))

export const isOfScope = ({ subnet }: Scope, address: number): boolean => isIn(subnet, address)
