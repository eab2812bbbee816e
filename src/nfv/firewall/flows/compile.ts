/**
 * Resolved rules to flows. Pure but for its memory: what was compiled before comes out as the same
 * objects, so that comparing two programs costs only what changed.
 */

import { areSame } from '../../../base/same.js'
import {
  cookieOf,
  type Flow,
  flow,
  type Origin,
  type Section,
  section,
} from '../../../pipeline/program.js'
import type { TableName } from '../../../pipeline/tables.js'
import {
  classKey,
  joinPorts,
  type PortClasses,
  type PortNeed,
  type PortPlan,
  planPorts,
} from '../meaning/ports.js'
import {
  hasPortsInPieces,
  helperPorts,
  isSameAudit,
  isStateless,
  isUntracked,
  ofPieces,
  type PlacedRule,
  type Resolved,
  type ResolvedRule,
} from '../meaning/resolved.js'
import { translationRows } from '../nat/translation-rows.js'
import type { PortRange } from '../text/rule.js'
import { admissionMisses, admissionRows } from './admission-rows.js'
import { carrierSection } from './carriers.js'
import { unkeptRows } from './pieces.js'
import { portFlows } from './port-flows.js'
import { beginsStretch, prioritiesOf } from './priorities.js'
import { reopenRows } from './reopen.js'
import { portNeeds, ruleFlows } from './rule-flows.js'
import { type Report, RuleMeters } from './rule-meters.js'
import { helperRows, invalidMeter, pipelineRows, trackIt } from './tables.js'
import { timeoutSections } from './timeout-rows.js'
import { emptyBook, type TimeoutBook } from './timeout-zones.js'
import {
  keyOf,
  logLine,
  type Meters,
  nextTable,
  reportsOf,
  ruleTables,
  thenOf,
} from './verdicts.js'

type Moving<T> = { -readonly [key in keyof T]: T[key] }

/** What is remembered of a rule. */
interface Known {
  readonly rule: ResolvedRule
  readonly needs: readonly PortNeed[]
  /** Its line is kept up to date: the rows stay the same when lines above the rule come or go. */
  readonly origin: Moving<Origin>
  /** What the rows depend on besides the rule (a guard's on the generation, with the meters); -1 before there are rows. */
  priority: number
  auditNumber: number
  classes: string
  meters: string
  flows: readonly Flow[]
  admission: { readonly key: string; readonly flows: readonly Flow[] } | undefined
  unkept: readonly Flow[] | undefined
}

/**
 * The rules of a table as they stood the last time, one array for each thing that is asked of all of
 * them: of ten thousand rules, those that stayed are passed by without being looked at.
 */
interface List {
  readonly placed: readonly PlacedRule[]
  readonly known: Known[]
  readonly ids: Uint32Array
  /** What rows depend on besides the priority: `needsPorts`, `needsMore`, or both. */
  readonly special: Uint8Array
  readonly priorities: Uint16Array
  /** Where the rule stood the last time, and one more; 0 when it did not. */
  readonly from: Uint32Array
  readonly parts: (readonly Flow[])[]
}

/** On the bits that sets of ports have. */
const needsPorts = 1
/** On audit rules above, meters or the generation. */
const needsMore = 2

interface Memory {
  readonly rules: WeakMap<ResolvedRule, Known>
  readonly pieces: WeakMap<ResolvedRule, ResolvedRule | undefined>
  /** The same where a guard has pieces tracked. */
  readonly guardedPieces: WeakMap<ResolvedRule, ResolvedRule | undefined>
  lists: Map<TableName, List>
  sections: Map<string, { readonly parts: readonly (readonly Flow[])[]; readonly section: Section }>
  pipeline: { readonly key: string; readonly sections: readonly Section[] } | undefined
  timeouts: { readonly book: TimeoutBook; readonly sections: readonly Section[] }
  plan: { readonly key: string; readonly plan: PortPlan; readonly section: Section } | undefined
  misses:
    | {
        readonly rule: ResolvedRule
        readonly flows: readonly Flow[]
        readonly origin: Moving<Origin>
        readonly meters: string
      }
    | undefined
  meters: { readonly key: string; readonly section: Section } | undefined
  helpers: { readonly key: string; readonly flows: readonly Flow[] } | undefined
}

export class Compiler {
  readonly #memory: Memory = {
    rules: new WeakMap(),
    pieces: new WeakMap(),
    guardedPieces: new WeakMap(),
    lists: new Map(),
    sections: new Map(),
    pipeline: undefined,
    timeouts: { book: emptyBook, sections: [] },
    plan: undefined,
    misses: undefined,
    meters: undefined,
    helpers: undefined,
  }

  /**
   * @param generation 1 to 65535, stamped on the sessions that these rules accept
   * @param book zones of timeouts; absent: no service has or had one
   * @param epoch 1 to 65535, stamped on the sessions that other switches decide
   * @throws {RangeError} when a tier has more rules than a table has priorities (64,000)
   */
  compile(
    resolved: Resolved,
    generation: number,
    book: TimeoutBook = emptyBook,
    epoch = 1,
  ): Section[] {
    const isTimed = book.zones.length > 0
    const run = new Compilation(resolved, { generation, epoch }, isTimed, this.#memory)
    const around = this.#pipeline(generation, epoch, isTimed, resolved.nat !== undefined)
    const isShut = resolved.last.rule.verb !== 'allow'
    const unread = isShut ? [carrierSection] : []
    return [...around, ...unread, ...this.#timeouts(book), ...run.sections()]
  }

  #pipeline(
    generation: number,
    epoch: number,
    isTimed: boolean,
    isTranslated: boolean,
  ): readonly Section[] {
    const key = `${generation} ${epoch} ${isTimed} ${isTranslated}`
    const known = this.#memory.pipeline
    if (known?.key === key) return known.sections
    const sections = [
      section('firewall/pipeline', {
        flows: pipelineRows(generation, epoch, isTimed),
        meters: [invalidMeter],
      }),
      section('firewall/reopen', { flows: reopenRows(generation, epoch) }),
      ...(isTranslated
        ? [section('firewall/translation', { flows: translationRows(generation, epoch) })]
        : []),
    ]
    this.#memory.pipeline = { key, sections }
    return sections
  }

  #timeouts(book: TimeoutBook): readonly Section[] {
    if (this.#memory.timeouts.book !== book)
      this.#memory.timeouts = { book, sections: timeoutSections(book) }
    return this.#memory.timeouts.sections
  }
}

/** The memory is the compiler's; see `Compiler`. */
export const createCompiler = (): Compiler => new Compiler()

class Compilation {
  readonly #resolved: Resolved
  readonly #generation: number
  readonly #epoch: number
  readonly #isTimed: boolean
  readonly #memory: Memory
  readonly #meters = new RuleMeters()
  readonly #sections: Memory['sections'] = new Map()
  #audits = 0
  readonly #files = new Map<string, number>()
  /** Ports at which some rule lets a helper read. */
  readonly #helped = new Map<string, PortRange>()
  readonly #admissions: (readonly Flow[])[] = []
  readonly #unkept: (readonly Flow[])[] = []

  constructor(
    resolved: Resolved,
    { generation, epoch }: { readonly generation: number; readonly epoch: number },
    isTimed: boolean,
    memory: Memory,
  ) {
    this.#resolved = resolved
    this.#generation = generation
    this.#epoch = epoch
    this.#isTimed = isTimed
    this.#memory = memory
  }

  sections(): Section[] {
    const lists = new Map<TableName, List>()
    const add = (table: TableName, rules: readonly PlacedRule[]) =>
      lists.set(table, this.#list(table, rules))
    add('track', this.#resolved.stateless)
    for (const [tier, table] of ruleTables.entries()) add(table, this.#tracked(tier))
    const planBefore = this.#memory.plan
    const plan = this.#plan(lists)
    for (const [table, list] of lists)
      this.#flows(table, list, plan.plan.classes, plan === planBefore)
    this.#keep('firewall/default', [this.#missRows()])
    if (this.#admissions.length > 0)
      this.#keep('firewall/admission', [admissionMisses(), ...this.#admissions])
    if (this.#unkept.length > 0) this.#keep('firewall/unkept', this.#unkept)
    if (this.#helped.size > 0) this.#keep('firewall/helpers', [this.#helperRows()])
    const meters = this.#meterSection()
    this.#memory.lists = lists
    this.#memory.sections = this.#sections
    return [meters, plan.section, ...[...this.#sections.values()].map(({ section }) => section)]
  }

  /** The rules of a tier that look at tracked packets. */
  #tracked(tier: number): readonly PlacedRule[] {
    const rules = this.#resolved.tiers[tier]!
    if (this.#resolved.stateless.length === 0) return rules
    const isGuarded = this.#resolved.stateless.some(
      ({ rule }) => rule.isGuard && rule.terms.some(hasPortsInPieces),
    )
    return rules.flatMap(placed =>
      isStateless(placed.rule) ? this.#ofPieces(placed, isGuarded) : placed,
    )
  }

  /** The same object for the same rule. */
  #ofPieces(placed: PlacedRule, isGuarded: boolean): PlacedRule[] {
    const pieces = isGuarded ? this.#memory.guardedPieces : this.#memory.pieces
    if (!pieces.has(placed.rule)) pieces.set(placed.rule, ofPieces(placed.rule, isGuarded))
    const rule = pieces.get(placed.rule)
    return rule ? [{ ...placed, rule }] : []
  }

  /** Finds what is known of each rule, first where it stood the last time, shifted as its neighbour was. */
  #list(table: TableName, placed: readonly PlacedRule[]): List {
    const before = this.#memory.lists.get(table)
    const list = emptyList(placed)
    for (let index = 0, at = 0; index < placed.length; index++, at++) {
      const each = placed[index]!
      const isSame = before !== undefined && before.placed[at] === each
      if (!isSame && before !== undefined) at = aboutHere(before.placed, at, each.rule)
      if (isSame || before?.placed[at]?.rule === each.rule) {
        list.known.push(before!.known[at]!)
        list.ids[index] = before!.ids[at]!
        list.special[index] = before!.special[at]!
        list.from[index] = at + 1
        if (isSame) continue
      } else {
        const known = this.#know(each.rule)
        list.known.push(known)
        list.ids[index] = each.rule.id
        list.special[index] = specialOf(each.rule, known)
      }
      const { origin } = list.known[index]!
      origin.file = each.file
      origin.line = each.line
    }
    const priorities = prioritiesOf(list.ids)
    if (priorities === undefined)
      throw new RangeError(`${placed.length} rules are more than ${table} has priorities`)
    list.priorities.set(priorities)
    return list
  }

  #know(rule: ResolvedRule): Known {
    let known = this.#memory.rules.get(rule)
    if (known === undefined) {
      const origin: Moving<Origin> = { kind: 'policy', name: `${rule.policy}/${rule.name}` }
      const needs = isUntracked(rule) ? [] : portNeeds(rule)
      const memo = { priority: -1, auditNumber: 0, classes: '', meters: '', flows: [] }
      known = { rule, needs, origin, ...memo, admission: undefined, unkept: undefined }
      this.#memory.rules.set(rule, known)
    }
    return known
  }

  #plan(lists: ReadonlyMap<TableName, List>): NonNullable<Memory['plan']> {
    const known = this.#memory.plan
    if (known !== undefined && this.#needsSamePorts(lists)) return known
    const needs: PortNeed[] = []
    for (const list of lists.values())
      for (let index = 0; index < list.known.length; index++)
        if (list.special[index]! & needsPorts) needs.push(...list.known[index]!.needs)
    const plan = planPorts(needs)
    const key = [...plan.classes].map(entry => entry.join('=')).join('; ')
    if (known?.key === key) return known
    const made = { key, plan, section: section('firewall/ports', { flows: portFlows(plan) }) }
    this.#memory.plan = made
    return made
  }

  /** No rule that needs sets of ports came, and none went. */
  #needsSamePorts(lists: ReadonlyMap<TableName, List>): boolean {
    let count = 0
    for (const { special, from } of lists.values())
      for (let index = 0; index < special.length; index++) {
        if ((special[index]! & needsPorts) === 0) continue
        if (from[index] === 0) return false
        count++
      }
    for (const { special } of this.#memory.lists.values())
      for (let index = 0; index < special.length; index++) count -= special[index]! & needsPorts
    return count === 0
  }

  /** The rows of one table, cut into sections where a stretch of priorities begins. */
  #flows(table: TableName, list: List, classes: PortClasses, samePorts: boolean): void {
    const before = this.#memory.lists.get(table)
    let start = 0
    let name = `firewall/${table}/first`
    for (let index = 0; index < list.known.length; index++) {
      const id = list.ids[index]!
      if (index > 0 && beginsStretch(id)) {
        this.#keep(name, list.parts.slice(start))
        start = index
        name = `firewall/${table}/${id.toString(16).padStart(8, '0')}`
      }
      const priority = list.priorities[index]!
      const special = list.special[index]!
      const from = list.from[index]! - 1
      const isSame =
        from >= 0 &&
        before!.priorities[from] === priority &&
        (special === 0 || (special === needsPorts && samePorts))
      list.parts.push(
        isSame
          ? before!.parts[from]!
          : this.#rule(table, list.known[index]!, list.placed[index - 1]?.rule, priority, classes),
      )
    }
    if (list.known.length > 0) this.#keep(name, list.parts.slice(start))
  }

  /** The section of the last time when all its parts are the same objects. */
  #keep(name: string, parts: readonly (readonly Flow[])[]): void {
    const known = this.#memory.sections.get(name)
    const isSame = known !== undefined && areSame(known.parts, parts)
    this.#sections.set(
      name,
      isSame ? known : { parts, section: section(name, { flows: parts.flat() }) },
    )
  }

  #rule(
    table: TableName,
    known: Known,
    before: ResolvedRule | undefined,
    priority: number,
    classes: PortClasses,
  ): readonly Flow[] {
    const { rule, needs, origin } = known
    if (rule.isAudit && !isSameAudit(rule, before)) this.#audits++
    const auditNumber = rule.isAudit ? this.#audits : 0
    const fileBit = rule.auditIn === 'file' ? this.#fileBit(rule.policy) : undefined
    const used = `${fileBit ?? ''} ${needs
      .map(({ side, protocol, key }) => classes.get(classKey(side, protocol, key)) ?? '-')
      .join()}`
    for (const range of helperPorts(rule)) this.#helped.set(`${range.from}-${range.to}`, range)
    const meters = this.#takeMeters(rule)
    if (meters.admit !== undefined) this.#admit(known, meters.admit, meters)
    if (rule.isOfPieces) {
      known.unkept ??= unkeptRows(rule)
      this.#unkept.push(known.unkept)
    }
    const guarded = rule.isGuard ? `${this.#generation} ${this.#isTimed}` : ''
    const isSame =
      known.priority === priority &&
      known.auditNumber === auditNumber &&
      known.classes === used &&
      known.meters === `${keyOf(meters)}${guarded}`
    if (isSame) return known.flows
    known.priority = priority
    known.auditNumber = auditNumber
    known.classes = used
    known.meters = `${keyOf(meters)}${guarded}`
    known.flows = ruleFlows(rule, {
      table,
      priority,
      then: rule.isGuard
        ? trackIt(this.#generation, this.#isTimed)
        : thenOf(rule, meters, auditNumber, fileBit),
      origin,
      isStateless: isUntracked(rule),
      classes,
      auditNumber,
      fileBit,
    })
    return known.flows
  }

  /** Which flag says that a file audited whole has spoken. */
  #fileBit(policy: string): number {
    const bit = this.#files.get(policy) ?? this.#files.size
    this.#files.set(policy, bit)
    return bit
  }

  #takeMeters(rule: ResolvedRule): Meters {
    const meters: { -readonly [report in Report]?: number } = {}
    for (const report of reportsOf(rule)) meters[report] = this.#meters.take(report, rule)
    return meters
  }

  /** The rows beside those of the rule itself: the generation is in them. */
  #admit(known: Known, meter: number, meters: Meters): void {
    const { rule } = known
    const key = `${this.#generation} ${keyOf(meters)}`
    if (known.admission?.key !== key) {
      const flows = admissionRows(rule, this.#generation, meter, logLine(rule, meters))
      known.admission = { key, flows }
    }
    this.#admissions.push(known.admission.flows)
  }

  /** The same array while generation, epoch and ports stay. */
  #helperRows(): readonly Flow[] {
    const ports = joinPorts([...this.#helped.values()]) ?? []
    const key = `${this.#generation} ${this.#epoch} ${JSON.stringify(ports)}`
    const known = this.#memory.helpers
    if (known?.key === key) return known.flows
    const made = { key, flows: helperRows(this.#generation, this.#epoch, ports) }
    this.#memory.helpers = made
    return made.flows
  }

  #meterSection(): Section {
    const meters = this.#meters.all()
    const key = meters.map(({ id, bands }) => `${id} ${bands[0]!.rate}`).join()
    const known = this.#memory.meters
    if (known?.key === key) return known.section
    const made = { key, section: section('firewall/meters', { meters }) }
    this.#memory.meters = made
    return made.section
  }

  /** What happens where no rule of a tier speaks. */
  #missRows(): readonly Flow[] {
    const { rule, file, line } = this.#resolved.last
    const known = this.#memory.misses
    const meters = this.#takeMeters(rule)
    if (known?.rule === rule && known.meters === keyOf(meters)) {
      Object.assign(known.origin, { file, line })
      return known.flows
    }
    const base: Origin = { kind: 'base', name: 'firewall' }
    const origin: Origin = { kind: 'policy', name: `${rule.policy}/${rule.name}`, file, line }
    const last = { ...thenOf(rule, meters), cookie: cookieOf('policy', rule.id) }
    const flows = [
      ...(['rules0', 'rules1', 'rules2'] as const).map((table, tier) =>
        flow(table, 0, {}, { goto: nextTable[tier]! }, 'no rule of this tier speaks', base),
      ),
      flow('rules3', 0, {}, last, `${rule.verb} by default of ${rule.policy}`, origin),
    ]
    this.#memory.misses = { rule, flows, origin, meters: keyOf(meters) }
    return flows
  }
}

const specialOf = (rule: ResolvedRule, known: Known): number => {
  const needsOthers =
    rule.isAudit ||
    rule.isGuard === true ||
    rule.isOfPieces === true ||
    reportsOf(rule).length > 0 ||
    helperPorts(rule).length > 0
  return (known.needs.length > 0 ? needsPorts : 0) | (needsOthers ? needsMore : 0)
}

const emptyList = (placed: readonly PlacedRule[]): List => ({
  placed,
  known: [],
  ids: new Uint32Array(placed.length),
  special: new Uint8Array(placed.length),
  priorities: new Uint16Array(placed.length),
  from: new Uint32Array(placed.length),
  parts: [],
})

/** Where `rule` stands near `at`, when a few rules came or went; else `at`. */
const aboutHere = (placed: readonly PlacedRule[], at: number, rule: ResolvedRule): number => {
  for (const offset of [0, 1, -1, 2, -2, 3, -3])
    if (placed[at + offset]?.rule === rule) return at + offset
  return at
}
