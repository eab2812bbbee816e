/** What applying policies would change, in rules and in flows of each switch; nothing is sent. */

import type { PolicyWish } from '../nfv/firewall/service/policy.js'
import type { FlowChanges, PlanAnswer } from '../nfv/firewall/service/policy-work.js'
import type { Unread } from '../nfv/firewall/sessions/sessions.js'
import { switchesInOrder } from '../topology/model.js'
import type { Controller } from './controller.js'

export interface Plan {
  readonly changes: PlanAnswer['changes']
  /** Running sessions that the policies would cut; those of switches that cannot be read are not known. */
  readonly sessions: PlanAnswer['sessions'] & { readonly unread: readonly Unread[] }
  readonly switches: readonly (FlowChanges & { readonly dpid: string; readonly name: string })[]
}

/** @throws {Failure} `bad-rules` when the policies have mistakes; `too-much-work`; `busy` */
export const plan = async (
  controller: Controller,
  wishes: readonly PolicyWish[],
): Promise<Plan> => {
  const topology = controller.topology.current
  const { items, unread } = await controller.sessions.read()
  const answer = await controller.policies.preview(wishes, topology, items)
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
