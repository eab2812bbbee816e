/** Why a rule that somebody expected to decide did not: which of its parts the packet is not of, or that another one is asked before. */
import type { Connection } from '../../pipeline/connection.js'
import { partsMatched } from './meaning/decide.js'
import type { PlacedRule, Resolved } from './meaning/resolved.js'

/** Undefined when nothing is to be said: it is the default. */
export const whyNot = (
  { tiers }: Resolved,
  name: string,
  connection: Connection,
): string | undefined => {
  if (name === 'default') return undefined
  const named = tiers.flat().filter(({ rule }) => rule.name === name)
  const [first] = named
  if (first === undefined) return `no rule in force is named "${name}"`
  const parts = named.map(placed => [placed, missing(placed, connection)] as const)
  const [placed] = parts.find(([, part]) => part === undefined) ?? []
  if (placed !== undefined)
    return placed.rule.isAudit
      ? `"${name}" is audited: it decides nothing`
      : `"${name}" (${whereOf(placed)}) would match, and is asked after it`
  return `"${name}" (${whereOf(first)}) ${parts[0]![1]}`
}

const whereOf = ({ file, line }: PlacedRule): string => `${file}:${line}`

/** The first part of the rule that the packet is not of. */
const missing = ({ rule }: PlacedRule, connection: Connection): string | undefined => {
  const { isFrom, isTo, isService } = partsMatched(rule, connection)
  if (!isFrom) return `does not have ${connection.source} in its "from"`
  if (!isTo) return `does not have ${connection.destination} in its "to"`
  return isService ? undefined : 'is about other services'
}
