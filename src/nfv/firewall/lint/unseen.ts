/** Rules that allow what switches do not ask rules about: they do no harm, and nothing else. */
import { isStateless, type PlacedRule, type Resolved } from '../resolved.js'
import { hasSctpPorts, namesAnswers } from '../unseen.js'
import { type Remark, remarkOn } from './remark.js'

export const lintUnseen = (resolved: Resolved): Remark[] =>
  resolved.tiers.flat().flatMap(placed => {
    // Stateless rules look at the packet itself, where all is seen.
    if (placed.file === 'built-in' || isStateless(placed.rule)) return []
    const { terms } = placed.rule
    const sctp = terms.some(hasSctpPorts) ? [sctpRemark(placed)] : []
    return terms.some(namesAnswers) ? [...sctp, answerRemark(placed)] : sctp
  })

const sctpRemark = (placed: PlacedRule): Remark => {
  const message = 'Open vSwitch before 3.2 does not see the ports of SCTP: the rule will not match'
  return remarkOn('not-enforced', placed, message, { hint: 'write "sctp" without ports' })
}

const answerRemark = (placed: PlacedRule): Remark => {
  const message = 'only requests of ICMP open connections: rules are not asked about the rest'
  const hint = 'leave it away: answers and errors pass with the connection that they are about'
  return remarkOn('not-enforced', placed, message, { hint })
}
