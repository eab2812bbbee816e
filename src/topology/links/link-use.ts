/** How much of each link is in use: what its port has sent since it was asked last, against its speed. */
import type { Dpid } from '../../base/addresses.js'
import type { Link, PortRef, Switch, Topology } from '../model.js'
import type { Measurements, PortBytes } from './measurements.js'

export interface UseNetwork {
  sentBytes(dpid: Dpid): Promise<readonly PortBytes[]>
  /** The link that leaves a port. */
  link(at: PortRef): Link | undefined
  /** A share that was measured. */
  measured(at: PortRef, utilisation: number): void
}

/** Asks every switch that has links. */
export const measureUse = (
  { switches }: Topology,
  measurements: Measurements,
  network: UseNetwork,
): void => {
  for (const known of switches.values()) {
    if (!known.isConnected || ![...known.ports.values()].some(port => port.kind === 'fabric'))
      continue
    network.sentBytes(known.dpid).then(
      counts => takeUse(known, counts, measurements, network),
      // The switch has gone meanwhile: whoever noticed says so.
      () => undefined,
    )
  }
}

const takeUse = (
  known: Switch,
  counts: readonly PortBytes[],
  measurements: Measurements,
  network: UseNetwork,
): void => {
  for (const { port, bytes } of counts) {
    const at = { dpid: known.dpid, port }
    const link = network.link(at)
    const speedKbps = link?.bandwidthKbps ?? known.ports.get(port)?.speedKbps ?? 0
    const utilisation = measurements.useOf(at, bytes, speedKbps)
    if (link && utilisation !== undefined) network.measured(at, utilisation)
  }
}
