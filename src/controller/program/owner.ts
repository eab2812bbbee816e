/**
 * Whose rows a switch holds. Every store has a network id, made at random with it; each switch that is programmed
 * from the store carries the id in the cookie of one row that no packet meets. A controller looks before it asks to be
 * master: rows of another store, or rows that a new store knows nothing of, are never replaced without being told to.
 */
import { type Message, SwitchError } from '../../openflow/index.js'
import { ports } from '../../openflow/values.js'
import {
  cookieNamespace,
  cookieNamespaceMask,
  cookieOf,
  flow,
  type Section,
  section,
} from '../../pipeline/program.js'
import { tableId } from '../../pipeline/tables.js'
import type { Holding } from './difference.js'
import type { SwitchChannel } from './read-back.js'

/** 32 bits, chosen at random when a store is made. */
export type NetworkId = number

export const formatNetworkId = (id: NetworkId): string => id.toString(16).padStart(8, '0')

/** The row that says whose a switch is. */
export const ownerSection = (network: NetworkId): Section =>
  section('owner', {
    flows: [
      flow(
        'owner',
        0,
        {},
        { cookie: cookieOf('store', network) },
        `the rows with cookies of sluice are of the network ${formatNetworkId(network)}`,
        { kind: 'store', name: formatNetworkId(network) },
      ),
    ],
  })

export type Owner =
  /** No row of any sluice. */
  | { readonly kind: 'nobody' }
  | { readonly kind: 'network'; readonly network: NetworkId }
  /** Rows of a sluice that do not say of which. */
  | { readonly kind: 'unmarked'; readonly rows: number }

/** Asks a switch whose rows it holds; a slave may ask. One small question when it is marked, two when it is not. */
export const readOwner = async (channel: Pick<SwitchChannel, 'request'>): Promise<Owner> => {
  const network = await readMark(channel)
  if (network !== undefined) return { kind: 'network', network }
  const reply = await channel.request({
    ...everywhere,
    kind: 'aggregate-stats-request',
    cookie: cookieNamespace << 48n,
    cookieMask: cookieNamespaceMask,
  })
  const rows = reply.kind === 'aggregate-stats-reply' ? reply.flowCount : 0
  return rows === 0 ? { kind: 'nobody' } : { kind: 'unmarked', rows }
}

const readMark = async (
  channel: Pick<SwitchChannel, 'request'>,
): Promise<NetworkId | undefined> => {
  try {
    const reply = await channel.request(markRequest)
    const cookie = reply.kind === 'flow-stats-reply' ? reply.entries[0]?.cookie : undefined
    return cookie === undefined ? undefined : networkIn(cookie)
  } catch (error) {
    // A switch with fewer tables has never carried a mark.
    if (error instanceof SwitchError) return undefined
    throw error
  }
}

/** Whose mark is among rows that were read back; undefined when there is none. */
export const markIn = ({ flows }: Holding): NetworkId | undefined => {
  for (const { cookie, strict } of flows.values())
    if (strict.tableId === tableId.owner && isMark(cookie)) return networkIn(cookie)
  return undefined
}

const markMask = 0xffff_ffff_0000_0000n
const isMark = (cookie: bigint): boolean => (cookie & markMask) === cookieOf('store', 0)
const networkIn = (cookie: bigint): NetworkId => Number(cookie & 0xffff_ffffn)

const everywhere = { tableId: 0xff, outPort: ports.any, outGroup: ports.any, match: {} } as const

const markRequest: Message = {
  ...everywhere,
  kind: 'flow-stats-request',
  tableId: tableId.owner,
  cookie: cookieOf('store', 0),
  cookieMask: markMask,
}

/**
 * Why a switch may not be programmed from this store; undefined when it may.
 *
 * @param isKnown whether this store knows the switch: rows without a mark are then those of an older sluice
 */
export const objection = (
  owner: Owner,
  network: NetworkId,
  isKnown: boolean,
): string | undefined => {
  if (owner.kind === 'nobody') return undefined
  if (owner.kind === 'network')
    return owner.network === network
      ? undefined
      : `it holds rows of another network (${formatNetworkId(owner.network)}; this store is ${formatNetworkId(network)}): another controller programs it, or this store is new or not the one of before`
  return isKnown
    ? undefined
    : `it holds ${owner.rows} rows of a sluice, and this store does not know the switch: the store is new or not the one of before`
}
