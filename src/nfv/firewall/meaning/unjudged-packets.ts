/**
 * Packets about which switches do not ask the rules of tracked connections. A rule that allows them changes nothing; one
 * that is to keep them out would be a lie, and is refused.
 */

import { transports } from '../text/rule.js'
import type { ResolvedRule, Term } from './resolved.js'

interface Unseen {
  readonly message: string
  readonly hint: string
}

/** Why a rule that is to keep packets out would not; undefined when it does. */
export const unseenBy = ({ verb, isAudit, terms }: ResolvedRule): Unseen | undefined => {
  if ((verb !== 'drop' && verb !== 'reject') || isAudit) return undefined
  if (terms.some(hasSctpPorts))
    return {
      message: `Open vSwitch before 3.2 does not see the ports of SCTP: this would ${verb} nothing`,
      hint: `write "${verb} sctp" without ports, below rules that allow what may pass`,
    }
  if (terms.some(namesAnswers))
    return {
      message: `only requests of ICMP open connections: rules are not asked about the rest, so this would ${verb} nothing`,
      hint: 'leave it away: errors pass with the connection that they are about, neighbour discovery passes, all else is dropped',
    }
  return undefined
}

export const hasSctpPorts = ({ protocol, source, destination }: Term): boolean =>
  protocol === transports.sctp && (source !== undefined || destination !== undefined)

/** Types that open a connection: echo, timestamp, information and address mask requests (RFC 792, 950); echo (RFC 4443). */
export const icmpRequests: { readonly [version in 4 | 6]: ReadonlySet<number> } = {
  4: new Set([8, 13, 15, 17]),
  6: new Set([128]),
}

/** Whether the term names a type of ICMP that is no request. */
export const namesAnswers = ({ protocol, source }: Term): boolean => {
  const version = protocol === 1 ? 4 : protocol === 58 ? 6 : undefined
  if (version === undefined || source === undefined) return false
  const named = source.reduce((sum, { from, to }) => sum + Math.min(to, 255) - from + 1, 0)
  const isNamed = (type: number) => source.some(({ from, to }) => from <= type && type <= to)
  return named > [...icmpRequests[version]].filter(isNamed).length
}
