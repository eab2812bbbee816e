/**
 * Resolved rules to flows. Pure but for its memory: what was compiled before comes out as the same
 * objects, so that comparing two programs costs only what changed.
 */

import type { Action } from '../../openflow/values.js'
import {
  cookieOf,
  type Flow,
  flow,
  type Origin,
  type Section,
  section,
} from '../../pipeline/program.js'
import { load, registers } from '../../pipeline/registers.js'
import { type TableName, tableId } from '../../pipeline/tables.js'
import { writeUserdata } from '../../pipeline/userdata.js'
import { isStateless } from './decide.js'
import {
  classKey,
  type PortClasses,
  type PortNeed,
  type PortPlan,
  type PortSide,
  planPorts,
  portRows,
} from './ports.js'
import { beginsStretch, prioritiesOf } from './priorities.js'
import type { PlacedRule, Resolved, ResolvedRule } from './resolved.js'
import { portNeeds, ruleFlows } from './rule-flows.js'
import { isTracked, pipelineRows } from './tables.js'

export interface CompileOptions {
  /** Meters that bound what rules send to the controller; absent: unbounded. */
  readonly logMeter?: number
  readonly rejectMeter?: number
}

const ruleTables = ['rules0', 'rules1', 'rules2', 'rules3'] as const
const nextTable: readonly (TableName | undefined)[] = ['rules1', 'rules2', 'rules3', undefined]

/** Octets of a packet that go with a log line, and with one that is to be answered. */
const logSize = 128
const rejectSize = 1500

interface RuleMemo {
  readonly table: TableName
  readonly priority: number
  readonly auditNumber: number | undefined
  readonly classes: string
  readonly flows: readonly Flow[]
  /** Its line is kept up to date: the rows stay the same when lines above the rule come or go. */
  readonly origin: Moving<Origin>
}

type Moving<T> = { -readonly [key in keyof T]: T[key] }

interface Memory {
  readonly needs: WeakMap<ResolvedRule, readonly PortNeed[]>
  readonly rules: WeakMap<ResolvedRule, RuleMemo>
  sections: Map<string, { readonly parts: readonly (readonly Flow[])[]; readonly section: Section }>
  pipeline: { readonly generation: number; readonly section: Section } | undefined
  plan: { readonly key: string; readonly plan: PortPlan; readonly section: Section } | undefined
  misses:
    | {
        readonly rule: ResolvedRule
        readonly flows: readonly Flow[]
        readonly origin: Moving<Origin>
      }
    | undefined
}

export class Compiler {
  readonly #options: CompileOptions
  readonly #memory: Memory = {
    needs: new WeakMap(),
    rules: new WeakMap(),
    sections: new Map(),
    pipeline: undefined,
    plan: undefined,
    misses: undefined,
  }

  constructor(options: CompileOptions = {}) {
    this.#options = options
  }

  /**
   * @param generation 1 to 65535, stamped on the sessions that these rules accept
   * @throws {RangeError} when a tier has more rules than a table has priorities (64,000)
   */
  compile(resolved: Resolved, generation: number): Section[] {
    const run = new Compilation(resolved, this.#options, this.#memory)
    return [this.#pipeline(generation), ...run.sections()]
  }

  #pipeline(generation: number): Section {
    const known = this.#memory.pipeline
    if (known?.generation === generation) return known.section
    const made = section('firewall/pipeline', { flows: pipelineRows(generation) })
    this.#memory.pipeline = { generation, section: made }
    return made
  }
}

/** The memory is the compiler's; see `Compiler`. */
export const createCompiler = (options?: CompileOptions): Compiler => new Compiler(options)

class Compilation {
  readonly #resolved: Resolved
  readonly #options: CompileOptions
  readonly #memory: Memory
  readonly #sections: Memory['sections'] = new Map()
  #audits = 0

  constructor(resolved: Resolved, options: CompileOptions, memory: Memory) {
    this.#resolved = resolved
    this.#options = options
    this.#memory = memory
  }

  sections(): Section[] {
    const plan = this.#plan()
    const { classes } = plan.plan
    const stateless = this.#resolved.tiers.flat().filter(({ rule }) => isStateless(rule))
    this.#list('track', stateless, noClasses)
    for (const [tier, table] of ruleTables.entries()) {
      const rules = this.#resolved.tiers[tier]!.filter(({ rule }) => !isStateless(rule))
      this.#list(table, rules, classes)
    }
    this.#keep('firewall/default', [this.#missRows()])
    this.#memory.sections = this.#sections
    return [plan.section, ...[...this.#sections.values()].map(({ section }) => section)]
  }

  #plan(): { plan: PortPlan; section: Section } {
    const needs: PortNeed[] = []
    for (const tier of this.#resolved.tiers)
      for (const { rule } of tier) if (!isStateless(rule)) needs.push(...this.#needsOf(rule))
    const plan = planPorts(needs)
    const key = [...plan.classes].map(entry => entry.join('=')).join('; ')
    const known = this.#memory.plan
    if (known?.key === key) return known
    const made = { key, plan, section: section('firewall/ports', { flows: portFlows(plan) }) }
    this.#memory.plan = made
    return made
  }

  #needsOf(rule: ResolvedRule): readonly PortNeed[] {
    let needs = this.#memory.needs.get(rule)
    if (needs === undefined) {
      needs = portNeeds(rule)
      this.#memory.needs.set(rule, needs)
    }
    return needs
  }

  /** The rules of one table, cut into sections where a stretch of priorities begins. */
  #list(table: TableName, rules: readonly PlacedRule[], classes: PortClasses): void {
    const priorities = prioritiesOf(rules.map(({ rule }) => rule.id))
    if (priorities === undefined)
      throw new RangeError(`${rules.length} rules are more than ${table} has priorities`)
    let parts: (readonly Flow[])[] = []
    let name = `firewall/${table}/first`
    for (const [index, placed] of rules.entries()) {
      if (index > 0 && beginsStretch(placed.rule.id)) {
        this.#keep(name, parts)
        parts = []
        name = `firewall/${table}/${placed.rule.id.toString(16).padStart(8, '0')}`
      }
      parts.push(this.#rule(table, placed, priorities[index]!, classes))
    }
    if (parts.length > 0) this.#keep(name, parts)
  }

  /** The section of the last time when all its parts are the same objects. */
  #keep(name: string, parts: readonly (readonly Flow[])[]): void {
    const known = this.#memory.sections.get(name)
    const isSame =
      known?.parts.length === parts.length && parts.every((part, at) => part === known.parts[at])
    this.#sections.set(
      name,
      isSame ? known : { parts, section: section(name, { flows: parts.flat() }) },
    )
  }

  #rule(
    table: TableName,
    { rule, file, line }: PlacedRule,
    priority: number,
    classes: PortClasses,
  ): readonly Flow[] {
    const auditNumber = rule.isAudit ? ++this.#audits : undefined
    const used = this.#classesOf(rule, classes)
    const known = this.#memory.rules.get(rule)
    if (
      known?.table === table &&
      known.priority === priority &&
      known.auditNumber === auditNumber &&
      known.classes === used
    ) {
      known.origin.file = file
      known.origin.line = line
      return known.flows
    }
    const origin: Moving<Origin> = {
      kind: 'policy',
      name: `${rule.policy}/${rule.name}`,
      file,
      line,
    }
    const flows = ruleFlows(rule, {
      table,
      priority,
      then: this.#then(rule, auditNumber),
      origin,
      isStateless: isStateless(rule),
      classes,
      ...(auditNumber !== undefined && { auditNumber }),
    })
    this.#memory.rules.set(rule, {
      table,
      priority,
      auditNumber,
      classes: used,
      flows,
      origin,
    })
    return flows
  }

  #classesOf(rule: ResolvedRule, classes: PortClasses): string {
    const needs = this.#needsOf(rule)
    if (needs.length === 0) return ''
    return needs
      .map(({ side, protocol, key }) => classes.get(classKey(side, protocol, key)) ?? '-')
      .join()
  }

  #then(
    rule: ResolvedRule,
    auditNumber?: number,
  ): { actions?: readonly Action[]; goto?: TableName } {
    const log = rule.log ? [this.#report('log', rule)] : []
    if (auditNumber !== undefined)
      return {
        actions: [this.#report('log', rule), ...markAndGoOn(ruleTables[rule.tier]!, auditNumber)],
      }
    switch (rule.verb) {
      case 'allow':
        return { actions: [...log, load(registers.rule, rule.id)], goto: 'commit' }
      case 'allow-stateless':
        return { actions: log, goto: 'forward' }
      case 'drop':
        return { actions: log }
      case 'reject':
        return { actions: [...log, this.#report('reject', rule)] }
      case 'pass':
        // The last tier has no `pass`: resolving complains.
        return { actions: log, goto: nextTable[rule.tier]! }
    }
  }

  #report(reason: 'log' | 'reject', rule: ResolvedRule): Action {
    const meter = reason === 'log' ? this.#options.logMeter : this.#options.rejectMeter
    return {
      kind: 'controller',
      maxLength: reason === 'log' ? logSize : rejectSize,
      userdata: writeUserdata(reason, rule.id),
      ...(meter !== undefined && { meter }),
    }
  }

  /** What happens where no rule of a tier speaks. */
  #missRows(): readonly Flow[] {
    const { rule, file, line } = this.#resolved.last
    const known = this.#memory.misses
    if (known?.rule === rule) {
      Object.assign(known.origin, { file, line })
      return known.flows
    }
    const base: Origin = { kind: 'base', name: 'firewall' }
    const origin: Origin = { kind: 'policy', name: `${rule.policy}/${rule.name}`, file, line }
    const last = { ...this.#then(rule), cookie: cookieOf('policy', rule.id) }
    const flows = [
      ...(['rules0', 'rules1', 'rules2'] as const).map((table, tier) =>
        flow(table, 0, {}, { goto: nextTable[tier]! }, 'no rule of this tier speaks', base),
      ),
      flow('rules3', 0, {}, last, `${rule.verb} by default of ${rule.policy}`, origin),
    ]
    this.#memory.misses = { rule, flows, origin }
    return flows
  }
}

const noClasses: PortClasses = new Map()

/**
 * An audit rule must act and yet not decide. Rows of one match cannot both win, and multiplying it with
 * every rule below would double the policy; so the packet goes through the same table once more,
 * with a note of the last audit rule that has seen it. Those up to it do not match then.
 */
const markAndGoOn = (table: TableName, auditNumber: number): readonly Action[] => [
  load(registers.audited, auditNumber),
  { kind: 'resubmit', table: tableId[table] },
]

/** The rows of `ports` and `sourcePorts`. */
const portFlows = (plan: PortPlan): Flow[] => {
  const origin: Origin = { kind: 'base', name: 'firewall' }
  const hasSource = plan.tables.some(({ side }) => side === 'source')
  const rows = plan.tables.flatMap(({ side, protocol, sets }) => {
    const [table, next, field] = sideOf(side, hasSource)
    return portRows(sets)
      .filter(row => row.length > 0 || row.bits > 0)
      .map(({ value, mask, length, bits }) =>
        flow(
          table,
          length + 1,
          {
            ct_state: isTracked,
            ct_nw_proto: protocol,
            ...(length > 0 && { [field]: length === 16 ? value : { value, mask } }),
          },
          { actions: bits === 0 ? [] : [load(registerOf(side), bits)], goto: next },
          `which shared sets of ${side} ports this port is in`,
          origin,
        ),
      )
  })
  const misses = (['destination', 'source'] as const).map(side => {
    const [table, next] = sideOf(side, hasSource)
    return flow(table, 0, {}, { goto: next }, 'no set of ports is shared here', origin)
  })
  return [...rows, ...misses]
}

const registerOf = (side: PortSide) =>
  side === 'source' ? registers.sourcePortClass : registers.destinationPortClass

const sideOf = (
  side: PortSide,
  hasSource: boolean,
): readonly [table: TableName, next: TableName, field: 'ct_tp_src' | 'ct_tp_dst'] =>
  side === 'destination'
    ? ['ports', hasSource ? 'sourcePorts' : 'rules0', 'ct_tp_dst']
    : ['sourcePorts', 'rules0', 'ct_tp_src']
