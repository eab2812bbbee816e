/**
 * Policies and what is known of the network to rules without names.
 *
 * Several policies count in the order of their number, then of their name, tier by tier. The default
 * is that of the last policy that declares one; policies without any default drop. Without any
 * policy everything is allowed.
 */
import { hash32 } from '../../pipeline/program.js'
import { everyAddress } from './address-set.js'
import { tooManyAudits } from './audits.js'
import { complaintAt, inOrder } from './complaint.js'
import { contentOf, type Dependency, Environment, type Facts } from './environment.js'
import { formatRuleBody } from './format.js'
import { Guards } from './guards.js'
import type { LoadedPolicy } from './load.js'
import type { PlacedRule, Resolved, ResolvedRule } from './resolved.js'
import { type Default, isAny, type Line, type Rule, type RuleError, tiers } from './rule.js'
import { isOn, nextChange } from './times.js'
import { unseenBy } from './unseen.js'

export interface PolicyInput {
  readonly name: string
  /** Lower numbers come first. */
  readonly order: number
  readonly loaded: LoadedPolicy
}

/** Resolves the same rules to the same objects as long as what they were made from stays the same. */
export class Resolver {
  #memos = new Map<string, PolicyMemo>()
  readonly #guards = new Guards()
  /** Rules that no file holds. */
  readonly #fixed = new Map<string, ResolvedRule>()

  resolve(policies: readonly PolicyInput[], facts: Facts): Resolved {
    const complaints: RuleError[] = []
    const ids = new Ids()
    const memos = new Map<string, PolicyMemo>()
    const ordered = [...policies].sort((a, b) => a.order - b.order || (a.name < b.name ? -1 : 1))
    const parts = ordered.map(policy => {
      const before = this.#memos.get(policy.name)
      const part = new PolicyResolver(policy, facts, ids, before)
      part.run()
      memos.set(policy.name, part.memo)
      complaints.push(...policy.loaded.complaints, ...part.complaints)
      return part
    })
    this.#memos = memos
    const enforced = ordered.filter(policy => !isAuditedFile(policy))
    const last =
      parts.findLast(part => part.last)?.last ?? this.#keep(undeclared(enforced.at(-1), ids))
    // One policy's lists are taken as they are.
    const lists = tiers.map((_, tier) =>
      parts.length === 1 ? parts[0]!.rules[tier]! : parts.flatMap(part => part.rules[tier]!),
    )
    const behind = parts.flatMap(part => part.pairDefaults)
    // Before defaults for pairs of zones: whoever has an address already asks from it when its lease is to go on.
    if (ordered.length > 0 && [...behind, last].some(shuts))
      behind.unshift(this.#keep(builtIn(ids)))
    lists[3]!.push(...behind)
    complaints.push(...tooManyAudits(lists, ordered))
    const changes = parts.flatMap(part => part.changes)
    return {
      tiers: lists,
      stateless: this.#guards.among(lists),
      last,
      complaints: complaints.sort(inOrder),
      hash: hashOf(
        parts.flatMap(part => part.lanes),
        [...behind, last],
      ),
      ...(changes.length > 0 && { nextChangeMillis: Math.min(...changes) }),
    }
  }

  #keep(placed: PlacedRule): PlacedRule {
    const key = `${placed.rule.policy}/${placed.rule.name} ${placed.rule.digest}`
    const rule = this.#fixed.get(key) ?? placed.rule
    this.#fixed.set(key, rule)
    return { ...placed, rule }
  }
}

/** Rules once, without memory. */
export const resolve = (policies: readonly PolicyInput[], facts: Facts): Resolved =>
  new Resolver().resolve(policies, facts)

/**
 * Numbers for rules: the hash of `policy/rule`, and on from there where it is taken. The number with
 * its highest bit turned is kept free as well: it names the rule's IPv6 conjunction.
 */
class Ids {
  /** Without the highest bit. */
  readonly #taken = new Set<number>([0])

  /** @param wanted as made by `wantedId` */
  take(wanted: number): number {
    for (let id = wanted; ; id = (id + 1) >>> 0) {
      const { size } = this.#taken
      if (this.#taken.add(id & 0x7fffffff).size > size) return id
    }
  }
}

const wantedId = (policy: string, rule: string): number => hash32(`${policy}/${rule}`)

/** How a rule was resolved, and from what. */
interface RuleMemo {
  readonly placed: PlacedRule
  readonly id: number
  readonly wantedId: number
  readonly name: string
  readonly tier: number
  readonly digest: ResolvedRule['digest']
  readonly uses: readonly Dependency[]
}

/** What was resolved the last time, in the order of the file. */
class PolicyMemo {
  readonly environment: Environment
  readonly statements: (Rule | Default)[] = []
  readonly rules: RuleMemo[] = []
  #searches = 0
  #places: Map<Rule | Default, number> | undefined

  constructor(environment: Environment) {
    this.environment = environment
  }

  add(statement: Rule | Default, rule: RuleMemo): void {
    this.statements.push(statement)
    this.rules.push(rule)
  }

  /** Where the statement stood, first looked for about `at`; -1 when it is new. */
  find(statement: Rule | Default, at: number): number {
    for (const place of [at, at + 1, at - 1]) if (this.statements[place] === statement) return place
    if (this.#searches++ < 16) return this.statements.indexOf(statement)
    this.#places ??= new Map(this.statements.map((each, place) => [each, place]))
    return this.#places.get(statement) ?? -1
  }
}

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
  readonly #names = new Set<string>()
  /** Two hashes for each tier, over the digests of its rules in their order. */
  readonly lanes = tiers.map(() => [0x811c9dc5, 0x9e3779b9] as [number, number])
  #at = -1
  #auditedDefault: PlacedRule | undefined
  readonly #complaints: RuleError[] = []

  constructor(policy: PolicyInput, facts: Facts, ids: Ids, before: PolicyMemo | undefined) {
    this.#policy = policy
    this.#facts = facts
    this.#ids = ids
    this.#before = before
    this.memo = new PolicyMemo(new Environment(policy.loaded.lines, facts, before?.environment))
  }

  get complaints(): readonly RuleError[] {
    return [...this.memo.environment.complaints, ...this.#complaints]
  }

  run(): void {
    for (const line of this.#policy.loaded.lines) {
      if (line.statement.kind === 'rule') this.#rule(line as RuleLine, line.statement)
      else if (line.statement.kind === 'default') this.#default(line as DefaultLine, line.statement)
    }
  }

  #rule(line: RuleLine, statement: Rule): void {
    const tier = tierNumbers[line.tier]
    const memo = this.#resolve(line, statement, tier)
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
    if (!this.#isInForce(statement)) return
    this.rules[tier].push(memo.placed)
    mix(this.lanes[tier]!, memo.digest)
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
    const { placed, digest } = this.#resolve(line, statement, 3)
    if (isWhole && isAudited) this.#auditedDefault = placed
    if (isWhole && !isAudited) this.last = placed
    else {
      this.pairDefaults.push(placed)
      mix(this.lanes[3]!, digest)
    }
  }

  /** The name that nobody else has: a rule's own, or one by its text. */
  #nameOf(line: Line, statement: Rule | Default): string {
    const wanted = wantedName(line, statement)
    let name = wanted
    for (let number = 2, { size } = this.#names; this.#names.add(name).size === size; number++)
      name = `${wanted}-${number}`
    if (name !== wanted && statement.kind === 'rule' && statement.name !== undefined)
      this.#namedTwice(line, wanted)
    return name
  }

  #namedTwice(line: Line, name: string): void {
    const first = this.memo.rules.find(memo => memo.name === name)!.placed
    const hint = `it is already in ${first.file}:${first.line}; names tell counters apart, so choose another`
    this.#complain(line, name, `two rules are named "${name}"`, hint)
  }

  #isInForce(rule: Rule): boolean {
    if (rule.until === undefined && rule.schedule === undefined) return true
    const now = this.#facts.nowMillis
    if (rule.until !== undefined) {
      if (rule.until <= now) return false
      this.changes.push(rule.until)
    }
    if (rule.schedule === undefined) return true
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
    const hint = 'apply the chain first; "sluice get chains" lists those that exist'
    this.#complaints.push(complaintAt(line, at, name.length, message, hint))
  }

  /** Points at the first place where the word stands by itself. */
  #complain(line: Line, word: string, message: string, hint: string): void {
    const words = line.text.matchAll(/[^\s:]+/g)
    const at = [...words].find(found => found[0] === word)?.index ?? 0
    this.#complaints.push(complaintAt(line, at, word.length, message, hint))
  }

  /** What came out the last time, if it would come out the same. */
  #resolve(line: Line, statement: Rule | Default, tier: number): RuleMemo {
    const before = this.#before
    const at = before === undefined ? -1 : before.find(statement, this.#at + 1)
    if (at >= 0) this.#at = at
    const old = at < 0 ? undefined : before!.rules[at]!
    const name = this.#nameOf(line, statement)
    const hasName = old !== undefined && old.name === name
    const wanted = hasName ? old.wantedId : wantedId(this.#policy.name, name)
    const id = this.#ids.take(wanted)
    const isSame =
      hasName &&
      old.id === id &&
      old.tier === tier &&
      old.placed.rule.auditIn === auditIn(line, statement) &&
      this.#isStill(old.uses)
    const memo = isSame ? moved(old, line) : this.#make(line, statement, id, wanted, name, tier)
    this.memo.add(statement, memo)
    return memo
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
      ...(statement.log && { log: statement.log }),
      ...(rule?.limit && { limit: rule.limit }),
      ...(rule?.caps && { caps: rule.caps }),
      ...(rule?.via && { via: rule.via.name }),
    }
    const made = withDigest(parts)
    return {
      placed: { rule: made, file: line.file, line: line.line },
      id,
      wantedId: wanted,
      name,
      tier,
      digest: made.digest,
      uses: uses.length === 0 ? noUses : uses,
    }
  }
}

/** A default belongs to its file, not to a tier. */
const auditIn = (line: Line, statement: Rule | Default): Line['audit'] => {
  if (statement.kind === 'default') return line.audit === 'tier' ? undefined : line.audit
  // One that is audited by itself logs and goes on, wherever it stands.
  return statement.isAudit ? undefined : line.audit
}

const isAuditedFile = ({ loaded }: PolicyInput): boolean =>
  loaded.root.lines.some(({ statement }) => statement.kind === 'file-audit')

const shuts = ({ rule }: PlacedRule): boolean => rule.verb !== 'allow' && !rule.isAudit

const noUses: readonly Dependency[] = []

const moved = (memo: RuleMemo, { file, line }: Line): RuleMemo =>
  memo.placed.line === line && memo.placed.file === file
    ? memo
    : { ...memo, placed: { rule: memo.placed.rule, file, line } }

const wantedName = (line: Line, statement: Rule | Default): string => {
  if (statement.kind === 'rule') return statement.name ?? nameByText(statement)
  const isWhole = isAny(statement.from) && isAny(statement.to)
  return isWhole ? 'default' : `default-${shortHash(line.text.trim())}`
}

// biome-ignore format: a table
const tierNumbers = { admin: 0, main: 1, application: 2, baseline: 3 } as const

const withDigest = (rule: Omit<ResolvedRule, 'digest'>): ResolvedRule => {
  const verb = `${rule.isAudit ? 'audit ' : ''}${rule.auditIn ?? ''}${rule.verb} via ${rule.via ?? ''}`
  const content = `${rule.id} ${rule.tier} ${verb} ${contentOf(rule.terms)} ${contentOf(rule.from)} ${contentOf(rule.to)}${admissionOf(rule)}`
  return { ...rule, digest: [hash32(content), hash32(`${content} again`)] }
}

const admissionOf = ({ limit, caps }: Omit<ResolvedRule, 'digest'>): string =>
  limit || caps ? ` ${JSON.stringify([limit, caps])}` : ''

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

type Lane = [number, number]

/** FNV-1a over words in the one half, a rotating sum in the other. */
const mix = (lane: Lane, digest: readonly [number, number]): void => {
  lane[0] = Math.imul(lane[0] ^ digest[0], 0x01000193)
  lane[1] = Math.imul(((lane[1] << 5) | (lane[1] >>> 27)) ^ digest[1], 0x85ebca6b)
}

/** 64 bits over all rules: tier by tier, in each the policies in their order. */
const hashOf = (lanes: readonly Lane[], others: readonly PlacedRule[]): string => {
  const sum: Lane = [0, 0]
  for (const lane of lanes) mix(sum, lane)
  for (const { rule } of others) mix(sum, rule.digest)
  return sum.map(half => (half >>> 0).toString(16).padStart(8, '0')).join('')
}

const whole = { from: everyAddress, to: everyAddress, terms: [{}], isAudit: false } as const

/** Without a policy: allow. With policies that declare no default: drop. */
const undeclared = (policy: PolicyInput | undefined, ids: Ids): PlacedRule => {
  const [name, verb] = policy ? [policy.name, 'drop' as const] : ['none', 'allow' as const]
  const id = policy ? ids.take(wantedId(name, 'default')) : 0
  const rule = withDigest({
    id,
    policy: name,
    name: 'default',
    tier: 3,
    verb,
    isDefault: true,
    ...whole,
  })
  return { rule, file: policy?.loaded.root.file ?? 'built-in', line: 0 }
}

/** What hosts need to get an address also under a default drop. */
const builtIn = (ids: Ids): PlacedRule => {
  const pair = (version: 4 | 6, from: number, to: number) => ({
    version,
    protocol: 17,
    source: [{ from, to: from }],
    destination: [{ from: to, to }],
  })
  const terms = [pair(4, 68, 67), pair(4, 67, 68), pair(6, 546, 547), pair(6, 547, 546)]
  const id = ids.take(wantedId('built-in', 'dhcp'))
  const names = { policy: 'built-in', name: 'dhcp', tier: 3, verb: 'allow' as const }
  return {
    rule: withDigest({ id, ...names, ...whole, terms, isDefault: false }),
    file: 'built-in',
    line: 1,
  }
}
