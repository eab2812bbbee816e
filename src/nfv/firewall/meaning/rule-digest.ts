/** Hashes that change when, and only when, verdicts may: of a rule, and of all rules. */
import { hash32 } from '../../../pipeline/program.js'
import { contentOf } from './environment.js'
import { type Lane, mix } from './resolve-memo.js'
import type { PlacedRule, ResolvedRule } from './resolved.js'

export const withDigest = (rule: Omit<ResolvedRule, 'digest'>): ResolvedRule => {
  const verb = `${rule.isAudit ? 'audit ' : ''}${rule.auditIn ?? ''}${rule.verb} via ${rule.via ?? ''}`
  const content = `${rule.id} ${rule.tier} ${verb} ${contentOf(rule.terms)} ${contentOf(rule.from)} ${contentOf(rule.to)}${rule.dscp ? ` dscp ${rule.dscp.join()}` : ''}${admissionOf(rule)}`
  return { ...rule, digest: [hash32(content), hash32(`${content} again`)] }
}

const admissionOf = ({ limit, caps }: Omit<ResolvedRule, 'digest'>): string =>
  limit || caps ? ` ${JSON.stringify([limit, caps])}` : ''

/** 64 bits over all rules: tier by tier, in each the policies in their order. */
export const hashOf = (lanes: readonly Lane[], others: readonly PlacedRule[]): string => {
  const sum: Lane = [0, 0]
  for (const lane of lanes) mix(sum, lane)
  for (const { rule } of others) mix(sum, rule.digest)
  return sum.map(half => (half >>> 0).toString(16).padStart(8, '0')).join('')
}
