/**
 * What clients and servers of DHCP say: RFC 2131 and 2132, and of IPv6 RFC 8415 and 4704. Read from frames whose
 * headers were read before; whatever is cut short or contradicts itself says nothing.
 */
import { formatIpv4, formatIpv6, formatMac, type Ip, type Mac } from '../../base/addresses.js'
import type { Packet } from '../../pipeline/packet.js'
import { type DhcpOptions, dhcpOption, readDhcp } from '../dhcp-message.js'

const ports = { server: 67, client: 68, serverIpv6: 547, clientIpv6: 546 } as const

/** An address that a server gives to a client. */
export interface GivenAddress {
  readonly mac: Mac
  readonly ip: Ip
  /** 0: not any more. */
  readonly seconds: number
}

/** The name in a client's DHCP message: option 12 (RFC 2132), or option 39 of DHCPv6 (RFC 4704). */
export const reportedNameOf = (frame: Uint8Array, packet: Packet): string | undefined => {
  const body = frame.subarray(packet.payload)
  if (packet.fields.udp_src === ports.client) return nameOf(readDhcp(body, 1)?.options)
  if (packet.fields.udp_src === ports.clientIpv6) return cleanName(fullName(body))
  return undefined
}

/** Addresses that a server's acknowledgement gives: DHCPACK, or the reply of DHCPv6. */
export const givenAddresses = (frame: Uint8Array, packet: Packet): readonly GivenAddress[] => {
  const body = frame.subarray(packet.payload)
  const { udp_src, udp_dst, eth_dst } = packet.fields
  if (udp_src === ports.server && udp_dst === ports.client) return acknowledged(body)
  if (udp_src === ports.serverIpv6 && udp_dst === ports.clientIpv6)
    return replied(body, formatMac(Number(eth_dst)))
  return []
}

const acknowledged = (body: Uint8Array): readonly GivenAddress[] => {
  const message = readDhcp(body, 2)
  const time = message?.options.get(dhcpOption.leaseTime)
  if (message?.type !== 'ack' || time?.length !== 4) return []
  const { hardwareType, hardware, yours } = message
  if (hardwareType !== 1 || hardware.length !== 6 || yours === 0) return []
  const mac = viewOf(hardware).getUint16(0) * 0x100000000 + viewOf(hardware).getUint32(2)
  if (mac === 0) return []
  return [{ mac: formatMac(mac), ip: formatIpv4(yours), seconds: viewOf(time).getUint32(0) }]
}

const reply = 7
const identities = { nonTemporary: 3, temporary: 4 } as const
const address = 5

/** Type (1) transaction (3) options; of each identity association the addresses with their valid time. */
const replied = (body: Uint8Array, mac: Mac): readonly GivenAddress[] => {
  if (body[0] !== reply) return []
  const found: GivenAddress[] = []
  for (const [code, value] of options6(body.subarray(4))) {
    // The identifier, and two times for those that are not temporary, come first.
    const before = code === identities.nonTemporary ? 12 : code === identities.temporary ? 4 : 0
    if (before === 0) continue
    for (const [inner, given] of options6(value.subarray(before)))
      if (inner === address && given.length >= 24)
        found.push({ mac, ip: ipv6At(given), seconds: viewOf(given).getUint32(20) })
  }
  return found
}

const ipv6At = (bytes: Uint8Array): Ip => {
  const view = viewOf(bytes)
  return formatIpv6((view.getBigUint64(0) << 64n) | view.getBigUint64(8))
}

const options6 = (bytes: Uint8Array): [number, Uint8Array][] => {
  const view = viewOf(bytes)
  const found: [number, Uint8Array][] = []
  for (let at = 0; at + 4 <= bytes.length; ) {
    const end = at + 4 + view.getUint16(at + 2)
    if (end > bytes.length) break
    found.push([view.getUint16(at), bytes.subarray(at + 4, end)])
    at = end
  }
  return found
}

/** The first label: flags (1), then labels with their size before them. */
const fullName = (body: Uint8Array): Uint8Array | undefined => {
  const name = options6(body.subarray(4)).find(([code]) => code === 39)?.[1]
  if (name === undefined || name.length < 2) return undefined
  return name.subarray(2, 2 + name[1]!)
}

/** What a client calls itself: its host name, or the first label of its full name (RFC 4702), as text or as labels. */
export const nameOf = (options: DhcpOptions | undefined): string | undefined => {
  const full = options?.get(dhcpOption.fqdn)
  const isLabels = full !== undefined && full.length > 3 && (full[0]! & 4) !== 0
  const label = isLabels ? full.subarray(4, 4 + full[3]!) : full?.subarray(3)
  return cleanName(options?.get(dhcpOption.hostName)) ?? cleanName(label)
}

/** Letters, digits and hyphens of a host's name; undefined when it is none. */
const cleanName = (bytes: Uint8Array | undefined): string | undefined => {
  if (bytes === undefined) return undefined
  const name = new TextDecoder('latin1').decode(bytes).replace(/\0+$/, '').split('.')[0]!
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(name) ? name.toLowerCase() : undefined
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
