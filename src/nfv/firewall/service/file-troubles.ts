/** Rule files that are not in force as they stand, by path. */

export interface FileTrouble {
  readonly reason: string
  /** It was given at the start. */
  readonly isGiven: boolean
}

export class FileTroubles extends Map<string, FileTrouble> {
  /** A sentence for each that was given at the start. */
  given(): string[] {
    return [...this]
      .filter(([, { isGiven }]) => isGiven)
      .map(([file, { reason }]) => `${file} is not in force: ${reason.split('\n')[0]}`)
  }
}
