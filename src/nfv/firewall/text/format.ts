/** Statements to text: the one way to write each, comments kept. `parse(format(x))` means what `x` means. */
import { formatCidr, formatIpv4, formatIpv6 } from '../../../base/addresses.js'
import { formatNat } from '../nat/format-nat.js'
import { dscpWord } from './dscp.js'
import { isBare, readsTwice } from './parse-parts.js'
import {
  days,
  isAny,
  type Line,
  type LogWish,
  type Member,
  type PortRange,
  type Rate,
  type RejectCode,
  type Rule,
  type Schedule,
  type Section,
  type Selection,
  type ServiceMember,
  type Statement,
} from './rule.js'
import { formatMoment, formatSpan, formatUntil } from './times.js'
import { icmpTypeWord, protocolWord } from './words.js'

/** A whole file. Rules and defaults below a `tier` are set in by two, rules of a section by two more. */
export const formatFile = (lines: readonly Pick<Line, 'statement' | 'comment'>[]): string => {
  let isInTier = false
  let section: Section | undefined
  const out = lines.map(({ statement, comment }) => {
    if (statement.kind === 'tier') isInTier = true
    if (statement.kind === 'tier' || statement.kind === 'end') section = undefined
    const body = formatStatement(statement, section)
    const isSetIn = isInTier && (statement.kind === 'rule' || statement.kind === 'default')
    const indent = (isSetIn ? 1 : 0) + (section !== undefined && statement.kind === 'rule' ? 1 : 0)
    if (statement.kind === 'section') section = statement
    const remark = comment === undefined ? '' : `#${comment}`
    return `${'  '.repeat(indent)}${body}${body !== '' && remark !== '' ? '  ' : ''}${remark}`
  })
  return out.length === 0 ? '' : `${out.join('\n')}\n`
}

/** @param section that it stands in: ends and log of a rule that are the section's are not said again */
export const formatStatement = (statement: Statement, section?: Section): string => {
  switch (statement.kind) {
    case 'blank':
      return ''
    case 'zone':
      return `zone ${statement.name} = ${formatSelection(statement.members)}`
    case 'service':
      return `service ${statement.name} = ${formatServices(statement.members)}${formatTimeout(statement.timeout)}`
    case 'include':
      return `include "${statement.path}"`
    case 'tier':
      return `tier ${statement.tier}${statement.isAudit ? ' audit' : ''}`
    case 'section': {
      const { from, to } = statement
      const side = (word: string, end: Selection | undefined) =>
        end === undefined ? '' : ` ${word} ${formatSelection(end)}`
      return `section${side('from', from)}${side('to', to)}${formatLog(statement.log)}`
    }
    case 'end':
      return 'end'
    case 'file-audit':
      return 'file audit'
    case 'let':
      return `let ${statement.name} = ${statement.value}`
    case 'default': {
      const isWhole = isAny(statement.from) && isAny(statement.to)
      const ends = isWhole ? '' : formatEnds(statement.from, statement.to)
      return `default ${statement.verb}${ends}${formatAnswer(statement.answer)}${formatLog(statement.log)}`
    }
    case 'nat':
      return formatNat(statement, natParts)
    case 'test': {
      const by = statement.by === undefined ? '' : ` by ${statement.by}`
      const packet = `${formatMember(statement.from)} -> ${formatMember(statement.to)} ${formatService(statement.service)}${formatDscp(statement.dscp)}`
      const at = statement.at === undefined ? '' : ` at ${formatMoment(statement.at)}`
      return `test "${statement.title}" ${packet} ${statement.verdict}${by}${at}`
    }
    case 'rule':
      return `${statement.name === undefined ? '' : `${statement.name}: `}${formatRuleBody(statement, section)}`
  }
}

/** What statements of address translation share with rules. */
export const natParts = {
  selection: (selection: Selection): string => formatSelection(selection),
  services: (members: readonly ServiceMember[]): string => formatServices(members),
  member: (member: Member): string => formatMember(member),
}

const formatTimeout = (seconds: number | undefined): string =>
  seconds === undefined ? '' : ` timeout ${formatSpan(seconds)}`

/** A rule without its name. */
export const formatRuleBody = (rule: Rule, section?: Section): string => {
  const verb = rule.isAudit ? (rule.verb === 'pass' ? 'audit' : `audit ${rule.verb}`) : rule.verb
  const counted = countedParts(rule)
    .map(part => ` ${part}`)
    .join('')
  const via = rule.via ? ` via ${rule.via.name}` : ''
  const until = rule.until === undefined ? '' : ` until ${formatUntil(rule.until)}`
  const schedule = rule.schedule ? ` schedule ${formatSchedule(rule.schedule)}` : ''
  const head = `${verb} ${formatServices(rule.services)}${formatEnds(rule.from, rule.to, section)}`
  return `${head}${formatAnswer(rule.answer)}${formatDscp(rule.dscp)}${via}${counted}${until}${schedule}${rule.log === section?.log ? '' : formatLog(rule.log)}`
}

const formatAnswer = (answer: RejectCode | undefined): string =>
  answer === undefined ? '' : ` with ${answer}`

const formatDscp = (points: number | readonly number[] | undefined): string =>
  points === undefined ? '' : ` dscp ${[points].flat().map(dscpWord).join(', ')}`

const countedParts = ({ limit, caps = [] }: Pick<Rule, 'limit' | 'caps'>): string[] => {
  const each = (isPerSource: boolean) => (isPerSource ? ' per source' : '')
  return [
    ...(limit ? [`limit ${formatRate(limit.rate)}${each(limit.isPerSource)}`] : []),
    ...caps.map(cap => `max ${cap.count} ${cap.of}${each(cap.isPerSource)}`),
  ]
}

/** What a rule allows within; undefined when it does not count. */
export const formatCounted = (rule: Pick<Rule, 'limit' | 'caps'>): string | undefined =>
  countedParts(rule).join(', ') || undefined

const formatEnds = (from: Selection, to: Selection, section?: Section): string =>
  (from === section?.from ? '' : ` from ${formatSelection(from)}`) +
  (to === section?.to ? '' : ` to ${formatSelection(to)}`)

export const formatSelection = (selection: Selection): string => {
  const of = selection.of.map(formatMember).join(', ')
  if (selection.except.length === 0) return of
  return `${of} except ${selection.except.map(formatMember).join(', ')}`
}

export const formatMember = (member: Member): string => {
  switch (member.kind) {
    case 'any':
      return 'any'
    case 'cidr':
      return formatCidr(member.cidr)
    case 'range': {
      const format = (value: number | bigint) =>
        member.version === 4 ? formatIpv4(Number(value)) : formatIpv6(BigInt(value))
      return `${format(member.first)}-${format(member.last)}`
    }
    case 'zone':
      return member.name
    default:
      return `${member.kind} ${member.name}`
  }
}

export const formatServices = (members: readonly ServiceMember[]): string => {
  const isClear = members.every((member, at) => at === 0 || !readsTwice(members[at - 1]!, member))
  // All of a protocol comes last where its neighbour's ports would seem to be its own.
  const ordered = isClear
    ? members
    : [...members.filter(member => !isBare(member)), ...members.filter(isBare)]
  return ordered.map(formatService).join(', ')
}

export const formatService = (member: ServiceMember): string => {
  switch (member.kind) {
    case 'any':
      return 'any'
    case 'service':
      return member.name
    case 'protocol':
      return `proto ${protocolWord(member.number)}`
    case 'icmp': {
      const word = member.version === 4 ? 'icmp' : 'icmp6'
      const code = member.code === undefined ? '' : `/${member.code}`
      return member.type === undefined
        ? word
        : `${word} ${icmpTypeWord(member.version, member.type)}${code}`
    }
    case 'ports': {
      const source =
        member.sourcePorts.length > 0 ? ` source${formatPorts(member.sourcePorts)}` : ''
      const helper = member.helper ? ` helper ${member.helper}` : ''
      const { exceptPorts: without } = member
      const except = without ? ` except${formatPorts(without)}` : ''
      return `${member.transport}${formatPorts(member.ports)}${except}${source}${helper}`
    }
  }
}

/** Each port or range with a space before it. */
const formatPorts = (ranges: readonly PortRange[]): string =>
  ranges.map(({ from, to }) => (from === to ? ` ${from}` : ` ${from}-${to}`)).join('')

export const formatRate = (rate: Rate): string =>
  `${rate.count}/${rate.per === 'second' ? 's' : rate.per}`

const formatLog = (log: LogWish | undefined): string => {
  if (log === undefined) return ''
  const rate = log.rate === undefined ? '' : ` new ${formatRate(log.rate)}`
  return ` log${rate}${log.text === undefined ? '' : ` "${log.text}"`}`
}

export const formatSchedule = (schedule: Schedule): string => {
  const time = (minute: number) =>
    `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
  const [first, last] = [schedule.days[0]!, schedule.days.at(-1)!]
  const span =
    schedule.days.length === days.length && first === 'mon'
      ? 'daily'
      : first === last
        ? first
        : `${first}-${last}`
  const zone = schedule.timeZone === 'UTC' ? '' : ` ${schedule.timeZone}`
  return `${span} ${time(schedule.from)}-${time(schedule.to)}${zone}`
}
