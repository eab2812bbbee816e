/**
 * What a packet must be for a field to exist in it, OpenFlow 1.3.5 section 7.2.3.8 and the column
 * "Prerequisites" of ovs-fields(7): asked of a match, which must say so before it names the field.
 */
import type { Prerequisite } from './oxm.js'
import type { FieldValue, Masked } from './values.js'

/** The fields that prerequisites look at, of a match or of what is known of a packet. */
export interface Known {
  readonly packet_type?: FieldValue | Masked
  readonly in_port?: FieldValue | Masked
  readonly eth_type?: FieldValue | Masked
  readonly vlan_vid?: FieldValue | Masked
  readonly vlan_tci?: FieldValue | Masked
  readonly ip_proto?: FieldValue | Masked
  readonly ip_frag?: FieldValue | Masked
  readonly icmpv6_type?: FieldValue | Masked
  readonly icmpv6_code?: FieldValue | Masked
  readonly ct_state?: FieldValue | Masked
}

const bitsOf = (given: FieldValue | Masked | undefined): number =>
  given === undefined ? 0 : Number(typeof given === 'object' ? given.value : given)
const maskOf = (given: FieldValue | Masked | undefined): number =>
  given === undefined ? 0 : typeof given === 'object' ? Number(given.mask) : -1

/** A packet without an Ethernet header has its type in `packet_type`, namespace 1. */
const etherType = ({ eth_type: type, packet_type: packet }: Known): number | undefined => {
  if (typeof packet === 'number' && packet >>> 16 === 1) return packet & 0xffff
  return typeof type === 'number' ? type : undefined
}

const isIpv4 = (known: Known): boolean => etherType(known) === 0x0800
const isIpv6 = (known: Known): boolean => etherType(known) === 0x86dd
const isIp = (known: Known): boolean => isIpv4(known) || isIpv6(known)
const isIcmpv6 = (known: Known): boolean => isIpv6(known) && known.ip_proto === 58
const isDiscovery = (known: Known, ...types: readonly number[]): boolean =>
  isIcmpv6(known) && types.includes(bitsOf(known.icmpv6_type)) && bitsOf(known.icmpv6_code) === 0

const vlanPresent = 0x1000
const laterFragment = 2
/** Bits of ct_state that only a connection that is known can have, and `inv` and `trk`. */
const connected = 0x01 | 0x02 | 0x04 | 0x08 | 0x40 | 0x80
const invalid = 0x10
const tracked = 0x20

const isConnected = ({ ct_state: state }: Known): boolean => {
  const bits = bitsOf(state)
  if ((bits & connected) !== 0) return true
  return (bits & tracked) !== 0 && (maskOf(state) & invalid) !== 0 && (bits & invalid) === 0
}

const isTransport = (known: Known, protocol: number): boolean =>
  isIp(known) && known.ip_proto === protocol && (bitsOf(known.ip_frag) & laterFragment) === 0

const rules: { readonly [name in Prerequisite]: (known: Known) => boolean } = {
  none: () => true,
  'in-port': known => known.in_port !== undefined,
  vlan: known => ((bitsOf(known.vlan_vid) | bitsOf(known.vlan_tci)) & vlanPresent) !== 0,
  ip: isIp,
  ipv4: isIpv4,
  ipv6: isIpv6,
  arp: known => etherType(known) === 0x0806 || etherType(known) === 0x8035,
  mpls: known => etherType(known) === 0x8847 || etherType(known) === 0x8848,
  pbb: known => etherType(known) === 0x88e7,
  nsh: known => etherType(known) === 0x894f,
  tcp: known => isTransport(known, 6),
  udp: known => isTransport(known, 17),
  sctp: known => isTransport(known, 132),
  icmpv4: known => isIpv4(known) && known.ip_proto === 1,
  icmpv6: isIcmpv6,
  nd: known => isDiscovery(known, 135, 136),
  'nd-solicit': known => isDiscovery(known, 135),
  'nd-advert': known => isDiscovery(known, 136),
  ct: isConnected,
}

/** True when a packet that is known to be so has fields with this prerequisite. */
export const isMet = (prerequisite: Prerequisite, known: Known): boolean =>
  rules[prerequisite](known)
