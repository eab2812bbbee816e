/** Router advertisements: who is the router of a network, and which subnets hosts make addresses in. RFC 4861 section 4.2. */
import { macNumber } from '../../base/addresses.js'
import { buildFrame } from '../../pipeline/build.js'
import { etherTypes, ipProtocols } from '../../pipeline/packet.js'
import { allNodes, linkLocalOf, subnetOf } from './addresses.js'
import type { Router, RouterInterface } from './model.js'

/** Seconds: the longest of RFC 4861 section 6.2.1, so that hosts keep their route while no controller runs; RFC 8106 and 4862 for prefixes. */
const routerLifetime = 9_000
const validLifetime = 86_400
const preferredLifetime = 14_400

/** What hosts of a network are told of addresses and names, RFC 4861 section 4.2, RFC 8106. */
export interface Told {
  /** Addresses are handed out by DHCP. */
  readonly managed: boolean
  /** DHCP says the rest. */
  readonly other: boolean
  /** The router answers for names. */
  readonly names: boolean
}
const nothing: Told = { managed: false, other: false, names: false }

/**
 * @param to who asked; absent: all hosts of the network
 * @param lifetime seconds; 0: it is no router any more
 * @param isWithdrawn hosts make no addresses in the subnets any more
 */
export const advertisementOf = (
  { mac }: Pick<Router, 'mac'>,
  { addresses }: Pick<RouterInterface, 'addresses'>,
  to: { readonly mac: number; readonly ip: bigint } = allNodes,
  lifetime: number = routerLifetime,
  isWithdrawn = lifetime === 0,
  { managed, other, names }: Told = nothing,
): Uint8Array => {
  const own = macNumber(mac)
  const subnets = addresses.filter(({ version }) => version === 6).map(subnetOf)
  const head = new Uint8Array(12)
  const view = new DataView(head.buffer)
  view.setUint8(0, 64)
  view.setUint8(1, (managed ? 0x80 : 0) | (other ? 0x40 : 0))
  view.setUint16(2, lifetime)
  const link = new Uint8Array(8)
  link.set([1, 1])
  new DataView(link.buffer).setUint16(2, Math.floor(own / 2 ** 32))
  new DataView(link.buffer).setUint32(4, own % 2 ** 32)
  const prefixes = subnets.map(({ address, length }) => {
    const option = new Uint8Array(32)
    const fields = new DataView(option.buffer)
    // On the link; of 64 bits, hosts make their own addresses in it (RFC 4862 section 5.5.3).
    option.set([3, 4, length, length === 64 ? 0xc0 : 0x80])
    fields.setUint32(4, isWithdrawn ? 0 : validLifetime)
    fields.setUint32(8, isWithdrawn ? 0 : preferredLifetime)
    fields.setBigUint64(16, BigInt(address) >> 64n)
    fields.setBigUint64(24, BigInt(address) & 0xffff_ffff_ffff_ffffn)
    return option
  })
  const server = addresses.find(({ version }) => version === 6)
  const servers = names && !isWithdrawn && server ? [serverOption(BigInt(server.value))] : []
  return buildFrame(
    {
      eth_src: own,
      eth_dst: to.mac,
      eth_type: etherTypes.ipv6,
      ip_proto: ipProtocols.icmpv6,
      icmpv6_type: 134,
      icmpv6_code: 0,
      ipv6_src: linkLocalOf(own),
      ipv6_dst: to.ip,
      nw_ttl: 255,
    },
    new Uint8Array(Buffer.concat([head, link, ...prefixes, ...servers])),
  )
}

/** One name server, as long as the router is one: RFC 8106 section 5.1. */
const serverOption = (address: bigint): Uint8Array => {
  const option = new Uint8Array(24)
  const fields = new DataView(option.buffer)
  option.set([25, 3])
  fields.setUint32(4, routerLifetime)
  fields.setBigUint64(8, address >> 64n)
  fields.setBigUint64(16, address & 0xffff_ffff_ffff_ffffn)
  return option
}
