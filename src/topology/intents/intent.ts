/**
 * An intent: traffic between two ends takes the path that somebody asked for. Where it does not lead, or as
 * long as there is none, traffic goes as all other does: an intent never cuts anybody off.
 *
 *     one end to one end           both directions, the same path        lanes
 *     several to several           there only, a path for each pair      lanes
 *     any to several               there only, towards each of them      a tree; lanes with conditions on the whole path
 */
import type { Dpid } from '../../base/addresses.js'
import type { Host } from '../model.js'
import type { CostKind } from '../paths/costs.js'

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

/** One switch on a path; hosts are at the ends, at ports of their own. */
export interface IntentHop {
  readonly dpid: Dpid
  readonly inPort: number | undefined
  readonly outPort: number | undefined
}

/** One direction between two switches, for hosts there. */
export interface Lane {
  /** Its own within the intent. */
  readonly key: string
  readonly pairs: readonly (readonly [sender: Host, receiver: Host])[]
  readonly path: readonly IntentHop[]
  /** The other one of a disjoint pair. */
  readonly backup: readonly IntentHop[] | undefined
}

/** All ways towards the hosts of one switch. */
export interface IntentTree {
  readonly egress: Dpid
  readonly receivers: readonly Host[]
  readonly branches: readonly Branch[]
}

export interface Branch {
  readonly dpid: Dpid
  readonly next: Dpid
  readonly outPort: number
  /** Of a neighbour that does not come back through here; asked for with protection. */
  readonly alternate: number | undefined
}

export interface RoutedIntent {
  readonly lanes: readonly Lane[]
  readonly trees: readonly IntentTree[]
  /** Between single ends: what people want to see. */
  readonly path?: readonly Dpid[]
  readonly backup?: readonly Dpid[]
}

/** requested: an end is not known yet · degraded: less than was asked for · failed: no path, and why. */
export type IntentResult =
  | {
      readonly state: 'routed' | 'degraded'
      readonly reason?: string
      readonly route: RoutedIntent
    }
  | { readonly state: 'requested' | 'failed'; readonly reason: string }
