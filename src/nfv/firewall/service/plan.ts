/** What applying policies would change, in rules and in flows of each switch; nothing is sent. */

import { switchesInOrder } from '../../../topology/model.js'
import type { Unread } from '../sessions/sessions.js'
import type { PolicyWish } from './policy.js'
import type { FlowChanges, PlanAnswer } from './policy-work.js'
import type { Firewall } from './service.js'

export interface Plan {
  readonly changes: PlanAnswer['changes']
  /** Running sessions that the policies would cut; those of switches that cannot be read are not known. */
  readonly sessions: PlanAnswer['sessions'] & { readonly unread: readonly Unread[] }
  readonly switches: readonly (FlowChanges & { readonly dpid: string; readonly name: string })[]
}

/** @throws {Failure} `bad-rules` when the policies have mistakes; `too-much-work`; `busy` */
export const plan = async (
  { host, sessions, policies }: Pick<Firewall, 'host' | 'sessions' | 'policies'>,
  wishes: readonly PolicyWish[],
): Promise<Plan> => {
  const topology = host.topology.current
  const { items, unread } = await sessions.read()
  const answer = await policies.preview(wishes, topology, items)
  return {
    sessions: { ...answer.sessions, unread },
    changes: answer.changes,
    switches: switchesInOrder(topology).map(({ dpid, name }) => ({
      dpid,
      name,
      ...(answer.flows.get(dpid) ?? { flows: [] }),
    })),
  }
}
