import { names, pad, rest, u16, u32, withDefault } from '../wire/codecs.js'
import { onf } from './experimenters.js'
import { experimenterMessage } from './message.js'

/** Bits of a bundle's flags: all or nothing, and in order. */
export const bundleFlags = { atomic: 1, ordered: 2 } as const

// biome-ignore format: a table
const controls = {
  'open-request': 0, 'open-reply': 1, 'close-request': 2, 'close-reply': 3,
  'commit-request': 4, 'commit-reply': 5, 'discard-request': 6, 'discard-reply': 7,
} as const

export const bundleControl = experimenterMessage({
  kind: 'bundle-control',
  experimenter: onf,
  number: 2300,
  spec: 'ONF EXT-230 Bundle Extension, 4.1',
  fields: [
    ['bundleId', u32, 'chosen by the controller'],
    ['control', names(u16, controls, 'OFPBFC_BAD_TYPE'), 'what to do, or what was done'],
    ['flags', u16, 'see bundleFlags'],
    ['properties', withDefault(rest, new Uint8Array()), 'none are defined'],
  ],
})

export const bundleAdd = experimenterMessage({
  kind: 'bundle-add',
  experimenter: onf,
  number: 2301,
  spec: 'ONF EXT-230 Bundle Extension, 4.2',
  fields: [
    ['bundleId', u32, 'the bundle'],
    ['', pad(2), 'padding'],
    ['flags', u16, 'as the bundle was opened'],
    ['message', rest, 'a whole message with the same xid as this one, and properties behind it'],
  ],
})
