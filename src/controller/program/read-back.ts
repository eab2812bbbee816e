/** What a switch really holds, asked from the switch itself. */
import type { Dpid } from '../../base/addresses.js'
import { formatFlow, type Message, type Reply, unreadableOf } from '../../openflow/index.js'
import { type Match, ports } from '../../openflow/values.js'
import { flowBody, flowKey, groupBody, meterBody } from '../../pipeline/canonical.js'
import {
  cookieNamespace,
  cookieNamespaceMask,
  isOurGroup,
  isOurMeter,
} from '../../pipeline/program.js'
import { emptyHolding, type Holding } from './difference.js'
import { unreadableFlow, unreadableNumber } from './unreadable.js'

/** What the programmer needs of a connection to a switch. */
export interface SwitchChannel {
  readonly dpid: Dpid
  request(message: Message): Promise<Reply>
  /** Sends in order with a barrier behind; resolves to what was refused. */
  sendAll(messages: readonly Message[]): Promise<readonly IndexedError[]>
  /** All or nothing; resolves to what was refused. */
  bundle(messages: readonly Message[]): Promise<readonly IndexedError[]>
}

/** A row that somebody changed, as the switch tells it. */
export interface TouchedRow {
  readonly tableId: number
  readonly priority: number
  readonly cookie: bigint
  readonly match: Match
  /** What became of it, where that is told. */
  readonly event?: string
}

export interface IndexedError {
  readonly index: number
  /** OpenFlow's name of the error. */
  readonly error: string
}

/** A row of somebody else. */
export interface ForeignFlow {
  readonly tableId: number
  readonly priority: number
  readonly cookie: string
  /** As `ovs-ofctl` writes it. */
  readonly text: string
}

export const isOurCookie = (cookie: bigint): boolean =>
  (cookie & cookieNamespaceMask) === cookieNamespace << 48n

/** What a switch holds. */
export interface ReadBack {
  readonly held: Holding
  readonly foreign: readonly ForeignFlow[]
  /** Rows, groups and meters of ours that could not be understood: they are held, and differ from whatever is wanted. */
  readonly unreadableCount: number
}

/** Stands for the content of what could not be understood. */
const unreadable = 'unreadable'

/**
 * Reads flows, groups and meters of ours; three questions, asked together.
 *
 * @param isRuntime whether a function puts and removes rows with this cookie at run time; they are left out
 */
export const readBack = async (
  channel: SwitchChannel,
  isRuntime: (cookie: bigint) => boolean,
): Promise<ReadBack> => {
  const held = emptyHolding()
  const foreign: ForeignFlow[] = []
  const [flows, groups, meters] = await Promise.all([
    channel.request({
      kind: 'flow-stats-request',
      tableId: 0xff,
      outPort: ports.any,
      outGroup: ports.any,
      cookie: 0n,
      cookieMask: 0n,
      match: {},
    }),
    channel.request({ kind: 'group-desc-request' }),
    channel.request({ kind: 'meter-config-request', meterId: 0xffffffff }),
  ])
  if (flows.kind === 'flow-stats-reply')
    for (const entry of flows.entries) {
      const { tableId, priority, cookie, match } = entry
      if (isRuntime(cookie)) continue
      if (!isOurCookie(cookie)) {
        foreign.push({
          tableId,
          priority,
          cookie: `0x${cookie.toString(16)}`,
          text: formatFlow({ cookie, tableId, priority, match, instructions: entry.instructions }),
        })
        continue
      }
      held.flows.set(flowKey(tableId, priority, match), {
        body: flowBody(cookie, entry.idleTimeout, entry.instructions),
        cookie,
        strict: { tableId, priority, match },
      })
    }
  let unreadableCount = 0
  for (const { bytes, error } of unreadableOf(flows)) {
    const row = unreadableFlow(bytes)
    if (row === undefined || !isOurCookie(row.cookie)) {
      foreign.push({
        tableId: row?.tableId ?? 0xff,
        priority: row?.priority ?? 0,
        cookie: row === undefined ? 'unknown' : `0x${row.cookie.toString(16)}`,
        text: `cannot be read: ${error.reason}`,
      })
      continue
    }
    if (isRuntime(row.cookie)) continue
    unreadableCount++
    const { tableId, priority, cookie, match } = row
    held.flows.set(flowKey(tableId, priority, match), {
      body: unreadable,
      cookie,
      strict: { tableId, priority, match },
    })
  }
  const unreadableNumbers = (reply: Reply, isOurs: (id: number) => boolean): number[] =>
    unreadableOf(reply)
      .map(({ bytes }) => unreadableNumber(bytes))
      .filter(id => id !== undefined)
      .filter(isOurs)
  for (const id of unreadableNumbers(groups, isOurGroup)) {
    unreadableCount++
    held.groups.set(id, unreadable)
  }
  for (const id of unreadableNumbers(meters, isOurMeter)) {
    unreadableCount++
    held.meters.set(id, unreadable)
  }
  if (groups.kind === 'group-desc-reply')
    for (const group of groups.entries.filter(each => isOurGroup(each.groupId)))
      held.groups.set(group.groupId, groupBody(group.type, group.buckets))
  if (meters.kind === 'meter-config-reply')
    for (const meter of meters.entries.filter(each => isOurMeter(each.meterId)))
      held.meters.set(meter.meterId, meterBody(meter.flags & 1 ? 'kbps' : 'pktps', meter.bands))
  return { held, foreign, unreadableCount }
}
