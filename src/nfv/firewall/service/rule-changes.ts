/** Statements that come, go, or stand elsewhere between two texts of a policy; comments aside. Pure. */
import { formatStatement } from '../text/format.js'
import { Parser } from '../text/parse.js'
import type { PolicyWish } from './policy.js'

export interface RuleChange {
  readonly policy: string
  /** `moved`: the order of rules decides. */
  readonly change: 'added' | 'removed' | 'moved'
  readonly text: string
}

export const ruleChanges = (
  wish: PolicyWish,
  before: PolicyWish | undefined,
): readonly RuleChange[] => {
  const [old, next] = [statementsOf(before), statementsOf(wish)]
  const changed = (change: RuleChange['change'], texts: readonly string[]) =>
    texts.map(text => ({ policy: wish.name, change, text }))
  const wasThere = new Set(old)
  const isThere = new Set(next)
  return [
    ...changed(
      'removed',
      old.filter(text => !isThere.has(text)),
    ),
    ...changed('moved', moved(old, next)),
    ...changed(
      'added',
      next.filter(text => !wasThere.has(text)),
    ),
  ]
}

/** Each once, in order. */
const statementsOf = (wish: PolicyWish | undefined): string[] => {
  if (wish === undefined) return []
  const texts = [wish.source, ...Object.values(wish.includes ?? {})]
  const all = texts
    .flatMap(text => new Parser().parse(text, wish.name).lines)
    .map(line => formatStatement(line.statement))
    .filter(text => text !== '')
  return [...new Set(all)]
}

/** The fewest of those in both lists that must change their place: all but a longest run in the same order. */
const moved = (old: readonly string[], next: readonly string[]): string[] => {
  const placeIn = new Map(old.map((text, at) => [text, at]))
  const both = next.filter(text => placeIn.has(text))
  const staying = longestRise(both.map(text => placeIn.get(text)!))
  return both.filter((_, at) => !staying.has(at))
}

/** Where the members of a longest rising row of different numbers stand (Schensted 1961). */
const longestRise = (numbers: readonly number[]): ReadonlySet<number> => {
  /** By length, where the row of that length with the lowest end ends. */
  const ends: number[] = []
  const before: (number | undefined)[] = []
  for (const [at, number] of numbers.entries()) {
    let [low, high] = [0, ends.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (numbers[ends[middle]!]! < number) low = middle + 1
      else high = middle
    }
    before[at] = ends[low - 1]
    ends[low] = at
  }
  const found = new Set<number>()
  for (let at = ends.at(-1); at !== undefined; at = before[at]) found.add(at)
  return found
}
