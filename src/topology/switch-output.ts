import type { Dpid } from '../base/addresses.js'
import type { PortBytes } from './links/measurements.js'

/** How the topology reaches the switches. */
export interface SwitchOutput {
  /** Sends frames out of ports. */
  send(dpid: Dpid, frames: readonly { port: number; frame: Uint8Array }[]): void
  /** The same; resolves when the switch has confirmed it with a barrier. */
  sendConfirmed(dpid: Dpid, frames: readonly { port: number; frame: Uint8Array }[]): Promise<void>
  /** Sends a frame into a network at a switch: along its tree and out of its edge ports, but not out of `exceptPort`. */
  flood(dpid: Dpid, network: number, frame: Uint8Array, exceptPort?: number): void
  /** Resolves when all switches that are connected have what is known now, or do not say so in time. */
  programmed(): Promise<void>
  /** Resolves to true when this switch has confirmed what is known now, to false when it does not in time. */
  confirmed(dpid: Dpid): Promise<boolean>
  /** How many octets each port has sent. */
  sentBytes(dpid: Dpid): Promise<readonly PortBytes[]>
  /** Packets of flows of hosts in table guard, by cookie. */
  hostPackets(dpid: Dpid): Promise<ReadonlyMap<bigint, bigint>>
}
