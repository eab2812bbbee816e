/** Addresses of interfaces: an address together with the subnet it is in. */
import {
  type Cidr,
  formatIpv4,
  formatIpv6,
  type Ip,
  ipv4Mask,
  ipv6Mask,
  parseIpv4,
  parseIpv6,
} from '../../base/addresses.js'

export interface Address {
  readonly version: 4 | 6
  /** A number for IPv4, a bigint for IPv6. */
  readonly value: number | bigint
  readonly length: number
}

/** `10.1.0.254/24`; undefined without a length. */
export const parseAddress = (text: string): Address | undefined => {
  const [host = '', bits = '', rest] = text.split('/')
  if (rest !== undefined || !/^\d{1,3}$/.test(bits)) return undefined
  const length = Number(bits)
  const v4 = parseIpv4(host)
  if (v4 !== undefined) return length <= 32 ? { version: 4, value: v4, length } : undefined
  const v6 = parseIpv6(host)
  return v6 === undefined || length > 128 ? undefined : { version: 6, value: v6, length }
}

export const subnetOf = ({ version, value, length }: Address): Cidr =>
  version === 4
    ? { version, address: (Number(value) & ipv4Mask(length)) >>> 0, length }
    : { version, address: BigInt(value) & ipv6Mask(length), length }

export const contains = (
  subnet: Cidr,
  { version, value }: Pick<Address, 'version' | 'value'>,
): boolean =>
  subnet.version === version &&
  subnetOf({ version, value, length: subnet.length }).address === subnet.address

export const formatAddress = ({ version, value }: Pick<Address, 'version' | 'value'>): Ip =>
  version === 4 ? formatIpv4(Number(value)) : formatIpv6(BigInt(value))

/** The address that means all hosts of an IPv4 subnet; RFC 3021: one of two addresses has none. */
export const broadcastOf = ({ version, address, length }: Cidr): number | undefined =>
  version === 4 && length <= 30 ? (Number(address) | ~ipv4Mask(length)) >>> 0 : undefined

/** Why a router cannot have the address; undefined when it can. */
export const isOwnable = (address: Address): string | undefined => {
  const text = formatAddress(address)
  if (address.length === 0) return `${text}/0 is no subnet: a default route leads everywhere else`
  if (address.version === 6) {
    const value = BigInt(address.value)
    if (value <= 1n || value >> 120n === 0xffn) return `${text} is no address of a station`
    if (value >> 32n === 0xffffn)
      return `${text} is an IPv4 address in IPv6, which nobody sends from`
    if (address.length < 127 && subnetOf(address).address === value)
      return `${text} means any router of its subnet (RFC 4291 section 2.6.1)`
    return value >> 118n === 0x3fan
      ? "link-local addresses are made from the MAC: give the subnet's own address"
      : undefined
  }
  const value = Number(address.value)
  const first = value >>> 24
  if (first === 0 || first === 127 || first >= 224) return `${text} is no address of a station`
  const subnet = subnetOf(address)
  if (broadcastOf(subnet) === value) return `${text} is the broadcast address of its subnet`
  return address.length <= 30 && Number(subnet.address) === value
    ? `${text} is the address of the subnet itself`
    : undefined
}

/** Where all hosts of a link hear: RFC 4291 section 2.7.1, RFC 2464 section 7. */
export const allNodes = { mac: 0x333300000001, ip: (0xff02n << 112n) | 1n }

export { linkLocalOf } from '../../topology/hosts/gateway-claims.js'
