/** Rules prepared for being held against one another, and a quick way to those that a rule can meet at all. */
import { isEmpty } from '../meaning/address-set.js'
import { isStateless, type PlacedRule, type ResolvedRule } from '../meaning/resolved.js'
import type { Effort } from '../text/limits.js'
import { type Box, boxesOf, meets } from './boxes.js'

/** A rule's boxes with its bounding interval of sources, for quick comparing. */
export interface Entry {
  readonly placed: PlacedRule
  readonly boxes: readonly Box[]
  readonly low: number
  readonly high: number
  readonly lowTo: number
  readonly highTo: number
}

const boxLimit = 400

/** What is compared: rules that decide, and that some packet can meet. */
export const entriesOf = (rules: readonly PlacedRule[]): Entry[] =>
  rules
    .filter(({ rule, file }) => !rule.isAudit && !isStateless(rule) && file !== 'built-in')
    .filter(placed => !isVoid(placed) && !isMixed(placed))
    .flatMap(placed => entryOf(placed) ?? [])

export const isVoid = ({ rule }: PlacedRule): boolean => isEmpty(rule.from) || isEmpty(rule.to)

/** Both ends have addresses, and no packet can have one of each: they are of different versions of IP, or the service is. */
export const isMixed = ({ rule }: PlacedRule): boolean =>
  !isEmpty(rule.from) &&
  !isEmpty(rule.to) &&
  rule.terms.length > 0 &&
  !rule.terms.some(({ version }) => versionsOf(rule).some(each => (version ?? each) === each))

/** The versions of IP that both ends have addresses of. */
export const versionsOf = ({ from, to }: ResolvedRule): readonly (4 | 6)[] => [
  ...(from.v4.length > 0 && to.v4.length > 0 ? [4 as const] : []),
  ...(from.v6.length > 0 && to.v6.length > 0 ? [6 as const] : []),
]

export const entryOf = (placed: PlacedRule): Entry | undefined => {
  const boxes = boxesOf(placed.rule, boxLimit)
  if (boxes === undefined) return undefined
  const { from, to } = placed.rule
  // IPv6 rules are put at one place above all of IPv4: never too narrow, if a little too wide.
  const span = (set: typeof from) => ({
    low: set.v4[0]?.first ?? 2 ** 32,
    high: set.v6.length > 0 ? 2 ** 32 : (set.v4.at(-1)?.last ?? 2 ** 32),
  })
  const [source, destination] = [span(from), span(to)]
  const { low, high } = source
  return { placed, boxes, low, high, lowTo: destination.low, highTo: destination.high }
}

export const mayMeet = (a: Entry, b: Entry, effort: Effort): boolean =>
  a.low <= b.high &&
  a.high >= b.low &&
  a.lowTo <= b.highTo &&
  a.highTo >= b.lowTo &&
  boxesMeet(a, b, effort)

/** Where there is no effort left, nothing meets any more. */
const boxesMeet = (a: Entry, b: Entry, effort: Effort): boolean => {
  let steps = 0
  for (const box of a.boxes)
    for (const other of b.boxes) {
      steps++
      if (meets(box, other)) return effort.spend(steps)
    }
  effort.spend(steps)
  return false
}

/**
 * Finds the entries that one can meet, or that can hold all of it, without looking at all: by the /16 that its sources
 * or destinations are in, whichever is known and has fewer others. Entries that span more than one are looked at always.
 */
export class Neighbours {
  readonly #entries: readonly Entry[]
  readonly #sources: Intervals
  readonly #destinations: Intervals
  readonly #all: Uint32Array
  readonly #effort: Effort

  /** @param effort what may be compared */
  constructor(entries: readonly Entry[], effort: Effort) {
    this.#entries = entries
    this.#effort = effort
    this.#sources = new Intervals(entries.map(({ low, high }) => [low, high]))
    this.#destinations = new Intervals(entries.map(({ lowTo, highTo }) => [lowTo, highTo]))
    this.#all = Uint32Array.from(entries.keys())
  }

  /** Those above that it meets, in their order, no more than `limit`. */
  before(index: number, limit = Number.POSITIVE_INFINITY): Entry[] {
    const found: Entry[] = []
    for (const other of this.#meeting(index, 0, index)) {
      if (found.length >= limit) break
      found.push(other)
    }
    return found
  }

  /** Those below that it meets, in their order. */
  after(index: number): Iterable<Entry> {
    return this.#meeting(index, index + 1, this.#entries.length)
  }

  /** Those above whose addresses may hold all of its own, in their order. */
  *containing(index: number): Iterable<Entry> {
    const [sources, destinations] = [this.#sources, this.#destinations]
    const lists = smaller(sources.around(index), destinations.around(index))
    const isHeld = (other: number) =>
      this.#effort.spend(0.25) && sources.holds(other, index) && destinations.holds(other, index)
    for (const other of merged(lists, 0, index, isHeld)) yield this.#entries[other]!
  }

  *#meeting(index: number, from: number, to: number): Iterable<Entry> {
    const [sources, destinations] = [this.#sources, this.#destinations]
    const lists = smaller(sources.near(index), destinations.near(index)) ?? [this.#all]
    const entry = this.#entries[index]!
    const isMet = (other: number) =>
      this.#effort.spend(0.25) &&
      sources.meet(other, index) &&
      destinations.meet(other, index) &&
      boxesMeet(entry, this.#entries[other]!, this.#effort)
    for (const other of merged(lists, from, to, isMet)) yield this.#entries[other]!
  }
}

/** Numbers that ascend. */
type Lists = readonly ArrayLike<number>[]

const smaller = <A extends Lists | undefined>(a: A, b: A): A => (sizeOf(a) < sizeOf(b) ? a : b)

const sizeOf = (lists: Lists | undefined): number =>
  lists === undefined ? Number.POSITIVE_INFINITY : lists.reduce((sum, list) => sum + list.length, 0)

/** What of all lists is wanted, ascending, from `from` to before `to`; looked at only as far as it is asked for. */
function* merged(
  lists: Lists,
  from: number,
  to: number,
  isWanted: (one: number) => boolean,
): Iterable<number> {
  const places = lists.map(list => lowerBound(list, from))
  const next = (at: number): number => {
    const list = lists[at]!
    let place = places[at]!
    while (place < list.length && list[place]! < to && !isWanted(list[place]!)) place++
    places[at] = place
    return place < list.length && list[place]! < to ? list[place]! : to
  }
  const heads = lists.map((_, at) => next(at))
  for (;;) {
    const first = Math.min(...heads)
    if (first >= to) return
    yield first
    const at = heads.indexOf(first)
    places[at]!++
    heads[at] = next(at)
  }
}

const lowerBound = (list: ArrayLike<number>, from: number): number => {
  let [low, high] = [0, list.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (list[middle]! < from) low = middle + 1
    else high = middle
  }
  return low
}

/** Intervals of addresses by their numbers: those within one /16 by it, and those that span several. */
class Intervals {
  readonly #low: Float64Array
  readonly #high: Float64Array
  readonly #narrow = new Map<number, number[]>()
  readonly #wide: number[] = []

  constructor(intervals: readonly (readonly [low: number, high: number])[]) {
    this.#low = Float64Array.from(intervals, ([low]) => low)
    this.#high = Float64Array.from(intervals, ([, high]) => high)
    for (const index of intervals.keys()) {
      const key = this.#keyOf(index)
      const list = key === undefined ? this.#wide : this.#narrow.get(key)
      if (list) list.push(index)
      else this.#narrow.set(key!, [index])
    }
  }

  meet(a: number, b: number): boolean {
    return this.#low[a]! <= this.#high[b]! && this.#high[a]! >= this.#low[b]!
  }

  holds(outer: number, inner: number): boolean {
    return this.#low[outer]! <= this.#low[inner]! && this.#high[outer]! >= this.#high[inner]!
  }

  /** Among these are all that it meets; undefined when it spans several /16 itself. */
  near(index: number): Lists | undefined {
    const key = this.#keyOf(index)
    return key === undefined ? undefined : [this.#narrow.get(key)!, this.#wide]
  }

  /** Among these are all that hold it. */
  around(index: number): Lists {
    return this.near(index) ?? [this.#wide]
  }

  #keyOf(index: number): number | undefined {
    const key = Math.floor(this.#low[index]! / 65536)
    return key === Math.floor(this.#high[index]! / 65536) ? key : undefined
  }
}
