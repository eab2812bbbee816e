/** What hosts say of themselves, and the questions they are asked. */
import {
  formatIpv4,
  formatIpv6,
  formatMac,
  type Ip,
  isGroupMac,
  type Mac,
  macNumber,
  parseIpv4,
  parseIpv6,
} from '../base/addresses.js'
import { buildFrame } from '../pipeline/build.js'
import { etherTypes, type Fields, ipProtocols, type Packet } from '../pipeline/packet.js'
import type { PortRef } from './model.js'

export interface Claim {
  readonly mac: Mac
  readonly ips: readonly Ip[]
  readonly at: PortRef
  readonly network: number
  /** What the host calls itself to a DHCP server: shown, never believed. */
  readonly reportedName?: string
}

/**
 * Who sent this, as far as its own headers say; undefined when nobody can be learnt from it, because
 * it says two things at once.
 */
export const claimOf = (fields: Fields, at: PortRef, network: number): Claim | undefined => {
  const source = Number(fields.eth_src ?? 0)
  // Our own questions come back by a port that was cut off and leads to a switch of ours again: nobody is there.
  if (source === 0 || source === controllerMac || isGroupMac(source)) return undefined
  for (const said of [fields.arp_sha, fields.nd_sll, fields.nd_tll])
    if (said !== undefined && said !== source) return undefined
  const ips = [sourceIp(fields), advertisedIp(fields)].filter(ip => ip !== undefined)
  return { mac: formatMac(source), ips: [...new Set(ips)], at, network }
}

const sourceIp = (fields: Fields): Ip | undefined => {
  const v4 = Number(fields.arp_spa ?? fields.ip_src ?? 0)
  // Not an address of a host: 0.0.0.0, loopback, multicast and above.
  if (v4 !== 0 && v4 >>> 24 !== 127 && v4 >>> 28 < 14) return formatIpv4(v4)
  return hostIpv6(BigInt(fields.ipv6_src ?? 0))
}

/** A neighbour advertisement speaks for its target. */
const advertisedIp = (fields: Fields): Ip | undefined =>
  fields.icmpv6_type === 136 ? hostIpv6(BigInt(fields.nd_target ?? 0)) : undefined

const hostIpv6 = (value: bigint): Ip | undefined =>
  value > 1n && value >> 120n !== 0xffn ? formatIpv6(value) : undefined

const dhcpClient = 68
const dhcpv6Client = 546

/** The name in a client's DHCP message: option 12 (RFC 2132), or option 39 of DHCPv6 (RFC 4704). */
export const reportedNameOf = (frame: Uint8Array, packet: Packet): string | undefined => {
  const body = frame.subarray(packet.payload)
  if (packet.fields.udp_src === dhcpClient) return cleanName(dhcpName(body))
  if (packet.fields.udp_src === dhcpv6Client) return cleanName(dhcpv6Name(body))
  return undefined
}

const magicCookie = 0x63825363

const dhcpName = (body: Uint8Array): Uint8Array | undefined => {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  if (body.length < 240 || view.getUint32(236) !== magicCookie) return undefined
  for (let at = 240; at + 1 < body.length && body[at] !== 255; ) {
    if (body[at] === 0) {
      at++
      continue
    }
    const size = body[at + 1]!
    if (body[at] === 12) return body.subarray(at + 2, at + 2 + size)
    at += 2 + size
  }
  return undefined
}

/** The first label of the name. */
const dhcpv6Name = (body: Uint8Array): Uint8Array | undefined => {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  for (let at = 4; at + 4 <= body.length; ) {
    const size = view.getUint16(at + 2)
    if (view.getUint16(at) === 39 && size > 2)
      return body.subarray(at + 6, Math.min(at + 6 + body[at + 5]!, at + 4 + size))
    at += 4 + size
  }
  return undefined
}

/** Letters, digits and hyphens of a host's name; undefined when it is none. */
const cleanName = (bytes: Uint8Array | undefined): string | undefined => {
  if (bytes === undefined) return undefined
  const name = new TextDecoder('latin1').decode(bytes).replace(/\0+$/, '').split('.')[0]!
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(name) ? name.toLowerCase() : undefined
}

/** Addresses of one host that are asked for at once: one answer is enough. */
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

/** Ours to ask with: locally administered, never a host's. */
export const controllerMac = 0x02534c000001

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
