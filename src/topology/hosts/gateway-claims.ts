/** What hosts cannot be where a router of ours is. */
import { type Cidr, type Ip, ipNumber, type Mac, macNumber } from '../../base/addresses.js'
import type { Gateway, Station } from '../model.js'

/** `fe80::` with the interface identifier of a MAC, RFC 4291 appendix A. */
export const linkLocalOf = (mac: number): bigint => {
  const value = BigInt(mac)
  const upper = (value >> 24n) ^ 0x020000n
  return (0xfe80n << 112n) | (upper << 40n) | (0xfffen << 24n) | (value & 0xffffffn)
}

/** Why no host of a network can have the address: a station of ours has it. */
export const isOfStation = (
  stations: readonly Station[],
  network: number,
  ip: Ip,
): string | undefined => {
  const own = stations.find(each => each.network === network && each.ips.includes(ip))
  return own && `${ip} is the address of ${own.what}`
}

/** Why no host can have the MAC. */
export const notItsMac = (gateways: readonly Gateway[], mac: Mac): string | undefined => {
  const router = gateways.find(each => each.mac === mac)?.router
  return router === undefined ? undefined : `the MAC is that of router ${router}`
}

/** Why no host of a network can have the address. */
export const notItsAddress = (
  gateways: readonly Gateway[],
  network: number,
  ip: Ip,
): string | undefined => {
  const own = gateways.find(each => each.network === network)
  if (own === undefined) return undefined
  const value = ipNumber(ip)
  const isIts = ({ mac, addresses }: Gateway) =>
    addresses.some(({ address }) => address === value) || linkLocalOf(macNumber(mac)) === value
  if (isIts(own)) return `${ip} is an address of router ${own.router}`
  const isIn = (subnet: Cidr) => isWithin(value, subnet)
  if (own.addresses.some(isIn)) return undefined
  const other = gateways.some(
    each => each !== own && each.router === own.router && each.addresses.some(isIn),
  )
  return other ? `${ip} belongs to another network of router ${own.router}` : undefined
}

/** Why nobody at an uplink has the address: it is not in the subnets that the router has there. */
export const isBeyond = (
  gateways: readonly Gateway[],
  network: number,
  ip: Ip,
): string | undefined => {
  const own = gateways.find(each => each.network === network)
  const value = ipNumber(ip)
  if (own === undefined || isLinkLocal(value)) return undefined
  return own.addresses.some(subnet => isWithin(value, subnet))
    ? undefined
    : `${ip} is beyond the uplink: an address, and no host there`
}

const isLinkLocal = (value: number | bigint): boolean =>
  typeof value === 'bigint' && value >> 118n === 0x3fan

const isWithin = (value: number | bigint, { version, address, length }: Cidr): boolean => {
  if ((version === 6) !== (typeof value === 'bigint')) return false
  const bits = BigInt((version === 6 ? 128 : 32) - length)
  return BigInt(value) >> bits === BigInt(address) >> bits
}
