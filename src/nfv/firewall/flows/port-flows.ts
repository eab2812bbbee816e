/** The rows that turn ports into bits of a register. */
import { type Flow, flow, type Origin } from '../../../pipeline/program.js'
import { load, registers } from '../../../pipeline/registers.js'
import type { TableName } from '../../../pipeline/tables.js'
import { type PortPlan, type PortSide, portRows } from '../meaning/ports.js'
import { isTracked } from './tables.js'

/** The rows of `ports` and `sourcePorts`. */
export const portFlows = (plan: PortPlan): Flow[] => {
  const origin: Origin = { kind: 'base', name: 'firewall' }
  const hasSource = plan.tables.some(({ side }) => side === 'source')
  const rows = plan.tables.flatMap(({ side, protocols, isShared, sets }) => {
    const [table, next, field] = sideOf(side, hasSource)
    return portRows(sets, side)
      .filter(row => row.length > 0 || row.bits > 0)
      .flatMap(row => {
        // Ports are matched with their protocol: Open vSwitch takes the one without the other, but tells the row
        // without its port when it is read back.
        const of = isShared && row.length === 0 ? [undefined] : protocols
        return of.map(protocol => ({ ...row, protocol }))
      })
      .map(({ value, mask, length, bits, priority, protocol }) =>
        flow(
          table,
          priority,
          {
            ct_state: isTracked,
            ...(protocol !== undefined && { ct_nw_proto: protocol }),
            ...(length > 0 && { [field]: length === 16 ? value : { value, mask } }),
          },
          { actions: bits === 0 ? [] : [load(registerOf(side), bits)], goto: next },
          `which shared sets of ${side} ports this port is in`,
          origin,
        ),
      )
  })
  const misses = (['destination', 'source'] as const).map(side => {
    const [table, next] = sideOf(side, hasSource)
    return flow(table, 0, {}, { goto: next }, 'no set of ports is shared here', origin)
  })
  return [...rows, ...misses]
}

const registerOf = (side: PortSide) =>
  side === 'source' ? registers.sourcePortClass : registers.destinationPortClass

const sideOf = (
  side: PortSide,
  hasSource: boolean,
): readonly [table: TableName, next: TableName, field: 'ct_tp_src' | 'ct_tp_dst'] =>
  side === 'destination'
    ? ['ports', hasSource ? 'sourcePorts' : 'rules0', 'ct_tp_dst']
    : ['sourcePorts', 'rules0', 'ct_tp_src']
