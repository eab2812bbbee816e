/**
 * How much rules may ask for. Reading, resolving and comparing count what they do, and end with a mistake that names
 * the place; so no text can stop the controller or use up its memory, and each needs time in proportion to its size.
 */
import { priorityCount } from '../flows/priorities.js'

export interface Limits {
  /** Characters of a policy with all that it includes. */
  readonly size: number
  readonly files: number
  readonly lines: number
  /** Words and commas of one statement, with what variables stand for. */
  readonly statementWords: number
  /** Of all statements of a policy. */
  readonly words: number
  /** Ranges of addresses and terms of services that zones, services and rules of a policy are put together from. */
  readonly parts: number
  /** Flows that one switch may need for the rules of all policies. */
  readonly flows: number
  /** True when there is no more time for it; absent: there is no end to that. */
  readonly isOver?: IsOver
}

export type IsOver = () => boolean

/** What a policy may be; docs/rules.md has the table. */
export const limits: Limits = {
  size: 8_000_000,
  files: 1_000,
  lines: 250_000,
  statementWords: 400_000,
  words: 1_500_000,
  parts: 2_000_000,
  flows: 500_000,
}

/** What is read and resolved at once, in short turns; what needs more is tried elsewhere first. */
export const quickLimits: Limits = {
  ...limits,
  statementWords: 2_000,
  words: 1_200_000,
  parts: 400_000,
  flows: 150_000,
}

/** For what is in force already: it was checked when it came. */
export const noLimits: Limits = {
  size: Number.POSITIVE_INFINITY,
  files: Number.POSITIVE_INFINITY,
  lines: Number.POSITIVE_INFINITY,
  statementWords: Number.POSITIVE_INFINITY,
  words: Number.POSITIVE_INFINITY,
  parts: Number.POSITIVE_INFINITY,
  flows: Number.POSITIVE_INFINITY,
}

export const maxRulesOfTier = priorityCount
/** Mistakes that are told of one file, and of what it means. */
export const maxMistakes = 100
export const maxNameLength = 255
/** Separate ranges of ports of one service. */
export const maxPortRanges = 1_024
/** Different schedules of all policies. */
export const maxSchedules = 256
/** Tests of all policies; and how many rules they may be held against in all. */
export const maxTests = 10_000
export const maxTestSteps = 100_000_000
/** Times that tests name: the rules are looked at again for each. */
export const maxTestMoments = 64
/** Pairs of ranges that are looked at to find the rules above stateless ones that shut. */
export const maxGuardSteps = 20_000_000
/** Pairs of ranges that the linter compares before it says that it has not looked at the rest. */
export const maxLintSteps = 60_000_000

/** What is left of the limits for one policy. */
export class Budget {
  readonly limits: Limits
  size = 0
  files = 0
  lines = 0
  words = 0
  parts = 0

  constructor(of: Limits = limits) {
    this.limits = of
  }

  /** Counts so many more. @returns false when there are too many now */
  take(what: 'size' | 'files' | 'lines' | 'words' | 'parts', count: number): boolean {
    this[what] += count
    return this[what] <= this.limits[what]
  }

  get isOver(): boolean {
    return this.limits.isOver?.() === true
  }
}

/** A bound on comparing: what is not reached within it is not known. */
export class Effort {
  #left: number
  readonly #isOver: IsOver | undefined
  #asked = 0

  constructor(steps: number, isOver?: IsOver) {
    this.#left = steps
    this.#isOver = isOver
  }

  /** @returns false when there is none left */
  spend(steps: number): boolean {
    this.#left -= steps
    if (this.#isOver && ++this.#asked % 1_024 === 0 && this.#isOver()) this.#left = -1
    return this.#left >= 0
  }

  get isSpent(): boolean {
    return this.#left < 0
  }
}

/** `1,500,000` */
export const counted = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ',')

/** A long word, shortened for a message. */
export const clip = (text: string, length = 60): string =>
  text.length <= length ? text : `${text.slice(0, length - 3)}...`
