/** What a network hands out of IPv6, with everything looked up. */
import {
  type Cidr,
  formatCidr,
  formatIpv6,
  macNumber,
  parseIpv6,
  parseMac,
} from '../../../base/addresses.js'
import { type Option6, dhcp6Option as option } from '../../../topology/dhcp6-message.js'
import { linkLocalOf } from '../../../topology/hosts/gateway-claims.js'
import type { Gateway, Network } from '../../../topology/model.js'
import { contains, subnetOf } from '../../router/addresses.js'
import { labelsOf } from '../options.js'
import { parseLease } from '../ranges.js'
import type { DeclaredHost } from '../scope.js'
import { type Dhcp6Spec, parseRange6 } from './kind.js'

export interface Served6 {
  readonly network: Network
  /** Of the router: its MAC, its link-local address, and what it calls itself (DUID-LL, RFC 8415 section 11.4). */
  readonly mac: number
  readonly ip: bigint
  readonly duid: Uint8Array
  readonly subnets: readonly Cidr[]
  readonly first: bigint
  /** Addresses of the range; 0: there is none. */
  readonly size: number
  readonly leaseSeconds: number
  /** By MAC as a number, or by DUID in hexadecimal digits. */
  readonly reserved: ReadonlyMap<number | string, bigint>
  readonly kept: ReadonlySet<bigint>
  readonly options: readonly Option6[]
  readonly perPort: number
}

const usualLeaseSeconds = 12 * 3_600
const fewest = 8

export const addressBytes = (value: bigint): Uint8Array => {
  const bytes = Buffer.alloc(16)
  bytes.writeBigUInt64BE(value >> 64n, 0)
  bytes.writeBigUInt64BE(value & 0xffff_ffff_ffff_ffffn, 8)
  return new Uint8Array(bytes)
}

/** @returns what is served, or why nothing is */
export const resolveDhcp6 = (
  spec: Dhcp6Spec,
  network: Network,
  gateways: readonly Gateway[],
  hosts: readonly DeclaredHost[],
  zone?: string,
): Served6 | string => {
  const gateway = gateways.find(each => each.network === network.number)
  const own = (gateway?.addresses ?? []).filter(({ version }) => version === 6)
  if (gateway === undefined || own.length === 0)
    return `no router has an IPv6 address in network ${network.name}: give the Router's interface there one`
  const subnets = own.map(({ address, length }) => subnetOf({ version: 6, value: address, length }))
  const isIn = (value: bigint) => subnets.some(each => contains(each, { version: 6, value }))
  const range = spec.range === undefined ? undefined : parseRange6(spec.range)!
  if (range !== undefined && !(isIn(range.first) && isIn(range.last)))
    return `${spec.range} is not in ${subnets.map(formatCidr).join(', ')}`
  const local = hosts.filter(each =>
    each.network === undefined ? network.number === 1 : each.network === network.name,
  )
  const reserved = new Map<number | string, bigint>()
  const kept = new Set(own.map(({ address }) => BigInt(address)))
  for (const { mac, ips } of local)
    for (const text of ips) {
      const value = parseIpv6(text)
      if (value === undefined || !isIn(value)) continue
      if (!reserved.has(mac)) reserved.set(mac, value)
      kept.add(value)
    }
  for (const { mac, duid, host, address } of spec.reservations ?? []) {
    const value = parseIpv6(address)!
    const named = host === undefined ? undefined : local.find(each => each.name === host)
    if (host !== undefined && named === undefined) return `there is no Host ${host} in the network`
    if (!isIn(value)) return `${formatIpv6(value)} is not in ${subnets.map(formatCidr).join(', ')}`
    reserved.set(duid?.toLowerCase() ?? named?.mac ?? parseMac(mac!)!, value)
    kept.add(value)
  }
  const mac = macNumber(gateway.mac)
  const duid = Buffer.alloc(10)
  duid.writeUInt32BE(0x00030001, 0)
  duid.writeUIntBE(mac, 4, 6)
  const dns =
    spec.dns?.map(text => parseIpv6(text)!) ?? (zone === undefined ? [] : [BigInt(own[0]!.address)])
  const search = spec.search ?? (zone === undefined ? [] : [zone])
  const size = range === undefined ? 0 : Number(range.last - range.first) + 1
  return {
    network,
    mac,
    ip: linkLocalOf(mac),
    duid: new Uint8Array(duid),
    subnets,
    first: range?.first ?? 0n,
    size,
    leaseSeconds: spec.lease === undefined ? usualLeaseSeconds : parseLease(spec.lease)!,
    reserved,
    kept,
    options: [
      ...(dns.length > 0 ? [[option.dns, concat(dns.map(addressBytes))] as const] : []),
      ...(search.length > 0
        ? [[option.domains, concat(search.map(each => labelsOf(each)!))] as const]
        : []),
    ],
    perPort: spec.perPort ?? Math.max(fewest, Math.floor(size / 2)),
  }
}

const concat = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))

/** Whether addresses are handed out, and not only what hosts are told besides. */
export const isStateful = ({ size, reserved }: Served6): boolean => size > 0 || reserved.size > 0
