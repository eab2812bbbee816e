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
): Uint8Array => {
  const own = macNumber(mac)
  const subnets = addresses.filter(({ version }) => version === 6).map(subnetOf)
  const head = new Uint8Array(12)
  const view = new DataView(head.buffer)
  view.setUint8(0, 64)
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
    new Uint8Array(Buffer.concat([head, link, ...prefixes])),
  )
}
