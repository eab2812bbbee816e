/** What resolving remembers, so that an edit costs what it changes. */

import type { Default, Line, Rule } from '../text/rule.js'
import type { Dependency, Environment } from './environment.js'
import type { PlacedRule, ResolvedRule } from './resolved.js'

/**
 * Numbers for rules: the hash of `policy/rule`, and on from there where it is taken. The number with
 * its highest bit turned is kept free as well: it names the rule's IPv6 conjunction.
 */
export class Ids {
  /** Without the highest bit, at the first free place from its own on; 0 is an empty place. */
  #table: Uint32Array
  #count = 0
  /** Where the search for a number that is taken ended: up to there all are. */
  readonly #tried = new Map<number, number>()

  /** @param expected about how many there will be */
  constructor(expected: number) {
    this.#table = new Uint32Array(2 ** Math.ceil(Math.log2(2 * expected + 64)))
  }

  /** @param wanted as made by `wantedId` */
  take(wanted: number): number {
    for (let id = this.#tried.get(wanted) ?? wanted; ; id = (id + 1) >>> 0)
      if (this.add(id)) {
        if (id !== wanted) this.#tried.set(wanted, id)
        return id
      }
  }

  /** False when it is taken; the number 0 always is. */
  add(id: number): boolean {
    const low = id & 0x7fffffff
    if (low === 0) return false
    if (2 * this.#count > this.#table.length) this.#grow()
    const at = placeOf(this.#table, low)
    if (this.#table[at] === low) return false
    this.#table[at] = low
    this.#count++
    return true
  }

  #grow(): void {
    const larger = new Uint32Array(this.#table.length * 2)
    for (const low of this.#table) if (low !== 0) larger[placeOf(larger, low)] = low
    this.#table = larger
  }
}

/** Where it is, or would be. */
const placeOf = (table: Uint32Array, low: number): number => {
  const last = table.length - 1
  let at = Math.imul(low, 0x9e3779b1) & last
  while (table[at] !== 0 && table[at] !== low) at = (at + 1) & last
  return at
}

/** How a rule was resolved, and from what. */
export interface RuleMemo {
  readonly placed: PlacedRule
  readonly id: number
  readonly wantedId: number
  readonly name: string
  readonly tier: number
  readonly digest: ResolvedRule['digest']
  readonly uses: readonly Dependency[]
  /** What its zones and services were put together from, for the budget of the policy. */
  readonly parts: number
  /** Flows that it takes at most. */
  readonly flows: number
  /** It is in force whatever the time, has the name and the number that it wanted, uses no names, and is no default. */
  readonly isPlain: boolean
  /** Something of it is to be complained about, or may be. */
  readonly isSuspect: boolean
}

/** What was resolved the last time, in the order of the file; columns, since of most rules only a few of them are asked. */
export class PolicyMemo {
  readonly environment: Environment
  readonly lines: Line[] = []
  readonly statements: (Rule | Default)[] = []
  readonly rules: RuleMemo[] = []
  /** 1 where the rule comes out the same as long as its line is the same object. */
  readonly plain: Uint8Array
  readonly ids: Uint32Array
  readonly tiers: Uint8Array
  /** Two for each. */
  readonly digests: Int32Array
  readonly parts: Float64Array
  readonly flows: Uint32Array
  #searches = 0
  #places: Map<Rule | Default, number> | undefined

  /** @param count how many there may be */
  constructor(environment: Environment, count: number) {
    this.environment = environment
    this.plain = new Uint8Array(count)
    this.ids = new Uint32Array(count)
    this.tiers = new Uint8Array(count)
    this.digests = new Int32Array(2 * count)
    this.parts = new Float64Array(count)
    this.flows = new Uint32Array(count)
  }

  add(line: Line<Rule> | Line<Default>, rule: RuleMemo): void {
    const at = this.rules.length
    this.lines.push(line)
    this.statements.push(line.statement)
    this.rules.push(rule)
    this.plain[at] = rule.isPlain && !rule.isSuspect ? 1 : 0
    this.ids[at] = rule.id
    this.tiers[at] = rule.tier
    this.digests[2 * at] = rule.digest[0]
    this.digests[2 * at + 1] = rule.digest[1]
    this.parts[at] = rule.parts
    this.flows[at] = rule.flows
  }

  /** As it was at `place` of `before`. */
  keep(before: PolicyMemo, place: number): void {
    const at = this.rules.length
    this.lines.push(before.lines[place]!)
    this.statements.push(before.statements[place]!)
    this.rules.push(before.rules[place]!)
    this.plain[at] = 1
    this.ids[at] = before.ids[place]!
    this.tiers[at] = before.tiers[place]!
    this.digests[2 * at] = before.digests[2 * place]!
    this.digests[2 * at + 1] = before.digests[2 * place + 1]!
    this.parts[at] = before.parts[place]!
    this.flows[at] = before.flows[place]!
  }

  /** Where the statement stood, first looked for about `at`; -1 when it is new. */
  find(statement: Rule | Default, at: number): number {
    for (const place of [at, at + 1, at - 1]) if (this.statements[place] === statement) return place
    if (this.#searches++ < 16) return this.statements.indexOf(statement)
    this.#places ??= new Map(this.statements.map((each, place) => [each, place]))
    return this.#places.get(statement) ?? -1
  }
}

/** A hash of 64 bits over what came so far. */
export type Lane = [number, number]

export const mix = (lane: Lane, digest: readonly [number, number]): void =>
  mixTwo(lane, digest[0], digest[1])

/** FNV-1a over words in the one half, a rotating sum in the other. */
export const mixTwo = (lane: Lane, first: number, second: number): void => {
  lane[0] = Math.imul(lane[0] ^ first, 0x01000193)
  lane[1] = Math.imul(((lane[1] << 5) | (lane[1] >>> 27)) ^ second, 0x85ebca6b)
}
