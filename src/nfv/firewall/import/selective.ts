/**
 * Policies that select members and list what these may do (Kubernetes, OpenStack): a member that is selected in a
 * direction may do in it what any policy allows, and nothing else; a connection needs both its ends' consent.
 *
 *     tier application   what leaves selected members: pass what is allowed, drop the rest
 *     tier baseline      what reaches selected members: allow what is allowed, drop the rest
 */
import { type RuleWriter, UniqueNames } from './rule-writer.js'

export interface Allowed {
  readonly name: string
  /** Addresses of the other side; undefined: anybody. */
  readonly peers?: readonly string[] | undefined
  readonly except?: readonly string[] | undefined
  /** Some of the members alone. */
  readonly own?: readonly string[] | undefined
  /** As a rule file writes them: `tcp 80, udp 53`; `any`. */
  readonly services: string
}

export interface Selected {
  readonly name: string
  readonly members: readonly string[]
  /** Undefined: what leaves, or reaches, the members is not restricted by this policy. */
  readonly egress?: readonly Allowed[] | undefined
  readonly ingress?: readonly Allowed[] | undefined
}

export const writeSelective = (writer: RuleWriter, policies: readonly Selected[]): void => {
  const inForce = policies.filter(policy => policy.members.length > 0)
  const names = new UniqueNames()
  const zones = new Map(inForce.map(policy => [policy, names.of(policy.name, 'zone')]))
  writer.line('default allow')
  writer.line('')
  for (const [policy, zone] of zones) writer.line(`zone ${zone} = ${policy.members.join(', ')}`)
  const direction = (
    tier: string,
    allowedOf: (policy: Selected) => readonly Allowed[] | undefined,
    rule: (name: string, zone: string, allowed: Allowed) => string,
    closing: (zones: string) => string,
  ) => {
    const limited = inForce.filter(policy => allowedOf(policy) !== undefined)
    if (limited.length === 0) return
    writer.line('')
    writer.line(`tier ${tier}`)
    // Nobody is meant: nothing is allowed.
    for (const policy of limited)
      for (const allowed of allowedOf(policy) ?? [])
        if (allowed.peers === undefined || allowed.peers.length > 0)
          writer.line(
            `  ${rule(names.of(allowed.name), membersOf(zones.get(policy)!, allowed), allowed)}`,
          )
    writer.line(`  ${closing(limited.map(policy => zones.get(policy)!).join(', '))}`)
  }
  direction(
    'application',
    policy => policy.egress,
    (name, zone, allowed) =>
      `${name}: pass ${allowed.services} from ${zone} to ${peersOf(allowed)}`,
    limited => `no-other-egress: drop any from ${limited} to any`,
  )
  direction(
    'baseline',
    policy => policy.ingress,
    (name, zone, allowed) =>
      `${name}: allow ${allowed.services} from ${peersOf(allowed)} to ${zone}`,
    limited => `no-other-ingress: drop any from any to ${limited}`,
  )
}

const membersOf = (zone: string, { own }: Allowed): string =>
  own === undefined ? zone : own.join(', ')

const peersOf = ({ peers, except }: Allowed): string => {
  const members = peers === undefined ? 'any' : peers.join(', ')
  return except && except.length > 0 ? `${members} except ${except.join(', ')}` : members
}
