/** What switches lack of something that is wanted, in words. */

export interface Lack {
  readonly switch: string
  /** Behind the name of the switch: `is not connected`. */
  readonly why: string
  /** waiting: it is on its way · away: it may come by itself · refused: it does not */
  readonly kind: 'waiting' | 'away' | 'refused'
}

const named = 8

/** `s2 is not connected; s3 has not confirmed yet` */
export const lackText = (lacks: readonly Lack[]): string => {
  const told = lacks.slice(0, named).map(lack => `${lack.switch} ${lack.why}`)
  const more = lacks.length - told.length
  return [...told, ...(more > 0 ? [`and ${more} more`] : [])].join('; ')
}

/** Of something that these switches lack: undefined when none does. */
export const lackState = (
  lacks: readonly Lack[],
  switchCount: number,
): { readonly state: 'pending' | 'degraded'; readonly reason: string } | undefined => {
  if (lacks.length === 0) return undefined
  const isComing = lacks.some(({ kind }) => kind === 'waiting') || lacks.length >= switchCount
  return { state: isComing ? 'pending' : 'degraded', reason: lackText(lacks) }
}
