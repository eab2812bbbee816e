/** An intent as it is routed: the ways that its frames take. */
import type { Dpid } from '../../base/addresses.js'
import type { Host } from '../model.js'

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
