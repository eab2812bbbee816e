/** Flows as `ovs-ofctl` writes them. */

import type { Flow } from '../../pipeline/program.js'
import { tableId } from '../../pipeline/tables.js'
import { instructionsOf } from '../program/canonical.js'
import { formatFlow } from './format-flow.js'

/** One line, with the cookie, as `ovs-ofctl add-flow` takes it. */
export const flowText = (flow: Flow): string =>
  formatFlow({
    cookie: flow.cookie,
    tableId: tableId[flow.table],
    priority: flow.priority,
    match: flow.match,
    instructions: instructionsOf(flow),
  })
