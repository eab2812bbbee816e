import type { FlowStats } from '../../openflow/index.js'
import { flowBody, flowKey } from '../program/canonical.js'

export const formatFlow = (
  flow: Pick<FlowStats, 'cookie' | 'tableId' | 'priority' | 'match' | 'instructions'>,
): string =>
  `table=${flowKey(flow.tableId, flow.priority, flow.match)} ${flowBody(flow.cookie, 0, flow.instructions)}`
