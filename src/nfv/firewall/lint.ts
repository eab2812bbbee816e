/**
 * What is legal and yet most likely a mistake: rules that can never speak, rules that change nothing,
 * rules whose order matters silently, names that nobody uses. Each remark names both lines and proposes the edit.
 */
import { isEmpty } from './address-set.js'
import { type Box, boxesOf, meets, without } from './boxes.js'
import type { Facts } from './environment.js'
import type { PolicyInput } from './resolve.js'
import { isStateless, type PlacedRule, type Resolved } from './resolved.js'
import type { Line, Member, Selection, ServiceMember } from './rule.js'
import { formatUntil } from './times.js'

export type RemarkKind =
  | 'shadowed'
  | 'redundant'
  | 'conflicting'
  | 'unreachable'
  | 'unused'
  | 'expired'
  | 'empty'
  | 'defaults'
  | 'stateless'
  | 'not-enforced'

export interface Remark {
  readonly kind: RemarkKind
  /** `note` is said only when asked for. */
  readonly level: 'warning' | 'note'
  readonly file: string
  readonly line: number
  /** The other line that has a part in it. */
  readonly otherFile?: string
  readonly otherLine?: number
  readonly message: string
  readonly hint: string
}

export const formatRemark = (remark: Remark): string =>
  `${remark.file}:${remark.line}: ${remark.message}\n  ${remark.hint}`

/** Remarks in the order of the files' lines. Conflicts are told for the first 50 pairs. */
export const lint = (
  policies: readonly PolicyInput[],
  resolved: Resolved,
  facts: Facts,
): Remark[] => {
  const remarks = [
    ...policies.flatMap(policy => lintPolicy(policy, facts)),
    ...lintDefaults(policies),
    ...lintStateless(resolved),
    ...resolved.tiers.flatMap(lintTier),
  ]
  return remarks.sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1))
}

const whereOf = ({ file, line }: { file: string; line: number }) => `${file}:${line}`

const remarkOn = (
  kind: RemarkKind,
  at: { file: string; line: number },
  message: string,
  hint: string,
  other?: { file: string; line: number },
  level: Remark['level'] = 'warning',
): Remark => ({
  kind,
  level,
  file: at.file,
  line: at.line,
  ...(other && { otherFile: other.file, otherLine: other.line }),
  message,
  hint,
})

/** A rule's boxes with its bounding interval of sources, for quick comparing. */
interface Entry {
  readonly placed: PlacedRule
  readonly boxes: readonly Box[]
  readonly low: number
  readonly high: number
  readonly lowTo: number
  readonly highTo: number
}

const boxLimit = 400
const pieceLimit = 2000
const conflictLimit = 50

const lintTier = (rules: readonly PlacedRule[]): Remark[] => {
  const remarks: Remark[] = []
  const entries: Entry[] = []
  let conflicts = 0
  for (const placed of rules) {
    if (placed.rule.isAudit || isStateless(placed.rule) || placed.file === 'built-in') continue
    if (isEmpty(placed.rule.from) || isEmpty(placed.rule.to)) {
      remarks.push(emptyRemark(placed))
      continue
    }
    const entry = entryOf(placed)
    if (entry === undefined) continue
    const before = entries.filter(other => mayMeet(entry, other))
    const covering = coveredBy(entry, before)
    if (covering) remarks.push(coverRemark(placed, covering))
    else {
      for (const other of before) {
        if (conflicts >= conflictLimit || !isConflict(entry, other)) continue
        conflicts++
        remarks.push(conflictRemark(placed, other.placed))
      }
    }
    entries.push(entry)
  }
  return [...remarks, ...needlessRemarks(entries, remarks)]
}

const entryOf = (placed: PlacedRule): Entry | undefined => {
  const boxes = boxesOf(placed.rule, boxLimit)
  if (boxes === undefined) return undefined
  const { from, to } = placed.rule
  // IPv6 rules are put at one place above all of IPv4: never too narrow, if a little too wide.
  const span = (set: typeof from) => ({
    low: set.v4[0]?.first ?? 2 ** 32,
    high: set.v6.length > 0 ? 2 ** 32 : (set.v4.at(-1)?.last ?? 2 ** 32),
  })
  const [source, destination] = [span(from), span(to)]
  const { low, high } = source
  return { placed, boxes, low, high, lowTo: destination.low, highTo: destination.high }
}

const mayMeet = (a: Entry, b: Entry): boolean =>
  a.low <= b.high &&
  a.high >= b.low &&
  a.lowTo <= b.highTo &&
  a.highTo >= b.lowTo &&
  a.boxes.some(box => b.boxes.some(other => meets(box, other)))

/** The earlier rules that leave nothing: the one, if one is enough; undefined when something is left. */
const coveredBy = (entry: Entry, before: readonly Entry[]): PlacedRule[] | undefined => {
  const alone = before.find(other => without(entry.boxes, other.boxes, pieceLimit)?.length === 0)
  if (alone) return [alone.placed]
  if (before.length > 200) return undefined
  let rest: readonly Box[] | undefined = entry.boxes
  const used: PlacedRule[] = []
  for (const other of before) {
    rest = without(rest, other.boxes, pieceLimit)
    if (rest === undefined) return undefined
    used.push(other.placed)
    if (rest.length === 0) return used
  }
  return undefined
}

const nameOf = ({ rule }: PlacedRule) => `"${rule.name}"`

const coverRemark = (placed: PlacedRule, covering: readonly PlacedRule[]): Remark => {
  const first = covering[0]!
  const isSame = covering.every(({ rule }) => rule.verb === placed.rule.verb)
  const list = covering
    .slice(0, 3)
    .map(one => `${nameOf(one)} (${whereOf(one)})`)
    .join(', ')
  const by = covering.length > 3 ? `${list} and ${covering.length - 3} more` : list
  if (isSame) {
    const message = `${nameOf(placed)} changes nothing: ${by} above ${covering.length === 1 ? 'says' : 'say'} the same for all of it`
    return remarkOn('redundant', placed, message, `remove line ${placed.line}`, first)
  }
  const isEverything = covering.length === 1 && isCatchAll(first)
  const kind = isEverything ? 'unreachable' : 'shadowed'
  const message = `${nameOf(placed)} never speaks: ${by} ${covering.length === 1 ? 'takes' : 'take'} all of it before`
  const hint = `move line ${placed.line} above ${whereOf(first)}, or remove it`
  return remarkOn(kind, placed, message, hint, first)
}

const isCatchAll = ({ rule }: PlacedRule): boolean =>
  rule.terms.some(term => term.protocol === undefined) &&
  rule.from.v4[0]?.first === 0 &&
  rule.from.v4[0].last === 0xffffffff &&
  rule.to.v4[0]?.first === 0 &&
  rule.to.v4[0].last === 0xffffffff

/** Some packets are in both, each has some of its own, and they are told different things. */
const isConflict = (later: Entry, earlier: Entry): boolean => {
  const verbs = [later.placed.rule.verb, earlier.placed.rule.verb]
  if (verbs[0] === verbs[1] || verbs.includes('pass')) return false
  const left = without(earlier.boxes, later.boxes, pieceLimit)
  return left !== undefined && left.length > 0
}

const conflictRemark = (later: PlacedRule, earlier: PlacedRule): Remark =>
  remarkOn(
    'conflicting',
    later,
    `${nameOf(later)} (${later.rule.verb}) and ${nameOf(earlier)} (${earlier.rule.verb}) in ${whereOf(earlier)} share packets; the upper one decides`,
    `if that is not meant, swap them or take the shared part out with "except"`,
    earlier,
    'note',
  )

const emptyRemark = (placed: PlacedRule): Remark =>
  remarkOn(
    'empty',
    placed,
    `${nameOf(placed)} has no address to speak of on one side`,
    'hosts, networks and ports count from when they are known; check the spelling with "sluice get hosts"',
  )

/** Rules that a later one repeats, with nothing in between that says otherwise. */
const needlessRemarks = (entries: readonly Entry[], told: readonly Remark[]): Remark[] => {
  const isTold = new Set(told.filter(one => one.kind !== 'conflicting').map(whereOf))
  // Looking ahead costs the square of the rules; beyond this it is not worth the wait.
  if (entries.length > 3000) return []
  return entries.flatMap((entry, index) => {
    if (isTold.has(whereOf(entry.placed))) return []
    for (let at = index + 1; at < entries.length; at++) {
      const later = entries[at]!
      if (!mayMeet(entry, later)) continue
      if (later.placed.rule.verb !== entry.placed.rule.verb) return []
      if (entry.placed.rule.log !== undefined || entry.placed.rule.via !== undefined) return []
      if (without(entry.boxes, later.boxes, pieceLimit)?.length !== 0) continue
      const message = `${nameOf(entry.placed)} changes nothing: ${nameOf(later.placed)} (${whereOf(later.placed)}) below says the same for all of it`
      return [
        remarkOn(
          'redundant',
          entry.placed,
          message,
          `remove line ${entry.placed.line}`,
          later.placed,
        ),
      ]
    }
    return []
  })
}

const lintDefaults = (policies: readonly PolicyInput[]): Remark[] => {
  const ordered = [...policies].sort((a, b) => a.order - b.order || (a.name < b.name ? -1 : 1))
  const declared = ordered.flatMap(policy =>
    policy.loaded.lines.flatMap(line =>
      line.statement.kind === 'default' &&
      isWhole(line.statement.from) &&
      isWhole(line.statement.to)
        ? [{ file: line.file, line: line.line, verb: line.statement.verb }]
        : [],
    ),
  )
  const last = declared.at(-1)
  const first = ordered[0]
  if (last === undefined)
    return first === undefined
      ? []
      : [
          remarkOn(
            'defaults',
            { file: first.loaded.root.file, line: 1 },
            'no default is declared: what no rule speaks for is dropped',
            'write "default drop" or "default allow"',
            undefined,
            'note',
          ),
        ]
  return declared
    .filter(one => one.verb !== last.verb)
    .map(one =>
      remarkOn(
        'defaults',
        one,
        `"default ${one.verb}" does not count: ${whereOf(last)} says "default ${last.verb}" and comes later`,
        'say the same in both, or leave one out',
        last,
      ),
    )
}

const isWhole = (selection: Selection) =>
  selection.except.length === 0 && selection.of.some(member => member.kind === 'any')

/** Stateless rules are asked before all others, wherever they stand. */
const lintStateless = (resolved: Resolved): Remark[] => {
  const all = resolved.tiers.flat()
  return all.flatMap((placed, index) => {
    if (!isStateless(placed.rule)) return []
    const entry = entryOf(placed)
    const other = all
      .slice(0, index)
      .find(
        one =>
          !isStateless(one.rule) &&
          one.rule.verb !== 'allow' &&
          !one.rule.isAudit &&
          entry &&
          meetsRule(entry, one),
      )
    if (other === undefined) return []
    return [
      remarkOn(
        'stateless',
        placed,
        `${nameOf(placed)} is stateless and so comes before ${nameOf(other)} (${whereOf(other)}), which stands above it`,
        'take the shared part out with "except", or write "allow"',
        other,
      ),
    ]
  })
}

const meetsRule = (entry: Entry, other: PlacedRule): boolean => {
  const second = entryOf(other)
  return second !== undefined && mayMeet(entry, second)
}

const lintPolicy = (policy: PolicyInput, facts: Facts): Remark[] => {
  const used = usedNames(policy.loaded.lines)
  const { file } = policy.loaded.root
  return policy.loaded.lines.flatMap(line => {
    const { statement } = line
    // Included files are shared shelves: not every policy takes everything from them.
    if ((statement.kind === 'zone' || statement.kind === 'service') && line.file === file)
      return used.has(`${statement.kind} ${statement.name}`)
        ? []
        : [
            remarkOn(
              'unused',
              line,
              `nobody uses the ${statement.kind} "${statement.name}"`,
              `remove line ${line.line}`,
            ),
          ]
    if (statement.kind !== 'rule') return []
    const remarks: Remark[] = []
    if (statement.until !== undefined && statement.until <= facts.nowMillis)
      remarks.push(
        remarkOn(
          'expired',
          line,
          `the rule was to end with ${formatUntil(statement.until)} and does no more`,
          `remove line ${line.line}, or give it a new date`,
        ),
      )
    if (statement.limit)
      remarks.push(
        remarkOn(
          'not-enforced',
          line,
          'the limit is noted, and not enforced yet',
          'the rule works as if the limit were not there',
        ),
      )
    if (
      statement.services.some(
        service =>
          service.kind === 'ports' &&
          service.transport === 'sctp' &&
          service.ports.length + service.sourcePorts.length > 0,
      )
    )
      remarks.push(
        remarkOn(
          'not-enforced',
          line,
          'Open vSwitch before 3.2 does not see the ports of SCTP: the rule will not match',
          'write "sctp" without ports',
        ),
      )
    return remarks
  })
}

const usedNames = (lines: readonly Line[]): ReadonlySet<string> => {
  const used = new Set<string>()
  const zone = (member: Member) => member.kind === 'zone' && used.add(`zone ${member.name}`)
  const services = (list: readonly ServiceMember[]) => {
    for (const one of list) if (one.kind === 'service') used.add(`service ${one.name}`)
  }
  for (const { statement } of lines) {
    if (statement.kind === 'zone')
      [...statement.members.of, ...statement.members.except].forEach(zone)
    if (statement.kind === 'service') services(statement.members)
    if (statement.kind === 'rule') services(statement.services)
    if (statement.kind === 'rule' || statement.kind === 'default')
      for (const side of [statement.from, statement.to]) [...side.of, ...side.except].forEach(zone)
  }
  return used
}
