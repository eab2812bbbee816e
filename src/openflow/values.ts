/** Matches, actions and instructions as values: what compilers write, the codec reads and the evaluator runs. */
import type { FieldName } from './oxm.js'

/** A number for fields of 48 bits or fewer, a bigint for wider ones. */
export type FieldValue = number | bigint

export interface Masked {
  readonly value: FieldValue
  /** Ones where the packet must agree with `value`; `value` has no ones outside. */
  readonly mask: FieldValue
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
    }
  | { readonly kind: 'load'; readonly to: Subfield; readonly value: FieldValue }
  | { readonly kind: 'move'; readonly from: Subfield; readonly to: Subfield }
  | { readonly kind: 'push_vlan'; readonly ethertype: number }
  | { readonly kind: 'pop_vlan' }
  | { readonly kind: 'dec_ttl' }
  | { readonly kind: 'resubmit'; readonly port?: number; readonly table?: number }
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

export type Instruction =
  | { readonly kind: 'apply-actions'; readonly actions: readonly Action[] }
  | { readonly kind: 'write-actions'; readonly actions: readonly Action[] }
  | { readonly kind: 'clear-actions' }
  | { readonly kind: 'goto-table'; readonly table: number }
  | { readonly kind: 'write-metadata'; readonly metadata: bigint; readonly mask: bigint }
  | { readonly kind: 'meter'; readonly meter: number }

export type GroupType = 'all' | 'select' | 'indirect' | 'ff'

export interface Bucket {
  readonly weight?: number
  readonly watchPort?: number
  readonly watchGroup?: number
  readonly actions: readonly Action[]
}

export interface MeterBand {
  readonly type: 'drop' | 'dscp-remark'
  /** In kb/s or packets/s, as the meter's flags say. */
  readonly rate: number
  readonly burstSize: number
  readonly precedenceLevel?: number
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
