/** Rules that no file holds: the default where none is declared, and what hosts need to get an address. */
import { hash32 } from '../../../pipeline/program.js'
import type { PolicyInput } from '../text/load.js'
import { everyAddress } from './address-set.js'
import type { Ids } from './resolve-memo.js'
import type { PlacedRule } from './resolved.js'
import { withDigest } from './rule-digest.js'

/** The number that a rule has unless another has it. */
export const wantedId = (policy: string, rule: string): number => hash32(`${policy}/${rule}`)

const whole = { from: everyAddress, to: everyAddress, terms: [{}], isAudit: false } as const

/** Without a policy: allow. With policies that declare no default: drop. */
export const undeclared = (policy: PolicyInput | undefined, ids: Ids): PlacedRule => {
  const [name, verb] = policy ? [policy.name, 'drop' as const] : ['none', 'allow' as const]
  const id = policy ? ids.take(wantedId(name, 'default')) : 0
  const rule = withDigest({
    id,
    policy: name,
    name: 'default',
    tier: 3,
    verb,
    isDefault: true,
    ...whole,
  })
  return { rule, file: policy?.loaded.root.file ?? 'built-in', line: 0 }
}

/** What hosts need to get an address also under a default drop. */
export const builtIn = (ids: Ids): PlacedRule => {
  const pair = (version: 4 | 6, from: number, to: number) => ({
    version,
    protocol: 17,
    source: [{ from, to: from }],
    destination: [{ from: to, to }],
  })
  const terms = [pair(4, 68, 67), pair(4, 67, 68), pair(6, 546, 547), pair(6, 547, 546)]
  const id = ids.take(wantedId('built-in', 'dhcp'))
  const names = { policy: 'built-in', name: 'dhcp', tier: 3, verb: 'allow' as const }
  return {
    rule: withDigest({ id, ...names, ...whole, terms, isDefault: false }),
    file: 'built-in',
    line: 1,
  }
}
