/**
 * Frames that carry IP, or whole frames, behind an EtherType of their own, where no flow of a switch can read it: whoever
 * unpacks them reads what rules did not see. Numbers: IEEE 802 and IANA's registry of EtherTypes.
 */

// biome-ignore format: a table
const rows = [
  ['mpls',         [0x8847, 0x8848],         'MPLS, RFC 3032'],
  ['pppoe',        [0x8864],                 'sessions of PPPoE, RFC 2516'],
  ['ppp',          [0x880b],                 'PPP, RFC 7042'],
  ['ethernet',     [0x6558],                 'Ethernet in Ethernet (transparent bridging), RFC 1701'],
  ['jumbo',        [0x8870],                 'long LLC frames'],
  ['nsh',          [0x894f],                 'network service headers, RFC 8300'],
  ['trill',        [0x22f3],                 'TRILL, RFC 6325'],
  ['pbb',          [0x88e7],                 'MAC in MAC, IEEE 802.1ah'],
  ['etag',         [0x893f, 0x8926],         'tags of port extenders, IEEE 802.1BR, and VN-Tag'],
  ['macsec',       [0x88e5],                 'MACsec, IEEE 802.1AE'],
  ['batman',       [0x4305],                 'B.A.T.M.A.N. advanced'],
  ['geonetworking', [0x8947],                'GeoNetworking, ETSI EN 302 636'],
  ['lowpan',       [0xa0ed],                 '6LoWPAN, RFC 7973'],
  ['experimental', [0x88b5, 0x88b6, 0x88b7], 'local experiments, IEEE 802'],
] as const

export type CarrierName = (typeof rows)[number][0]

export interface Carrier {
  readonly name: CarrierName
  readonly ethertypes: readonly number[]
  readonly what: string
}

export const carriers: readonly Carrier[] = rows.map(([name, ethertypes, what]) => ({
  name,
  ethertypes,
  what,
}))

export const carrierNames: readonly CarrierName[] = carriers.map(({ name }) => name)
