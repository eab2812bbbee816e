/** Which guard level holds where: `guard-level.ts` says what they mean. */

import { type PortRef, portKey, type Switch, type Topology } from '../model.js'
import type { GuardLevel } from './guard-level.js'

type Guarded = Pick<Topology, 'guards' | 'networks'>

/** The level of frames of a network at a port. */
export const guardAt = (topology: Guarded, at: PortRef, network: number): GuardLevel => {
  const { byPort } = topology.guards
  const own = byPort.size === 0 ? undefined : byPort.get(portKey(at))
  return own ?? guardOf(topology, network)
}

/** The level of a network where its ports say nothing else. */
export const guardOf = ({ guards, networks }: Guarded, number: number): GuardLevel =>
  networks.find(each => each.number === number)?.guard ?? guards.usual

/** False when hosts at an edge port of the switch may send from addresses that nobody has listed. */
export const hasOnlyKnownSenders = (topology: Guarded, self: Switch): boolean => {
  const { guards, networks } = topology
  if (guards.usual !== 'strict' && guards.byPort.size === 0) return false
  for (const port of self.ports.values()) {
    if (port.kind !== 'edge' || !port.isUp) continue
    const at = { dpid: self.dpid, port: port.number }
    if (networks.some(({ number }) => guardAt(topology, at, number) !== 'strict')) return false
  }
  return true
}
