/** What hosts say of themselves, and the questions they are asked. */
import {
  formatIpv4,
  formatIpv6,
  formatMac,
  type Ip,
  ipNumber,
  isGroupMac,
  type Mac,
  macNumber,
  parseIpv4,
  parseIpv6,
} from '../../base/addresses.js'
import { buildFrame } from '../../pipeline/build.js'
import { etherTypes, type Fields, ipProtocols } from '../../pipeline/packet.js'
import type { PortRef } from '../model.js'

export interface Claim {
  readonly mac: Mac
  /** Addresses that it says are at its MAC: by ARP, neighbour discovery, or from the link itself. */
  readonly ips: readonly Ip[]
  /** What it says of another MAC, as those do who answer for others: it gives that MAC neither place nor addresses. */
  readonly other?: { readonly mac: Mac; readonly ips: readonly Ip[] }
  /** The source of an IP packet, which a router may have passed on. */
  readonly carried?: Ip
  readonly at: PortRef
  readonly network: number
  /** What the host calls itself to a DHCP server: shown, never believed. */
  readonly reportedName?: string
}

/**
 * Who sent this, as far as its own headers say; undefined when nobody can be learnt from it, because
 * it gives an address that no host can have.
 */
export const claimOf = (fields: Fields, at: PortRef, network: number): Claim | undefined => {
  const source = Number(fields.eth_src ?? 0)
  // Our own questions come back by a port that was cut off and leads to a switch of ours again: nobody is there.
  if (source === 0 || source === controllerMac || isGroupMac(source)) return undefined
  if (isFromAfar(fields)) return { mac: formatMac(source), ips: noIps, at, network }
  const said = [fields.arp_sha, fields.nd_sll, fields.nd_tll].find(mac => mac && mac !== source)
  const own = { mac: formatMac(source), ips: noIps, at, network }
  if (said === undefined) return saidOf(fields, own)
  const other = saidOf(fields, own)
  return other && { ...own, other: { mac: formatMac(Number(said)), ips: other.ips } }
}

/** Neighbour discovery that some router has passed on tells nothing: RFC 4861 section 7.1. */
const isFromAfar = ({ icmpv6_type: type, nw_ttl: hops }: Fields): boolean =>
  (type === neighbourSolicitation || type === neighbourAdvertisement) && hops !== 255

/** What it says of addresses. */
const saidOf = (fields: Fields, claim: Claim): Claim | undefined => {
  if (fields.arp_spa !== undefined) {
    if (fields.arp_spa === 0) return claim
    const ip = hostIpv4(Number(fields.arp_spa))
    return ip && { ...claim, ips: [ip] }
  }
  const ip = hostIpv4(Number(fields.ip_src ?? 0)) ?? hostIpv6(BigInt(fields.ipv6_src ?? 0))
  if (fields.icmpv6_type === neighbourSolicitation || fields.icmpv6_type === neighbourAdvertisement)
    return neighbourClaim(claim, fields, ip)
  if (ip === undefined) return claim
  return isLinkLocal(ip) ? { ...claim, ips: [ip] } : { ...claim, carried: ip }
}

/** A solicitation speaks for its source, an advertisement for its target as well. */
const neighbourClaim = (claim: Claim, fields: Fields, source: Ip | undefined) => {
  const target =
    fields.icmpv6_type === neighbourAdvertisement
      ? hostIpv6(BigInt(fields.nd_target ?? 0))
      : undefined
  const isMissing =
    fields.icmpv6_type === neighbourAdvertisement
      ? target === undefined
      : source === undefined && fields.nd_sll
  if (isMissing) return undefined
  return { ...claim, ips: [...new Set([source, target])].filter(ip => ip !== undefined) }
}

const noIps: readonly Ip[] = []
const neighbourSolicitation = 135
const neighbourAdvertisement = 136

/** No router passes it on. */
const isLinkLocal = (ip: Ip): boolean => /^fe[89ab].:/.test(ip)

/** Undefined for what is no address of a host: 0.0.0.0, loopback, multicast and above. */
const hostIpv4 = (value: number): Ip | undefined =>
  value !== 0 && value >>> 24 !== 127 && value >>> 28 < 14 ? formatIpv4(value) : undefined

const hostIpv6 = (value: bigint): Ip | undefined =>
  value > 1n && value >> 120n !== 0xffn ? formatIpv6(value) : undefined

/** Addresses of one host that are asked for at once, where one answer is enough. */
const askedAddresses = 4

/** Unicast questions that the host answers if it is still there: ARP, or neighbour solicitation. */
export const questions = (mac: Mac, ips: readonly Ip[]): Uint8Array[] =>
  ips.slice(0, askedAddresses).flatMap(ip => {
    const v4 = parseIpv4(ip)
    if (v4 !== undefined) return [arpQuestion(macNumber(mac), v4)]
    const v6 = parseIpv6(ip)
    return v6 === undefined ? [] : [neighbourQuestion(macNumber(mac), v6, v6)]
  })

/** The same to everybody, for an address that nobody is known to have. */
export const searchFor = (ip: number | bigint): Uint8Array =>
  typeof ip === 'number'
    ? arpQuestion(0xffffffffffff, ip)
    : neighbourQuestion(
        0x3333ff000000 + Number(ip & 0xffffffn),
        0xff02_0000_0000_0000_0000_0001_ff00_0000n | (ip & 0xffffffn),
        ip,
      )

/** Tells a network whose an address is now: ARP or an advertisement that nobody asked for (RFC 5227, RFC 4861 section 7.2.6). */
export const announcementOf = (mac: Mac, ip: Ip): Uint8Array => {
  const value = ipNumber(ip)
  const own = macNumber(mac)
  return typeof value === 'number'
    ? buildFrame({
        eth_dst: 0xffffffffffff,
        eth_src: controllerMac,
        eth_type: etherTypes.arp,
        arp_op: 1,
        arp_sha: own,
        arp_spa: value,
        arp_tha: 0,
        arp_tpa: value,
      })
    : buildFrame({
        eth_dst: 0x333300000001,
        eth_src: controllerMac,
        eth_type: etherTypes.ipv6,
        ip_proto: ipProtocols.icmpv6,
        nw_ttl: 255,
        ipv6_src: value,
        ipv6_dst: 0xff02_0000_0000_0000_0000_0000_0000_0001n,
        icmpv6_type: 136,
        nd_target: value,
        nd_tll: own,
      })
}

/** Tells switches that are not ours where a MAC is now, and nobody anything else (RFC 903, as QEMU uses it). */
export const placeAnnouncement = (mac: Mac): Uint8Array => {
  const frame = buildFrame({ eth_dst: 0xffffffffffff, eth_src: macNumber(mac), eth_type: rarp })
  const padded = new Uint8Array(60)
  padded.set(frame)
  const own = frame.subarray(6, 12)
  // Ethernet and IPv4; a request; for itself.
  padded.set([0, 1, 8, 0, 6, 4, 0, 3], 14)
  padded.set(own, 22)
  padded.set(own, 32)
  return padded
}
const rarp = 0x8035

/** Ours to ask with: locally administered, never a host's. */
export const controllerMac = 0x02534c000001

/** Of servers of ours where no router of ours is. */
export const stationMac: Mac = formatMac(0x02534c000002)

const arpQuestion = (to: number, ip: number): Uint8Array =>
  buildFrame({
    eth_dst: to,
    eth_src: controllerMac,
    eth_type: etherTypes.arp,
    arp_op: 1,
    arp_sha: controllerMac,
    arp_spa: 0,
    arp_tha: 0,
    arp_tpa: ip,
  })

/** RFC 4861 section 7.2.2, from the link-local address of our own MAC. */
const neighbourQuestion = (to: number, ipTo: bigint, target: bigint): Uint8Array =>
  buildFrame({
    eth_dst: to,
    eth_src: controllerMac,
    eth_type: etherTypes.ipv6,
    ip_proto: ipProtocols.icmpv6,
    nw_ttl: 255,
    ipv6_src: 0xfe80_0000_0000_0000_0053_4cff_fe00_0001n,
    ipv6_dst: ipTo,
    icmpv6_type: 135,
    nd_target: target,
    nd_sll: controllerMac,
  })
