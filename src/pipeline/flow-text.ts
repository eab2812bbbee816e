/** Flows as `ovs-ofctl` writes them. */
import { formatFlow } from '../openflow/index.js'
import type { StrictMatch } from './canonical.js'
import { instructionsOf } from './canonical.js'
import type { Flow } from './program.js'
import { tableId } from './tables.js'

/** One line, with the cookie, as `ovs-ofctl add-flow` takes it. */
export const flowText = (flow: Flow): string =>
  formatFlow({
    cookie: flow.cookie,
    tableId: tableId[flow.table],
    priority: flow.priority,
    match: flow.match,
    instructions: instructionsOf(flow),
  })

/** What makes a row the same row, as `ovs-ofctl del-flows --strict` takes it. */
export const heldText = ({ tableId, priority, match }: StrictMatch): string =>
  formatFlow({ tableId, priority, match, instructions: [] }).replace(/\s*actions=drop$/, '')
