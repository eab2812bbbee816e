/**
 * How much of what a port sends is believed:
 *
 *     off      whoever speaks last has the MAC or the address
 *     default  a living host keeps its MAC and the addresses for which it answers; sources of IP packets are not looked at,
 *              so routers, gateways and virtual addresses pass
 *     strict   besides, IP packets pass only with declared, leased or first-learnt source addresses; quotas
 */
export type GuardLevel = 'off' | 'default' | 'strict'

/** Levels as declared; a port's goes before its network's, that before the usual one. */
export interface Guards {
  readonly usual: GuardLevel
  /** By `dpid/port`. */
  readonly byPort: ReadonlyMap<string, GuardLevel>
}
