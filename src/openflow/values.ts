/** Matches, actions and instructions as values: what compilers write, the codec reads and the evaluator runs. */
import type { FieldName } from './oxm.js'

/** A number for fields of 48 bits or fewer, a bigint for wider ones. */
export type FieldValue = number | bigint

export interface Masked {
  readonly value: FieldValue
  /** Ones where the packet must agree with `value`; `value` has no ones outside. */
  readonly mask: FieldValue
  /** Octets on the wire, of tunnel metadata only: all other fields have one size. */
  readonly size?: number
  /** Of tunnel metadata only: the mask is written although it is all ones. */
  readonly isMasked?: true
}

/** All conditions must hold; a field that is absent may have any value. Keys in the order of the wire. */
export type Match = { readonly [name in FieldName]?: FieldValue | Masked } & {
  /** Fields we have no name for, whole TLVs with their header. */
  readonly unknown?: readonly Uint8Array[]
}

/** Bits `offset` to `offset + size - 1` of a field, bit 0 being the lowest. */
export interface Subfield {
  readonly field: FieldName
  readonly offset: number
  readonly size: number
}

export interface NatAction {
  readonly kind: 'nat'
  readonly type?: 'src' | 'dst'
  readonly addressMin?: string
  readonly addressMax?: string
  readonly portMin?: number
  readonly portMax?: number
  readonly persistent?: boolean
  readonly hash?: boolean
  readonly random?: boolean
}

export interface CtAction {
  readonly kind: 'ct'
  readonly commit?: boolean
  readonly force?: boolean
  /** A constant, or read from a field when the packet comes by. */
  readonly zone: number | Subfield
  /** Where the packet goes on once the connection is known. */
  readonly table?: number
  readonly alg?: number
  /** `load`, `move` and `set_field` to ct_mark and ct_label; and `nat`. */
  readonly exec?: readonly Action[]
  readonly nat?: NatAction
  /** On the wire `exec` stands before `nat`; it means the same. */
  readonly isNatLast?: boolean
}

/** How multipath and bundle choose, and from what. */
export interface HashFields {
  readonly fields: HashName
  readonly basis: number
}
export type HashName =
  | 'eth_src'
  | 'symmetric_l4'
  | 'symmetric_l3l4'
  | 'symmetric_l3l4+udp'
  | 'nw_src'
  | 'nw_dst'
  | 'symmetric_l3'

export interface LearnSpec {
  /** `match` and `load` need a destination; `output` sends to the port in the source. */
  readonly to: 'match' | 'load' | 'output'
  readonly from: { readonly field: FieldName; readonly offset: number } | { readonly value: bigint }
  readonly destination?: { readonly field: FieldName; readonly offset: number }
  /** How many bits. */
  readonly size: number
}

export interface LearnAction {
  readonly kind: 'learn'
  readonly idleTimeout?: number
  readonly hardTimeout?: number
  readonly priority: number
  readonly cookie?: bigint
  /** 1 send flow removed, 2 delete what was learnt with the flow, 4 write the result. */
  readonly flags?: number
  readonly table: number
  readonly finIdleTimeout?: number
  readonly finHardTimeout?: number
  /** At most so many learnt flows; 0 or absent: no limit. */
  readonly limit?: number
  /** One bit: 1 when the flow could be learnt within the limit. */
  readonly result?: Subfield
  readonly specs: readonly LearnSpec[]
}

export interface EncapProperty {
  readonly class: number
  readonly type: number
  readonly data: Uint8Array
}

export type Action =
  | { readonly kind: 'output'; readonly port: number; readonly maxLength?: number }
  | { readonly kind: 'output_reg'; readonly from: Subfield; readonly maxLength?: number }
  | { readonly kind: 'group'; readonly group: number }
  | {
      readonly kind: 'set_field'
      readonly field: FieldName
      readonly value: FieldValue
      readonly mask?: FieldValue
      /** The mask is written although all its bits are ones (Nicira). */
      readonly isMasked?: true
    }
  | { readonly kind: 'load'; readonly to: Subfield; readonly value: FieldValue }
  | { readonly kind: 'move'; readonly from: Subfield; readonly to: Subfield }
  | { readonly kind: 'push_vlan'; readonly ethertype: number }
  | { readonly kind: 'pop_vlan' }
  /** `controllerIds`: who is told when the TTL runs out (Nicira). */
  | { readonly kind: 'dec_ttl'; readonly controllerIds?: readonly number[] }
  | {
      readonly kind: 'resubmit'
      readonly port?: number
      readonly table?: number
      /** Match the connection's original tuple in place of the packet's. */
      readonly ct?: boolean
      /** The older form, without place for a table; it means the same. */
      readonly isShort?: true
    }
  | CtAction
  | { readonly kind: 'ct_clear' }
  | {
      readonly kind: 'conjunction'
      readonly id: number
      /** Counted from 0, although ovs-ofctl writes it from 1. */
      readonly clause: number
      readonly clauseCount: number
    }
  | {
      readonly kind: 'controller'
      readonly maxLength?: number
      readonly controllerId?: number
      readonly reason?: number
      readonly userdata?: Uint8Array
      readonly meter?: number
      readonly pause?: boolean
    }
  | { readonly kind: 'note'; readonly note: Uint8Array }
  | { readonly kind: 'copy_ttl_out' }
  | { readonly kind: 'copy_ttl_in' }
  | { readonly kind: 'set_mpls_ttl'; readonly ttl: number }
  | { readonly kind: 'dec_mpls_ttl' }
  | { readonly kind: 'push_mpls'; readonly ethertype: number }
  | { readonly kind: 'pop_mpls'; readonly ethertype: number }
  | { readonly kind: 'set_queue'; readonly queue: number }
  | { readonly kind: 'set_nw_ttl'; readonly ttl: number }
  | { readonly kind: 'push_pbb'; readonly ethertype: number }
  | { readonly kind: 'pop_pbb' }
  | { readonly kind: 'pop_queue' }
  /** Nicira's own; set_field of tun_id says the same in OpenFlow 1.3. */
  | { readonly kind: 'set_tunnel'; readonly id: bigint; readonly isWide?: boolean }
  | { readonly kind: 'set_mpls_label'; readonly label: number }
  | { readonly kind: 'set_mpls_tc'; readonly tc: number }
  | {
      readonly kind: 'multipath'
      readonly hash: HashFields
      readonly algorithm: 'modulo_n' | 'hash_threshold' | 'hrw' | 'iter_hash'
      /** How many links there are to choose from. */
      readonly linkCount: number
      readonly argument: number
      readonly to: Subfield
    }
  | {
      readonly kind: 'bundle'
      readonly hash: HashFields
      readonly algorithm: 'active_backup' | 'hrw'
      readonly ports: readonly number[]
      /** Load the chosen port here instead of sending to it. */
      readonly to?: Subfield
    }
  | LearnAction
  | { readonly kind: 'exit' }
  | { readonly kind: 'fin_timeout'; readonly idleTimeout: number; readonly hardTimeout: number }
  | { readonly kind: 'write_metadata'; readonly metadata: bigint; readonly mask: bigint }
  | { readonly kind: 'push'; readonly from: Subfield }
  | { readonly kind: 'pop'; readonly to: Subfield }
  | {
      readonly kind: 'sample'
      readonly probability: number
      readonly collectorSet: number
      readonly observationDomain: number
      readonly observationPoint: number
      readonly samplingPort?: number
      readonly direction?: 'ingress' | 'egress'
    }
  | { readonly kind: 'output_trunc'; readonly port: number; readonly maxLength: number }
  | { readonly kind: 'clone'; readonly actions: readonly Action[] }
  | {
      readonly kind: 'encap'
      /** `namespace << 16 | type`, as in the field packet_type. */
      readonly packetType: number
      readonly headerSize?: number
      readonly properties: readonly EncapProperty[]
    }
  | { readonly kind: 'decap'; readonly packetType: number }
  | { readonly kind: 'dec_nsh_ttl' }
  | { readonly kind: 'check_pkt_larger'; readonly size: number; readonly to: Subfield }
  | { readonly kind: 'delete_field'; readonly field: FieldName }
  /** Nobody we know has defined it: the whole action, header and all. */
  | { readonly kind: 'unknown'; readonly bytes: Uint8Array }

export type Instruction =
  | { readonly kind: 'apply-actions'; readonly actions: readonly Action[] }
  | { readonly kind: 'write-actions'; readonly actions: readonly Action[] }
  | { readonly kind: 'clear-actions' }
  | { readonly kind: 'goto-table'; readonly table: number }
  | { readonly kind: 'write-metadata'; readonly metadata: bigint; readonly mask: bigint }
  | { readonly kind: 'meter'; readonly meter: number }
  /** The whole instruction, header and all. */
  | { readonly kind: 'unknown'; readonly bytes: Uint8Array }

export type GroupType = 'all' | 'select' | 'indirect' | 'ff'

export interface Bucket {
  readonly weight?: number
  readonly watchPort?: number
  readonly watchGroup?: number
  readonly actions: readonly Action[]
}

export interface MeterBand {
  readonly type: 'drop' | 'dscp-remark' | 'experimenter'
  /** In kb/s or packets/s, as the meter's flags say. */
  readonly rate: number
  readonly burstSize: number
  readonly precedenceLevel?: number
  readonly experimenter?: number
}

/** Reserved port numbers, OpenFlow 1.3.5 section 7.2.1. */
export const ports = {
  max: 0xffffff00,
  inPort: 0xfffffff8,
  table: 0xfffffff9,
  normal: 0xfffffffa,
  flood: 0xfffffffb,
  all: 0xfffffffc,
  controller: 0xfffffffd,
  local: 0xfffffffe,
  any: 0xffffffff,
} as const

/** Bits of `ct_state` as Open vSwitch numbers them. */
export const ctState = {
  new: 0x01,
  est: 0x02,
  rel: 0x04,
  rpl: 0x08,
  inv: 0x10,
  trk: 0x20,
  snat: 0x40,
  dnat: 0x80,
} as const
