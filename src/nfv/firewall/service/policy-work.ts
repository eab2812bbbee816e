/**
 * What is asked about rules that takes as long as somebody chose to make it: whether they can be put in force, what that
 * would change, what is doubtful about them. Runs in a worker, from copies; pure.
 */
import { posix } from 'node:path'
import type { Dpid } from '../../../base/addresses.js'
import { canonicalFlow } from '../../../pipeline/canonical.js'
import { flowText } from '../../../pipeline/flow-text.js'
import type { Flow, Section } from '../../../pipeline/program.js'
import { createCompiler } from '../flows/compile.js'
import { Concerns } from '../flows/switch-rows.js'
import { lint } from '../lint/index.js'
import type { Facts } from '../meaning/environment.js'
import { Resolver } from '../meaning/resolve.js'
import type { Resolved } from '../meaning/resolved.js'
import { judgeSessions, type Session } from '../sessions/sessions.js'
import { limits, noLimits } from '../text/limits.js'
import { loadPolicy, type PolicyInput } from '../text/load.js'
import { Parser } from '../text/parse.js'
import { learningSection } from './learning-rows.js'
import type { Policy } from './policy.js'
import { describeComplaint, factsOf, type Network } from './policy-facts.js'
import { type Marks, nextMarks } from './policy-marks.js'
import { type RuleChange, ruleChanges } from './rule-changes.js'

interface Asked {
  /** Those that are in force. */
  readonly policies: readonly Policy[]
  readonly network: Network
  readonly nowMillis: number
}

/** Whether policies can be put in force with the others. */
export interface CheckJob extends Asked {
  readonly kind: 'check'
  readonly wishes: readonly Policy[]
}

/** What that would change. */
export interface PlanJob extends Asked {
  readonly kind: 'plan'
  readonly wishes: readonly Policy[]
  readonly marks: Marks
  readonly isLearning: boolean
  readonly sessions: readonly Session[]
}

/** What is doubtful about those in force. */
export interface RemarksJob extends Asked {
  readonly kind: 'remarks'
}

export type PolicyJob = CheckJob | PlanJob | RemarksJob

type ChangeKind = 'added' | 'removed' | 'changed'

export interface PlanAnswer {
  readonly changes: readonly RuleChange[]
  readonly sessions: ReturnType<typeof judgeSessions>
  /** By dpid. */
  readonly flows: ReadonlyMap<string, FlowChanges>
}

export interface FlowChanges {
  readonly flows: readonly { readonly change: ChangeKind; readonly text: string }[]
  /** Flows that would change as well and are not listed. */
  readonly more?: number
}

export interface Complaints {
  readonly complaints: readonly ReturnType<typeof describeComplaint>[]
}

/** Flows that are listed, of all switches. */
const listed = 20_000

export const work = async (job: PolicyJob): Promise<unknown> => {
  const facts = factsOf(job.network, job.nowMillis)
  const now = await read(job.policies, noLimits)
  if (job.kind === 'remarks')
    return lint([...now.values()], resolveAll(now, facts, noLimits), facts)
  const next = new Map(now)
  for (const [name, input] of await read(job.wishes, limits)) next.set(name, input)
  const resolved = resolveAll(next, facts, limits)
  const complaints = complaintsOf(next, resolved)
  return (
    complaints ?? (job.kind === 'plan' ? plan(job, resolveAll(now, facts, noLimits), resolved) : {})
  )
}

type Inputs = ReadonlyMap<string, PolicyInput>

const read = async (policies: readonly Policy[], most: typeof limits): Promise<Inputs> => {
  const inputs = new Map<string, PolicyInput>()
  for (const policy of policies) {
    const loaded = await loadPolicy(
      new Parser(),
      fileOf(policy),
      policy.source,
      path => includedIn(policy, path),
      { limits: most },
    )
    inputs.set(policy.name, { name: policy.name, order: policy.order, loaded })
  }
  return inputs
}

/** What its lines are said to be in. */
export const fileOf = ({ file, name }: Pick<Policy, 'file' | 'name'>): string =>
  file === undefined ? `${name}.rules` : posix.basename(file)

/** @throws {Error} when there is none; a name that every object has, as "constructor", is no file */
export const includedIn = ({ includes = {} }: Pick<Policy, 'includes'>, path: string): string => {
  if (!Object.hasOwn(includes, path)) throw new Error('there is no such file')
  return includes[path]!
}

const resolveAll = (inputs: Inputs, facts: Facts, most: typeof limits): Resolved =>
  new Resolver().resolve([...inputs.values()], facts, most)

const complaintsOf = (inputs: Inputs, resolved: Resolved): Complaints | undefined => {
  if (resolved.complaints.length === 0) return undefined
  const texts = new Map([...inputs.values()].flatMap(({ loaded }) => [...loaded.texts]))
  return { complaints: resolved.complaints.map(each => describeComplaint(each, texts)) }
}

const plan = (job: PlanJob, today: Resolved, next: Resolved): PlanAnswer => {
  const before = programsOf(job, today, job.marks)
  const after = programsOf(job, next, nextMarks(job.marks, next, job.network.networks))
  const known = new Map(job.policies.map(policy => [policy.name, policy]))
  let left = listed
  const flows = new Map<string, FlowChanges>()
  for (const dpid of job.network.switches.keys()) {
    const changes = flowChanges(before.get(dpid) ?? [], after.get(dpid) ?? [], left)
    left -= changes.flows.length
    flows.set(dpid, changes)
  }
  return {
    changes: job.wishes.flatMap(wish => ruleChanges(wish, known.get(wish.name))),
    sessions: judgeSessions(job.sessions, today, next),
    flows,
  }
}

/** What each switch has of the rules: forwarding is the same before and after. */
const programsOf = (
  { network, isLearning }: PlanJob,
  resolved: Resolved,
  { stamp: { generation }, timeouts }: Marks,
): ReadonlyMap<Dpid, readonly Section[]> => {
  const sections = createCompiler().compile(resolved, generation, timeouts)
  const all = isLearning ? [...sections, learningSection(generation, resolved)] : sections
  const sectionsOf = new Concerns().of(network, all)
  return new Map([...network.switches].map(([dpid, self]) => [dpid, sectionsOf(self)]))
}

const flowChanges = (
  before: readonly Section[],
  after: readonly Section[],
  most: number,
): FlowChanges => {
  const old = byKey(before)
  const next = byKey(after)
  const flows: { change: ChangeKind; text: string }[] = []
  let more = 0
  const add = (change: ChangeKind, flow: Flow) => {
    if (flows.length < most) flows.push({ change, text: flowText(flow) })
    else more++
  }
  for (const [key, flow] of next) {
    const was = old.get(key)
    if (was === undefined) add('added', flow)
    else if (canonicalFlow(was).body !== canonicalFlow(flow).body) add('changed', flow)
  }
  for (const [key, flow] of old) if (!next.has(key)) add('removed', flow)
  return { flows, ...(more > 0 && { more }) }
}

const byKey = (sections: readonly Section[]): Map<string, Flow> =>
  new Map(sections.flatMap(section => section.flows).map(flow => [canonicalFlow(flow).key, flow]))
