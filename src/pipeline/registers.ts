/**
 * What registers and the connection's label mean, bit by bit.
 *
 *     reg0   [16..31] flags: 16 from the fabric, 17 the rule lets a helper read        [0..15] network number
 *            18 rules are only asked, for a datagram in pieces
 *            [19..20] judgement: 19 a switch has judged the packet, 20 it answers who opened the connection
 *            21 what the rules let in now is not remembered       22 the switch of the destination is to judge it
 *            23 the controller has given the packet back
 *            [24..31] files that are audited whole, and have spoken
 *     reg1   [16..31] generation of the rules          [0..15] audit rules passed: the number of the last one
 *     reg2   rule that has admitted the packet to the connections it counts (32 bits)
 *     reg3   rule that decided (32 bits)
 *     reg4   port classes of the destination port      reg5   of the source port
 *     reg6   [16..31] instance                         [0..15] chain
 *     reg7   [0..15] conntrack zone: [0..9] switch, [10..15] network, or a timeout in it
 *     reg8   [0..19] switch where the frame leaves the fabric, while several ways lead there
 *     reg9   [0..7] which zones the connection may be in       [8..15] how many of them were looked into
 *            [16..21] routing domain of the router that passes the packet on      [22..27] network in which it came to the router
 *            28 it leaves by the port where it came in
 *            29 the translation of its destination is undone      30 another switch has let it in: so says its label
 *            31 whether it is translated as it should be was looked at
 *     reg10  [0..13] what its source becomes                     [14..27] where what is published leads
 *            28 its destination was looked at                     29 its connection was looked up before it was routed
 *            30 what its source becomes was looked up             31 it came to a published address
 *     reg12  next hop, IPv4; with reg13 to reg15 next hop, IPv6
 *     reg13  [0..15] before that: conntrack zone of what is published
 *
 *     ct_label  [0..15] generation · [16..47] rule · [48..63] chain · [64..79] instance · [80] decided elsewhere
 *               [81] came to a published address · [82..95] what its source has become
 *               in the zone of what is published: [0..13] where it leads
 *     ct_mark   [0] a SYN that conntrack called invalid was let past
 *               of what is decided elsewhere the generation is not that of rules: it is the epoch, see `nfv/firewall/tables.ts`
 */
import type { Action, FieldValue, Masked, Match, Subfield } from '../openflow/values.js'

const bits = (field: Subfield['field'], offset: number, size: number): Subfield => ({
  field,
  offset,
  size,
})

// biome-ignore format: a table
export const registers = {
  network:     bits('reg0', 0, 16),
  fromFabric:  bits('reg0', 16, 1),
  helper:      bits('reg0', 17, 1),
  onlyAsked:   bits('reg0', 18, 1),
  judged:      bits('reg0', 19, 1),
  answers:     bits('reg0', 20, 1),
  judgement:   bits('reg0', 19, 2),
  unkept:      bits('reg0', 21, 1),
  relied:      bits('reg0', 22, 1),
  returned:    bits('reg0', 23, 1),
  auditedFiles: bits('reg0', 24, 8),
  audited:     bits('reg1', 0, 16),
  generation:  bits('reg1', 16, 16),
  admitted:    bits('reg2', 0, 32),
  rule:        bits('reg3', 0, 32),
  destinationPortClass: bits('reg4', 0, 32),
  sourcePortClass:      bits('reg5', 0, 32),
  chain:       bits('reg6', 0, 16),
  instance:    bits('reg6', 16, 16),
  zone:        bits('reg7', 0, 16),
  zoneSlot:    bits('reg7', 10, 6),
  egress:      bits('reg8', 0, 20),
  zoneOrder:   bits('reg9', 0, 8),
  zonesSeen:   bits('reg9', 8, 8),
  router:      bits('reg9', 16, 6),
  entered:     bits('reg9', 22, 6),
  turnsBack:   bits('reg9', 28, 1),
  undone:      bits('reg9', 29, 1),
  elsewhere:   bits('reg9', 30, 1),
  settled:     bits('reg9', 31, 1),
  translated:  bits('reg10', 0, 14),
  published:   bits('reg10', 14, 14),
  inward:      bits('reg10', 28, 1),
  found:       bits('reg10', 29, 1),
  outward:     bits('reg10', 30, 1),
  led:         bits('reg10', 31, 1),
  route:       bits('reg11', 0, 32),
  nextHop:     bits('reg12', 0, 32),
  publishedZone: bits('reg13', 0, 16),
} as const

// biome-ignore format: a table
export const label = {
  generation:  bits('ct_label', 0, 16),
  rule:        bits('ct_label', 16, 32),
  chain:       bits('ct_label', 48, 16),
  instance:    bits('ct_label', 64, 16),
  elsewhere:   bits('ct_label', 80, 1),
  led:         bits('ct_label', 81, 1),
  translated:  bits('ct_label', 82, 14),
  published:   bits('ct_label', 0, 14),
} as const

/**
 * Of a packet that the controller has not given back. Flows that send a packet to the controller for a reason for which
 * it comes back match this, so that nothing goes round.
 */
export const isFirstTime = [registers.returned, 0] as const

/** Puts a constant into some bits. */
export const load = (to: Subfield, value: FieldValue): Action => ({ kind: 'load', to, value })

/**
 * What switches tell one another of a packet, in the priority bits of its tag: 2 it is judged, 4 it answers who opened
 * the connection, as far as is known where it came in. The lowest bit stays 0: priority 1 is less than none (IEEE 802.1Q).
 */
export const carriedJudgement: Subfield = bits('vlan_pcp', 1, 2)

/** This switch judges the packet, or has judged its connection. */
export const judgedHere: readonly Action[] = [
  load(registers.judged, 1),
  { kind: 'move', from: bits('ct_state', 3, 1), to: registers.answers },
]

/** The network in which a packet came to its switch, by what the switch says of it: a router may have moved it into another. */
export const networkEntered = ({ reg0, reg9 }: Match): number =>
  partOf(reg9, registers.entered) || partOf(reg0, registers.network)

/** Whether a router of ours passes the packet on, by what the switch says of it. */
export const isRouted = ({ reg9 }: Match): boolean => partOf(reg9, registers.entered) !== 0

/** Some bits of a register as a switch says it. */
export const partOf = (value: Match['reg0'], { offset, size }: Subfield): number =>
  Number(
    (BigInt(typeof value === 'object' ? value.value : (value ?? 0)) >> BigInt(offset)) &
      ((1n << BigInt(size)) - 1n),
  )

/** The condition that some bits have these values; all of one field. */
export const bitsEqual = (...parts: readonly (readonly [Subfield, number])[]): Masked => {
  let value = 0n
  let mask = 0n
  for (const [part, wanted] of parts) {
    value |= BigInt(wanted) << BigInt(part.offset)
    mask |= ((1n << BigInt(part.size)) - 1n) << BigInt(part.offset)
  }
  const isWide = parts.some(([part]) => part.field === 'ct_label')
  return isWide ? { value, mask } : { value: Number(value), mask: Number(mask) }
}

/** What a ct_label says. */
export const readLabel = (value: bigint) => ({
  generation: Number(value & 0xffffn),
  rule: Number((value >> 16n) & 0xffffffffn),
  chain: Number((value >> 48n) & 0xffffn),
  instance: Number((value >> 64n) & 0xffffn),
  isElsewhere: ((value >> 80n) & 1n) === 1n,
})
