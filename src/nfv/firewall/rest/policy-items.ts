/** Policies and rules as the API shows them; the shapes that scripts rely on. */
import { type Lack, lackState } from '../../lack.js'
import { isShort } from '../flows/timeout-zones.js'
import { lintHits, type Remark } from '../lint/index.js'
import { type BuiltInRule, builtInRules } from '../meaning/built-in.js'
import type { ResolvedRule } from '../meaning/resolved.js'
import type { Policy } from '../service/policy.js'
import { policyOfFile } from '../service/rule-watcher.js'
import type { Firewall } from '../service/service.js'
import { formatCounted } from '../text/format.js'

/** @param lacks switches without the rules; asked for once where there are many policies */
export const policyItem = (firewall: Firewall, name: string, lacks = firewall.lacking()) => {
  const policy = firewall.policies.get(name)
  const { unconfirmed } = firewall.policies.history
  const waits =
    unconfirmed !== undefined &&
    firewall.policies.history.get(unconfirmed.number).changes.some(each => each.name === name)
  const refusals = firewall.policies.refusalsOf(name)
  return {
    kind: 'Policy',
    name,
    order: policy.order,
    ...(refusals[0]
      ? { state: 'failed', reason: `${refusals[0].error}: ${refusals[0].request}` }
      : withTrouble(firewall, policy, policyState(firewall, name, lacks))),
    rules: firewall.policies.ruleCount(name),
    generation: firewall.policies.generation,
    changed: policy.changed,
    ...(waits && { unconfirmedUntil: new Date(unconfirmed.deadlineMillis).toISOString() }),
    ...(policy.file !== undefined && { file: policy.file }),
    ...(policy.watch && { watch: true }),
  }
}

/** What is in force may not be what its file says any more. */
const withTrouble = (
  firewall: Firewall,
  { file }: Policy,
  state: { state: string; reason?: string },
): { state: string; reason?: string } => {
  const trouble = file === undefined ? undefined : firewall.files.get(file)
  if (trouble === undefined) return state
  const reason = `what the file says now is not in force: ${trouble.reason.split('\n')[0]}`
  return { ...state, reason: state.reason === undefined ? reason : `${state.reason}; ${reason}` }
}

/** Rule files of which nothing was ever in force. */
export const troubledFiles = (firewall: Firewall) => {
  const { files, policies } = firewall
  const known = new Set(policies.list().map(policy => policy.file))
  return [...files]
    .filter(([file]) => !known.has(file))
    .map(([file, { reason }]) => ({
      kind: 'Policy',
      name: policyOfFile(file),
      state: 'failed',
      reason: `${reason.split('\n')[0]}${policies.closedBecause === undefined ? '' : '; everything is denied meanwhile'}`,
      rules: 0,
      file,
    }))
}

/** Of a policy of which no switch has refused anything. */
const policyState = (
  firewall: Firewall,
  name: string,
  lacks: readonly Lack[],
): { state: string; reason?: string } => {
  const lack = lackState(lacks, firewall.host.topology.current.switches.size)
  if (lack) return lack
  if (!firewall.policies.hasTimeouts(name)) return { state: 'installed' }
  const { pending, unreached } = firewall.untimed()
  if (unreached.length > 0)
    return {
      state: 'degraded',
      reason: `timeouts of services are not set at ${unreached.join(', ')}, since no kind Switch reaches the database`,
    }
  if (isShort(firewall.policies.timeouts))
    return {
      state: 'degraded',
      reason:
        'not every network has room for every timeout of services: a switch has 63 zones for networks and timeouts in them',
    }
  return pending.length === 0
    ? { state: 'installed' }
    : { state: 'pending', reason: `timeouts of services are on their way to ${pending.join(', ')}` }
}

/**
 * Rules with what they decided, over all switches, edits and restarts; and how many sessions each has let in, when
 * asked for and where that can be read.
 */
export const ruleItems = async (firewall: Firewall, wantsSessions: boolean) => {
  await firewall.counters.read()
  const lineOf = linesOf(firewall)
  const sessions = wantsSessions ? await sessionCounts(firewall) : undefined
  const rules = firewall.policies.rules().map(({ rule, file, line }) => {
    const count = firewall.counters.get(rule.id)
    return {
      policy: rule.policy,
      tier: rule.tier,
      name: rule.name,
      id: rule.id,
      verb: rule.verb,
      ...withinOf(rule),
      file,
      line,
      isDefault: rule.isDefault,
      text: lineOf(rule.policy, file, line),
      packets: count?.hits ?? 0,
      bytes: count?.bytes ?? 0,
      ...(sessions && { sessions: sessions.get(`${rule.policy}/${rule.name}`) ?? 0 }),
      ...(count && { lastHit: new Date(count.lastHitMillis).toISOString() }),
    }
  })
  return [...builtInRules.map(builtInItem), ...rules]
}

const withinOf = (rule: ResolvedRule) => {
  const within = formatCounted(rule)
  return within === undefined ? {} : { within }
}

/** They pass before any rule is asked, and are not counted. */
const builtInItem = ({ name, text }: BuiltInRule) => ({
  policy: 'built-in',
  name,
  verb: 'allow-stateless',
  file: 'built-in',
  line: 0,
  text,
})

/** By `policy/rule`; undefined where no switch can be asked. */
const sessionCounts = async (
  firewall: Firewall,
): Promise<ReadonlyMap<string, number> | undefined> => {
  const { items, unread } = await firewall.sessions.read()
  if (items.length === 0 && unread.length > 0) return undefined
  const counts = new Map<string, number>()
  for (const { policy, rule } of items) {
    const key = `${policy}/${rule}`
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}

/**
 * Doubts about the rules in force: what reading them shows, and what their counters do.
 *
 * @param sinceMillis for how long rules that are told must have decided nothing
 */
export const remarkItems = async (
  firewall: Firewall,
  sinceMillis: number,
): Promise<readonly Remark[]> => {
  const { policies, counters, host } = firewall
  const { resolved } = policies
  if (resolved === undefined) return []
  await counters.read()
  const changed = new Map(policies.list().map(policy => [policy.name, policy.changed]))
  return [
    ...(await policies.remarks(host.topology.current)),
    ...lintHits(
      resolved,
      rule => counters.get(rule.id)?.hits ?? 0,
      policy => changed.get(policy),
      host.clock.wallMillis() - sinceMillis,
    ),
  ]
}

/** Lines as they are written; each file is cut once. */
const linesOf = (firewall: Firewall) => {
  const files = new Map<string, readonly string[]>()
  return (policy: string, file: string, line: number): string | undefined => {
    const key = `${policy} ${file}`
    const lines = files.get(key) ?? firewall.policies.textOf(policy, file)?.split('\n') ?? []
    files.set(key, lines)
    return lines[line - 1]?.trim()
  }
}
