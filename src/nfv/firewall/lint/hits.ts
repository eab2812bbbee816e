/** Rules that are in force and have never decided anything. */
import type { PlacedRule, Resolved } from '../resolved.js'
import { byPlace, type Remark, remarkOn } from './remark.js'

/**
 * @param packetsOf how many packets a rule has decided since its policy first came into force
 * @param sinceOf when the policy was last changed, in words; undefined when it is not known
 */
export const lintHits = (
  resolved: Resolved,
  packetsOf: (rule: PlacedRule['rule']) => number,
  sinceOf: (policy: string) => string | undefined,
): Remark[] =>
  resolved.tiers
    .flat()
    .filter(({ rule, file }) => file !== 'built-in' && !rule.isDefault && packetsOf(rule) === 0)
    .map(placed => {
      const since = sinceOf(placed.rule.policy)
      const when = since === undefined ? '' : `; its policy was last changed ${since}`
      const message = `"${placed.rule.name}" has decided nothing yet${when}`
      const hint = ' if nobody needs it'
      return remarkOn('never-hit', placed, message, {
        level: 'note',
        edit: { do: 'remove' },
        hint: `,${hint}`,
      })
    })
    .sort(byPlace)
