/**
 * Changes what an intent has in the switches so that its frames arrive at all times: make before break.
 *
 *     what is new ── confirmed ──> what leads to it, from the far end backwards ── confirmed ──> what is left over goes, from the near end on
 *
 * An entry that carries frames is changed when all that its frames meet next is in force and confirmed. So a frame
 * follows the old way up to the first entry that is changed, and from there on only changed ones.
 */

import type { Dpid } from '../../base/addresses.js'
import type { Entries, Entry } from './entries.js'

/**
 * What may be in force next.
 *
 * @param pending switches that have not confirmed the stage before
 * @returns `now` when nothing can be done, or nothing is left to do
 */
export const nextStage = (now: Entries, wanted: Entries, pending: ReadonlySet<Dpid>): Entries => {
  const behind = [...wanted.values()].filter(entry => now.get(entry.key)?.text !== entry.text)
  if (behind.length > 0) return made(now, wanted, behind, pending)
  return pending.size === 0 ? broken(now, wanted) : now
}

const made = (
  now: Entries,
  wanted: Entries,
  behind: readonly Entry[],
  pending: ReadonlySet<Dpid>,
): Entries => {
  const entered = new Set(
    [...now.values()].filter(entry => entry.isEntrance).map(entry => entry.lane),
  )
  const whole = new Map<string, boolean>()
  /** In force and confirmed, and all that follows too. */
  const isInForce = (key: string): boolean => {
    const known = whole.get(key)
    if (known !== undefined) return known
    whole.set(key, false)
    const entry = wanted.get(key)
    const isWhole =
      entry !== undefined &&
      now.get(key)?.text === entry.text &&
      !pending.has(entry.dpid) &&
      entry.next.every(isInForce)
    whole.set(key, isWhole)
    return isWhole
  }
  const ready = behind.filter(entry => {
    // While an old path is in force no frame comes to where only the new one goes.
    const isIdle = !entry.isEntrance && !now.has(entry.key) && entered.has(entry.lane)
    return isIdle || entry.next.every(isInForce)
  })
  if (ready.length === 0) return now
  const next = new Map(now)
  for (const entry of ready) next.set(entry.key, entry)
  return next
}

const broken = (now: Entries, wanted: Entries): Entries => {
  const leaving = [...now.values()].filter(entry => !wanted.has(entry.key))
  if (leaving.length === 0) return now
  const stillMet = new Set(leaving.flatMap(entry => entry.next))
  const next = new Map(now)
  for (const entry of leaving) if (!stillMet.has(entry.key)) next.delete(entry.key)
  return next
}
