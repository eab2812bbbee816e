/**
 * The tables of routers, between `answer` and `track`: what is routed is judged by the rules as it goes on, in the network
 * of its next hop, as the forward hook of Linux sees it.
 */
import { declareTables } from '../../pipeline/tables.js'
import { declarePunts } from '../../pipeline/userdata.js'

declare module '../../pipeline/tables.js' {
  interface FunctionTables {
    readonly sources: true
    readonly route: true
    readonly nextHops: true
    readonly neighbours: true
  }
}

declare module '../../pipeline/userdata.js' {
  interface FunctionPunts {
    readonly expired: true
    readonly unreachable: true
    readonly neighbour: true
    readonly addressed: true
    readonly solicited: true
  }
}

// The value is the network where it came in; of `neighbour` that of the next hop.
declarePunts(
  [
    ['expired', 12, 'the sender is told that its time is over'],
    ['unreachable', 13, 'the sender is told that there is no way'],
    ['neighbour', 14, 'the controller asks for it, and the packet waits'],
    ['addressed', 15, 'the router answers it'],
    ['solicited', 16],
  ],
  ['neighbour'],
)

// biome-ignore format: a table
declareTables([
  ['sources',    25, 'packets handed to a router of ours: whether they come from the network that their source is of',       'route'],
  ['route',      26, 'the longest prefix says the network and the next hop',          'drop'],
  ['nextHops',   27, 'one of several next hops of a route, the same for all packets of a connection',                      'drop'],
  ['neighbours', 28, 'the MAC of the next hop; the time to live goes down by one',                                         'to the controller: next hop unknown'],
])
