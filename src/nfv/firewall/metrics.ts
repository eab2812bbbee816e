/** What the firewall measures. */
import type { Families, Sample } from '../metrics.js'
import type { PolicyKeeper } from './service/policies.js'
import type { RuleCounters } from './service/rule-counters.js'

// biome-ignore format: a table
export const firewallFamilies = {
  sluice_policies:           { type: 'gauge',   labels: [],                 help: 'policies in force' },
  sluice_rule_packets_total: { type: 'counter', labels: ['policy', 'rule'], help: 'packets that asked and were decided by the rule' },
  sluice_rule_bytes_total:   { type: 'counter', labels: ['policy', 'rule'], help: 'octets of these' },
} as const satisfies Families

export type FirewallSample = Sample<keyof typeof firewallFamilies>

export function* firewallSamples(
  policies: Pick<PolicyKeeper, 'list' | 'rules'>,
  counters: Pick<RuleCounters, 'get'>,
): Generator<FirewallSample> {
  yield ['sluice_policies', policies.list().length]
  for (const { rule } of policies.rules()) {
    const count = counters.get(rule.id)
    yield ['sluice_rule_packets_total', count?.hits ?? 0, rule.policy, rule.name]
    yield ['sluice_rule_bytes_total', count?.bytes ?? 0, rule.policy, rule.name]
  }
}
