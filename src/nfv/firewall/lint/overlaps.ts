/**
 * Rules held against one another, exactly: what earlier rules leave for a later one, within a tier and from
 * tier to tier.
 */
import type { Facts } from '../meaning/environment.js'
import type { PlacedRule, Resolved } from '../meaning/resolved.js'
import { Effort, type IsOver, maxLintSteps } from '../text/limits.js'
import { tiers } from '../text/rule.js'
import { type Box, without } from './boxes.js'
import {
  type Entry,
  entriesOf,
  isMixed,
  isVoid,
  mayMeet,
  Neighbours,
  versionsOf,
} from './entries.js'
import { type Remark, remarkOn, whereOf } from './remark.js'

const pieceLimit = 2000
const conflictLimit = 50
/** Rules above one that are held against it together. */
const mostBefore = 200

/** @param steps pairs of ranges that may be compared; what is beyond is not looked at, and a remark says so */
export const lintOverlaps = (
  resolved: Resolved,
  facts: Facts,
  steps: number = maxLintSteps,
  isOver?: IsOver,
): Remark[] => {
  const effort = new Effort(steps, isOver)
  const above: Entry[][] = []
  const remarks: Remark[] = []
  for (const rules of resolved.tiers) {
    const entries = entriesOf(rules)
    for (const remark of lintTier(entries, above, effort)) remarks.push(remark)
    if (entries.length > 0) above.push(entries)
  }
  // Away from a network no host has an address, and that says nothing.
  for (const placed of resolved.tiers.flat())
    if (isMixed(placed)) remarks.push(mixedRemark(placed))
    else if (isVoid(placed) && facts.isOffline !== true) remarks.push(emptyRemark(placed))
  return remarks
}

const lintTier = (
  entries: readonly Entry[],
  above: readonly (readonly Entry[])[],
  effort: Effort,
): Remark[] => {
  if (effort.isSpent) return []
  const remarks: Remark[] = []
  const neighbours = new Neighbours(entries, effort)
  let conflicts = 0
  for (const [index, entry] of entries.entries()) {
    if (effort.isSpent) return [...remarks, unfinishedRemark(entry.placed)]
    const before = neighbours.before(index, mostBefore)
    const covering = coveredBy(entry, before, neighbours.containing(index), effort)
    const higher =
      covering || above.length === 0 ? undefined : coveredAbove(entry, above, before, effort)
    // What was not compared to its end says nothing.
    if (effort.isSpent) continue
    if (covering) remarks.push(coverRemark(entry.placed, covering))
    else if (higher) remarks.push(higherRemark(entry.placed, higher))
    else
      for (const other of before) {
        if (conflicts >= conflictLimit || !isConflict(entry, other, effort)) continue
        conflicts++
        remarks.push(conflictRemark(entry.placed, other.placed))
      }
  }
  for (const remark of needlessRemarks(entries, neighbours, remarks, effort)) remarks.push(remark)
  if (effort.isSpent) remarks.push(unfinishedRemark(entries.at(-1)!.placed))
  return remarks
}

/**
 * Rules of higher tiers, and those `before` it in its own, that together leave nothing; what a higher tier
 * passes goes on to the next.
 */
const coveredAbove = (
  entry: Entry,
  tiers: readonly (readonly Entry[])[],
  before: readonly Entry[],
  effort: Effort,
): PlacedRule[] | undefined => {
  let rest: readonly Box[] = entry.boxes
  const used: PlacedRule[] = []
  for (const tier of tiers) {
    const passed: Box[] = []
    for (const other of tier) {
      if (!effort.spend(0.25)) return undefined
      if (!mayMeet(entry, other, effort)) continue
      const left = without(rest, other.boxes, pieceLimit, effort)
      if (left === undefined) return undefined
      if (other.placed.rule.verb === 'pass') {
        const through = without(rest, left, pieceLimit, effort)
        if (through === undefined) return undefined
        for (const box of through) passed.push(box)
      } else used.push(other.placed)
      rest = left
    }
    rest = [...rest, ...passed]
  }
  const boxes = before.flatMap(other => other.boxes)
  const left = without(rest, boxes, pieceLimit, effort)
  return left?.length === 0 ? [...used, ...before.map(other => other.placed)] : undefined
}

/**
 * The earlier rules that leave nothing: the one, if one is enough; undefined when something is left.
 *
 * @param before those that it meets
 * @param containing among these are all that can be enough alone
 */
const coveredBy = (
  entry: Entry,
  before: readonly Entry[],
  containing: Iterable<Entry>,
  effort: Effort,
): PlacedRule[] | undefined => {
  for (const other of containing)
    if (without(entry.boxes, other.boxes, pieceLimit, effort)?.length === 0) return [other.placed]
  if (before.length >= mostBefore) return undefined
  let rest: readonly Box[] | undefined = entry.boxes
  const used: PlacedRule[] = []
  for (const other of before) {
    rest = without(rest, other.boxes, pieceLimit, effort)
    if (rest === undefined) return undefined
    used.push(other.placed)
    if (rest.length === 0) return used
  }
  return undefined
}

const nameOf = ({ rule }: PlacedRule) => `"${rule.name}"`

/** `"a" (x.rules:2), "b" (x.rules:3)`, and how many more. */
const listOf = (rules: readonly PlacedRule[]): string => {
  const list = rules
    .slice(0, 3)
    .map(one => `${nameOf(one)} (${whereOf(one)})`)
    .join(', ')
  return rules.length > 3 ? `${list} and ${rules.length - 3} more` : list
}

const sayTheSame = (placed: PlacedRule, others: readonly PlacedRule[]): boolean =>
  others.every(({ rule }) => rule.verb === placed.rule.verb)

const coverRemark = (placed: PlacedRule, covering: readonly PlacedRule[]): Remark => {
  const other = covering[0]!
  const isOne = covering.length === 1
  if (sayTheSame(placed, covering)) {
    const message = `${nameOf(placed)} changes nothing: ${listOf(covering)} above ${isOne ? 'says' : 'say'} the same for all of it`
    return remarkOn('redundant', placed, message, { other, edit: { do: 'remove' } })
  }
  const kind = isOne && isCatchAll(other) ? 'unreachable' : 'shadowed'
  const message = `${nameOf(placed)} never speaks: ${listOf(covering)} ${isOne ? 'takes' : 'take'} all of it before`
  const edit = { do: 'move-above', above: { file: other.file, line: other.line } } as const
  return remarkOn(kind, placed, message, { other, edit, hint: ', or remove it' })
}

const higherRemark = (placed: PlacedRule, covering: readonly PlacedRule[]): Remark => {
  const other = covering[0]!
  const tier = tiers[other.rule.tier]!
  if (sayTheSame(placed, covering)) {
    const message = `${nameOf(placed)} changes nothing: ${listOf(covering)} ${covering.length === 1 ? 'says' : 'say'} the same for all of it before`
    return remarkOn('redundant', placed, message, { other, edit: { do: 'remove' } })
  }
  const message = `${nameOf(placed)} never speaks: ${listOf(covering)} ${covering.length === 1 ? 'takes' : 'take'} all of it before`
  const hint = `remove line ${placed.line}, or let it come through with a "pass" in tier ${tier} above ${whereOf(other)}`
  return remarkOn('unreachable', placed, message, { other, hint })
}

const isCatchAll = ({ rule }: PlacedRule): boolean =>
  rule.terms.some(term => term.protocol === undefined) &&
  rule.from.v4[0]?.first === 0 &&
  rule.from.v4[0].last === 0xffffffff &&
  rule.to.v4[0]?.first === 0 &&
  rule.to.v4[0].last === 0xffffffff

/** Some packets are in both, each has some of its own, and they are told different things. */
const isConflict = (later: Entry, earlier: Entry, effort: Effort): boolean => {
  const verbs = [later.placed.rule.verb, earlier.placed.rule.verb]
  if (verbs[0] === verbs[1] || verbs.includes('pass')) return false
  const left = without(earlier.boxes, later.boxes, pieceLimit, effort)
  return left !== undefined && left.length > 0
}

const conflictRemark = (later: PlacedRule, earlier: PlacedRule): Remark => {
  const message = `${nameOf(later)} (${later.rule.verb}) and ${nameOf(earlier)} (${earlier.rule.verb}) in ${whereOf(earlier)} share packets; the upper one decides`
  const edit = { do: 'move-above', above: { file: earlier.file, line: earlier.line } } as const
  const hint = ', or take the shared part out with "except", if that is not meant'
  return remarkOn('conflicting', later, message, { other: earlier, level: 'note', edit, hint })
}

const emptyRemark = (placed: PlacedRule): Remark => {
  const message = `${nameOf(placed)} has no address to speak of on one side`
  const hint =
    'hosts, networks and ports count from when they are known; check the spelling with "sluice get hosts"'
  return remarkOn('empty', placed, message, { hint })
}

const mixedRemark = (placed: PlacedRule): Remark => {
  const ends = versionsOf(placed.rule)
  const isOfService = ends.length > 0
  const message = isOfService
    ? `${nameOf(placed)} never speaks: its service is of IPv${ends[0] === 4 ? 6 : 4}, its ends are of IPv${ends[0]}`
    : `${nameOf(placed)} never speaks: its ends are of different versions of IP`
  const hint = isOfService
    ? `name the service of IPv${ends[0]}, or addresses of IPv${ends[0] === 4 ? 6 : 4}`
    : 'name addresses of the same version on both sides, in a rule for each'
  return remarkOn('empty', placed, message, { hint })
}

/** @param placed the first that was not compared */
const unfinishedRemark = (placed: PlacedRule): Remark => {
  const message = `from ${nameOf(placed)} on, rules were not all compared: there is too much to compare`
  const hint = 'name whole networks instead of many addresses, or check files one by one'
  return remarkOn('unfinished', placed, message, { hint })
}

/** Rules that a later one repeats, with nothing in between that says otherwise. */
const needlessRemarks = (
  entries: readonly Entry[],
  neighbours: Neighbours,
  told: readonly Remark[],
  effort: Effort,
): Remark[] => {
  const isTold = new Set(told.filter(one => one.kind !== 'conflicting').map(whereOf))
  return entries.flatMap((entry, index) => {
    if (effort.isSpent || isTold.has(whereOf(entry.placed))) return []
    for (const later of neighbours.after(index)) {
      if (later.placed.rule.verb !== entry.placed.rule.verb) return []
      if (entry.placed.rule.log !== undefined || entry.placed.rule.via !== undefined) return []
      if (without(entry.boxes, later.boxes, pieceLimit, effort)?.length !== 0) continue
      const message = `${nameOf(entry.placed)} changes nothing: ${nameOf(later.placed)} (${whereOf(later.placed)}) below says the same for all of it`
      const other = later.placed
      return [remarkOn('redundant', entry.placed, message, { other, edit: { do: 'remove' } })]
    }
    return []
  })
}
