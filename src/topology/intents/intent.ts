/**
 * An intent: traffic between two ends takes the path that somebody asked for. Where it does not lead, or as
 * long as there is none, traffic goes as all other does: an intent never cuts anybody off.
 *
 *     one end to one end           both directions, the same path        lanes
 *     several to several           there only, a path for each pair      lanes
 *     any to several               there only, towards each of them      a tree; lanes with conditions on the whole path
 */

import type { CostKind } from '../paths/cost-kinds.js'

export const protections = ['none', 'disjoint', 'link-disjoint'] as const

export interface Intent {
  readonly name: string
  /** Hosts by name, MAC or address, ports as SWITCH:PORT, or `any` alone. */
  readonly from: readonly string[]
  /** The same, without `any`. */
  readonly to: readonly string[]
  readonly cost: CostKind
  /** Switches, by name or dpid. */
  readonly avoid: readonly string[]
  readonly through: readonly string[]
  readonly maxLatencyMillis?: number
  readonly minBandwidthKbps?: number
  readonly withTags: readonly string[]
  readonly withoutTags: readonly string[]
  /** disjoint: a second path without a switch in common · link-disjoint: without a link in common. */
  readonly protection: (typeof protections)[number]
}
