/** What DHCP tells. */
import { declareEvents, type EventKind } from '../../base/events.js'

const own = { network: 'text', reason: 'text', timesMore: 'number?' } as const
const place = { dpid: 'dpid', port: 'number' } as const

// biome-ignore format: a table
const dhcpEvents = {
  'dhcp-exhausted':      { level: 'warn',  has: own, means: 'a network has no free address left' },
  'dhcp-port-limited':   { level: 'warn',  has: { ...own, ...place }, means: 'hosts at a port have as many addresses as it may have' },
  'dhcp-address-in-use': { level: 'warn',  has: { ...own, ip: 'text' }, means: 'a host has an address that it did not get here; nobody gets it for ten minutes' },
  'dhcp-declined':       { level: 'warn',  has: { ...own, ip: 'text', mac: 'text' }, means: 'a client (`mac`) found somebody else at the address that it was given; nobody gets it for ten minutes' },
  'dhcp-server-refused': { level: 'warn',  has: { ...own, ...place, mac: 'text', ip: 'text' }, means: 'a DHCP server is at a port that is not declared for one: its answers are dropped' },
  'dhcp-not-kept':       { level: 'error', has: { reason: 'text', timesMore: 'number?' }, means: 'the store cannot be written, so no address is given' },
} as const satisfies Readonly<Record<string, EventKind>>

declare module '../../base/events.js' {
  interface FunctionEvents {
    readonly dhcp: typeof dhcpEvents
  }
}

declareEvents(dhcpEvents)
