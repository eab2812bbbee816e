/** What rules would ask too much of switches for, or of whoever looks at them: mistakes at the first rule beyond it. */

import { flowCount, portNeeds } from '../flows/rule-flows.js'
import { planPorts } from '../meaning/ports.js'
import { isUntracked, type PlacedRule } from '../meaning/resolved.js'
import { complaintAt } from './complaint.js'
import { counted, maxRulesOfTier, maxSchedules } from './limits.js'
import { type Line, type RuleError, tiers } from './rule.js'

type Lists = readonly (readonly PlacedRule[])[]

const at = ({ file, line }: PlacedRule, message: string, hint: string): RuleError =>
  complaintAt({ file, line, text: '' }, 0, 1, message, hint)

/** A flow table has so many priorities, and each rule takes one. */
export const tooManyRules = (
  lists: Lists,
  stateless: readonly PlacedRule[],
): readonly RuleError[] => {
  const most = counted(maxRulesOfTier)
  const complaints = lists.flatMap((rules, tier) => {
    const beyond = rules[maxRulesOfTier]
    const hint = 'name several ends or services in one rule, or move some to another tier'
    return beyond
      ? [at(beyond, `tier ${tiers[tier]} has more than ${most} rules up to here`, hint)]
      : []
  })
  const beyond = stateless[maxRulesOfTier]
  if (beyond === undefined) return complaints
  const message = `stateless rules and those above them that shut are more than ${most} up to here`
  return [...complaints, at(beyond, message, 'use "allow" where connections may be tracked')]
}

/** Stateless rules are compared with all above them that shut. */
export const tooManySteps = (lists: Lists): RuleError => {
  const first = lists.flat().find(({ rule }) => rule.verb === 'allow-stateless' && !rule.isAudit)!
  return at(
    first,
    'there is too much above the stateless rules that shuts to compare them with it',
    'write stateless rules above those that shut, or use "allow"',
  )
}

/** Each is looked at whenever one of them changes. */
export const tooManySchedules = (
  schedules: readonly ReadonlyMap<string, Line>[],
): readonly RuleError[] => {
  const all = new Map(schedules.flatMap(each => [...each]))
  const beyond = [...all.values()][maxSchedules]
  if (beyond === undefined) return []
  const message = `there are more than ${maxSchedules} different schedules up to here`
  return [complaintAt(beyond, 0, 1, message, 'let rules share schedules')]
}

/** Counted with the bits that sets of ports get, where their masks would be too many. */
export const tooManyFlows = (lists: Lists, most: number): readonly RuleError[] => {
  const all = lists.flat()
  const tracked = all.filter(({ rule }) => !isUntracked(rule))
  const { classes } = planPorts(tracked.flatMap(({ rule }) => portNeeds(rule)))
  let sum = 0
  for (const placed of all) {
    sum += flowCount(placed.rule, most + 1, classes)
    if (sum <= most) continue
    const message = `the rules need more than ${counted(most)} flows in a switch up to here`
    const hint = 'name whole networks instead of many addresses, and fewer of them in one rule'
    return [at(placed, message, hint)]
  }
  return []
}
