/** All that can be said about a rule file before it counts: mistakes, remarks, its tests, how many flows it takes. */
import type { Ip } from '../../../base/addresses.js'
import { formatIpv4, formatIpv6 } from '../../../base/addresses.js'
import type { Connection } from '../../../pipeline/connection.js'
import { Compiler } from '../flows/compile.js'
import { formatRemark, lint, type Remark } from '../lint/index.js'
import { published } from '../nat/resolve-nat.js'
import { complaintAt, formatComplaint, noMoreTime } from '../text/complaint.js'
import {
  counted,
  type IsOver,
  limits,
  maxTestMoments,
  maxTestSteps,
  maxTests,
} from '../text/limits.js'
import type { PolicyInput } from '../text/load.js'
import {
  type Line,
  type Member,
  type Moment,
  type RuleError,
  type ServiceMember,
  type Test,
  transports,
} from '../text/rule.js'
import { formatMoment } from '../text/times.js'
import { whyNot } from '../why-not.js'
import { type Decision, decide } from './decide.js'
import type { Facts } from './environment.js'
import { Resolver } from './resolve.js'
import type { Resolved } from './resolved.js'

export interface TestResult {
  readonly file: string
  readonly line: number
  readonly title: string
  readonly passed: boolean
  readonly expected: string
  /** What the rules say, with the rule and its place. */
  readonly seen: string
  /** Why the rule that was expected did not decide. */
  readonly because?: string
  /** When it was asked: `at 2027-03-01T09:00 UTC`, or with every schedule on; absent where no rule has a schedule or an end. */
  readonly when?: string
}

/** How many rows of a switch the rules take; the firewall's fixed rows are not counted. */
export interface Counts {
  readonly rules: number
  readonly flows: number
  /** By `policy/rule`. */
  readonly flowsByRule: Readonly<Record<string, number>>
}

export interface Report {
  readonly complaints: readonly RuleError[]
  readonly remarks: readonly Remark[]
  readonly tests: readonly TestResult[]
  /** Absent when there are complaints. */
  readonly counts?: Counts
  /** 0: nothing wrong. 1: mistakes, or tests that fail. */
  readonly exitCode: 0 | 1
}

/**
 * Checks policies as they would count together. `tests` of all of them are run.
 *
 * @param isOver what is not looked at by then is a mistake that says so
 */
export const check = (
  policies: readonly PolicyInput[],
  facts: Facts,
  isOver: IsOver = () => false,
  resolved: Resolved = new Resolver().resolve(policies, facts, { ...limits, isOver }),
): Report => {
  if (resolved.complaints.length > 0)
    return { complaints: resolved.complaints, remarks: [], tests: [], exitCode: 1 }
  const many = tooManyTests(policies, resolved)
  if (many) return { complaints: [many], remarks: [], tests: [], exitCode: 1 }
  const complaints: RuleError[] = []
  let late: Line | undefined
  const times = new Times(policies, facts, resolved)
  const tests = policies.flatMap(policy =>
    policy.loaded.lines.flatMap(line => {
      if (line.statement.kind !== 'test' || late !== undefined) return []
      if (isOver()) late = line
      const result = runTest(times, line as Line<Test>, facts)
      if ('message' in result) complaints.push(result)
      return 'message' in result ? [] : [result]
    }),
  )
  if (late) complaints.push(noMoreTime(late, 'tests behind this one, and how rules overlap, were'))
  const remarks = late ? [] : lint(policies, resolved, facts, isOver)
  const isCounted = late === undefined && !isOver()
  if (late === undefined && !isCounted) {
    const [first] = policies.flatMap(({ loaded }) => loaded.lines.slice(0, 1))
    complaints.push(noMoreTime(first, 'how some rules overlap, and how many flows there are, was'))
  }
  const isGood = complaints.length === 0 && tests.every(test => test.passed)
  return {
    complaints,
    remarks,
    tests,
    ...(isCounted && { counts: countFlows(resolved) }),
    exitCode: isGood ? 0 : 1,
  }
}

const everOn = 'with every schedule on'

/** The rules as they are at the times that tests name. */
class Times {
  readonly #policies: readonly PolicyInput[]
  readonly #facts: Facts
  readonly #now: Resolved
  readonly #hasTimes: boolean
  readonly #known = new Map<number | undefined, Resolved>()

  constructor(policies: readonly PolicyInput[], facts: Facts, now: Resolved) {
    this.#policies = policies
    this.#facts = facts
    this.#now = now
    this.#hasTimes = policies.some(({ loaded }) =>
      loaded.lines.some(
        ({ statement }) =>
          statement.kind === 'rule' &&
          (statement.schedule !== undefined || statement.until !== undefined),
      ),
    )
  }

  at(moment: Moment | undefined): { readonly resolved: Resolved; readonly when?: string } {
    if (!this.#hasTimes) return { resolved: this.#now }
    const key = moment?.millis
    let resolved = this.#known.get(key)
    if (resolved === undefined) {
      const facts: Facts = moment
        ? { ...this.#facts, nowMillis: moment.millis }
        : { ...this.#facts, isAlwaysOn: true }
      resolved = new Resolver().resolve(this.#policies, facts)
      this.#known.set(key, resolved)
    }
    return { resolved, when: moment ? `at ${formatMoment(moment)}` : everOn }
  }
}

const tooManyTests = (
  policies: readonly PolicyInput[],
  { tiers }: Resolved,
): RuleError | undefined => {
  const rules = tiers.reduce((sum, { length }) => sum + length, 1)
  const most = Math.min(maxTests, Math.floor(maxTestSteps / rules))
  const lines = policies.flatMap(({ loaded }) => loaded.lines)
  const tests = lines.filter(({ statement }) => statement.kind === 'test')
  const moments = new Set<number>()
  for (const line of tests) {
    const { at } = line.statement as Test
    if (at !== undefined && moments.add(at.millis).size > maxTestMoments)
      return complaintAt(
        line,
        0,
        1,
        `tests name more than ${maxTestMoments} different times up to here`,
        'ask at the same times, or check fewer of them at a time',
      )
  }
  const beyond = tests[most]
  if (beyond === undefined) return undefined
  const message = `there are more than ${counted(most)} tests for ${counted(rules)} rules up to here`
  return complaintAt(beyond, 0, 1, message, 'check fewer of them at a time')
}

const countFlows = (resolved: Resolved): Counts => {
  const flowsByRule = new Map<string, number>()
  let flows = 0
  for (const section of new Compiler().compile(resolved, 1))
    for (const { origin } of section.flows) {
      const isOfRule = origin.kind === 'policy'
      if (isOfRule) flowsByRule.set(origin.name, (flowsByRule.get(origin.name) ?? 0) + 1)
      if (isOfRule || section.name === 'firewall/ports') flows++
    }
  const rules = resolved.tiers.reduce((count, tier) => count + tier.length, 1)
  return { rules, flows, flowsByRule: Object.fromEntries(flowsByRule) }
}

/** The report as people read it. @param texts by file, for the lines under complaints */
export const formatReport = (
  report: Report,
  texts: ReadonlyMap<string, string>,
  wants: { readonly notes?: boolean } = {},
): string => {
  const remarks = report.remarks.filter(one => one.level === 'warning' || wants.notes)
  const parts = [
    ...report.complaints.map(error => formatComplaint(error, texts.get(error.file))),
    ...remarks.map(formatRemark),
    ...report.tests
      .filter(test => !test.passed)
      .map(
        test =>
          `${test.file}:${test.line}: test "${test.title}" fails\n  expected ${test.expected}; the rules say ${test.seen}${test.when === undefined ? '' : `, ${test.when}`}${test.because === undefined ? '' : `\n  ${test.because}`}`,
      ),
  ]
  return [...parts, summary(report, remarks.length)].join('\n\n')
}

const summary = ({ complaints, tests, counts }: Report, remarks: number): string => {
  if (complaints.length > 0) return `${plural(complaints.length, 'mistake')}; nothing was changed`
  const passed = tests.filter(test => test.passed).length
  const ratio = counts ? (counts.flows / counts.rules).toFixed(2) : '0'
  const size = counts
    ? `${plural(counts.rules, 'rule')} -> ${plural(counts.flows, 'flow')} (x${ratio})`
    : ''
  const ever = tests.filter(test => test.when === everOn).length
  return [
    size,
    plural(remarks, 'warning'),
    `${passed} of ${plural(tests.length, 'test')} passed`,
    ...(ever > 0 ? [`${ever} of them ${everOn} ("at TIME" asks at one)`] : []),
  ].join('; ')
}

const plural = (count: number, what: string): string => {
  return `${counted(count)} ${what}${count === 1 ? '' : 's'}`
}

const runTest = (times: Times, line: Line<Test>, facts: Facts): TestResult | RuleError => {
  const test = line.statement
  const ends = [test.from, test.to].map(member => addressOf(member, facts))
  const missing = ends.indexOf(undefined)
  if (missing >= 0) {
    const member = missing === 0 ? test.from : test.to
    const [name, at = 0] = member.kind === 'host' ? [member.name, member.at] : ['', 0]
    return complaintAt(
      line,
      at,
      name.length,
      `no address is known of host "${name}"`,
      facts.isOffline
        ? `say it with --address ${name}=ADDRESS, or give the file of its Host object as well`
        : 'write the address, or wait until the host is seen',
    )
  }
  const { resolved, when } = times.at(test.at)
  const asked = {
    ...connectionOf(ends[0]!, ends[1]!, test.service),
    ...(test.dscp !== undefined && { dscp: test.dscp }),
  }
  const { connection } = published(resolved.nat ?? [], asked)
  const decision = decide(resolved, connection)
  const isRule =
    test.by === undefined || test.by === (decision.byDefault ? 'default' : decision.rule)
  const because =
    isRule || test.by === undefined ? undefined : whyNot(resolved, test.by, connection)
  return {
    file: line.file,
    line: line.line,
    title: test.title,
    passed: decision.verdict === test.verdict && isRule,
    expected: `${test.verdict}${test.by === undefined ? '' : ` by ${test.by}`}`,
    seen: describe(decision),
    ...(because !== undefined && { because }),
    ...(when !== undefined && { when }),
  }
}

/** `allow by browse (campus.rules:8)` */
export const describe = (decision: Decision): string =>
  `${decision.verdict} by ${decision.rule} (${decision.file}:${decision.line})`

const addressOf = (member: Member, facts: Facts): Ip | undefined => {
  if (member.kind === 'host') return facts.hostAddresses(member.name)?.[0]
  if (member.kind !== 'cidr') return undefined
  const { version, address } = member.cidr
  return version === 4 ? formatIpv4(Number(address)) : formatIpv6(BigInt(address))
}

/** A source port from the ephemeral range (RFC 6335), where nothing says which. */
const anyPort = 49152

export const connectionOf = (source: Ip, destination: Ip, service: ServiceMember): Connection => {
  const ends = { source, destination }
  switch (service.kind) {
    case 'ports': {
      const { transport, ports, sourcePorts } = service
      const sourcePort = sourcePorts[0]?.from ?? anyPort
      return {
        ...ends,
        protocol: transports[transport],
        sourcePort,
        destinationPort: ports[0]?.from ?? 0,
      }
    }
    case 'icmp': {
      const [protocol, echo] = service.version === 4 ? [1, 8] : [58, 128]
      const sourcePort = service.type ?? echo!
      return { ...ends, protocol: protocol!, sourcePort, destinationPort: service.code ?? 0 }
    }
    case 'protocol':
      return { ...ends, protocol: service.number, sourcePort: 0, destinationPort: 0 }
    default:
      throw new TypeError(`a packet cannot be of service ${service.kind}`)
  }
}
