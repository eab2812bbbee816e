/**
 * The rules of a switch change as a whole or not at all: when it refuses one of their rows, all of them are withheld and
 * the rules of before stay. A drop row that is missing would let through what both denied.
 */
import { cookieOf, type Flow, hash32 } from '../../pipeline/program.js'
import type { Difference, Holding } from './difference.js'
import type { Change } from './messages.js'

const fixedRows = cookieOf('base', hash32('base/firewall'))
const ruleRows = cookieOf('policy', 0) >> 32n

/** Rows of the firewall: those of its rules, and the fixed ones around them. */
export const isOfFirewall = ({ cookie }: Pick<Flow, 'cookie'>): boolean =>
  cookie === fixedRows || cookie >> 32n === ruleRows

/** The change without what it would do to the firewall's rows. */
export const withoutFirewall = (change: Difference, { flows }: Holding): Difference => {
  const isOther = (flow: Flow) => !isOfFirewall(flow)
  return {
    ...change,
    addFlows: change.addFlows.filter(flow => isOther(flow) && !letsIn(flow)),
    modifyFlows: change.modifyFlows.filter(isOther),
    // Rows that stay may send through meters that are to go.
    deleteMeters: [],
    deleteFlows: change.deleteFlows.filter(({ key }) => {
      const held = flows.get(key)
      return held === undefined || !isOfFirewall(held)
    }),
  }
}

/** Lets a host in, or an address of it: the rules that concern it may be among those that are withheld. */
const letsIn = ({ table, origin }: Flow): boolean => table === 'guard' && origin.kind === 'host'

/** Whether one of these was for a row of the firewall. */
export const hitsFirewall = (changes: readonly Change[]): boolean =>
  changes.some(({ flow }) => flow !== undefined && isOfFirewall(flow))
