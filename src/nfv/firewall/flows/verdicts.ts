/** What the row of a rule does with a packet that it decides about. */
import type { Action } from '../../../openflow/values.js'
import { load, registers } from '../../../pipeline/registers.js'
import { type TableName, tableId } from '../../../pipeline/tables.js'
import { writeUserdata } from '../../../pipeline/userdata.js'
import { asksToAdmit, helperPorts, type ResolvedRule } from '../meaning/resolved.js'
import { askAdmission } from './admission-rows.js'
import type { Report } from './rule-meters.js'

export const ruleTables = ['rules0', 'rules1', 'rules2', 'rules3'] as const
export const nextTable: readonly (TableName | undefined)[] = [
  'rules1',
  'rules2',
  'rules3',
  undefined,
]

/** Octets of a packet that go with a log line, and with one that is to be answered. */
const logSize = 128
const rejectSize = 1500

/** The meters of a rule, by what it reports. */
export type Meters = { readonly [report in Report]?: number }

export const keyOf = (meters: Meters): string =>
  `${meters.log ?? ''} ${meters.reject ?? ''} ${meters.admit ?? ''}`

const reports = {
  none: [],
  log: ['log'],
  reject: ['reject'],
  both: ['log', 'reject'],
} as const

/** What a rule sends to the controller. */
export const reportsOf = (rule: ResolvedRule): readonly Report[] => {
  const isLogged = rule.log !== undefined || rule.isAudit
  if (asksToAdmit(rule)) return isLogged ? ['log', 'admit'] : ['admit']
  if (rule.verb === 'reject' && !rule.isAudit) return isLogged ? reports.both : reports.reject
  return isLogged ? reports.log : reports.none
}

export interface Then {
  readonly actions?: readonly Action[]
  readonly goto?: TableName
}

/** What says that a rule has judged a connection; of a rule that counts, that it has let it in. */
export const logLine = (rule: ResolvedRule, meters: Meters): readonly Action[] =>
  rule.log ? [report('log', rule, meters.log)] : []

/**
 * @param auditNumber of an audit rule, counted from 1
 * @param fileBit of a rule in a file that is audited whole: the flag that the file has spoken
 */
export const thenOf = (
  rule: ResolvedRule,
  meters: Meters,
  auditNumber = 0,
  fileBit?: number,
): Then => {
  const log = logLine(rule, meters)
  if (auditNumber > 0)
    return {
      actions: [
        report('log', rule, meters.log),
        ...(fileBit !== undefined && rule.verb !== 'pass' ? [markFile(fileBit)] : []),
        ...markAndGoOn(ruleTables[rule.tier]!, auditNumber),
      ],
    }
  switch (rule.verb) {
    case 'allow':
      return asksToAdmit(rule)
        ? { actions: [...readBy(rule), ...askAdmission(rule)], goto: 'admission' }
        : { actions: [...log, ...readBy(rule), load(registers.rule, rule.id)], goto: 'commit' }
    case 'allow-stateless':
      return { actions: log, goto: 'forward' }
    case 'drop':
      return { actions: log }
    case 'reject':
      return { actions: [...log, report('reject', rule, meters.reject)] }
    case 'pass':
      // The last tier has no `pass`: resolving complains.
      return { actions: log, goto: nextTable[rule.tier]! }
  }
}

const readBy = (rule: ResolvedRule): readonly Action[] =>
  helperPorts(rule).length > 0 ? [load(registers.helper, 1)] : []

const markFile = (bit: number): Action => {
  const { field, offset } = registers.auditedFiles
  return load({ field, offset: offset + bit, size: 1 }, 1)
}

const report = (
  reason: 'log' | 'reject',
  rule: ResolvedRule,
  meter: number | undefined,
): Action => ({
  kind: 'controller',
  maxLength: reason === 'log' ? logSize : rejectSize,
  userdata: writeUserdata(reason, rule.id),
  ...(meter !== undefined && { meter }),
})

/**
 * An audit rule must act and yet not decide. Rows of one match cannot both win, and multiplying it with
 * every rule below would double the policy; so the packet goes through the same table once more,
 * with a note of the last audit rule that has seen it. Those up to it do not match then.
 */
const markAndGoOn = (table: TableName, auditNumber: number): readonly Action[] => [
  load(registers.audited, auditNumber),
  { kind: 'resubmit', table: tableId[table] },
]
