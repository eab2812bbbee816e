/** Rules that are in force and have never decided anything. */
import type { PlacedRule, Resolved } from '../meaning/resolved.js'
import { byPlace, type Remark, remarkOn } from './remark.js'

/**
 * Of policies that have been as they are for long enough: of a younger one it says nothing that a rule was not needed yet.
 *
 * @param packetsOf how many packets a rule has decided since its policy first came into force
 * @param sinceOf when the policy was last changed, in ISO 8601; undefined when it is not known
 * @param youngestMillis what was changed later is passed by; milliseconds since 1970
 */
export const lintHits = (
  resolved: Resolved,
  packetsOf: (rule: PlacedRule['rule']) => number,
  sinceOf: (policy: string) => string | undefined,
  youngestMillis: number,
): Remark[] =>
  resolved.tiers
    .flat()
    .filter(({ rule }) => Date.parse(sinceOf(rule.policy) ?? '') <= youngestMillis)
    .filter(({ rule, file }) => file !== 'built-in' && !rule.isDefault && packetsOf(rule) === 0)
    .map(placed => {
      const since = sinceOf(placed.rule.policy)
      const when = since === undefined ? '' : `; its policy was last changed ${since}`
      const message = `"${placed.rule.name}" has decided nothing yet${when}`
      const hint = ' if nobody needs it'
      return remarkOn('never-hit', placed, message, {
        edit: { do: 'remove' },
        hint: `,${hint}`,
      })
    })
    .sort(byPlace)
