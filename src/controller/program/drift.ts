/**
 * Where a switch holds something else than it has confirmed, by a fresh read-back: rows, groups and meters that are
 * missing, too many or altered, and rows of others. What was only just asked for is no drift: it is compared with
 * what the switch has confirmed, and read again when that changes meanwhile.
 */

import { isRuntime } from '../../nfv/functions.js'
import { ConnectionLost, DecodeError, NoAnswer, SwitchError } from '../../openflow/index.js'
import { flowText, heldText } from '../../pipeline/flow-text.js'
import { tableName } from '../../pipeline/tables.js'
import type { Switch } from '../../topology/model.js'
import type { Controller } from '../controller.js'
import { type Difference, difference } from './difference.js'
import { readBack } from './read-back.js'

export interface DriftItem {
  readonly switch: string
  readonly dpid: string
  /** `unknown`: the switch cannot be read · `foreign`: a row of somebody else, which stays */
  readonly kind: 'missing' | 'excess' | 'changed' | 'foreign' | 'unknown'
  readonly table: string
  readonly text: string
}

type Found = Omit<DriftItem, 'switch' | 'dpid'>

const tries = 20
const settleMillis = 250

/** @param name only of this switch, by name or dpid */
export const driftItems = async (
  controller: Controller,
  name: string | undefined,
): Promise<DriftItem[]> => {
  const chosen = [...controller.topology.current.switches.values()].filter(
    self => name === undefined || name === self.name || name === self.dpid,
  )
  const lists = await Promise.all(
    chosen.map(async self =>
      (await driftOf(controller, self)).map(found => ({
        switch: self.name,
        dpid: self.dpid,
        ...found,
      })),
    ),
  )
  return lists.flat()
}

const unreadable = (why: string): Found[] => [{ kind: 'unknown', table: '-', text: why }]

/** The switch refused the question, gave no answer, or one that cannot be understood. */
const isUnreadable = (error: unknown): error is Error =>
  error instanceof SwitchError || error instanceof NoAnswer || error instanceof DecodeError

const driftOf = async (controller: Controller, self: Switch): Promise<Found[]> => {
  for (let count = 0; count < tries; count++) {
    const channel = controller.attached(self.dpid)
    const programmer = controller.programmer(self.dpid)
    if (channel === undefined || programmer === undefined)
      return unreadable('not connected: what it holds cannot be read')
    const before = programmer.state
    if (before.isWithheld)
      return unreadable('it refused a row, so its rules are withheld: see "sluice get policies"')
    if (before.agreed === undefined) {
      await programmer.passed(settleMillis)
      continue
    }
    try {
      const { held, foreign } = await readBack(channel, isRuntime)
      if (programmer.state.version !== before.version) continue
      const found = itemsOf(difference(before.agreed, held, undefined))
      return [
        ...found,
        ...foreign.map(row => ({
          kind: 'foreign' as const,
          table: tableNameOf(row.tableId),
          text: row.text,
        })),
      ]
    } catch (error) {
      if (isUnreadable(error)) return unreadable(`it cannot be read: ${error.message}`)
      if (!(error instanceof ConnectionLost)) throw error
    }
  }
  return unreadable('it changes all the time: what it holds cannot be compared')
}

const tableNameOf = (id: number): string => tableName(id) ?? String(id)

const itemsOf = (change: Difference): Found[] => {
  const found: Found[] = []
  const add = (kind: Found['kind'], table: string, text: string) =>
    found.push({ kind, table, text })
  for (const flow of change.addFlows) add('missing', flow.table, flowText(flow))
  for (const flow of change.modifyFlows) add('changed', flow.table, flowText(flow))
  for (const row of change.deleteFlows) add('excess', tableNameOf(row.tableId), heldText(row))
  for (const [kind, groups, meters] of [
    ['missing', change.addGroups, change.addMeters],
    ['changed', change.modifyGroups, change.modifyMeters],
  ] as const) {
    for (const group of groups) add(kind, 'groups', `group ${group.id}: ${group.because}`)
    for (const meter of meters) add(kind, 'meters', `meter ${meter.id}: ${meter.because}`)
  }
  for (const id of change.deleteGroups) add('excess', 'groups', `group ${id}`)
  for (const id of change.deleteMeters) add('excess', 'meters', `meter ${id}`)
  return found
}
