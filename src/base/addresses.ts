/**
 * Addresses in their two forms: as people write them (branded strings) and as numbers.
 *
 * Objects that people see hold the strings; matches, packets and tables hold the numbers:
 * a MAC is a number below 2^48, an IPv4 address one below 2^32, an IPv6 address a bigint.
 */
import { Address4, Address6 } from 'ip-address'

export type Mac = string & { readonly brand: 'mac' }
export type Ipv4 = string & { readonly brand: 'ipv4' }
export type Ipv6 = string & { readonly brand: 'ipv6' }
export type Ip = Ipv4 | Ipv6
/** 16 lower-case hexadecimal digits. */
export type Dpid = string & { readonly brand: 'dpid' }

const hexPair = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'))

/** `02:00:00:00:00:01` of a number below 2^48. */
export const formatMac = (value: number): Mac => {
  const high = Math.floor(value / 0x1000000)
  const low = value % 0x1000000
  return `${hexPair[high >>> 16]}:${hexPair[(high >>> 8) & 255]}:${hexPair[high & 255]}:${hexPair[low >>> 16]}:${hexPair[(low >>> 8) & 255]}:${hexPair[low & 255]}` as Mac
}

/** The number of a MAC written with colons or dashes, or as `0200.0000.000a`; undefined when it is none. */
export const parseMac = (text: string): number | undefined =>
  /^([0-9a-f]{2}([:-][0-9a-f]{2}){5}|[0-9a-f]{4}(\.[0-9a-f]{4}){2})$/i.test(text)
    ? Number.parseInt(text.replace(/[:.-]/g, ''), 16)
    : undefined

export const macNumber = (mac: Mac): number => Number.parseInt(mac.replaceAll(':', ''), 16)

/** True for broadcast and multicast addresses. */
export const isGroupMac = (value: number): boolean => Math.floor(value / 2 ** 40) % 2 === 1

export const formatIpv4 = (value: number): Ipv4 =>
  `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}` as Ipv4

/** The number of dotted-quad text; undefined when it is none. */
export const parseIpv4 = (text: string): number | undefined => {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text) || !Address4.isValid(text)) return undefined
  return text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
}

/** RFC 5952 text of a 128-bit number. */
export const formatIpv6 = (value: bigint): Ipv6 =>
  Address6.fromBigInt(value).correctForm() as string as Ipv6

/** The number of IPv6 text without zone or prefix; undefined when it is none. */
export const parseIpv6 = (text: string): bigint | undefined => {
  if (!text.includes(':') || /[/%]/.test(text) || !Address6.isValid(text)) return undefined
  return new Address6(text).bigInt()
}

/** An address in its canonical form, as hosts have it; undefined when the text is none. */
export const readIp = (text: string): Ip | undefined => {
  const v4 = parseIpv4(text)
  if (v4 !== undefined) return formatIpv4(v4)
  const v6 = parseIpv6(text)
  return v6 === undefined ? undefined : formatIpv6(v6)
}

export const ipNumber = (ip: Ip): number | bigint => {
  const value = ip.includes(':') ? parseIpv6(ip) : parseIpv4(ip)
  if (value === undefined) throw new TypeError(`no IP address: ${ip}`)
  return value
}

export const formatDpid = (value: bigint): Dpid => value.toString(16).padStart(16, '0') as Dpid

/** Takes 1 to 16 hex digits, `0x` or the colon form; undefined when it is none of these. */
export const parseDpid = (text: string): Dpid | undefined => {
  const digits = text.toLowerCase().replace(/^0x/, '').replaceAll(':', '')
  return /^[0-9a-f]{1,16}$/.test(digits) ? (digits.padStart(16, '0') as Dpid) : undefined
}

export const dpidNumber = (dpid: Dpid): bigint => BigInt(`0x${dpid}`)

export interface Cidr {
  readonly version: 4 | 6
  /** The network's first address: number for version 4, bigint for 6. */
  readonly address: number | bigint
  readonly length: number
}

/** `10.0.0.0/8`, `10.0.0.1`, `fd00::/8`; bits behind the prefix length are cleared. */
export const parseCidr = (text: string): Cidr | undefined => {
  const [host = '', bits, rest] = text.split('/')
  if (rest !== undefined || (bits !== undefined && !/^\d{1,3}$/.test(bits))) return undefined
  const v4 = parseIpv4(host)
  if (v4 !== undefined) {
    const length = bits === undefined ? 32 : Number(bits)
    if (length > 32) return undefined
    return { version: 4, address: (v4 & ipv4Mask(length)) >>> 0, length }
  }
  const v6 = parseIpv6(host)
  if (v6 === undefined) return undefined
  const length = bits === undefined ? 128 : Number(bits)
  if (length > 128) return undefined
  return { version: 6, address: v6 & ipv6Mask(length), length }
}

export const formatCidr = (cidr: Cidr): string => {
  const full = cidr.version === 4 ? 32 : 128
  const host =
    cidr.version === 4 ? formatIpv4(Number(cidr.address)) : formatIpv6(BigInt(cidr.address))
  return cidr.length === full ? host : `${host}/${cidr.length}`
}

/** The 32-bit mask of a prefix length, unsigned. */
export const ipv4Mask = (length: number): number => (length === 0 ? 0 : (-1 << (32 - length)) >>> 0)

/** The 128-bit mask of a prefix length. */
export const ipv6Mask = (length: number): bigint =>
  ((1n << 128n) - 1n) ^ ((1n << BigInt(128 - length)) - 1n)
