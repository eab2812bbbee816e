/**
 * Rows of an atomic function change as a whole or not at all: when a switch refuses one of them, all of them are
 * withheld and those of before stay.
 */
import type { FunctionRows } from '../../nfv/function.js'
import type { Flow } from '../../pipeline/program.js'
import type { Difference, Holding } from './difference.js'
import type { Change } from './messages.js'

/** The change without what it would do to the rows of a function. */
export const withoutFunction = (
  { isAtomic = () => false, isPrecededBy = () => false }: FunctionRows,
  change: Difference,
  { flows }: Holding,
): Difference => {
  const isOther = ({ cookie }: Flow) => !isAtomic(cookie)
  return {
    ...change,
    addFlows: change.addFlows.filter(flow => isOther(flow) && !isPrecededBy(flow)),
    modifyFlows: change.modifyFlows.filter(isOther),
    // Rows that stay may send through meters that are to go.
    deleteMeters: [],
    deleteFlows: change.deleteFlows.filter(({ key }) => {
      const held = flows.get(key)
      return held === undefined || !isAtomic(held.cookie)
    }),
  }
}

/** Whether one of these was for a row of an atomic function. */
export const hits = ({ isAtomic }: FunctionRows, changes: readonly Change[]): boolean =>
  changes.some(({ flow }) => flow !== undefined && isAtomic?.(flow.cookie))
