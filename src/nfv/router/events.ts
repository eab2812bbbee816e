/** What routers tell. */
import { declareEvents, type EventKind } from '../../base/events.js'

const routerEvents = {
  'router-address-in-use': {
    level: 'warn',
    has: { router: 'text', ip: 'text', mac: 'text', dpid: 'dpid', port: 'number', reason: 'text' },
    means: "a host (`mac`) had an address (`ip`) that is a router's from now on",
  },
} as const satisfies Readonly<Record<string, EventKind>>

declare module '../../base/events.js' {
  interface FunctionEvents {
    readonly router: typeof routerEvents
  }
}

declareEvents(routerEvents)
