/** Rules prepared for being held against one another, and a quick way to those that a rule can meet at all. */
import { isEmpty } from '../address-set.js'
import { isStateless, type PlacedRule } from '../resolved.js'
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

/** What is compared: rules that decide, with some address on both sides. */
export const entriesOf = (rules: readonly PlacedRule[]): Entry[] =>
  rules
    .filter(({ rule, file }) => !rule.isAudit && !isStateless(rule) && file !== 'built-in')
    .filter(placed => !isVoid(placed))
    .flatMap(placed => entryOf(placed) ?? [])

export const isVoid = ({ rule }: PlacedRule): boolean => isEmpty(rule.from) || isEmpty(rule.to)

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

export const mayMeet = (a: Entry, b: Entry): boolean =>
  a.low <= b.high &&
  a.high >= b.low &&
  a.lowTo <= b.highTo &&
  a.highTo >= b.lowTo &&
  a.boxes.some(box => b.boxes.some(other => meets(box, other)))

/**
 * Finds the entries that one can meet without looking at all: by the /16 that its sources or destinations are in,
 * whichever is known and has fewer others. Entries that span more than one are looked at always.
 */
export class Neighbours {
  readonly #entries: readonly Entry[]
  readonly #sources = new Buckets()
  readonly #destinations = new Buckets()

  constructor(entries: readonly Entry[]) {
    this.#entries = entries
    for (const [index, { low, high, lowTo, highTo }] of entries.entries()) {
      this.#sources.add(low, high, index)
      this.#destinations.add(lowTo, highTo, index)
    }
  }

  /** In their order. */
  before(index: number): Entry[] {
    return this.#meeting(index, other => other < index)
  }

  after(index: number): Entry[] {
    return this.#meeting(index, other => other > index)
  }

  #meeting(index: number, isWanted: (other: number) => boolean): Entry[] {
    const entry = this.#entries[index]!
    const bySource = this.#sources.near(entry.low, entry.high)
    const byDestination = this.#destinations.near(entry.lowTo, entry.highTo)
    const lists = sizeOf(bySource) < sizeOf(byDestination) ? bySource : byDestination
    const found: number[] = []
    for (const list of lists ?? [this.#entries.keys()])
      for (const other of list)
        if (isWanted(other) && mayMeet(entry, this.#entries[other]!)) found.push(other)
    return found.sort((a, b) => a - b).map(other => this.#entries[other]!)
  }
}

type Lists = readonly (readonly number[])[]

const sizeOf = (lists: Lists | undefined): number =>
  lists === undefined ? Number.POSITIVE_INFINITY : lists.reduce((sum, list) => sum + list.length, 0)

/** Numbers by the /16 of an interval of addresses, and those that span several. */
class Buckets {
  readonly #narrow = new Map<number, number[]>()
  readonly #wide: number[] = []

  add(low: number, high: number, index: number): void {
    const key = keyOf(low, high)
    const list = key === undefined ? this.#wide : this.#narrow.get(key)
    if (list) list.push(index)
    else this.#narrow.set(key!, [index])
  }

  /** Undefined when the interval itself spans several. */
  near(low: number, high: number): Lists | undefined {
    const key = keyOf(low, high)
    return key === undefined ? undefined : [this.#narrow.get(key) ?? [], this.#wide]
  }
}

const keyOf = (low: number, high: number): number | undefined => {
  const key = Math.floor(low / 65536)
  return key === Math.floor(high / 65536) ? key : undefined
}
