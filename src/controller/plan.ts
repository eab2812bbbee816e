/** What applying policies would change, in rules and in flows of each switch; nothing is sent. */
import type { Flow, Section } from '../pipeline/program.js'
import { switchesInOrder } from '../topology/model.js'
import type { Controller } from './controller.js'
import type { PolicyWish } from './policy.js'
import { canonicalFlow } from './program/canonical.js'
import { flowText } from './rest/flow-text.js'
import { type RuleChange, ruleChanges } from './rule-changes.js'
import { judgeSessions, type Session, type Unread } from './sessions/sessions.js'

type ChangeKind = 'added' | 'removed' | 'changed'

export interface Plan {
  readonly changes: readonly RuleChange[]
  /** Running sessions that the policies would cut; those of switches that cannot be read are not known. */
  readonly sessions: {
    readonly cut: readonly Session[]
    readonly kept: readonly Session[]
    readonly unread: readonly Unread[]
  }
  readonly switches: readonly {
    readonly dpid: string
    readonly name: string
    readonly flows: readonly { readonly change: ChangeKind; readonly text: string }[]
  }[]
}

/** @throws {Failure} `bad-rules` when the policies have mistakes */
export const plan = async (
  controller: Controller,
  wishes: readonly PolicyWish[],
): Promise<Plan> => {
  const topology = controller.topology.current
  const known = new Map(controller.policies.list().map(policy => [policy.name, policy]))
  const { sections, resolved } = await controller.policies.preview(wishes, topology)
  const programs = controller.compileWith(sections)
  const { items, unread } = await controller.sessions.read()
  return {
    sessions: { ...judgeSessions(items, controller.policies.resolved, resolved), unread },
    changes: wishes.flatMap(wish => ruleChanges(wish, known.get(wish.name))),
    switches: switchesInOrder(topology).map(self => ({
      dpid: self.dpid,
      name: self.name,
      flows: flowChanges(controller.programs.get(self.dpid) ?? [], programs.get(self.dpid) ?? []),
    })),
  }
}

const flowChanges = (before: readonly Section[], after: readonly Section[]) => {
  const same = new Set(before)
  const kept = new Set(after)
  const old = byKey(before.filter(section => !kept.has(section)))
  const next = byKey(after.filter(section => !same.has(section)))
  const changes: { change: ChangeKind; text: string }[] = []
  for (const [key, flow] of next) {
    const was = old.get(key)
    if (was === undefined) changes.push({ change: 'added', text: flowText(flow) })
    else if (canonicalFlow(was).body !== canonicalFlow(flow).body)
      changes.push({ change: 'changed', text: flowText(flow) })
  }
  for (const [key, flow] of old)
    if (!next.has(key)) changes.push({ change: 'removed', text: flowText(flow) })
  return changes
}

const byKey = (sections: readonly Section[]): Map<string, Flow> =>
  new Map(sections.flatMap(section => section.flows).map(flow => [canonicalFlow(flow).key, flow]))
