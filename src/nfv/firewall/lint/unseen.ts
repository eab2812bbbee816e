/** Rules that allow what switches do not ask rules about, or do not see whole: they do no harm, and less than they say. */
import { helperPorts, isStateless, type PlacedRule, type Resolved, type Term } from '../resolved.js'
import { transports } from '../rule.js'
import { hasSctpPorts, namesAnswers } from '../unseen.js'
import { type Remark, remarkOn } from './remark.js'

export const lintUnseen = (resolved: Resolved): Remark[] =>
  resolved.tiers.flat().flatMap(placed => {
    // Stateless rules look at the packet itself, where all is seen.
    if (placed.file === 'built-in') return []
    const { terms } = placed.rule
    if (isStateless(placed.rule)) return terms.some(hasPortsInPieces) ? [piecesRemark(placed)] : []
    const sctp = terms.some(hasSctpPorts) ? [sctpRemark(placed)] : []
    if (isHelpedOverIpv4(placed)) sctp.push(helperRemark(placed))
    return terms.some(namesAnswers) ? [...sctp, answerRemark(placed)] : sctp
  })

/** Before they are tracked, pieces of datagrams have no ports. TCP is not sent in pieces. */
const hasPortsInPieces = ({ protocol, source, destination }: Term): boolean =>
  protocol === transports.udp && (source !== undefined || destination !== undefined)

const piecesRemark = (placed: PlacedRule): Remark => {
  const message = 'datagrams in fragments show no ports: they ask the rules that are not stateless'
  const hint = 'write "allow" where datagrams are larger than the MTU, or leave the ports away'
  return remarkOn('not-enforced', placed, message, { hint })
}

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
