/**
 * Match fields: OpenFlow 1.3.5 section 7.2.3.7 (class 0x8000), and the Nicira, ONF and OVS fields
 * that Open vSwitch 3.1 understands over OpenFlow 1.3 (ovs-fields(7)). One row a field; the type of a
 * match, its reader, writer, checks and printer come from this table.
 *
 * Names are those of `ovs-ofctl`. A value is a number when the field has 48 bits or fewer, else a bigint.
 * `vlan_vid` holds the bit OFPVID_PRESENT (0x1000) too. `in_port16` is Nicira's 16-bit view of `in_port`, for
 * actions that load and move.
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

/** What else a packet must be for the field to exist in it, and a match must say before the field. */
export type Prerequisite =
  | 'none'
  | 'in-port'
  | 'vlan'
  | 'ip'
  | 'ipv4'
  | 'ipv6'
  | 'arp'
  | 'mpls'
  | 'pbb'
  | 'nsh'
  | 'tcp'
  | 'udp'
  | 'sctp'
  | 'icmpv4'
  | 'icmpv6'
  | 'nd'
  | 'nd-solicit'
  | 'nd-advert'
  | 'ct'

type Row = readonly [
  name: string,
  oxmClass: number,
  number: number,
  bits: number,
  size: number,
  format: FieldFormat,
  maskable: Maskable,
  prerequisite: Prerequisite,
  access: 'rw' | 'r',
  symbol: string,
  nxmClass?: number,
  nxmNumber?: number,
]

const OF = 0x8000
/** Packet registers, OpenFlow 1.5, accepted over 1.3. */
const PR = 0x8001
const N0 = 0x0000
const NX = 0x0001
/** Ericsson's fields for neighbour discovery. */
const ER = 0x1000
/** Class 0xffff is told apart by experimenter: 2^32 and the experimenter's number stand for it. */
const ON = 0x1_4f4e4600
const NE = 0x1_00002320
const NS = 0x1_005ad650

/*
 * Columns: name, class and number, significant bits, octets on the wire, how it is written, maskable,
 * prerequisite, writable, then the name that actions such as `load` use, with Nicira's own class and
 * number for it where these differ.
 */
// biome-ignore format: a table
const rows = [
  ['in_port',           OF, 0,   32,   4,   'port',        'exact', 'none',       'rw', 'OXM_OF_IN_PORT'],
  ['in_phy_port',       OF, 1,   32,   4,   'port',        'exact', 'in-port',    'r',  'OXM_OF_IN_PHY_PORT'],
  ['metadata',          OF, 2,   64,   8,   'hex',         'mask',  'none',       'rw', 'OXM_OF_METADATA'],
  ['eth_dst',           OF, 3,   48,   6,   'mac',         'mask',  'none',       'rw', 'NXM_OF_ETH_DST', N0, 1],
  ['eth_src',           OF, 4,   48,   6,   'mac',         'mask',  'none',       'rw', 'NXM_OF_ETH_SRC', N0, 2],
  ['eth_type',          OF, 5,   16,   2,   'eth-type',    'exact', 'none',       'r',  'NXM_OF_ETH_TYPE', N0, 3],
  ['vlan_vid',          OF, 6,   13,   2,   'decimal',     'mask',  'none',       'rw', 'OXM_OF_VLAN_VID'],
  ['vlan_pcp',          OF, 7,   3,    1,   'decimal',     'exact', 'vlan',       'rw', 'OXM_OF_VLAN_PCP'],
  ['ip_dscp',           OF, 8,   6,    1,   'decimal',     'exact', 'ip',         'rw', 'OXM_OF_IP_DSCP'],
  ['ip_ecn',            OF, 9,   2,    1,   'decimal',     'exact', 'ip',         'rw', 'NXM_NX_IP_ECN', NX, 28],
  ['ip_proto',          OF, 10,  8,    1,   'decimal',     'exact', 'ip',         'r',  'NXM_OF_IP_PROTO', N0, 6],
  ['ip_src',            OF, 11,  32,   4,   'ipv4',        'mask',  'ipv4',       'rw', 'NXM_OF_IP_SRC', N0, 7],
  ['ip_dst',            OF, 12,  32,   4,   'ipv4',        'mask',  'ipv4',       'rw', 'NXM_OF_IP_DST', N0, 8],
  ['tcp_src',           OF, 13,  16,   2,   'decimal',     'mask',  'tcp',        'rw', 'NXM_OF_TCP_SRC', N0, 9],
  ['tcp_dst',           OF, 14,  16,   2,   'decimal',     'mask',  'tcp',        'rw', 'NXM_OF_TCP_DST', N0, 10],
  ['udp_src',           OF, 15,  16,   2,   'decimal',     'mask',  'udp',        'rw', 'NXM_OF_UDP_SRC', N0, 11],
  ['udp_dst',           OF, 16,  16,   2,   'decimal',     'mask',  'udp',        'rw', 'NXM_OF_UDP_DST', N0, 12],
  ['sctp_src',          OF, 17,  16,   2,   'decimal',     'mask',  'sctp',       'rw', 'OXM_OF_SCTP_SRC'],
  ['sctp_dst',          OF, 18,  16,   2,   'decimal',     'mask',  'sctp',       'rw', 'OXM_OF_SCTP_DST'],
  ['icmp_type',         OF, 19,  8,    1,   'decimal',     'exact', 'icmpv4',     'rw', 'NXM_OF_ICMP_TYPE', N0, 13],
  ['icmp_code',         OF, 20,  8,    1,   'decimal',     'exact', 'icmpv4',     'rw', 'NXM_OF_ICMP_CODE', N0, 14],
  ['arp_op',            OF, 21,  16,   2,   'decimal',     'exact', 'arp',        'rw', 'NXM_OF_ARP_OP', N0, 15],
  ['arp_spa',           OF, 22,  32,   4,   'ipv4',        'mask',  'arp',        'rw', 'NXM_OF_ARP_SPA', N0, 16],
  ['arp_tpa',           OF, 23,  32,   4,   'ipv4',        'mask',  'arp',        'rw', 'NXM_OF_ARP_TPA', N0, 17],
  ['arp_sha',           OF, 24,  48,   6,   'mac',         'mask',  'arp',        'rw', 'NXM_NX_ARP_SHA', NX, 17],
  ['arp_tha',           OF, 25,  48,   6,   'mac',         'mask',  'arp',        'rw', 'NXM_NX_ARP_THA', NX, 18],
  ['ipv6_src',          OF, 26,  128,  16,  'ipv6',        'mask',  'ipv6',       'rw', 'NXM_NX_IPV6_SRC', NX, 19],
  ['ipv6_dst',          OF, 27,  128,  16,  'ipv6',        'mask',  'ipv6',       'rw', 'NXM_NX_IPV6_DST', NX, 20],
  ['ipv6_label',        OF, 28,  20,   4,   'hex',         'mask',  'ipv6',       'rw', 'NXM_NX_IPV6_LABEL', NX, 27],
  ['icmpv6_type',       OF, 29,  8,    1,   'decimal',     'exact', 'icmpv6',     'rw', 'NXM_NX_ICMPV6_TYPE', NX, 21],
  ['icmpv6_code',       OF, 30,  8,    1,   'decimal',     'exact', 'icmpv6',     'rw', 'NXM_NX_ICMPV6_CODE', NX, 22],
  ['nd_target',         OF, 31,  128,  16,  'ipv6',        'mask',  'nd',         'rw', 'NXM_NX_ND_TARGET', NX, 23],
  ['nd_sll',            OF, 32,  48,   6,   'mac',         'mask',  'nd-solicit', 'rw', 'NXM_NX_ND_SLL', NX, 24],
  ['nd_tll',            OF, 33,  48,   6,   'mac',         'mask',  'nd-advert',  'rw', 'NXM_NX_ND_TLL', NX, 25],
  ['mpls_label',        OF, 34,  20,   4,   'decimal',     'exact', 'mpls',       'rw', 'OXM_OF_MPLS_LABEL'],
  ['mpls_tc',           OF, 35,  3,    1,   'decimal',     'exact', 'mpls',       'rw', 'OXM_OF_MPLS_TC'],
  ['mpls_bos',          OF, 36,  1,    1,   'decimal',     'exact', 'mpls',       'r',  'OXM_OF_MPLS_BOS'],
  ['pbb_isid',          OF, 37,  24,   3,   'hex',         'mask',  'pbb',        'rw', 'OXM_OF_PBB_ISID'],
  ['tun_id',            OF, 38,  64,   8,   'hex',         'mask',  'none',       'rw', 'NXM_NX_TUN_ID', NX, 16],
  ['ipv6_exthdr',       OF, 39,  9,    2,   'hex',         'mask',  'ipv6',       'r',  'OXM_OF_IPV6_EXTHDR'],
  ['packet_type',       OF, 44,  32,   4,   'packet-type', 'exact', 'none',       'r',  'OXM_OF_PACKET_TYPE'],
  ['xreg0',             PR, 0,   64,   8,   'hex',         'mask',  'none',       'rw', 'OXM_OF_PKT_REG0'],
  ['xreg1',             PR, 1,   64,   8,   'hex',         'mask',  'none',       'rw', 'OXM_OF_PKT_REG1'],
  ['xreg2',             PR, 2,   64,   8,   'hex',         'mask',  'none',       'rw', 'OXM_OF_PKT_REG2'],
  ['xreg3',             PR, 3,   64,   8,   'hex',         'mask',  'none',       'rw', 'OXM_OF_PKT_REG3'],
  ['xreg4',             PR, 4,   64,   8,   'hex',         'mask',  'none',       'rw', 'OXM_OF_PKT_REG4'],
  ['xreg5',             PR, 5,   64,   8,   'hex',         'mask',  'none',       'rw', 'OXM_OF_PKT_REG5'],
  ['xreg6',             PR, 6,   64,   8,   'hex',         'mask',  'none',       'rw', 'OXM_OF_PKT_REG6'],
  ['xreg7',             PR, 7,   64,   8,   'hex',         'mask',  'none',       'rw', 'OXM_OF_PKT_REG7'],
  ['reg0',              NX, 0,   32,   4,   'hex',         'mask',  'none',       'rw', 'NXM_NX_REG0'],
  ['reg1',              NX, 1,   32,   4,   'hex',         'mask',  'none',       'rw', 'NXM_NX_REG1'],
  ['reg2',              NX, 2,   32,   4,   'hex',         'mask',  'none',       'rw', 'NXM_NX_REG2'],
  ['reg3',              NX, 3,   32,   4,   'hex',         'mask',  'none',       'rw', 'NXM_NX_REG3'],
  ['reg4',              NX, 4,   32,   4,   'hex',         'mask',  'none',       'rw', 'NXM_NX_REG4'],
  ['reg5',              NX, 5,   32,   4,   'hex',         'mask',  'none',       'rw', 'NXM_NX_REG5'],
  ['reg6',              NX, 6,   32,   4,   'hex',         'mask',  'none',       'rw', 'NXM_NX_REG6'],
  ['reg7',              NX, 7,   32,   4,   'hex',         'mask',  'none',       'rw', 'NXM_NX_REG7'],
  ['reg8',              NX, 8,   32,   4,   'hex',         'mask',  'none',       'rw', 'NXM_NX_REG8'],
  ['reg9',              NX, 9,   32,   4,   'hex',         'mask',  'none',       'rw', 'NXM_NX_REG9'],
  ['reg10',             NX, 10,  32,   4,   'hex',         'mask',  'none',       'rw', 'NXM_NX_REG10'],
  ['reg11',             NX, 11,  32,   4,   'hex',         'mask',  'none',       'rw', 'NXM_NX_REG11'],
  ['reg12',             NX, 12,  32,   4,   'hex',         'mask',  'none',       'rw', 'NXM_NX_REG12'],
  ['reg13',             NX, 13,  32,   4,   'hex',         'mask',  'none',       'rw', 'NXM_NX_REG13'],
  ['reg14',             NX, 14,  32,   4,   'hex',         'mask',  'none',       'rw', 'NXM_NX_REG14'],
  ['reg15',             NX, 15,  32,   4,   'hex',         'mask',  'none',       'rw', 'NXM_NX_REG15'],
  ['ip_frag',           NX, 26,  2,    1,   'frag',        'mask',  'ip',         'r',  'NXM_NX_IP_FRAG'],
  ['nw_ttl',            NX, 29,  8,    1,   'decimal',     'exact', 'ip',         'rw', 'NXM_NX_IP_TTL'],
  ['mpls_ttl',          NX, 30,  8,    1,   'decimal',     'exact', 'mpls',       'rw', 'NXM_NX_MPLS_TTL'],
  ['tun_src',           NX, 31,  32,   4,   'ipv4',        'mask',  'none',       'rw', 'NXM_NX_TUN_IPV4_SRC'],
  ['tun_dst',           NX, 32,  32,   4,   'ipv4',        'mask',  'none',       'rw', 'NXM_NX_TUN_IPV4_DST'],
  ['pkt_mark',          NX, 33,  32,   4,   'hex',         'mask',  'none',       'rw', 'NXM_NX_PKT_MARK'],
  ['dp_hash',           NX, 35,  32,   4,   'hex',         'mask',  'none',       'r',  'NXM_NX_DP_HASH'],
  ['recirc_id',         NX, 36,  32,   4,   'decimal',     'exact', 'none',       'r',  'NXM_NX_RECIRC_ID'],
  ['conj_id',           NX, 37,  32,   4,   'decimal',     'exact', 'none',       'r',  'NXM_NX_CONJ_ID'],
  ['tun_gbp_id',        NX, 38,  16,   2,   'decimal',     'mask',  'none',       'rw', 'NXM_NX_TUN_GBP_ID'],
  ['tun_gbp_flags',     NX, 39,  8,    1,   'hex',         'mask',  'none',       'rw', 'NXM_NX_TUN_GBP_FLAGS'],
  ['tun_flags',         NX, 104, 1,    2,   'tun-flags',   'mask',  'none',       'rw', 'NXM_NX_TUN_FLAGS'],
  ['ct_state',          NX, 105, 32,   4,   'ct-state',    'mask',  'none',       'r',  'NXM_NX_CT_STATE'],
  ['ct_zone',           NX, 106, 16,   2,   'hex',         'exact', 'none',       'r',  'NXM_NX_CT_ZONE'],
  ['ct_mark',           NX, 107, 32,   4,   'hex',         'mask',  'none',       'rw', 'NXM_NX_CT_MARK'],
  ['ct_label',          NX, 108, 128,  16,  'hex',         'mask',  'none',       'rw', 'NXM_NX_CT_LABEL'],
  ['tun_ipv6_src',      NX, 109, 128,  16,  'ipv6',        'mask',  'none',       'rw', 'NXM_NX_TUN_IPV6_SRC'],
  ['tun_ipv6_dst',      NX, 110, 128,  16,  'ipv6',        'mask',  'none',       'rw', 'NXM_NX_TUN_IPV6_DST'],
  ['xxreg0',            NX, 111, 128,  16,  'hex',         'mask',  'none',       'rw', 'NXM_NX_XXREG0'],
  ['xxreg1',            NX, 112, 128,  16,  'hex',         'mask',  'none',       'rw', 'NXM_NX_XXREG1'],
  ['xxreg2',            NX, 113, 128,  16,  'hex',         'mask',  'none',       'rw', 'NXM_NX_XXREG2'],
  ['xxreg3',            NX, 114, 128,  16,  'hex',         'mask',  'none',       'rw', 'NXM_NX_XXREG3'],
  ['ct_nw_proto',       NX, 119, 8,    1,   'decimal',     'exact', 'ct',         'r',  'NXM_NX_CT_NW_PROTO'],
  ['ct_nw_src',         NX, 120, 32,   4,   'ipv4',        'mask',  'ct',         'r',  'NXM_NX_CT_NW_SRC'],
  ['ct_nw_dst',         NX, 121, 32,   4,   'ipv4',        'mask',  'ct',         'r',  'NXM_NX_CT_NW_DST'],
  ['ct_ipv6_src',       NX, 122, 128,  16,  'ipv6',        'mask',  'ct',         'r',  'NXM_NX_CT_IPV6_SRC'],
  ['ct_ipv6_dst',       NX, 123, 128,  16,  'ipv6',        'mask',  'ct',         'r',  'NXM_NX_CT_IPV6_DST'],
  ['ct_tp_src',         NX, 124, 16,   2,   'decimal',     'mask',  'ct',         'r',  'NXM_NX_CT_TP_SRC'],
  ['ct_tp_dst',         NX, 125, 16,   2,   'decimal',     'mask',  'ct',         'r',  'NXM_NX_CT_TP_DST'],
  ['in_port16',         N0, 0,   16,   2,   'port',        'exact', 'none',       'rw', 'NXM_OF_IN_PORT'],
  ['vlan_tci',          N0, 4,   16,   2,   'hex',         'mask',  'none',       'rw', 'NXM_OF_VLAN_TCI'],
  ['nw_tos',            N0, 5,   8,    1,   'decimal',     'exact', 'ip',         'rw', 'NXM_OF_IP_TOS'],
  ['tcp_flags',         ON, 42,  12,   2,   'tcp-flags',   'mask',  'tcp',        'r',  'NXM_NX_TCP_FLAGS', NX, 34],
  ['actset_output',     ON, 43,  32,   4,   'port',        'exact', 'none',       'r',  'ONFOXM_ET_ACTSET_OUTPUT'],
  ['tun_erspan_idx',    NE, 11,  20,   4,   'hex',         'mask',  'none',       'rw', 'NXOXM_ET_ERSPAN_IDX'],
  ['tun_erspan_ver',    NE, 12,  4,    1,   'decimal',     'mask',  'none',       'rw', 'NXOXM_ET_ERSPAN_VER'],
  ['tun_erspan_dir',    NE, 13,  1,    1,   'decimal',     'mask',  'none',       'rw', 'NXOXM_ET_ERSPAN_DIR'],
  ['tun_erspan_hwid',   NE, 14,  6,    1,   'hex',         'mask',  'none',       'rw', 'NXOXM_ET_ERSPAN_HWID'],
  ['tun_gtpu_flags',    NE, 15,  8,    1,   'hex',         'mask',  'none',       'r',  'NXOXM_ET_GTPU_FLAGS'],
  ['tun_gtpu_msgtype',  NE, 16,  8,    1,   'decimal',     'mask',  'none',       'r',  'NXOXM_ET_GTPU_MSGTYPE'],
  ['nsh_flags',         NS, 1,   8,    1,   'decimal',     'mask',  'nsh',        'rw', 'NXOXM_NSH_FLAGS'],
  ['nsh_mdtype',        NS, 2,   8,    1,   'decimal',     'exact', 'nsh',        'r',  'NXOXM_NSH_MDTYPE'],
  ['nsh_np',            NS, 3,   8,    1,   'decimal',     'exact', 'nsh',        'r',  'NXOXM_NSH_NP'],
  ['nsh_spi',           NS, 4,   24,   4,   'hex',         'exact', 'nsh',        'rw', 'NXOXM_NSH_SPI'],
  ['nsh_si',            NS, 5,   8,    1,   'decimal',     'exact', 'nsh',        'rw', 'NXOXM_NSH_SI'],
  ['nsh_c1',            NS, 6,   32,   4,   'hex',         'mask',  'nsh',        'rw', 'NXOXM_NSH_C1'],
  ['nsh_c2',            NS, 7,   32,   4,   'hex',         'mask',  'nsh',        'rw', 'NXOXM_NSH_C2'],
  ['nsh_c3',            NS, 8,   32,   4,   'hex',         'mask',  'nsh',        'rw', 'NXOXM_NSH_C3'],
  ['nsh_c4',            NS, 9,   32,   4,   'hex',         'mask',  'nsh',        'rw', 'NXOXM_NSH_C4'],
  ['nsh_ttl',           NS, 10,  8,    1,   'decimal',     'exact', 'nsh',        'rw', 'NXOXM_NSH_TTL'],
  ['nd_reserved',       ER, 1,   32,   4,   'decimal',     'exact', 'nd',         'rw', 'ERICOXM_OF_ICMPV6_ND_RESERVED'],
  ['nd_options_type',   ER, 2,   8,    1,   'decimal',     'exact', 'nd',         'rw', 'ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE'],
] as const satisfies readonly Row[]

/** Options of tunnels: the table that `tlv-table-mod` sends binds the numbers 0 to 63 to real ones. */
export type TunnelMetadataName = `tun_metadata${number}`

export type FieldName = (typeof rows)[number][0] | TunnelMetadataName

export interface Field {
  readonly name: FieldName
  /** 16 bits; for fields of an experimenter 2^32 and the experimenter's number. */
  readonly oxmClass: number
  readonly number: number
  /** How many low bits may be set. */
  readonly bits: number
  /** Octets of a value on the wire; the greatest number of them for tunnel metadata. */
  readonly size: number
  readonly format: FieldFormat
  readonly isMaskable: boolean
  readonly prerequisite: Prerequisite
  readonly isWritable: boolean
  /** Its name in actions that work on bits, such as `NXM_OF_ETH_SRC`. */
  readonly symbol: string
  /** Its class and number in Nicira's actions. */
  readonly nxmClass: number
  readonly nxmNumber: number
  /** Tunnel metadata: as long as the option is. */
  readonly isVariable: boolean
}

const fieldOfRow = ([
  name,
  oxmClass,
  number,
  bits,
  size,
  format,
  maskable,
  prerequisite,
  access,
  symbol,
  nxmClass,
  nxmNumber,
]: Row): Field => ({
  name: name as FieldName,
  oxmClass,
  number,
  bits,
  size,
  format,
  isMaskable: maskable === 'mask',
  prerequisite,
  isWritable: access === 'rw',
  symbol,
  nxmClass: nxmClass ?? oxmClass,
  nxmNumber: nxmNumber ?? number,
  isVariable: false,
})

const tunnelMetadata = (index: number): Field => ({
  ...fieldOfRow([
    `tun_metadata${index}`,
    NX,
    40 + index,
    992,
    124,
    'hex',
    'mask',
    'none',
    'rw',
    `NXM_NX_TUN_METADATA${index}`,
  ]),
  isVariable: true,
})

export const fields: readonly Field[] = [
  ...rows.map(fieldOfRow),
  ...Array.from({ length: 64 }, (_, index) => tunnelMetadata(index)),
]

export const fieldByName: ReadonlyMap<string, Field> = new Map(
  fields.map(field => [field.name, field]),
)

/** By class and number as `classAndNumber` joins them; both the OXM and the Nicira ones. */
const fieldByHeader: ReadonlyMap<number, Field> = new Map([
  ...fields.map(field => [field.nxmClass * 128 + field.nxmNumber, field] as const),
  ...fields.map(field => [field.oxmClass * 128 + field.number, field] as const),
  // ONF EXT-109 gave `tcp_flags` a number of 1.3's own; 1.5 made it standard.
  [OF * 128 + 42, fieldByName.get('tcp_flags')!] as const,
  [OF * 128 + 43, fieldByName.get('actset_output')!] as const,
  // NXOXM_ET_DP_HASH, which Open vSwitch writes over OpenFlow 1.5.
  [NE * 128, fieldByName.get('dp_hash')!] as const,
])

/** The field of a class (see `Field.oxmClass`) and number, from a match or an action. */
export const findField = (oxmClass: number, number: number): Field | undefined =>
  fieldByHeader.get(oxmClass * 128 + number)
