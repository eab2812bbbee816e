/**
 * Policies and what is known of the network to rules without names.
 *
 * Several policies count in the order of their number, then of their name, tier by tier. The default
 * is that of the last policy that declares one; policies without any default drop. Without any
 * policy everything is allowed.
 */
import { hash32 } from '../../../pipeline/program.js'
import { flowCount } from '../flows/rule-flows.js'
import { Guards } from '../flows/stateless-guards.js'
import { NatResolver, natDigest } from '../nat/resolve-nat.js'
import { complaintAt, inOrder, Mistakes, noMoreTime } from '../text/complaint.js'
import { formatRuleBody } from '../text/format.js'
import { Budget, Effort, type Limits, limits, maxGuardSteps, noLimits } from '../text/limits.js'
import type { PolicyInput } from '../text/load.js'
import { type Default, isAny, type Line, type Rule, type RuleError, tiers } from '../text/rule.js'
import { isOn, nextChange, scheduleKey } from '../text/times.js'
import { tooManyFlows, tooManyRules, tooManySchedules, tooManySteps } from '../text/too-much.js'
import { tooManyAudits } from './audit-limits.js'
import { type Dependency, Environment, type Facts } from './environment.js'
import { Ids, mix, mixTwo, PolicyMemo, type RuleMemo } from './resolve-memo.js'
import {
  helpedPorts,
  isStateless,
  type PlacedRule,
  type Resolved,
  type ResolvedRule,
} from './resolved.js'
import { hashOf, withDigest } from './rule-digest.js'
import { resolveTimeouts } from './timeouts.js'
import { unseenBy } from './unjudged-packets.js'
import { builtIn, undeclared, wantedId } from './unwritten-rules.js'

/** Resolves the same rules to the same objects as long as what they were made from stays the same. */
export class Resolver {
  #memos = new Map<string, PolicyMemo>()
  readonly #guards = new Guards()
  /** Rules that no file holds. */
  #fixed = new Map<string, ResolvedRule>()

  /** @param most what the policies may ask for; absent: they were checked before */
  resolve(policies: readonly PolicyInput[], facts: Facts, most: Limits = noLimits): Resolved {
    const resolving = this.resolving(policies, facts, most)
    for (;;) {
      const { done, value } = resolving.next()
      if (done) return value
    }
  }

  /** The same in short turns: ask again for the next one. Nothing else may be resolved in between. */
  *resolving(
    policies: readonly PolicyInput[],
    facts: Facts,
    most: Limits,
  ): Generator<void, Resolved> {
    const complaints: RuleError[] = []
    const ids = new Ids(policies.reduce((sum, { loaded }) => sum + loaded.lines.length, 0))
    const memos = new Map<string, PolicyMemo>()
    const ordered = [...policies].sort((a, b) => a.order - b.order || (a.name < b.name ? -1 : 1))
    const budget = new Budget(most)
    const parts: PolicyResolver[] = []
    const nat = new NatResolver()
    let isLate = false
    for (const policy of ordered) {
      const before = this.#memos.get(policy.name)
      const part = new PolicyResolver(policy, facts, ids, before, budget)
      for (const _ of part.run()) {
        isLate = budget.isOver
        if (isLate) break
        yield
      }
      memos.set(policy.name, part.memo)
      if (!isAuditedFile(policy)) nat.add(policy.name, policy.loaded.lines, part.memo.environment)
      complaints.push(...policy.loaded.complaints, ...part.complaints)
      parts.push(part)
      if (!isLate) continue
      complaints.push(noMoreTime(policy.loaded.lines[0], 'what rules from this file on mean was'))
      break
    }
    const isCut = isLate || parts.some(part => part.memo.environment.isCut)
    // What is missing some of its parts is not to be found again.
    if (!isCut) this.#memos = memos
    const fixed = this.#fixed
    this.#fixed = new Map()
    const enforced = ordered.filter(policy => !isAuditedFile(policy))
    const last =
      parts.findLast(part => part.last)?.last ?? this.#keep(undeclared(enforced.at(-1), ids), fixed)
    // One policy's lists are taken as they are.
    const lists = tiers.map((_, tier) =>
      parts.length === 1 ? parts[0]!.rules[tier]! : parts.flatMap(part => part.rules[tier]!),
    )
    const behind = parts.flatMap(part => part.pairDefaults)
    // Before defaults for pairs of zones: whoever has an address already asks from it when its lease is to go on.
    if (ordered.length > 0 && [...behind, last].some(shuts))
      behind.unshift(this.#keep(builtIn(ids), fixed))
    for (const one of behind) lists[3]!.push(one)
    if (parts.some(part => part.hasAudits)) complaints.push(...tooManyAudits(lists, ordered))
    const effort = most === noLimits ? undefined : new Effort(maxGuardSteps)
    const stateless = parts.some(part => part.hasStateless) ? this.#guards.among(lists, effort) : []
    const excess =
      most === noLimits || isCut
        ? []
        : [
            ...(effort?.isSpent ? [tooManySteps(lists)] : []),
            ...tooManyRules(lists, stateless),
            ...tooManySchedules(parts.map(part => part.schedules)),
            ...(parts.reduce((sum, part) => sum + part.flowCount, 0) > most.flows
              ? tooManyFlows([...lists, stateless], most.flows)
              : []),
          ]
    complaints.push(...excess)
    const changes = parts.flatMap(part => part.changes)
    const timed = parts
      .filter((_, at) => !isAuditedFile(ordered[at]!))
      .flatMap(part => part.memo.environment.timedServices())
    const timeouts = resolveTimeouts(timed, timed.length > 0 ? helpedPorts(lists) : [])
    complaints.push(...timeouts.complaints)
    nat.check()
    complaints.push(...nat.complaints)
    const translates = nat.list.length > 0 && { nat: nat.list }
    const hash = hashOf(
      parts.flatMap(part => part.lanes),
      [...behind, last],
    )
    return {
      tiers: lists,
      ...translates,
      timeouts: timeouts.timeouts,
      stateless,
      last,
      complaints: complaints.sort(inOrder),
      ...((isCut || excess.length > 0) && { isCut: true }),
      hash: translates ? `${hash} ${hash32(natDigest(nat.list)).toString(16)}` : hash,
      ...(changes.length > 0 && { nextChangeMillis: changes.reduce((a, b) => Math.min(a, b)) }),
    }
  }

  #keep(placed: PlacedRule, before: ReadonlyMap<string, ResolvedRule>): PlacedRule {
    const key = `${placed.rule.policy}/${placed.rule.name} ${placed.rule.digest}`
    const rule = before.get(key) ?? placed.rule
    this.#fixed.set(key, rule)
    return { ...placed, rule }
  }
}

/** Rules once, without memory, and no more than may be asked for. */
export const resolve = (policies: readonly PolicyInput[], facts: Facts): Resolved =>
  new Resolver().resolve(policies, facts, limits)

type RuleLine = Line<Rule>
type DefaultLine = Line<Default>

class PolicyResolver {
  readonly rules: [PlacedRule[], PlacedRule[], PlacedRule[], PlacedRule[]] = [[], [], [], []]
  readonly pairDefaults: PlacedRule[] = []
  readonly changes: number[] = []
  last: PlacedRule | undefined
  readonly #policy: PolicyInput
  readonly #facts: Facts
  readonly #ids: Ids
  readonly #before: PolicyMemo | undefined
  readonly memo: PolicyMemo
  hasAudits = false
  hasStateless = false
  /** Names that are taken; made only when two rules want one number, as those of one name do. */
  #names: Set<string> | undefined
  /** The number that the last of one name got. */
  readonly #twins = new Map<string, number>()
  /** Flows that its rules take at most. */
  flowCount = 0
  /** Where each different schedule stands first. */
  readonly schedules = new Map<string, Line>()
  /** Two hashes for each tier, over the digests of its rules in their order. */
  readonly lanes = tiers.map(() => [0x811c9dc5, 0x9e3779b9] as [number, number])
  #at = -1
  #auditedDefault: PlacedRule | undefined
  readonly #mistakes = new Mistakes()

  constructor(
    policy: PolicyInput,
    facts: Facts,
    ids: Ids,
    before: PolicyMemo | undefined,
    budget: Budget,
  ) {
    this.#policy = policy
    this.#facts = facts
    this.#ids = ids
    this.#before = before
    const { lines } = policy.loaded
    const environment = new Environment(lines, facts, before?.environment, budget)
    this.memo = new PolicyMemo(environment, lines.length)
    this.hasAudits = policy.loaded.root.fileAudit !== undefined
  }

  get complaints(): readonly RuleError[] {
    return [...this.memo.environment.complaints, ...this.#mistakes.list]
  }

  *run(): Generator<void> {
    const { environment } = this.memo
    let inTurn = environment.parts
    for (const line of this.#policy.loaded.lines) {
      if (environment.isCut) return
      if (this.#keep(line)) continue
      if (++inTurn > partsOfTurn) {
        inTurn = 0
        yield
      }
      if (line.statement.kind === 'rule') this.#rule(line as RuleLine, line.statement)
      else if (line.statement.kind === 'default') this.#default(line as DefaultLine, line.statement)
    }
  }

  /** Most rules stand where they stood, and come out as they came out. */
  #keep(line: Line): boolean {
    const before = this.#before
    const at = this.#at + 1
    if (before === undefined || before.lines[at] !== line || before.plain[at] !== 1) return false
    // Two rules that want one number: who gets it is looked into.
    if (this.#names !== undefined || !this.#ids.add(before.ids[at]!)) return false
    this.#at = at
    this.memo.keep(before, at)
    const tier = before.tiers[at]!
    this.rules[tier]!.push(before.rules[at]!.placed)
    this.memo.environment.take(before.parts[at]!, line)
    this.flowCount += before.flows[at]!
    mixTwo(this.lanes[tier]!, before.digests[2 * at]!, before.digests[2 * at + 1]!)
    return true
  }

  #rule(line: RuleLine, statement: Rule): void {
    const tier = tierNumbers[line.tier]
    const memo = this.#resolve(line, statement, tier)
    if (memo.isSuspect) this.#suspect(line, statement, tier, memo)
    this.flowCount += memo.flows
    const { rule } = memo.placed
    if (rule.isAudit) this.hasAudits = true
    if (isStateless(rule)) this.hasStateless = true
    if (!memo.isPlain && !this.#isInForce(line, statement)) return
    this.rules[tier].push(memo.placed)
    mix(this.lanes[tier]!, memo.digest)
  }

  #suspect(line: RuleLine, statement: Rule, tier: number, memo: RuleMemo): void {
    if (statement.via !== undefined && !this.#facts.hasChain(statement.via.name))
      this.#noChain(line)
    if (tier === 3 && statement.verb === 'pass' && !memo.placed.rule.isAudit)
      this.#complain(
        line,
        'pass',
        '"pass" has no tier to go to',
        'in the last tier say allow, drop or reject',
      )
    this.#checkHalfOpen(line, memo.placed.rule)
    this.#checkSeen(line, memo.placed.rule)
  }

  #default(line: DefaultLine, statement: Default): void {
    const isWhole = isAny(statement.from) && isAny(statement.to)
    const isAudited = line.audit === 'file'
    const declared = isAudited ? this.#auditedDefault : this.last
    if (isWhole && declared !== undefined) {
      const message = 'the default is declared twice'
      const hint = `it is already declared in ${declared.file}:${declared.line}`
      this.#complain(line, 'default', message, hint)
      return
    }
    const { placed, digest, flows } = this.#resolve(line, statement, 3)
    this.flowCount += flows
    if (isWhole && isAudited) this.#auditedDefault = placed
    if (isWhole && !isAudited) this.last = placed
    else {
      this.pairDefaults.push(placed)
      mix(this.lanes[3]!, digest)
    }
  }

  /** The name that nobody else has: a rule's own, or one by its text. */
  #nameOf(line: Line, statement: Rule | Default, wanted: string, names: Set<string>): string {
    let name = wanted
    let number = this.#twins.get(wanted) ?? 1
    for (const { size } = names; names.add(name).size === size; ) name = `${wanted}-${++number}`
    if (name !== wanted) this.#twins.set(wanted, number)
    if (name !== wanted && statement.kind === 'rule' && statement.name !== undefined)
      this.#namedTwice(line, wanted)
    return name
  }

  #namedTwice(line: Line, name: string): void {
    this.#mistakes.add(() => {
      const first = this.memo.rules.find(memo => memo.name === name)!.placed
      const hint = `it is already in ${first.file}:${first.line}; names tell counters apart, so choose another`
      return complaintOn(line, name, `two rules are named "${name}"`, hint)
    })
  }

  #isInForce(line: Line, rule: Rule): boolean {
    if (rule.until === undefined && rule.schedule === undefined) return true
    if (this.#facts.isAlwaysOn) return true
    const now = this.#facts.nowMillis
    if (rule.until !== undefined) {
      if (rule.until <= now) return false
      this.changes.push(rule.until)
    }
    if (rule.schedule === undefined) return true
    const key = scheduleKey(rule.schedule)
    if (!this.schedules.has(key)) this.schedules.set(key, line)
    this.changes.push(nextChange(rule.schedule, now))
    return isOn(rule.schedule, now)
  }

  /** Only TCP tells when a connection is open. */
  #checkHalfOpen(line: RuleLine, { caps, terms }: ResolvedRule): void {
    if (!caps?.some(cap => cap.of === 'half-open')) return
    if (terms.some(term => term.protocol !== 6))
      this.#complain(
        line,
        'half-open',
        'only TCP connections are ever half-open',
        'name TCP services only, or write: max N connections',
      )
  }

  #checkSeen(line: RuleLine, rule: ResolvedRule): void {
    const unseen = unseenBy(rule)
    if (unseen) this.#complain(line, rule.verb, unseen.message, unseen.hint)
  }

  #noChain(line: RuleLine): void {
    const { name, at = 0 } = line.statement.via!
    const message = `no chain is named "${name}"`
    const hint = 'chains of functions cannot be declared yet: leave "via" out'
    this.#mistakes.add(() => complaintAt(line, at, name.length, message, hint))
  }

  #complain(line: Line, word: string, message: string, hint: string): void {
    this.#mistakes.add(() => complaintOn(line, word, message, hint))
  }

  /** What came out the last time, if it would come out the same. */
  #resolve(line: RuleLine | DefaultLine, statement: Rule | Default, tier: number): RuleMemo {
    const before = this.#before
    const at = before === undefined ? -1 : before.find(statement, this.#at + 1)
    if (at >= 0) this.#at = at
    const old = at < 0 ? undefined : before!.rules[at]!
    const { name, wanted, id } = this.#identify(line, statement, old)
    const isSame =
      old !== undefined &&
      old.name === name &&
      old.id === id &&
      old.tier === tier &&
      old.placed.rule.auditIn === auditIn(line, statement) &&
      this.#isStill(old.uses)
    if (isSame) this.memo.environment.take(old.parts, line)
    const memo = isSame ? moved(old, line) : this.#make(line, statement, id, wanted, name, tier)
    this.memo.add(line, memo)
    return memo
  }

  /** As long as no two want one number, each has the name that it wants: equal names want equal numbers. */
  #identify(line: Line, statement: Rule | Default, old: RuleMemo | undefined) {
    const wantedName = old?.isPlain ? old.name : wantedNameOf(line, statement)
    const numberOf = (name: string) =>
      old?.name === name ? old.wantedId : wantedId(this.#policy.name, name)
    if (this.#names === undefined) {
      const wanted = numberOf(wantedName)
      if (this.#ids.add(wanted)) return { name: wantedName, wanted, id: wanted }
      this.#names = new Set(this.memo.rules.map(({ name }) => name))
    }
    const name = this.#nameOf(line, statement, wantedName, this.#names)
    const wanted = numberOf(name)
    return { name, wanted, id: this.#ids.take(wanted) }
  }

  #isStill(uses: readonly Dependency[]): boolean {
    if (uses === noUses) return true
    return uses.every(use => use[2] !== undefined && this.memo.environment.valueOf(use) === use[2])
  }

  #make(
    line: Line,
    statement: Rule | Default,
    id: number,
    wanted: number,
    name: string,
    tier: number,
  ): RuleMemo {
    const uses: Dependency[] = []
    const rule = statement.kind === 'rule' ? statement : undefined
    const before = this.memo.environment.parts
    const within = auditIn(line, statement)
    const parts = {
      id,
      policy: this.#policy.name,
      name,
      tier,
      verb: statement.verb,
      isAudit: rule?.isAudit === true || within !== undefined,
      ...(within && { auditIn: within }),
      isDefault: rule === undefined,
      from: this.memo.environment.select(statement.from, line, uses),
      to: this.memo.environment.select(statement.to, line, uses),
      terms: rule ? this.memo.environment.terms(rule.services, line, uses) : [{}],
      ...(statement.answer && { answer: statement.answer }),
      ...(rule?.dscp && { dscp: rule.dscp }),
      ...(statement.log && { log: statement.log }),
      ...(rule?.limit && { limit: rule.limit }),
      ...(rule?.caps && { caps: rule.caps }),
      ...(rule?.via && { via: rule.via.name }),
    }
    const made = withDigest(parts)
    const isTimed = rule?.until !== undefined || rule?.schedule !== undefined
    const isItself = id === wanted && name === wantedNameOf(line, statement)
    return {
      placed: { rule: made, file: line.file, line: line.line },
      id,
      wantedId: wanted,
      name,
      tier,
      digest: made.digest,
      uses: uses.length === 0 ? noUses : uses,
      parts: this.memo.environment.parts - before,
      flows: flowCount(made, mostCounted),
      isPlain: rule !== undefined && uses.length === 0 && !isTimed && isItself,
      isSuspect: isSuspect(made, tier),
    }
  }
}

/** New rules, and parts of their zones, that are looked at in one turn. */
const partsOfTurn = 2_000
/** Flows of one rule: more than all may have. */
const mostCounted = 2 * limits.flows

/** Points at the first place where the word stands by itself. */
const complaintOn = (line: Line, word: string, message: string, hint: string): RuleError => {
  let at = 0
  for (const found of line.text.matchAll(/[^\s:]+/g))
    if (found[0] === word) {
      at = found.index
      break
    }
  return complaintAt(line, at, word.length, message, hint)
}

/** A default belongs to its file, not to a tier. */
const auditIn = (line: Line, statement: Rule | Default): Line['audit'] => {
  if (statement.kind === 'default') return line.audit === 'tier' ? undefined : line.audit
  // One that is audited by itself logs and goes on, wherever it stands.
  return statement.isAudit ? undefined : line.audit
}

const isAuditedFile = ({ loaded }: PolicyInput): boolean => loaded.root.fileAudit !== undefined

/** Whether resolving must look, each time, at what may be wrong with it, or whole lists must be looked at for it. */
const isSuspect = (rule: ResolvedRule, tier: number): boolean =>
  rule.via !== undefined ||
  (rule.verb === 'pass' && tier === 3) ||
  rule.caps !== undefined ||
  rule.isAudit ||
  isStateless(rule) ||
  unseenBy(rule) !== undefined

const shuts = ({ rule }: PlacedRule): boolean => rule.verb !== 'allow' && !rule.isAudit

const noUses: readonly Dependency[] = []

/** Word for word: of ten thousand rules below a new line this is asked of each. */
const moved = (memo: RuleMemo, { file, line }: Line): RuleMemo =>
  memo.placed.line === line && memo.placed.file === file
    ? memo
    : {
        placed: { rule: memo.placed.rule, file, line },
        id: memo.id,
        wantedId: memo.wantedId,
        name: memo.name,
        tier: memo.tier,
        digest: memo.digest,
        uses: memo.uses,
        parts: memo.parts,
        flows: memo.flows,
        isPlain: memo.isPlain,
        isSuspect: memo.isSuspect,
      }

const wantedNameOf = (line: Line, statement: Rule | Default): string => {
  if (statement.kind === 'rule') return statement.name ?? nameByText(statement)
  const isWhole = isAny(statement.from) && isAny(statement.to)
  return isWhole ? 'default' : `default-${shortHash(line.text.trim())}`
}

// biome-ignore format: a table
const tierNumbers = { admin: 0, main: 1, application: 2, baseline: 3 } as const

const namesByText = new WeakMap<Rule, string>()

const nameByText = (rule: Rule): string => {
  let name = namesByText.get(rule)
  if (name === undefined) {
    name = `rule-${shortHash(formatRuleBody(rule))}`
    namesByText.set(rule, name)
  }
  return name
}

const shortHash = (text: string): string => hash32(text).toString(16).padStart(8, '0')
