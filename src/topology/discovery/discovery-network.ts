/** What discovery tells, and what it needs of the rest. */
import type { Dpid, Mac } from '../../base/addresses.js'
import type { Link, PortKind, PortRef } from '../model.js'

/**
 * forged: no proof, or a wrong one · replayed: it has come in already · stale: older than its life ·
 * inhabited: a host lives at one of the ports · edge: the port is declared to have hosts only
 */
export type Refusal = 'forged' | 'replayed' | 'stale' | 'inhabited' | 'edge' | 'alien'

export interface DiscoveryEvents {
  'port-decided': [at: PortRef, kind: PortKind]
  'link-seen': [link: Link]
  /** The round trip of a known link. */
  'link-measured': [link: Link, rttMillis: number]
  'link-lost': [link: Link, reason: string]
  /** A frame that claims to be a probe but makes no link. */
  'probe-refused': [at: PortRef, reason: Refusal]
  /** A probe came from or to a port where hosts are known: somebody should ask them. */
  'port-contested': [at: PortRef]
  /** The port carries a segment from now on that another carried before. */
  'port-took-over': [at: PortRef]
  /** The port leads to itself, or to a segment that another port leads to. */
  'port-shut': [at: PortRef, reason: string]
}

/** What discovery needs of the rest. */
export interface DiscoveryNetwork {
  /** Sends frames out of ports of one switch. */
  send(dpid: Dpid, frames: readonly { port: number; frame: Uint8Array }[]): void
  /** The same; resolves when the switch has confirmed that it did. */
  sendConfirmed(dpid: Dpid, frames: readonly { port: number; frame: Uint8Array }[]): Promise<void>
  /** As the switch last said, whether it is connected or not. */
  macOf(at: PortRef): Mac | undefined
  /** Hosts that are known at a port. */
  hostsAt(at: PortRef): readonly Mac[]
  /** True when a port is declared to have hosts only. */
  isDeclaredEdge(at: PortRef): boolean
  /** False where hosts are, which may pass probes to each other: a segment there does not become a link. */
  mayJoin(at: PortRef): boolean
}
