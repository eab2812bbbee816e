/** What links may cost, by the choice of whoever asks for a path. */

/**
 * hops: 1 each · latency: milliseconds · utilisation: 1 when idle, 1,000 when full · given: as declared
 */
export const costKinds = ['hops', 'latency', 'utilisation', 'given'] as const
export type CostKind = (typeof costKinds)[number]
