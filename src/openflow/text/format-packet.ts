/** A frame as `ofp-print` sums it up: the fields `ovs-ofctl` would match, all of them exact, then the checksum. */
import { formatIpv4, formatMac } from '../../base/addresses.js'
import { formatIpv6Text, formatTcpFlags } from './format-match.js'

/** Bytes with an offset that never run out: what is missing reads as undefined. */
class Frame {
  readonly #bytes: Uint8Array
  offset = 0
  end: number

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.end = bytes.length
  }
  get remaining(): number {
    return this.end - this.offset
  }
  u8(at: number): number {
    return this.#bytes[this.offset + at] ?? 0
  }
  u16(at: number): number {
    return (this.u8(at) << 8) | this.u8(at + 1)
  }
  u32(at: number): number {
    return this.u16(at) * 0x10000 + this.u16(at + 2)
  }
  mac(at: number): string {
    return formatMac(this.u16(at) * 0x100000000 + this.u32(at + 2))
  }
  ipv4(at: number): string {
    return formatIpv4(this.u32(at))
  }
  ipv6(at: number): string {
    let value = 0n
    for (let index = 0; index < 4; index++)
      value = (value << 32n) | BigInt(this.u32(at + 4 * index))
    return formatIpv6Text(value)
  }
}

const noMac = '00:00:00:00:00:00'

export const formatPacket = (bytes: Uint8Array): string => {
  const frame = new Frame(bytes)
  if (bytes.length < 14) return `vlan_tci=0x0000,dl_src=${noMac},dl_dst=${noMac},dl_type=0x0000`
  const addresses = [`dl_src=${frame.mac(6)}`, `dl_dst=${frame.mac(0)}`]
  frame.offset = 12
  const tags = readTags(frame)
  const type = readType(frame)
  const upper = formatUpper(frame, type)
  const parts = [...(upper.word ? [upper.word] : []), ...tags, ...addresses]
  if (!upper.word) parts.push(`dl_type=0x${type.toString(16).padStart(4, '0')}`)
  return [...parts, ...upper.parts].join(',') + (upper.checksum ?? '')
}

const isTag = (type: number): boolean => type === 0x8100 || type === 0x88a8

/** Two tags are looked at; behind one comes the place of the second. */
const readTags = (frame: Frame): string[] => {
  const tags: string[] = []
  while (tags.length < 2 && isTag(frame.u16(0)) && frame.remaining >= 4) {
    const tci = frame.u16(2)
    const number = tags.length === 0 ? '' : '1'
    tags.push(`dl_vlan${number}=${tci & 0xfff},dl_vlan_pcp${number}=${tci >>> 13}`)
    frame.offset += 4
  }
  if (tags.length === 0) return ['vlan_tci=0x0000']
  return tags.length === 1 ? [...tags, 'vlan_tci1=0x0000'] : tags
}

const noEthernetType = 0x05ff

/** EtherType, also from behind an IEEE 802.2 SNAP head. */
const readType = (frame: Frame): number => {
  const type = frame.u16(0)
  frame.offset += 2
  if (type >= 0x600) return type
  const isSnap = frame.u16(0) === 0xaaaa && frame.u32(2) === 0x03000000 && frame.remaining >= 8
  if (!isSnap) return noEthernetType
  const inner = frame.u16(6)
  frame.offset += 8
  return inner >= 0x600 ? inner : noEthernetType
}

interface Upper {
  readonly word?: string
  readonly parts: readonly string[]
  readonly checksum?: string
}

const formatUpper = (frame: Frame, type: number): Upper => {
  switch (type) {
    case 0x0800:
      return formatInIpv4(frame)
    case 0x86dd:
      return formatInIpv6(frame)
    case 0x0806:
      return { word: 'arp', parts: arpParts(frame) }
    case 0x8035:
      return { word: 'rarp', parts: arpParts(frame) }
    case 0x8847:
      return { word: 'mpls', parts: mplsParts(frame) }
    case 0x8848:
      return { word: 'mplsm', parts: mplsParts(frame) }
    default:
      return { parts: [] }
  }
}

/** Nothing is told of ARP that is not about Ethernet and IPv4. */
const arpParts = (whole: Frame): string[] => {
  const isPlain = whole.u32(0) === 0x00010800 && whole.u16(4) === 0x0604 && whole.remaining >= 28
  const frame = isPlain ? whole : new Frame(new Uint8Array())
  return arpFields(frame)
}

const arpFields = (frame: Frame): string[] => [
  `arp_spa=${frame.ipv4(14)}`,
  `arp_tpa=${frame.ipv4(24)}`,
  // The place for it has eight bits.
  `arp_op=${frame.u16(6) > 255 ? 0 : frame.u16(6)}`,
  `arp_sha=${frame.mac(8)}`,
  `arp_tha=${frame.mac(18)}`,
]

const mplsParts = (frame: Frame): string[] => {
  const parts: string[] = []
  for (let index = 0; index < 3 && frame.remaining >= 4; index++) {
    const entry = frame.u32(0)
    frame.offset += 4
    const isBottom = (entry & 0x100) !== 0
    if (index === 0)
      parts.push(
        `mpls_label=${entry >>> 12}`,
        `mpls_tc=${(entry >>> 9) & 7}`,
        `mpls_ttl=${entry & 255}`,
        `mpls_bos=${isBottom ? 1 : 0}`,
      )
    else parts.push(`mpls_lse${index}=${entry}`)
    if (isBottom) break
  }
  return parts
}

const empty: readonly string[] = [
  'nw_src=0.0.0.0',
  'nw_dst=0.0.0.0',
  'nw_proto=0',
  'nw_tos=0',
  'nw_ecn=0',
  'nw_ttl=0',
  'nw_frag=no',
]

const tosParts = (tos: number, ttl: number, fragment: string): string[] => [
  `nw_tos=${tos & 0xfc}`,
  `nw_ecn=${tos & 3}`,
  `nw_ttl=${ttl}`,
  `nw_frag=${fragment}`,
]

const formatInIpv4 = (frame: Frame): Upper => {
  const headSize = 4 * (frame.u8(0) & 15)
  const size = frame.u16(2)
  const isWhole =
    frame.remaining >= 20 && headSize >= 20 && headSize <= size && size <= frame.remaining
  if (!isWhole) return { word: 'ip', parts: empty }
  const flags = frame.u16(6)
  const fragment = (flags & 0x1fff) !== 0 ? 'later' : (flags & 0x2000) !== 0 ? 'first' : 'no'
  const protocol = frame.u8(9)
  const addresses = [`nw_src=${frame.ipv4(12)}`, `nw_dst=${frame.ipv4(16)}`]
  const tos = tosParts(frame.u8(1), frame.u8(8), fragment)
  frame.end = frame.offset + size
  frame.offset += headSize
  const transport = formatTransport(frame, protocol, fragment, ipv4Protocols)
  const middle = transport.word ? [] : [`nw_proto=${protocol}`]
  return {
    word: transport.word ?? 'ip',
    parts: [...addresses, ...middle, ...tos, ...transport.parts],
    ...(transport.checksum !== undefined && { checksum: transport.checksum }),
  }
}

const extensionHeads = {
  hopByHop: 0,
  routing: 43,
  fragment: 44,
  authentication: 51,
  destination: 60,
} as const

/** The protocol behind the extension headers, RFC 8200 section 4. */
const skipExtensions = (frame: Frame, first: number): { protocol: number; fragment: string } => {
  let protocol = first
  let fragment = 'no'
  const { hopByHop, routing, authentication, destination } = extensionHeads
  for (;;) {
    if (frame.remaining < 8) return { protocol, fragment }
    if (protocol === extensionHeads.fragment) {
      const place = frame.u16(2)
      fragment = (place & 0xfff8) !== 0 ? 'later' : (place & 1) !== 0 ? 'first' : 'no'
      // What follows is the middle of something: nothing more can be told.
      if (fragment === 'later') return { protocol, fragment }
      protocol = frame.u8(0)
      frame.offset += 8
    } else if (protocol === hopByHop || protocol === routing || protocol === destination) {
      protocol = frame.u8(0)
      frame.offset += 8 * (frame.u8(1) + 1)
    } else if (protocol === authentication) {
      protocol = frame.u8(0)
      frame.offset += 4 * (frame.u8(1) + 2)
    } else return { protocol, fragment }
  }
}

const formatInIpv6 = (frame: Frame): Upper => {
  if (frame.remaining < 40) {
    const parts = empty.map(part =>
      part.replace('nw_src=0.0.0.0', 'ipv6_src=::').replace('nw_dst=0.0.0.0', 'ipv6_dst=::'),
    )
    return { word: 'ipv6', parts: [...parts.slice(0, 2), 'ipv6_label=0x00000', ...parts.slice(2)] }
  }
  const head = frame.u32(0)
  const label = `0x${(head & 0xfffff).toString(16).padStart(5, '0')}`
  const addresses = [
    `ipv6_src=${frame.ipv6(8)}`,
    `ipv6_dst=${frame.ipv6(24)}`,
    `ipv6_label=${label}`,
  ]
  const ttl = frame.u8(7)
  const first = frame.u8(6)
  frame.end = Math.min(frame.end, frame.offset + 40 + frame.u16(4))
  frame.offset += 40
  const { protocol, fragment } = skipExtensions(frame, first)
  const transport = formatTransport(frame, protocol, fragment, ipv6Protocols)
  const middle = transport.word ? [] : [`nw_proto=${protocol}`]
  return {
    word: transport.word ?? 'ipv6',
    parts: [
      ...addresses,
      ...middle,
      ...tosParts((head >>> 20) & 255, ttl, fragment),
      ...transport.parts,
    ],
    ...(transport.checksum !== undefined && { checksum: transport.checksum }),
  }
}

interface Protocol {
  readonly word?: string
  /** Octets that must be there for its fields to be read. */
  readonly headSize: number
  readonly checksumAt?: number
  readonly checksumName?: string
  readonly wideChecksum?: boolean
  parts(frame: Frame): string[]
  /** False when its header says something that cannot be. */
  isWhole?(frame: Frame): boolean
}

const portParts = (frame: Frame): string[] => [`tp_src=${frame.u16(0)}`, `tp_dst=${frame.u16(2)}`]

const tcp: Protocol = {
  word: 'tcp',
  headSize: 20,
  checksumAt: 16,
  checksumName: 'tcp_csum',
  isWhole(frame) {
    const size = 4 * (frame.u8(12) >>> 4)
    return size >= 20 && size <= frame.remaining
  },
  parts: frame => [...portParts(frame), `tcp_flags=${formatTcpFlags(frame.u16(12) & 0xfff)}`],
}
const udp: Protocol = {
  word: 'udp',
  headSize: 8,
  checksumAt: 6,
  checksumName: 'udp_csum',
  parts: portParts,
}
const sctp: Protocol = {
  word: 'sctp',
  headSize: 12,
  checksumAt: 8,
  checksumName: 'sctp_csum',
  wideChecksum: true,
  parts: portParts,
}
const icmp: Protocol = {
  word: 'icmp',
  headSize: 8,
  checksumAt: 2,
  checksumName: 'icmp_csum',
  parts: frame => [`icmp_type=${frame.u8(0)}`, `icmp_code=${frame.u8(1)}`],
}
/** Its type and code stand where others have ports. */
const igmp: Protocol = {
  headSize: 8,
  parts: frame => [`tp_src=${frame.u8(0)}`, `tp_dst=${frame.u8(1)}`],
}

const isDiscovery = (type: number): boolean => type === 135 || type === 136

const icmpv6: Protocol = {
  word: 'icmp6',
  headSize: 8,
  checksumAt: 2,
  checksumName: 'icmp6_csum',
  parts(frame) {
    const type = frame.u8(0)
    const parts = [`icmp_type=${type}`, `icmp_code=${frame.u8(1)}`]
    if (!isDiscovery(type) || frame.u8(1) !== 0 || frame.remaining < 24) return parts
    const links = { 1: noMac, 2: noMac } as Record<number, string>
    for (let at = 24; at + 8 <= frame.remaining && frame.u8(at + 1) > 0; at += 8 * frame.u8(at + 1))
      if (frame.u8(at) in links) links[frame.u8(at)] = frame.mac(at + 2)
    return [...parts, `nd_target=${frame.ipv6(8)}`, `nd_sll=${links[1]}`, `nd_tll=${links[2]}`]
  },
}

const ipv4Protocols = new Map<number, Protocol>([
  [1, icmp],
  [2, igmp],
  [6, tcp],
  [17, udp],
  [132, sctp],
])
const ipv6Protocols = new Map<number, Protocol>([
  [6, { ...tcp, word: 'tcp6' }],
  [17, { ...udp, word: 'udp6' }],
  [58, icmpv6],
  [132, { ...sctp, word: 'sctp6' }],
])

const formatTransport = (
  frame: Frame,
  number: number,
  fragment: string,
  protocols: ReadonlyMap<number, Protocol>,
): Upper => {
  const protocol = protocols.get(number)
  if (protocol === undefined) return { parts: [] }
  const { word, headSize, checksumAt, checksumName } = protocol
  const isThere = frame.remaining >= headSize
  const isRead = isThere && fragment !== 'later' && (protocol.isWhole?.(frame) ?? true)
  const parts = isRead ? protocol.parts(frame) : fragment === 'later' ? [] : emptyParts(protocol)
  if (checksumAt === undefined || !isThere) return { ...(word && { word }), parts }
  const sum = protocol.wideChecksum ? frame.u32(checksumAt) : frame.u16(checksumAt)
  return { ...(word && { word }), parts, checksum: ` ${checksumName}:${sum.toString(16)}` }
}

const emptyParts = (protocol: Protocol): string[] => protocol.parts(new Frame(new Uint8Array()))
