/**
 * Base chains as the tiers of a rule file: each of them must accept, so `accept` goes on to the next tier and is `allow` in the
 * last one. Chains that never see the same packet share a tier.
 */
import { type TierName, tiers } from '../text/rule.js'
import { type Box, bothRanges, coversBox, familyBox, intersect } from './box.js'
import { endText, servicesText } from './box-text.js'
import {
  type BaseChain,
  type ChainRule,
  type Flattened,
  flatten,
  type Outcome,
  placeKey,
  TooMuch,
} from './chains.js'
import { inSections, type Written } from './in-sections.js'
import { type RuleWriter, UniqueNames } from './rule-writer.js'

export interface Ruleset {
  /** In the order in which a packet meets them. */
  readonly bases: readonly BaseChain[]
  readonly chains: ReadonlyMap<string, readonly ChainRule[]>
  /** What becomes of packets of a version that no base chain sees. */
  readonly unseen: 'accept' | 'drop'
  /** A host's own rules say nothing of what others do. */
  readonly isOfHost: boolean
  /** What is let in brings its answers back, without a rule that says so. */
  readonly keepsState?: true
}

const versions = [4, 6] as const
type Version = (typeof versions)[number]

/** More `audit` rules than this are no policy: see the README of the firewall. */
const mostAudits = 40
/** Lists that are longer get a name. */
const longestList = 12

interface Placed {
  readonly base: BaseChain
  readonly flat: Flattened
  readonly tier: number
}

/** Writes the rules. @throws {TooMuch} when they cannot be written out */
export const writeChains = (writer: RuleWriter, ruleset: Ruleset): void => {
  const placed = place(ruleset)
  for (const { flat } of placed) {
    for (const { place, kind, message } of flat.losses) writer.loss(place, kind, message)
    for (const key of flat.taken) writer.take(key)
  }
  for (const { place, remarks = [], text } of [...ruleset.chains.values()].flat())
    for (const remark of remarks) {
      writer.take(placeKey(place))
      writer.info(place, `${remark}: ${text}`)
    }
  if (ruleset.keepsState === undefined && isStateless(ruleset, placed))
    writer.info(
      { line: 0 },
      'no rule of it is about running connections: here the answers to what may be opened pass as well',
    )
  const names = tierNames(placed.reduce((most, { tier }) => Math.max(most, tier + 1), 1))
  const lists = names.map((_, tier) =>
    placed.filter(each => each.tier === tier).flatMap(({ flat }) => flat.outcomes),
  )
  const ends = ruleset.isOfHost ? undefined : endsOf(ruleset, placed, names.length - 1)
  const lines = new Lines(writer, goingOn(placed))
  const verb =
    ends && (versions.every(version => ends[version].verdict === 'accept') ? 'allow' : 'drop')
  const bodies = names.map((tier, at) => {
    const isLast = at === names.length - 1
    const trailing = isLast && ends && verb ? closing(ends, verb) : []
    const all = [...lists[at]!, ...trailing]
    // Where nothing speaks the next tier is asked, or the default.
    const body = verb ? withoutEnd(all, isLast ? verb : 'allow') : all
    const rules = inSections(lines.of(body, isLast || ruleset.isOfHost ? 'allow' : 'pass'))
    return names.length === 1 ? rules : [`tier ${tier}`, ...rules]
  })
  if (verb) writer.line(`default ${verb}`)
  if (lines.definitions.length > 0) writer.line('')
  for (const definition of lines.definitions) writer.line(definition)
  for (const body of bodies) {
    writer.line('')
    for (const line of body) writer.line(line)
  }
}

/** It closes something, and no rule lets answers back in. */
const isStateless = ({ chains }: Ruleset, placed: readonly Placed[]): boolean =>
  ![...chains.values()].flat().some(({ match: { states } }) => states?.has('established')) &&
  placed.some(({ base, flat }) => {
    const last = flat.outcomes.at(-1)
    return last !== undefined && last.verb !== 'accept' && coversBox(last.box, base.region)
  })

const tierNames = (count: number): readonly TierName[] =>
  count === 1 ? ['main'] : tiers.slice(0, count)

const place = ({ bases, chains }: Ruleset): Placed[] => {
  const placed: Placed[] = []
  for (const base of bases) {
    const flat = flatten(base, chains)
    const keepsNothingOut = flat.outcomes.every(({ verb }) => verb === 'accept')
    // A chain that accepts everything changes nothing, unless it is all there is.
    if (keepsNothingOut && bases.length > 1) {
      placed.push({ base, flat: { ...flat, outcomes: [] }, tier: -1 })
      continue
    }
    const before = placed.filter(other => intersect(base.region, other.base.region) !== undefined)
    const tier = Math.max(-1, ...before.map(each => each.tier)) + 1
    if (tier >= tiers.length)
      throw new TooMuch(
        `more than ${tiers.length} base chains keep packets out, one behind the other`,
      )
    placed.push({ base, flat, tier })
  }
  return placed.map(each => (each.tier < 0 ? { ...each, tier: 0 } : each))
}

/** What a later base chain decides as well. */
const goingOn = (placed: readonly Placed[]): ReadonlySet<Outcome> =>
  new Set(
    placed.flatMap(({ base, flat, tier }) =>
      placed.some(
        other => other.tier > tier && intersect(base.region, other.base.region) !== undefined,
      )
        ? flat.outcomes
        : [],
    ),
  )

interface End {
  readonly verdict: 'accept' | 'drop'
  /** The rules of the last tier say so themselves. */
  readonly isSaid: boolean
}
type Ends = Readonly<Record<Version, End>>

/** What becomes of packets that all tiers let through. */
const endsOf = ({ bases, unseen }: Ruleset, placed: readonly Placed[], last: number): Ends => {
  const endOf = (version: Version): End => {
    // A chain that sees some packets of the version says nothing of the others.
    const own = bases.filter(base => coversBox(base.region, familyBox(version)))
    if (own.length === 0) return { verdict: unseen, isSaid: false }
    const inLast = placed.find(
      ({ base, tier, flat }) => tier === last && flat.outcomes.length > 0 && own.includes(base),
    )
    return { verdict: inLast?.base.policy ?? 'accept', isSaid: inLast !== undefined }
  }
  return { 4: endOf(4), 6: endOf(6) }
}

/** Rules for a version that the default does not speak for. */
const closing = (ends: Ends, verb: 'allow' | 'drop'): Outcome[] =>
  verb === 'allow'
    ? []
    : versions
        .filter(version => ends[version].verdict === 'accept' && !ends[version].isSaid)
        .map(version => ({
          box: familyBox(version),
          verb: 'accept' as const,
          rule: { place: { line: 0 }, name: `rest-of-ipv${version}`, text: '' },
        }))

/** Without what the default says anyway, and what can never be met. */
const withoutEnd = (outcomes: readonly Outcome[], verb: 'allow' | 'drop'): Outcome[] => {
  const list = [...outcomes]
  const same = verb === 'allow' ? 'accept' : 'drop'
  while (list.at(-1)?.verb === same && list.at(-1)?.log === undefined) {
    const last = list.at(-1)!
    if (verb === 'drop' && isAboutPassing(last)) break
    list.pop()
  }
  return list
}

class Lines {
  /** Zones and services that are too long to stand in a rule. */
  readonly definitions: string[] = []
  readonly #nameOf = new Map<string, string>()
  readonly #writer: RuleWriter
  readonly #names = new UniqueNames()
  readonly #goingOn: ReadonlySet<Outcome>
  #audits = 0

  constructor(writer: RuleWriter, goingOn: ReadonlySet<Outcome>) {
    this.#writer = writer
    this.#goingOn = goingOn
  }

  of(outcomes: readonly Outcome[], accept: 'allow' | 'pass'): Written[] {
    const lines: Written[] = []
    // What is decided whole already: cheap to ask, and chains that are left early repeat it.
    const decided: Box[] = []
    let pending: Outcome | undefined
    const flush = () => {
      if (pending) lines.push(...this.#audit(pending))
      pending = undefined
    }
    for (const outcome of outcomes) {
      if (decided.some(box => coversBox(box, outcome.box))) continue
      if (outcome.verb === 'log') {
        flush()
        pending = outcome
        continue
      }
      const isSame =
        pending !== undefined &&
        coversBox(pending.box, outcome.box) &&
        coversBox(outcome.box, pending.box)
      const log = isSame ? (pending?.log ?? '') : undefined
      if (isSame) pending = undefined
      flush()
      lines.push(...this.#rule(outcome, accept, log))
      if (decided.length < 64) decided.push(outcome.box)
    }
    flush()
    return lines
  }

  #audit(outcome: Outcome): Written[] {
    if (++this.#audits > mostAudits) {
      if (this.#audits === mostAudits + 1)
        this.#writer.loss(
          outcome.rule.place,
          'left out',
          `more than ${mostAudits} rules that only log: the others are left out`,
        )
      return []
    }
    return this.#write(outcome, 'audit allow', true, outcome.log ?? '')
  }

  #rule(outcome: Outcome, accept: 'allow' | 'pass', log: string | undefined): Written[] {
    const isOpening = outcome.verb === 'accept'
    const verb = !isOpening ? outcome.verb : this.#goingOn.has(outcome) ? 'pass' : accept
    return this.#write(outcome, verb, isOpening, verb === 'pass' ? undefined : log)
  }

  #write(
    { box, rule, answer }: Outcome,
    verb: string,
    isOpening: boolean,
    log: string | undefined,
  ): Written[] {
    const { text, changed } = servicesText(box, isOpening, words => this.#named('service', words))
    for (const what of changed)
      this.#writer.loss(
        rule.place,
        isOpening ? 'left out' : 'closed',
        `${what} cannot be said here: ${rule.text}`,
      )
    if (text === undefined) {
      if (changed.length === 0 && !isOpening && isDiscovery(box))
        this.#writer.loss(
          rule.place,
          'left out',
          `neighbour discovery and listener reports pass here, whatever rules say: ${rule.text}`,
        )
      else if (changed.length === 0)
        this.#writer.info(
          rule.place,
          `it holds anyway: errors and answers of ICMP pass with the connection that they are about, and alone never: ${rule.text}`,
        )
      return []
    }
    const ends = this.#ends(box, isOpening, rule)
    if (ends === undefined) return []
    const name = this.#names.of(rule.name ?? `line-${placeKey(rule.place).trim()}`)
    const logged = log === undefined ? '' : log === '' ? ' log' : ` log "${quoted(log)}"`
    const told = verb === 'reject' && answer !== undefined ? ` with ${answer}` : ''
    return [{ head: `${name}: ${verb} ${text}`, ...ends, tail: `${told}${logged}` }]
  }

  #ends(box: Box, isOpening: boolean, rule: Outcome['rule']) {
    const nameOf = (members: readonly string[]) => this.#named('zone', members)
    const from = endText(box.from, nameOf)
    const to = endText(box.to, nameOf)
    if (from !== undefined && to !== undefined) return { from, to }
    this.#writer.loss(
      rule.place,
      isOpening ? 'left out' : 'closed',
      `two interfaces at once cannot be said here: ${rule.text}`,
    )
    if (isOpening) return undefined
    const wide = (end: Box['from']) => ({ ...end, zones: end.zones.filter(({ isNot }) => isNot) })
    return { from: endText(wide(box.from), nameOf)!, to: endText(wide(box.to), nameOf)! }
  }

  /** A list as it stands, or the name of one that is long. */
  #named(kind: 'zone' | 'service', members: readonly string[]): string {
    const text = members.join(', ')
    if (members.length <= longestList) return text
    const known = this.#nameOf.get(text)
    if (known !== undefined) return known
    const name = `${kind === 'zone' ? 'addresses' : 'services'}-${this.definitions.length + 1}`
    this.#nameOf.set(text, name)
    this.definitions.push(`${kind} ${name} = ${members.join(',\n  ')}`)
    return name
  }
}

/** Types of RFC 4861 and RFC 2710, 3810, of type * 256 + code. */
const discovery = [
  { first: 130 * 256, last: 138 * 256 - 1 },
  { first: 143 * 256, last: 144 * 256 - 1 },
]

/** DHCP and neighbour discovery pass whatever the default is; the policy of a chain is one. */
const isAboutPassing = ({ box, rule }: Outcome): boolean =>
  !rule.text.startsWith('policy of ') && (isDiscovery(box) || isDhcp(box)) && isNarrow(box)

const isDhcp = ({ protocols, sourcePorts, destinationPorts }: Box): boolean =>
  bothRanges(protocols, [{ first: 17, last: 17 }]).length > 0 &&
  [sourcePorts, destinationPorts].every(
    ports =>
      bothRanges(
        ports,
        [67, 68, 546, 547].map(port => ({ first: port, last: port })),
      ).length > 0,
  )

/** It names them; a rule for everything is another way to write a default. */
const isNarrow = ({ protocols }: Box): boolean =>
  protocols.length === 1 && protocols[0]!.first === protocols[0]!.last

const isDiscovery = ({ protocols, destinationPorts }: Box): boolean =>
  bothRanges(protocols, [{ first: 58, last: 58 }]).length > 0 &&
  bothRanges(destinationPorts, discovery).length > 0

const quoted = (text: string): string => text.replace(/\s+/g, ' ').trim().replaceAll('"', "'")
