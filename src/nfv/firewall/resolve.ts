/**
 * Policies and what is known of the network to rules without names.
 *
 * Several policies count in the order of their number, then of their name, tier by tier. The default
 * is that of the last policy that declares one; policies without any default drop. Without any
 * policy everything is allowed.
 */
import { createHash } from 'node:crypto'
import { hash32 } from '../../pipeline/program.js'
import { everyAddress } from './address-set.js'
import { complaintAt } from './complaint.js'
import { contentOf, type Dependency, Environment, type Facts } from './environment.js'
import { formatRuleBody } from './format.js'
import type { LoadedPolicy, TieredLine } from './load.js'
import type { PlacedRule, Resolved, ResolvedRule } from './resolved.js'
import { type Default, isAny, type Rule, type RuleError, tiers } from './rule.js'
import { isOn, nextChange } from './times.js'

export interface PolicyInput {
  readonly name: string
  /** Lower numbers come first. */
  readonly order: number
  readonly loaded: LoadedPolicy
}

/** Resolves the same rules to the same objects as long as what they were made from stays the same. */
export class Resolver {
  #memos = new Map<string, PolicyMemo>()
  /** Rules that no file holds, by content. */
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
    const last =
      parts.findLast(part => part.last)?.last ?? this.#keep(undeclared(ordered.at(-1), ids))
    const lists = tiers.map((_, tier) => parts.flatMap(part => part.rules[tier]!))
    lists[3]!.push(...parts.flatMap(part => part.pairDefaults))
    if (ordered.length > 0 && last.rule.verb !== 'allow') lists[3]!.push(this.#keep(builtIn(ids)))
    const changes = parts.flatMap(part => part.changes)
    return {
      tiers: lists,
      last,
      complaints,
      hash: hashOf(lists, last),
      ...(changes.length > 0 && { nextChangeMillis: Math.min(...changes) }),
    }
  }

  #keep(placed: PlacedRule): PlacedRule {
    const { content } = placed.rule
    const rule = this.#fixed.get(content) ?? placed.rule
    this.#fixed.set(content, rule)
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
  readonly #taken = new Set<number>([0, 0x80000000])

  take(policy: string, rule: string): number {
    let id = hash32(`${policy}/${rule}`)
    while (this.#taken.has(id)) id = (id + 1) >>> 0
    this.#taken.add(id)
    this.#taken.add((id ^ 0x80000000) >>> 0)
    return id
  }
}

interface RuleMemo {
  readonly rule: ResolvedRule
  readonly uses: readonly Dependency[]
}

interface PolicyMemo {
  readonly environment: Environment
  /** By statement; more than one where the same text stands more than once. */
  readonly rules: ReadonlyMap<Rule | Default, readonly RuleMemo[]>
}

type RuleLine = TieredLine<Rule>
type DefaultLine = TieredLine<Default>

class PolicyResolver {
  readonly rules: PlacedRule[][] = tiers.map(() => [])
  readonly pairDefaults: PlacedRule[] = []
  readonly changes: number[] = []
  last: PlacedRule | undefined
  readonly #policy: PolicyInput
  readonly #facts: Facts
  readonly #ids: Ids
  readonly #before: PolicyMemo | undefined
  readonly #environment: Environment
  readonly #memo = new Map<Rule | Default, RuleMemo[]>()
  readonly #complaints: RuleError[] = []
  readonly #lineByName = new Map<string, RuleLine>()
  readonly #names = new Set<string>()

  constructor(policy: PolicyInput, facts: Facts, ids: Ids, before: PolicyMemo | undefined) {
    this.#policy = policy
    this.#facts = facts
    this.#ids = ids
    this.#before = before
    this.#environment = new Environment(policy.loaded.lines, facts, before?.environment)
  }

  get memo(): PolicyMemo {
    return { environment: this.#environment, rules: this.#memo }
  }

  get complaints(): readonly RuleError[] {
    return [...this.#environment.complaints, ...this.#complaints]
  }

  run(): void {
    for (const line of this.#policy.loaded.lines) {
      if (line.statement.kind === 'rule') this.#rule(line as RuleLine)
      if (line.statement.kind === 'default') this.#default(line as DefaultLine)
    }
  }

  #rule(line: RuleLine): void {
    const { statement } = line
    const name = this.#nameOf(line)
    const id = this.#ids.take(this.#policy.name, name)
    if (statement.via && !this.#facts.hasChain(statement.via.name)) this.#noChain(line)
    if (statement.verb === 'pass' && !statement.isAudit && line.tier === 'baseline')
      this.#complain(
        line,
        'pass',
        '"pass" has no tier to go to',
        'in the last tier say allow, drop or reject',
      )
    if (!this.#isInForce(statement)) return
    const tier = tiers.indexOf(line.tier)
    const rule = this.#once(line, id, name, tier, { isAudit: statement.isAudit, isDefault: false })
    this.rules[tier]!.push({ rule, file: line.file, line: line.line })
  }

  #default(line: DefaultLine): void {
    const { statement } = line
    const isWhole = isAny(statement.from) && isAny(statement.to)
    const name = isWhole ? 'default' : this.#freeName(`default-${shortHash(line.text)}`)
    if (isWhole && this.#names.has('default')) {
      const message = 'the default is declared twice'
      this.#complain(line, 'default', message, `it is already declared in line ${this.last!.line}`)
      return
    }
    if (isWhole) this.#names.add('default')
    const id = this.#ids.take(this.#policy.name, name)
    const rule = this.#once(line, id, name, 3, { isAudit: false, isDefault: true })
    const placed = { rule, file: line.file, line: line.line }
    if (isWhole) this.last = placed
    else this.pairDefaults.push(placed)
  }

  #nameOf(line: RuleLine): string {
    const { name } = line.statement
    if (name === undefined)
      return this.#freeName(`rule-${shortHash(formatRuleBody(line.statement))}`)
    const first = this.#lineByName.get(name)
    if (first !== undefined) {
      const hint = `it is already in ${first.file}:${first.line}; names tell counters apart, so choose another`
      this.#complain(line, name, `two rules are named "${name}"`, hint)
      return this.#freeName(name)
    }
    this.#lineByName.set(name, line)
    return this.#freeName(name)
  }

  /** The same line twice gets two names, the second with a number. */
  #freeName(wanted: string): string {
    let name = wanted
    for (let number = 2; this.#names.has(name); number++) name = `${wanted}-${number}`
    this.#names.add(name)
    return name
  }

  #isInForce(rule: Rule): boolean {
    const now = this.#facts.nowMillis
    if (rule.until !== undefined) {
      if (rule.until <= now) return false
      this.changes.push(rule.until)
    }
    if (rule.schedule === undefined) return true
    this.changes.push(nextChange(rule.schedule, now))
    return isOn(rule.schedule, now)
  }

  #noChain(line: RuleLine): void {
    const { name } = line.statement.via!
    const message = `no chain is named "${name}"`
    this.#complain(
      line,
      name,
      message,
      'apply the chain first; "sluice get chains" lists those that exist',
    )
  }

  /** Points at the first place where the word stands by itself. */
  #complain(line: TieredLine, word: string, message: string, hint: string): void {
    const words = line.text.matchAll(/[^\s:]+/g)
    const at = [...words].find(found => found[0] === word)?.index ?? 0
    this.#complaints.push(complaintAt(line, at, word.length, message, hint))
  }

  /** The rule object of the last time, if it would come out the same. */
  #once(
    line: RuleLine | DefaultLine,
    id: number,
    name: string,
    tier: number,
    is: Pick<ResolvedRule, 'isAudit' | 'isDefault'>,
  ): ResolvedRule {
    const { statement } = line
    const list = this.#memo.get(statement) ?? []
    const old = this.#before?.rules.get(statement)?.[list.length]
    const memo =
      old && this.#isStill(old, id, name, tier) ? old : this.#make(line, id, name, tier, is)
    list.push(memo)
    if (list.length === 1) this.#memo.set(statement, list)
    return memo.rule
  }

  #isStill({ rule, uses }: RuleMemo, id: number, name: string, tier: number): boolean {
    return (
      rule.id === id &&
      rule.name === name &&
      rule.tier === tier &&
      uses.every(use => use[2] !== undefined && this.#environment.valueOf(use) === use[2])
    )
  }

  #make(
    line: RuleLine | DefaultLine,
    id: number,
    name: string,
    tier: number,
    is: Pick<ResolvedRule, 'isAudit' | 'isDefault'>,
  ): RuleMemo {
    const uses: Dependency[] = []
    const { statement } = line
    const rule = statement.kind === 'rule' ? statement : undefined
    const parts = {
      id,
      policy: this.#policy.name,
      name,
      tier,
      verb: statement.verb,
      ...is,
      from: this.#environment.select(statement.from, line, uses),
      to: this.#environment.select(statement.to, line, uses),
      terms: rule ? this.#environment.terms(rule.services, line, uses) : [{}],
      ...(statement.log && { log: statement.log }),
      ...(rule?.limit && { limit: rule.limit }),
      ...(rule?.via && { via: rule.via.name }),
    }
    return { rule: withContent(parts), uses }
  }
}

const withContent = (rule: Omit<ResolvedRule, 'content'>): ResolvedRule => {
  const what = `${rule.isAudit ? 'audit ' : ''}${rule.verb} ${contentOf(rule.terms)} ${contentOf(rule.from)} ${contentOf(rule.to)}`
  return { ...rule, content: `${rule.id} ${rule.tier} ${what} ${rule.via ?? ''}` }
}

const shortHash = (text: string): string => hash32(text).toString(16).padStart(8, '0')

const hashOf = (lists: readonly (readonly PlacedRule[])[], last: PlacedRule): string => {
  const hash = createHash('sha256')
  const texts: string[] = []
  for (const list of lists) for (const { rule } of list) texts.push(rule.content)
  texts.push(last.rule.content)
  return hash.update(texts.join('\n')).digest('hex').slice(0, 32)
}

const whole = { from: everyAddress, to: everyAddress, terms: [{}], isAudit: false } as const

/** Without a policy: allow. With policies that declare no default: drop. */
const undeclared = (policy: PolicyInput | undefined, ids: Ids): PlacedRule => {
  const [name, verb] = policy ? [policy.name, 'drop' as const] : ['none', 'allow' as const]
  const id = policy ? ids.take(name, 'default') : 0
  const rule = withContent({
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
  const id = ids.take('built-in', 'dhcp')
  const names = { policy: 'built-in', name: 'dhcp', tier: 3, verb: 'allow' as const }
  return {
    rule: withContent({ id, ...names, ...whole, terms, isDefault: false }),
    file: 'built-in',
    line: 1,
  }
}
