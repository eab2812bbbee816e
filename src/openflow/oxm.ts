/**
 * Match fields: OpenFlow 1.3.5 section 7.2.3.7 (class 0x8000), and the Nicira and OVS fields
 * that Open vSwitch 3.1 understands over OpenFlow 1.3 (its `meta-flow.h`). One row a field; the type of a
 * match, its reader, writer and printer come from this table.
 *
 * Names are those of `ovs-ofctl`. A value is a number when the field has 48 bits or fewer, else a bigint.
 */

export type FieldFormat =
  | 'decimal'
  | 'hex'
  | 'mac'
  | 'ipv4'
  | 'ipv6'
  | 'port'
  | 'eth-type'
  | 'ct-state'
  | 'tcp-flags'
  | 'frag'
  | 'tun-flags'
  | 'packet-type'

export type Maskable = 'mask' | 'exact'

type Row = readonly [
  name: string,
  oxmClass: number,
  number: number,
  bits: number,
  format: FieldFormat,
  maskable: Maskable,
]

const OF = 0x8000
const NX = 0x0001

// biome-ignore format: a table
const rows = [
  ['in_port',     OF, 0,  32,  'port',     'exact'],
  ['in_phy_port', OF, 1,  32,  'port',     'exact'],
  ['metadata',    OF, 2,  64,  'hex',      'mask'],
  ['eth_dst',     OF, 3,  48,  'mac',      'mask'],
  ['eth_src',     OF, 4,  48,  'mac',      'mask'],
  ['eth_type',    OF, 5,  16,  'eth-type', 'exact'],
  ['vlan_vid',    OF, 6,  13,  'hex',      'mask'],
  ['vlan_pcp',    OF, 7,  3,   'decimal',  'exact'],
  ['ip_dscp',     OF, 8,  6,   'decimal',  'exact'],
  ['ip_ecn',      OF, 9,  2,   'decimal',  'exact'],
  ['ip_proto',    OF, 10, 8,   'decimal',  'exact'],
  ['ip_src',      OF, 11, 32,  'ipv4',     'mask'],
  ['ip_dst',      OF, 12, 32,  'ipv4',     'mask'],
  ['tcp_src',     OF, 13, 16,  'decimal',  'mask'],
  ['tcp_dst',     OF, 14, 16,  'decimal',  'mask'],
  ['udp_src',     OF, 15, 16,  'decimal',  'mask'],
  ['udp_dst',     OF, 16, 16,  'decimal',  'mask'],
  ['sctp_src',    OF, 17, 16,  'decimal',  'mask'],
  ['sctp_dst',    OF, 18, 16,  'decimal',  'mask'],
  ['icmp_type',   OF, 19, 8,   'decimal',  'exact'],
  ['icmp_code',   OF, 20, 8,   'decimal',  'exact'],
  ['arp_op',      OF, 21, 16,  'decimal',  'exact'],
  ['arp_spa',     OF, 22, 32,  'ipv4',     'mask'],
  ['arp_tpa',     OF, 23, 32,  'ipv4',     'mask'],
  ['arp_sha',     OF, 24, 48,  'mac',      'mask'],
  ['arp_tha',     OF, 25, 48,  'mac',      'mask'],
  ['ipv6_src',    OF, 26, 128, 'ipv6',     'mask'],
  ['ipv6_dst',    OF, 27, 128, 'ipv6',     'mask'],
  ['ipv6_label',  OF, 28, 20,  'hex',      'mask'],
  ['icmpv6_type', OF, 29, 8,   'decimal',  'exact'],
  ['icmpv6_code', OF, 30, 8,   'decimal',  'exact'],
  ['nd_target',   OF, 31, 128, 'ipv6',     'mask'],
  ['nd_sll',      OF, 32, 48,  'mac',      'mask'],
  ['nd_tll',      OF, 33, 48,  'mac',      'mask'],
  ['mpls_label',  OF, 34, 20,  'decimal',  'exact'],
  ['mpls_tc',     OF, 35, 3,   'decimal',  'exact'],
  ['mpls_bos',    OF, 36, 1,   'decimal',  'exact'],
  ['tun_id',      OF, 38, 64,  'hex',      'mask'],
  ['reg0',        NX, 0,  32,  'hex',      'mask'],
  ['reg1',        NX, 1,  32,  'hex',      'mask'],
  ['reg2',        NX, 2,  32,  'hex',      'mask'],
  ['reg3',        NX, 3,  32,  'hex',      'mask'],
  ['reg4',        NX, 4,  32,  'hex',      'mask'],
  ['reg5',        NX, 5,  32,  'hex',      'mask'],
  ['reg6',        NX, 6,  32,  'hex',      'mask'],
  ['reg7',        NX, 7,  32,  'hex',      'mask'],
  ['reg8',        NX, 8,  32,  'hex',      'mask'],
  ['reg9',        NX, 9,  32,  'hex',      'mask'],
  ['reg10',       NX, 10, 32,  'hex',      'mask'],
  ['reg11',       NX, 11, 32,  'hex',      'mask'],
  ['reg12',       NX, 12, 32,  'hex',      'mask'],
  ['reg13',       NX, 13, 32,  'hex',      'mask'],
  ['reg14',       NX, 14, 32,  'hex',      'mask'],
  ['reg15',       NX, 15, 32,  'hex',      'mask'],
  ['ip_frag',     NX, 26, 2,   'frag',     'mask'],
  ['nw_ttl',      NX, 29, 8,   'decimal',  'exact'],
  ['pkt_mark',    NX, 33, 32,  'hex',      'mask'],
  ['tcp_flags',   NX, 34, 12,  'tcp-flags','mask'],
  ['conj_id',     NX, 37, 32,  'decimal',  'exact'],
  ['ct_state',    NX, 105, 32, 'ct-state', 'mask'],
  ['ct_zone',     NX, 106, 16, 'hex',      'exact'],
  ['ct_mark',     NX, 107, 32, 'hex',      'mask'],
  ['ct_label',    NX, 108, 128,'hex',      'mask'],
  ['ct_nw_proto', NX, 119, 8,  'decimal',  'exact'],
  ['ct_nw_src',   NX, 120, 32, 'ipv4',     'mask'],
  ['ct_nw_dst',   NX, 121, 32, 'ipv4',     'mask'],
  ['ct_ipv6_src', NX, 122, 128,'ipv6',     'mask'],
  ['ct_ipv6_dst', NX, 123, 128,'ipv6',     'mask'],
  ['ct_tp_src',   NX, 124, 16, 'decimal',  'mask'],
  ['ct_tp_dst',   NX, 125, 16, 'decimal',  'mask'],
] as const satisfies readonly Row[]

export type FieldName = (typeof rows)[number][0]

export interface Field {
  readonly name: FieldName
  readonly oxmClass: number
  readonly number: number
  readonly bits: number
  readonly format: FieldFormat
  readonly isMaskable: boolean
}

export const fields: readonly Field[] = rows.map(
  ([name, oxmClass, number, bits, format, maskable]) => ({
    name,
    oxmClass,
    number,
    bits,
    format,
    isMaskable: maskable === 'mask',
  }),
)

export const fieldByName: ReadonlyMap<string, Field> = new Map(
  fields.map(field => [field.name, field]),
)
