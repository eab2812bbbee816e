/** What translation of addresses tells. */
import { declareEvents, type EventKind } from '../../base/events.js'

const natEvents = {
  'translation-failed': {
    level: 'warn',
    has: {
      dpid: 'dpid',
      source: 'text?',
      destination: 'text?',
      protocol: 'number?',
      sourcePort: 'number?',
      destinationPort: 'number?',
      reason: 'text',
    },
    means: 'a packet had not the addresses that it should have, and was dropped (`reason`)',
  },
} as const satisfies Readonly<Record<string, EventKind>>

declare module '../../base/events.js' {
  interface FunctionEvents {
    readonly nat: typeof natEvents
  }
}

declareEvents(natEvents)
