/** What the reconciler must know of the firewall's rows. */
import { cookieOf, hash32 } from '../../../pipeline/program.js'
import type { FunctionRows } from '../../function.js'
import { flushesAtWrap } from './generation-wrap.js'
import { isPlaceCookie } from './place-rows.js'

/** The fixed rows around those of the rules. */
const fixedRows = cookieOf('base', hash32('base/firewall'))
const ruleRows = cookieOf('policy', 0) >> 32n

export const firewallRows: FunctionRows = {
  name: 'firewall',
  // A drop row that is missing would let through what both rule sets deny.
  isAtomic: cookie => cookie === fixedRows || cookie >> 32n === ruleRows,
  // A row that lets a host in, or an address of it: the rules that concern it may be among those that are withheld.
  isPrecededBy: ({ table, origin }) => table === 'guard' && origin.kind === 'host',
  before: flushesAtWrap,
  isRuntime: isPlaceCookie,
}
