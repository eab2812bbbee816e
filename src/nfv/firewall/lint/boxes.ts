/**
 * Rules as boxes: a source range, a destination range, a kind of packet. Boxes can be compared and cut, so
 * that it can be said exactly whether earlier rules leave anything for a later one.
 */
import type { AddressSet, Range } from '../meaning/address-set.js'
import type { ResolvedRule, Term } from '../meaning/resolved.js'
import type { Effort } from '../text/limits.js'
import type { PortRange } from '../text/rule.js'

/** A product of ranges, both ends belonging to each: version, source, destination, protocol, ports. */
export interface Box {
  readonly version: 4 | 6
  readonly sides: readonly Range<number | bigint>[]
}

/** The boxes that a rule is made of; undefined when there are more than `limit`. */
export const boxesOf = (rule: ResolvedRule, limit: number): Box[] | undefined => {
  const boxes: Box[] = []
  for (const version of [4, 6] as const) {
    const [from, to] = [rangesOf(rule.from, version), rangesOf(rule.to, version)]
    for (const term of rule.terms) {
      if (term.version !== undefined && term.version !== version) continue
      const kinds = kindsOf(term)
      if (boxes.length + from.length * to.length * kinds.length > limit) return undefined
      for (const source of from)
        for (const destination of to)
          for (const kind of kinds) boxes.push({ version, sides: [source, destination, ...kind] })
    }
  }
  return boxes
}

const rangesOf = (set: AddressSet, version: 4 | 6): readonly Range<number | bigint>[] =>
  version === 4 ? set.v4 : set.v6

const kindsOf = (term: Term): Range<number>[][] => {
  const { protocol } = term
  const whole = { first: 0, last: 255 }
  const protocols = protocol === undefined ? whole : { first: protocol, last: protocol }
  return portsOf(term.source).flatMap(source =>
    portsOf(term.destination).map(destination => [protocols, source, destination]),
  )
}

const portsOf = (set: readonly PortRange[] | undefined): Range<number>[] =>
  set?.map(({ from, to }) => ({ first: from, last: to })) ?? [{ first: 0, last: 65535 }]

export const meets = (a: Box, b: Box): boolean => {
  if (a.version !== b.version) return false
  // From the last on: rules differ in their ports more often than in their addresses.
  for (let index = a.sides.length - 1; index >= 0; index--) {
    const [side, other] = [a.sides[index]!, b.sides[index]!]
    if (side.first > other.last || side.last < other.first) return false
  }
  return true
}

/** What of `box` is not in `hole`: at most two boxes for each side. */
export const cut = (box: Box, hole: Box): Box[] => {
  if (!meets(box, hole)) return [box]
  const pieces: Box[] = []
  let rest = box.sides
  for (const [index, wanted] of hole.sides.entries()) {
    const side = rest[index]!
    const put = (range: Range<number | bigint>) =>
      pieces.push({ version: box.version, sides: rest.with(index, range) })
    if (side.first < wanted.first) put({ first: side.first, last: step(wanted.first, -1) })
    if (side.last > wanted.last) put({ first: step(wanted.last, 1), last: side.last })
    rest = rest.with(index, {
      first: side.first > wanted.first ? side.first : wanted.first,
      last: side.last < wanted.last ? side.last : wanted.last,
    })
  }
  return pieces
}

const step = (value: number | bigint, by: 1 | -1): number | bigint =>
  typeof value === 'bigint' ? value + BigInt(by) : value + by

/** What is left of some boxes; undefined when it falls into more than `limit` pieces, or takes more effort than there is. */
export const without = (
  boxes: readonly Box[],
  holes: readonly Box[],
  limit: number,
  effort: Effort,
): readonly Box[] | undefined => {
  let rest = boxes
  for (const hole of holes) {
    if (rest.length === 0) return rest
    if (!effort.spend(4 * rest.length)) return undefined
    rest = rest.flatMap(box => cut(box, hole))
    if (rest.length > limit) return undefined
  }
  return rest
}
