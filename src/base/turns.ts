/** Does something for each of many, in turns: all at once would hold up everything else for as long as it takes. */
import type { Cancel, Env } from './env/env.js'

const turns = 120

/** Each item once in a period; the first ones come last, at its end. */
export const inTurns = <T>(
  timers: Env['timers'],
  periodMillis: number,
  items: () => Iterable<T>,
  run: (item: T) => void,
): Cancel => {
  let turn = turns
  return timers.every(periodMillis / turns, () => {
    turn = turn === 0 ? turns - 1 : turn - 1
    let index = 0
    for (const item of items()) if (index++ % turns === turn) run(item)
  })
}
