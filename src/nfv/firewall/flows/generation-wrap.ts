/**
 * Generations of rules are numbered from 1 to 65535 and then from 1 again. A session that was quiet since the last
 * time a number was used would count as judged by the rules of today; so where a switch goes on to a lower
 * number, all its sessions are forgotten first. Seen from what the switch holds, so it does not matter which
 * controller has put it there, nor whether the switch was away when the numbers began anew.
 */
import type { Message } from '../../../openflow/index.js'
import type { Section } from '../../../pipeline/program.js'
import { registers } from '../../../pipeline/registers.js'
import { tableId } from '../../../pipeline/tables.js'
import { siblingZone } from '../../../pipeline/zones.js'
import type { RowChange } from '../../function.js'
import { generationOfRow } from './tables.js'

/** Open vSwitch 3.1 skips entries, since its table shrinks while it is walked. */
const times = 3

/** What must be sent before the rows, usually nothing. */
export const flushesAtWrap = (change: RowChange, wanted: readonly Section[]): Message[] => {
  const next = change.addFlows.flatMap(
    flow => generationOfRow(tableId[flow.table], flow.priority, flow.match) ?? [],
  )
  const last = change.deleteFlows.flatMap(
    row => generationOfRow(row.tableId, row.priority, row.match) ?? [],
  )
  if (next.length === 0 || Math.max(...last) < Math.min(...next)) return []
  const zones = zonesOf(wanted)
  return Array.from({ length: times }, () => zones).flatMap(each =>
    each.map((zone): Message => ({ kind: 'ct-flush-zone', zone })),
  )
}

/** Every zone that some row chooses, whole or by its upper bits. */
const zonesOf = (sections: readonly Section[]): number[] => {
  const zones = new Set<number>()
  const slots = new Set<number>()
  for (const { flows } of sections)
    for (const { actions } of flows)
      for (const action of actions ?? [])
        if (action.kind === 'load' && action.to.field === registers.zone.field) {
          const found = action.to.size === registers.zone.size ? zones : slots
          found.add(Number(action.value))
        }
  const more = [...zones].flatMap(zone => [...slots].map(slot => siblingZone(zone, slot)))
  return [...new Set([...zones, ...more])]
}
