/**
 * How much of what a port sends is believed:
 *
 *     off      whoever speaks last has the MAC or the address
 *     default  a living host keeps its MAC and the addresses for which it answers; sources of IP packets are not looked at,
 *              so routers, gateways and virtual addresses pass
 *     strict   besides, IP packets pass only with declared, leased or first-learnt source addresses; quotas
 */
import { type PortRef, portKey, type Switch, type Topology } from './model.js'

export type GuardLevel = 'off' | 'default' | 'strict'

/** Levels as declared; a port's goes before its network's, that before the usual one. */
export interface Guards {
  readonly usual: GuardLevel
  /** By `dpid/port`. */
  readonly byPort: ReadonlyMap<string, GuardLevel>
}

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
