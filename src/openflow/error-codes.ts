/**
 * Errors: OpenFlow 1.3.5 section 7.4.4, and those of experimenters that Open vSwitch 3.1 sends over
 * 1.3 (error type 0xffff). Names are the specification's; the last cell is Open vSwitch's name where it has its own.
 */

/** Error types, section 7.4.4, with the names `ovs-ofctl` knows them by. */
// biome-ignore format: a table
export const errorTypes = {
  OFPET_HELLO_FAILED:          0,
  OFPET_BAD_REQUEST:           1,
  OFPET_BAD_ACTION:            2,
  OFPET_BAD_INSTRUCTION:       3,
  OFPET_BAD_MATCH:             4,
  OFPET_FLOW_MOD_FAILED:       5,
  OFPET_GROUP_MOD_FAILED:      6,
  OFPET_PORT_MOD_FAILED:       7,
  OFPET_TABLE_MOD_FAILED:      8,
  OFPET_QUEUE_OP_FAILED:       9,
  OFPET_SWITCH_CONFIG_FAILED:  10,
  OFPET_ROLE_REQUEST_FAILED:   11,
  OFPET_METER_MOD_FAILED:      12,
  OFPET_TABLE_FEATURES_FAILED: 13,
  OFPET_EXPERIMENTER:          0xffff,
} as const

/** Type of errors that carry an experimenter's number. */
export const experimenterErrorType = 0xffff

const NX = 0x00002320
const ONF = 0x4f4e4600

type Row = readonly [
  name: string,
  type: number,
  code: number,
  meaning: string,
  /** Open vSwitch's name; absent: the same. */
  ovsName?: string,
]

// biome-ignore format: a table
const standard = [
  ['OFPHFC_INCOMPATIBLE',        0, 0,  'no version in common'],
  ['OFPHFC_EPERM',               0, 1,  'permission denied'],
  ['OFPBRC_BAD_VERSION',         1, 0,  'version not supported'],
  ['OFPBRC_BAD_TYPE',            1, 1,  'message type not supported'],
  ['OFPBRC_BAD_MULTIPART',       1, 2,  'multipart type not supported', 'OFPBRC_BAD_STAT'],
  ['OFPBRC_BAD_EXPERIMENTER',    1, 3,  'experimenter not supported', 'OFPBRC_BAD_VENDOR'],
  ['OFPBRC_BAD_EXP_TYPE',        1, 4,  'message type of the experimenter not supported', 'OFPBRC_BAD_SUBTYPE'],
  ['OFPBRC_EPERM',               1, 5,  'permission denied'],
  ['OFPBRC_BAD_LEN',             1, 6,  'wrong length for this type'],
  ['OFPBRC_BUFFER_EMPTY',        1, 7,  'the buffer was used before'],
  ['OFPBRC_BUFFER_UNKNOWN',      1, 8,  'there is no such buffer'],
  ['OFPBRC_BAD_TABLE_ID',        1, 9,  'there is no such table'],
  ['OFPBRC_IS_SLAVE',            1, 10, 'a slave may not ask for this', 'OFPBRC_IS_SECONDARY'],
  ['OFPBRC_BAD_PORT',            1, 11, 'invalid port'],
  ['OFPBRC_BAD_PACKET',          1, 12, 'invalid packet in packet-out'],
  ['OFPBRC_MULTIPART_BUFFER_OVERFLOW', 1, 13, 'the parts of the request are more than the switch can hold'],
  ['OFPBAC_BAD_TYPE',            2, 0,  'unknown action'],
  ['OFPBAC_BAD_LEN',             2, 1,  'wrong length of an action'],
  ['OFPBAC_BAD_EXPERIMENTER',    2, 2,  'unknown experimenter of an action', 'OFPBAC_BAD_VENDOR'],
  ['OFPBAC_BAD_EXP_TYPE',        2, 3,  'unknown action of the experimenter', 'OFPBAC_BAD_VENDOR_TYPE'],
  ['OFPBAC_BAD_OUT_PORT',        2, 4,  'invalid output port'],
  ['OFPBAC_BAD_ARGUMENT',        2, 5,  'bad argument of an action'],
  ['OFPBAC_EPERM',               2, 6,  'permission denied'],
  ['OFPBAC_TOO_MANY',            2, 7,  'too many actions'],
  ['OFPBAC_BAD_QUEUE',           2, 8,  'invalid queue'],
  ['OFPBAC_BAD_OUT_GROUP',       2, 9,  'there is no such group'],
  ['OFPBAC_MATCH_INCONSISTENT',  2, 10, 'the action does not fit the match'],
  ['OFPBAC_UNSUPPORTED_ORDER',   2, 11, 'actions in an order that is not supported'],
  ['OFPBAC_BAD_TAG',             2, 12, 'unsupported tag or encapsulation'],
  ['OFPBAC_BAD_SET_TYPE',        2, 13, 'an action names an unknown field'],
  ['OFPBAC_BAD_SET_LEN',         2, 14, 'an action goes past the end of a field'],
  ['OFPBAC_BAD_SET_ARGUMENT',    2, 15, 'an invalid value for a field, or the field is read-only'],
  ['OFPBIC_UNKNOWN_INST',        3, 0,  'unknown instruction'],
  ['OFPBIC_UNSUP_INST',          3, 1,  'instruction not supported here'],
  ['OFPBIC_BAD_TABLE_ID',        3, 2,  'invalid table in an instruction'],
  ['OFPBIC_UNSUP_METADATA',      3, 3,  'metadata value not supported'],
  ['OFPBIC_UNSUP_METADATA_MASK', 3, 4,  'metadata mask not supported'],
  ['OFPBIC_BAD_EXPERIMENTER',    3, 5,  'unknown experimenter of an instruction'],
  ['OFPBIC_BAD_EXP_TYPE',        3, 6,  'unknown instruction of the experimenter'],
  ['OFPBIC_BAD_LEN',             3, 7,  'wrong length of an instruction'],
  ['OFPBIC_EPERM',               3, 8,  'permission denied'],
  ['OFPBMC_BAD_TYPE',            4, 0,  'unsupported kind of match'],
  ['OFPBMC_BAD_LEN',             4, 1,  'wrong length in a match'],
  ['OFPBMC_BAD_TAG',             4, 2,  'unsupported tag or encapsulation'],
  ['OFPBMC_BAD_DL_ADDR_MASK',    4, 3,  'unsupported mask of a MAC address'],
  ['OFPBMC_BAD_NW_ADDR_MASK',    4, 4,  'unsupported mask of an IP address'],
  ['OFPBMC_BAD_WILDCARDS',       4, 5,  'unsupported combination of fields left out'],
  ['OFPBMC_BAD_FIELD',           4, 6,  'unsupported field'],
  ['OFPBMC_BAD_VALUE',           4, 7,  'unsupported value'],
  ['OFPBMC_BAD_MASK',            4, 8,  'unsupported mask'],
  ['OFPBMC_BAD_PREREQ',          4, 9,  'a prerequisite of a field is missing'],
  ['OFPBMC_DUP_FIELD',           4, 10, 'a field occurs twice'],
  ['OFPBMC_EPERM',               4, 11, 'permission denied'],
  ['OFPFMFC_UNKNOWN',            5, 0,  'unspecified'],
  ['OFPFMFC_TABLE_FULL',         5, 1,  'the table is full'],
  ['OFPFMFC_BAD_TABLE_ID',       5, 2,  'there is no such table'],
  ['OFPFMFC_OVERLAP',            5, 3,  'the flow overlaps another of its priority'],
  ['OFPFMFC_EPERM',              5, 4,  'permission denied'],
  ['OFPFMFC_BAD_TIMEOUT',        5, 5,  'timeout not supported'],
  ['OFPFMFC_BAD_COMMAND',        5, 6,  'unknown command'],
  ['OFPFMFC_BAD_FLAGS',          5, 7,  'unknown flags'],
  ['OFPGMFC_GROUP_EXISTS',       6, 0,  'the group exists already'],
  ['OFPGMFC_INVALID_GROUP',      6, 1,  'invalid group'],
  ['OFPGMFC_WEIGHT_UNSUPPORTED', 6, 2,  'unequal weights not supported'],
  ['OFPGMFC_OUT_OF_GROUPS',      6, 3,  'the group table is full'],
  ['OFPGMFC_OUT_OF_BUCKETS',     6, 4,  'too many buckets'],
  ['OFPGMFC_CHAINING_UNSUPPORTED', 6, 5, 'a group cannot send to a group'],
  ['OFPGMFC_WATCH_UNSUPPORTED',  6, 6,  'the port or group cannot be watched'],
  ['OFPGMFC_LOOP',               6, 7,  'the group would be part of a loop'],
  ['OFPGMFC_UNKNOWN_GROUP',      6, 8,  'there is no such group'],
  ['OFPGMFC_CHAINED_GROUP',      6, 9,  'another group sends to this one'],
  ['OFPGMFC_BAD_TYPE',           6, 10, 'unknown type of group'],
  ['OFPGMFC_BAD_COMMAND',        6, 11, 'unknown command'],
  ['OFPGMFC_BAD_BUCKET',         6, 12, 'mistake in a bucket'],
  ['OFPGMFC_BAD_WATCH',          6, 13, 'mistake in the port or group to watch'],
  ['OFPGMFC_EPERM',              6, 14, 'permission denied'],
  ['OFPPMFC_BAD_PORT',           7, 0,  'there is no such port'],
  ['OFPPMFC_BAD_HW_ADDR',        7, 1,  'the hardware address is not that of the port'],
  ['OFPPMFC_BAD_CONFIG',         7, 2,  'invalid configuration'],
  ['OFPPMFC_BAD_ADVERTISE',      7, 3,  'invalid advertisement'],
  ['OFPPMFC_EPERM',              7, 4,  'permission denied'],
  ['OFPTMFC_BAD_TABLE',          8, 0,  'there is no such table'],
  ['OFPTMFC_BAD_CONFIG',         8, 1,  'invalid configuration'],
  ['OFPTMFC_EPERM',              8, 2,  'permission denied'],
  ['OFPQOFC_BAD_PORT',           9, 0,  'there is no such port'],
  ['OFPQOFC_BAD_QUEUE',          9, 1,  'there is no such queue'],
  ['OFPQOFC_EPERM',              9, 2,  'permission denied'],
  ['OFPSCFC_BAD_FLAGS',          10, 0, 'invalid flags'],
  ['OFPSCFC_BAD_LEN',            10, 1, 'invalid miss_send_len'],
  ['OFPSCFC_EPERM',              10, 2, 'permission denied'],
  ['OFPRRFC_STALE',              11, 0, 'the generation id is older than one seen before'],
  ['OFPRRFC_UNSUP',              11, 1, 'roles cannot be changed'],
  ['OFPRRFC_BAD_ROLE',           11, 2, 'invalid role'],
  ['OFPMMFC_UNKNOWN',            12, 0, 'unspecified'],
  ['OFPMMFC_METER_EXISTS',       12, 1, 'the meter exists already'],
  ['OFPMMFC_INVALID_METER',      12, 2, 'invalid meter'],
  ['OFPMMFC_UNKNOWN_METER',      12, 3, 'there is no such meter'],
  ['OFPMMFC_BAD_COMMAND',        12, 4, 'unknown command'],
  ['OFPMMFC_BAD_FLAGS',          12, 5, 'flags not supported'],
  ['OFPMMFC_BAD_RATE',           12, 6, 'rate not supported'],
  ['OFPMMFC_BAD_BURST',          12, 7, 'burst size not supported'],
  ['OFPMMFC_BAD_BAND',           12, 8, 'band not supported'],
  ['OFPMMFC_BAD_BAND_VALUE',     12, 9, 'value of a band not supported'],
  ['OFPMMFC_OUT_OF_METERS',      12, 10, 'no more meters'],
  ['OFPMMFC_OUT_OF_BANDS',       12, 11, 'too many bands'],
  ['OFPTFFC_BAD_TABLE',          13, 0, 'there is no such table'],
  ['OFPTFFC_BAD_METADATA',       13, 1, 'invalid metadata mask'],
  ['OFPTFFC_BAD_TYPE',           13, 2, 'unknown property', 'OFPBPC_BAD_TYPE'],
  ['OFPTFFC_BAD_LEN',            13, 3, 'wrong length of a property', 'OFPBPC_BAD_LEN'],
  ['OFPTFFC_BAD_ARGUMENT',       13, 4, 'unsupported value of a property', 'OFPBPC_BAD_VALUE'],
  ['OFPTFFC_EPERM',              13, 5, 'permission denied'],
] as const satisfies readonly Row[]

/** Here the second cell is the experimenter, the third its own error type. */
// biome-ignore format: a table
const ofExperimenters = [
  ['NXBRC_NXM_INVALID',          NX, 2,  'invalid NXM match'],
  ['NXBRC_NXM_BAD_TYPE',         NX, 3,  'the NXM header is not implemented'],
  ['NXBRC_MUST_BE_ZERO',         NX, 4,  'something that must be zero is not'],
  ['NXBRC_BAD_REASON',           NX, 5,  'invalid reason in a port status'],
  ['OFPMOFC_MONITOR_EXISTS',     NX, 6,  'the monitor exists already'],
  ['OFPMOFC_BAD_FLAGS',          NX, 7,  'flags of a monitor not supported'],
  ['OFPMOFC_UNKNOWN_MONITOR',    NX, 8,  'there is no such monitor'],
  ['NXBRC_FM_BAD_EVENT',         NX, 9,  'unknown event in a flow monitor reply'],
  ['NXBRC_UNENCODABLE_ERROR',    NX, 10, 'the error has no number in this version of OpenFlow'],
  ['NXBAC_MUST_BE_ZERO',         NX, 11, 'an argument of an action must be zero and is not'],
  ['NXFMFC_HARDWARE',            NX, 12, 'the hardware failed'],
  ['NXFMFC_BAD_TABLE_ID',        NX, 13, 'there is no such table'],
  ['NXBAC_BAD_CONJUNCTION',      NX, 15, 'conjunction must be the only action, clause k of n with n between 2 and 64'],
  ['NXTTMFC_BAD_COMMAND',        NX, 16, 'unknown command'],
  ['NXTTMFC_BAD_OPT_LEN',        NX, 17, 'invalid size of a tunnel option'],
  ['NXTTMFC_BAD_FIELD_IDX',      NX, 18, 'tunnel metadata goes from 0 to 63'],
  ['NXTTMFC_TABLE_FULL',         NX, 19, 'too many tunnel options'],
  ['NXTTMFC_ALREADY_MAPPED',     NX, 20, 'the tunnel metadata is in use'],
  ['NXTTMFC_DUP_ENTRY',          NX, 21, 'the tunnel option is mapped already'],
  ['NXR_NOT_SUPPORTED',          NX, 34, 'this datapath cannot resume packets'],
  ['NXR_STALE',                  NX, 35, 'the continuation is not of this run of the switch'],
  ['NXST_NOT_CONFIGURED',        NX, 36, 'not configured on this switch'],
  ['NXFMFC_INVALID_TLV_FIELD',   NX, 37, 'the tunnel metadata is not mapped to an option'],
  ['NXTTMFC_INVALID_TLV_DEL',    NX, 38, 'the option is in use by a flow'],
  ['NXBAC_BAD_HEADER_TYPE',      NX, 39, 'no header of this type can be added or taken away'],
  ['NXBAC_UNKNOWN_ED_PROP',      NX, 40, 'unknown property of encap or decap'],
  ['NXBAC_BAD_ED_PROP',          NX, 41, 'wrong property of encap or decap'],
  ['NXBAC_CT_DATAPATH_SUPPORT',  NX, 42, 'the datapath cannot do this ct action'],
  ['NXBMC_CT_DATAPATH_SUPPORT',  NX, 43, 'the datapath cannot match on this ct field'],
  ['NXTFFC_DUP_TABLE',           NX, 44, 'the table occurs twice'],
  ['OFPBFC_UNKNOWN',             ONF, 2300, 'unspecified'],
  ['OFPBFC_EPERM',               ONF, 2301, 'permission denied'],
  ['OFPBFC_BAD_ID',              ONF, 2302, 'there is no such bundle'],
  ['OFPBFC_BUNDLE_EXIST',        ONF, 2303, 'the bundle exists already'],
  ['OFPBFC_BUNDLE_CLOSED',       ONF, 2304, 'the bundle is closed'],
  ['OFPBFC_OUT_OF_BUNDLES',      ONF, 2305, 'too many bundles'],
  ['OFPBFC_BAD_TYPE',            ONF, 2306, 'unknown control type'],
  ['OFPBFC_BAD_FLAGS',           ONF, 2307, 'flags unknown, or not those it was opened with'],
  ['OFPBFC_MSG_BAD_LEN',         ONF, 2308, 'wrong length of the message inside'],
  ['OFPBFC_MSG_BAD_XID',         ONF, 2309, 'the xid inside is not the one outside'],
  ['OFPBFC_MSG_UNSUP',           ONF, 2310, 'this message cannot be in a bundle'],
  ['OFPBFC_MSG_CONFLICT',        ONF, 2311, 'these messages cannot be in one bundle'],
  ['OFPBFC_MSG_TOO_MANY',        ONF, 2312, 'too many messages'],
  ['OFPBFC_MSG_FAILED',          ONF, 2313, 'a message failed, nothing was applied'],
  ['OFPBFC_TIMEOUT',             ONF, 2314, 'the bundle took too long'],
  ['OFPBFC_BUNDLE_IN_PROGRESS',  ONF, 2315, 'another bundle holds the resource'],
  ['OFPFMFC_BAD_PRIORITY',       ONF, 2360, 'the priority is not to be had in this table'],
  ['OFPACFC_INVALID',            ONF, 2370, 'a wrong mask of asynchronous messages'],
  ['OFPACFC_UNSUPPORTED',        ONF, 2371, 'unknown asynchronous messages'],
  ['OFPACFC_EPERM',              ONF, 2372, 'permission denied'],
  ['OFPBRC_MULTIPART_REQUEST_TIMEOUT', ONF, 2640, 'the rest of the request took too long'],
  ['OFPBRC_MULTIPART_REPLY_TIMEOUT',   ONF, 2641, 'the rest of the reply took too long'],
  ['OFPBIC_DUP_INST',            ONF, 2600, 'an instruction occurs twice'],
  ['OFPBAC_BAD_SET_MASK',        ONF, 4250, 'set-field has a mask'],
  ['OFPBPC_TOO_MANY',            ONF, 4443, 'too many properties'],
  ['OFPBPC_DUP_TYPE',            ONF, 4444, 'a property occurs twice'],
  ['OFPBPC_BAD_EXPERIMENTER',    ONF, 4445, 'unknown experimenter of a property'],
  ['OFPBPC_BAD_EXP_TYPE',        ONF, 4446, 'unknown property of the experimenter'],
  ['OFPBPC_BAD_EXP_VALUE',       ONF, 4447, 'unknown value of an experimenter\'s property'],
  ['OFPBPC_EPERM',               ONF, 4448, 'permission denied'],
] as const satisfies readonly Row[]

export type ErrorName = (typeof standard)[number][0] | (typeof ofExperimenters)[number][0]

export interface ErrorKind {
  readonly name: ErrorName
  /** `ofp-print`'s name. */
  readonly ovsName: string
  readonly type: number
  /** For errors of an experimenter the experimenter's own error type. */
  readonly code: number
  readonly experimenter?: number
  readonly meaning: string
}

export const errorKinds: readonly ErrorKind[] = [
  ...standard.map(([name, type, code, meaning, ovsName]: Row) => ({
    name: name as ErrorName,
    ovsName: ovsName ?? name,
    type,
    code,
    meaning,
  })),
  ...ofExperimenters.map(([name, experimenter, code, meaning]: Row) => ({
    name: name as ErrorName,
    ovsName: name,
    type: experimenterErrorType,
    code,
    experimenter,
    meaning,
  })),
]

const kindByName = new Map<string, ErrorKind>(errorKinds.map(kind => [kind.name, kind]))

const keyOf = (type: number, code: number, experimenter: number | undefined): string =>
  `${type}/${code}/${experimenter ?? ''}`

const kindByNumbers = new Map(
  errorKinds.map(kind => [keyOf(kind.type, kind.code, kind.experimenter), kind]),
)

export const errorByName = (name: ErrorName): ErrorKind => kindByName.get(name)!

/** Undefined when nobody gave it a name that we know. */
export const findError = (
  type: number,
  code: number,
  experimenter?: number,
): ErrorKind | undefined => kindByNumbers.get(keyOf(type, code, experimenter))

const typeNameByNumber = new Map<number, string>(
  Object.entries(errorTypes).map(([name, number]) => [number, name]),
)

/** `OFPBMC_BAD_PREREQ`, or the numbers of an error without a name: `OFPET_BAD_MATCH/77`, `42/1`. */
export const errorName = (type: number, code: number, experimenter?: number): string => {
  const known = findError(type, code, experimenter)
  if (known) return known.name
  if (experimenter !== undefined) return `experimenter 0x${experimenter.toString(16)}/${code}`
  return `${typeNameByNumber.get(type) ?? type}/${code}`
}
