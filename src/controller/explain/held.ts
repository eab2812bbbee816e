/**
 * What a switch holds at this moment, asked from the switch itself, so that packets can be run through it: rows of
 * ours with their reasons, and rows and groups of others as they are.
 */

import type { Dpid } from '../../base/addresses.js'
import { isRuntime } from '../../nfv/functions.js'
import { ConnectionLost, type FlowStats, formatFlow } from '../../openflow/index.js'
import { ports } from '../../openflow/values.js'
import { canonicalFlow, flowBody, flowKey } from '../../pipeline/canonical.js'
import type { RunGroup } from '../../pipeline/choice.js'
import { type RunRow, rowOfFlow, rowOfInstructions } from '../../pipeline/evaluate.js'
import { FlowTable } from '../../pipeline/flow-table.js'
import type { Flow, Section } from '../../pipeline/program.js'
import type { Controller } from '../controller.js'
import { isOurCookie, type SwitchChannel } from '../program/read-back.js'

/** A row that is not one of those that we want: of somebody else, or of ours and not wanted (any more). */
export interface Stray {
  readonly kind: 'foreign' | 'drift'
  /** As `ovs-ofctl` writes it. */
  readonly text: string
}

export interface Held {
  readonly tables: ReadonlyMap<number, FlowTable<RunRow>>
  readonly groups: ReadonlyMap<number, RunGroup>
  /** It has confirmed all that is wanted of it. */
  readonly isConfirmed: boolean
  /** All rows that are not wanted. */
  strays(): Iterable<RunRow>
  /** Undefined for a row that is wanted. */
  strayOf(row: RunRow): Stray | undefined
}

/** Undefined when the switch is not connected, or is lost before it has answered. */
export const readHeld = async (controller: Controller, dpid: Dpid): Promise<Held | undefined> => {
  const channel = controller.attached(dpid)
  if (channel === undefined) return undefined
  try {
    const [flows, groups] = await ask(channel)
    const agreed = controller.programmer(dpid)?.state.agreed ?? []
    const known = new Map<string, Flow>()
    for (const sections of [controller.programs.get(dpid) ?? [], agreed]) note(known, sections)
    return heldOf(flows, groups, known, controller.isConfirmed(dpid))
  } catch (error) {
    if (error instanceof ConnectionLost) return undefined
    throw error
  }
}

const ask = async (
  channel: SwitchChannel,
): Promise<[readonly FlowStats[], ReadonlyMap<number, RunGroup>]> => {
  const [flows, groups] = await Promise.all([
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
  ])
  const descriptions = groups.kind === 'group-desc-reply' ? groups.entries : []
  return [
    flows.kind === 'flow-stats-reply' ? flows.entries : [],
    new Map(descriptions.map(group => [group.groupId, group])),
  ]
}

const note = (known: Map<string, Flow>, sections: readonly Section[]): void => {
  for (const { flows } of sections)
    for (const flow of flows) {
      const { key, body } = canonicalFlow(flow)
      known.set(`${key} ${body}`, flow)
    }
}

/** Exported for tests. @param known rows that are wanted, by canonical key and body */
export const heldOf = (
  entries: readonly FlowStats[],
  groups: ReadonlyMap<number, RunGroup>,
  known: ReadonlyMap<string, Flow>,
  isConfirmed: boolean,
): Held => {
  const tables = new Map<number, FlowTable<RunRow>>()
  const strays = new Map<RunRow, FlowStats>()
  for (const entry of entries) {
    const { tableId, priority, cookie, match, instructions, idleTimeout } = entry
    const key = flowKey(tableId, priority, match)
    const flow = known.get(`${key} ${flowBody(cookie, idleTimeout, instructions)}`)
    const row = flow
      ? rowOfFlow(flow)
      : rowOfInstructions(tableId, priority, match, cookie, instructions)
    if (flow === undefined && !isRuntime(cookie)) strays.set(row, entry)
    const table = tables.get(tableId) ?? new FlowTable<RunRow>()
    table.add(row)
    tables.set(tableId, table)
  }
  return {
    tables,
    groups,
    isConfirmed,
    strays: () => strays.keys(),
    strayOf(row) {
      const entry = strays.get(row)
      if (entry === undefined) return undefined
      const { cookie, tableId, priority, match, instructions } = entry
      return {
        kind: isOurCookie(cookie) ? 'drift' : 'foreign',
        text: formatFlow({ cookie, tableId, priority, match, instructions }),
      }
    },
  }
}
