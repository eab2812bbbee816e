/** Rules that let more through than a rule that names something usually means. */
import { type AddressSet, everyAddress } from '../meaning/address-set.js'
import {
  isStateless,
  type PlacedRule,
  type Resolved,
  type ResolvedRule,
} from '../meaning/resolved.js'
import { type Remark, remarkOn } from './remark.js'

/** A rule that allows, and leaves open at least two of: which service, from whom, to whom. */
export const lintWide = (resolved: Resolved): Remark[] =>
  resolved.tiers.flat().flatMap(placed => {
    const { rule, file } = placed
    const allows = rule.verb === 'allow' || isStateless(rule)
    if (!allows || rule.isAudit || rule.isDefault || file === 'built-in') return []
    const open = openParts(rule)
    return open.length < 2 ? [] : [wideRemark(placed, open)]
  })

const openParts = (rule: ResolvedRule): string[] => [
  ...(hasEveryService(rule) ? ['any service'] : []),
  ...(hasEveryAddress(rule.from) ? ['from anywhere'] : []),
  ...(hasEveryAddress(rule.to) ? ['to anywhere'] : []),
]

/** Every protocol, or every port of TCP or UDP. */
const hasEveryService = ({ terms }: ResolvedRule): boolean =>
  terms.some(
    ({ protocol, source, destination }) =>
      protocol === undefined ||
      ((protocol === 6 || protocol === 17) && source === undefined && destination === undefined),
  )

const hasEveryAddress = (set: AddressSet): boolean =>
  set === everyAddress || covers(set.v4, 0, 0xffff_ffff) || covers(set.v6, 0n, (1n << 128n) - 1n)

const covers = <T extends number | bigint>(
  ranges: readonly { readonly first: T; readonly last: T }[],
  first: T,
  last: T,
): boolean => ranges.length === 1 && ranges[0]!.first === first && ranges[0]!.last === last

const wideRemark = (placed: PlacedRule, open: readonly string[]): Remark => {
  const list = open.length === 3 ? 'any service from anywhere to anywhere' : open.join(' ')
  const message = `"${placed.rule.name}" is wide: it allows ${list}`
  const missing = open.includes('any service') ? 'the services' : 'one side'
  const hint = `name ${missing} it is meant for; "sluice get rules -o wide" and "sluice learn" show what uses it`
  return remarkOn('too-wide', placed, message, { hint })
}
