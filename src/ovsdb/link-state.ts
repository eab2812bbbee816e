/**
 * The life of a lasting link to a database, as one function over (state, event); `link.ts` carries out what
 * it asks for.
 *
 *     stopped ──start──> calling ──connected──> preparing ──prepared──> live
 *                          ^ │ failed               │ lost                │ lost
 *                    timer │ v                      v                     │
 *                        waiting <──────────────────┴─────────────────────┘
 *
 * A link that is called (passive) waits without a timer, and is connected out of `waiting`.
 */

export type LinkState =
  | { readonly phase: 'stopped' }
  | { readonly phase: 'calling'; readonly failures: number }
  | { readonly phase: 'preparing'; readonly failures: number }
  | { readonly phase: 'live'; readonly sinceMillis: number }
  | { readonly phase: 'waiting'; readonly failures: number; readonly reason: string }

export type LinkEvent =
  | { readonly kind: 'start' }
  | { readonly kind: 'connected' }
  | { readonly kind: 'prepared'; readonly nowMillis: number }
  | { readonly kind: 'lost'; readonly reason: string; readonly nowMillis: number }
  | { readonly kind: 'timer' }
  | { readonly kind: 'stop' }

export type LinkEffect =
  | { readonly kind: 'call' }
  | { readonly kind: 'prepare' }
  | { readonly kind: 'close' }
  /** Before the next call; `timer` comes then. */
  | { readonly kind: 'wait'; readonly failures: number }

/** A link that held for so long was good: the next call comes at once. */
const goodMillis = 5_000

export const step = (state: LinkState, event: LinkEvent): readonly [LinkState, LinkEffect[]] => {
  if (event.kind === 'stop') return [{ phase: 'stopped' }, [{ kind: 'close' }]]
  switch (state.phase) {
    case 'stopped':
      if (event.kind === 'start') return [{ phase: 'calling', failures: 0 }, [{ kind: 'call' }]]
      break
    case 'calling':
      if (event.kind === 'connected') return prepare(state.failures)
      if (event.kind === 'lost') return wait(state.failures + 1, event.reason)
      break
    case 'preparing':
      if (event.kind === 'prepared') return [{ phase: 'live', sinceMillis: event.nowMillis }, []]
      if (event.kind === 'lost') return wait(state.failures + 1, event.reason)
      break
    case 'live':
      if (event.kind === 'lost')
        return wait(event.nowMillis - state.sinceMillis >= goodMillis ? 0 : 1, event.reason)
      break
    case 'waiting':
      if (event.kind === 'connected') return prepare(state.failures)
      if (event.kind === 'timer')
        return [{ phase: 'calling', failures: state.failures }, [{ kind: 'call' }]]
      break
  }
  return [state, []]
}

const prepare = (failures: number): readonly [LinkState, LinkEffect[]] => [
  { phase: 'preparing', failures },
  [{ kind: 'prepare' }],
]

const wait = (failures: number, reason: string): readonly [LinkState, LinkEffect[]] => [
  { phase: 'waiting', failures, reason },
  [{ kind: 'wait', failures }],
]

const firstMillis = 100
const mostMillis = 8_000

/** Doubles with every failure up to 8 s; a half to the whole of it, so that many do not come at once. */
export const backOffMillis = (failures: number, random: number): number => {
  const full = Math.min(mostMillis, firstMillis * 2 ** Math.min(failures, 10))
  return full / 2 + (full / 2) * (random / 2 ** 32)
}
