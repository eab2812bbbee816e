/** Remarks on single lines and names: unused, expired, not seen by the switches, defaults that do not count. */
import type { Facts } from '../meaning/environment.js'
import type { PolicyInput } from '../text/load.js'
import { isAny, type Line, type Member, type Rule, type ServiceMember } from '../text/rule.js'
import { formatUntil } from '../text/times.js'
import { type Remark, remarkOn, whereOf } from './remark.js'

export const lintNames = (policy: PolicyInput, facts: Facts): Remark[] => {
  const used = usedNames(policy.loaded.lines)
  const { file } = policy.loaded.root
  return policy.loaded.lines.flatMap(line => {
    const { statement } = line
    const remarks = lintPorts(line, facts)
    if (statement.kind === 'rule') return [...remarks, ...lintRule(line, statement, facts)]
    if (statement.kind !== 'zone' && statement.kind !== 'service') return remarks
    // Included files are shared shelves: not every policy takes everything from them.
    if (line.file !== file || used.has(`${statement.kind} ${statement.name}`)) return remarks
    const message = `nobody uses the ${statement.kind} "${statement.name}"`
    return [...remarks, remarkOn('unused', line, message, { edit: { do: 'remove' } })]
  })
}

const lintRule = (line: Line, rule: Rule, facts: Facts): Remark[] => {
  const remarks: Remark[] = []
  if (rule.until !== undefined && rule.until <= facts.nowMillis) {
    const message = `the rule was to end with ${formatUntil(rule.until)} and does no more`
    const hint = ', or give it a new date'
    remarks.push(remarkOn('expired', line, message, { edit: { do: 'remove' }, hint }))
  }
  return remarks
}

const membersOf = ({ statement }: Line): readonly Member[] => {
  if (statement.kind === 'zone') return [...statement.members.of, ...statement.members.except]
  if (statement.kind !== 'rule' && statement.kind !== 'default' && statement.kind !== 'nat')
    return []
  return [statement.from, statement.to].flatMap(({ of, except }) => [...of, ...except])
}

/** Names of ports that several switches have, in the lines of a policy. */
export const lintPortNames = ({ loaded }: PolicyInput, facts: Facts): Remark[] =>
  loaded.lines.flatMap(line => lintPorts(line, facts))

/** Switches name themselves: of several with one name a rule means the one that was seen first. */
const lintPorts = (line: Line, facts: Facts): Remark[] =>
  membersOf(line).flatMap(member => {
    if (member.kind !== 'port') return []
    const [meant, ...others] = facts.switchesMeant?.(member.name) ?? []
    if (meant === undefined || others.length === 0) return []
    const [name, port] = splitLast(member.name)
    const message = `${1 + others.length} switches are named "${name}": this means ${meant}, which was seen first`
    const hint = `write "port ${meant}:${port}", or ${others.map(dpid => `"port ${dpid}:${port}"`).join(' or ')}`
    return [remarkOn('ambiguous', line, message, { hint })]
  })

const splitLast = (text: string): [string, string] => {
  const colon = text.lastIndexOf(':')
  return [text.slice(0, colon), text.slice(colon + 1)]
}

const usedNames = (lines: readonly Line[]): ReadonlySet<string> => {
  const used = new Set<string>()
  const zone = (member: Member) => member.kind === 'zone' && used.add(`zone ${member.name}`)
  const services = (list: readonly ServiceMember[]) => {
    for (const one of list) if (one.kind === 'service') used.add(`service ${one.name}`)
  }
  for (const line of lines) {
    const { statement } = line
    membersOf(line).forEach(zone)
    if (statement.kind === 'service') services(statement.members)
    // Its timeout is that of the ports, whoever lets them in.
    if (statement.kind === 'service' && statement.timeout) used.add(`service ${statement.name}`)
    if (statement.kind === 'rule') services(statement.services)
    if (statement.kind === 'nat') services(statement.services ?? [])
  }
  return used
}

/** The default is that of the last policy that declares one. */
export const lintDefaults = (policies: readonly PolicyInput[]): Remark[] => {
  const ordered = [...policies].sort((a, b) => a.order - b.order || (a.name < b.name ? -1 : 1))
  const declared = ordered.flatMap(policy =>
    policy.loaded.lines.flatMap(({ statement, file, line }) =>
      statement.kind === 'default' && isAny(statement.from) && isAny(statement.to)
        ? [{ file, line, verb: statement.verb }]
        : [],
    ),
  )
  const last = declared.at(-1)
  const first = ordered[0]
  if (first === undefined) return []
  if (last === undefined) {
    const message = 'no default is declared: what no rule speaks for is dropped'
    const hint = 'write "default drop" or "default allow"'
    return [
      remarkOn('defaults', { file: first.loaded.root.file, line: 1 }, message, {
        level: 'note',
        hint,
      }),
    ]
  }
  return declared
    .filter(one => one.verb !== last.verb)
    .map(one => {
      const message = `"default ${one.verb}" does not count: ${whereOf(last)} says "default ${last.verb}" and comes later`
      const hint = ', or say the same in both'
      return remarkOn('defaults', one, message, { other: last, edit: { do: 'remove' }, hint })
    })
}
