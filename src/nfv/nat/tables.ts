/** The tables of address translation: around routing, and behind the rules. */
import type { Action } from '../../openflow/values.js'
import { meterNumber } from '../../pipeline/program.js'
import { declareTables } from '../../pipeline/tables.js'
import { declarePunts, writeUserdata } from '../../pipeline/userdata.js'

declare module '../../pipeline/tables.js' {
  interface FunctionTables {
    readonly inward: true
    readonly lead: true
    readonly led: true
    readonly back: true
    readonly outward: true
    readonly publishedZone: true
    readonly translate: true
    readonly undo: true
    readonly settle: true
  }
}

declare module '../../pipeline/userdata.js' {
  interface FunctionPunts {
    readonly untranslated: true
  }
}

declarePunts([['untranslated', 17, 'it cannot be translated as it should be']])

// biome-ignore format: a table
declareTables([
  ['inward',        21, 'to an address that is translated: where what is published leads',                                   'conntrack, in the zone of the router; then back'],
  ['lead',          23, 'what is published: conntrack, in a zone of its own',                                                'drop'],
  ['led',           29, 'its destination is translated now, and it is routed',                                               'drop'],
  ['back',          31, 'an answer has its own destination again, and is routed; what is for the router itself is answered',  'drop'],
  ['outward',       32, 'leaves by the uplink: what its source becomes',                                                     'track'],
  ['publishedZone', 33, 'the conntrack zone of what is published, at this switch',                                           'drop'],
  ['translate',     61, 'writes the session, and translates the source in the same act',                                     'drop'],
  ['undo',          87, 'answers of who is published come from the address that was asked',                                  'drop'],
  ['settle',        89, 'what leaves by the uplink has the source that it should have',                                      'drop'],
])

export const untranslatedMeter = meterNumber('nat')

/** Where a packet was found not to have the addresses that it should have. */
export const untranslatedAt = ['settle', 'led', 'back', 'undo', 'translate', 'session'] as const
export type UntranslatedAt = (typeof untranslatedAt)[number]

/** Tells the controller of a packet that is dropped because it has not the addresses that it should have. */
export const tellUntranslated = (at: UntranslatedAt): Action => ({
  kind: 'controller',
  maxLength: 128,
  userdata: writeUserdata('untranslated', untranslatedAt.indexOf(at)),
  meter: untranslatedMeter,
})
