/**
 * Chains of rules as netfilter runs them (iptables(8), nft(8)): jump, goto, return, policies, several base chains one behind
 * the other. What comes out is a list of boxes with verdicts of which the first that matches wins, for the packet that
 * opens a connection; one list for each base chain, since all of them must accept.
 *
 * Nothing comes out wider than the source. A match of which a part cannot be said may hold or not, so an `accept` behind it is left out and a
 * `drop` keeps out all that the rest of the match allows. Each such step is reported as a loss.
 */
import type { RejectCode } from '../text/rule.js'
import { type Box, coversBox, everything, intersect, mirrored, trimmed, without } from './box.js'

/** Where something stands in the source. */
export interface Place {
  /** 1-based; 0: the whole file. */
  readonly line: number
  /** In a source without lines: the place in its structure. */
  readonly path?: string | undefined
}

export type State = 'new' | 'established' | 'related' | 'invalid' | 'untracked'
export const states: readonly State[] = ['new', 'established', 'related', 'invalid', 'untracked']

export interface Match {
  /** A packet of any of these. */
  readonly boxes: readonly Box[]
  /** Undefined: whatever the state of the connection is. */
  readonly states?: ReadonlySet<State> | undefined
  /** Conditions that cannot be said here. */
  readonly unsaid: readonly string[]
}

export type Verdict =
  | { readonly kind: 'accept' | 'drop' | 'return' | 'continue' }
  /** What the sender is told; absent: a reset for TCP, "admin-prohibited" for the rest. */
  | { readonly kind: 'reject'; readonly answer?: RejectCode | undefined }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  | { readonly kind: 'log'; readonly text: string }
  /** The next rule is asked, and the packet has the state `untracked` from then on. */
  | { readonly kind: 'untrack' }
  /** Something else decides: another program, another table. */
  | { readonly kind: 'other'; readonly what: string }

export interface ChainRule {
  readonly place: Place
  readonly match: Match
  readonly verdict: Verdict
  /** As it stands in the source. */
  readonly text: string
  readonly name?: string | undefined
  /** Why a match that is not said changes nothing. */
  readonly remarks?: readonly string[] | undefined
}

export interface BaseChain {
  readonly chain: string
  /** What it sees. */
  readonly region: Box
  readonly policy: 'accept' | 'drop'
  readonly place: Place
  /** It is asked before connection tracking, where every packet has the state `invalid`. */
  readonly isBeforeTracking?: boolean
}

export interface Outcome {
  readonly box: Box
  readonly verb: 'accept' | 'drop' | 'reject' | 'log'
  readonly rule: Pick<ChainRule, 'place' | 'name' | 'text'>
  readonly log?: string | undefined
  /** Of `reject`. */
  readonly answer?: RejectCode | undefined
}

export interface Loss {
  readonly place: Place
  /** `left out`: less is allowed than in the source; `closed`: a whole region is kept out. */
  readonly kind: 'left out' | 'closed'
  readonly message: string
}

export class TooMuch extends Error {}

/** Boxes of one base chain, and steps to find them. */
const [mostOutcomes, mostSteps, deepest] = [50_000, 2_000_000, 64]

export interface Flattened {
  readonly outcomes: readonly Outcome[]
  readonly losses: readonly Loss[]
  /** Places of rules that came out with their whole meaning. */
  readonly taken: ReadonlySet<string>
}

/** Names a rule by its place. */
export const placeKey = ({ line, path }: Place): string => `${line} ${path ?? ''}`

/**
 * What a base chain does with packets that open connections.
 *
 * @throws {TooMuch} when its chains call one another so often that the list has no end
 */
export const flatten = (
  base: BaseChain,
  chains: ReadonlyMap<string, readonly ChainRule[]>,
): Flattened => {
  const walker = new Walker(base, chains)
  walker.run()
  const { outcomes, losses, taken } = walker
  // Whatever cannot be said of the way there, in the end it is accepted.
  if (acceptsAll(base, chains))
    return {
      outcomes: outcomes.filter(({ verb }) => verb === 'log' || verb === 'accept'),
      losses: [],
      taken,
    }
  return { outcomes, losses, taken }
}

/** No rule that packets may come to keeps anything out. */
const acceptsAll = (
  { chain, policy }: BaseChain,
  chains: ReadonlyMap<string, readonly ChainRule[]>,
): boolean => {
  const reached = new Set([chain])
  for (const name of reached)
    for (const { verdict } of chains.get(name) ?? []) {
      if (!['accept', 'return', 'continue', 'log', 'jump', 'goto'].includes(verdict.kind))
        return false
      if (verdict.kind === 'jump' || verdict.kind === 'goto') reached.add(verdict.chain)
    }
  return policy === 'accept'
}

/** What goes on with packets that leave a chain before its end. */
type Rest = (region: Box) => void

interface Frame {
  readonly chain: string
  readonly depth: number
  /** Undefined in the base chain: its policy decides. */
  readonly rest: Rest | undefined
  /** A condition on the way here could not be said: nothing is accepted by it. */
  readonly isMaybe: boolean
  /** The chain before does not go on by itself: what leaves must be handed on. */
  readonly isExplicit: boolean
  /** Some packets left before the end, and the chain before goes on with them. */
  hasLeft: boolean
}

/** All that is left falls off the end of the chain. */
const fallen = Symbol('fallen')
type Left = Box | undefined | typeof fallen

class Walker {
  readonly outcomes: Outcome[] = []
  readonly losses: Loss[] = []
  readonly taken = new Set<string>()
  readonly #lost = new Set<string>()
  readonly #base: BaseChain
  readonly #chains: ReadonlyMap<string, readonly ChainRule[]>
  readonly #accepting = new Map<string, boolean>()
  /** Some rule sees a difference between a packet that opens a connection and one that is not tracked. */
  readonly #isStateAsked: boolean
  /** Packets of running connections that are accepted by what stood above. */
  readonly #settled: Box[] = []
  #steps = 0

  constructor(base: BaseChain, chains: ReadonlyMap<string, readonly ChainRule[]>) {
    this.#base = base
    this.#chains = chains
    this.#isStateAsked = [...chains.values()].some(rules =>
      rules.some(({ match: { states } }) => states?.has('new') !== states?.has('untracked')),
    )
  }

  run(): void {
    const { chain, region } = this.#base
    const frame = {
      chain,
      depth: 0,
      rest: undefined,
      isMaybe: false,
      isExplicit: true,
      hasLeft: false,
    }
    const end = this.#walk(frame, 0, region)
    if (end !== undefined) this.#policy(end)
  }

  /** @returns what may fall off the end; undefined when nothing does */
  #walk(frame: Frame, start: number, entering: Box): Box | undefined {
    const rules = this.#chains.get(frame.chain) ?? []
    let region = entering
    for (let at = start; at < rules.length; at++) {
      if (++this.#steps > mostSteps)
        throw new TooMuch('its chains call one another too often to be written out')
      const rule = rules[at]!
      if (!this.#isOfNew(frame, rule, region)) continue
      for (const box of rule.match.boxes) {
        const inside = intersect(region, box)
        if (inside === undefined) continue
        const left = this.#rule(frame, rule, at, region, inside)
        if (left === fallen) return region
        if (left === undefined) return undefined
        region = left
      }
    }
    return region
  }

  /** False for rules that packets which open a connection do not meet. */
  #isOfNew(frame: Frame, rule: ChainRule, region: Box): boolean {
    const { states } = rule.match
    if (this.#base.isBeforeTracking) return states?.has('invalid') ?? true
    if (states === undefined || states.has('new')) {
      if (
        rule.verdict.kind === 'accept' &&
        (states?.has('established') ?? true) &&
        rule.match.unsaid.length === 0 &&
        !frame.isMaybe
      )
        this.#settled.push(...insides(region, rule))
      return true
    }
    if (states.has('established')) this.#ofEstablished(frame, rule, region)
    else if (states.has('related')) this.#ofRelated(rule)
    return false
  }

  /** Connections of which later packets are dropped never come about. */
  #ofEstablished(frame: Frame, rule: ChainRule, region: Box): void {
    for (const inside of insides(region, rule)) this.#cut(rule, inside, frame.depth)
  }

  #cut({ verdict, place, ...rule }: ChainRule, region: Box, depth: number): void {
    if (this.#settled.some(box => coversBox(box, region))) return
    if (verdict.kind === 'accept' && rule.match.unsaid.length === 0) this.#settled.push(region)
    if (verdict.kind === 'drop' || verdict.kind === 'reject') {
      this.#lose(place, 'closed', `packets of running connections are kept out: ${rule.text}`)
      for (const box of [region, mirrored(region)])
        this.outcomes.unshift({ box, verb: verdict.kind, rule: { place, ...rule } })
    }
    if (verdict.kind !== 'jump' && verdict.kind !== 'goto') return
    if (depth >= deepest)
      throw new TooMuch(`chains that call one another in a circle: ${verdict.chain}`)
    for (const inner of this.#chains.get(verdict.chain) ?? []) {
      const { states } = inner.match
      if (states && !states.has('established')) continue
      let isWhole = false
      for (const box of inner.match.boxes) {
        const inside = intersect(region, box)
        if (inside === undefined) continue
        this.#cut(inner, inside, depth + 1)
        isWhole ||= coversBox(inside, region) && inner.match.unsaid.length === 0
      }
      if (isWhole && ['accept', 'return', 'goto', 'drop', 'reject'].includes(inner.verdict.kind))
        return
    }
  }

  #ofRelated({ verdict, place, text }: ChainRule): void {
    if (verdict.kind !== 'accept' && verdict.kind !== 'log' && verdict.kind !== 'continue')
      this.#lose(place, 'left out', `ICMP errors about allowed connections pass here: ${text}`)
  }

  /** @returns what the rules behind it see; undefined when that is nothing */
  #rule(frame: Frame, rule: ChainRule, at: number, region: Box, inside: Box): Left {
    const { verdict, match } = rule
    const isUnsaid = match.unsaid.length > 0
    const isMaybe = frame.isMaybe || isUnsaid
    switch (verdict.kind) {
      case 'continue':
        return region
      case 'log':
        if (!isMaybe) this.#emit(inside, 'log', rule, verdict.text)
        return region
      case 'accept':
        if (isMaybe) {
          this.#lose(rule.place, 'left out', unsaidText(rule))
          return region
        }
        this.#emit(inside, 'accept', rule)
        return behind(region, inside)
      case 'untrack':
        if (!this.#isStateAsked) return region
        this.#lose(
          rule.place,
          'closed',
          `packets without a state, where rules ask for it: ${rule.text}`,
        )
        this.#emit(inside, 'drop', rule)
        return behind(region, inside)
      case 'other':
        this.#lose(
          rule.place,
          'closed',
          isMaybe ? unsaidText(rule) : `${verdict.what} decides: ${rule.text}`,
        )
        this.#emit(inside, 'drop', rule)
        return behind(region, inside)
      case 'drop':
      case 'reject':
        if (isMaybe) this.#lose(rule.place, 'closed', unsaidText(rule))
        this.#emit(inside, verdict.kind, rule, undefined, answerOf(rule))
        return behind(region, inside)
      case 'return':
        if (frame.isMaybe) return region
        return isUnsaid
          ? this.#doubt(frame, rule, at, region, inside)
          : this.#leave(frame, rule, region, inside)
      case 'jump':
        return this.#jump(frame, verdict.chain, rule, at, region, inside, isMaybe)
      case 'goto':
        return this.#goto(frame, verdict.chain, rule, at, region, inside, isMaybe)
    }
  }

  #jump(
    frame: Frame,
    chain: string,
    rule: ChainRule,
    at: number,
    region: Box,
    inside: Box,
    isMaybe: boolean,
  ): Left {
    const rest: Rest = left => {
      const end = this.#walk({ ...frame }, at + 1, left)
      if (end !== undefined) this.#fall(frame, end)
    }
    if (!isMaybe) this.#take(rule)
    const inner = this.#enter(chain, frame.depth, rest, isMaybe, false)
    const end = this.#walk(inner, 0, inside)
    return end === undefined && !inner.hasLeft ? behind(region, inside) : region
  }

  #goto(
    frame: Frame,
    chain: string,
    rule: ChainRule,
    at: number,
    region: Box,
    inside: Box,
    isMaybe: boolean,
  ): Left {
    if (!isMaybe) this.#take(rule)
    const inner = this.#enter(chain, frame.depth, left => this.#fall(frame, left), isMaybe, true)
    const end = this.#walk(inner, 0, inside)
    if (frame.isMaybe) return region
    if (isMaybe) return this.#doubt(frame, rule, at, region, inside)
    if (end === undefined) return behind(region, inside)
    if (coversBox(end, inside)) return this.#leave(frame, rule, region, inside)
    this.#fall(frame, end)
    return behind(region, inside)
  }

  #enter(chain: string, depth: number, rest: Rest, isMaybe: boolean, isExplicit: boolean): Frame {
    if (depth >= deepest) throw new TooMuch(`chains that call one another in a circle: ${chain}`)
    return { chain, depth: depth + 1, rest, isMaybe, isExplicit, hasLeft: false }
  }

  /** Packets leave the chain: the one before goes on with them, or the policy decides. */
  #leave(frame: Frame, rule: ChainRule, region: Box, inside: Box): Left {
    this.#take(rule)
    if (coversBox(inside, region)) {
      if (!frame.isExplicit) return fallen
      this.#fall(frame, region)
      return undefined
    }
    const left = without(region, inside)
    if (frame.isExplicit || left === undefined) this.#fall(frame, inside)
    else frame.hasLeft = true
    return left ?? region
  }

  /** Packets leave the chain, or not: none of them may be accepted by what stands below. */
  #doubt(frame: Frame, rule: ChainRule, at: number, region: Box, inside: Box): Left {
    if (!this.#accepts(frame.chain, at + 1)) return region
    this.#lose(rule.place, 'closed', unsaidText(rule))
    this.#emit(inside, 'drop', rule)
    return behind(region, inside)
  }

  /** The end of a chain: the base chain's policy decides, or the chain before goes on. */
  #fall(frame: Frame, region: Box): void {
    if (frame.rest === undefined) this.#policy(region)
    else frame.rest(region)
  }

  #policy(region: Box): void {
    const { policy, chain, place } = this.#base
    const rule = { place, text: `policy of ${chain}`, name: `policy-${chain.split('/').at(-1)}` }
    this.#emit(region, policy, rule)
  }

  /** Whether a rule of the chain from here on may accept. */
  #accepts(chain: string, from: number, depth = 0): boolean {
    const key = `${chain} ${from}`
    const known = this.#accepting.get(key)
    if (known !== undefined || depth > deepest) return known ?? true
    const found = (this.#chains.get(chain) ?? []).slice(from).some(({ verdict, match }) => {
      const opening = this.#base.isBeforeTracking ? 'invalid' : 'new'
      if (match.states && !match.states.has(opening)) return false
      if (verdict.kind === 'accept') return true
      if (verdict.kind !== 'jump' && verdict.kind !== 'goto') return false
      return this.#accepts(verdict.chain, 0, depth + 1)
    })
    this.#accepting.set(key, found)
    return found
  }

  #take(rule: Pick<ChainRule, 'place'>): void {
    this.taken.add(placeKey(rule.place))
  }

  #emit(
    box: Box,
    verb: Outcome['verb'],
    rule: Pick<ChainRule, 'place' | 'name' | 'text'>,
    log?: string,
    answer?: RejectCode,
  ): void {
    if (this.outcomes.length >= mostOutcomes)
      throw new TooMuch(`it would be more than ${mostOutcomes} rules`)
    this.#take(rule)
    this.outcomes.push({ box: trimmed(box), verb, rule, log, ...(answer && { answer }) })
  }

  #lose(place: Place, kind: Loss['kind'], message: string): void {
    const key = `${placeKey(place)} ${kind}`
    if (this.#lost.has(key)) return
    this.#lost.add(key)
    this.losses.push({ place, kind, message })
  }
}

const answerOf = ({ verdict }: ChainRule): RejectCode | undefined =>
  verdict.kind === 'reject' ? verdict.answer : undefined

const behind = (region: Box, inside: Box): Box | undefined =>
  coversBox(inside, region) ? undefined : region

const insides = (region: Box, { match }: ChainRule): Box[] =>
  match.boxes.flatMap(box => intersect(region, box) ?? [])

const unsaidText = ({ match, text }: ChainRule): string =>
  match.unsaid.length === 0
    ? `it is reached by a condition that cannot be said here: ${text}`
    : `${match.unsaid.join(', ')} cannot be said here: ${text}`

/** A match of everything. */
export const always: Match = { boxes: [everything], unsaid: [] }
