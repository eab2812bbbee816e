/** Rules that allow what switches do not ask rules about, or do not see whole: they do no harm, and less than they say. */
import { helperPorts, isStateless, type PlacedRule, type Resolved } from '../meaning/resolved.js'
import { hasSctpPorts, namesAnswers } from '../meaning/unjudged-packets.js'
import { type Remark, remarkOn } from './remark.js'

export const lintUnseen = (resolved: Pick<Resolved, 'tiers'>): Remark[] =>
  resolved.tiers.flat().flatMap(placed => {
    // Stateless rules look at the packet itself, where all is seen.
    if (placed.file === 'built-in') return []
    const { terms } = placed.rule
    if (isStateless(placed.rule)) return []
    const sctp = terms.some(hasSctpPorts) ? [sctpRemark(placed)] : []
    if (isHelpedOverIpv4(placed)) sctp.push(helperRemark(placed))
    return terms.some(namesAnswers) ? [...sctp, answerRemark(placed)] : sctp
  })

const isHelpedOverIpv4 = ({ rule }: PlacedRule): boolean =>
  helperPorts(rule).length > 0 && rule.from.v4.length > 0 && rule.to.v4.length > 0

const helperRemark = (placed: PlacedRule): Remark => {
  const message = 'Open vSwitch before 3.7 does not read EPSV and EPRT of FTP over IPv4'
  const hint =
    'let clients use PASV or PORT (curl --disable-epsv --disable-eprt), or allow the passive ports of the server'
  return remarkOn('not-enforced', placed, message, { hint })
}

const sctpRemark = (placed: PlacedRule): Remark => {
  const message = 'Open vSwitch before 3.2 does not see the ports of SCTP: the rule will not match'
  return remarkOn('not-enforced', placed, message, { hint: 'write "sctp" without ports' })
}

const answerRemark = (placed: PlacedRule): Remark => {
  const message = 'only requests of ICMP open connections: rules are not asked about the rest'
  const hint = 'leave it away: answers and errors pass with the connection that they are about'
  return remarkOn('not-enforced', placed, message, { hint })
}
